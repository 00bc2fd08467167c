#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""property.py PORT SEED SEQUENCES [guarded]: random sequences of messages, and everything that comes back. The
same seed direct and through holdfast gives the same output and leaves the same database. guarded: of what a
policy with belt and commit guard lets pass, in an order that an application would choose, mistakes included."""
import random
import socket
import sys
import time

from wire import COPY_DONE, H, PORT, S, Session, Q, P, B, C, D, E, F, copy_fail, d, startup

SEED, SEQUENCES, GUARDED = int(sys.argv[2]), int(sys.argv[3]), sys.argv[4:] == ["guarded"]
NAMES = ("", "a", "b", "c")


class Maker:
    def __init__(self, rng):
        self.rng = rng

    def pick(self, *choices):
        return self.rng.choice(choices)

    def table(self):
        return self.pick("scratch.t", "scratch.t", "scratch.t", "notes", "scratch.u", "nowhere")

    def value(self):
        return self.pick("1", "42", "'x'", "NULL", "E'a\\'b'", "$$q;q$$", "U&'\\0061'", "repeat('z', 70)", "'é'", "now() - now()", "1/0")

    def select(self):
        return self.pick(
            f"SELECT {self.value()}, {self.value()}",
            f"SELECT count(*) FROM {self.table()}",
            f"SELECT * FROM {self.table()} ORDER BY 1, 2 LIMIT {self.rng.randrange(5)}",
            f"SELECT g FROM generate_series(1, {self.rng.randrange(40)}) g",
            f"WITH i AS (INSERT INTO scratch.t VALUES ({self.rng.randrange(9)}, 'cte') RETURNING id) SELECT * FROM i",
            "VALUES (1, 'a'), (2, NULL)", "SELECT", "SHOW work_mem", "TABLE notes")

    def write(self):
        t, n = self.table(), self.rng.randrange(9)
        return self.pick(
            f"INSERT INTO {t} VALUES ({n}, {self.value()}) RETURNING *", f"INSERT INTO {t} VALUES ({n}, 'w')",
            f"UPDATE {t} SET id = id + 1 WHERE id = {n}", f"DELETE FROM {t} WHERE id = {n}", f"DELETE FROM {t} WHERE id > 6 RETURNING id")

    def other(self):
        name = self.pick("a", "b", "c")
        return self.pick(
            "BEGIN", "BEGIN", "COMMIT", "ROLLBACK", "SAVEPOINT s", "ROLLBACK TO s", "RELEASE s", "COMMIT AND CHAIN",
            f"PREPARE {name} AS {self.select()}", f"EXECUTE {name}", f"DEALLOCATE {name}", "DEALLOCATE ALL", "DISCARD PLANS",
            f"DECLARE {name} CURSOR FOR {self.select()}", f"FETCH 2 FROM {name}", f"CLOSE {name}", "CLOSE ALL",
            f"DECLARE {name} CURSOR WITH HOLD FOR SELECT 1", f"MOVE 1 IN {name}",
            "SET work_mem = '7MB'", "SET LOCAL work_mem = '9MB'", "RESET work_mem", "SET standard_conforming_strings = off",
            "SET standard_conforming_strings = on", "SET client_encoding = 'LATIN1'", "SET client_encoding = 'UTF8'", "RESET ALL",
            "CREATE TABLE scratch.u (id int, v text)", "DROP TABLE scratch.u", "TRUNCATE scratch.t", "DO $$BEGIN RAISE NOTICE 'n'; END$$",
            "LISTEN ears", "NOTIFY ears, 'x'", "UNLISTEN *", "EXPLAIN (COSTS off) SELECT 1", "nonsense", "", ";", "SELECT 'open",
            "COPY scratch.t TO STDOUT", "COPY (SELECT 1, 'c') TO STDOUT (FORMAT csv)", "DISCARD ALL")

    def sql(self):
        return self.pick(self.select, self.select, self.write, self.other)()

    def simple(self):
        return [Q("; ".join(self.sql() for _ in range(self.pick(1, 1, 1, 2, 3))))]

    def extended(self):
        """Messages in any order, with names that may or may not be there."""
        out = []
        for _ in range(self.rng.randrange(1, 7)):
            stmt, portal = self.pick(*NAMES), self.pick(*NAMES)
            what = self.rng.randrange(10)
            if what < 3:
                out += [P(stmt, self.sql())] + ([B(portal, stmt), D(b"P", portal), E(portal)] if what else [])
            elif what < 5:
                out += [B(portal, stmt, results=self.pick((), (1,))), E(portal, self.pick(0, 0, 1, 2))]
            elif what == 5:
                out += [P(stmt, "SELECT $1::int + $2::int"), B(portal, stmt, self.pick(1, "x", None), 2), E(portal)]
            else:
                out.append(self.pick(D(b"S", stmt), D(b"P", portal), C(b"S", stmt), C(b"P", portal), E(portal, 1), H, H))
        return out + [S]

    def copy_in(self):
        """The data comes in the same flight, whether the server asks for it or not."""
        data = [d(self.pick(b"1\tone\n", b"2\t\\N\n3\t", b"three\n", b"bad\n", b"\\.\n", b"")) for _ in range(self.rng.randrange(4))]
        end = self.pick(COPY_DONE, COPY_DONE, copy_fail("given up"))
        table = self.pick("scratch.t", "nowhere")
        if self.rng.random() < 0.5:
            return [Q(f"COPY {table} FROM STDIN"), *data, end]
        # Under a name that nobody else uses: any other message while the server reads data ends the session.
        return [C(b"S", "copy"), P("copy", f"COPY {table} FROM STDIN"), B("copy", "copy"), E("copy"), *data, end, S]

    def batch(self):
        # No call of a function that is not there: in such company it has crashed PostgreSQL 15.18 itself.
        return self.pick(self.simple, self.simple, self.extended, self.extended, self.extended, self.copy_in,
                          lambda: [F(self.pick(177, 154), b"1", b"2")])()


class GuardedMaker(Maker):
    """Nothing unknown: no setting and no EXECUTE, since they may change how text is read; the name of a statement is
    one that the session made before anything else. Cursors get a new name each, since what a name means that failed
    to be made nobody knows."""

    READY = [P("c", "SELECT v FROM scratch.t ORDER BY 1 LIMIT 2"), S]

    def __init__(self, rng):
        super().__init__(rng)
        self.n_cursors = 0

    def table(self):
        return self.pick("scratch.t", "scratch.t", "scratch.t", "notes", "nowhere")

    def value(self):
        # Behind a write of the same batch, whose triggers may change how text is read, a text with more in it than
        # plain ASCII and plain quotes is unknown.
        return self.pick("1", "42", "NULL", "repeat('z', 70)", "now() - now()", "1/0")

    def select(self):
        return self.pick(
            super().select(), "SELECT * FROM quiet ORDER BY 1", "SELECT v FROM loud ORDER BY 1 LIMIT 3", "SELECT id FROM notes WHERE id = 1 AND 'x' || body > ''",
            f"EXPLAIN (COSTS off) SELECT * FROM {self.table()}", "SELECT txid_current_if_assigned() IS NULL, count(*) FROM notes",
            "COPY scratch.t TO STDOUT", "COPY (SELECT 1 FROM quiet LIMIT 2) TO STDOUT (FORMAT csv)", "SELECT nope FROM scratch.t", "SELECT id, count(*) OVER () FROM scratch.t ORDER BY 1")

    def write(self):
        n = self.rng.randrange(9)
        return self.pick(
            f"INSERT INTO scratch.t VALUES ({n}, {self.value()}) RETURNING *", f"INSERT INTO scratch.t VALUES ({n}, 'w')",
            f"UPDATE scratch.t SET id = id + 1 WHERE id = {n}", f"DELETE FROM scratch.t WHERE id = {n}", f"DELETE FROM scratch.t WHERE id > 6 RETURNING id")

    def other(self):
        self.n_cursors += 1
        k = f"k{self.n_cursors}"
        return self.pick(
            "BEGIN", "BEGIN", "COMMIT", "COMMIT", "ROLLBACK", "SAVEPOINT s", "ROLLBACK TO s", "RELEASE s", "BEGIN ISOLATION LEVEL REPEATABLE READ",
            "SET TRANSACTION ISOLATION LEVEL SERIALIZABLE", f"DECLARE {k} CURSOR FOR SELECT id FROM scratch.t ORDER BY 1; FETCH 2 FROM {k}",
            "SELECT id FROM notes WHERE id = 1", "", ";", "LISTEN ears", "UNLISTEN *",
            "SHOW transaction_read_only", "SHOW transaction_isolation")

    def simple(self):
        # Not COMMIT in one string with a read of a table: that is judged as a write, on purpose.
        return [Q(self.sql())]

    def extended(self):
        out = []
        for _ in range(self.rng.randrange(1, 5)):
            what, sql = self.rng.randrange(8), self.sql()
            # Behind reads of its batch an isolation level comes too late, but not for us: the batch was ended
            # before it; and there a setting says what the belt made of it.
            if what < 4 and not any(word in sql for word in ("ISOLATION", "read_only")):
                out += [P("", sql), B("", ""), *([D(b"P", "")] if what else []), E("", self.pick(0, 0, 2))]
            elif what < 6:
                out += [B("", "c"), E("", self.pick(0, 1))]
            elif what == 6:
                out += [P("", "SELECT $1::int + $2::int FROM quiet LIMIT 1"), B("", "", self.pick(1, "x", None), 2), E("")]
            else:
                out += [C(b"P", ""), H]
        return out + [S]

    def batch(self):
        return self.pick(self.simple, self.simple, self.extended)()


def sequence(seed):
    rng = random.Random(seed)
    maker = GuardedMaker(rng) if GUARDED else Maker(rng)
    print("====", seed)
    s = Session()
    if GUARDED:
        s.s.sendall(b"".join(maker.READY) + C(b"S", "nobody") * 9 + S)
        to_the_mark(s)
    for _ in range(rng.randrange(5, 25)):
        units = maker.batch()
        # However many ReadyForQuery they are answered with, and whatever state they leave: nine Close are
        # nothing that a batch holds, and change nothing.
        stream = b"".join(units) + S + C(b"S", "nobody") * 9 + S
        if rng.random() < 0.2:
            for i in range(0, len(stream), 11):
                s.s.sendall(stream[i:i + 11])
        else:
            s.s.sendall(stream)
        if not to_the_mark(s):
            wait_for_server()
            return
    s.end()


def wait_for_server():
    """Some sequences end PostgreSQL itself, direct as well (seed 7936, number 802, of 15.18: signal 11). It
    may let somebody in before it notices, and ends that session too: what counts is ten in a row."""
    print("the server ended the session")
    until, good = time.monotonic() + 60, 0
    while good < 10:
        if time.monotonic() > until:
            sys.exit("the server did not come back")
        time.sleep(0.03)  # condition helper
        try:
            with socket.create_connection(("127.0.0.1", PORT), timeout=60) as s:
                s.sendall(startup())
                good = good + 1 if s.recv(1) == b"R" else 0
        except ConnectionError:
            good = 0


def to_the_mark(s):
    n = 0
    while True:
        kind = s.one()
        if not kind:
            return False
        if kind == "Z" and n >= 9:
            return True
        n = n + 1 if kind == "3" else n if kind in "ANS" else 0


if __name__ == "__main__":
    for n in range(SEQUENCES):
        sequence(SEED * 100000 + n)

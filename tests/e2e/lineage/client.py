#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""client.py ask PORT FILE: each line of FILE to the server, as a simple query and in the extended
protocol; prints, one line an answer, what was asked and every byte that came back, in hex.
client.py call PORT OID ARG, client.py listen PORT: the same for a call by number, and for what others notify.
client.py leaks FILE: which of these answers hold a canary, in any form.
client.py differ A B: which answers differ between two such files."""
import base64
import os
import re
import socket
import struct
import sys
import urllib.parse

CANARIES = """Zq7Kx9Wm2Lp4 Rd5Gs1Yk8Bv3 Hf2Lt6Jc9Wq7 Vb3Nf8Hc6Tj1 Xw9Qm4Zp7Dn2 Ks8Vx3Rb5Gz1""".split()
ENDED = b"Z"


def message(kind, body=b""):
    return kind + struct.pack("!i", len(body) + 4) + body


class Session:
    def __init__(self, port):
        self.s = socket.create_connection(("127.0.0.1", port), timeout=30)
        body = struct.pack("!i", 196608) + b"user\0agent\0database\0" + os.environ.get("LAB_DB", "shop").encode() + b"\0\0"
        self.s.sendall(struct.pack("!i", len(body) + 4) + body)
        self.answer()

    def read(self, n):
        data = b""
        while len(data) < n:
            chunk = self.s.recv(n - len(data))
            if not chunk:
                raise EOFError
            data += chunk
        return data

    def answer(self):
        """All bytes up to ReadyForQuery; or up to a hold, which nobody will ever decide."""
        data = b""
        while True:
            head = self.read(5)
            body = self.read(struct.unpack("!i", head[1:])[0] - 4)
            data += head + body
            if head[:1] == b"G":
                self.s.sendall(message(b"f", b"no\0"))
            if head[:1] == ENDED:
                return data, True
            if head[:1] == b"N" and b"held as" in body:
                return data, False

    def simple(self, sql):
        self.s.sendall(message(b"Q", sql.encode() + b"\0"))
        return self.answer()

    def extended(self, sql):
        self.s.sendall(message(b"P", b"\0" + sql.encode() + b"\0" + struct.pack("!h", 0)) +
                       message(b"B", b"\0\0" + struct.pack("!hhh", 0, 0, 0)) + message(b"D", b"P\0") +
                       message(b"E", b"\0" + struct.pack("!i", 0)) + message(b"S"))
        return self.answer()


def call(port, oid, arg):
    """A function by its number, as PQfn() does."""
    session = Session(port)
    body = struct.pack("!ihh", oid, 0, 1) + struct.pack("!i", len(arg)) + arg.encode() + struct.pack("!h", 0)
    session.s.sendall(message(b"F", body))
    print("call", session.answer()[0].hex(), "FunctionCall", sep="\t")


def listen(port):
    """What others notify: four messages, then good-bye."""
    session = Session(port)
    session.simple("LISTEN lab")
    print("listening", flush=True)
    data = b""
    while data.count(b"lab\0") < 4:
        head = session.read(5)
        data += head + session.read(struct.unpack("!i", head[1:])[0] - 4)
    print("listen", data.hex(), "LISTEN", sep="\t", flush=True)


def statements(path):
    with open(path, encoding="utf8") as f:
        return [line.strip() for line in f if line.strip() and not line.startswith("--")]


def ask(port, path):
    session = Session(port)
    for how in ("simple", "extended"):
        for sql in statements(path):
            if how == "extended" and (re.search(";|^(BEGIN|COMMIT|ROLLBACK|DECLARE|FETCH|UPDATE|INSERT|DELETE)|PREPARE", sql)):
                continue
            try:
                data, goes_on = getattr(session, how)(sql)
            except EOFError:
                data, goes_on = b"closed", False
            print(how, data.hex() or "-", sql, sep="\t", flush=True)
            if not goes_on:
                session.s.close()
                session = Session(port)


def forms(canary):
    """What a canary looks like once somebody tried to hide it; lower case, without fillers."""
    raw = canary.encode()
    for text in (raw, raw[::-1]):
        yield text
        yield text.hex().encode()
        yield text.decode().encode("utf-16-le")
        yield text.decode().encode("utf-16-be")
        yield urllib.parse.quote(text.decode()).encode()
        yield b"".join(b"%%%02x" % c for c in text)
        yield b"".join(b"\\u%04x" % c for c in text)
        for skip in range(3):  # base64 at each alignment, but for the ends that hang on what is around
            yield base64.b64encode(b"x" * skip + text)[4 if skip else 0:-4]
    import hashlib
    yield hashlib.md5(raw).hexdigest().encode()


def leaks(path):
    bad = 0
    for line in open(path, encoding="utf8"):
        how, data, sql = line.rstrip("\n").split("\t")
        data = bytes.fromhex(data) if data != "-" else b""
        # What the agent wrote itself comes back in error texts.
        data = data.replace(sql.encode(), b"")
        low = data.lower()
        plain = re.sub(rb"[^a-z0-9]", b"", low)
        for canary in CANARIES:
            found = [f for f in forms(canary) if f.lower() in low]
            split = canary.lower().encode()
            if not found and (split in plain or split[::-1] in plain):
                found = [b"split"]
            # Half of it is a leak, too, if it is not in the statement.
            for half in (canary[:5], canary[-5:]):
                if not found and half.encode() in data and half not in sql:
                    found = [half.encode()]
            if found and canary not in sql:
                print("LEAK", how, canary, "as", found[0], "by:", sql)
                bad += 1
    return bad


def plain(line):
    """Without the numbers that requests and runs have."""
    how, data, sql = line.rstrip("\n").split("\t")
    data = bytes.fromhex(data) if data != "-" else b""
    text, at = b"", 0
    while at + 5 <= len(data):  # nor the lengths of messages that hold them
        n = struct.unpack("!i", data[at + 1:at + 5])[0]
        text += data[at:at + 1] + data[at + 5:at + 1 + n] + b"\n"
        at += 1 + n
    return re.sub(rb"(request|run|held as h)( ?)\d+", rb"\1", text + data[at:])


def differ(one, other):
    bad = 0
    a, b = open(one, encoding="utf8").readlines(), open(other, encoding="utf8").readlines()
    if len(a) != len(b):
        print("not as many answers:", len(a), len(b))
        return 1
    for x, y in zip(a, b):
        if plain(x) == plain(y):
            continue
        how, _, sql = y.rstrip("\n").split("\t")
        print("DIFFERS", how, sql[:2000], plain(x)[-200:], plain(y)[-200:])
        bad += 1
    shown = sum(re.search(rb"\nC(SELECT|COPY|EXPLAIN)", plain(y)) is not None for y in b)
    stars = sum(b"****" in plain(y) for y in b)
    print(f"# {len(a)} answers, {bad} differ, {shown} end well, {stars} hold a mask")
    return bad


if __name__ == "__main__":
    if sys.argv[1] == "ask":
        ask(int(sys.argv[2]), sys.argv[3])
    elif sys.argv[1] == "call":
        call(int(sys.argv[2]), int(sys.argv[3]), sys.argv[4])
    elif sys.argv[1] == "listen":
        listen(int(sys.argv[2]))
    else:
        sys.exit(1 if {"leaks": leaks, "differ": differ}[sys.argv[1]](*sys.argv[2:]) else 0)

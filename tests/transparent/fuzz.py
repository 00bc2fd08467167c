#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""fuzz.py SOCKET PORT LEXDIFF SEED N: random token soup, read by the server and by us. Whatever the server
makes of a text, we have to see at least that: as many statements, and each thing that its tags say was
done, or `unknown`."""
import random
import re
import socket
import struct
import subprocess
import sys

FOLDER, PORT, LEXDIFF, SEED, N = sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4]), int(sys.argv[5])
PIECES = ["'", "'", "''", "\\'", "\\", '"', '""', "$$", "$$", "$a$", "$a$", "$", "$1", "--", "--", "/*", "*/", "/*", "*/", "\n", "\r", "\t", "\f", "\v",
          " ", " ", " ", ";", ";", "E'", "e'", "U&'", 'U&"', "u&'", "B'", "X'", "N'", "UESCAPE '!'", "!0061", "\\0061", "a", "b$$", "a$b$", "é", "\u00a0",
          "1", "1.5", "0x1", "1_0", "@", "#", "-", "+", "*", "||", "::text", "AS", ",", "(", ")", "SELECT", "SELECT 1", "SELECT 'x'", "\ufeff",
          "; DELETE FROM scratch.t", "; INSERT INTO scratch.t VALUES (1)", "; DELETE FROM scratch.t --", "'; DELETE FROM scratch.t; --", "\n'b'", "' -- c\n'"]
TAGS = {b"DELETE": "delete", b"INSERT": "insert", b"SELECT": "read"}


def message(kind, body):
    return kind + struct.pack("!i", len(body) + 4) + body


class Server:
    def __init__(self):
        self.s = socket.socket(socket.AF_UNIX)
        self.s.connect(f"{FOLDER}/.s.PGSQL.{PORT}")
        body = struct.pack("!i", 196608) + b"user\0agent\0database\0shop\0\0"
        self.s.sendall(struct.pack("!i", len(body) + 4) + body)
        self.buffer = b""
        self.answer()

    def read(self, n):
        while len(self.buffer) < n:
            self.buffer += self.s.recv(1 << 16)
        data, self.buffer = self.buffer[:n], self.buffer[n:]
        return data

    def answer(self):
        units = []
        while True:
            head = self.read(5)
            units.append((head[:1], self.read(struct.unpack("!i", head[1:])[0] - 4)))
            if head[:1] == b"Z":
                return units

    def ask(self, text):
        """(tags, SQLSTATE or None), without a trace."""
        self.s.sendall(message(b"Q", b"BEGIN\0") + message(b"Q", text + b"\0") + message(b"Q", b"ROLLBACK\0"))
        self.answer()
        units = self.answer()
        self.answer()
        tags = [body.split(b" ")[0].rstrip(b"\0") for kind, body in units if kind == b"C"]
        errors = [body for kind, body in units if kind == b"E"]
        return tags, re.search(rb"\0C([0-9A-Z]{5})\0", errors[0])[1].decode() if errors else None


def soup(rng):
    parts = [rng.choice(PIECES) for _ in range(rng.randrange(1, 14))]
    if rng.random() < 0.7:
        parts.insert(0, rng.choice(["SELECT ", "SELECT 1 ", "SELECT '", "SELECT E'", "SELECT $$"]))
    return "".join(parts).encode()


def main():
    server, rng = Server(), random.Random(SEED)
    texts = sorted({soup(rng) for _ in range(N)})
    ours = subprocess.run([LEXDIFF], input="".join(t.hex() + "\n" for t in texts), capture_output=True, text=True, check=True).stdout.split("\n")
    n_bad = n_accepted = n_missed = 0
    for text, line in zip(texts, ours):
        n, *effects = line.split()
        tags, error = server.ask(text)
        n_accepted += not error
        if "unknown" in effects:
            n_missed += not error
            problem = None
        elif error == "42601":
            problem = None  # nothing was run
        elif len(tags) > int(n) or (not error and len(tags) < int(n)):
            problem = "another number of statements"
        else:
            problem = next(("not seen: " + t.decode() for t in tags if TAGS.get(t, "unknown") not in effects), None)
            if not problem and not error:
                problem = next(("not done: " + e for e in effects if e in ("delete", "insert") and e not in [TAGS.get(t) for t in tags]), None)
        if problem:
            n_bad += 1
            print(problem, text, line, tags, error)
    print(f"fuzz: {len(texts)} texts, {n_accepted} taken by the server, {n_missed} of them unknown to us, {n_bad} read otherwise (seed {SEED})")
    # Less understood than the server does is safe, but not if it were much.
    return n_bad > 0 or n_missed * 20 > n_accepted


if __name__ == "__main__":
    sys.exit(main())

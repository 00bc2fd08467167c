#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""tap.py PORT SERVER-PORT FILE: a wire between somebody and PostgreSQL that writes down what goes over it, in the
order of cause and effect: `N > Q SELECT 1` for what connection N was sent, `N < Z I` for what came back."""
import socket
import struct
import sys
import threading

PORT, SERVER, PATH = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
lock = threading.Lock()
out = open(PATH, "w", encoding="utf8")


def words(up, kind, body):
    """The part of a message that tests look at."""
    if kind == "Q":
        return body.rstrip(b"\0").decode(errors="replace")
    if kind == "P" and up:
        return " ".join(p.decode(errors="replace") for p in body.split(b"\0")[:2])
    if kind in "BED" and up or kind == "C":
        return body.split(b"\0")[0].decode(errors="replace")
    if kind == "Z":
        return body.decode()
    return ""


def exactly(s, n):
    data = b""
    while len(data) < n:
        chunk = s.recv(n - len(data))
        if not chunk:
            raise EOFError
        data += chunk
    return data


def carry(number, src, dst, up):
    try:
        if up:
            n = exactly(src, 4)
            dst.sendall(n + exactly(src, struct.unpack("!i", n)[0] - 4))
        while True:
            head = exactly(src, 5)
            body = exactly(src, struct.unpack("!i", head[1:])[0] - 4)
            kind = chr(head[0])
            # Written before it goes on: an answer never stands before its question.
            with lock:
                print(number, ">" if up else "<", kind, words(up, kind, body).replace("\n", " "), file=out, flush=True)
            dst.sendall(head + body)
    except (EOFError, OSError):
        for s in (src, dst):
            try:
                s.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass


listener = socket.socket()
listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
listener.bind(("127.0.0.1", PORT))
listener.listen(50)
number = 0
while True:
    client, _ = listener.accept()
    server = socket.create_connection(("127.0.0.1", SERVER))
    for s in (client, server):
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    number += 1
    threading.Thread(target=carry, args=(number, client, server, True), daemon=True).start()
    threading.Thread(target=carry, args=(number, server, client, False), daemon=True).start()

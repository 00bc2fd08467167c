#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""PostgreSQL by hand, for what no client would send, and small servers for it to talk to.

raw.py startup HOST PORT name=value…     a start-up message as given; prints how it is answered
raw.py cancel HOST PORT PID KEY          a CancelRequest
raw.py garbage HOST PORT                 bytes that are no protocol; prints how the connection ends
raw.py flood HOST PORT                   login, then a unit that claims to be 2 GiB long
raw.py pile HOST PORT N                  N logins, each with a Query of 16 MiB but for its end; says how many live
raw.py call HOST PORT                    login, then a FunctionCall; prints the answer
raw.py early HOST PORT SQL               start-up and a Query in one segment
raw.py selfcancel HOST PORT              login, runs pg_sleep, cancels it with the keys it was given
raw.py behind HOST PORT SQL              login, runs pg_sleep and SQL in one segment, cancels once when it sleeps
raw.py cancels HOST PORT                 login, runs pg_sleep, cancels it once a line comes on stdin
raw.py keys HOST PORT                    login, prints pid and key of BackendKeyData, runs pg_sleep
raw.py echo PORT | serve PORT            servers: echo back; print how many bytes arrived
"""
import select
import socket
import struct
import sys


def connect(host, port):
    s = socket.create_connection((host, int(port)), timeout=20)
    return s


def startup_message(pairs):
    body = struct.pack("!i", 196608)
    for pair in pairs:
        name, _, value = pair.partition("=")
        body += name.encode() + b"\0" + value.encode() + b"\0"
    body += b"\0"
    return struct.pack("!i", len(body) + 4) + body


def message(kind, body):
    return kind + struct.pack("!i", len(body) + 4) + body


def read_exactly(s, n):
    data = b""
    while len(data) < n:
        chunk = s.recv(n - len(data))
        if not chunk:
            raise EOFError
        data += chunk
    return data


def messages(s):
    """Yields (type, body) until the peer closes."""
    while True:
        try:
            head = read_exactly(s, 5)
            yield head[:1], read_exactly(s, struct.unpack("!i", head[1:])[0] - 4)
        except (EOFError, ConnectionResetError) as e:
            print("CLOSED", type(e).__name__)
            return


def fields(body):
    return {f[:1].decode(): f[1:].decode("utf8", "replace") for f in body.split(b"\0") if f}


def show(kind, body):
    if kind in b"EN":
        f = fields(body)
        print(f.get("S"), f.get("C"), f.get("M"))
    elif kind == b"D":
        print("ROW", body)
    elif kind == b"Z":
        print("READY", body.decode())
    sys.stdout.flush()


keys = []


def until_ready(s):
    for kind, body in messages(s):
        show(kind, body)
        if kind == b"K":
            keys[:] = struct.unpack("!ii", body)
            print("KEYS", *keys)
        if kind == b"Z":
            return True
    return False


def login(host, port):
    s = connect(host, port)
    s.sendall(startup_message(["user=agent", "database=shop"]))
    if not until_ready(s):
        sys.exit(2)
    return s


def cmd_startup(host, port, *pairs):
    s = connect(host, port)
    s.sendall(startup_message(pairs))
    until_ready(s)


def cmd_cancel(host, port, pid, key):
    s = connect(host, port)
    s.sendall(struct.pack("!iiii", 16, 80877102, int(pid), int(key)))
    print("EOF" if s.recv(1) == b"" else "answered")


def cmd_garbage(host, port):
    s = connect(host, port)
    s.sendall(b"\x00\x01\x02\x03GET / HTTP/1.1\r\n\r\n" * 64)
    try:
        while s.recv(4096):
            pass
        print("EOF")
    except ConnectionResetError:
        print("RESET")


def cmd_flood(host, port):
    s = login(host, port)
    try:
        s.sendall(b"Q" + struct.pack("!I", 0x7FFFFFFF))
        for _ in range(4096):
            s.sendall(b"x" * 65536)
    except (BrokenPipeError, ConnectionResetError):
        print("CUT")
        return
    print("SWALLOWED 256 MiB")


def cmd_pile(host, port, n):
    alive = []
    for _ in range(int(n)):
        try:
            s = login(host, port)
            s.sendall(b"Q" + struct.pack("!I", (16 << 20) - 1) + b"x" * ((16 << 20) - 64))
            alive.append(s)
        except (OSError, SystemExit):  # refused at its login, or later
            pass
    print(len(alive) - len(select.select(alive, [], [], 1)[0]), "live")


def cmd_call(host, port):
    s = login(host, port)
    # pg_backend_pid() by OID, no arguments, result in text.
    s.sendall(message(b"F", struct.pack("!ihhh", 2026, 0, 0, 0)))
    until_ready(s)


def cmd_early(host, port, sql):
    s = connect(host, port)
    s.sendall(startup_message(["user=agent", "database=shop"]) + message(b"Q", sql.encode() + b"\0"))
    if until_ready(s):
        until_ready(s)


def cmd_keys(host, port):
    s = login(host, port)
    s.sendall(message(b"Q", b"SELECT pg_sleep(30)\0"))
    until_ready(s)


def cmd_selfcancel(host, port):
    s = login(host, port)
    s.sendall(message(b"Q", b"SELECT pg_sleep(32)\0"))
    # A cancel that arrives before the query cancels nothing: again, until the answer is there.
    while not select.select([s], [], [], 0.2)[0]:
        cmd_cancel(host, port, *keys)
    until_ready(s)


def cmd_behind(host, port, sql):
    s, own = login(host, port), tuple(keys)
    s.sendall(message(b"Q", b"SELECT pg_sleep(34)\0") + message(b"Q", sql.encode() + b"\0"))
    other = login(host, port)
    asleep = f"SELECT count(*) FROM pg_stat_activity WHERE pid = {own[0]} AND wait_event = 'PgSleep'"
    while True:
        other.sendall(message(b"Q", asleep.encode() + b"\0"))
        counts = [body for kind, body in iter(lambda: next(messages(other)), (b"Z", b"I")) if kind == b"D"]
        if counts == [b"\0\1\0\0\0\1" + b"1"]:
            break
    cmd_cancel(host, port, *own)
    until_ready(s)
    until_ready(s)


def cmd_cancels(host, port):
    s = login(host, port)
    s.sendall(message(b"Q", b"SELECT pg_sleep(35)\0"))
    sys.stdin.readline()
    print("asked", flush=True)
    cmd_cancel(host, port, *keys)
    until_ready(s)


def listen(port):
    server = socket.socket()
    server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    server.bind(("127.0.0.1", int(port)))
    server.listen(16)
    print("listening")
    sys.stdout.flush()
    while True:
        peer, _ = server.accept()
        yield peer


def cmd_echo(port):
    for peer in listen(port):
        while data := peer.recv(65536):
            peer.sendall(data)
        peer.close()


def cmd_serve(port):
    for peer in listen(port):
        data = peer.recv(65536)
        print("accepted" if not data else f"{len(data)} bytes")
        sys.stdout.flush()
        peer.close()


if __name__ == "__main__":
    globals()["cmd_" + sys.argv[1]](*sys.argv[2:])

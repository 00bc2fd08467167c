# SPDX-License-Identifier: Apache-2.0
"""A name server for the tests: UDP and TCP, a few records, some of them such as an enemy would give.
usage: nameserver.py PORT    prints "ready", then one line for each question: "asked TYPE NAME"."""
import socket
import socketserver
import struct
import sys
import threading

A, CNAME, TXT, AAAA, HTTPS = 1, 5, 16, 28, 65


def name(text):
    return b"".join(bytes([len(x)]) + x.encode() for x in text.split(".") if x) + b"\0"


def ip(text):
    return socket.inet_pton(socket.AF_INET6 if ":" in text else socket.AF_INET, text)


def param(key, value):
    return struct.pack("!HH", key, len(value)) + value


ZONE = {
    ("shop.internal", A): [ip("127.0.0.1")],
    ("alias.internal", A): [(CNAME, name("shop.internal")), ("shop.internal", A, ip("127.0.0.1"))],
    ("metadata.internal", A): [ip("169.254.169.254")],
    ("house.internal", A): [ip("10.1.2.3")],
    ("a.allowed.test", A): [ip("203.0.113.5")],
    ("a.allowed.test", AAAA): [ip("2001:db8::5")],
    ("a.allowed.test", TXT): [b"\x05hello"],
    ("a.allowed.test", HTTPS): [struct.pack("!H", 1) + name("") + param(1, b"\x02h2\x02h3") +
        param(4, ip("127.0.0.1")) + param(5, b"secret-config") + param(6, ip("::1"))],
    ("rebind.allowed.test", A): [ip("10.1.2.3"), ip("127.0.0.1"), ip("203.0.113.6")],
    ("inside.allowed.test", A): [ip("192.168.7.7")],
    ("smuggled.allowed.test", A): [("other.name", A, ip("203.0.113.66")), ip("203.0.113.7")],
    ("many.allowed.test", A): [ip("203.0.113.%d" % i) for i in range(1, 31)] * 3,
}


def answer(question, is_udp):
    ident, = struct.unpack("!H", question[:2])
    at, labels = 12, []
    while question[at]:
        labels.append(question[at + 1:at + 1 + question[at]].decode())
        at += 1 + question[at]
    kind, = struct.unpack("!H", question[at + 1:at + 3])
    asked = ".".join(labels)
    print("asked", kind, asked, flush=True)
    records = ZONE.get((asked, kind), [])
    body = question[12:at + 5]
    n = 0
    for r in records:
        owner, rtype, data = asked, kind, r
        if isinstance(r, tuple):
            owner, rtype, data = (asked, *r) if len(r) == 2 else r
        body += name(owner) + struct.pack("!HHIH", rtype, 1, 60, len(data)) + data
        n += 1
    known = any(z[0] == asked for z in ZONE) or asked.endswith(".allowed.test")
    flags = 0x8180 | (0 if known else 3)
    if is_udp and len(body) > 500:
        body, n, flags = question[12:at + 5], 0, flags | 0x0200
    return struct.pack("!HHHHHH", ident, flags, 1, n, 0, 0) + body


class Udp(socketserver.BaseRequestHandler):
    def handle(self):
        data, sock = self.request
        sock.sendto(answer(data, True), self.client_address)


class Tcp(socketserver.StreamRequestHandler):
    def handle(self):
        while head := self.rfile.read(2):
            reply = answer(self.rfile.read(struct.unpack("!H", head)[0]), False)
            self.wfile.write(struct.pack("!H", len(reply)) + reply)


socketserver.ThreadingTCPServer.allow_reuse_address = True
where = ("127.0.0.1", int(sys.argv[1]))
tcp = socketserver.ThreadingTCPServer(where, Tcp)
threading.Thread(target=tcp.serve_forever, daemon=True).start()
udp = socketserver.ThreadingUDPServer(where, Udp)
print("ready", flush=True)
udp.serve_forever()

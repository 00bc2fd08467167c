#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""nat.py NEAR FAR SECONDS SOCKET LOG: between the network namespaces of the processes NEAR and FAR, what is between an
office and a data centre: a wire of packets (10.213.7.1 there, 10.213.7.2 here) that forgets every TCP connection on
which nothing went over for so many seconds, and from then on drops what comes of it without a word. In the far
namespace port 5432 is the PostgreSQL behind a unix socket; that end never probes by itself."""
import ctypes
import fcntl
import os
import select
import socket
import struct
import subprocess
import sys
import threading
import time

NEAR, FAR, SECONDS, SOCKET, LOG = sys.argv[1], sys.argv[2], float(sys.argv[3]), sys.argv[4], sys.argv[5]
libc = ctypes.CDLL(None, use_errno=True)


def enter(pid):
    fd = os.open(f"/proc/{pid}/ns/net", os.O_RDONLY)
    if libc.setns(fd, 0x40000000):
        raise OSError(ctypes.get_errno(), "setns")
    os.close(fd)


def tun(pid, address):
    enter(pid)
    fd = os.open("/dev/net/tun", os.O_RDWR)
    fcntl.ioctl(fd, 0x400454CA, struct.pack("16sH22x", b"nat0", 0x1001))  # IFF_TUN | IFF_NO_PI
    for words in (f"link set lo up", f"address add {address}/30 dev nat0", "link set nat0 up"):
        subprocess.run(["ip"] + words.split(), check=True)
    return fd


def carry(a, b):
    try:
        while data := a.recv(1 << 16):
            b.sendall(data)
    except OSError:
        pass
    for s in (a, b):
        try:
            s.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass


def serve(listener):
    while True:
        client, _ = listener.accept()
        server = socket.socket(socket.AF_UNIX)
        server.connect(SOCKET)
        for pair in ((client, server), (server, client)):
            threading.Thread(target=carry, args=pair, daemon=True).start()


def main():
    near = tun(NEAR, "10.213.7.1")
    far = tun(FAR, "10.213.7.2")
    listener = socket.create_server(("10.213.7.2", 5432))  # in the far namespace, where we are
    threading.Thread(target=serve, args=(listener,), daemon=True).start()
    log = open(LOG, "w", encoding="utf8")
    print("up", file=log, flush=True)
    seen = {}
    while True:
        for fd in select.select([near, far], [], [])[0]:
            packet = os.read(fd, 1 << 16)
            if packet[0] >> 4 != 4 or packet[9] != 6:
                continue
            at = (packet[0] & 15) * 4
            ports = struct.unpack("!HH", packet[at:at + 4])
            flow, flags, now = ports if fd == near else ports[::-1], packet[at + 13], time.monotonic()
            if flags & 2:
                seen[flow] = now
            elif now - seen.get(flow, -1e9) > SECONDS:
                if seen.pop(flow, None):
                    print("forgotten", flow[0], file=log, flush=True)
                continue
            seen[flow] = now
            os.write(far if fd == near else near, packet)


main()

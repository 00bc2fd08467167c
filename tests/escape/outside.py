#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The world outside: servers that write down whatever reaches them, and answer.
usage: outside.py TCP-PORT UDP-PORT UNIX-PATH ABSTRACT-NAME"""
import os
import selectors
import socket
import sys

tcp_port, udp_port, path, name = sys.argv[1:]
selector = selectors.DefaultSelector()


def stream(family, address):
    s = socket.socket(family)
    if family == socket.AF_INET:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.bind(address)
    s.listen(64)
    selector.register(s, selectors.EVENT_READ, "listener")


def datagram(family, address):
    s = socket.socket(family, socket.SOCK_DGRAM)
    s.bind(address)
    selector.register(s, selectors.EVENT_READ, "datagram")


os.umask(0)
stream(socket.AF_INET, ("127.0.0.1", int(tcp_port)))
datagram(socket.AF_INET, ("127.0.0.1", int(udp_port)))
stream(socket.AF_UNIX, path)
datagram(socket.AF_UNIX, path + ".dgram")
stream(socket.AF_UNIX, "\0" + name)
print("ready", flush=True)
while True:
    for key, _ in selector.select():
        if key.data == "listener":
            peer, _ = key.fileobj.accept()
            selector.register(peer, selectors.EVENT_READ, "peer")
            continue
        try:
            data = key.fileobj.recv(4096)
        except OSError:
            data = b""
        if data:
            print("RECEIVED", data, flush=True)
            if key.data == "peer":
                key.fileobj.send(b"welcome")
        elif key.data == "peer":
            selector.unregister(key.fileobj)
            key.fileobj.close()

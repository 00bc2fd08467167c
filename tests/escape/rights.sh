#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Descriptors sent to us over our own unix sockets. Whoever receives a message drops what came along, and
# where that is the last reference to a connection that lingers (SO_LINGER), dropping it waits for the
# other end: a thread of ours would stand still for as long as somebody else likes (P8).
. "$(dirname "$0")/../e2e/lib.sh"

SOCK=$E2E_PGSOCK/.s.PGSQL.$E2E_PGPORT
policy <<YAML
version: 1
default: {read: allow, session: allow, other: hold}
resources:
  - {name: shop, at: ["127.0.0.1:$E2E_PGPORT", "unix:$SOCK"], protocol: postgres, tags: [production-db]}
in_run: allow
rules:
  - {name: may-sleep, when: {effect: execute, object: ["pg_sleep", "pg_catalog.pg_sleep"]}, then: allow}
YAML
start_daemon || exit 1
/usr/bin/python3 -c "
import socket
a, b = socket.socketpair(socket.AF_UNIX)
a.setsockopt(socket.SOL_SOCKET, 83, 0)" 2> /dev/null || NO_RIGHTS=1
needs_kernel() { [ -z "${NO_RIGHTS:-}" ] || skip 'Linux before 6.16 takes descriptors on every unix socket'; }

# Everything answers within a moment, again and again, and nothing was replaced.
answers() {
	local i before
	before=$(enforcer_pid)
	for i in 1 2 3 4 5 6; do
		timeout -k 1 5 "$B/holdfast" pending > /dev/null || fail "the control socket does not answer ($i)"
		assert_eq "$(timeout -k 1 10 "$B/holdfast" run --quiet --name "calm$i" -- psql -XqAt "$SHOP" -c "SELECT $i")" "$i"
	done
	assert_eq "$(enforcer_pid)" "$before" 'the enforcer was replaced'
}

cat > "$G/linger.py" <<-'PY'
	import array, os, signal, socket, struct, sys
	def fill(s):
	    """Until nobody takes any more: what is sent now is never acknowledged."""
	    s.setblocking(False)
	    try:
	        while True:
	            s.send(b"x" * 65536)
	    except BlockingIOError:
	        pass
	def send_away(a, over, data):
	    """The only reference to a, on its way to somebody else."""
	    a.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 50))
	    try:
	        over.sendmsg([data], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [a.fileno()]))])
	        os.write(1, b"taken\n")
	        os.close(a.detach())  # who comes too late lingers himself
	    except OSError as e:
	        a.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 0, 0))
	        os.write(1, f"not taken: {e}\n".encode())
	def each(n, fn):
	    for i in range(n):
	        if not os.fork():
	            keep = fn(i)
	            signal.pause()
	    signal.pause()
	def login():
	    body = struct.pack("!i", 196608) + b"user\0agent\0database\0shop\0\0"
	    return struct.pack("!i", len(body) + 4) + body
	def query(text):
	    return b"Q" + struct.pack("!i", len(text) + 5) + text.encode() + b"\0"
PY
chmod 644 "$G/linger.py"

all_sent() { [ "$(grep -c taken "$T/$1.out")" = 8 ]; }

test_a_lingering_connection_sent_to_the_control_socket_stops_nobody() {
	needs_kernel
	PYTHONPATH=$G bg stranger setpriv --reuid=65534 --regid=65534 --clear-groups /usr/bin/python3 -u -c "
from linger import *
def one(i):
    l = socket.create_server(('127.0.0.1', 0))
    a = socket.create_connection(l.getsockname())
    b = l.accept()
    fill(a)
    s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    s.connect('$HOLDFAST_DIR/ctl.sock')
    send_away(a, s, struct.pack('!HH', 3, 100))
    return l, b, s
each(8, one)"
	wait_until 20 all_sent stranger
	answers
	assert_eq "$(grep -c 'not taken' "$T/stranger.out")" 8
	# shellcheck disable=SC2046 # pids
	kill -KILL $(pgrep -P "$BG") "$BG"
}

# From inside of a run: a connection to the shop that nobody reads, sent over one that is let in by a unix
# socket; one for each worker, and then some.
test_a_lingering_connection_sent_by_a_run_stops_no_worker() {
	needs_kernel
	PYTHONPATH=$G bg runs in_run linger -- /usr/bin/python3 -u -c "
from linger import *
import time
def one(i):
    a = socket.create_connection(('127.0.0.1', $E2E_PGPORT))
    a.sendall(login() + query('SELECT pg_sleep(60)'))
    a.recv(100000)
    end = time.monotonic() + 2
    a.setblocking(False)
    while time.monotonic() < end:
        try:
            a.send(query('SELECT 1 /* ' + 'x' * 1500 + ' */'))
        except BlockingIOError:
            time.sleep(0.05)  # condition helper
    s = socket.socket(socket.AF_UNIX)
    s.connect('$SOCK')
    send_away(a, s, login())
    return s
each(8, one)"
	# Without the hook a run can make no unix socket at all.
	if grep -q 'no connect_unix' "$G/daemon.log"; then
		wait_until 20 file_has "$T/runs.out" 'Address family not supported'
		kill "$BG"
		return 0
	fi
	wait_until 20 all_sent runs
	answers
	assert_eq "$(grep -c 'not taken' "$T/runs.out")" 8
	hf kill "$(hf status --json | jq '.runs[] | select(.name == "linger") | .id')"
	finish "$BG" || true
}

# The same from the other end: the run is the server, on a unix socket of its own that we connect to.
test_a_lingering_connection_sent_by_a_server_of_a_run_stops_no_worker() {
	needs_kernel
	install -d -m 777 "$G/s"
	PYTHONPATH=$G bg runs in_run server -- /usr/bin/python3 -u -c "
from linger import *
import select
def one(i):
    t = socket.create_server(('127.0.0.1', 0))
    a = socket.create_connection(t.getsockname())
    b = t.accept()
    fill(a)
    l = socket.socket(socket.AF_UNIX)
    l.bind('$G/s/%d' % i)
    l.listen()
    c = socket.socket(socket.AF_UNIX)
    c.connect('$G/s/%d' % i)
    c.sendall(b'x')
    s = l.accept()[0]
    # We are to have more to read than we do: so the reference here is gone before the other is read.
    fill(s)
    while select.select([], [s], [], 0.3)[1]:
        fill(s)
    while not select.select([], [s], [], 0.1)[1]:
        c.recv(65536)
    send_away(a, s, b'y')
    c.settimeout(5)
    try:
        while c.recv(65536):
            pass
    except TimeoutError:
        pass
    return t, b, l, c, s
each(8, one)"
	if grep -q 'no connect_unix' "$G/daemon.log"; then
		wait_until 20 file_has "$T/runs.out" 'Address family not supported'
		kill "$BG"
		return 0
	fi
	wait_until 20 file_has "$T/runs.out" taken
	answers
	wait_until 20 all_sent runs
	assert_eq "$(grep -c 'not taken' "$T/runs.out")" 8
	hf kill "$(hf status --json | jq '.runs[] | select(.name == "server") | .id')"
	finish "$BG" || true
}

run_tests

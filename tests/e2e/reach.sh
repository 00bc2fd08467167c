#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# What a run may connect to and who may connect to it, as the policy says, refused in the kernel.
. "$(dirname "$0")/lib.sh"

RUN_PORT=$(free_port) OUT_PORT=$(free_port)
with_reach() { # keys of the file on stdin
	policy <<-YAML
	version: 1
	default: {read: allow, session: allow, other: hold}
	$(cat)
	$(standard_resources)
	  - {name: wide, at: "0.0.0.0/0:$OUT_PORT", protocol: opaque}
	YAML
}
with_reach < /dev/null
start_daemon || exit 1

dial() { # NAME HOST PORT: what connect() says, or what the server says first
	in_run "$1" -- /usr/bin/python3 -c "
import socket
try:
    s = socket.create_connection(('$2', $3), timeout=10)
    print(s.recv(100).decode() or 'closed')
except OSError as e:
    print(e.strerror or e)"
}
says() { # TEXT PORT: python that says it once to each of a few who connect
	cat <<-PY
	import socket
	l = socket.create_server(('127.0.0.1', $2))
	print('ready', flush=True)
	while True:
	    c, _ = l.accept()
	    c.sendall(b'$1')
	    c.close()
	PY
}

test_unnamed_target_is_refused_in_the_call_itself() {
	assert_eq "$(dial refused 127.0.0.1 1)" 'Permission denied'
	assert_eq "$(dial refused 192.0.2.7 5432)" 'Permission denied'
	wait_ledger "SELECT count(*) FROM events e JOIN runs r ON r.id = e.run WHERE r.name = 'refused' AND e.kind = 'target-denied' AND e.detail LIKE '%192.0.2.7:5432%'" 1
}

test_named_target_is_still_reached() {
	assert_eq "$(sql reached 'SELECT 41 + 1')" 42
}

test_wide_network_opens_neither_loopback_nor_metadata() {
	says 'the hosts own' "$OUT_PORT" > "$T/server.py"
	bg server /usr/bin/python3 "$T/server.py"
	wait_until 10 file_has "$T/server.out" ready
	assert_lacks "$(dial relay 127.0.0.1 "$OUT_PORT")" 'hosts own'
	assert_lacks "$(dial relay 0.0.0.0 "$OUT_PORT")" 'hosts own'
	assert_lacks "$(dial relay ::ffff:127.0.0.1 "$OUT_PORT")" 'hosts own'
	for metadata in 169.254.169.254 100.100.100.200 168.63.129.16; do
		case $(dial relay $metadata "$OUT_PORT") in
		*denied* | *reset*) ;;
		*) fail "$metadata" ;;
		esac
	done
	wait_ledger "SELECT count(*) > 0 FROM events WHERE kind = 'target-denied' AND detail LIKE '%169.254.169.254%'" 1
	kill "$BG"
}

test_reload_changes_what_is_refused() {
	assert_eq "$(dial reload 127.0.0.1 "$RUN_PORT")" 'Permission denied'
	policy <<-YAML
	version: 1
	default: {read: allow, session: allow, other: hold}
	resources: [{name: now, at: "127.0.0.1:$RUN_PORT", protocol: opaque}]
	YAML
	hf reload
	says 'now named' "$RUN_PORT" > "$T/server.py"
	bg server /usr/bin/python3 "$T/server.py"
	wait_until 10 file_has "$T/server.out" ready
	wait_until 5 sh -c "[ \"\$('$B/holdfast' run --quiet -- /usr/bin/python3 -c \"
import socket
print(socket.create_connection(('127.0.0.1', $RUN_PORT), timeout=5).recv(100).decode())\")\" = 'now named' ]"
	assert_eq "$(dial reload 127.0.0.1 "$E2E_PGPORT")" 'Permission denied'
	kill "$BG"
	with_reach < /dev/null
	hf reload
}

own_server() { # a run that serves itself
	cat <<-PY
	import socket, threading
	l = socket.create_server(('127.0.0.1', $RUN_PORT))
	def serve():
	    c, _ = l.accept()
	    c.sendall(b'to myself')
	    c.close()
	threading.Thread(target=serve, daemon=True).start()
	try:
	    print(socket.create_connection(('127.0.0.1', $RUN_PORT), timeout=5).recv(100).decode())
	except OSError as e:
	    print(e.strerror or e)
	PY
}

test_own_listener_is_reached_only_if_in_run_allows() {
	own_server > "$T/own.py"
	assert_eq "$(in_run own -- /usr/bin/python3 "$T/own.py")" 'Permission denied'
	with_reach <<< 'in_run: allow'
	hf reload
	assert_eq "$(in_run own -- /usr/bin/python3 "$T/own.py")" 'to myself'
	says 'not for you' "$RUN_PORT" > "$T/other.py"
	bg other in_run other -- /usr/bin/python3 "$T/other.py"
	wait_until 10 file_has "$T/other.out" ready
	assert_eq "$(dial stranger 127.0.0.1 "$RUN_PORT")" 'Permission denied' 'another run'
	assert_eq "$(timeout 2 /usr/bin/python3 -c "
import socket
try:
    print(socket.create_connection(('127.0.0.1', $RUN_PORT), timeout=1).recv(100))
except OSError as e:
    print('no')")" no 'somebody outside'
	signal_run other TERM
	finish "$BG" || true
	with_reach < /dev/null
	hf reload
}

# A connection of the run to itself, disconnected, is no more let in by anybody when it listens.
test_accepted_socket_that_listens_answers_nobody() {
	with_reach <<< 'in_run: allow'
	hf reload
	cat > "$T/again.py" <<-PY
	import ctypes, socket
	first = socket.create_server(('127.0.0.1', $RUN_PORT))
	client = socket.create_connection(('127.0.0.1', $RUN_PORT), timeout=5)
	l, _ = first.accept()
	libc = ctypes.CDLL(None, use_errno=True)
	assert libc.connect(l.fileno(), bytes(16), 16) == 0, 'AF_UNSPEC'
	first.close()
	client.close()
	l.listen(5)
	print('ready', l.getsockname()[1], flush=True)
	while True:
	    c, _ = l.accept()
	    c.sendall(b'smuggled')
	PY
	bg again in_run again -- /usr/bin/python3 "$T/again.py"
	wait_until 10 file_has "$T/again.out" ready
	port=$(awk '/^ready/ { print $2 }' "$T/again.out")
	assert_eq "$(/usr/bin/python3 -c "
import socket
try:
    print(socket.create_connection(('127.0.0.1', $port), timeout=1).recv(100).decode())
except OSError:
    print('nothing')")" nothing
	signal_run again TERM
	finish "$BG" || true
	with_reach < /dev/null
	hf reload
}

test_inbound_lets_in_whom_it_names() {
	says 'come in' "$RUN_PORT" > "$T/server.py"
	bg server in_run server -- /usr/bin/python3 "$T/server.py"
	wait_until 10 file_has "$T/server.out" ready
	knock="/usr/bin/python3 -c \"
import socket
s = socket.create_connection(('127.0.0.1', $RUN_PORT), timeout=1, source_address=('\$0', 0))
assert s.recv(100) == b'come in'\""
	if sh -c "$knock" 127.0.0.1; then fail 'before it was allowed'; fi
	with_reach <<< "inbound: ['127.0.0.7:$RUN_PORT']"
	hf reload
	wait_until 5 sh -c "$knock" 127.0.0.7
	if sh -c "$knock" 127.0.0.1; then fail 'from another address'; fi
	signal_run server TERM
	finish "$BG" || true
}

# Two ends that connect to each other at once need no listener (RFC 9293, 3.5), so that a listener of
# ours proves nothing about who is there. Somebody outside who plays along, and whom the run's own
# listener keeps waiting by hearing nothing, is such an end.
meets() { # NAME: what runs meet, outside; the program of it is in $T/NAME.py
	bg "$1" setpriv --reuid=65534 --regid=65534 --clear-groups /usr/bin/python3 "$T/$1.py"
}
outside_end() { # ADDRESS PORT TO-PORT
	cat <<-PY
	import select, socket
	while True:
	    s = socket.socket()
	    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
	    try:
	        s.bind(('$1', $2))
	        s.settimeout(20)
	        print('there', flush=True)
	        s.connect(('127.0.0.1', $3))
	        print('MET', flush=True)
	        s.sendall(b'hello')
	        print('GOT', s.recv(100), flush=True)
	    except OSError:
	        select.select([], [], [], 0.001)
	    s.close()
	PY
}
test_nobody_is_met_in_the_enforcers_place() {
	from=$(free_port)
	assert_eq "$(/usr/bin/python3 -c "
import socket
s = socket.socket()
s.bind(('127.0.0.1', 0))
s.connect(s.getsockname())
s.sendall(b'met itself')
print(s.recv(20).decode())")" 'met itself' 'this kernel can do it at all'
	cat > "$T/agent.py" <<-PY
	import select, socket
	def bound():
	    s = socket.socket()
	    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
	    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
	    s.bind(('127.0.0.1', $from))
	    return s
	l = bound()
	l.listen()
	print('ready', flush=True)
	while True:
	    s = bound()
	    s.settimeout(1)
	    try:
	        s.connect(('192.0.2.9', $OUT_PORT))
	        s.sendall(b'smuggled')
	        print('sent', s.recv(100), flush=True)
	    except OSError as e:
	        print(e, flush=True)
	    s.close()
	    select.select([], [], [], 0.01)
	PY
	at=$(/usr/bin/python3 - "$OUT_PORT" <<-'PY'
	import socket, struct, sys
	word = 0xffffffff
	swap = lambda x: struct.unpack('<I', struct.pack('>I', x))[0]
	h = swap(0xffff) * 0x85ebca77 & word
	h = (h ^ struct.unpack('<I', socket.inet_aton('192.0.2.9'))[0]) * 0xcc9e2d51 & word
	h = (h ^ (h >> 15) ^ socket.htons(int(sys.argv[1]))) * 0x85ebca6b & word
	h = (h ^ (h >> 13)) * 0xc2b2ae35 & word
	print(socket.inet_ntoa(struct.pack('>I', 0x7f400000 | ((h ^ (h >> 16)) & 0x3fffff))))
	PY
	)
	bg agent in_run agent -- /usr/bin/python3 "$T/agent.py"
	agent=$BG
	wait_until 10 file_has "$T/agent.out" ready
	tried() { [ "$(wc -l < "$T/agent.out")" -gt "$1" ]; }
	outside_end "$at" "$HF_PORT" "$from" > "$T/end.py"
	kill_daemon
	meets end
	end=$BG
	wait_until 10 file_has "$T/end.out" there
	wait_until 20 tried "$(($(wc -l < "$T/agent.out") + 3))"
	assert_lacks "$(out end)" MET
	assert_lacks "$(out agent)" sent
	kill "$end"
	start_daemon
	hf kill "$(hf status --json | jq -r '.runs[] | select(.name == "agent").id')"
	finish "$agent" || true
}

# The same in place of a listener of the run: it is there when its run connects, hears nothing, since
# its queue is full, and is gone then.
test_nobody_is_met_in_the_place_of_a_runs_listener() {
	with_reach <<< 'in_run: allow'
	hf reload
	from=$(free_port) to=$(free_port)
	cat > "$T/agent.py" <<-PY
	import select, socket
	def at(port):
	    s = socket.socket()
	    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
	    s.bind(('127.0.0.1', port))
	    return s
	for _ in range(3):
	    l = at($to)
	    l.listen(0)
	    fill = [socket.socket() for _ in range(3)]
	    for f in fill:
	        f.setblocking(False)
	        f.connect_ex(('127.0.0.1', $to))
	    s = at($from)
	    s.setblocking(False)
	    print('connect', s.connect_ex(('127.0.0.1', $to)), flush=True)
	    select.select([], [], [], 0.05)
	    l.close()
	    for f in fill:
	        f.close()
	    s.settimeout(2)
	    try:
	        select.select([], [s], [], 2)
	        s.sendall(b'smuggled')
	        print('sent', s.recv(100), flush=True)
	    except OSError as e:
	        print(e, flush=True)
	    s.close()
	print('done', flush=True)
	PY
	outside_end 127.0.0.1 "$to" "$from" > "$T/end.py"
	bg agent in_run agent -- /usr/bin/python3 "$T/agent.py"
	agent=$BG
	wait_until 10 file_has "$T/agent.out" 'connect 115'
	meets end
	end=$BG
	wait_until 30 file_has "$T/agent.out" 'done'
	finish "$agent" || true
	file_has "$T/end.out" there
	assert_lacks "$(out end)" MET
	assert_lacks "$(out agent)" sent
	kill "$end"
	with_reach < /dev/null
	hf reload
}

# Whatever `inbound:` and `in_run:` say, they are about TCP.
test_no_datagram_is_let_in() {
	with_reach <<< "inbound: ['127.0.0.0/8:*']"$'\n'"in_run: allow"
	hf reload
	cat > "$T/server.py" <<-PY
	import select, socket, sys
	tcp = socket.create_server(('127.0.0.1', $RUN_PORT))
	udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
	udp.bind(('127.0.0.1', $RUN_PORT))
	print('ready', flush=True)
	try:
	    socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'from inside', ('127.0.0.1', $RUN_PORT))
	except OSError as e:
	    print(e.strerror, flush=True)
	while True:
	    for s in select.select([tcp, udp], [], [])[0]:
	        if s is tcp:
	            c = s.accept()[0]
	            print('tcp', c.recv(100).decode(), flush=True)
	            c.close()
	        else:
	            print('udp', s.recv(100).decode(), flush=True)
	PY
	cat > "$T/send.py" <<-PY
	import socket
	u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
	u.sendto(b'from outside', ('127.0.0.1', $RUN_PORT))
	t = socket.create_connection(('127.0.0.1', $RUN_PORT), timeout=10)
	t.sendall(b'from outside')
	t.recv(1)
	PY
	bg outside /usr/bin/python3 "$T/server.py"
	wait_until 10 file_has "$T/outside.out" 'udp from inside'
	/usr/bin/python3 "$T/send.py"
	wait_until 10 file_has "$T/outside.out" 'tcp from outside'
	file_has "$T/outside.out" 'udp from outside'
	kill "$BG"
	finish "$BG" || true
	bg server in_run server -- /usr/bin/python3 "$T/server.py"
	wait_until 10 file_has "$T/server.out" 'Operation not permitted'
	/usr/bin/python3 "$T/send.py"
	wait_until 10 file_has "$T/server.out" 'tcp from outside'
	assert_lacks "$(out server)" 'udp '
	with_reach <<< "inbound: ['127.0.0.0/8:53/udp']"
	assert_exit 2 hf reload
	assert_exit 2 hf policy check "$G/policy.yaml"
	assert_has "$OUT" 'only TCP can be let in'
	with_reach < /dev/null
	hf reload
	signal_run server TERM
	finish "$BG" || true
}

# One run is refused all the time, thousands of targets a second: what another is refused is told all
# the same.
test_refusals_of_one_run_do_not_hide_anothers() {
	cat > "$T/flood.py" <<-PY
	import socket
	i = 0
	while True:
	    s = socket.socket()
	    s.setblocking(False)
	    try:
	        s.connect(('198.18.%d.%d' % (i >> 8 & 255, i & 255), 1000 + (i >> 16)))
	    except OSError:
	        pass
	    s.close()
	    i += 1
	    if i == 5000:
	        print('flooding', flush=True)
	PY
	bg flood in_run flood -- /usr/bin/python3 "$T/flood.py"
	wait_until 15 file_has "$T/flood.out" flooding
	for port in 4001 4002 4003 4004; do assert_eq "$(dial quiet 203.0.113.66 $port)" 'Permission denied'; done
	wait_ledger "SELECT count(*) FROM events e JOIN runs r ON r.id = e.run WHERE r.name = 'quiet' AND detail LIKE '%203.0.113.66:400%'" 4
	wait_ledger "SELECT count(*) > 0 FROM events e JOIN runs r ON r.id = e.run WHERE r.name = 'flood' AND detail LIKE '%more, not listed'" 1
	hf kill "$(hf status --json | jq -r '.runs[] | select(.name == "flood").id')"
}

test_port_that_the_kernel_gives_away_is_warned_of() {
	if grep -q 'port=.*the kernel gives it' "$G/daemon.log"; then fail 'of one below the range'; fi
	given=$(($(awk '{ print $1 }' /proc/sys/net/ipv4/ip_local_port_range) + 1))
	stop_daemon
	sed -i "s/^port:.*/port: $given/" "$G/config.yaml"
	start_daemon
	file_has "$G/daemon.log" "port=$given: the kernel gives it"
}

run_tests

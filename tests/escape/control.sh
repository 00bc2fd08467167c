#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The control socket, and what one run can take from everybody else: whoever may not decide can neither
# decide nor keep others from deciding (P5, P8).
. "$(dirname "$0")/../e2e/lib.sh"

with_rules() { # further rules on stdin
	policy <<-YAML
	version: 1
	default: {read: allow, session: allow, other: hold}
	$(standard_resources)
	rules:
	  - {name: scratch-is-free, when: {object: "scratch.*", effect: insert}, then: allow}
	$(cat)
	YAML
}
with_rules < /dev/null
# What a shell gives: enough to be taken, if one could take all.
ulimit -n 1024
start_daemon || exit 1

stranger() { setpriv --reuid=65534 --regid=65534 --clear-groups "$@"; }
answers_now() { timeout -k 1 5 "$B/holdfast" "$@"; }

test_stranger_cannot_take_all_places_of_the_control_socket() {
	bg idle stranger /usr/bin/python3 -c "
import signal, socket
held = []
for _ in range(600):
    s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    s.settimeout(1)
    try:
        s.connect('$HOLDFAST_DIR/ctl.sock')
        held.append(s)
    except OSError:
        break
print('connected', flush=True)
signal.pause()"
	wait_until 20 file_has "$T/idle.out" connected
	answers_now pending
	kill "$BG"
}

test_stranger_who_never_reads_is_not_asked_for_more() {
	before=$(awk '/^VmRSS/ {print $2}' "/proc/$(enforcer_pid)/status")
	stranger /usr/bin/python3 -c "
import socket, struct
s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
s.connect('$HOLDFAST_DIR/ctl.sock')
s.settimeout(1)
try:
    for _ in range(20000):
        s.send(struct.pack('!HH', 3, 100))
    print('it took everything')
except OSError:
    print('it stopped reading')" > "$T/got"
	assert_has "$(cat "$T/got")" 'stopped reading'
	after=$(awk '/^VmRSS/ {print $2}' "/proc/$(enforcer_pid)/status")
	[ $((after - before)) -lt 8192 ] || fail "it cost $((after - before)) KiB"
}

test_malformed_packets_decide_nothing() {
	bg psql sql fuzzed 'DELETE FROM orders WHERE id = 80 /* fuzzed */'
	h=$(wait_hold fuzzed)
	enforcer=$(enforcer_pid)
	stranger /usr/bin/python3 - "$HOLDFAST_DIR/ctl.sock" "${SEED:-7}" "${h#h}" > "$T/fuzz" <<-'PY'
	import os, random, socket, struct, sys, time
	path, seed, hold = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
	print("seed", seed)
	r = random.Random(seed)
	for _ in range(1500):
	    s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
	    s.settimeout(5)
	    while True: # a full queue: the daemon is behind, so come again
	        try:
	            s.connect(path)
	            break
	        except BlockingIOError:
	            time.sleep(0.01)  # condition helper
	    for _ in range(r.randrange(1, 5)):
	        head = struct.pack("!HH", r.choice([3, 3, 3, 0, 2, 65535]), r.choice([100, 101, 102, 200, 201, 300, 400, 402, 900, 0]))
	        body = r.choice([b"", r.randbytes(r.randrange(100)), bytes(r.choice([4092, 5000, 150000])),
	            struct.pack("!QBBII", hold, r.randrange(4), r.randrange(4), r.choice([0, 60]), r.choice([0, 3, 2**31, 2**32 - 1])) + b"yes" + struct.pack("!I", 0)])
	        try:
	            s.send(r.choice([head + body, r.randbytes(r.randrange(1, 40))]))
	        except OSError:
	            break
	    s.close()
	PY
	assert_eq "$(enforcer_pid)" "$enforcer" 'it was replaced'
	has_hold fuzzed
	deny "$h"
	finish "$BG" || true
	if server_saw '/* fuzzed */'; then fail 'a stranger approved it'; fi
}

test_decision_is_taken_once() {
	bg psql sql once 'DELETE FROM orders WHERE id = 81 /* once */'
	h=$(wait_hold once)
	for n in 1 2 3 4 5 6; do
		answers_now approve "$h" -m "number $n" > "$T/$n.decided" 2>&1 &
	done
	finish "$BG"
	wait_until 10 sh -c "[ \"\$(cat '$T'/*.decided | wc -l)\" -ge 6 ]"
	assert_eq "$(grep -l released "$T"/*.decided | wc -l)" 1 'released more than once'
	wait_ledger "SELECT count(*) FROM decisions WHERE hold = ${h#h}" 1
	assert_eq "$(grep -c '/\* once \*/' "$E2E_PGLOG")" 1
}

test_policy_that_became_stricter_counts_when_a_hold_is_released() {
	bg psql sql strict 'DELETE FROM orders WHERE id = 82 /* stricter */'
	h=$(wait_hold strict)
	with_rules <<-'YAML'
	  - {name: no-deletes-any-more, when: {effect: delete}, then: deny}
	YAML
	hf reload
	if approve "$h"; then fail 'released although the policy denies it now'; fi
	finish "$BG" || true
	with_rules < /dev/null
	hf reload
	assert_has "$(out psql)" 'no-deletes-any-more'
	if server_saw '/* stricter */'; then fail 'the server saw it'; fi
}

test_one_run_cannot_take_all_connections() {
	bg greedy in_run greedy -- /usr/bin/python3 -c "
import signal, socket
held = []
for _ in range(900):
    try:
        held.append(socket.create_connection(('127.0.0.1', $E2E_PGPORT), timeout=5))
    except OSError:
        pass
print('connected', flush=True)
signal.pause()"
	wait_until 30 file_has "$T/greedy.out" connected
	answers_now pending
	assert_eq "$(timeout -k 1 10 "$B/holdfast" run --quiet --name modest -- psql -XqAt "$SHOP" -c 'SELECT 7')" 7
	wait_ledger "SELECT count(*) > 0 FROM events WHERE kind = 'too-many-sessions'" 1
	signal_run greedy TERM
	finish "$BG" || true
	# Its places are free again.
	wait_until 10 sh -c "'$B/holdfast' status --json | jq -e '.sessions == 0'"
}

test_flood_of_refusals_neither_stops_the_daemon_nor_fills_the_ledger() {
	before=$(ledger "SELECT count(*) FROM events WHERE kind = 'kernel-denied'")
	bg flood in_run flood -- /usr/bin/python3 -c "
import socket, time
s = socket.socket(type=socket.SOCK_DGRAM)
end = time.monotonic() + 3
n = 0
while time.monotonic() < end:
    n += 1
    try:
        s.sendto(b'x', ('10.%d.%d.%d' % (n >> 16 & 255, n >> 8 & 255, n & 255), 1 + n % 60000))
    except OSError:
        pass
print('refused', n)"
	sql meanwhile 'SELECT 1'
	answers_now run --quiet -- true
	finish "$BG"
	[ "$(out flood | cut -d' ' -f2)" -gt 5000 ] || fail "no flood: $(out flood)"
	after=$(ledger "SELECT count(*) FROM events WHERE kind = 'kernel-denied'")
	[ $((after - before)) -lt 1500 ] || fail "$((after - before)) rows"
}

test_enforcer_is_not_reached_by_any_address_of_the_host() {
	for address in 127.0.0.1 127.64.0.1 127.1.2.3 0.0.0.0 $(hostname -I); do
		case $address in *:*) continue ;; esac
		got=$(in_run knock -- /usr/bin/python3 -c "
import socket
try:
    s = socket.create_connection(('$address', $HF_PORT), timeout=5)
    s.sendall(b'\0' * 8)
    print('ANSWERED' if s.recv(10) else 'closed')
except OSError as e:
    print('closed', e)")
		assert_has "$got" closed "$address"
	done
}

run_tests

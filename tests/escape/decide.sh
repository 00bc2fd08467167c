#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Who decides, tried with real processes: descriptors that were inherited or sent, names of processes
# that are others' by now, and floods. Whoever speaks in a packet is who counts, and not only who
# connected once (P5).
. "$(dirname "$0")/../e2e/lib.sh"

ROOT=$(awk '$3 == "cgroup2" { print $2; exit }' /proc/mounts)
FAKE=$ROOT/holdfast-fake-$$
policy_of_holds < /dev/null
mkdir -p "$FAKE"
clean_fake() {
	local g
	for g in "$FAKE" "$FAKE"/*/; do [ ! -e "$g/cgroup.kill" ] || echo 1 > "$g/cgroup.kill"; done
	wait_until 5 sh -c "find '$FAKE' -depth -type d -exec rmdir {} + 2> /dev/null; [ ! -e '$FAKE' ]"
}
trap 'clean_fake; clean_group' EXIT
start_daemon || exit 1

# What the little clients of these tests say: a decision is a packet, and its answer one or two.
cat > "$G/ctl.py" <<-'PY'
	import array, os, socket, struct, sys, time
	def connect(name="ctl.sock"):
	    s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
	    s.settimeout(10)
	    while True:
	        try:
	            s.connect(os.environ["HOLDFAST_DIR"] + "/" + name)
	            return s
	        except BlockingIOError:  # many wait to be let in
	            time.sleep(0.01)  # condition helper
	def packet(kind, body=b""):
	    return struct.pack("!HH", 3, kind) + body
	def text(b):
	    return struct.pack("!I", len(b)) + b
	def approve(hold, reason=b"yes"):
	    return packet(200, struct.pack("!QBBI", hold, 0, 0, 0) + text(reason) + text(b"") + text(b""))
	def answer(s):
	    try:
	        got = s.recv(200000)
	    except OSError as e:
	        return f"closed {e}"
	    if not got:
	        return "closed"
	    kind = struct.unpack("!H", got[2:4])[0]
	    skip = 12 if kind == 902 else 8
    return f"{ {900: 'data', 901: 'end', 902: 'error'}.get(kind, kind) } {got[skip:].decode(errors='replace').strip(chr(0))}"
	def wait_for(path):
	    while not os.path.exists(path):
	        time.sleep(0.02)  # condition helper
PY
client() { PYTHONPATH=$G exec /usr/bin/python3 -u - "$@"; }

# A child that inherited its parent's connection and is in a run by now, the parent being outside.
test_inherited_connection_does_not_speak_for_its_maker() {
	bg psql sql inherit 'DELETE FROM orders WHERE id = 90 /* inherited */'
	h=$(wait_hold inherit)
	(client "${h#h}" "$T" <<-'PY'
	from ctl import *
	s = connect()
	s.send(packet(100)); answer(s); answer(s)
	if not os.fork():
	    print("child", os.getpid(), flush=True)
	    wait_for(sys.argv[2] + "/go")
	    s.send(approve(int(sys.argv[1])))
	    print("heard", answer(s), flush=True)
	    os._exit(0)
	os.wait()
	PY
	) > "$T/client.out" 2>&1 &
	client=$!
	wait_until 10 file_has "$T/client.out" child
	hf attach --pid "$(sed -n 's/^child //p' "$T/client.out")" --name heir
	touch "$T/go"
	wait_until 10 file_has "$T/client.out" heard
	finish "$client"
	assert_has "$(cat "$T/client.out")" 'heard error the control socket is not for processes of a run'
	has_hold inherit || fail 'it decided'
	wait_ledger "SELECT count(*) FROM decisions WHERE hold = ${h#h}" 0
	wait_ledger "SELECT count(*) > 0 FROM events WHERE kind = 'control-refused'" 1
	deny "$h"
	finish "$BG" || true
}

# The same for the socket on which runs are begun and let go: it would release itself.
test_inherited_connection_to_the_warden_does_not_either() {
	(client "$T" <<-'PY'
	from ctl import *
	s = connect("run.sock")
	if not os.fork():
	    print("child", os.getpid(), flush=True)
	    wait_for(sys.argv[1] + "/go")
	    s.send(packet(404, struct.pack("!Q", int(open(sys.argv[1] + "/go").read()))))
	    print("heard", answer(s), flush=True)
	    wait_for(sys.argv[1] + "/end")
	    os._exit(0)
	os.wait()
	PY
	) > "$T/client.out" 2>&1 &
	client=$!
	wait_until 10 file_has "$T/client.out" child
	hf attach --pid "$(sed -n 's/^child //p' "$T/client.out")" --name heir2
	id=$(hf status --json | jq -r '.. | objects | select(.name? == "heir2") | .id' | head -n 1)
	echo "$id" > "$T/go.new"
	mv "$T/go.new" "$T/go"
	wait_until 10 file_has "$T/client.out" heard
	assert_has "$(cat "$T/client.out")" 'heard error a run may not ask for runs'
	wait_ledger "SELECT count(*) FROM events WHERE kind = 'released' AND run = $id" 0
	touch "$T/end"
	finish "$client"
}

# An approver's descriptor, sent to somebody who is none.
test_a_connection_that_was_sent_to_another_user_decides_nothing() {
	bg psql sql sent 'DELETE FROM orders WHERE id = 91 /* sent */'
	h=$(wait_hold sent)
	(client "${h#h}" <<-'PY'
	from ctl import *
	a, b = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
	s = connect()
	s.send(packet(100)); answer(s); answer(s)
	if not os.fork():
	    os.setgroups([]); os.setgid(65534); os.setuid(65534)
	    _, anc, _, _ = b.recvmsg(1, 64)
	    other = socket.socket(fileno=array.array("i", anc[0][2])[0])
	    other.settimeout(10)
	    other.send(approve(int(sys.argv[1])))
	    print("heard", answer(other), flush=True)
	    os._exit(0)
	a.sendmsg([b"x"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [s.fileno()]))])
	os.wait()
	PY
	) > "$T/client.out" 2>&1 || true
	assert_has "$(cat "$T/client.out")" 'heard error'
	has_hold sent || fail 'it decided'
	deny "$h"
	finish "$BG" || true
}

# Who connected is gone, and its number may be anybody's by now.
test_a_connection_whose_maker_is_gone_decides_nothing() {
	bg psql sql heir 'DELETE FROM orders WHERE id = 92 /* heir */'
	h=$(wait_hold heir)
	(client "${h#h}" "$T" <<-'PY'
	from ctl import *
	s = connect()
	if not os.fork():
	    wait_for(sys.argv[2] + "/go")
	    s.send(approve(int(sys.argv[1])))
	    print("heard", answer(s), flush=True)
	PY
	) > "$T/client.out" 2>&1
	touch "$T/go"
	wait_until 10 file_has "$T/client.out" heard
	assert_has "$(cat "$T/client.out")" 'the control socket is not for processes of a run' 'the one who connected is gone'
	has_hold heir
	deny "$h"
	finish "$BG" || true
}

# Credentials can be sent along; the kernel takes those of others from nobody but root.
test_credentials_cannot_be_made_up() {
	(client <<-'PY'
	from ctl import *
	os.setgroups([]); os.setgid(65534); os.setuid(65534)
	s = connect()
	try:
	    s.sendmsg([packet(101)], [(socket.SOL_SOCKET, 2, struct.pack("iII", os.getppid(), 0, 0))])
	    print("sent", answer(s))
	except PermissionError:
	    print("the kernel refuses")
	s.send(packet(101))
	print("heard", answer(s))
	PY
	) > "$T/client.out" 2>&1
	assert_has "$(cat "$T/client.out")" 'the kernel refuses'
	assert_has "$(cat "$T/client.out")" 'heard error only approvers may see'
}

# As root of a user namespace of its own, in a pid namespace of its own: still the user that it was.
test_a_namespace_makes_nobody_an_approver() {
	bg psql sql nested 'DELETE FROM orders WHERE id = 93 /* nested */'
	h=$(wait_hold nested)
	setpriv --reuid=65534 --regid=65534 --clear-groups unshare -Urpf --mount-proc true 2> /dev/null || unshare -Urpf true || skip 'no user namespaces here'
	for how in '-Ur' '-Urpf'; do
		# shellcheck disable=SC2086 # options
		(PYTHONPATH=$G setpriv --reuid=65534 --regid=65534 --clear-groups unshare $how /usr/bin/python3 -u - "${h#h}" <<-'PY'
		from ctl import *
		s = connect()
		s.send(approve(int(sys.argv[1])))
		print("uid", os.getuid(), "heard", answer(s))
		try:
		    s = connect()
		    s.sendmsg([approve(int(sys.argv[1]))], [(socket.SOL_SOCKET, 2, struct.pack("iII", 1, 0, 0))])
		    print("heard", answer(s))
		except OSError as e:
		    print("kernel", e)
		PY
		) > "$T/client.out" 2>&1
		assert_has "$(cat "$T/client.out")" 'uid 0 heard error'
		assert_lacks "$(cat "$T/client.out")" 'heard data'
		has_hold nested || fail "$how: it decided"
	done
	deny "$h"
	finish "$BG" || true
}

# Most of what /proc says of a process that may not be dumped belongs to root. It is its user's all the same.
test_a_process_that_may_not_be_dumped_counts_as_its_users() {
	mkdir -p "$FAKE/hidden"
	(
		echo 0 > "$FAKE/hidden/cgroup.procs"
		exec setpriv --reuid=65533 --regid=65533 --clear-groups /usr/bin/python3 -u -c "
import ctypes, signal
ctypes.CDLL(None).prctl(4, 0, 0, 0, 0)
print('up', flush=True)
signal.pause()"
	) > "$T/hidden.out" 2>&1 &
	hidden=$!
	wait_until 10 file_has "$T/hidden.out" up
	assert_eq "$(stat -c %u "/proc/$hidden/mem")" 0
	# The run is another's by its books: the first of the group.
	tail -f /dev/null &
	other=$!
	echo "$other" > "$FAKE/hidden/cgroup.procs"
	hf attach --cgroup "${FAKE#"$ROOT"}/hidden" --name hidden
	bg psql sql asks 'DELETE FROM orders WHERE id = 94 /* hides */'
	h=$(wait_hold asks)
	# What such a one may at all is the rule's business; that it has a process in a run comes first.
	setpriv --reuid=65533 --regid=65533 --clear-groups "$B/holdfast" approve "$h" > "$T/said" 2>&1 || true
	kill "$other" "$hidden"
	cat "$T/said"
	assert_has "$(cat "$T/said")" 'run'
	has_hold asks
	deny "$h"
	finish "$BG" || true
}

# Whoever is refused is told so; the ledger is not filled with it.
test_a_flood_of_refused_decisions_does_not_fill_the_ledger() {
	bg psql sql flooded 'DELETE FROM orders WHERE id = 95 /* flooded */'
	h=$(wait_hold flooded)
	before=$(ledger "SELECT count(*) FROM events WHERE kind IN ('decision-refused', 'control-refused')")
	(client "${h#h}" <<-'PY'
	from ctl import *
	os.setgroups([]); os.setgid(65534); os.setuid(65534)
	s = connect()
	for i in range(5000):
	    s.send(approve(int(sys.argv[1])))
	    a = answer(s)
	    assert a.startswith("error"), a
	print("refused")
	PY
	) > "$T/client.out" 2>&1
	assert_has "$(cat "$T/client.out")" refused
	deny "$h"
	finish "$BG" || true
	wait_ledger "SELECT count(*) FROM decisions WHERE hold = ${h#h}" 1
	after=$(ledger "SELECT count(*) FROM events WHERE kind IN ('decision-refused', 'control-refused')")
	echo "$((after - before)) rows"
	[ $((after - before)) -ge 1 ]
	[ $((after - before)) -lt 500 ] || fail "$((after - before)) rows"
	wait_ledger "SELECT count(*) > 0 FROM events WHERE kind = 'decision-refused' AND detail LIKE '% more like it%'" 1
}

# Many who watch and never read, at once, and a hold that changes.
test_watchers_that_never_read_cost_little_and_delay_nobody() {
	before=$(awk '/^VmRSS/ {print $2}' "/proc/$(enforcer_pid)/status")
	(client "$T" <<-'PY'
	from ctl import *
	held = []
	for _ in range(100):
	    s = connect()
	    s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
	    s.send(packet(102))
	    held.append(s)
	print("watching", flush=True)
	wait_for(sys.argv[1] + "/end")
	PY
	) > "$T/client.out" 2>&1 &
	client=$!
	wait_until 10 file_has "$T/client.out" watching
	for i in 1 2 3 4 5 6 7 8; do
		bg "psql$i" sql "watched$i" "DELETE FROM orders WHERE id = 96 /* $(head -c 30000 /dev/zero | tr '\0' x) $i */"
		deny "$(wait_hold "watched$i")"
		finish "$BG" || true
	done
	after=$(awk '/^VmRSS/ {print $2}' "/proc/$(enforcer_pid)/status")
	touch "$T/end"
	finish "$client"
	echo "$((after - before)) KiB"
	[ $((after - before)) -lt 131072 ] || fail "it cost $((after - before)) KiB"
}

# Somebody who can be many users (ranges of /etc/subuid) takes a few places as each of them.
test_many_strangers_cannot_take_all_places_either() {
	(client "$T" <<-'PY'
	from ctl import *
	import signal
	for uid in range(60001, 60013):
	    if os.fork():
	        continue
	    os.setgroups([]); os.setgid(uid); os.setuid(uid)
	    held = []
	    for _ in range(40):
	        try:
	            held.append(connect())
	            held[-1].send(packet(100))
	        except OSError:
	            pass
	    print("have", flush=True)
	    wait_for(sys.argv[1] + "/end")
	    os._exit(0)
	for _ in range(12):
	    os.wait()
	PY
	) > "$T/client.out" 2>&1 &
	client=$!
	all_have() { [ "$(grep -c have "$T/client.out")" = 12 ]; }
	wait_until 30 all_have
	for _ in 1 2 3; do timeout -k 1 10 "$B/holdfast" pending > /dev/null || fail 'there is no place for an approver'; done
	touch "$T/end"
	finish "$client"
}

# Two people at once, and the same packet sent again: one outcome, one decision that counts.
test_a_decision_that_is_sent_again_decides_nothing_else() {
	bg psql sql again 'DELETE FROM orders WHERE id = 97 /* again1 */'
	h=$(wait_hold again)
	(client "${h#h}" <<-'PY'
	from ctl import *
	a, b = connect(), connect()
	p = approve(int(sys.argv[1]))
	for s in (a, b, a, b):
	    s.send(p)
	said = [answer(s) for s in (a, b)]
	for s in (a, b):
	    s.settimeout(2)
	    for _ in range(3):
	        said.append(answer(s))
	print("\n".join(said))
	PY
	) > "$T/client.out" 2>&1
	finish "$BG"
	cat "$T/client.out"
	assert_eq "$(grep -c '"outcome":"released"' "$T/client.out")" 1
	wait_ledger "SELECT count(*) FROM decisions WHERE hold = ${h#h}" 1
	assert_eq "$(grep -c '/\* again1 \*/' "$E2E_PGLOG")" 1
	bg psql sql again 'DELETE FROM orders WHERE id = 97 /* again2 */'
	h2=$(wait_hold again)
	[ "$h2" != "$h" ]
	(client "${h#h}" <<-'PY'
	from ctl import *
	s = connect()
	s.send(approve(int(sys.argv[1])))
	print(answer(s))
	PY
	) > "$T/client.out" 2>&1
	assert_has "$(cat "$T/client.out")" 'no such hold'
	has_hold again
	deny "$h2"
	finish "$BG" || true
}

run_tests

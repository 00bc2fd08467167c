#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A run as a whole: who is in it, and that all of it ends when somebody says so.
. "$(dirname "$0")/../e2e/lib.sh"

policy <<YAML
version: 1
default: {read: allow, session: allow, other: hold}
$(standard_resources)
YAML
start_daemon || exit 1

run_id() { hf status --json | jq -r --arg n "$1" '.. | objects | select(.name? == $n) | .id' | head -n 1; }
run_procs() { cat "$(awk '$3 == "cgroup2" { print $2; exit }' /proc/mounts)/$HF_CGROUP/runs/$1/cgroup.procs"; }
ended() { [ -z "$(run_id "$1")" ]; }

test_kill_ends_the_whole_tree_and_is_in_the_ledger() {
	bg tree in_run tree -- sh -c 'for i in 1 2 3; do setsid sh -c "setsid tail -f /dev/null & exec tail -f /dev/null" & done
		echo up; exec tail -f /dev/null'
	wait_until 10 file_has "$T/tree.out" up
	id=$(run_id tree)
	wait_until 10 sh -c "[ \"\$(cat $(awk '$3 == "cgroup2" { print $2; exit }' /proc/mounts)/$HF_CGROUP/runs/$id/cgroup.procs | wc -l)\" -ge 7 ]"
	procs=$(run_procs "$id")
	hf kill "$id"
	rc=0
	finish "$BG" || rc=$?
	assert_eq "$rc" 137
	for pid in $procs; do wait_until 10 gone "$pid"; done
	wait_until 10 ended tree
	wait_ledger "SELECT count(*) FROM events WHERE kind = 'killed' AND run = $id AND detail LIKE '%uid=0%'" 1
}

test_kill_of_a_run_whose_statement_is_held_leaves_no_hold() {
	bg psql sql doomed 'DELETE FROM orders WHERE id = 90 /* doomed */'
	wait_hold doomed
	hf kill "$(run_id doomed)"
	finish "$BG" || true
	wait_until 10 has_no_hold doomed
	if server_saw '/* doomed */'; then fail 'the server saw it'; fi
}

# What the command leaves behind is the same run, judged by the same rules.
test_child_that_outlives_the_command_is_still_the_run() {
	in_run parent -- sh -c "mkfifo \$HOME/go; chmod 666 \$HOME/go; echo \$HOME > '$T/home'
		(setsid sh -c 'read -r x < \$HOME/go; psql -XqAt \"$SHOP\" -c \"SELECT 1 /* outlived */\"; psql -XqAt \"$SHOP\" -c \"DROP TABLE orders /* outlived */\"' > '$T/child.out' 2>&1 &)"
	id=$(run_id parent)
	[ -n "$id" ] || fail 'the run is over'
	echo go > "$(cat "$T/home")/go"
	wait_until 15 has_hold parent
	deny "$(holds_of parent)"
	wait_until 15 ended parent
	assert_eq "$(head -n 1 "$T/child.out")" 1
	wait_ledger "SELECT count(*) FROM requests r JOIN sessions s ON s.id = r.session WHERE s.run = $id AND r.text LIKE '%outlived%'" 2
	if server_saw 'DROP TABLE orders /* outlived */'; then fail 'the server saw it'; fi
}

# A run that is being made holds, for a moment, what the warden holds: nobody shall cut our listeners.
test_run_on_its_way_is_no_intruder() {
	many=
	for i in 1 2 3 4 5 6; do
		bg "many$i" sh -c "for k in 1 2 3 4 5 6 7 8; do
			'$B/holdfast' run --quiet --name many -- psql -XqAt '$SHOP' -c 'SELECT 1'; done"
		many="$many $BG"
	done
	for pid in $many; do finish "$pid" 50; done
	assert_eq "$(cat "$T"/many*.out | grep -cx 1)" 48
	assert_eq "$(ledger "SELECT count(*) FROM events WHERE kind = 'foreign-socket'")" 0
}

test_stranger_may_not_kill() {
	bg victim in_run victim -- sh -c 'echo up; exec tail -f /dev/null'
	wait_until 10 file_has "$T/victim.out" up
	id=$(run_id victim)
	assert_exit 4 setpriv --reuid=65534 --regid=65534 --clear-groups "$B/holdfast" kill "$id"
	if in_run accomplice -- "$B/holdfast" kill "$id"; then fail 'a run killed another'; fi
	[ -n "$(run_id victim)" ] || fail 'it is gone'
	hf kill "$id"
	finish "$BG" || true
}

# A socket that was made outside and connected to the server outside: no hook sees what it does.
# usage: pass_into NAME SECONDS: the run gets it, waits so long, and says what it still can do.
pass_into() {
	chmod 777 "$T"
	bg holder in_run "$1" -- /usr/bin/python3 -c "
import array, os, select, socket, time
l = socket.socket(socket.AF_UNIX)
l.bind('$T/pass')
os.chmod('$T/pass', 0o777)
l.listen(1)
print('listening', flush=True)
c, _ = l.accept()
_, control, _, _ = c.recvmsg(1, socket.CMSG_SPACE(4))
s = socket.socket(fileno=array.array('i', control[0][2])[0])
print('got it', flush=True)
end = time.monotonic() + $2
while time.monotonic() < end and not s.getsockopt(socket.SOL_SOCKET, 44):
    select.select([], [], [], 0.05)
try:
    s.sendall(b'X' * 8)
    print('sent', s.recv(10), flush=True)
except OSError as e:
    print('stopped', e, flush=True)"
	wait_until 10 file_has "$T/holder.out" listening
	setpriv --reuid=65534 --regid=65534 --clear-groups /usr/bin/python3 -c "
import array, socket
s = socket.create_connection(('127.0.0.1', $E2E_PGPORT))
u = socket.socket(socket.AF_UNIX)
u.connect('$T/pass')
u.sendmsg([b'p'], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array('i', [s.fileno()]))])
u.recv(1)" &
	wait_until 10 file_has "$T/holder.out" 'got it'
}

can_be_passed_one() {
	case ${E2E_DAEMON_ARGS:-} in *connect_unix*)
		# Without the hook a run makes no unix socket, and nothing can be passed: that is all there is to see.
		if in_run nounix -- /usr/bin/python3 -c 'import socket; socket.socket(socket.AF_UNIX)'; then fail 'it made one'; fi
		exit 0
		;;
	esac
	hf doctor | grep -A 1 '^sweep' | grep -q present || skip 'no iterators here'
}

test_socket_passed_in_from_outside_is_cut_and_told() {
	can_be_passed_one
	pass_into receiver 8
	finish "$BG"
	assert_has "$(out holder)" stopped
	wait_ledger "SELECT count(*) FROM events WHERE kind = 'foreign-socket' AND run > 0 AND detail LIKE 'tcp socket to 127.0.0.1:$E2E_PGPORT%: cut'" 1
}

# It was cut by an earlier life of the daemon: that is no reason to kill the run in this one.
test_socket_that_was_cut_does_not_kill_the_run_after_a_restart() {
	can_be_passed_one
	mkfifo "$T/feed"
	chmod 777 "$T"
	chmod 666 "$T/feed"
	bg cli in_run keeper -- /usr/bin/python3 -c "
import array, os, socket, sys
out = open('$T/keeper.log', 'w', 1)
l = socket.socket(socket.AF_UNIX)
l.bind('$T/pass')
os.chmod('$T/pass', 0o777)
l.listen(1)
out.write('listening\n')
c, _ = l.accept()
_, control, _, _ = c.recvmsg(1, socket.CMSG_SPACE(4))
s = socket.socket(fileno=array.array('i', control[0][2])[0])
out.write('got it\n')
for line in open('$T/feed'):
    out.write('alive ' + line)"
	exec 8<> "$T/feed"
	wait_until 10 file_has "$T/keeper.log" listening
	/usr/bin/python3 -c "
import array, socket
s = socket.create_connection(('127.0.0.1', $E2E_PGPORT))
u = socket.socket(socket.AF_UNIX)
u.connect('$T/pass')
u.sendmsg([b'p'], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array('i', [s.fileno()]))])
u.recv(1)" &
	wait_until 10 file_has "$T/keeper.log" 'got it'
	id=$(run_id keeper)
	wait_ledger "SELECT count(*) FROM events WHERE kind = 'foreign-socket' AND run = $id AND detail LIKE 'tcp%: cut'" 1
	kill_daemon
	start_daemon
	wait_ledger "SELECT count(*) FROM events WHERE kind = 'foreign-socket' AND run = $id AND detail LIKE 'tcp%: cut'" 2
	echo still >&8
	wait_until 10 file_has "$T/keeper.log" 'alive still'
	hf kill "$id"
}

test_sockets_of_its_own_are_left_alone() {
	before=$(ledger "SELECT count(*) FROM events WHERE kind = 'foreign-socket'")
	bg own in_run own -- /usr/bin/python3 -c "
import os, select, socket
pair = socket.socketpair()
kinds = [socket.socket(f, t) for f in (socket.AF_INET, socket.AF_INET6) for t in (socket.SOCK_STREAM, socket.SOCK_DGRAM)]
s = socket.create_connection(('127.0.0.1', $E2E_PGPORT))
# Two looks of the sweep at least.
select.select([], [], [], 2.5)
print('filters', sum(k.getsockopt(socket.SOL_SOCKET, 44) for k in kinds + [s]))
pair[0].sendall(b'pair works')
print(pair[1].recv(20).decode(), flush=True)"
	finish "$BG"
	assert_has "$(out own)" 'filters 0'
	assert_has "$(out own)" 'pair works'
	assert_eq "$(ledger "SELECT count(*) FROM events WHERE kind = 'foreign-socket'")" "$before"
}

test_run_is_killed_for_it_if_the_configuration_says_so() {
	can_be_passed_one
	stop_daemon
	echo 'foreign_sockets: ignore' | config
	assert_exit 2 "$B/holdfastd" --check --config "$G/config.yaml"
	assert_has "$OUT" 'must be cut or kill'
	echo 'foreign_sockets: kill' | config
	start_daemon
	pass_into condemned 20
	rc=0
	finish "$BG" || rc=$?
	assert_eq "$rc" 137
	assert_lacks "$(out holder)" sent
	wait_ledger "SELECT count(*) > 0 FROM events WHERE kind = 'foreign-socket' AND detail LIKE '%the run is killed'" 1
}

run_tests

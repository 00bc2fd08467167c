#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Processes die at bad moments: closed when broken (P2), nothing forwarded unrecorded (P3).
. "$(dirname "$0")/../e2e/lib.sh"

policy <<YAML
version: 1
default: {read: allow, session: allow, other: hold}
$(standard_resources)
rules:
  - name: scratch-is-free
    when: {object: "scratch.*", effect: [insert, update, delete]}
    then: allow
YAML
start_daemon || exit 1

# The soak starts the daemon a thousand times.
KILLS=${KILLS:-$([ -n "${SOAK:-}" ] && echo 1000 || echo 4)}
[ "$KILLS" -lt 100 ] || TEST_SECS=7200

answers() { sql probe 'SELECT 1'; }

# A run that connects once a line that it is fed. It reads and writes files by itself: what goes through
# `holdfast run` ends with the daemon.
start_looper() {
	mkfifo "$T/feed"
	chmod 666 "$T/feed"
	exec 8<> "$T/feed"
	bg cli in_run looper -- sh -c "exec < '$T/feed' >> '$T/looper.out' 2>&1
		while read -r n; do psql -XqAt '$SHOP' -c \"SELECT 'round ' || \$n /* looper */\"; done" 8>&-
}
stop_looper() {
	exec 8>&-
	pkill -f "^sh -c exec < '$T/feed'" || true
}

test_daemon_killed_while_a_statement_is_held() {
	start_looper
	echo 1 >&8
	wait_until 15 file_has "$T/looper.out" 'round 1'
	bg psql sql held 'DELETE FROM orders WHERE id = 60 /* killed */'
	h=$(wait_hold held)
	kill_daemon
	finish "$BG" 15 || true
	assert_lacks "$(out psql)" 'DELETE'
	if server_saw '/* killed */'; then fail 'the server saw it'; fi
	# Nothing gets out while nobody is home: refused, never direct.
	echo 2 >&8
	wait_until 15 sh -c "grep -v 'round 1' '$T/looper.out' | grep -q ."
	assert_lacks "$(out looper)" 'round 2' 'the run reached the server without a daemon'
	if server_saw "'round ' || 2"; then fail 'the server was reached'; fi

	start_daemon
	wait_ledger "SELECT outcome FROM holds WHERE id = ${h#h}" stopped
	wait_ledger "SELECT p.status FROM replies p JOIN requests r ON r.id = p.request WHERE r.text LIKE '%/* killed */%'" unsent
	# The run is the same one, adopted with its pins, and works again.
	echo 3 >&8
	wait_until 15 file_has "$T/looper.out" 'round 3'
	wait_ledger "SELECT count(DISTINCT s.run) FROM requests r JOIN sessions s ON s.id = r.session WHERE r.text LIKE '%/* looper */%'" 1
	stop_looper
}

test_enforcer_killed_is_replaced_and_nothing_passes_between() {
	bg psql sql enf 'DELETE FROM orders WHERE id = 61 /* enf */'
	h=$(wait_hold enf)
	kill_one enforcer_pid
	finish "$BG" 15 || true
	wait_until 15 is_replaced enforcer_pid
	wait_until 15 answers
	if server_saw '/* enf */'; then fail 'the server saw it'; fi
	wait_ledger "SELECT outcome FROM holds WHERE id = ${h#h}" stopped
}

somebody_waits() { ss -Hltn "sport = :$HF_PORT" | awk '$2 > 0 { n = 1 } END { exit !n }'; }

# Who connects while the enforcer is replaced waits in the backlog, and is of a run that its successor
# must know of before it accepts.
test_who_connects_while_the_enforcer_is_replaced_only_waits() {
	wait_until 15 answers
	bg waiters in_run waiters -- sh -c "for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15; do
		psql -XqAt '$SHOP' -c 'SELECT 1' || echo lost; done"
	wait_until 20 file_has "$T/waiters.out" 1
	for _ in 1 2 3; do
		wait_until 15 is_there enforcer_pid
		kill -STOP "$(enforcer_pid)"
		PATIENCE=1 wait_until 4 somebody_waits || true # after 5 s it counts as frozen, and nobody waits any more
		kill_one enforcer_pid
		wait_until 15 is_replaced enforcer_pid
	done
	finish "$BG" 60
	assert_has "$(out waiters)" 1
	assert_eq "$(ledger "SELECT count(*) FROM events WHERE kind = 'no-run'")" 0
}

test_established_session_is_reset_when_the_enforcer_dies_never_cut_cleanly() {
	wait_until 15 answers
	bg reader in_run rst -- /usr/bin/python3 -c "
import socket, struct
s = socket.create_connection(('127.0.0.1', $E2E_PGPORT))
body = struct.pack('!i', 196608) + b'user\0agent\0database\0shop\0\0'
s.sendall(struct.pack('!i', len(body) + 4) + body)
while not s.recv(65536).endswith(b'Z\0\0\0\5I'):
    pass
print('ready', flush=True)
try:
    print('EOF' if s.recv(1) == b'' else 'data')
except ConnectionResetError:
    print('RESET')"
	wait_until 15 file_has "$T/reader.out" ready
	kill_one enforcer_pid
	finish "$BG" 15
	assert_has "$(out reader)" RESET
	wait_until 15 answers
}

test_scribe_killed_loses_nothing() {
	for i in 1 2 3 4 5; do sql scr "SELECT $i /* before */" > /dev/null; done
	kill_one scribe_pid
	sql scr 'SELECT 6 /* before */' > /dev/null || true
	wait_until 15 is_replaced scribe_pid
	wait_until 15 answers
	ran=$(grep -c '/\* before \*/' "$E2E_PGLOG")
	wait_ledger "SELECT count(*) FROM requests WHERE text LIKE '%/* before */%' AND id IN (SELECT request FROM replies WHERE status = 'ok')" "$ran"
}

# Marks of a kind that the server was asked for, and those that the ledger knows, one a line.
marks_in() { grep -oE "$1" | sort -u; }
all_is_recorded() { # PATTERN
	marks_in "$1" < "$E2E_PGLOG" > "$T/executed"
	ledger 'SELECT text FROM requests' | marks_in "$1" > "$T/recorded"
	[ -s "$T/executed" ] && ! comm -23 "$T/executed" "$T/recorded" | grep .
}

test_everything_executed_is_in_the_ledger_after_kills_at_any_moment() {
	for n in $(seq "$KILLS"); do
		bg load in_run load -- sh -c "for i in 1 2 3 4 5 6; do
			psql -XqAt '$SHOP' -c \"SELECT '\$i' /* load-$n-\$i. */\"; done"
		load=$BG
		wait_until 15 server_saw "/* load-$n-$((1 + RANDOM % 5)). */"
		# All at once, or one of them: each has something of its own half done.
		case $((n % 4)) in
		1) kill_one scribe_pid ;;
		3) kill_one enforcer_pid ;;
		*) kill_daemon ;;
		esac
		finish "$load" 30 || true
		is_up > /dev/null 2>&1 || { kill_daemon && start_daemon; }
		wait_until 15 answers
		[ $((n % 100)) != 0 ] || { wait_until 20 all_is_recorded 'load-[0-9]+-[0-9]+\.' && verified; }
	done
	wait_until 20 all_is_recorded 'load-[0-9]+-[0-9]+\.' || { all_is_recorded 'load-[0-9]+-[0-9]+\.'; fail 'executed but not in the ledger'; }
	assert_eq "$(ledger 'PRAGMA integrity_check')" ok
	# Nothing twice, and all of it in the chain, signed.
	assert_eq "$(ledger "SELECT count(*) - count(DISTINCT text) FROM requests WHERE text LIKE '%/* load-%' AND status = 'ok'")" 0
	verified
}

verified() {
	hf audit verify --key "$G/keys/checkpoint.pub" --head "$G/keys/checkpoint.last" > "$T/verify" 2>&1 || { cat "$T/verify"; return 1; }
}

# A decision that an approver was told of is in the ledger once, whatever dies the next moment.
test_no_decision_is_lost_or_doubled_when_everything_dies_right_after_it() {
	rounds=$([ -n "${SOAK:-}" ] && echo 50 || echo 2)
	for n in $(seq "$rounds"); do
		wait_until 15 answers
		bg dec sql "dec$n" "DELETE FROM orders WHERE id = 70 /* decided-$n */"
		load=$BG
		h=$(wait_hold "dec$n")
		bg approve approve "$h" "round $n"
		wait_until 15 server_saw "/* decided-$n */" || true
		kill_daemon
		finish "$BG" || true
		finish "$load" || true
		start_daemon
		wait_ledger "SELECT count(*) FROM decisions WHERE text LIKE '%/* decided-$n */%'" 1
		wait_ledger "SELECT outcome FROM holds WHERE text LIKE '%/* decided-$n */%'" approved
		assert_eq "$(grep -c "decided-$n \*/" "$E2E_PGLOG")" 1
	done
	verified
}

# What a power failure could leave: the ledger on disk, and of what was signed last an older line.
test_old_word_of_the_last_signature_is_no_tampering_and_stops_nothing() {
	wait_until 15 answers
	wait_until 10 test -s "$G/keys/checkpoint.last"
	cp "$G/keys/checkpoint.last" "$T/old"
	number() { sed 's/.* number=\([0-9]*\) .*/\1/' "$1"; }
	younger() { sql young 'SELECT 1' > /dev/null && [ "$(number "$G/keys/checkpoint.last")" -gt $(($(number "$T/old") + 1)) ]; }
	wait_until 15 younger
	kill_daemon
	cp "$T/old" "$G/keys/checkpoint.last"
	start_daemon
	wait_ledger "SELECT count(*) FROM events WHERE kind = 'head-lost'" 1
	sql young 'SELECT 2 /* after the power failure */' > /dev/null
	stop_daemon
	assert_eq "$(ledger "SELECT count(*) FROM events WHERE kind IN ('ledger-cut', 'ledger-extended')")" 0
	verified
	start_daemon
}

test_frozen_enforcer_lets_nothing_through() {
	wait_until 15 answers
	pid=$(enforcer_pid)
	kill -STOP "$pid"
	bg psql in_run frozen -- timeout 20 psql -XqAt "$SHOP" -c 'SELECT 1 /* frozen */'
	if finish "$BG" 30; then fail 'answered by a stopped enforcer'; fi
	if server_saw '/* frozen */'; then fail 'the server saw it'; fi
	kill -CONT "$pid" 2> /dev/null || true
	wait_until 20 answers
}

test_stop_and_start_again_is_clean() {
	stop_daemon
	assert_exit 3 hf status
	start_daemon
	assert_eq "$(sql again 'SELECT 9')" 9
}

test_stopped_daemon_leaves_the_cgroup_closed() {
	start_looper
	echo 1 >&8
	wait_until 15 file_has "$T/looper.out" 'round 1'
	stop_daemon
	echo 2 >&8
	wait_until 15 sh -c "grep -v 'round 1' '$T/looper.out' | grep -q ."
	assert_lacks "$(out looper)" 'round 2'
	start_daemon
	stop_looper
}

run_tests

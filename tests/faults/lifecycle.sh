#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Processes are stopped, started and taken apart in every order: nothing hangs, nothing opens, and what
# was written survives (P2, P3).
. "$(dirname "$0")/../e2e/lib.sh"

DAMAGE_ROUNDS=$([ -n "${SOAK:-}" ] && echo 60 || echo 8)

good_policy() {
	policy <<-YAML
	version: 1
	default: {read: allow, session: allow, other: hold}
	$(standard_resources)
	YAML
}
good_policy
# The ledger's folder is a file system of its own, so that it can be filled.
mkdir -p "$(dirname "$HOLDFAST_LEDGER")"
mount -t tmpfs -o size=64m,mode=755 tmpfs "$(dirname "$HOLDFAST_LEDGER")"
start_daemon || exit 1

answers() { timeout -k 1 10 "$B/holdfast" run --quiet --name probe -- psql -XqAt "$SHOP" -c 'SELECT 1'; }
# Ended or, where pid 1 reaps nobody, as good as.
ended() { ! grep -q '^State:.[^Z]' "/proc/$1/status" 2> /dev/null; }
kill_warden() { kill -KILL "$(daemon_pid)"; }
rings() { find "$HOLDFAST_DIR/journal" -name '*.ring' | sort; }

test_stopped_children_die_with_their_warden() {
	# shellcheck disable=SC2046 # pids
	set -- $(enforcer_pid) $(scribe_pid)
	kill -STOP "$@"
	kill_warden
	for pid; do wait_until 5 ended "$pid"; done
	start_daemon
	wait_until 15 answers
}

test_signals_of_a_terminal_reach_the_warden_alone() {
	enforcer=$(enforcer_pid) scribe=$(scribe_pid)
	kill -INT "$enforcer" "$scribe"
	kill -HUP "$enforcer" "$scribe"
	kill -TERM "$enforcer" "$scribe"
	answers
	assert_eq "$(enforcer_pid) $(scribe_pid)" "$enforcer $scribe"
}

test_stopped_scribe_does_not_stop_the_warden() {
	kill -STOP "$(scribe_pid)"
	kill_one enforcer_pid
	wait_until 25 answers
}

test_daemon_stops_in_time_with_stopped_children() {
	pid=$(daemon_pid)
	# shellcheck disable=SC2046 # pids
	kill -STOP $(enforcer_pid) $(scribe_pid)
	kill -TERM "$pid"
	wait_until 15 ended "$pid"
	start_daemon
	wait_until 15 answers
}

test_stopped_enforcer_does_not_stop_the_warden() {
	enforcer=$(enforcer_pid)
	kill -STOP "$enforcer"
	for _ in $(seq 400); do kill -HUP "$(daemon_pid)"; done
	# It is asked for a run and says no, instead of nothing: 1 where it has noticed by then, else 4.
	rc=0
	OUT=$(timeout -k 1 30 "$B/holdfast" run --quiet -- true 2>&1) || rc=$?
	case $rc in 1 | 4) ;; *) fail "exit $rc: $OUT" ;; esac
	kill -CONT "$enforcer"
	wait_until 15 answers
}

test_bad_policy_right_behind_a_good_one_is_not_kept() {
	for _ in 1 2 3 4 5 6; do
		good_policy
		kill -HUP "$(daemon_pid)"
		echo 'broken: [' > "$G/policy.yaml"
		kill -HUP "$(daemon_pid)"
	done
	kill_one enforcer_pid
	wait_until 20 answers
	good_policy
	hf reload
}

test_no_run_begins_without_the_hooks() {
	"$B/holdfastd" --detach --config "$G/config.yaml"
	assert_exit 1 hf run --quiet -- true
	assert_has "$OUT" 'no run can begin now'
	stop_daemon
	start_daemon
	answers
}

test_second_daemon_is_refused() {
	assert_exit 3 "$B/holdfastd" --config "$G/config.yaml" --foreground
	assert_has "$OUT" 'another holdfastd'
	answers
}

test_another_number_of_workers_finds_what_the_last_one_left() {
	for workers in 4 1 3; do
		echo "workers: $workers" | config
		kill -STOP "$(scribe_pid)"
		sql "w$workers" "SELECT 'with $workers' /* workers */"
		kill_daemon
		start_daemon
	done
	wait_ledger "SELECT count(*) FROM requests WHERE text LIKE 'SELECT ''with %/* workers */'" 3
}

test_damaged_rings_are_given_up_and_said_so() {
	seed=${SEED:-$((SRANDOM % 32768))}
	echo "# rings damaged with seed $seed" | tee -a "$E2E_TMP/numbers"
	RANDOM=$seed
	for round in $(seq "$DAMAGE_ROUNDS"); do
		[ $((round % 2)) = 0 ] || kill -STOP "$(scribe_pid)" # half the time there is something to drain
		# Another worker than the one that answered last may find its ring damaged only now.
		wait_until 15 sql damage "SELECT $round"
		kill_daemon
		for ring in $(rings); do
			case $round in
			1) truncate -s 5000 "$ring" ;;
			2) printf 'not a ring' | dd of="$ring" conv=notrunc 2> /dev/null ;;
			*) for _ in 1 2 3 4 5 6 7 8; do # the header's numbers, or the records
				at=$((RANDOM % 2 ? RANDOM % 256 : 4096 + RANDOM % 8192))
				printf '\245\132\245\132\245\132\245\132' | dd of="$ring" bs=1 seek=$at conv=notrunc 2> /dev/null
			done ;;
			esac
		done
		start_daemon
		# Refused, where that worker's ring turns out to be damaged with its first record; never unrecorded.
		wait_until 15 sql damage "SELECT 'after $seed $round'"
		wait_ledger "SELECT count(*) > 0 FROM requests WHERE text = 'SELECT ''after $seed $round'''" 1
	done
	assert_eq "$(ledger "SELECT count(*) > 0 FROM events WHERE kind = 'journal-broken'")" 1
	assert_eq "$(ledger 'PRAGMA integrity_check')" ok
}

test_full_disk_at_the_moment_of_a_decision() {
	ballast=$(dirname "$HOLDFAST_LEDGER")/ballast
	bg psql sql full 'DELETE FROM orders WHERE id = 40 /* full-decision */'
	h=$(wait_hold full)
	# To the last byte: the first try of the scribe goes into what its WAL already has.
	until dd if=/dev/zero of="$ballast" bs=4k 2> /dev/null; hf audit --limit 1 > /dev/null; ! answers > /dev/null 2>&1; do :; done
	timeout -k 1 3 "$B/holdfast" approve "$h" -m 'on a full disk' > "$T/approve.out" 2>&1 || true
	if server_saw '/* full-decision */'; then fail 'released by a decision that is on no disk'; fi
	rm -f "$ballast"
	wait_until 20 answers
	# The same decision again, or the first one if it was taken after all.
	hf approve "$h" -m 'there is room' || true
	finish "$BG"
	wait_ledger "SELECT count(*) > 0 FROM decisions WHERE hold = ${h#h}" 1
	server_saw '/* full-decision */'
}

test_start_with_a_ledger_that_cannot_be_written() {
	stop_daemon
	mount -o remount,ro "$(dirname "$HOLDFAST_LEDGER")"
	rc=0
	timeout -k 1 30 "$B/holdfastd" --config "$G/config.yaml" --foreground > "$T/out" 2>&1 || rc=$?
	mount -o remount,rw "$(dirname "$HOLDFAST_LEDGER")"
	case $rc in 1 | 3) ;; *) fail "exit $rc" ;; esac
	assert_has "$(cat "$T/out")" "$(dirname "$HOLDFAST_LEDGER")"
	start_daemon
	answers
}

run_tests

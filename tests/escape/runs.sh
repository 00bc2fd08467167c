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

run_tests

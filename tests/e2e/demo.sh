#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The demo that the README promises, without a terminal: it answers for itself and cleans up.
. "$(dirname "$0")/lib.sh"

export DEMO_BUILT=1 B
demo_traces() {
	find /tmp -maxdepth 1 -name 'holdfast-demo.*'
	find /sys/fs/cgroup -maxdepth 3 -name 'holdfast-demo-*' 2> /dev/null
	findmnt -rno TARGET | grep holdfast-demo || true
	pgrep -f holdfast-demo || true
}

test_demo_holds_approves_denies_and_leaves_nothing_behind() {
	before=$(demo_traces)
	"$E2E_ROOT/scripts/demo" < /dev/null > "$T/demo.out" 2>&1
	got=$(cat "$T/demo.out")
	assert_has "$got" 'self_approval: true'
	assert_has "$got" 'held as h1'
	assert_has "$got" 'DELETE 6'
	assert_has "$got" 'Schema changes go through migrations'
	assert_has "$got" 'cards are needed until the end of the month'
	assert_has "$got" '1111 '
	assert_lacks "$got" 4111111111111111
	assert_eq "$(demo_traces)" "$before"
}

test_demo_stopped_half_way_leaves_nothing_behind() {
	before=$(demo_traces)
	setsid env --default-signal=INT "$E2E_ROOT/scripts/demo" < /dev/null > "$T/stopped.out" 2>&1 &
	demo=$!
	wait_until 60 file_has "$T/stopped.out" 'An agent now runs'
	kill -INT -- "-$demo"
	finish "$demo" 30 || true
	assert_eq "$(demo_traces)" "$before"
}

run_tests

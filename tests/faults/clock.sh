#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The wall clock jumps, by days and both ways, while requests wait: nothing is released, lost or kept
# for longer than the policy says. (The host's own clock is not touched: see jump.c.)
. "$(dirname "$0")/../e2e/lib.sh"

policy <<YAML
version: 1
default: {read: allow, session: allow, other: hold}
$(standard_resources)
rules:
  - {name: short, when: {effect: update}, then: hold, timeout: 4s}
  - {name: tickets, when: {effect: insert}, then: hold, timeout: 4s, ticket: 1h}
  - {name: long, when: {effect: delete}, then: hold, timeout: 30m}
YAML
gcc -shared -fPIC -O1 -o "$G/jump.so" "$(dirname "$0")/jump.c" || exit 1
printf '\0\0\0\0\0\0\0\0' > "$G/jump"
jump() { /usr/bin/python3 -c "import struct; open('$G/jump', 'r+b').write(struct.pack('q', $1))"; }
# A sanitizer's library wants to be the first.
LD_PRELOAD="$(ldd "$B/holdfastd" | awk '/libasan/ { print $3 }') $G/jump.so" JUMP_FILE=$G/jump start_daemon || exit 1
DAY=86400
outcome_of() { ledger "SELECT outcome FROM holds WHERE text LIKE '%/* $1 */%'"; }
ended() { [ "$(outcome_of "$1")" = expired ]; }
still_open() { has_hold "$1" && [ -z "$(outcome_of "$1")" ]; }

test_control_the_daemon_sees_the_clock_jump() {
	jump $((400 * DAY))
	assert_eq "$(sql seen "SELECT 1 /* jumped */")" 1
	wait_ledger "SELECT count(*) FROM requests WHERE text LIKE '%/* jumped */%' AND time > strftime('%Y-%m-%d', 'now', '+300 days')" 1
	jump 0
}

test_what_waits_goes_on_waiting_and_is_decided_as_ever() {
	bg psql sql waits 'DELETE FROM orders WHERE id = 60 /* waits */'
	h=$(wait_hold waits)
	for days in 30 -60 3650; do
		jump $((days * DAY))
		# A look by each thread: they tick once a second.
		assert_eq "$(sql meanwhile "SELECT 'up' /* $days */")" up
		still_open waits
	done
	approve "$h"
	finish "$BG"
	wait_until 10 sh -c "[ '$(admin 'SELECT count(*) FROM orders WHERE id = 60')' = 0 ]"
	jump 0
}

test_time_out_is_as_long_as_the_policy_says() {
	bg psql sql late 'UPDATE orders SET total = 1 WHERE id = 61 /* late */'
	wait_hold late
	jump $((-30 * DAY))
	wait_until 15 ended late
	finish "$BG" || true
	assert_has "$(out psql)" 'no decision in time'
	if server_saw '/* late */'; then fail 'it ran'; fi
	jump 0
}

test_ticket_that_nobody_decided_ends_in_time_too() {
	# Its run lives on: tickets end with their runs.
	bg cli in_run ticket -- sh -c "psql -XqAt '$SHOP' -c 'INSERT INTO orders (total) VALUES (5) /* ticket */'; exec tail -f /dev/null"
	wait_until 15 file_has "$T/cli.out" 'HINT'
	still_open ticket
	jump $((-30 * DAY))
	wait_until 15 ended ticket
	hf kill "$(hf status --json | jq -r '.. | objects | select(.name? == "ticket") | .id')"
	finish "$BG" || true
	jump 0
}

test_ledger_and_daemon_are_whole_afterwards() {
	assert_eq "$(sql after 'SELECT 8')" 8
	assert_eq "$(ledger "SELECT count(*) FROM events WHERE kind IN ('refusing', 'enforcer-died', 'scribe-died', 'garbage')")" 0
	stop_daemon
	hf audit verify --key "$G/keys/checkpoint.pub" --head "$G/keys/checkpoint.last"
}

run_tests

#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A hold of hours, made small: the daemon and its runs live in a network namespace of their own, the server in
# another, and between them is what forgets a connection after two seconds of silence (nat.py), as real ones do
# after some minutes or hours. `keepalive:` is made small likewise. The wait is three times as long as the NAT's.
. "$(dirname "$0")/lib.sh"

FORGETS=2
for side in NEAR FAR; do
	unshare --net sleep 600 & # condition helper: it only holds the namespace
	printf -v "$side" %s "$!"
done
/usr/bin/python3 "$E2E_ROOT/tests/e2e/nat.py" "$NEAR" "$FAR" "$FORGETS" "$E2E_PGSOCK/.s.PGSQL.$E2E_PGPORT" "$G/nat" > "$G/nat.out" 2>&1 &
NAT=$!
# shellcheck disable=SC2317 # called by the trap
stop_all() { clean_group; kill "$NAT" "$NEAR" "$FAR" 2> /dev/null; }
trap stop_all EXIT
wait_until 15 file_has "$G/nat" up || { cat "$G/nat.out"; exit 1; }

policy <<YAML
version: 1
default: {unknown: allow, other: allow}
resources:
  - name: far
    at: ["10.213.7.2:5432"]
    protocol: postgres
rules:
  - name: deletes
    when: {effect: delete}
    then: hold
YAML
config <<< 'keepalive: 1s'
# The daemon, and so its runs, in the near namespace.
mkdir "$G/bin"
for program in "$B"/holdfast*; do ln -s "$program" "$G/bin/$(basename "$program")"; done
rm "$G/bin/holdfastd"
printf '#!/bin/sh\nexec nsenter --target %s --net %s "$@"\n' "$NEAR" "$B/holdfastd" > "$G/bin/holdfastd"
chmod 755 "$G/bin/holdfastd"
B=$G/bin
start_daemon || exit 1

FAR_SHOP='host=10.213.7.2 user=agent dbname=shop connect_timeout=10'
held_sql() { # NAME SQL…
	local name=$1
	shift
	in_run "$name" -- psql -XqAt "$FAR_SHOP" "$@"
}

test_a_hold_outlives_what_forgets_silent_connections() {
	local began=$SECONDS
	bg waits held_sql waits -c 'SELECT 1' -c 'BEGIN' -c 'DELETE FROM orders WHERE id = 1 RETURNING id' -c 'COMMIT'
	waits=$BG
	# The same without us, and without probes: it is what the wire does to silence.
	bg bare nsenter --target "$NEAR" --net psql -XqAt "$FAR_SHOP keepalives=0" -c 'SELECT 2' \
		-c "\\! while [ ! -e '$T/go' ]; do sleep 0.1; done # condition helper" -c 'SELECT 3'
	bare=$BG
	h=$(wait_hold waits)
	notices() { [ "$(grep -c 'still held' "$T/waits.out")" -ge $((3 * FORGETS)) ]; }
	wait_until 40 notices
	[ $((SECONDS - began)) -ge $((3 * FORGETS)) ] || fail 'too short a wait to show anything'
	touch "$T/go"
	approve "$h"
	finish "$waits" || fail "$(out waits)"
	assert_eq "$(grep -v NOTICE "$T/waits.out" | tr '\n' ' ')" '1 1 '
	assert_eq "$(admin 'SELECT count(*) FROM orders WHERE id = 1')" 0
	finish "$bare" 4 && fail "the wire forgets nothing: $(out bare)"
	assert_lacks "$(out bare)" 3
	assert_eq "$(grep -c forgotten "$G/nat")" 1 'only the one without probes'
}

test_after_a_long_wait_a_cancel_works_at_once() {
	bg cancels held_sql cancels -c 'DELETE FROM orders WHERE id = 2'
	cancels=$BG
	wait_hold cancels > /dev/null
	notices() { [ "$(grep -c 'still held' "$T/cancels.out")" -ge $((FORGETS + 1)) ]; }
	wait_until 20 notices
	signal_run cancels INT
	finish "$cancels" 5 && fail 'it was not cancelled'
	assert_has "$(out cancels)" 'canceling statement due to user request'
	wait_until 5 has_no_hold cancels
}

# The server ends a transaction that stands too long; what waits in it is over then, and says so.
test_the_servers_limit_for_idle_transactions_ends_the_wait() {
	bg limit held_sql limit -c "SET idle_in_transaction_session_timeout = '1s'" -c 'BEGIN' -c 'DELETE FROM orders WHERE id = 3'
	limit=$BG
	wait_hold limit > /dev/null
	finish "$limit" 15 && fail 'it went on'
	assert_has "$(out limit)" 'idle-in-transaction timeout'
	wait_until 5 has_no_hold limit
	assert_eq "$(admin 'SELECT count(*) FROM orders WHERE id = 3')" 1
}

# Nothing is left of the limits of the connection itself: a client that hangs up withdraws what it asked.
test_a_client_that_is_gone_withdraws_its_request() {
	bg gone held_sql gone -c 'DELETE FROM orders WHERE id = 4'
	gone=$BG
	wait_hold gone > /dev/null
	signal_run gone TERM
	finish "$gone" 10 || true
	wait_until 5 has_no_hold gone
	assert_eq "$(admin 'SELECT count(*) FROM orders WHERE id = 4')" 1
}

run_tests

#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Fewer, better prompts: shapes, kinds, identical requests as one entry, budgets; and tickets for clients
# that cannot wait.
. "$(dirname "$0")/lib.sh"

policy_of_holds <<YAML
  - name: notes-by-ticket
    when: {object: ["notes", "public.notes"], effect: [update, delete]}
    then: hold
    timeout: 5m
    ticket: 1m
  - name: customers-short-ticket
    when: {object: ["customers", "public.customers"], effect: [update, delete]}
    then: hold
    timeout: 2s
    ticket: 1s
YAML
config <<YAML
holds_per_run: 5
YAML
start_daemon || exit 1

n_orders() { admin "SELECT count(*) FROM orders WHERE $1"; }
# A run that does what it is told: lines into $T/NAME.in, psql's words in $T/NAME.out.
session() { # NAME
	rm -f "$T/$1.in"
	mkfifo "$T/$1.in"
	in_run "$1" -- psql -XAt -v ON_ERROR_STOP=0 "$SHOP" < "$T/$1.in" > "$T/$1.out" 2>&1 &
	BG=$!
	exec 8> "$T/$1.in"
}
tell() { echo "$*" >&8; }
hang_up() { exec 8>&-; finish "$BG"; }
field() { hf pending --json | jq -r --arg h "$1" "select(.id == \$h) | $2"; }
event_count() { ledger "SELECT count(*) FROM events WHERE kind = '$1'"; }

test_a_shape_is_granted_in_its_run_and_nothing_else_is() {
	session shaped
	tell "DELETE FROM orders WHERE id = 1 RETURNING 'gone ' || id;"
	h=$(wait_hold shaped)
	assert_eq "$(field "$h" '.free | join(";")')" 'id = 1'
	assert_exit 0 hf approve "$h" --shape -m 'clean-up of ticket 9'
	wait_until 10 file_has "$T/shaped.out" 'gone 1'
	tell "DELETE FROM orders WHERE id = 2 RETURNING 'gone ' || id;"
	wait_until 10 file_has "$T/shaped.out" 'gone 2'
	for other in "DELETE FROM orders WHERE id > 3 RETURNING 'gone ' || id;" \
		"DELETE FROM orders WHERE id = 3 OR true RETURNING 'gone ' || id;" \
		"DELETE FROM orders WHERE id = '3' RETURNING 'gone ' || id;" \
		"DELETE FROM orders WHERE id = 3;"; do
		tell "$other"
		h=$(wait_hold shaped)
		deny "$h"
		wait_until 10 has_no_hold shaped
	done
	assert_has "$(hf grants)" 'DELETE FROM orders WHERE id = 1'
	wait_ledger "SELECT outcome FROM holds WHERE decided_by = 'root' AND outcome = 'granted'" granted
	assert_has "$(ledger "SELECT scope FROM decisions WHERE scope LIKE 'shape g%'")" 'shape g'
	# Another run, even of this name, asks again; and the grant ends with its run.
	hang_up
	wait_until 10 ledger_is "SELECT count(*) FROM events WHERE kind = 'grant-end' AND detail LIKE '%run ended%'" 1
	assert_has "$(hf grants)" 'nothing is granted'
	bg psql sql shaped "DELETE FROM orders WHERE id = 4 RETURNING 'gone ' || id"
	h=$(wait_hold shaped)
	deny "$h"
	finish "$BG" || true
	assert_eq "$(n_orders 'id IN (1, 2)')" 0
	assert_eq "$(n_orders 'id IN (3, 4)')" 2
}

test_a_grant_for_a_time_covers_later_runs_and_can_be_revoked() {
	bg psql sql timed "DELETE FROM orders WHERE id = 5"
	h=$(wait_hold timed)
	assert_exit 0 hf approve "$h" --shape --for 10m -m 'all of today'
	finish "$BG"
	sql timed "DELETE FROM orders WHERE id = 6"
	assert_eq "$(n_orders 'id IN (5, 6)')" 0
	bg psql sql timedother "DELETE FROM orders WHERE id = 7"
	h2=$(wait_hold timedother)
	deny "$h2"
	finish "$BG" || true
	assert_exit 0 hf grants revoke "g${h#h}"
	assert_has "$OUT" 'used 1 times'
	assert_exit 5 hf grants revoke "g${h#h}"
	bg psql sql timed "DELETE FROM orders WHERE id = 7"
	h=$(wait_hold timed)
	deny "$h"
	finish "$BG" || true
	assert_eq "$(n_orders 'id = 7')" 1
}

# A parameter's declared type chooses the operator: text = text is not text = citext.
test_a_shape_covers_parameters_of_its_types_only() {
	typed() { in_run typed -- "$B/tests/e2e/pqtool" typed "$SHOP" "UPDATE orders SET total = 1 WHERE status = \$1 AND id = \$2" "$1=none" "$2=80"; }
	bg first typed 25 23
	h=$(wait_hold typed)
	hf approve "$h" --shape --for 10m > /dev/null
	finish "$BG"
	typed 25 23 > "$T/again"
	assert_has "$(cat "$T/again")" 'UPDATE 0'
	for types in '1043 23' '25 20' '0 23'; do
		# shellcheck disable=SC2086 # two of them
		bg other typed $types
		h=$(wait_hold typed) || fail "of types $types it went unasked"
		deny "$h" > /dev/null
		finish "$BG" || true
	done
	hf grants revoke "$(hf grants --json | jq -r 'select(.run_name == "typed") | .id')" > /dev/null
}

test_a_grant_releases_what_waits_already() {
	bg one sql both "DELETE FROM orders WHERE id = 8"
	one=$BG
	first=$(wait_hold both)
	bg two in_run both2 -- psql -XqAt "$SHOP" -c "DELETE FROM orders WHERE id = 9"
	wait_hold both2
	hf approve "$first" --shape --for 1m -m 'only of that name'
	finish "$one"
	has_hold both2 # of another name
	deny "$(holds_of both2)"
	finish "$BG" || true
}

test_a_changed_search_path_asks_again() {
	session pathy
	tell "DELETE FROM orders WHERE id = 10 RETURNING 'gone ' || id;"
	h=$(wait_hold pathy)
	hf approve "$h" --shape -m fine
	wait_until 10 file_has "$T/pathy.out" 'gone 10'
	tell "SET search_path = scratch, public;"
	h=$(wait_hold pathy)
	approve "$h"
	wait_until 10 has_no_hold pathy
	tell "DELETE FROM orders WHERE id = 11 RETURNING 'gone ' || id;"
	h=$(wait_hold pathy)
	deny "$h"
	hang_up
	assert_eq "$(n_orders 'id = 11')" 1
}

test_what_has_no_shape_cannot_be_granted() {
	bg psql sql shapeless "SELECT pg_advisory_lock(1); DELETE FROM orders WHERE id = 12"
	h=$(wait_hold shapeless)
	assert_exit 1 hf approve "$h" --shape
	assert_has "$OUT" 'no shape'
	deny "$h"
	finish "$BG" || true
}

test_a_kind_is_denied_until_it_is_revoked() {
	session kind
	tell "DELETE FROM orders WHERE id = 13;"
	h=$(wait_hold kind)
	assert_exit 0 hf deny "$h" --kind -m 'no deletes today'
	wait_until 10 file_has "$T/kind.out" 'no deletes today'
	tell "DELETE FROM orders WHERE total > 3 AND status = 'x';"
	tell "SELECT 'after';"
	wait_until 10 file_has "$T/kind.out" after
	assert_eq "$(grep -c 'no deletes today' "$T/kind.out")" 2
	tell "UPDATE orders SET status = 'x' WHERE id = 13;"
	h2=$(wait_hold kind) # another effect
	deny "$h2"
	hf grants revoke "g${h#h}"
	tell "DELETE FROM orders WHERE id = 13;"
	h=$(wait_hold kind)
	deny "$h"
	hang_up
	assert_eq "$(n_orders 'id = 13')" 1
}

test_identical_requests_are_one_entry_with_a_count() {
	in_run flood -- sh -c "for i in 1 2 3 4; do psql -XqAt '$SHOP' -c 'DELETE FROM orders WHERE id = 14' & done; wait" > "$T/flood.out" 2>&1 &
	BG=$!
	four() { [ "$(hf pending --json | jq -r 'select(.run_name == "flood") | .identical')" = 4 ]; }
	wait_until 20 four
	assert_eq "$(holds_of flood | wc -l)" 1
	first=$(holds_of flood)
	deny "$first" 'only one'
	three() { [ "$(hf pending --json | jq -r 'select(.run_name == "flood") | .identical')" = 3 ]; }
	wait_until 10 three
	hf deny "$(holds_of flood)" --all -m 'and the others'
	finish "$BG" || true
	wait_ledger "SELECT count(*) FROM decisions WHERE reason = 'and the others'" 3
	assert_eq "$(n_orders 'id = 14')" 1
}

test_a_run_has_a_budget_of_holds() {
	in_run greedy -- sh -c "for i in 1 2 3 4 5 6 7; do psql -XqAt '$SHOP' -c \"DELETE FROM orders WHERE id = 5\$i\" & done; wait" > "$T/greedy.out" 2>&1 &
	BG=$!
	wait_until 20 file_has "$T/greedy.out" 'too many requests waiting'
	wait_ledger "SELECT count(*) FROM holds WHERE outcome = 'crowded'" 2
	assert_eq "$(holds_of greedy | wc -l)" 5
	for h in $(holds_of greedy); do deny "$h"; done
	finish "$BG" || true
	# Its places are free again.
	bg psql sql greedy "DELETE FROM orders WHERE id = 58"
	h=$(wait_hold greedy)
	deny "$h"
	finish "$BG" || true
}

test_a_ticket_is_a_clean_denial_and_the_same_request_runs_once_later() {
	session ticket
	q="UPDATE notes SET body = 'x' WHERE id = 1 RETURNING 'changed ' || id;"
	tell "$q"
	h=$(wait_hold ticket)
	wait_until 10 file_has "$T/ticket.out" 'come back with the same request'
	assert_has "$(out ticket)" "$h"
	tell "$q"
	wait_until 10 file_has "$T/ticket.out" 'not decided yet'
	assert_eq "$(holds_of ticket | wc -l)" 1
	approve "$h" 'when you are back'
	wait_ledger "SELECT outcome FROM holds WHERE id = ${h#h}" approved
	tell "UPDATE notes SET body = 'y' WHERE id = 1;" # another one is another ticket
	other=$(wait_hold ticket)
	tell "$q"
	wait_until 10 file_has "$T/ticket.out" 'changed 1'
	assert_eq "$(admin 'SELECT body FROM notes WHERE id = 1')" x
	tell "$q"
	two() { [ "$(holds_of ticket | wc -l)" = 2 ]; } # used: it asks again
	wait_until 10 two
	again=$(holds_of ticket | tail -n 1)
	deny "$other"
	tell "UPDATE notes SET body = 'y' WHERE id = 1;"
	wait_until 10 file_has "$T/ticket.out" 'not today'
	hang_up
	wait_until 10 has_no_hold ticket
	wait_ledger "SELECT outcome FROM holds WHERE id = ${again#h}" disconnected
}

test_no_ticket_inside_a_transaction() {
	session txticket
	tell "BEGIN; "
	tell "UPDATE notes SET body = 'tx' WHERE id = 2 RETURNING 'changed ' || id;"
	h=$(wait_hold txticket)
	assert_eq "$(field "$h" .is_ticket)" false
	approve "$h"
	wait_until 10 file_has "$T/txticket.out" 'changed 2'
	tell "COMMIT;"
	hang_up
	assert_eq "$(admin 'SELECT body FROM notes WHERE id = 2')" tx
}

test_a_ticket_expires_waiting_and_approved() {
	session late
	q="UPDATE customers SET vip = 9 WHERE id = 1;"
	tell "$q"
	h=$(wait_hold late)
	wait_until 10 has_no_hold late
	wait_ledger "SELECT outcome FROM holds WHERE id = ${h#h}" expired
	tell "$q"
	h=$(wait_hold late)
	approve "$h"
	wait_until 10 ledger_is "SELECT count(*) FROM events WHERE kind = 'grant-end' AND detail LIKE '%time is over%'" 1
	tell "$q"
	h=$(wait_hold late)
	deny "$h"
	hang_up
	assert_eq "$(admin 'SELECT vip FROM customers WHERE id = 1')" 7001
}

test_another_policy_ends_tickets() {
	bg psql sql ticketpolicy "UPDATE notes SET body = 'p' WHERE id = 3"
	h=$(wait_hold ticketpolicy) || true
	finish "$BG" || true
	session ticketpol
	tell "UPDATE notes SET body = 'p' WHERE id = 3;"
	h=$(wait_hold ticketpol)
	echo '# another version' >> "$G/policy.yaml"
	hf reload
	wait_ledger "SELECT outcome FROM holds WHERE id = ${h#h}" void
	hang_up
}

run_tests

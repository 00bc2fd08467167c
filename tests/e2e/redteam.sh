#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Attacks from inside a run, over the wire, each of which worked once. redteam.py is the attacker; what
# it prints is every byte that it got.
. "$(dirname "$0")/lib.sh"

policy <<YAML
version: 1
default: {read: allow, session: allow, other: hold}
$(standard_resources)
rules:
  - name: scratch-is-free
    when: {object: "scratch.*", effect: [insert, update, delete, import, define]}
    then: allow
  - name: views-of-customers
    when: {object: customers, effect: define}
    then: allow
masks:
  - name: ssn
    columns: ["public.customers.ssn"]
    as: redact
    unproven: redact
  - name: vip
    columns: ["public.customers.vip"]
    as: "null"
    unproven: redact
YAML
admin "CREATE TABLE scratch.plain_table (id int, v text); GRANT ALL ON scratch.plain_table TO PUBLIC"
admin "CREATE VIEW scratch.plain AS SELECT 1 AS id, 'plain'::text AS v; GRANT ALL ON scratch.plain TO PUBLIC"
start_daemon || exit 1

attack() { in_run red -- /usr/bin/python3 "$E2E_ROOT/tests/e2e/redteam.py" "$E2E_PGPORT" "$@"; }
# No detector knows a social security number that is written backwards.
lacks_secrets() {
	local secret
	for secret in 0211-50-870 9999-90-912 2645-55-754 9876-54-321 7001 7002 7003 7004; do
		assert_lacks "$1" "$secret" 'leaked'
	done
}

test_long_statement_names_that_are_one_to_the_server() {
	got=$(attack long_statement_names)
	assert_has "$got" 'SELECT 4'
	lacks_secrets "$got"
}

test_long_portal_names_that_are_one_to_the_server() {
	got=$(attack long_portal_names)
	assert_has "$got" 'BEGIN'
	lacks_secrets "$got"
}

test_portal_whose_name_a_cursor_takes_in_the_same_batch() { lacks_secrets "$(attack portal_taken_in_batch)"; }

test_portal_whose_name_a_cursor_takes_in_a_pipelined_query() { lacks_secrets "$(attack portal_taken_by_query)"; }

test_view_replaced_where_the_catalog_cannot_be_asked() {
	for how in transaction string at_once; do
		got=$(attack "view_replaced_$how")
		assert_has "$got" 'CREATE VIEW'
		lacks_secrets "$got"
		admin "CREATE OR REPLACE VIEW scratch.plain AS SELECT 1 AS id, 'plain'::text AS v"
	done
}

test_view_replaced_by_another_session_a_moment_ago() {
	for how in next_door next_door_by_commit; do
		got=$(attack "view_replaced_$how")
		assert_has "$got" 'CREATE VIEW'
		lacks_secrets "$got"
		admin "CREATE OR REPLACE VIEW scratch.plain AS SELECT 1 AS id, 'plain'::text AS v"
	done
}

test_reserved_name_taken_so_that_the_catalog_question_fails() {
	got=$(attack question_spoiled)
	assert_has "$got" 'CREATE VIEW'
	lacks_secrets "$got"
}

test_errors_that_quote_a_protected_column() {
	got=$(attack errors)
	assert_has "$got" 22P02
	assert_has "$got" 'nosuch' 'an error about the text itself was withheld'
	lacks_secrets "$got"
}

test_several_binds_of_which_one_is_shown() {
	bg binds attack several_binds
	h=$(wait_hold red)
	deny "$h"
	finish "$BG"
	assert_eq "$(admin 'SELECT count(*) FROM scratch.t')" 0
	assert_has "$(out binds)" 'ERROR'
}

test_ready_messages_that_a_failed_copy_leaves_behind() {
	got=$(attack copy_loose_sync)
	assert_has "$got" 'plain'
	lacks_secrets "$got"
}

test_new_policy_reaches_a_client_that_always_waits_for_something() {
	bg busy attack always_busy
	wait_until 10 file_has "$T/busy.out" started
	cp "$G/policy.yaml" "$T/keep.yaml"
	sed 's/^rules:/rules:\n  - name: lockdown\n    when: {}\n    then: deny/' "$T/keep.yaml" > "$G/policy.yaml"
	hf reload
	finish "$BG" 20
	cp "$T/keep.yaml" "$G/policy.yaml"
	hf reload
	assert_has "$(out busy)" lockdown
}

# Where the policy lets an agent write, a copy of protected columns would come back in clear.
test_copies_of_protected_columns_wait_for_a_human() {
	for text in 'CREATE TABLE scratch.copy1 AS SELECT id, reverse(ssn) AS v FROM customers' \
		'SELECT id, reverse(ssn) AS v INTO scratch.copy2 FROM customers' \
		'INSERT INTO scratch.plain_table SELECT id, reverse(ssn) FROM customers RETURNING v'; do
		bg copy sql copies "$text"
		h=$(wait_hold copies)
		deny "$h" 'it copies what is masked'
		finish "$BG" || true
		lacks_secrets "$(out copy)"
	done
	got=$(sql copies "INSERT INTO scratch.plain_table VALUES (1, 'mine') RETURNING v")
	assert_has "$got" mine
}

run_tests

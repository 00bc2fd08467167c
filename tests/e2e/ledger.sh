#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Every request that a server executed is in the ledger (P3), and people can read it.
. "$(dirname "$0")/lib.sh"

policy <<YAML
version: 1
default: {read: allow, session: allow, unknown: hold, other: allow}
$(standard_resources)
rules:
  - name: no-schema-destruction
    when: {effect: destroy}
    then: deny
YAML
start_daemon || exit 1

# How often the server ran what carries this mark, and how often the ledger says that it was sent.
server_ran() { grep -cE "(statement|execute [^:]*): .*$1" "$E2E_PGLOG"; }
ledger_sent() { ledger "SELECT count(*) FROM requests WHERE text LIKE '%$1%' AND kind <> 'prepare'"; }
same_count() { [ "$(server_ran "$1")" = "$(ledger_sent "$1")" ]; }

test_every_statement_the_server_logged_is_in_the_ledger() {
	for i in $(seq 20); do echo "SELECT $i /* seen1 */;"; done > "$T/many.sql"
	in_run led -- psql -XqAt "$SHOP" -f "$T/many.sql" > /dev/null
	in_run led -- "$B/tests/e2e/pqtool" pipeline "$SHOP" 'SELECT 1 /* seen1 */' 'SELECT 2 /* seen1 */' > /dev/null
	in_run led -- "$B/tests/e2e/pqtool" prepared "$SHOP" 5 'SELECT 3 /* seen1 */' > /dev/null
	assert_eq "$(server_ran seen1)" 27
	wait_until 10 same_count seen1 || fail "server $(server_ran seen1), ledger $(ledger_sent seen1)"
}

test_replies_say_how_it_went() {
	sql led 'SELECT * FROM orders LIMIT 7 /* seen2 */' > /dev/null
	sql led 'SELECT no_such_column /* seen3 */' > /dev/null 2>&1 || true
	sql led 'DROP TABLE orders /* seen4 */' > /dev/null 2>&1 || true
	q="SELECT p.status || '|' || p.n_rows || '|' || p.code FROM replies p JOIN requests r ON r.id = p.request WHERE r.text LIKE '%seen"
	wait_ledger "${q}2%'" 'ok|7|'
	wait_ledger "${q}3%'" 'error|0|42703'
	wait_ledger "SELECT p.status FROM replies p JOIN requests r ON r.id = p.request WHERE r.text LIKE '%seen4%'" refused
}

test_runs_and_sessions_name_who_and_where() {
	in_run who -- psql -XqAt "$SHOP application_name=nightly" -c 'SELECT 1 /* seen5 */' > /dev/null
	wait_ledger "SELECT u.name || '|' || s.resource || '|' || s.role || '|' || s.database || '|' || s.application || '|' || s.comm
		FROM sessions s JOIN runs u ON u.id = s.run JOIN requests r ON r.session = s.id WHERE r.text LIKE '%seen5%'" \
		'who|shop|agent|shop|nightly|psql'
	assert_has "$(ledger "SELECT command FROM runs WHERE name = 'who'")" psql
	wait_ledger "SELECT count(*) FROM runs WHERE name = 'who' AND status IS NOT NULL" 1
}

test_audit_and_replay_show_it_to_people() {
	sql aud "SELECT 'needle' /* seen6 */" > /dev/null
	wait_ledger "SELECT count(*) FROM requests WHERE text LIKE '%seen6%'" 1
	assert_exit 0 hf audit
	assert_has "$OUT" seen6
	hf audit --json | jq -es 'length > 0' > /dev/null
	assert_exit 0 hf replay "$(ledger "SELECT session FROM requests WHERE text LIKE '%seen6%'")"
	assert_has "$OUT" needle
}

test_terminal_escapes_are_shown_not_sent() {
	sql esc "SELECT 1 /* seen7 $(printf '\033[2J\033]0;owned\007') */" > /dev/null
	wait_ledger "SELECT count(*) FROM requests WHERE text LIKE '%seen7%'" 1
	hf audit > "$T/audit"
	hf replay "$(ledger "SELECT session FROM requests WHERE text LIKE '%seen7%'")" > "$T/replay"
	if grep -q "$(printf '\033')" "$T/audit" "$T/replay"; then fail 'a raw escape reached the terminal'; fi
}

test_ledger_is_for_the_audit_group_only() {
	assert_eq "$(stat -c %a "$HOLDFAST_LEDGER")" 640
	assert_exit 1 in_run peek -- cat "$HOLDFAST_LEDGER"
}

test_runs_leave_no_cgroup_behind() {
	in_run short -- true
	none_left() { [ -z "$(find /sys/fs/cgroup -path "*/$HF_CGROUP/runs/*/*" -name cgroup.procs 2> /dev/null)" ]; }
	wait_until 10 none_left
}

run_tests

#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A statement waits inside a live connection; a human decides; the same call returns (P3, P5, P7).
. "$(dirname "$0")/lib.sh"

policy <<YAML
version: 1
default: {read: allow, session: allow, other: hold}
$(standard_resources)
rules:
  - name: no-schema-destruction
    when: {tag: production-db, effect: destroy}
    then: deny
    message: "Schema changes go through migrations, not agents."
  - name: scratch-is-free
    when: {object: "scratch.*", effect: [insert, update, delete]}
    then: allow
  - name: quick-counts
    when: {object: quick, effect: insert}
    then: allow
    in_transaction: deny
  - name: careful-counts
    when: {object: careful, effect: insert}
    then: allow
    in_transaction: hold
  - name: short-patience
    when: {object: ["public.notes", "notes"], effect: delete}
    then: hold
    timeout: 1s
  - name: writes-need-a-human
    when: {tag: production-db, effect: [insert, update, delete, execute, unknown]}
    unless: {object: ["scratch.*", "public.notes", "notes", quick, careful]}
    then: hold
    timeout: 5m
YAML
trap 'tmux -L "hf-$$" kill-server 2> /dev/null; clean_group' EXIT
start_daemon || exit 1

n_orders() { admin "SELECT count(*) FROM orders WHERE $1"; }

test_reads_pass_without_anyone_being_asked() {
	assert_eq "$(sql reader 'SELECT count(*) FROM orders')" 100
	has_no_hold reader
}

test_rules_may_be_stricter_inside_transactions() {
	local text
	admin 'CREATE TABLE quick (id int); CREATE TABLE careful (id int)' > /dev/null
	sql tx 'INSERT INTO quick VALUES (1)'
	sql tx 'INSERT INTO careful VALUES (1)'
	# One string, two messages, and without waiting for BEGIN to be answered.
	for text in 'BEGIN; INSERT INTO quick VALUES (2); COMMIT' 'BEGIN'; do
		assert_exit 1 in_run tx -- psql -XqAt -v ON_ERROR_STOP=1 "$SHOP" -c "$text" -c 'INSERT INTO quick VALUES (2)' -c COMMIT
		assert_has "$OUT" 'denied by rule "quick-counts": not inside a transaction'
	done
	bg late in_run late -- psql -XqAt "$SHOP" -c BEGIN -c 'INSERT INTO careful VALUES (2)' -c COMMIT
	approve "$(wait_hold late)" 'it may'
	finish "$BG"
	assert_eq "$(admin 'SELECT count(*) FROM quick')-$(admin 'SELECT count(*) FROM careful')" 1-2
}

test_approved_delete_returns_its_rows_in_the_same_call() {
	bg psql sql appr 'DELETE FROM orders WHERE id = 1 RETURNING id, status'
	h=$(wait_hold appr)
	assert_eq "$(n_orders 'id = 1')" 1 'ran before approval'
	approve "$h" 'ticket 17'
	finish "$BG"
	assert_has "$(out psql)" '1|paid'
	assert_eq "$(n_orders 'id = 1')" 0
	wait_ledger "SELECT decision, reason FROM decisions WHERE hold = ${h#h}" 'approve|ticket 17'
}

test_psql_has_seen_a_notice_with_the_hold_id_while_it_waits() {
	bg psql sql noticed 'DELETE FROM orders WHERE id = 2'
	h=$(wait_hold noticed)
	wait_until 5 file_has "$T/psql.out" "$h"
	assert_has "$(out psql)" NOTICE
	deny "$h"
	finish "$BG" || true
}

test_denied_statement_gets_42501_with_rule_and_reason_and_the_session_lives_on() {
	bg psql in_run den -- psql -XqAt -v VERBOSITY=verbose "$SHOP" \
		-c 'DELETE FROM orders WHERE id = 3' -c "SELECT 'next ' || 1"
	h=$(wait_hold den)
	deny "$h" 'ask in the morning'
	finish "$BG"
	assert_has "$(out psql)" 'ERROR:  42501'
	assert_has "$(out psql)" 'ask in the morning'
	assert_has "$(out psql)" 'next 1'
	assert_eq "$(n_orders 'id = 3')" 1
}

test_statement_denied_by_rule_names_the_message_and_waits_for_nobody() {
	bg psql in_run rule -- psql -XqAt -v VERBOSITY=verbose "$SHOP" -c 'DROP TABLE orders' -c 'SELECT 5'
	finish "$BG"
	assert_has "$(out psql)" 'ERROR:  42501'
	assert_has "$(out psql)" 'Schema changes go through migrations'
	assert_has "$(out psql)" 5
	if server_saw 'DROP TABLE orders'; then fail 'the server saw it'; fi
}

test_denied_in_a_transaction_aborts_it_and_commit_rolls_back() {
	cat > "$T/tx.sql" <<-'SQL'
	\set ON_ERROR_STOP off
	BEGIN;
	INSERT INTO scratch.t VALUES (7, 'before');
	DELETE FROM orders WHERE id = 4;
	SELECT 'after';
	COMMIT;
	SELECT 'rows ' || count(*) FROM scratch.t WHERE id = 7;
	SQL
	bg psql in_run tx -- psql -XAt -v VERBOSITY=verbose "$SHOP" -f "$T/tx.sql"
	h=$(wait_hold tx)
	deny "$h"
	finish "$BG"
	assert_has "$(out psql)" 'ERROR:  42501'
	assert_has "$(out psql)" 'ERROR:  25P02' 'the transaction is not aborted'
	assert_has "$(out psql)" ROLLBACK
	assert_has "$(out psql)" 'rows 0'
	assert_eq "$(n_orders 'id = 4')" 1
}

test_approved_in_a_transaction_commits() {
	cat > "$T/tx.sql" <<-'SQL'
	BEGIN;
	DELETE FROM orders WHERE id = 5;
	COMMIT;
	SQL
	bg psql in_run txok -- psql -XAt "$SHOP" -f "$T/tx.sql"
	h=$(wait_hold txok)
	assert_has "$(hf pending --json)" open 'the approver sees the transaction'
	approve "$h"
	finish "$BG"
	assert_has "$(out psql)" COMMIT
	assert_eq "$(n_orders 'id = 5')" 0
}

test_savepoint_survives_a_denial() {
	cat > "$T/sp.sql" <<-'SQL'
	\set ON_ERROR_STOP off
	BEGIN;
	INSERT INTO scratch.t VALUES (8, 'kept');
	SAVEPOINT s;
	DELETE FROM orders WHERE id = 6;
	ROLLBACK TO s;
	COMMIT;
	SQL
	bg psql in_run sp -- psql -XAt "$SHOP" -f "$T/sp.sql"
	h=$(wait_hold sp)
	deny "$h"
	finish "$BG"
	assert_eq "$(admin 'SELECT v FROM scratch.t WHERE id = 8')" kept
}

test_denied_in_a_pipeline_skips_to_sync_in_order() {
	bg pq in_run pipe -- "$B/tests/e2e/pqtool" pipeline "$SHOP" \
		"SELECT 'first'" 'DELETE FROM orders WHERE id = 9' "SELECT 'never'" ';' "SELECT 'second batch'"
	h=$(wait_hold pipe)
	deny "$h" 'no pipelines today'
	finish "$BG"
	grep -v ^NOTICE "$T/pq.out" > "$T/lines"
	assert_eq "$(sed -n 1p "$T/lines")" 'ROW first'
	assert_has "$(sed -n 3p "$T/lines")" 'ERROR 42501'
	assert_has "$(sed -n 3p "$T/lines")" 'no pipelines today'
	assert_eq "$(sed -n 4p "$T/lines")" ABORTED
	assert_eq "$(sed -n 5p "$T/lines")" SYNC
	assert_eq "$(sed -n 6p "$T/lines")" 'ROW second batch'
	assert_has "$(cat "$T/lines")" 'still usable'
	assert_eq "$(n_orders 'id = 9')" 1
}

# large NAME FIRST: a pipeline of that and forty statements of 30 kB each
large() {
	# shellcheck disable=SC2016 # for the shell in the run
	in_run "$1" -- bash -c 'x=$(head -c 30000 /dev/zero | tr "\0" x) first=$3
		set -- "$1" pipeline "$2"
		for i in {1..40}; do set -- "$@" "SELECT length('"'"'$x$i'"'"'), id FROM orders WHERE id = 1"; done
		exec "$1" "$2" "$3" "$first" "${@:4}"' - "$B/tests/e2e/pqtool" "$SHOP" "$2" 2>&1
}

# What comes while a statement is looked at waits in the socket, however much it is.
test_pipeline_of_large_statements_passes() {
	OUT=$(large large 'SELECT 1')
	assert_eq "$(grep -c '^DONE SELECT' <<< "$OUT")" 42 "$(tail -n 3 <<< "$OUT" | cut -c -300)"
	assert_has "$OUT" 'STATE 0'
}

test_pipeline_of_large_statements_behind_a_hold_is_ended() {
	# It may not see why: what it sent and nobody reads makes the kernel reset the connection behind our words.
	OUT=$(large toolarge 'DELETE FROM orders WHERE id = 999') || true
	assert_lacks "$OUT" 'DONE'
	wait_ledger "SELECT count(*) FROM events WHERE kind = 'session-fatal' AND detail LIKE '%too much was sent while a request was held%'" 1
	wait_ledger "SELECT hold_outcome FROM requests WHERE text LIKE 'DELETE%999' ORDER BY id DESC LIMIT 1" disconnected
}

test_approved_in_a_pipeline_answers_in_order() {
	bg pq in_run pipeok -- "$B/tests/e2e/pqtool" pipeline "$SHOP" \
		"SELECT 'first'" 'DELETE FROM orders WHERE id = 10 RETURNING id' "SELECT 'last'"
	h=$(wait_hold pipeok)
	approve "$h"
	finish "$BG"
	assert_eq "$(grep ^ROW "$T/pq.out" | tr '\n' ' ')" 'ROW first ROW 10 ROW last ROW still usable '
}

test_held_autocommit_statement_takes_no_lock_simple() {
	bg psql sql lock1 'DELETE FROM orders WHERE id = 11'
	h=$(wait_hold lock1)
	assert_eq "$(admin "SELECT count(*) FROM pg_locks WHERE relation = 'orders'::regclass")" 0
	deny "$h"
	finish "$BG" || true
}

test_held_autocommit_statement_takes_no_lock_extended() {
	bg pq in_run lock2 -- "$B/tests/e2e/pqtool" pipeline "$SHOP" 'DELETE FROM orders WHERE id = 12'
	h=$(wait_hold lock2)
	assert_eq "$(admin "SELECT count(*) FROM pg_locks WHERE relation = 'orders'::regclass")" 0
	if server_saw 'WHERE id = 12'; then fail 'Parse was forwarded'; fi
	deny "$h"
	finish "$BG"
}

test_interrupt_in_psql_withdraws_the_hold_with_57014() {
	bg psql in_run intr -- psql -XqAt -v VERBOSITY=verbose "$SHOP" -c 'DELETE FROM orders WHERE id = 13'
	h=$(wait_hold intr)
	signal_run intr INT
	finish "$BG" || true
	assert_has "$(out psql)" 57014
	wait_until 5 has_no_hold intr
	assert_eq "$(n_orders 'id = 13')" 1
	wait_ledger "SELECT outcome FROM holds WHERE id = ${h#h}" cancelled
	assert_exit 5 approve "$h"
}

test_disconnect_withdraws_the_hold_and_the_server_never_saw_it() {
	bg psql sql disc 'DELETE FROM orders WHERE id = 14'
	h=$(wait_hold disc)
	pkill -KILL -f '^[^ ]*psql .*id = 14'
	finish "$BG" || true
	wait_until 5 has_no_hold disc
	if server_saw 'WHERE id = 14'; then fail 'the server saw it'; fi
	wait_ledger "SELECT outcome FROM holds WHERE id = ${h#h}" disconnected
	assert_exit 5 approve "$h"
}

test_hold_expires_as_denied_never_as_allowed() {
	bg psql in_run slow -- psql -XqAt -v VERBOSITY=verbose "$SHOP" -c 'DELETE FROM notes' -c 'SELECT 6'
	finish "$BG"
	assert_has "$(out psql)" 42501
	assert_has "$(out psql)" 6
	assert_eq "$(admin 'SELECT count(*) FROM notes')" 4
	wait_ledger "SELECT outcome FROM holds ORDER BY id DESC LIMIT 1" expired
}

test_two_agents_wait_at_once_and_each_gets_its_own_answer() {
	bg one sql twin1 'DELETE FROM orders WHERE id = 15 RETURNING id'
	one=$BG
	bg two sql twin2 'DELETE FROM orders WHERE id = 16 RETURNING id'
	two=$BG
	h1=$(wait_hold twin1)
	h2=$(wait_hold twin2)
	deny "$h1"
	finish "$one" || true
	has_hold twin2
	approve "$h2"
	finish "$two"
	assert_has "$(out two)" 16
	assert_has "$(out one)" 'ERROR'
	assert_eq "$(n_orders 'id IN (15, 16)')" 1
}

test_hold_can_be_decided_once() {
	bg psql sql once 'DELETE FROM orders WHERE id = 17'
	h=$(wait_hold once)
	approve "$h"
	finish "$BG"
	assert_exit 5 deny "$h"
	assert_exit 5 approve h999999
	assert_exit 2 hf approve not-a-hold
}

test_strictest_ruling_wins_in_a_string_of_statements() {
	bg psql sql multi "SELECT 1; DROP TABLE orders"
	if finish "$BG"; then fail 'it was allowed'; fi
	assert_has "$(out psql)" 'Schema changes go through migrations'
	assert_eq "$(n_orders 'id = 20')" 1
}

test_approved_prepared_statement_runs_again_only_after_another_approval() {
	bg pq in_run prep -- "$B/tests/e2e/pqtool" prepared "$SHOP" 2 'DELETE FROM orders WHERE id = 18'
	# First the text alone, which a driver prepares; then each execution by itself.
	other() { has_hold prep && [ "$(holds_of prep)" != "$h" ]; }
	h=$(wait_hold prep)
	approve "$h"
	wait_until 10 other
	h=$(holds_of prep)
	approve "$h"
	wait_until 10 other
	deny "$(holds_of prep)"
	finish "$BG" || true
	assert_has "$(out pq)" 'DELETE 1'
	assert_has "$(out pq)" 'ERROR 42501'
}

# screen_has NAME TEXT, and keys NAME KEY…: a terminal of its own, as tmux shows it.
screen_has() { tmux -L "hf-$$" capture-pane -p -t "$1" | grep -qF -- "$2"; }
keys() { tmux -L "hf-$$" send-keys -t "$@"; }
# The prompt takes no decision in the moment after it drew a new hold: press until it asks for a reason.
press() { screen_has "$1" reason || { keys "$1" "$2"; screen_has "$1" reason; }; }

test_prompt_at_a_terminal_approves_and_denies() {
	command -v tmux > /dev/null || skip 'no tmux'
	tmux -L "hf-$$" -f /dev/null new-session -d -s prompt -x 120 -y 40 \
		"HOLDFAST_DIR='$HOLDFAST_DIR' '$B/holdfast' prompt"
	bg yes sql prompted 'DELETE FROM orders WHERE id = 30 RETURNING id'
	yes=$BG
	h=$(wait_hold prompted)
	wait_until 5 screen_has prompt 'DELETE FROM orders WHERE id = 30'
	screen_has prompt "$h"
	screen_has prompt 'started by uid 0'
	wait_until 5 press prompt a
	keys prompt Enter
	finish "$yes"
	assert_has "$(out yes)" 30

	bg no sql prompted 'DELETE FROM orders WHERE id = 31'
	no=$BG
	wait_until 10 screen_has prompt 'WHERE id = 31'
	wait_until 5 press prompt d
	keys prompt -l 'not on a Monday'
	wait_until 5 screen_has prompt 'not on a Monday'
	keys prompt Enter
	finish "$no" || true
	tmux -L "hf-$$" kill-server
	assert_has "$(out no)" 'not on a Monday'
	assert_eq "$(n_orders 'id = 31')" 1
}

test_statement_cannot_paint_the_approvers_terminal() {
	command -v tmux > /dev/null || skip 'no tmux'
	tmux -L "hf-$$" -f /dev/null new-session -d -s paint -x 120 -y 40 \
		"HOLDFAST_DIR='$HOLDFAST_DIR' '$B/holdfast' prompt"
	evil=$(printf 'DELETE FROM orders WHERE id = 32 /* \033[2J\033[H\342\200\256harmless SELECT */')
	bg evil sql painter "$evil"
	h=$(wait_hold painter)
	wait_until 5 screen_has paint 'DELETE FROM orders WHERE id = 32'
	screen_has paint '\x1b[2J' || screen_has paint '\033[2J' || screen_has paint '<1b>' || screen_has paint '\u001b' ||
		{ tmux -L "hf-$$" capture-pane -p -t paint; fail 'escapes are not shown as such'; }
	assert_lacks "$(tmux -L "hf-$$" capture-pane -p -t paint)" "$(printf '\342\200\256')"
	tmux -L "hf-$$" kill-server
	deny "$h"
	finish "$BG" || true
}

test_exit_status_of_the_command_is_that_of_the_run() {
	assert_exit 0 in_run st -- true
	assert_exit 7 in_run st -- sh -c 'exit 7'
}

# What decides may be the last of many parameters: a part is not shown as if it were the whole.
test_parameters_that_are_not_all_shown_say_so() {
	marks=$(seq -s ',' -f '$%.0f' 69)
	bg talk in_run many -- /usr/bin/python3 "$E2E_ROOT/tests/e2e/wiretalk.py" "$E2E_PGPORT" \
		"P - DELETE FROM orders WHERE status IN ($marks) OR id < \$70::int" \
		"B - - $(yes 'x*4000' | head -n 69 | tr '\n' ' ')1000000" "E -" S wait
	h=$(wait_hold many)
	hf pending --json > "$T/pending"
	shown=$(jq -r '.. | objects | select(.params_len?) | .params' "$T/pending" | wc -c)
	all=$(jq -r '.. | objects | select(.params_len?) | .params_len' "$T/pending")
	[ "$shown" -lt "$all" ] || fail "all of $all bytes are shown"
	deny "$h"
	finish "$BG" || true
	assert_has "$(ledger "SELECT params FROM requests WHERE run_name = 'many' AND params <> ''")" \
		'[cut: 70 parameters, of which '
}

run_tests

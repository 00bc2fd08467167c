#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# What the belt and the commit guard cost, and what they must not disturb, seen from the server's side: a wire
# between the enforcer and the server writes down every message (tap.py). Each conversation is held twice,
# direct and through holdfast; a round trip is something said after something was heard.
. "$(dirname "$0")/lib.sh"

TAP=$(free_port)
/usr/bin/python3 "$E2E_ROOT/tests/e2e/tap.py" "$TAP" "$E2E_PGPORT" "$G/tap" &
TAP_PID=$!
# shellcheck disable=SC2317 # called by the trap
stop_tap() { kill "$TAP_PID" 2> /dev/null; clean_group; }
trap stop_tap EXIT
policy <<YAML
version: 1
default: {read: allow, session: allow, export: allow, other: hold}
resources:
  - name: shop
    at: ["127.0.0.1:$TAP"]
    protocol: postgres
rules:
  - name: scratch-is-free
    when: {object: "scratch.*", effect: [insert, update, delete]}
    then: allow
  - name: settings-of-the-application
    when: {effect: admin}
    then: allow
YAML
admin "
CREATE TABLE trace (how text);
CREATE FUNCTION hit() RETURNS int LANGUAGE sql VOLATILE AS 'INSERT INTO public.trace VALUES (''hit''); SELECT 1';
CREATE VIEW by_view AS SELECT hit() AS x;
GRANT ALL ON ALL TABLES IN SCHEMA public TO PUBLIC"
start_daemon || exit 1

TALK=$E2E_ROOT/tests/e2e/wiretalk.py
# What was said on the last connection, behind its login.
said() { awk -v n="$(tail -n 1 "$G/tap" | cut -d ' ' -f 1)" '$1 == n { $1 = ""; if (on) print substr($0, 2); if ($2 == "<" && $3 == "Z") on = 1 }' "$G/tap"; }
round_trips() { awk '$1 == ">" && last != ">" { n++ } { last = $1 } END { print n + 0 }' "$1"; }
# talked NAME WORD…: the conversation both ways; what the server saw is in $T/NAME.direct and .through, what the
# client did in .seen. The client itself notices nothing.
talked() {
	local name=$1
	shift
	/usr/bin/python3 "$TALK" "$TAP" "$@" > "$T/$name.expected"
	said > "$T/$name.direct"
	in_run "$name" -- /usr/bin/python3 "$TALK" "$TAP" "$@" > "$T/$name.seen"
	said > "$T/$name.through"
	diff "$T/$name.expected" "$T/$name.seen" > "$T/$name.diff" || fail "$name: the client saw something else: $(cat "$T/$name.diff")"
}
# costs N NAME WORD…: so many round trips more than direct.
costs() {
	local n=$1 a b
	shift
	talked "$@"
	a=$(round_trips "$T/$1.direct") b=$(round_trips "$T/$1.through")
	assert_eq "$((b - a))" "$n" "$1 costs ($a round trips direct, $b through): $(cat "$T/$1.through")"
}
is_belted() { grep -Eq '^> (Q SET LOCAL transaction_read_only=on;|P holdfast_ro )' "$T/$1.through"; }
is_asked() { grep -q '^> P holdfast_q ' "$T/$1.through"; }

# ---- what it costs ---------------------------------------------------------------------------------

test_belt_adds_no_round_trip_to_an_autocommit_read() {
	costs 0 simple 'Q SELECT id FROM orders WHERE id = 7' wait
	is_belted simple
	# The same one message, the same end: a first statement in it and its CommandComplete, hidden.
	assert_eq "$(grep -c '^>' "$T/simple.through")" 1
	costs 0 extended 'P - SELECT id FROM orders WHERE id = 7' 'B - -' 'D -' 'E -' S wait
	is_belted extended
	costs 0 named 'P r SELECT id FROM orders WHERE id = 7' 'd r' S wait 'B - r' 'E -' S wait 'B - r' 'E -' S wait
	is_belted named
	costs 0 flushed 'P - SELECT id FROM orders' 'B - -' 'E - 2' H drain 'E - 2' S wait
	costs 0 batch 'P - SELECT id FROM orders WHERE id = 7' 'B - -' 'E -' 'P - SELECT 2 FROM orders LIMIT 1' 'B - -' 'E -' S wait
	assert_eq "$(grep -c '^> P holdfast_ro' "$T/batch.through")" 1 'one belt a batch'
	costs 0 copied 'Q COPY (SELECT id FROM orders WHERE id < 4) TO STDOUT' wait
	echo "# cost: an autocommit read takes $(round_trips "$T/simple.through") round trip, as direct" >> "$E2E_TMP/numbers"
}

test_guard_adds_no_round_trip_to_a_read_inside_a_transaction() {
	# Four requests, four round trips; it is COMMIT that asks.
	costs 0 reads 'Q BEGIN' wait 'Q SELECT id FROM orders WHERE id = 7' wait 'Q SELECT count(*) FROM customers' wait 'Q ROLLBACK' wait
	if is_belted reads || is_asked reads; then fail "something of ours: $(cat "$T/reads.through")"; fi
	diff "$T/reads.direct" "$T/reads.through"
	costs 0 extended 'P - BEGIN' 'B - -' 'E -' S wait 'P - SELECT id FROM orders WHERE id = 7' 'B - -' 'E -' S wait \
		'P - ROLLBACK' 'B - -' 'E -' S wait
	diff "$T/extended.direct" "$T/extended.through"
}

test_guard_adds_one_round_trip_to_a_commit_behind_reads_and_none_to_others() {
	costs 1 commit 'Q BEGIN' wait 'Q SELECT id FROM orders WHERE id = 7' wait 'Q SELECT count(*) FROM orders' wait 'Q COMMIT' wait
	costs 1 extcommit 'P - BEGIN' 'B - -' 'E -' S wait 'P - SELECT id FROM orders LIMIT 1' 'B - -' 'E -' S wait 'P - COMMIT' 'B - -' 'E -' S wait
	costs 1 write 'Q BEGIN' wait 'Q SELECT id FROM orders WHERE id = 7' wait 'Q INSERT INTO scratch.t VALUES (1)' wait \
		'Q INSERT INTO scratch.t VALUES (2)' wait 'Q COMMIT' wait
	costs 0 empty 'Q BEGIN' wait 'Q COMMIT' wait
	costs 0 constants 'Q BEGIN' wait 'Q SELECT 1' wait 'Q SELECT now() IS NULL' wait 'Q COMMIT' wait
	costs 0 writes 'Q BEGIN' wait 'Q INSERT INTO scratch.t VALUES (3)' wait 'Q SELECT 1 FROM scratch.t LIMIT 1' wait 'Q COMMIT' wait
	costs 0 autocommit 'Q INSERT INTO scratch.t VALUES (4)' wait "Q UPDATE scratch.t SET v = 'x' WHERE id = 4444" wait
	echo '# cost: COMMIT behind reads of tables takes 1 round trip more, a read inside a transaction and COMMIT behind anything else 0' >> "$E2E_TMP/numbers"
}

test_names_from_before_cost_a_round_trip_before_a_write_behind_reads_only() {
	# What code on the server may have prepared anew is looked up once, for all names.
	costs 1 names 'P b BEGIN' 'P r SELECT id FROM orders WHERE id = 7' 'P w INSERT INTO scratch.t VALUES (5)' 'P c COMMIT' S wait \
		'B - w' 'E -' S wait 'B - r' 'E -' S wait 'B - r' 'E -' S wait 'B - w' 'E -' S wait 'B - w' 'E -' S wait \
		'B - b' 'E -' 'B - w' 'E -' S wait 'B - r' 'E -' S wait 'B - w' 'E -' S wait 'B - c' 'E -' S wait
	assert_eq "$(grep -c '^> P holdfast_q SELECT .s., p.name' "$T/names.through")" 1
	costs 0 unnamed 'P - SELECT id FROM orders WHERE id = 7' 'B - -' 'E -' S wait 'P - INSERT INTO scratch.t VALUES (6)' 'B - -' 'E -' S wait
	costs 0 sql 'Q PREPARE r AS SELECT id FROM orders WHERE id = 7' wait 'Q EXECUTE r' wait 'Q EXECUTE r' wait
	costs 1 sqlwrite 'Q PREPARE w AS INSERT INTO scratch.t VALUES (7)' wait 'Q EXECUTE w' wait 'Q SELECT id FROM orders LIMIT 1' wait 'Q EXECUTE w' wait 'Q EXECUTE w' wait
	echo '# cost: a named statement that writes, or that shows all it does, takes 1 round trip more behind a read of a table, 0 otherwise' >> "$E2E_TMP/numbers"
}

# ---- what it must not disturb: one test a thing that a question in the middle could break --------------

test_set_transaction_is_still_the_first_of_its_transaction() {
	talked first 'Q BEGIN' wait 'Q SET TRANSACTION ISOLATION LEVEL SERIALIZABLE' wait 'Q SHOW transaction_isolation' wait 'Q SELECT id FROM orders WHERE id = 7' wait \
		'Q COMMIT AND CHAIN' wait 'Q SET TRANSACTION ISOLATION LEVEL REPEATABLE READ' wait 'Q SHOW transaction_isolation' wait 'Q COMMIT' wait
	is_asked first
	assert_eq "$(grep -c '^E' "$T/first.seen")" 0
	assert_has "$(cat "$T/first.seen")" 'D serializable'
	# Nor is there anything in front of the first statement of a transaction that the client began.
	assert_eq "$(sed -n '/Q BEGIN/,/Q SELECT/p' "$T/first.through" | grep -c '^>')" 4
}

# A snapshot is taken by the first query, not by BEGIN: nothing of ours may be that.
test_snapshot_is_taken_when_the_client_takes_it() {
	local seen
	cat > "$T/snapshot.sql" <<-'SQL'
	BEGIN ISOLATION LEVEL REPEATABLE READ;
	\echo begun
	\! while [ ! -e go ]; do sleep 0.02; done # condition helper
	SELECT count(*) FROM scratch.t WHERE id = 4711;
	COMMIT AND CHAIN;
	\echo chained
	\! while [ ! -e further ]; do sleep 0.02; done # condition helper
	SELECT count(*) FROM scratch.t WHERE id = 4711;
	COMMIT;
	SQL
	mkdir -m 777 "$T/w"
	bg snap in_run snap -- sh -c "cd '$T/w' && psql -XqAt 'host=127.0.0.1 port=$TAP user=agent dbname=shop' -f '$T/snapshot.sql'"
	wait_until 15 file_has "$T/snap.out" begun
	admin 'INSERT INTO scratch.t VALUES (4711)'
	touch "$T/w/go"
	wait_until 15 file_has "$T/snap.out" chained
	admin 'INSERT INTO scratch.t VALUES (4711)'
	touch "$T/w/further"
	finish "$BG"
	seen=$(out snap | tr '\n' ' ')
	assert_eq "$seen" 'begun 1 chained 2 '
}

test_unnamed_statement_and_portal_survive() {
	talked unnamed 'P - SELECT id FROM orders WHERE id = 9' S wait 'P r SELECT id FROM orders WHERE id = 8' S wait 'B - r' 'E -' S wait \
		'B - -' 'E -' S wait
	is_belted unnamed
	assert_eq "$(grep ^D "$T/unnamed.seen" | tr '\n' ' ')" 'D 8 D 9 '
	# Half read, and a question before the write.
	talked portal 'Q BEGIN' wait 'P - SELECT id FROM orders ORDER BY id' 'B - -' 'E - 2' S wait 'P w INSERT INTO scratch.t VALUES (54)' 'B w w' 'E w' S wait \
		'E - 2' S wait 'B - -' 'E - 1' S wait 'Q ROLLBACK' wait
	is_asked portal
	assert_eq "$(grep ^D "$T/portal.seen" | tr '\n' ' ')" 'D 1 D 2 D 3 D 4 D 1 '
}

# Each transaction begins as it would without us, whatever became of the one that wore the belt.
test_belt_is_gone_with_its_transaction() {
	local show="Q SELECT setting FROM pg_settings WHERE name = 'transaction_read_only'"
	talked after 'P - SELECT id FROM orders WHERE id = 7' 'B - -' 'E -' S wait 'Q SHOW transaction_read_only' wait \
		'P - SELECT 1 / (id - id) FROM orders LIMIT 1' 'B - -' 'E -' S wait 'Q SHOW transaction_read_only' wait \
		'P - INSERT INTO scratch.t VALUES (61)' 'B - -' 'E -' S wait 'Q BEGIN' wait 'Q SHOW transaction_read_only' wait 'Q ROLLBACK' wait \
		'Q SELECT id FROM orders WHERE id = 7' wait 'Q SHOW transaction_read_only' wait 'Q INSERT INTO scratch.t VALUES (62)' wait
	is_belted after
	assert_eq "$(grep -E '^(D|C INSERT|E)' "$T/after.seen" | tr '\n' ' ')" 'D 7 D off E 22012 division by zero D off C INSERT 0 1 D off D 7 D off C INSERT 0 1 '
	# What the client made the default is what it finds, on as well as off.
	talked default "Q SET default_transaction_read_only = on" wait 'P - SELECT id FROM orders WHERE id = 7' 'B - -' 'E -' S wait 'Q SHOW transaction_read_only' wait \
		"$show" wait
	assert_lacks "$(cat "$T/default.seen")" 'D off'
	assert_lacks "$(cat "$E2E_PGLOG")" 'can only be used in transaction blocks' "no warning in the server's log"
}

test_no_notice_setting_or_notification_of_ours_leaks() {
	# The log of the server, which a client may have sent to itself, quotes every statement: its own, as it sent it.
	set -- "Q SET client_min_messages = debug1; SET log_min_duration_statement = '0'" wait 'Q BEGIN' wait 'Q SELECT id FROM orders WHERE id = 7' wait 'Q COMMIT' wait \
		'Q SELECT id FROM orders WHERE id = 7' wait 'P - SELECT id FROM orders LIMIT 1' 'B - -' 'E -' S wait 'P r SELECT 1 FROM orders' S wait
	/usr/bin/python3 "$TALK" "$TAP" "$@" | sed 's/[0-9.]* ms/ms/' > "$T/direct"
	in_run debug -- /usr/bin/python3 "$TALK" "$TAP" "$@" | sed 's/[0-9.]* ms/ms/' > "$T/through"
	diff "$T/direct" "$T/through" > "$T/diff" || fail "words of ours: $(cat "$T/diff")"
	assert_has "$(cat "$T/direct")" 'statement: SELECT id' 'nothing is quoted: the test shows nothing'
	# ParameterStatus: transaction_read_only is not told, and what is told is what the client did.
	talked told "Q SET application_name = 'x'" wait 'Q SELECT id FROM orders LIMIT 1' wait 'Q BEGIN' wait 'Q SELECT 1 FROM orders LIMIT 1' wait 'Q COMMIT' wait
	assert_eq "$(grep -c ^S "$T/told.seen")" 1
}

# The client's own limit runs for our question too. What it meets then is its own error, with nothing committed.
test_statement_timeout_that_meets_the_question_is_the_clients_error() {
	admin 'CREATE TABLE slow_lock (); GRANT ALL ON slow_lock TO PUBLIC'
	mkdir -m 777 "$T/w"
	# COMMIT behind row locks asks pg_locks, which somebody has locked: the question waits in a lock queue.
	bg locker psql -Xq -h "$E2E_PGSOCK" -U postgres -d shop -p "$E2E_PGPORT" -c 'BEGIN' -c 'LOCK TABLE pg_catalog.pg_locks IN ACCESS EXCLUSIVE MODE' -c '\echo locked' \
		-c "\\! while [ ! -e '$T/w/go' ]; do sleep 0.02; done # condition helper" -c 'COMMIT'
	locker=$BG
	wait_until 15 file_has "$T/locker.out" locked
	OUT=$(in_run slow -- /usr/bin/python3 "$TALK" "$TAP" "Q SET statement_timeout = '300ms'" wait 'Q BEGIN' wait 'Q SELECT id FROM orders WHERE id = 7 FOR UPDATE' wait \
		'Q SELECT count(*) FROM orders' wait 'Q COMMIT' wait 'Q ROLLBACK' wait 'Q SELECT 8' wait)
	assert_has "$OUT" 'E 57014'
	assert_lacks "$OUT" 'C COMMIT'
	assert_has "$OUT" 'D 8' 'the session lives on'
	# Without a limit it waits, as COMMIT would for a lock, and then commits.
	bg patient in_run patient -- /usr/bin/python3 "$TALK" "$TAP" 'Q BEGIN' wait 'Q SELECT id FROM orders WHERE id = 7 FOR UPDATE' wait 'Q SELECT count(*) FROM orders' wait 'Q COMMIT' wait
	patient=$BG
	waits() { [ "$(admin "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%if_assigned%'")" = 1 ]; }
	wait_until 15 waits
	assert_lacks "$(out patient)" 'C COMMIT'
	touch "$T/w/go"
	finish "$patient"
	finish "$locker"
	assert_has "$(out patient)" 'C COMMIT'
}

run_tests

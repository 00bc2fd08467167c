#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# What no text shows: reads that write through views, operators, casts and functions (P4). Outside a
# transaction the server refuses them; inside one its COMMIT is held. The judge is the server's state.
. "$(dirname "$0")/lib.sh"

policy <<YAML
version: 1
default: {read: allow, session: allow, export: allow, other: hold}
$(standard_resources)
rules:
  - name: scratch-is-free
    when: {object: "scratch.*", effect: [insert, update, delete]}
    then: allow
  - name: wipe-is-known
    when: {object: "wipe_by_name", effect: execute}
    then: allow
  - name: transactions-of-two-phases
    when: {effect: admin, role: agent, database: two_phase}
    then: allow
YAML

# The weapons: each adds a row to `trace` when it runs.
admin "
CREATE TABLE trace (id serial, how text);
CREATE FUNCTION hit(how text) RETURNS int LANGUAGE sql VOLATILE AS
  'INSERT INTO public.trace (how) VALUES (how); SELECT 1';
CREATE FUNCTION wipe_by_name() RETURNS int LANGUAGE sql VOLATILE AS \$\$SELECT public.hit('by name')\$\$;
CREATE VIEW by_view AS SELECT hit('view') AS x;
CREATE FUNCTION hit_switch() RETURNS int LANGUAGE plpgsql VOLATILE AS
  'BEGIN PERFORM set_config(''transaction_read_only'', ''off'', true); RETURN public.hit(''switch''); END';
CREATE VIEW by_switch AS SELECT hit_switch() AS x;
CREATE FUNCTION hit_plan(int) RETURNS int LANGUAGE sql IMMUTABLE AS \$\$SELECT public.hit('plan')\$\$;
CREATE VIEW by_plan AS SELECT 1 AS x WHERE hit_plan(1) = 1;
CREATE FUNCTION hit_op(int, int) RETURNS boolean LANGUAGE sql VOLATILE AS \$\$SELECT public.hit('operator') = 1\$\$;
CREATE OPERATOR public.<?> (LEFTARG = int, RIGHTARG = int, FUNCTION = hit_op);
CREATE TYPE temper AS (x int);
CREATE FUNCTION hit_cast(text) RETURNS temper LANGUAGE sql VOLATILE AS \$\$SELECT ROW(public.hit('cast'))::temper\$\$;
CREATE CAST (text AS temper) WITH FUNCTION hit_cast(text);
CREATE DOMAIN moody AS int CHECK (hit('domain') IS NOT NULL);
CREATE VIEW by_lock AS SELECT o.*, hit('lock') FROM orders o WHERE id = 1;
CREATE SEQUENCE tally;
CREATE FUNCTION hit_tally() RETURNS bigint LANGUAGE sql VOLATILE AS 'SELECT nextval(''public.tally'')';
CREATE VIEW by_tally AS SELECT hit_tally() AS x;
CREATE FUNCTION hit_ddl() RETURNS int LANGUAGE plpgsql VOLATILE AS
  'BEGIN EXECUTE ''GRANT SELECT ON public.trace TO scram_user''; RETURN 1; END';
CREATE VIEW by_ddl AS SELECT hit_ddl() AS x;
GRANT ALL ON ALL TABLES IN SCHEMA public TO PUBLIC"
start_daemon || exit 1

n_trace() { admin 'SELECT count(*) FROM trace'; }
talk() { # NAME WORD…
	local name=$1
	shift
	in_run "$name" -- /usr/bin/python3 "$E2E_ROOT/tests/e2e/wiretalk.py" "$E2E_PGPORT" "$@"
}
# guarded NAME WORD…: the COMMIT is held, and denied; nothing was written.
guarded() {
	local name=$1 h before
	before=$(n_trace)
	bg "$name" talk "$@"
	h=$(wait_hold "$name") || { out "$name"; return 1; }
	deny "$h" 'not like this'
	finish "$BG"
	assert_eq "$(n_trace)" "$before" "$name wrote"
}
# free NAME WORD…: nobody is asked.
free() {
	assert_exit 0 talk "$@"
	assert_lacks "$OUT" holdfast
	if grep -q '^E ' <<< "$OUT"; then fail "an error: $OUT"; fi
}

# refused NAME WORD…: held because the server refused a write; denied; nothing was written.
refused() { guarded "$@"; }

# What a portal says is not what it does: code can open another of the same words, with other parameters.
test_portal_that_code_opened_again_is_not_run_as_approved() {
	admin "CREATE TABLE pay (id int, v int); INSERT INTO pay VALUES (1, 0), (2, 0); GRANT ALL ON pay TO PUBLIC;
	CREATE FUNCTION swap() RETURNS int LANGUAGE plpgsql AS \$\$DECLARE c refcursor := 'p'; BEGIN EXECUTE 'CLOSE p';
	OPEN c FOR EXECUTE 'UPDATE pay SET v = \$1 WHERE id = \$2 RETURNING id' USING 1000000, 2; RETURN 1; END\$\$;
	CREATE VIEW by_swap AS SELECT swap() AS x; GRANT ALL ON by_swap TO PUBLIC;
	CREATE FUNCTION rename() RETURNS int LANGUAGE plpgsql AS 'BEGIN DEALLOCATE s; PREPARE s AS UPDATE pay SET v = 1000000; RETURN 1; END';
	CREATE VIEW by_rename AS SELECT rename() AS x; GRANT ALL ON by_rename TO PUBLIC" > /dev/null
	bg tx talk swapped 'Q BEGIN' wait 'P - UPDATE pay SET v = $1 WHERE id = $2 RETURNING id' 'B p - 5 1' S wait \
		'Q SELECT x FROM by_swap' wait 'E p' S wait 'Q COMMIT' wait
	approve "$(wait_hold swapped)"
	finish "$BG"
	assert_has "$(out tx)" 'prepared-names'
	# The same of a name, behind a write that is allowed: nobody is asked about the transaction then, but of this.
	bg tx talk renamed 'Q PREPARE s AS UPDATE pay SET v = 5 WHERE id = 1' wait 'Q BEGIN' wait \
		'Q INSERT INTO scratch.t VALUES (77)' wait 'Q SELECT x FROM by_rename' wait 'Q EXECUTE s' wait 'Q COMMIT' wait
	approve "$(wait_hold renamed)"
	finish "$BG"
	assert_has "$(out tx)" 'prepared-names'
	assert_eq "$(admin 'SELECT sum(v) FROM pay')" 0
}

# ---- outside a transaction: the read-only belt ----------------------------------------------------

test_select_that_writes_changes_nothing_and_is_held_as_a_write() {
	before=$(n_trace)
	bg tx talk belted 'Q SELECT * FROM by_view' wait 'Q SELECT 5' wait
	h=$(wait_hold belted)
	assert_eq "$(n_trace)" "$before" 'wrote before anybody was asked'
	assert_has "$(hf pending --json)" 'it writes'
	assert_has "$(hf pending --json)" 'SELECT * FROM by_view'
	deny "$h" 'not like this'
	finish "$BG"
	assert_lacks "$(out tx)" 25006
	assert_has "$(out tx)" 'E 42501'
	assert_has "$(out tx)" 'D 5' 'the session lives on'
	assert_eq "$(n_trace)" "$before"
}

test_approved_it_runs_and_the_client_sees_one_answer() {
	before=$(n_trace)
	bg tx talk beltok 'Q SELECT x, x AS y FROM by_view' wait
	approve "$(wait_hold beltok)"
	finish "$BG"
	assert_eq "$(grep -v ^N "$T/tx.out" | tr '\n' ' ')" 'T D 1|1 C SELECT 1 Z I '
	assert_eq "$(n_trace)" $((before + 1))
}

test_so_it_is_in_the_extended_protocol() {
	refused ext 'P - SELECT * FROM by_view' 'B - -' 'D -' 'E -' S wait
	refused prepared 'P v SELECT * FROM by_view' 'd v' S wait 'B - v' 'E -' S wait
	refused extplan 'P - SELECT * FROM by_plan' 'B - -' 'E -' S wait
	for how in described bare named; do
		before=$(n_trace)
		case $how in
		described) set -- 'P - SELECT x, x AS y FROM by_view' 'B - -' 'D -' 'E -' S wait ;;
		bare) set -- 'P - SELECT x, x AS y FROM by_view' 'B - -' 'E -' S wait ;;
		named) set -- 'P v SELECT x, x AS y FROM by_view' S wait 'B - v' 'D -' 'E -' S wait ;;
		esac
		bg "ok$how" talk "ok$how" "$@" 'Q SELECT 9' wait
		approve "$(wait_hold "ok$how")"
		finish "$BG"
		case $how in
		described) assert_eq "$(grep -v ^N "$T/okdescribed.out" | tr '\n' ' ')" '1 2 T D 1|1 C SELECT 1 Z I T D 9 C SELECT 1 Z I ' ;;
		bare) assert_eq "$(grep -v ^N "$T/okbare.out" | tr '\n' ' ')" '1 2 D 1|1 C SELECT 1 Z I T D 9 C SELECT 1 Z I ' ;;
		named) assert_eq "$(grep -v ^N "$T/oknamed.out" | tr '\n' ' ')" '1 Z I 2 T D 1|1 C SELECT 1 Z I T D 9 C SELECT 1 Z I ' ;;
		esac
		assert_eq "$(n_trace)" $((before + 1))
	done
}

test_no_way_of_hiding_a_write_in_a_read_changes_anything() {
	refused bop 'Q SELECT 1 <?> 2' wait
	refused bcast "Q SELECT 'x'::text::temper" wait
	refused bdomain 'Q SELECT 1::moody' wait
	refused bplan 'Q EXPLAIN SELECT * FROM by_plan' wait
	refused banalyze 'Q EXPLAIN (ANALYZE) SELECT * FROM by_view' wait
	refused bcte 'Q WITH a AS (SELECT * FROM by_view) SELECT 1 FROM a' wait
	refused bunion 'Q SELECT x FROM by_view UNION ALL SELECT 1' wait
	refused bhold 'Q DECLARE c CURSOR WITH HOLD FOR SELECT * FROM by_view' wait
	refused bexec 'Q PREPARE p AS SELECT * FROM by_view' wait 'Q EXECUTE p' wait
	refused bvalues 'Q VALUES ((SELECT x FROM by_view))' wait
	refused btable 'Q TABLE by_view' wait
	refused btally 'Q SELECT * FROM by_tally' wait
	refused bddl 'Q SELECT * FROM by_ddl' wait
	refused block 'Q SELECT * FROM by_lock FOR UPDATE' wait
	refused bpiped 'Q SELECT 1' 'Q SELECT 2 FROM orders LIMIT 1' wait 'Q SELECT * FROM by_view' wait
}
# cannot_write NAME WORD…: the client gets an error that tells it how to ask; nothing was written.
cannot_write() {
	local before
	before=$(n_trace)
	assert_exit 0 talk "$@"
	assert_has "$OUT" 'E 25006'
	assert_has "$OUT" 'between BEGIN and COMMIT'
	assert_eq "$(n_trace)" "$before" "$1 wrote"
}

test_where_it_cannot_be_put_again_the_client_is_told_how_to_ask() {
	cannot_write rows 'Q SELECT id FROM orders LIMIT 1; SELECT * FROM by_view' wait
	cannot_write copied 'Q COPY (SELECT * FROM by_view) TO STDOUT' wait
	cannot_write piped 'Q SELECT * FROM by_view' 'Q SELECT 6' wait
	assert_has "$OUT" 'D 6'
	cannot_write named 'P v SELECT * FROM by_view' 'B - v' 'E -' S wait 'Q SELECT 7' wait
	assert_has "$OUT" 'D 7'
	cannot_write batch2 'P - SELECT * FROM by_view' 'B - -' 'E -' 'P - SELECT 1' 'B - -' 'E -' S wait
	cannot_write bound 'P - SELECT * FROM by_plan' 'B - -' S wait
	cannot_write flushed 'P - SELECT 1' 'B - -' 'E -' 'P - SELECT * FROM by_view' 'B - -' 'E -' S wait
	cannot_write described 'P - SELECT * FROM by_plan' H 'B - -' 'E -' S wait
	cannot_write suspended 'P - SELECT x FROM by_view UNION ALL SELECT id FROM orders' 'B a -' 'E a 1' 'E a' S wait
	cannot_write union 'Q SELECT 1 UNION ALL SELECT x FROM by_view' wait
	cannot_write locks 'P - SELECT pg_advisory_unlock(1), x FROM by_view' 'B - -' 'E -' S wait
}

test_the_belt_cannot_be_loosened_from_inside() {
	before=$(n_trace)
	assert_exit 0 talk switch 'Q SELECT * FROM by_switch' wait
	assert_has "$OUT" 'must be set before any query'
	assert_eq "$(n_trace)" "$before"
	guarded setfirst 'Q SET transaction_read_only = off; SELECT * FROM by_view' wait
	guarded setwrite 'Q SET TRANSACTION READ WRITE; SELECT * FROM by_view' wait
	guarded sessionset 'Q SET SESSION CHARACTERISTICS AS TRANSACTION READ WRITE' wait
	guarded setlater "Q SELECT set_config('transaction_read_only', 'off', true)" wait
}

test_a_batch_of_reads_is_one_transaction_for_the_belt_and_ends_before_a_write() {
	# The read that wrote comes first, then an allowed write in the same batch.
	cannot_write batch 'P - SELECT * FROM by_view' 'B - -' 'E -' 'P - INSERT INTO scratch.t VALUES (60)' 'B - -' 'E -' S wait
	assert_eq "$(admin 'SELECT count(*) FROM scratch.t WHERE id = 60')" 0 'the rest of the batch was not skipped'
	free split 'P - SELECT id FROM orders WHERE id = 7' 'B - -' 'E -' 'P - INSERT INTO scratch.t VALUES (61)' 'B - -' 'E -' S wait
	assert_eq "$(tr '\n' ' ' <<< "$OUT")" '1 2 D 7 C SELECT 1 1 2 C INSERT 0 1 Z I '
	assert_eq "$(admin 'SELECT count(*) FROM scratch.t WHERE id = 61')" 1
	free begins 'P - SELECT id FROM orders WHERE id = 7' 'B - -' 'E -' 'P - BEGIN' 'B - -' 'E -' S wait \
		'Q INSERT INTO scratch.t VALUES (62)' wait 'Q COMMIT' wait
	assert_eq "$(admin 'SELECT count(*) FROM scratch.t WHERE id = 62')" 1
	free simple 'P - SELECT id FROM orders WHERE id = 7' 'B - -' 'E -' 'Q INSERT INTO scratch.t VALUES (63)' wait
	assert_exit 0 talk fails 'P - SELECT 1/(id - 7) FROM orders WHERE id = 7' 'B - -' 'E -' \
		'P - INSERT INTO scratch.t VALUES (64)' 'B - -' 'E -' S wait 'Q SELECT 8' wait
	assert_eq "$(tr '\n' ' ' <<< "$OUT")" '1 2 E 22012 division by zero Z I T D 8 C SELECT 1 Z I '
	assert_eq "$(admin 'SELECT count(*) FROM scratch.t WHERE id = 64')" 0
}

test_a_transaction_that_the_client_begins_in_a_pipeline_is_not_made_read_only() {
	free pipelined 'Q BEGIN' 'Q SELECT 1 FROM orders LIMIT 1' 'Q INSERT INTO scratch.t VALUES (65)' 'Q COMMIT' wait
	free batched 'P - BEGIN' 'B - -' 'E -' 'P - SELECT id FROM orders LIMIT 1' 'B - -' 'E -' S \
		'P - INSERT INTO scratch.t VALUES (66)' 'B - -' 'E -' S 'P - COMMIT' 'B - -' 'E -' S wait
	assert_eq "$(admin 'SELECT count(*) FROM scratch.t WHERE id IN (65, 66)')" 2
}

# A BEGIN that the server skipped makes no transaction: what follows runs by itself.
test_a_begin_that_was_skipped_does_not_take_the_belt_off() {
	refused skippedbegin 'P - SELECT 1/0' 'B - -' 'E -' 'P - BEGIN' 'B - -' 'E -' S 'Q SELECT * FROM by_view' wait
}

test_the_belt_disturbs_nothing() {
	free exact 'Q SELECT id FROM orders WHERE id = 7' wait
	assert_eq "$(tr '\n' ' ' <<< "$OUT")" 'T D 7 C SELECT 1 Z I '
	free exactext 'P - SELECT id FROM orders WHERE id = 7' 'B - -' 'D -' 'E -' S wait
	assert_eq "$(tr '\n' ' ' <<< "$OUT")" '1 2 T D 7 C SELECT 1 Z I '
	# Settings: the session's own, and what a client asks to find the primary.
	free settings 'Q SHOW transaction_read_only' wait "Q SELECT current_setting('transaction_read_only')" wait \
		'Q SELECT count(*) FROM orders' wait 'Q SHOW default_transaction_read_only' wait 'Q SHOW transaction_read_only' wait
	assert_eq "$(grep ^D <<< "$OUT" | tr '\n' ' ')" 'D off D off D 100 D off D off '
	# Positions are those of the client's own text; errors are the server's.
	assert_exit 0 talk position 'Q SELECT nope FROM orders' wait 'Q SELECT FROM nowhere' wait
	assert_has "$OUT" 'column "nope" does not exist at 8'
	assert_has "$OUT" 'relation "nowhere" does not exist at 13'
	assert_exit 0 talk positionext 'P - SELECT nope FROM orders' 'B - -' 'E -' S wait
	assert_has "$OUT" 'does not exist at 8'
	# The unnamed statement, named ones and portals stay what they were.
	free unnamed 'P - SELECT id FROM orders WHERE id = 9' S wait 'P r SELECT id FROM orders WHERE id = 8' S wait \
		'B - r' 'E -' S wait 'B - -' 'E -' S wait
	assert_eq "$(grep ^D <<< "$OUT" | tr '\n' ' ')" 'D 8 D 9 '
	free portals 'P - SELECT id FROM orders ORDER BY id' 'B a -' 'E a 1' 'P - SELECT 40 + 2' 'B - -' 'E -' 'E a 1' S wait
	assert_eq "$(grep ^D <<< "$OUT" | tr '\n' ' ')" 'D 1 D 42 D 2 '
	free left "P - SELECT count(*) FROM pg_cursors WHERE name ~ 'holdfast'" 'B - -' 'E -' \
		"P - SELECT count(*) FROM pg_prepared_statements WHERE name ~ 'holdfast'" 'B - -' 'E -' S wait
	assert_eq "$(grep ^D <<< "$OUT" | tr '\n' ' ')" 'D 0 D 0 '
	# Words: none of ours reach the client, even where it wants to hear everything.
	assert_exit 0 talk words 'Q SET client_min_messages = notice' wait 'P - SELECT id FROM orders WHERE id = 7' 'B - -' 'E -' S wait \
		'Q SELECT id FROM orders WHERE id = 7' wait
	if grep -q ^N <<< "$OUT"; then fail "a notice: $OUT"; fi
	if grep -q 'SET LOCAL can only be used' "$E2E_PGLOG"; then fail 'warnings in the log of the server'; fi
	# COPY out, several results, an empty query, row limits, SET and writes behind it.
	free several 'Q SELECT 1 FROM orders LIMIT 1; SELECT 2 FROM orders LIMIT 1' wait 'Q' wait 'Q COPY (SELECT 1) TO STDOUT' wait \
		'Q INSERT INTO scratch.t VALUES (67)' wait "Q SET application_name = 'x'" wait 'Q SHOW application_name' wait
	assert_eq "$(grep ^C <<< "$OUT" | tr '\n' ' ')" 'C SELECT 1 C SELECT 1 C COPY 1 C INSERT 0 1 C SET C SHOW '
	assert_has "$OUT" 'D x'
}

# ---- inside a transaction: the commit guard -------------------------------------------------------

test_commit_of_a_transaction_that_wrote_unseen_is_held_and_denial_rolls_it_back() {
	before=$(n_trace)
	bg tx talk unseen 'Q BEGIN' wait 'Q SELECT * FROM by_view' wait 'Q COMMIT' wait 'Q ROLLBACK' wait 'Q SELECT 7' wait
	h=$(wait_hold unseen)
	assert_has "$(hf pending --json)" 'has written something'
	assert_has "$(hf pending --json)" COMMIT
	deny "$h" 'not today'
	finish "$BG"
	assert_has "$(out tx)" 'E 42501'
	assert_has "$(out tx)" 'not today'
	assert_has "$(out tx)" 'C ROLLBACK'
	assert_has "$(out tx)" 'D 7' 'the session lives on'
	assert_eq "$(n_trace)" "$before"
}

test_approved_commit_commits() {
	before=$(n_trace)
	bg tx talk seen 'Q BEGIN' wait 'Q SELECT * FROM by_view' wait 'Q COMMIT' wait
	approve "$(wait_hold seen)"
	finish "$BG"
	assert_has "$(out tx)" 'C COMMIT'
	assert_eq "$(n_trace)" $((before + 1))
}

test_no_way_of_hiding_a_write_in_a_transaction_gets_past_its_commit() {
	guarded op 'Q BEGIN' wait 'Q SELECT 1 <?> 2' wait 'Q COMMIT' wait
	guarded cast 'Q BEGIN' wait "Q SELECT 'x'::text::temper" wait 'Q END' wait
	guarded plan 'Q BEGIN' wait 'Q EXPLAIN SELECT * FROM by_plan' wait 'Q COMMIT' wait
	guarded twice 'Q BEGIN' wait 'Q SELECT * FROM by_view' wait 'Q BEGIN' wait 'Q COMMIT' wait
	guarded chain 'Q BEGIN' wait 'Q SELECT * FROM by_view' wait 'Q COMMIT AND CHAIN' wait
	guarded cursor 'Q BEGIN' wait 'Q DECLARE c CURSOR FOR SELECT * FROM by_view' wait 'Q FETCH c' wait 'Q COMMIT' wait
	guarded sqlprep 'Q PREPARE p AS SELECT * FROM by_view' wait 'Q BEGIN' wait 'Q EXECUTE p' wait 'Q COMMIT' wait
	guarded savepoint 'Q BEGIN' wait 'Q SELECT * FROM by_view' wait 'Q SAVEPOINT a' wait 'Q SELECT 1/0' wait \
		'Q ROLLBACK TO a' wait 'Q COMMIT' wait
	guarded copied 'Q BEGIN' wait 'Q COPY (SELECT * FROM by_view) TO STDOUT' wait 'Q COMMIT' wait
	guarded prefixed 'Q BEGIN; SELECT * FROM by_view' wait 'Q COMMIT' wait
	guarded implicit 'Q SELECT * FROM by_view; BEGIN' wait 'Q COMMIT' wait
	guarded sequence 'Q BEGIN' wait 'Q SELECT * FROM by_tally' wait 'Q COMMIT' wait
}

test_the_extended_protocol_is_guarded_too() {
	guarded ext 'P - BEGIN' 'B - -' 'E -' S wait 'P - SELECT * FROM by_view' 'B - -' 'E -' S wait \
		'P - COMMIT' 'B - -' 'E -' S wait
	guarded named 'P b BEGIN' S wait 'P r SELECT * FROM by_view' S wait 'P c COMMIT' S wait \
		'B - b' 'E -' 'B - r' 'E -' S wait 'B - c' 'E -' S wait
	# All in one batch: there is no ReadyForQuery before the end to stand at.
	guarded batch 'P - BEGIN' 'B - -' 'E -' 'P - SELECT * FROM by_view' 'B - -' 'E -' 'P - COMMIT' 'B - -' 'E -' S wait
	# Bind alone plans, and planning runs what calls itself immutable.
	guarded bound 'Q BEGIN' wait 'P - SELECT * FROM by_plan' 'B - -' S wait 'Q COMMIT' wait
	# A simple COMMIT in a batch that has no Sync.
	guarded mixed 'P - BEGIN' 'B - -' 'E -' 'P - SELECT * FROM by_view' 'B - -' 'E -' 'Q COMMIT' wait
}

test_pipelined_transactions_do_not_vouch_for_each_other() {
	guarded piped 'Q BEGIN' 'Q INSERT INTO scratch.t VALUES (50)' 'Q COMMIT' 'Q BEGIN' 'Q SELECT * FROM by_view' 'Q COMMIT' wait
	# Nothing is forgotten because a ROLLBACK was sent that the server skipped.
	guarded skipped 'Q BEGIN' wait 'Q SELECT * FROM by_view' wait 'Q SAVEPOINT a' wait \
		'P - SELECT 1/0' 'B - -' 'E -' 'P - ROLLBACK' 'B - -' 'E -' S wait 'Q ROLLBACK TO a' wait 'Q COMMIT' wait
}

test_what_wrote_unseen_is_found_before_a_write_that_would_hide_it() {
	before=$(n_trace)
	bg tx talk before 'Q BEGIN' wait 'Q SELECT * FROM by_view' wait 'Q INSERT INTO scratch.t VALUES (51)' wait 'Q ROLLBACK' wait
	h=$(wait_hold before)
	assert_has "$(hf pending --json)" 'INSERT INTO scratch.t VALUES (51)'
	deny "$h"
	finish "$BG"
	assert_eq "$(n_trace)" "$before"
	guarded lockhides 'Q BEGIN' wait 'Q SELECT * FROM by_view' wait 'Q SELECT 1 FROM orders WHERE id = 1 FOR UPDATE' wait
}

test_row_locks_do_not_account_for_writes() {
	guarded locked 'Q BEGIN' wait 'Q SELECT 1 FROM orders WHERE id = 1 FOR UPDATE' wait 'Q SELECT * FROM by_view' wait 'Q COMMIT' wait
	guarded lockview 'Q BEGIN' wait 'Q SELECT * FROM by_lock FOR UPDATE' wait 'Q COMMIT' wait
	guarded idtaken 'Q BEGIN' wait 'Q SELECT txid_current()' wait 'Q SELECT * FROM by_view' wait 'Q COMMIT' wait
	guarded locktally 'Q BEGIN' wait 'Q SELECT 1 FROM orders WHERE id = 1 FOR SHARE' wait 'Q SELECT * FROM by_tally' wait 'Q COMMIT' wait
	guarded lockddl 'Q BEGIN' wait 'Q SELECT 1 FROM orders WHERE id = 1 FOR SHARE' wait 'Q SELECT * FROM by_ddl' wait 'Q COMMIT' wait
	assert_eq "$(admin "SELECT has_table_privilege('scram_user', 'trace', 'SELECT')")" t 'granted to PUBLIC above'
}

test_a_string_that_commits_what_nobody_could_look_at_is_a_write() {
	guarded string 'Q BEGIN; SELECT * FROM by_view; COMMIT' wait
	guarded behind 'Q ROLLBACK; SELECT * FROM by_view' wait
	guarded ends 'Q BEGIN' wait 'Q COMMIT; SELECT * FROM by_view' wait
}

test_a_cursor_that_commit_runs_to_its_end_cannot_write() {
	before=$(n_trace)
	assert_exit 0 talk holdcursor 'Q BEGIN' wait 'Q DECLARE c CURSOR WITH HOLD FOR SELECT * FROM by_view' wait \
		'Q COMMIT' wait 'Q SELECT 8' wait
	assert_has "$OUT" 'E 25006'
	assert_has "$OUT" 'D 8'
	assert_eq "$(n_trace)" "$before"
	guarded holdchain 'Q BEGIN' wait 'Q DECLARE c CURSOR WITH HOLD FOR SELECT * FROM by_view' wait 'Q COMMIT AND CHAIN' wait
	guarded holdlock 'Q BEGIN' wait 'Q SELECT 1 FROM orders FOR UPDATE LIMIT 1' wait \
		'Q DECLARE c CURSOR WITH HOLD FOR SELECT * FROM by_view' wait 'Q COMMIT' wait
}

test_two_phase_commit_is_no_way_round() {
	guarded twophase 'Q BEGIN' wait 'Q SELECT * FROM by_view' wait "Q PREPARE TRANSACTION 'x'" wait
	assert_eq "$(admin 'SELECT count(*) FROM pg_prepared_xacts')" 0
}

test_what_an_application_does_passes_unasked() {
	free plain 'Q BEGIN' wait 'Q SELECT count(*) FROM orders' wait 'Q COMMIT' wait
	free empty 'Q BEGIN' wait 'Q COMMIT' wait
	free taken 'P - INSERT INTO scratch.t VALUES (57)' 'B - -' 'E -' 'P - SELECT id FROM orders LIMIT 1' 'B - -' 'E -' 'P - BEGIN' 'B - -' 'E -' S wait \
		'Q COMMIT' wait
	free twice 'Q BEGIN' wait 'Q SELECT 1 FROM orders' wait 'Q INSERT INTO scratch.t VALUES (56)' wait 'Q BEGIN' wait 'Q COMMIT' wait
	free writes 'Q BEGIN' wait 'Q SELECT 1 FROM orders' wait 'Q INSERT INTO scratch.t VALUES (52)' wait \
		'Q SELECT 1 FROM scratch.t' wait 'Q COMMIT' wait
	assert_eq "$(admin 'SELECT count(*) FROM scratch.t WHERE id = 52')" 1
	free locks 'Q BEGIN' wait 'Q SELECT 1 FROM orders WHERE id = 1 FOR UPDATE' wait 'Q COMMIT' wait
	free share 'Q BEGIN' wait 'Q SELECT 1 FROM orders FOR KEY SHARE' wait 'Q SAVEPOINT a' wait 'Q RELEASE a' wait 'Q COMMIT' wait
	free id 'Q BEGIN' wait 'Q SELECT txid_current()' wait 'Q COMMIT' wait
	free cursor 'Q BEGIN' wait 'Q DECLARE c CURSOR WITH HOLD FOR SELECT id FROM orders' wait 'Q COMMIT' wait 'Q FETCH c' wait
	free byname 'Q BEGIN' wait 'Q SELECT wipe_by_name()' wait 'Q COMMIT' wait
	free rolled 'Q BEGIN' wait 'Q SELECT * FROM by_view' wait 'Q ROLLBACK' wait 'Q BEGIN' wait 'Q SELECT 1 FROM orders' wait 'Q COMMIT' wait
	free batch 'P - BEGIN' 'B - -' 'E -' 'P - SELECT id FROM orders' 'B - -' 'E - 2' 'E - 2' 'P - COMMIT' 'B - -' 'E -' S wait
	assert_exit 0 talk failed 'Q BEGIN' wait 'Q SELECT * FROM by_view' wait 'Q SELECT 1/0' wait 'Q COMMIT' wait
	assert_has "$OUT" 'C ROLLBACK'
}

# What a question of ours in the middle of a session could disturb.
test_the_question_disturbs_nothing() {
	# SET TRANSACTION is only legal before any query of the transaction: none of ours came first.
	free settx 'Q BEGIN' wait 'Q SET TRANSACTION ISOLATION LEVEL SERIALIZABLE' wait 'Q SELECT 1 FROM orders' wait \
		'Q COMMIT' wait
	free chained 'Q BEGIN' wait 'Q SELECT 1 FROM orders' wait 'Q COMMIT AND CHAIN' wait \
		'Q SET TRANSACTION ISOLATION LEVEL REPEATABLE READ' wait 'Q INSERT INTO scratch.t VALUES (53)' wait 'Q COMMIT' wait
	# The unnamed statement and an unnamed portal that is half read survive a question before a write.
	free unnamed 'Q BEGIN' wait 'P - SELECT id FROM orders ORDER BY id' 'B - -' 'E - 2' S wait \
		'P w INSERT INTO scratch.t VALUES (54)' 'B w w' 'E w' S wait 'E - 2' S wait 'B - -' 'E - 1' S wait 'Q ROLLBACK' wait
	assert_eq "$(grep ^D <<< "$OUT" | tr '\n' ' ')" 'D 1 D 2 D 3 D 4 D 1 '
	# Nothing of ours is left to be seen.
	free seen 'Q BEGIN' wait 'Q SELECT 1 FROM orders' wait 'Q INSERT INTO scratch.t VALUES (55)' wait \
		"Q SELECT count(*) FROM pg_cursors WHERE name ~ 'holdfast'" wait \
		"Q SELECT count(*) FROM pg_prepared_statements WHERE name ~ 'holdfast'" wait 'Q ROLLBACK' wait
	assert_eq "$(grep -c '^D 0' <<< "$OUT")" 2
	# The client's own settings reach our question, and its words reach nobody.
	free debug 'Q SET client_min_messages = debug5' wait 'Q SET client_min_messages = warning' wait 'Q BEGIN' wait \
		'Q SELECT 1 FROM orders' wait 'Q COMMIT' wait
	# Nothing in the replies but what was asked for.
	free exact 'Q BEGIN' wait 'Q SELECT id FROM orders WHERE id = 7' wait 'Q COMMIT' wait
	assert_eq "$(tr '\n' ' ' <<< "$OUT")" 'C BEGIN Z T T D 7 C SELECT 1 Z T C COMMIT Z I '
}

test_a_question_that_fails_stops_the_commit() {
	admin 'REVOKE EXECUTE ON FUNCTION pg_catalog.pg_current_xact_id_if_assigned() FROM PUBLIC'
	admin 'CREATE ROLE nobody_special LOGIN'
	for how in simple batch; do
		if [ $how = simple ]; then
			set -- 'Q BEGIN' wait 'Q SELECT 1 FROM orders' wait 'Q COMMIT' wait
		else
			set -- 'P - BEGIN' 'B - -' 'E -' 'P - SELECT 1 FROM orders' 'B - -' 'E - 1' 'P - COMMIT' 'B - -' 'E -' S wait
		fi
		assert_exit 0 in_run failing -- env WIRETALK_USER=nobody_special /usr/bin/python3 \
			"$E2E_ROOT/tests/e2e/wiretalk.py" "$E2E_PGPORT" "$@" 'Q ROLLBACK' wait 'Q SELECT 9' wait
		assert_lacks "$OUT" 'C COMMIT'
		assert_has "$OUT" 'could not be checked'
		assert_has "$OUT" 'D 9'
	done
	admin 'GRANT EXECUTE ON FUNCTION pg_catalog.pg_current_xact_id_if_assigned() TO PUBLIC; DROP ROLE nobody_special'
}

# As drivers do that prepare each statement just before its first use.
test_commit_prepared_inside_of_its_transaction_accounts_for_what_was_allowed() {
	got=$(in_run lazy -- /usr/bin/python3 "$E2E_ROOT/tests/e2e/wiretalk.py" "$E2E_PGPORT" \
		"Q BEGIN" wait "Q INSERT INTO scratch.t VALUES (77)" wait "P end END" S wait "B - end" "E -" S wait)
	assert_has "$got" COMMIT
	assert_lacks "$got" 'held as'
}

run_tests

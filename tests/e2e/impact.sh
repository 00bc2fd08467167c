#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# What a change would touch, as the approver sees it: asked of the server over the side connection, and
# nothing of the statement runs for it.
. "$(dirname "$0")/lib.sh"
command -v tmux > /dev/null || { echo "ok - impact # SKIP no tmux"; echo "0 0 1" > "$G.count"; exit 0; }

EVIL=$(printf 'evil\033[31m\342\200\256"name')
policy <<YAML
version: 1
default: {read: allow, session: allow, other: hold}
$(standard_resources)
rules:
  - name: a-human-looks
    when: {effect: [insert, update, delete, destroy, define, unknown, execute, admin]}
    then: hold
    timeout: 5m
YAML
with_login() {
	stop_daemon
	rm -f "$G/config.yaml"
	config <<-END
	catalog:
	  - {resource: shop, user: reader}
	END
	start_daemon
}
trap 'tmux -L "hf-$$" kill-server 2> /dev/null; clean_group; admin "DROP OWNED BY reader, clerk; DROP ROLE reader, clerk" > /dev/null 2>&1' EXIT
DB=postgres admin 'CREATE ROLE reader LOGIN; CREATE ROLE clerk LOGIN' > /dev/null || exit 1
admin "CREATE TABLE lines (id int, o int CONSTRAINT of_order REFERENCES orders ON DELETE CASCADE);
	INSERT INTO lines SELECT i, 1 + i % 100 FROM generate_series(1, 300) i;
	CREATE TABLE gifts (id int, o int REFERENCES orders ON DELETE SET NULL);
	CREATE FUNCTION told() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
	CREATE TRIGGER tell AFTER DELETE ON lines FOR EACH ROW EXECUTE FUNCTION told();
	CREATE VIEW open_orders AS SELECT * FROM orders WHERE status = 'open';
	CREATE SCHEMA other; CREATE TABLE other.notes (id int);
	CREATE TABLE parted (id int) PARTITION BY RANGE (id);
	CREATE TABLE parted_1 PARTITION OF parted FOR VALUES FROM (0) TO (10);
	INSERT INTO parted SELECT i FROM generate_series(0, 9) i;
	ANALYZE orders; ANALYZE lines; ANALYZE parted; ANALYZE parted_1" > /dev/null || exit 1
psql -XqAt -v ON_ERROR_STOP=1 -h "$E2E_PGSOCK" -p "$E2E_PGPORT" -U postgres -d shop -v name="$EVIL" > /dev/null <<< 'CREATE TABLE :"name" (id int);' || exit 1
admin "CREATE TABLE stock (id int PRIMARY KEY, kind text); CREATE TABLE secret (id int); CREATE TABLE fresh (id int); CREATE TABLE mine (id int);
	INSERT INTO stock SELECT i, CASE WHEN i % 100 = 0 THEN 'rare' ELSE 'usual' END FROM generate_series(1, 1000) i;
	INSERT INTO secret VALUES (1); INSERT INTO fresh VALUES (1); INSERT INTO mine VALUES (1);
	CREATE FUNCTION sly(int) RETURNS int IMMUTABLE LANGUAGE plpgsql AS 'BEGIN RAISE LOG ''sly ran as %'', current_user; RETURN \$1; END';
	CREATE FUNCTION same(int, int) RETURNS bool IMMUTABLE LANGUAGE plpgsql AS 'BEGIN RETURN sly(\$1) = \$2; END';
	CREATE OPERATOR === (leftarg = int, rightarg = int, function = same);
	CREATE DOMAIN odd AS text CHECK (sly(VALUE::int) = 1);
	CREATE TABLE trap (id int); INSERT INTO trap VALUES (1); CREATE INDEX ON trap (id) WHERE sly(5) = 5;
	CREATE VIEW seen AS SELECT sly(1) AS id;
	CREATE TABLE walled (id int); INSERT INTO walled VALUES (1); ALTER TABLE walled ENABLE ROW LEVEL SECURITY;
	CREATE POLICY all_of_it ON walled USING (sly(1) = 1);
	GRANT ALL ON ALL TABLES IN SCHEMA public, other TO clerk; GRANT SELECT ON stock, fresh, mine, trap, seen, walled TO reader;
	CREATE SCHEMA den AUTHORIZATION clerk; CREATE TABLE den.kept (id int); INSERT INTO den.kept VALUES (1);
	GRANT USAGE ON SCHEMA den TO reader; GRANT SELECT ON den.kept TO reader; ANALYZE den.kept;
	ALTER TABLE mine OWNER TO clerk; ANALYZE stock; ANALYZE secret; ANALYZE mine; ANALYZE trap; ANALYZE walled" > /dev/null || exit 1
with_login || exit 1
tmux -L "hf-$$" -f /dev/null start-server \; set-option -s exit-empty off || exit 1

pending_of() { hf pending --json | jq -c --arg n "$1" 'select(.run_name == $n)'; }
# is NAME FILTER: what jq says of the hold of that run.
is() { [ "$(pending_of "$1" | jq -r "$2")" = true ]; }
words() { pending_of "$1" | jq -r .impact_words; }
held() { # NAME SQL: held, and the server has answered
	bg "$1" sql "$1" "$2"
	H=$(wait_hold "$1")
	wait_until 15 is "$1" '.look > 0'
}
over() { deny "$H"; finish "$BG" || true; }
# All that the side role asked the server for.
asked() { grep -a " reader LOG: " "$E2E_PGLOG"; }

test_rows_size_and_what_goes_along_are_shown() {
	held tables "DELETE FROM orders WHERE id = 1"
	is tables '.impact.answered'
	is tables '.impact.tables == [.impact.tables[0]] and (.impact.tables[0] | .name == "public.orders" and .rows_about == 100 and .bytes > 8000 and .does == ["delete from"])'
	is tables '[.impact.follows[] | .name + " " + .does] | sort == ["public.gifts set null in", "public.lines delete from"]'
	is tables '.impact.follows[] | select(.name == "public.lines") | .rows_about == 300 and .foreign_key == "of_order"'
	is tables '.impact.triggers == [{"name": "tell", "table": "public.lines", "function": "public.told"}]'
	# Nobody counted these rows, so there is no number.
	is tables '.impact.follows[] | select(.name == "public.gifts") | .rows_about == null'
	assert_has "$(words tables)" 'delete from public.orders (about 100 rows, '
	assert_has "$(words tables)" 'set null in public.gifts (rows not known'
	assert_has "$(hf why "$H")" 'delete from public.lines (about 300 rows'
	assert_eq "$(admin 'SELECT count(*) FROM orders')" 100
	over
}

test_the_prompt_shows_it_and_the_ledger_says_so() {
	tmux -L "hf-$$" -f /dev/null new-session -d -s one -x 100 -y 40 \
		"env HOLDFAST_DIR='$HOLDFAST_DIR' HOLDFAST_LEDGER='$HOLDFAST_LEDGER' '$B/holdfast' prompt; read _"
	shot() { tmux -L "hf-$$" capture-pane -p -t one; }
	on_screen() { shot | grep -qF -- "$1"; }
	held prompted "DELETE FROM orders WHERE id = 2"
	wait_until 10 on_screen 'delete from public.orders (about 100 rows'
	shot
	answers() { on_screen ': APPROVE' || { tmux -L "hf-$$" send-keys -t one a; on_screen ': APPROVE'; }; }
	wait_until 10 answers
	tmux -L "hf-$$" send-keys -t one Enter
	finish "$BG"
	wait_ledger "SELECT count(*) FROM decisions WHERE hold = ${H#h} AND shown LIKE '%impact=\"delete from public.orders (about 100 rows%' AND length(shown_hmac) = 32" 1
	assert_has "$(hf why "$H")" 'impact="delete from public.orders'
	tmux -L "hf-$$" kill-session -t one
}

test_truncate_drop_and_partitions() {
	held more 'TRUNCATE orders CASCADE'
	is more '.impact.tables[0].does == ["truncate"] and ([.impact.follows[] | .does] | unique == ["truncate"])'
	over
	held more 'DROP TABLE orders CASCADE'
	is more '.impact.tables[0].does == ["drop"] and .impact.views == ["public.open_orders"]'
	is more '[.impact.follows[] | .does] | unique == ["loss of a foreign key of"]'
	over
	held more 'UPDATE parted SET id = 3'
	is more '.impact.tables[0] | .rows_about == 10 and .partitions == 1 and .kind == "partitioned table"'
	over
	held more 'ALTER TABLE orders ADD COLUMN more int'
	is more '.impact.tables[0] | .rows_about == 100 and .does == ["change of"]'
	over
}

test_names_are_no_words_of_ours_and_a_cut_list_says_so() {
	admin "CREATE TABLE crowded (id int PRIMARY KEY); GRANT ALL ON crowded TO agent;
		CREATE TRIGGER \"x on public.t runs f(); views over it: none\" AFTER DELETE ON crowded EXECUTE FUNCTION told();
		DO \$\$BEGIN FOR i IN 1..201 LOOP EXECUTE format('CREATE TABLE crowd_%s (id int REFERENCES crowded ON DELETE CASCADE)', i); END LOOP; END\$\$"
	held crowded 'DELETE FROM crowded'
	assert_has "$(words crowded)" 'triggers: "x on public.t runs f(); views over it: none" on public.crowded runs public.told()'
	assert_has "$(words crowded)" 'not known: all of it: it is more than is looked at'
	over
}

# What is not known is said to be so.
test_unknown_is_said_and_is_no_number() {
	held vague 'DELETE FROM notes WHERE id = 1'
	assert_has "$(words vague)" 'which of the 2 tables that are called notes is meant'
	over
	held vague 'DELETE FROM other.notes'
	is vague '.impact.tables | length == 1'
	assert_lacks "$(words vague)" 'is meant'
	over
	held vague 'DO $$ BEGIN DELETE FROM orders; END $$; DELETE FROM orders'
	assert_has "$(words vague)" 'its text does not say it'
	over
	held vague 'DELETE FROM no_such_table'
	assert_has "$(words vague)" 'no such table'
	over
	bg psql in_run vague -- psql -XqAt "$SHOP" -c 'BEGIN' -c 'CREATE TABLE orders_2 (id int)' -c 'DELETE FROM orders_2'
	approve "$(wait_hold vague)"
	wait_until 10 is vague '.effects | test("delete")'
	wait_until 10 is vague '.look > 0'
	assert_has "$(words vague)" 'nobody else sees it'
	deny "$(wait_hold vague)"
	finish "$BG" || true
}

test_names_of_somebodys_reach_no_terminal() {
	printf 'DELETE FROM "%s"' "${EVIL/\"/\"\"}" > "$T/evil.sql"
	bg psql in_run hostile -- psql -XqAt "$SHOP" -f - < "$T/evil.sql"
	H=$(wait_hold hostile)
	wait_until 15 is hostile '.look > 0'
	is hostile '.impact.tables[0].name | test("evil")'
	tmux -L "hf-$$" -f /dev/null new-session -d -s evil -x 100 -y 40 \
		"env HOLDFAST_DIR='$HOLDFAST_DIR' HOLDFAST_LEDGER='$HOLDFAST_LEDGER' '$B/holdfast' prompt; read _"
	shown() { tmux -L "hf-$$" capture-pane -p -t evil | grep -F 'impact' | grep -F 'evil\x1b[31m\u{202e}'; }
	wait_until 10 shown
	assert_lacks "$(hf why "$H")" "$(printf '\033')"
	assert_lacks "$(hf pending --json)" "$(printf '\342\200\256')"
	tmux -L "hf-$$" kill-session -t evil
	over
}

# A transaction's locks, and who waits behind them, while somebody looks.
test_locks_of_the_transaction_and_who_waits() {
	bg psql in_run locker -- psql -XqAt "$SHOP" -c BEGIN -c 'SELECT pg_advisory_xact_lock(7)' -c 'SELECT count(*) FROM lines' \
		-c 'LOCK TABLE gifts IN EXCLUSIVE MODE' -c 'DELETE FROM orders WHERE id = 6'
	psql=$BG
	at_delete() { # whatever is held before it is let through
		local h
		h=$(pending_of locker | jq -r 'select(.text | test("DELETE") | not) | .id')
		[ -z "$h" ] || approve "$h"
		is locker '.text | test("DELETE")'
	}
	wait_until 20 at_delete
	wait_until 15 is locker '.locks.answered'
	is locker '.locks.tables | map(.name + " " + .mode) == ["public.gifts ExclusiveLock", "public.lines AccessShareLock"]'
	is locker '.locks.advisory == 1 and .locks.waiting == 0 and .impact.answered'
	assert_has "$(hf why "$(holds_of locker)")" 'ExclusiveLock on public.gifts'
	bg waits psql -XqAt -h "$E2E_PGSOCK" -p "$E2E_PGPORT" -U postgres -d shop -c "INSERT INTO gifts VALUES (1, 1)"
	# Nobody looks, so nobody asks; each look asks for the next one.
	waiting() { is locker '.locks.waiting == 1'; }
	wait_until 20 waiting
	assert_has "$(pending_of locker | jq -r .locks_words)" '1 session waits behind it'
	tmux -L "hf-$$" -f /dev/null new-session -d -s locks -x 100 -y 40 \
		"env HOLDFAST_DIR='$HOLDFAST_DIR' HOLDFAST_LEDGER='$HOLDFAST_LEDGER' '$B/holdfast' prompt; read _"
	shown() { tmux -L "hf-$$" capture-pane -p -t locks | tee "$T/screen" | grep -qF -- "$1"; }
	wait_until 10 shown 'ExclusiveLock on public.gifts'
	wait_until 10 shown '1 session waits behind it'
	# Looked at, it is asked again and again.
	bg more psql -XqAt -h "$E2E_PGSOCK" -p "$E2E_PGPORT" -U postgres -d shop -c "INSERT INTO gifts VALUES (2, 1)"
	wait_until 20 shown '2 sessions wait behind it'
	cat "$T/screen"
	tmux -L "hf-$$" kill-session -t locks
	h=$(wait_hold locker)
	deny "$h"
	finish "$psql" || true
	finish "$BG" # they go on
	wait_ledger "SELECT count(*) FROM decisions WHERE hold = ${h#h} AND shown LIKE 'by id alone%'" 1
}

test_outside_of_transactions_no_locks_are_asked_for() {
	held alone 'DELETE FROM orders WHERE id = 7'
	is alone 'has("locks") | not'
	over
}

test_without_a_hold_nothing_is_asked() {
	n=$(asked | wc -l)
	tmux -L "hf-$$" -f /dev/null new-session -d -s idle -x 100 -y 40 \
		"env HOLDFAST_DIR='$HOLDFAST_DIR' HOLDFAST_LEDGER='$HOLDFAST_LEDGER' '$B/holdfast' prompt; read _"
	nothing() { tmux -L "hf-$$" capture-pane -p -t idle | grep -qF 'waiting for holds'; }
	wait_until 10 nothing
	later=$((SECONDS + 5))
	long() { [ "$SECONDS" -ge "$later" ]; }
	wait_until 10 long
	assert_eq "$(asked | wc -l)" "$n"
	tmux -L "hf-$$" kill-session -t idle
}

# Somebody holds the table, and does not let go: the rest is told, the hold is held.
test_a_locked_table_has_no_size_and_keeps_nobody_waiting() {
	bg lock psql -XqAt -h "$E2E_PGSOCK" -p "$E2E_PGPORT" -U postgres -d shop -c "BEGIN; LOCK TABLE orders IN ACCESS EXCLUSIVE MODE; SELECT pg_sleep(62)"
	wait_until 10 file_has "$E2E_PGLOG" 'pg_sleep(62)'
	held locked 'DELETE FROM orders WHERE id = 3'
	is locked '.impact.tables[0] | .rows_about == 100 and .bytes == null'
	assert_has "$(words locked)" 'not known: the size: somebody has locked a table'
	over
	admin "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(62)%' AND pid <> pg_backend_pid()" > /dev/null
}

# ---- how many rows a condition selects -------------------------------------------------------------

# As a role that owns nothing: who owns a table may put code behind it.
clerk() { # NAME SQL
	bg "$1" in_run "$1" -- psql -XqAt "host=127.0.0.1 port=$E2E_PGPORT user=clerk dbname=shop" -c "$2"
	H=$(wait_hold "$1")
	wait_until 15 is "$1" '.look > 0'
}
explained() { asked | grep -cF 'EXPLAIN (FORMAT JSON)' || true; }
not_estimated() { # SQL WHY
	local n
	n=$(explained)
	clerk unasked "$1"
	is unasked '.impact.answered and .impact.selects_about == null' || fail "$(words unasked)"
	assert_has "$(words unasked)" "not known: how many rows it selects, for $2"
	over
	assert_eq "$(explained)" "$n" 'EXPLAIN was run'
}

test_the_planner_says_how_many_rows_are_selected() {
	clerk estimate "DELETE FROM stock WHERE kind = 'rare' /* first */"
	is estimate '.impact.selects_about >= 5 and .impact.selects_about <= 20' || fail "$(words estimate)"
	assert_has "$(words estimate)" 'selects about '
	over
	clerk estimate 'WITH few AS (SELECT id FROM orders WHERE id <= 10)
		UPDATE stock s SET kind = lower(kind), id = CASE WHEN s.id IS DISTINCT FROM 3 THEN s.id END -- from where
		FROM few, "stock" t WHERE s.id = few.id AND t.id = s.id RETURNING s.id;'
	is estimate '.impact.selects_about >= 5 and .impact.selects_about <= 20' || fail "$(words estimate)"
	over
	clerk estimate 'DELETE FROM public.stock'
	is estimate '.impact.selects_about == 1000' || fail "$(words estimate)"
	over
	[ "$(explained)" -ge 3 ]
	assert_eq "$(admin 'SELECT count(*), count(*) FILTER (WHERE kind = '"'rare'"') FROM stock')" '1000|10'
}

# Planning runs functions of constants, as whoever asks for the plan.
test_nobodys_code_runs_as_the_side_role() {
	psql -XqAt -h "$E2E_PGSOCK" -p "$E2E_PGPORT" -U reader -d shop -c "EXPLAIN SELECT FROM trap WHERE id = 1" > /dev/null
	wait_until 5 server_saw 'sly ran as reader'
	n=$(grep -c 'sly ran as reader' "$E2E_PGLOG")
	not_estimated 'DELETE FROM stock WHERE id = sly(1)' 'it uses functions'
	not_estimated 'DELETE FROM stock WHERE id = public.sly(1)' 'it uses functions'
	not_estimated 'DELETE FROM stock WHERE id OPERATOR(public.===) 1' 'it uses functions'
	not_estimated "DELETE FROM stock WHERE kind = '1'::public.odd" 'it uses functions'
	# Input functions that are told a type by its number: the server's own, but what they run is not.
	not_estimated "DELETE FROM stock WHERE kind = array_in('{1}', 'public.odd'::regtype, -1)::text" 'it uses functions'
	not_estimated "DELETE FROM stock WHERE length(table_to_xml('seen'::regclass, true, false, '')::text) = id" 'it uses functions'
	not_estimated 'DELETE FROM trap WHERE id = 1' 'code or types of somebody'
	not_estimated 'DELETE FROM stock USING trap WHERE trap.id = stock.id' 'code or types of somebody'
	not_estimated 'DELETE FROM stock USING seen WHERE seen.id = stock.id' 'not all that it reads are plain tables'
	not_estimated 'DELETE FROM walled WHERE id = 1' 'not all that it reads are plain tables'
	# By a name alone it is not found, so that nothing of it runs.
	clerk bare 'DELETE FROM stock WHERE id === 1'
	assert_has "$(words bare)" 'the server did not plan it'
	over
	assert_eq "$(grep -c 'sly ran as reader' "$E2E_PGLOG")" "$n"
}

test_what_is_not_to_be_estimated_says_why() {
	not_estimated 'DELETE FROM stock WHERE id IN (SELECT id FROM secret)' 'the side role may not SELECT'
	not_estimated 'DELETE FROM mine WHERE id = 1' "the session's own role may change"
	not_estimated 'DELETE FROM den.kept WHERE id = 1' "the session's own role may change"
	not_estimated 'DELETE FROM fresh WHERE id = 1' 'nobody has analyzed'
	not_estimated 'DELETE FROM stock USING notes WHERE notes.id = stock.id' 'a name in it is that of several tables'
	not_estimated 'WITH gone AS (DELETE FROM fresh RETURNING id) DELETE FROM stock USING gone WHERE stock.id = gone.id' 'there is more in it'
	not_estimated 'DELETE FROM stock WHERE kind = current_user' 'there is more in it'
	not_estimated 'INSERT INTO stock SELECT id + 2000 FROM stock' 'only an UPDATE or DELETE'
}

test_nothing_of_the_statement_was_asked() {
	asked > "$T/asked"
	[ -s "$T/asked" ]
	if grep -E 'LOG: +(statement|execute [^:]*):' "$T/asked" | grep -qvE ': +(WITH (RECURSIVE|me AS)|EXPLAIN \(FORMAT JSON\) |EXPLAIN SELECT FROM trap )'; then
		cat "$T/asked"
		fail 'something else was asked'
	fi
}

test_a_server_that_does_not_let_us_in_changes_nothing() {
	DB=postgres admin 'ALTER ROLE reader NOLOGIN; SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '"'reader'" > /dev/null
	bg psql sql shut "DELETE FROM orders WHERE id = 4 RETURNING 'gone ' || id"
	H=$(wait_hold shut)
	wait_until 15 is shut '.look > 0'
	is shut '.impact.answered | not'
	assert_has "$(words shut)" 'not known: '
	approve "$H"
	finish "$BG"
	assert_has "$(out psql)" 'gone 4'
	DB=postgres admin 'ALTER ROLE reader LOGIN' > /dev/null
}

test_without_a_login_nothing_is_shown() {
	stop_daemon
	rm -f "$G/config.yaml"
	start_daemon
	before=$(asked | wc -l)
	bg psql sql none 'DELETE FROM orders WHERE id = 5'
	H=$(wait_hold none)
	is none '[has("look"), has("impact"), has("impact_words")] == [false, false, false]'
	assert_lacks "$(hf why "$H")" impact
	over
	assert_eq "$(asked | wc -l)" "$before"
}

run_tests

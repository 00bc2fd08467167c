#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# `catalog:` in the configuration: the server is asked, over connections of our own, what its objects do.
# What comes of it for what agents try is in tests/evasions/catalog.sh; here is the connection itself.
. "$(dirname "$0")/lib.sh"

policy <<YAML
version: 1
default: {read: allow, session: allow, other: deny}
$(standard_resources)
rules:
  - name: scratch-is-free
    when: {object: "scratch.*", effect: [insert, update, delete, destroy, define]}
    then: allow
  - name: passing-is-free
    when: {object: passing, effect: define}
    then: allow
  - name: keys-are-closed
    when: {object: keys, effect: [read, insert, update, delete, export]}
    then: deny
  - name: nobody-calls-this
    when: {object: by_name, effect: execute}
    then: deny
  - name: a-human-looks
    when: {effect: [unknown, execute]}
    then: hold
YAML
login() { # USER PASSWORD: the daemon starts again with it
	stop_daemon
	rm -f "$G/config.yaml"
	{ [ -z "$2" ] || printf '%s\n' "$2"; } > "$G/secret"
	chmod 600 "$G/secret"
	config <<-END
	catalog:
	  - {resource: shop, user: $1${2:+, password_file: $G/secret}}
	END
	start_daemon
}
start_with() { login "$@" || exit 1; }
admin 'CREATE TABLE keys (k text); CREATE TABLE safe (id int); INSERT INTO safe VALUES (1), (2);
CREATE FUNCTION gone() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN DELETE FROM public.safe; RETURN NEW; END $$;
CREATE TABLE scratch.trap (a int); CREATE TRIGGER t BEFORE INSERT ON scratch.trap FOR EACH ROW EXECUTE FUNCTION gone();
CREATE VIEW shown AS SELECT * FROM keys;
CREATE FUNCTION plus(int) RETURNS int LANGUAGE sql AS $$ SELECT $1 + 1 $$;
CREATE FUNCTION by_name() RETURNS int LANGUAGE sql AS $$ SELECT 1 $$' > /dev/null
start_with scram_user scram-secret

# Several commands on one connection.
steps() { # NAME SQL…
	local name=$1 one
	local -a commands=()
	shift
	for one in "$@"; do commands+=(-c "$one"); done
	in_run "$name" -- psql -XqAt "$SHOP" "${commands[@]}"
}
rows() { admin 'SELECT count(*) FROM safe'; }
objects_of() { sqlite3 -readonly "$HOLDFAST_LEDGER" "SELECT effects || ' on ' || objects FROM requests WHERE text = '$1' ORDER BY id DESC LIMIT 1"; }
side_says() { grep -F "side.$1" "$G/daemon.log"; }

test_a_trigger_is_judged_before_it_runs() {
	assert_exit 1 sql one 'INSERT INTO scratch.trap VALUES (1)'
	assert_has "$OUT" 'denied by rule "default"'
	assert_eq "$(rows)" 2
	wait_until 10 test -n "$(objects_of 'INSERT INTO scratch.trap VALUES (1)')"
	assert_eq "$(objects_of 'INSERT INTO scratch.trap VALUES (1)')" 'insert, delete on scratch.trap, public.safe'
}

test_a_view_of_a_closed_table_is_closed() {
	assert_exit 1 sql one 'SELECT * FROM shown'
	assert_has "$OUT" 'denied by rule "keys-are-closed"'
}

test_a_function_that_only_computes_is_no_hold() {
	assert_eq "$(sql one 'SELECT plus(41)')" 42
	assert_exit 1 sql one 'SELECT by_name()'
	assert_has "$OUT" nobody-calls-this 'a rule that names a function still means it'
}

# What an agent defines is known from then on.
test_definitions_by_agents_count_at_once() {
	local out
	out=$(steps ddl 'CREATE TABLE scratch.fresh (a int)' 'INSERT INTO scratch.fresh VALUES (1)' 'SELECT count(*) FROM scratch.fresh')
	assert_eq "$out" 1
	admin 'CREATE TRIGGER t BEFORE INSERT ON scratch.fresh FOR EACH ROW EXECUTE FUNCTION gone()' > /dev/null
	# Not seen by us; what an agent defines next makes it seen.
	out=$(steps ddl 'CREATE TABLE scratch.other (a int)' 'INSERT INTO scratch.fresh VALUES (2)' 2>&1) || true
	assert_has "$out" 'denied by rule "default"'
	assert_eq "$(rows)" 2
	steps ddl 'DROP TABLE scratch.fresh' 'DROP TABLE scratch.other'
}

test_what_is_not_committed_is_known_to_nobody_else() {
	bg tx steps tx 'BEGIN' 'CREATE TABLE scratch.soon (a int)' 'INSERT INTO scratch.soon VALUES (1)'
	wait_hold tx > /dev/null
	assert_has "$(hf pending --json)" 'known to this session only'
	hf deny "$(holds_of tx)" -m no > /dev/null
	finish "$BG" || true
}

test_temporary_tables_shadow_nothing_unseen() {
	bg tmp steps tmp 'CREATE TEMP TABLE passing (id int)' 'SELECT 7 FROM passing' 'SELECT count(*) FROM public.safe'
	wait_hold tmp > /dev/null
	assert_has "$(hf pending --json)" 'known to this session only'
	hf approve "$(holds_of tmp)" > /dev/null
	finish "$BG"
	assert_eq "$(tail -n 1 "$T/tmp.out")" 2 'other names are what they were'
}

# Whoever can lock the server's catalog gets no answer, in bounded time, and nobody else waits for it.
test_a_question_that_is_kept_waiting_ends_in_unknown() {
	bg lock psql -XqAt -h "$E2E_PGSOCK" -p "$E2E_PGPORT" -U postgres -d shop -c "BEGIN; LOCK TABLE pg_catalog.pg_policy IN ACCESS EXCLUSIVE MODE; SELECT pg_sleep(60)"
	wait_until 10 file_has "$E2E_PGLOG" 'pg_sleep(60)'
	sql ddl 'CREATE TABLE scratch.anything (a int)'
	bg late sql late 'SELECT * FROM safe'
	assert_eq "$(sql one 'SELECT 1')" 1 'this asks nothing'
	wait_hold late > /dev/null
	assert_has "$(hf pending --json)" 'could not be asked'
	hf deny "$(holds_of late)" -m no > /dev/null
	finish "$BG" || true
	admin "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(60)%' AND pid <> pg_backend_pid()" > /dev/null
	login scram_user scram-secret # who failed is not asked again at once
}

# Tables that agents lock are not in the way.
test_locks_on_tables_do_not_stop_the_question() {
	bg lock psql -XqAt -h "$E2E_PGSOCK" -p "$E2E_PGPORT" -U postgres -d shop -c "BEGIN; LOCK TABLE safe, keys, shown, scratch.trap IN ACCESS EXCLUSIVE MODE; SELECT pg_sleep(61)"
	wait_until 10 file_has "$E2E_PGLOG" 'pg_sleep(61)'
	sql ddl 'CREATE TABLE scratch.something (a int)'
	assert_eq "$(sql one 'SELECT plus(2)')" 3
	admin "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(61)%' AND pid <> pg_backend_pid()" > /dev/null
}

# The agent cannot bend the questions: what it may put in front of them is not searched.
test_the_question_is_not_the_agents() {
	admin "CREATE SCHEMA plain_user; CREATE FUNCTION plain_user.string_agg(text, text) RETURNS text LANGUAGE sql AS 'SELECT NULL::text';
		CREATE TABLE plain_user.pg_class (oid oid, relname name);
		GRANT USAGE ON SCHEMA plain_user TO PUBLIC; ALTER ROLE plain_user SET search_path = plain_user, pg_catalog;
		ALTER ROLE plain_user SET default_transaction_read_only = off" > /dev/null
	login plain_user plain-secret
	assert_exit 1 sql one 'INSERT INTO scratch.trap VALUES (1)'
	assert_has "$OUT" 'denied by rule "default"'
	assert_eq "$(sql one 'SELECT plus(1)')" 2
	assert_eq "$(admin "SELECT DISTINCT usename FROM pg_stat_activity WHERE application_name = 'holdfast'")" plain_user
	admin 'ALTER ROLE plain_user RESET ALL; DROP SCHEMA plain_user CASCADE' > /dev/null 2>&1
}

test_passwords_are_nowhere() {
	local f
	for f in "$G"/ledger/* "$G/daemon.log" "$E2E_PGLOG"; do
		if grep -aq 'scram-secret\|plain-secret' "$f"; then fail "a password is in $f"; fi
	done
}

test_a_wrong_password_is_unknown_and_said_once() {
	login scram_user never-this
	bg late sql late 'SELECT * FROM safe'
	wait_hold late > /dev/null
	hf deny "$(holds_of late)" -m no > /dev/null
	finish "$BG" || true
	assert_has "$(side_says failed)" 'password authentication failed'
	if grep -aq never-this "$G/daemon.log" "$G"/ledger/*; then fail 'the password is shown'; fi
}

test_a_password_that_others_may_read_is_none() {
	stop_daemon
	chmod 644 "$G/secret"
	if START_SECS=5 start_daemon > /dev/null 2>&1; then fail 'it started'; fi
	assert_has "$(tail -n 20 "$G/daemon.log")" catalog.password
}

run_tests

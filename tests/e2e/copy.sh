#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# COPY … TO STDOUT of tables with something to hide, in every format: what a SELECT of the same columns shows,
# written as the server writes it, and not a byte of it hanging on what is hidden.
. "$(dirname "$0")/lib.sh"

policy <<YAML
version: 1
default: {unknown: allow, other: allow}
$(standard_resources)
masks:
  - name: people
    columns: ["public.folk.ssn", "public.folk.pin", "public.customers.ssn"]
    as: redact
  - name: mail
    columns: ["public.folk.email"]
    as: partial
  - name: code
    columns: ["public.folk.code"]
    as: "null"
  - name: strict
    columns: ["public.strict.ssn"]
    as: redact
    unproven: deny
  - name: cards
    detect: [credit_card]
    as: partial
YAML

# The same but for what is hidden: whether that holds what a format has to quote or escape must not be seen.
folk() { # DATABASE SSN EMAIL CODE PIN
	DB=$1 admin "CREATE TABLE folk (id int, gone text, name text, ssn text, email text, code text, pin int, free text, twice int GENERATED ALWAYS AS (id * 2) STORED);
	ALTER TABLE folk DROP gone;
	CREATE TABLE strict (id int, ssn text);
	INSERT INTO strict VALUES (1, 'x');
	INSERT INTO folk VALUES (1, 'Ada', \$\$$2\$\$, \$\$$3\$\$, \$\$$4\$\$, $5, 'plain'),
	  (2, 'tab	and \\ slash', \$\$$2\$\$, NULL, \$\$$4\$\$, NULL, E'two\nlines, \"quoted\"'),
	  (3, '', NULL, \$\$$3\$\$, NULL, $5, '\\N'), (4, NULL, \$\$$2\$\$, \$\$$3\$\$, 'x', $5, '\\.'), (5, 'é €', '', '', '', 0, 'card 4111 1111 1111 1111');
	CREATE VIEW folk_view AS SELECT id, name, ssn AS number FROM folk;
	GRANT ALL ON ALL TABLES IN SCHEMA public TO PUBLIC"
}
DB=postgres admin 'CREATE DATABASE shop_twin TEMPLATE shop OWNER agent'
folk shop '123-45-6789' 'ada@example.com' 'c-1' 4711
folk shop_twin 'a,"b"	\
x' 'aaaaaaaa@example.com' '****' -2000000000
start_daemon || exit 1

REL='id, name, ssn, email, code, pin, free'
WHAT=("folk ($REL)" "(SELECT $REL FROM folk ORDER BY id)" "(SELECT * FROM folk ORDER BY id)" "folk" "(SELECT ssn FROM folk ORDER BY id)"
	"(SELECT id, upper(ssn), ssn || name, pin + 1, name || '!' FROM folk ORDER BY id)" "(SELECT max(ssn), count(*) FROM folk)"
	"(TABLE folk_view)" "(SELECT name FROM folk UNION ALL SELECT ssn FROM folk)" "(SELECT f FROM folk f ORDER BY id)"
	"(WITH x AS (SELECT ssn AS y, id FROM folk) SELECT y, id FROM x ORDER BY id)" "folk (pin)" "(UPDATE folk SET name = name RETURNING id, ssn, name)"
	"(SELECT /* ( */ ssn, ')' , \$a\$)\$a\$ FROM folk -- )
	)" "ONLY_ID" "(SELECT FROM folk)")
HOW=("" "(HEADER)" "(DELIMITER ';', NULL 'nil')" "(FORMAT csv)" "(FORMAT csv, HEADER, FORCE_QUOTE *)" "(FORMAT csv, FORCE_QUOTE (id))"
	"(FORMAT csv, DELIMITER '|', QUOTE '''', ESCAPE '\\', NULL '-')" "(FORMAT binary)" "CSV QUOTE AS '*' NULL AS 'x'" "(DELIMITER '*', NULL '')" "(NULL 'aaaaaaaa@example.com')" "(NULL '-2000000000')" "(ENCODING 'UTF8')")

# A file with every way of copying everything, one result after the other.
copies() { # DATABASE PREFIX…
	local db=$1 what how n=0
	shift
	for what in "${WHAT[@]}"; do
		[ "$what" != ONLY_ID ] || what='folk (id, free, name)'
		for how in "${HOW[@]}"; do
			n=$((n + 1))
			printf '\\echo ==== %s\n' "$n"
			printf 'COPY %s TO STDOUT %s;\n' "$what" "$how"
		done
	done > "$T/copies.sql"
	chmod 644 "$T/copies.sql"
	"$@" psql -Xq -v ON_ERROR_STOP=0 "host=127.0.0.1 port=$E2E_PGPORT user=agent dbname=$db" -f "$T/copies.sql" 2> "$T/errors"
	grep -c ERROR "$T/errors" || true
}

test_twins_are_copied_alike() {
	copies shop in_run twin -- > "$T/shop"
	copies shop_twin in_run twin -- > "$T/shop_twin"
	if grep -a 'broke the protocol' "$T/shop"; then fail 'the session ended'; fi
	assert_eq "$(grep -ao '==== [0-9]' "$T/shop" | wc -l)" $((${#WHAT[@]} * ${#HOW[@]})) 'some were not played'
	cmp "$T/shop" "$T/shop_twin" || fail "told apart: $(diff -a "$T/shop" "$T/shop_twin" | head -n 20)"
	for secret in 123-45 ada@example 5432 4711 '4111 1111'; do
		if grep -aF -e "$secret" "$T/shop"; then fail "$secret was seen"; fi
	done
	copies shop env > "$T/direct"
	# As many errors as without us.
	assert_eq "$(tail -n 1 "$T/shop")" "$(tail -n 1 "$T/direct")"
	if cmp -s <(copies shop_twin env) "$T/direct"; then fail 'the twins are the same without us: the test shows nothing'; fi
}

test_what_is_not_hidden_is_copied_byte_for_byte() {
	WHAT=('folk (id, free, name)' "(SELECT id, name, free || '', upper(name), now() IS NULL, ARRAY[name, NULL], 1.5 FROM folk WHERE id < 5 ORDER BY id)" 'orders'
		"(SELECT E'\\\\x00\\b\\f\\v\\r', '', NULL, '\\.' FROM folk)" "(SELECT '\\.')" "(SELECT id FROM folk WHERE false)")
	admin "UPDATE folk SET free = 'no card' WHERE id = 5"
	copies shop env > "$T/direct"
	copies shop in_run bytes -- > "$T/through"
	cmp "$T/direct" "$T/through" || fail "differ: $(diff -a "$T/direct" "$T/through" | head -n 20)"
	admin "UPDATE folk SET free = 'card 4111 1111 1111 1111' WHERE id = 5"
}

copy() { sql copy "COPY $1 TO STDOUT ${2:-}" 2>&1; }

test_a_copy_shows_what_a_select_shows() {
	for q in "SELECT $REL FROM folk WHERE id IN (1, 4) ORDER BY id" 'SELECT ssn, upper(email), id FROM folk ORDER BY id'; do
		assert_eq "$(copy "($q)")" "$(sql copy "$q" -F '	' -P 'null=\N' | sed 's/\\\./\\\\./')"
	done
	assert_eq "$(copy "folk ($REL)" | head -n 1)" '1	Ada	****	a***@example.com	\N	\N	plain'
	assert_eq "$(copy "folk ($REL)" '(FORMAT csv)' | tail -n 1)" '5,é €,****,***,,,card **** **** **** 1111'
	assert_eq "$(sql copy "SELECT count(*) FROM folk")" 5 'the session lives on'
	wait_ledger "SELECT max(n_masked) > 0 FROM requests WHERE text LIKE 'COPY folk%'" 1
}

test_rules_about_what_is_unproven_are_asked_before() {
	got=$(copy '(SELECT upper(ssn) FROM strict)' '(FORMAT binary)') && fail 'was not refused'
	assert_has "$got" 'column 1 of its result'
	assert_eq "$(copy strict)" '1	****'
	# Several statements: nobody knows which rows are whose.
	got=$(copy 'folk' '; SELECT 1') && fail 'was not refused'
	assert_has "$got" 'cannot be told'
}

test_extended_protocol_transactions_and_errors() {
	talk() { in_run ext -- /usr/bin/python3 "$E2E_ROOT/tests/e2e/wiretalk.py" "$E2E_PGPORT" "$@"; }
	one='COPY (SELECT id, ssn FROM folk WHERE id < 2) TO STDOUT'
	assert_eq "$(talk "P - $one" 'B - -' 'D -' 'E -' S wait 'Q BEGIN' wait "Q $one" wait "P c $one" 'B p c' 'E p' S wait 'Q COMMIT' wait | tr '\n' ' ')" \
		'1 2 n H d 1\t****\n c C COPY 1 Z I C BEGIN Z T H d 1\t****\n c C COPY 1 Z T 1 2 H d 1\t****\n c C COPY 1 Z T C COMMIT Z I '
	assert_eq "$(talk 'P - SELECT 1' 'B - -' 'E -' "P - $one" 'B - -' 'E -' 'P - SELECT 2' 'B - -' 'E -' S wait | grep '^[DdCZ]' | tr '\n' ' ')" \
		'D 1 C SELECT 1 d 1\t****\n C COPY 1 D 2 C SELECT 1 Z I '
	bad='COPY (SELECT nope FROM folk) TO STDOUT'
	for how in "Q $bad" "Q BEGIN|wait|Q $bad|wait|Q ROLLBACK" "P - $bad|B - -|E -|S" "P - SELECT 1|B - -|E -|P - $bad|B - -|E -|S"; do
		mapfile -t words < <(tr '|' '\n' <<< "$how")
		assert_has "$(talk "${words[@]}" wait 'Q SELECT 9' wait)" 'E 42703 column "nope" does not exist'
		assert_has "$(talk "${words[@]}" wait 'Q SELECT 9' wait)" 'D 9'
	done
	# A snapshot, a setting, a statement without a name: nothing is disturbed, and nothing of ours is left.
	assert_eq "$(talk 'P - SELECT 8' S wait "P c $one" S wait 'B p c' 'E p' S wait 'B - -' 'E -' S wait \
		"Q SELECT count(*) FROM pg_prepared_statements WHERE name ~ 'holdfast'" wait | grep '^[dD]' | tr '\n' ' ')" 'd 1\t****\n D 8 D 0 '
}

# Which columns it has is asked where the COPY itself would wait for a lock: a cancel and a limit work there.
test_locks_cancel_and_limits_are_those_of_the_copy() {
	mkdir -m 777 "$T/w"
	bg locker psql -Xq -h "$E2E_PGSOCK" -U postgres -d shop -p "$E2E_PGPORT" -c 'BEGIN' -c 'LOCK TABLE folk' -c '\echo locked' \
		-c "\\! while [ ! -e '$T/w/go' ]; do sleep 0.02; done # condition helper" -c 'COMMIT'
	locker=$BG
	wait_until 15 file_has "$T/locker.out" locked
	got=$(sql limit "SET statement_timeout = 200; COPY folk TO STDOUT" 2>&1) && fail 'no error'
	got=$(in_run limit -- psql -XqAt "$SHOP" -c 'SET statement_timeout = 200' -c 'COPY folk (id) TO STDOUT' 2>&1) || true
	assert_has "$got" 'statement timeout'
	bg waiting sql waiting 'COPY folk (id) TO STDOUT'
	waiting=$BG
	waits() { [ "$(admin "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'")" = 1 ]; }
	wait_until 15 waits
	signal_run waiting INT
	finish "$waiting" && fail 'was not cancelled'
	assert_has "$(out waiting)" 'user request'
	bg patient sql patient 'COPY folk (id) TO STDOUT'
	patient=$BG
	wait_until 15 waits
	touch "$T/w/go"
	finish "$patient"
	finish "$locker"
	assert_eq "$(out patient | tr '\n' ' ')" '1 2 3 4 5 '
}

run_tests

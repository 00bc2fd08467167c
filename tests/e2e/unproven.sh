#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# What may show a masked column, and what asks after one: held or denied before anything is sent.
. "$(dirname "$0")/lib.sh"

policy <<YAML
version: 1
default: {unknown: allow, other: allow}
$(standard_resources)
rules:
  - name: no-guessing
    when: {effect: read, filters_on: [masked, "*.phone"]}
    then: deny
    message: "not by guessing"
masks:
  - name: ssn
    columns: ["public.customers.ssn"]
    as: redact
    unproven: deny
  - name: email
    columns: ["public.customers.email"]
    as: partial
    unproven: hold
YAML
admin "CREATE VIEW guessed AS SELECT id, name, reverse(ssn) AS rev FROM customers; GRANT ALL ON guessed TO PUBLIC"
start_daemon || exit 1

denied() { # SQL WORDS…
	local got text=$1
	shift
	got=$(sql unp "$text" 2>&1) && fail "was not refused: $text <$got>"
	for word; do assert_has "$got" "$word"; done
	server_saw "$text" && fail "the server saw it: $text" || true
}

test_deny_says_which_column_before_anything_is_sent() {
	denied "SELECT name, upper(ssn) FROM customers" 'denied by rule "masks"' 'column 2 of its result'
	denied "SELECT rev FROM guessed" 'column 1 of its result'
	denied "SELECT customers FROM customers" 'column 1'
	denied "SELECT *, md5(ssn) FROM customers" 'its result may show'
	denied "SELECT name FROM customers UNION SELECT ssn FROM customers" 'denied by rule'
	denied "DECLARE c CURSOR WITH HOLD FOR SELECT lower(ssn) FROM customers" 'column 1'
	denied "SELECT 1; SELECT upper(ssn) FROM customers" 'may show'
	got=$(in_run unp -- "$B/tests/e2e/pqtool" prepared "$SHOP" 1 'SELECT upper(ssn) FROM customers' 2>&1) || true
	assert_has "$got" 'column 1'
}

test_columns_that_the_server_names_are_masked_and_not_denied() {
	assert_eq "$(sql unp "SELECT ssn, name FROM customers WHERE id = 1")" '****|Ada Byron'
	assert_eq "$(sql unp "SELECT * FROM customers WHERE id = 1" | cut -d '|' -f 3,4)" 'a***@example.com|****'
	assert_eq "$(sql unp "SELECT count(*), max(name) FROM customers")" '4|Grace Hopper'
	assert_eq "$(sql unp "BEGIN; SELECT 1; COMMIT")" 1
	assert_eq "$(sql unp "SELECT total FROM orders WHERE id = 2")" 3.00
	assert_eq "$(sql unp "UPDATE orders SET status = 'new' WHERE id = 1 RETURNING status")" new
	cat > "$T/c.sql" <<-'SQL'
	BEGIN;
	DECLARE c CURSOR FOR SELECT ssn, name FROM customers WHERE id = 1;
	FETCH ALL FROM c;
	COMMIT;
	SQL
	assert_eq "$(in_run unp -- psql -XqAt "$SHOP" -f "$T/c.sql")" '****|Ada Byron'
}

test_hold_shows_what_the_approver_let_through() {
	bg held sql held "SELECT upper(email), email, id FROM customers WHERE id = 1"
	h=$(wait_hold held)
	assert_has "$(out held)" 'column 1 of its result may show a masked column'
	approve "$h"
	finish "$BG"
	assert_eq "$(out held | tail -n 1)" 'ADA@EXAMPLE.COM|a***@example.com|1'
	bg refused sql held "SELECT upper(email) FROM customers WHERE id = 1"
	h=$(wait_hold held)
	deny "$h"
	finish "$BG" || true
	assert_lacks "$(out refused)" EXAMPLE
}

test_conditions_over_masked_columns_are_denied() {
	denied "SELECT id FROM customers WHERE ssn LIKE '0%'" 'no-guessing' 'not by guessing'
	denied "SELECT id FROM customers ORDER BY ssn LIMIT 1" 'no-guessing'
	denied "SELECT count(*) FROM customers GROUP BY email" 'no-guessing'
	denied "SELECT id FROM customers WHERE phone = '1'" 'no-guessing'
	denied "SELECT id FROM guessed WHERE rev > '5'" 'no-guessing'
	denied "SELECT o.id FROM orders o JOIN customers c ON c.ssn = o.status" 'no-guessing'
	denied "SELECT id FROM orders WHERE EXISTS (SELECT 1 FROM customers WHERE ssn < '5')" 'no-guessing'
	denied "SELECT 1 FROM customers, generate_series(1, ascii(ssn))" 'denied by rule'
	denied "SELECT generate_series(1, ascii(email)) FROM customers" 'denied by rule'
	denied "SELECT ssn FROM customers INTERSECT SELECT '078-05-1120'" 'denied by rule'
	assert_eq "$(sql unp "SELECT name FROM customers WHERE id = 1 AND card > '1' ORDER BY name")" 'Ada Byron'
	assert_eq "$(sql unp "SELECT count(*) FROM guessed WHERE id = 1")" 1
}

test_masked_values_that_come_back_are_refused() {
	denied "UPDATE customers SET email = 'a***@example.com', name = 'Ada Lovelace' WHERE id = 1" 'gives back a value that was masked'
	denied "INSERT INTO customers (id, ssn) VALUES (9, '****')" 'gives back'
	denied "UPDATE notes SET body = 'card ************1111 was declined' WHERE id = 1" 'gives back'
	denied "UPDATE customers SET name = 'h:0123456789abcdef' WHERE id = 1" 'gives back'
	denied "DELETE FROM customers WHERE email = 'a***@example.com'" 'gives back'
	got=$(in_run unp -- "$B/tests/e2e/pqtool" params "$SHOP" 'UPDATE customers SET email = $1 WHERE id = $2' 'a***@example.com' 1) && fail 'not refused'
	assert_has "$got" 'gives back'
	assert_has "$got" 'still usable'
	assert_eq "$(admin "SELECT email FROM customers WHERE id = 1")" ada@example.com
	# A row as it was read, but for the masked columns.
	sql unp "UPDATE notes SET body = 'rated ***** by all, 2 ** 10, **bold**' WHERE id = 2"
	in_run unp -- "$B/tests/e2e/pqtool" params "$SHOP" 'UPDATE customers SET name = $1 WHERE id = $2' 'Ada Byron' 1
}

run_tests

#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Masked means masked (P6): text and binary rows, COPY, errors, huge rows, huge results.
. "$(dirname "$0")/lib.sh"

MASK_MB=${MASK_MB:-$([ -n "${SOAK:-}" ] && echo 1024 || echo 100)}

policy <<YAML
version: 1
default: {read: allow, session: allow, other: hold}
$(standard_resources)
rules:
  - name: copy-out
    when: {effect: export}
    then: allow
  - name: scratch-is-free
    when: {object: "scratch.*", effect: [insert, update, delete]}
    then: allow
masks:
  - name: ssn
    columns: ["public.customers.ssn"]
    as: redact
    unproven: redact
  - name: email
    columns: ["*.email"]
    as: hash
    unproven: redact
  - name: vip
    columns: ["public.customers.vip"]
    as: "null"
    unproven: redact
  - name: everywhere
    detect: [credit_card, us_ssn, email]
    as: partial
YAML
start_daemon || exit 1

SECRETS='4111111111111111 5500005555555559 378282246310005 6011111111111117 078-05-1120 219-09-9999
	457-55-5462 123-45-6789 ada@example.com grace@example.org eb@example.nl bl@example.edu'
lacks_secrets() {
	local secret
	for secret in $SECRETS; do assert_lacks "$1" "$secret" 'leaked'; done
}

test_cards_are_partial_in_text_rows() {
	got=$(sql m 'SELECT card FROM customers ORDER BY id')
	lacks_secrets "$got"
	assert_has "$(echo "$got" | sed -n 1p)" 1111 'the last four digits are gone'
	assert_has "$(echo "$got" | sed -n 4p)" 1117
	assert_eq "$(echo "$got" | wc -l)" 4
}

test_columns_of_a_rule_are_masked_under_any_alias() {
	got=$(sql m 'SELECT ssn AS email, email AS id, name FROM customers AS orders ORDER BY orders.id')
	lacks_secrets "$got"
	assert_has "$got" 'Grace Hopper'
}

test_hash_is_stable_and_differs_between_values() {
	got=$(sql m 'SELECT email FROM customers ORDER BY id' && sql m 'SELECT email FROM customers ORDER BY id')
	lacks_secrets "$got"
	assert_eq "$(echo "$got" | sort -u | wc -l)" 4
}

test_null_transform_and_wire_type_of_numbers() {
	assert_eq "$(sql m 'SELECT vip, id FROM customers WHERE id = 2')" '|2'
}

test_derived_columns_are_redacted_as_unproven() {
	lacks_secrets "$(sql m 'SELECT lower(ssn), ssn || id::text, ssn::varchar FROM customers')"
	lacks_secrets "$(sql m 'SELECT ssn FROM customers UNION SELECT name FROM customers')"
	lacks_secrets "$(sql m 'SELECT customers FROM customers')"
	lacks_secrets "$(sql m 'SELECT row_to_json(c) FROM customers c')"
	lacks_secrets "$(sql m 'SELECT c.row_to_json FROM customers c' 2>&1)"
	got=$(sql m "SELECT reverse(ssn), md5(ssn), substr(ssn, 1, 5) FROM customers WHERE id = 1")
	assert_lacks "$got" 0211-50-870
	assert_lacks "$got" "$(printf '078-05-1120' | md5sum | cut -c1-32)"
	assert_lacks "$got" 078-0
}

test_null_of_a_computed_column_does_not_tell_that_a_guess_was_right() {
	got=$(sql m "SELECT nullif(ssn, '078-05-1120'), nullif(vip, 7001), to_json(nullif(ssn, 'x')), card IS NULL FROM customers ORDER BY id" -P null=NULL)
	assert_eq "$(echo "$got" | sort -u)" '****|NULL|"****"|f'
}

test_detectors_find_cards_inside_text_and_leave_the_rest() {
	got=$(sql m 'SELECT body FROM notes ORDER BY id')
	assert_lacks "$got" '4111 1111 1111 1111'
	assert_has "$got" 'was declined'
	assert_has "$got" 'nothing to see'
	assert_has "$got" '4111111111111112' 'no card by Luhn, but it was masked'
	lacks_secrets "$got"
}

test_binary_rows_by_libpq() {
	got=$(in_run m -- "$B/tests/e2e/pqtool" binary "$SHOP" 'SELECT id, card, vip, ssn FROM customers ORDER BY id')
	assert_lacks "$got" "$(printf 4111111111111111 | xxd -p)"
	assert_lacks "$got" "$(printf 078-05-1120 | xxd -p)"
	assert_has "$got" 'ROW 00000001 '
	assert_eq "$(echo "$got" | awk '/^ROW 0000/ { print $4 }' | sort -u)" -
}

test_binary_rows_by_node_in_one_segment() {
	command -v node > /dev/null || skip 'no node'
	got=$(in_run m -- node "$E2E_ROOT/tests/e2e/binary.js" 127.0.0.1 "$E2E_PGPORT" agent shop \
		'SELECT id, card, vip FROM customers ORDER BY id' 'SELECT ssn FROM customers')
	lacks_secrets "$got"
	assert_has "$got" '[1,'
	assert_has "$got" ',null]'
}

test_prepared_statement_is_masked_when_no_describe_is_sent() {
	got=$(in_run m -- "$B/tests/e2e/pqtool" prepared "$SHOP" 8 'SELECT ssn, card FROM customers WHERE id = 1')
	lacks_secrets "$got"
	assert_eq "$(echo "$got" | grep -c '^DONE SELECT 1')" 9
}

test_cursor_and_returning_keep_the_mask() {
	cat > "$T/c.sql" <<-'SQL'
	BEGIN;
	DECLARE c CURSOR FOR SELECT ssn, card FROM customers;
	FETCH 2 FROM c;
	FETCH ALL FROM c;
	COMMIT;
	SQL
	lacks_secrets "$(in_run m -- psql -XqAt "$SHOP" -f "$T/c.sql")"
}

test_copy_out_leaks_nothing() {
	for copy in 'COPY customers TO STDOUT' 'COPY (SELECT ssn, card, email FROM customers) TO STDOUT' \
		'COPY customers TO STDOUT (FORMAT csv)'; do
		lacks_secrets "$(sql m "$copy" 2>&1)"
	done
}

test_errors_and_notices_leak_nothing() {
	lacks_secrets "$(sql m "SELECT card::int FROM customers" 2>&1)"
	lacks_secrets "$(sql m "SELECT ssn::date FROM customers" 2>&1)"
	lacks_secrets "$(sql m "SELECT ('x' || email)::numeric FROM customers" 2>&1)"
}

test_parameters_that_match_a_detector_are_masked_in_the_ledger() {
	in_run m -- psql -XqAt "$SHOP" > /dev/null <<-'SQL'
	SELECT id FROM customers WHERE card = '4111111111111111' AND ssn <> '078-05-1120';
	SQL
	wait_ledger "SELECT count(*) > 0 FROM requests WHERE text LIKE '%FROM customers WHERE card%'" 1
	got=$(ledger 'SELECT text, params FROM requests; SELECT * FROM replies; SELECT * FROM events')
	lacks_secrets "$got"
	# The pages of the database too, not only what the views show.
	lacks_secrets "$(strings -n 8 "$HOLDFAST_LEDGER" "$HOLDFAST_LEDGER-wal" 2> /dev/null | grep -E '[0-9]{3}-|[0-9]{15}|@example' | tr '\n' ' ')"
}

test_command_line_of_a_run_is_recorded_without_its_secrets() {
	in_run argv -- sh -c 'exit 0' postgres://agent:hunter2-secret@db/shop 4111111111111111
	wait_ledger "SELECT count(*) FROM runs WHERE name = 'argv'" 1
	got=$(ledger "SELECT command FROM runs WHERE name = 'argv'")
	assert_lacks "$got" hunter2-secret
	assert_lacks "$got" 4111111111111111
}

test_row_over_one_mebibyte_is_masked_by_filler() {
	len=$(sql m "SELECT repeat('x', 3000000) || ' 4111111111111111 ' AS body, card, ssn FROM customers WHERE id = 1" | tee "$T/row" | wc -c)
	lacks_secrets "$(tail -c 200 "$T/row")"
	[ "$len" -ge 3000000 ] || fail "only $len bytes came"
}

test_length_or_null_of_a_computed_column_in_a_huge_row_tell_nothing() {
	for secret in "repeat('x', ascii(ssn))" "nullif(left(ssn, 1), '0')" "ssn || ''"; do
		in_run m -- /usr/bin/python3 "$E2E_ROOT/tests/e2e/wiretalk.py" "$E2E_PGPORT" \
			"Q SELECT repeat('y', 1100000), $secret FROM customers WHERE id = 1" wait > "$T/got"
		grep '^D' "$T/got" | head -c 100 > "$T/rows"
		assert_eq "$(cat "$T/rows")" ''
		assert_has "$(cat "$T/got")" 'a row of more than 1 MiB has values that cannot be masked in place'
	done
	len=$(sql m "SELECT repeat('y', 1100000), upper(name), ssn FROM customers WHERE id = 1" | wc -c)
	[ "$len" -ge 1100000 ] || fail "only $len bytes came"
}

# Peak resident memory of the enforcer, in KiB. Clearing sets the peak back to what is in use now.
clear_peak() { for p in $(enforcer_pid); do echo 5 > "/proc/$p/clear_refs"; done; }
peak() { for p in $(enforcer_pid); do sed -n 's/^VmHWM:[[:space:]]*\([0-9]*\).*/\1/p' "/proc/$p/status"; done | sort -n | tail -n 1; }

# flat BASE WHAT: no more than 48 MiB above what was in use before.
flat() {
	local now
	now=$(peak)
	echo "# $2: enforcer peak $now KiB, $1 KiB before" >> "$E2E_TMP/numbers"
	[ $((now - $1)) -lt 49152 ] || fail "enforcer went from $1 to $now KiB"
}

test_giant_row_streams_through_flat_memory() {
	clear_peak
	base=$(peak)
	len=$(sql m "SELECT repeat('y', 300000000) AS body, ssn FROM customers WHERE id = 1" | tee >(tail -c 64 > "$T/tail") | wc -c)
	[ "$len" -ge 300000000 ] || fail "only $len bytes came"
	lacks_secrets "$(cat "$T/tail")"
	flat "$base" 'one row of 300 MB'
}

test_large_result_streams_through_flat_memory() {
	rows=$((MASK_MB * 1024 * 1024 / 256))
	clear_peak
	base=$(peak)
	start=$EPOCHREALTIME
	in_run m -- "$B/tests/e2e/pqtool" stream "$SHOP" \
		"SELECT g, repeat('z', 220), c.card FROM generate_series(1, $rows) g JOIN customers c ON c.id = 1" > "$T/sum"
	assert_has "$(cat "$T/sum")" "ROWS $rows"
	assert_lacks "$(cat "$T/sum")" 4111111111111111
	flat "$base" "$MASK_MB MB of rows in $(echo "$EPOCHREALTIME - $start" | bc) s"
}

run_tests

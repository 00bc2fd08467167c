#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# What a reply gave the agent is in the ledger where the policy asks for it: after masking, however
# much it was, and never at the price of a request's own record.
. "$(dirname "$0")/lib.sh"

policy_with() { # MASKS
	policy <<-YAML
	version: 1
	default: {read: allow, session: allow, export: allow, other: allow, unknown: allow}
	resources:
	  - {name: shop, at: ["127.0.0.1:$E2E_PGPORT"], protocol: postgres, tags: [shop], record: full}
	rules:
	  - {name: orders-in-part, when: {object: orders}, then: allow, record: head}
	  - {name: notes-not-at-all, when: {object: notes}, then: allow, record: none}
	  - {name: no-drop, when: {effect: destroy}, then: deny}
	$1
	YAML
}
MASKS='masks:
  - {name: numbers, when: {tag: shop}, columns: [public.customers.ssn], as: redact}
  - {name: cards, when: {tag: shop}, detect: [credit_card], as: partial}'
policy_with "$MASKS"
start_daemon || exit 1

id_of() { ledger "SELECT max(id) FROM requests WHERE text LIKE '%$1%' AND status IS NOT NULL"; }
has_id() { [ -n "$(id_of "$1")" ]; }
contents_of() { wait_until 10 has_id "$1" && hf audit contents "$(id_of "$1")"; }
recorded() { ledger "SELECT contents || '|' || contents_len FROM requests WHERE id = $(id_of "$1")"; }

test_rows_are_there_as_the_agent_got_them() {
	sql one "SELECT id, name, ssn, card FROM customers ORDER BY id /* seen1 */" > "$T/given"
	contents_of seen1 > "$T/kept"
	assert_eq "$(head -n 2 "$T/kept")" "$(printf '#id\tname\tssn\tcard\n=1\tAda Byron\t****\t************1111')"
	assert_eq "$(sed -n 's/^=//p' "$T/kept" | tr '\t' '|')" "$(cat "$T/given")"
	assert_eq "$(recorded seen1)" "full|$(wc -c < "$T/kept")"
	sql one "COPY (SELECT id, ssn FROM customers ORDER BY id) TO STDOUT /* seen18 */" > "$T/given"
	assert_eq "$(contents_of seen18 | sed -n 's/^=//p')" "$(cat "$T/given")"
	assert_eq "$(contents_of seen18 | sed -n 2p)" "$(printf '=1\t****')"
	if grep -aqE '078-05-1120|4111111111111111' "$HOLDFAST_LEDGER" "$HOLDFAST_LEDGER-wal" "$G/run/journal/"*; then fail 'a protected value was recorded'; fi
}

test_masked_values_are_counted_by_rule() {
	sql two "SELECT ssn, card FROM customers /* seen2 */" > /dev/null
	wait_ledger "SELECT masked_by FROM requests WHERE text LIKE '%seen2%'" 'numbers=4 cards=4'
}

test_null_tabs_and_bytes_can_be_told_apart() {
	sql odd "SELECT NULL, '', E'a\\tb\\\\n\\nc', '\\x00ff'::bytea /* seen3 */" > /dev/null
	assert_eq "$(contents_of seen3 | sed -n 's/^=//p')" "$(printf '\\N\t\ta\\tb\\\\n\\nc\t\\\\x00ff')"
	in_run odd -- "$B/tests/e2e/pqtool" binary "$SHOP" "SELECT 7::int4, -2::int8, 'x'::text, true, '\\x0a'::bytea /* seen4 */" > /dev/null
	assert_eq "$(contents_of seen4 | sed -n 's/^=//p')" "$(printf '7\t-2\tx\tt\t\\x0a')"
}

test_no_size_is_too_large() {
	# 60 MB in rows, a value of 3 MB among them, and lines of COPY as long.
	sql big "SELECT i, repeat(md5(i::text), 60) FROM generate_series(1, 30000) i /* seen5 */" > "$T/given"
	sql big "SELECT 1, repeat('y', 3000000), NULL, '' /* seen6 */" > "$T/long"
	# Lines of COPY are refused where columns are masked.
	policy_with ''
	hf reload > /dev/null
	sql big "COPY (SELECT repeat('z', 2000000) UNION ALL SELECT 'end') TO STDOUT /* seen7 */" > "$T/copy"
	policy_with "$MASKS"
	hf reload > /dev/null
	contents_of seen5 | sed -n 's/^=//p' | tr '\t' '|' | cmp - "$T/given"
	contents_of seen6 | sed -n 's/^=//p' | sed 's/\\N//' | tr '\t' '|' | cmp - "$T/long"
	contents_of seen7 | sed -n 's/^<//p' | cmp - "$T/copy"
	assert_eq "$(recorded seen5 | cut -d '|' -f 1)" full
}

test_a_head_is_a_head_and_none_is_none() {
	sql some "SELECT o.*, repeat('h', 1000) FROM orders o /* seen8 */" > /dev/null
	contents_of seen8 > "$T/kept"
	assert_eq "$(recorded seen8)" 'head|16384'
	assert_eq "$(wc -c < "$T/kept")" 16384
	sql some "SELECT * FROM notes /* seen9 */" > /dev/null
	wait_until 10 has_id seen9
	assert_exit 5 hf audit contents "$(id_of seen9)"
	assert_eq "$(ledger "SELECT status || '|' || n_rows || '|' || tag FROM requests WHERE id = $(id_of seen9)")" 'ok|0|'
}

test_notices_and_errors_are_contents_and_a_refusal_has_none() {
	says="DO \$\$BEGIN RAISE NOTICE 'card 4111111111111111'; RAISE EXCEPTION 'no' USING DETAIL = 'why'; END\$\$"
	sql say "$says /* seen10 */" > /dev/null 2>&1 || true
	assert_eq "$(contents_of seen10 | grep -c '^!withheld by holdfast')" 2
	policy_with ''
	hf reload > /dev/null
	sql say "$says /* seen17 */" > /dev/null 2>&1 || true
	policy_with "$MASKS"
	hf reload > /dev/null
	assert_eq "$(contents_of seen17)" "$(printf '!card 4111111111111111\tPL/pgSQL function inline_code_block line 1 at RAISE\n!no\twhy\tPL/pgSQL function inline_code_block line 1 at RAISE')"
	sql say "DROP TABLE orders /* seen11 */" > /dev/null 2>&1 || true
	wait_until 10 has_id seen11
	assert_eq "$(recorded seen11)" '|0'
}

test_people_and_shippers_see_them() {
	sql show "SELECT name, ssn FROM customers ORDER BY id /* seen12 $(printf '\033[2J') */" > /dev/null
	sql show "SELECT E'\\033[2Jowned' AS evil /* seen13 */" > /dev/null
	wait_until 10 has_id seen13
	session=$(ledger "SELECT session FROM requests WHERE id = $(id_of seen12)")
	hf replay "$session" > "$T/replay"
	assert_has "$(cat "$T/replay")" '│ = Ada Byron │ ****'
	assert_has "$(cat "$T/replay")" '4 values masked by columns=4 of numbers=4'
	hf replay --html "$T/page.html" "$session"
	assert_has "$(cat "$T/page.html")" 'Ada Byron'
	evil=$(ledger "SELECT session FROM requests WHERE id = $(id_of seen13)")
	hf replay "$evil" > "$T/evil"
	if grep -q "$(printf '\033')" "$T/evil"; then fail 'a raw escape reached the terminal'; fi
	script -qec "'$B/holdfast' audit contents $(id_of seen13)" /dev/null > "$T/tty"
	if grep -q "$(printf '\033')" "$T/tty"; then fail 'a raw escape reached the terminal'; fi
	hf audit export --type content | jq -es --argjson id "$(id_of seen12)" \
		'map(select(.request == $id)) | .[0].text | startswith("#name\tssn\n=Ada Byron\t****\n")' > /dev/null
	# Without us too.
	assert_has "$(ledger "SELECT sqlar_uncompress(bytes, text_len) FROM contents WHERE request = $(id_of seen12)")" '=Ada Byron'
}

test_a_full_journal_drops_contents_and_no_request() {
	local scribe
	scribe=$(scribe_pid)
	kill -STOP "$scribe"
	# More than half of a ring of 16 MB, of what hardly gets shorter.
	sql full "SELECT encode(sha512((i::text || 'x')::bytea), 'base64') FROM generate_series(1, 350000) i /* seen14 */" > "$T/given" || { kill -CONT "$scribe"; fail 'the agent noticed'; }
	sql full "SELECT 'after' /* seen15 */" > "$T/after" || { kill -CONT "$scribe"; fail 'the next request was refused'; }
	kill -CONT "$scribe"
	assert_eq "$(cat "$T/after")" after
	contents_of seen14 > "$T/kept"
	assert_eq "$(recorded seen14)" "dropped|$(wc -c < "$T/kept")"
	[ "$(wc -c < "$T/kept")" -gt 1000000 ] || fail "only $(wc -c < "$T/kept") bytes were kept"
	assert_eq "$(ledger "SELECT status || '|' || n_rows FROM requests WHERE id = $(id_of seen14)")" 'ok|350000'
}

test_what_came_before_a_cut_is_kept() {
	bg cut in_run cut -- psql -XqAt "$SHOP" --set FETCH_COUNT=0 -c "SELECT i, pg_sleep(CASE WHEN i = 50 THEN 60 ELSE 0 END) FROM generate_series(1, 50) i /* seen16 */"
	busy() { [ "$(admin "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%seen16%' AND state = 'active' AND pid <> pg_backend_pid()")" -gt 0 ]; }
	wait_until 10 busy
	admin "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE '%seen16%' AND pid <> pg_backend_pid()" > /dev/null
	finish "$BG" || true
	wait_until 10 has_id seen16
}

test_the_chain_covers_contents() {
	stop_daemon
	hf audit verify --key "$G/keys/checkpoint.pub" || fail 'it does not verify untouched'
	cp "$HOLDFAST_LEDGER" "$T/changed.db"
	sqlite3 "$T/changed.db" "UPDATE content SET bytes = x'3d686f6c646661737400', text_len = 10 WHERE id = (SELECT min(id) FROM content)"
	assert_exit 1 hf audit verify --ledger "$T/changed.db" --key "$G/keys/checkpoint.pub"
	assert_has "$OUT" 'content 1'
}

run_tests

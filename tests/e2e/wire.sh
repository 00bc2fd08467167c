#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The wire as real clients and odd ones use it: cancel keys, COPY, garbage, other protocols.
. "$(dirname "$0")/lib.sh"

ECHO_PORT=$(free_port) RAW="$E2E_ROOT/tests/e2e/raw.py"
raw() { /usr/bin/python3 "$RAW" "$@"; }
policy <<YAML
version: 1
default: {read: allow, session: allow, other: hold}
$(standard_resources)
  - name: echo
    at: ["127.0.0.1:$ECHO_PORT"]
    protocol: opaque
    tags: [other]
rules:
  - name: sleep-is-fine
    when: {effect: execute, object: ["pg_sleep", "pg_catalog.pg_sleep"]}
    then: allow
  - name: copy-in-to-scratch
    when: {effect: [import, insert], object: "scratch.*"}
    then: allow
  - name: copy-in-elsewhere
    when: {effect: import}
    unless: {object: "scratch.*"}
    then: deny
    message: "No bulk loads."
  - name: copy-out
    when: {effect: export, object: "*.orders"}
    then: allow
  - name: calls
    when: {effect: [unknown, execute]}
    unless: {object: ["pg_sleep", "pg_catalog.pg_sleep"]}
    then: deny
YAML
start_daemon || exit 1

running() { [ "$(admin "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query LIKE '%pg_sleep($1)%' AND pid <> pg_backend_pid()")" -gt 0 ]; }

test_interrupt_cancels_a_running_query() {
	bg psql in_run cancel -- psql -XqAt -v VERBOSITY=verbose "$SHOP" -c 'SELECT pg_sleep(31)'
	wait_until 10 running 31
	pkill -INT -f '^[^ ]*psql .*pg_sleep.31'
	finish "$BG" 10 || true
	assert_has "$(out psql)" 57014
}

# A NAT forgets a connection that is silent; a person may take hours to decide.
test_both_legs_are_kept_alive_while_it_is_held() {
	bg held sql alive 'DELETE FROM scratch.t WHERE id = -1'
	h=$(wait_hold alive)
	ss -Htno state established > "$T/legs"
	assert_eq "$(grep -c ":$HF_PORT .*timer:(keepalive,[0-2][0-9]*sec," "$T/legs")" 1 "$(cat "$T/legs")"
	assert_eq "$(grep ":$E2E_PGPORT " "$T/legs" | grep -c 'timer:(keepalive,[0-2][0-9]*sec,')" 1 "$(cat "$T/legs")"
	approve "$h"
	finish "$BG"
}

test_keys_are_ours_and_no_other_run_may_use_them() {
	bg keys in_run keys -- /usr/bin/python3 "$RAW" keys 127.0.0.1 "$E2E_PGPORT"
	wait_until 10 file_has "$T/keys.out" KEYS
	read -r _ pid key <<< "$(grep ^KEYS "$T/keys.out")"
	wait_until 10 running 30
	# To the server itself, from outside: the id is its own, the key is not.
	raw cancel 127.0.0.1 "$E2E_PGPORT" "$pid" "$key"
	in_run thief -- /usr/bin/python3 "$RAW" cancel 127.0.0.1 "$E2E_PGPORT" "$pid" "$((key ^ 1))"
	in_run thief -- /usr/bin/python3 "$RAW" cancel 127.0.0.1 "$E2E_PGPORT" "$pid" "$key"
	admin 'SELECT pg_sleep(0.3)' > "$T/while"
	running 30
	signal_run keys TERM
	finish "$BG" 10 || true
}

test_cancel_request_of_the_same_run_ends_the_query() {
	got=$(in_run own -- /usr/bin/python3 "$RAW" selfcancel 127.0.0.1 "$E2E_PGPORT")
	assert_has "$got" 'ERROR 57014'
	assert_has "$got" 'READY I'
}

# A request that is to be held waits for the answer to the one before it: a cancel then is for that one.
test_cancel_while_the_next_request_drains_is_for_the_one_that_runs() {
	local behind h
	bg behind in_run behind -- /usr/bin/python3 "$RAW" behind 127.0.0.1 "$E2E_PGPORT" 'UPDATE orders SET status = status WHERE id = 34 RETURNING id'
	behind=$BG
	h=$(wait_hold behind)
	assert_eq "$(out behind | grep -c 'ERROR 57014')" 1 "$(out behind)"
	admin 'SELECT pg_sleep(0.3)' > "$T/while"
	has_hold behind || fail 'the cancel was for both'
	approve "$h"
	finish "$behind" 10
	assert_has "$(out behind)" "ROW b'\\x00\\x01\\x00\\x00\\x00\\x0234'"
	assert_eq "$(out behind | grep -c ERROR)" 1
	wait_ledger "SELECT group_concat(status, ' ') FROM (SELECT status FROM requests WHERE run_name = 'behind' AND (text LIKE '%pg_sleep(34)' OR text LIKE 'UPDATE%') ORDER BY id)" 'error ok'
}

# The end of the connection says that no cancel is on its way that could meet the next statement. The postmaster
# takes none while it is stopped.
test_cancel_connection_ends_when_the_server_has_been_told() {
	local postmaster
	postmaster=$(admin 'SELECT pg_read_file($$postmaster.pid$$)' | head -n 1)
	mkfifo "$T/go"
	exec 5<> "$T/go"
	bg keys in_run cancels -- /usr/bin/python3 "$RAW" cancels 127.0.0.1 "$E2E_PGPORT" <&5
	wait_until 10 running 35
	kill -STOP "$postmaster"
	echo go >&5
	wait_until 10 file_has "$T/keys.out" asked || { kill -CONT "$postmaster"; fail 'not asked'; }
	wait_ledger "SELECT count(*) FROM events WHERE kind = 'cancel' AND run = (SELECT max(id) FROM runs WHERE name = 'cancels')" 1 || { kill -CONT "$postmaster"; fail 'no cancel'; }
	grep -q EOF "$T/keys.out" && echo early > "$T/early"
	kill -CONT "$postmaster"
	finish "$BG" 15
	[ ! -e "$T/early" ] || fail 'the client was told before the server'
	assert_has "$(out keys)" EOF
	assert_has "$(out keys)" 'ERROR 57014'
}

test_copy_in_where_allowed() {
	printf '1\tone\n2\ttwo\n\\.\n' | in_run copy -- psql -XqAt "$SHOP" -c 'COPY scratch.t FROM STDIN'
	assert_eq "$(admin 'SELECT count(*) FROM scratch.t')" 2
	wait_ledger "SELECT count(*) > 0 FROM requests WHERE text LIKE 'COPY scratch.t FROM%' AND effects LIKE '%import%'" 1
}

test_copy_in_where_denied_reaches_no_server() {
	printf '101\t1\n\\.\n' > "$T/data"
	assert_exit 1 in_run copy -- psql -XqAt "$SHOP" -c 'COPY orders (id, customer) FROM STDIN' < "$T/data"
	assert_has "$OUT" 'No bulk loads'
	if server_saw 'COPY orders (id'; then fail 'the server saw it'; fi
}

test_data_after_a_failed_copy_is_not_run() {
	# A client that keeps sending "data" although the server refused the COPY (protocol desync).
	cat > "$T/desync.sql" <<-'SQL'
	COPY scratch.nowhere FROM STDIN;
	DELETE FROM orders;
	\.
	SELECT 'end';
	SQL
	bg psql in_run desync -- psql -XqAt "$SHOP" -f "$T/desync.sql"
	finish "$BG" 10 || true
	assert_eq "$(admin 'SELECT count(*) FROM orders')" 100
}

test_copy_out_where_allowed() {
	assert_eq "$(sql copy 'COPY public.orders TO STDOUT' | wc -l)" 100
	bg program sql prog "COPY orders TO PROGRAM 'cat'"
	if h=$(wait_hold prog 3 2> /dev/null); then deny "$h"; fi
	if finish "$BG"; then fail 'it was allowed'; fi
	if server_saw 'TO PROGRAM'; then fail 'the server saw it'; fi
}

test_function_call_is_refused_with_an_error_and_the_session_lives() {
	got=$(in_run call -- /usr/bin/python3 "$RAW" call 127.0.0.1 "$E2E_PGPORT")
	assert_has "$got" 'ERROR 42501'
	assert_has "$got" 'READY I'
}

test_query_in_the_segment_of_the_startup_message_is_judged() {
	bg early in_run early -- /usr/bin/python3 "$RAW" early 127.0.0.1 "$E2E_PGPORT" 'DELETE FROM orders /* early */'
	if h=$(wait_hold early 5 2> /dev/null); then deny "$h"; fi
	finish "$BG" || true
	if server_saw '/* early */'; then fail 'the server saw it'; fi
}

test_garbage_ends_that_session_and_no_other() {
	bg calm sql calm 'SELECT pg_sleep(0.5), 42'
	for _ in 1 2 3; do in_run noise -- /usr/bin/python3 "$RAW" garbage 127.0.0.1 "$E2E_PGPORT"; done > "$T/noise"
	finish "$BG"
	assert_has "$(out calm)" 42
	assert_eq "$(grep -cE 'EOF|RESET' "$T/noise")" 3
	wait_ledger "SELECT count(*) FROM sessions WHERE run_name = 'noise' AND reason LIKE '%protocol%'" 3
	assert_eq "$(sql calm 'SELECT 43')" 43
}

test_unit_of_two_gibibytes_is_cut_and_recorded() {
	got=$(in_run flood -- /usr/bin/python3 "$RAW" flood 127.0.0.1 "$E2E_PGPORT")
	assert_has "$got" CUT
	wait_ledger "SELECT count(*) > 0 FROM sessions WHERE run_name = 'flood' AND end_at IS NOT NULL AND bytes_up < 70000000" 1
	assert_eq "$(sql calm 'SELECT 44')" 44
}

# A session that is ended says a last word to its client before it goes: the reason is what came first.
test_why_a_session_ended_is_what_the_ledger_says() {
	in_run fatal -- /usr/bin/python3 "$RAW" flood 127.0.0.1 "$E2E_PGPORT" > /dev/null
	wait_ledger "SELECT s.reason FROM sessions s JOIN events e ON e.session = s.id WHERE s.run_name = 'fatal' AND
		e.kind = 'session-fatal' AND e.detail = s.reason" 'the request is larger than what can be judged whole'
	sql bye 'SELECT 46' > /dev/null
	wait_ledger "SELECT reason FROM sessions WHERE run_name = 'bye'" 'client said good-bye'
	in_run turned -- psql -XqAt "host=127.0.0.1 port=$E2E_PGPORT user=no-such-role dbname=shop" -c 'SELECT 1' > /dev/null 2>&1 || true
	wait_ledger "SELECT count(*) FROM sessions WHERE reason = 'finished'" 0
}

test_unfinished_requests_of_one_run_fill_no_more_than_its_share() {
	for p in $(enforcer_pid); do echo 5 > "/proc/$p/clear_refs"; done
	peak() { for p in $(enforcer_pid); do sed -n 's/^VmHWM:[[:space:]]*\([0-9]*\).*/\1/p' "/proc/$p/status"; done; }
	before=$(peak)
	got=$(in_run pile -- /usr/bin/python3 "$RAW" pile 127.0.0.1 "$E2E_PGPORT" 26)
	after=$(peak)
	echo "# 26 unfinished requests of 16 MiB: enforcer peak $after KiB, $before KiB before" >> "$E2E_TMP/numbers"
	[ $((after - before)) -lt $((420 * 1024)) ] || fail "from $before to $after KiB"
	assert_lacks "$got" '26 live'
	wait_ledger "SELECT count(*) > 0 FROM events WHERE kind = 'session-fatal' AND detail LIKE '%more in memory than a run may'" 1
	assert_eq "$(sql calm 'SELECT 45')" 45
	got=$(in_run pile -- /usr/bin/python3 "$RAW" pile 127.0.0.1 "$E2E_PGPORT" 2)
	assert_has "$got" '2 live'
}

test_opaque_resource_passes_bytes_and_says_so_in_the_ledger() {
	bg echo raw echo "$ECHO_PORT"
	echo_pid=$BG
	wait_until 5 file_has "$T/echo.out" listening
	got=$(in_run opaque -- /usr/bin/python3 -c "
import socket
s = socket.create_connection(('127.0.0.1', $ECHO_PORT))
s.sendall(b'PING\r\n')
print(s.recv(100))
s.close()")
	kill "$echo_pid"
	assert_eq "$got" "b'PING\r\n'"
	wait_ledger "SELECT count(*) > 0 FROM sessions WHERE protocol = 'opaque' AND resource = 'echo' AND bytes_up = 6 AND bytes_down = 6" 1
}

test_many_connections_at_once() {
	in_run many -- sh -c "for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
		psql -XqAt '$SHOP' -c \"SELECT \$i\" & done; wait" | sort -n | tr '\n' ' ' > "$T/got"
	assert_eq "$(cat "$T/got")" "$(seq 20 | tr '\n' ' ')"
}

run_tests

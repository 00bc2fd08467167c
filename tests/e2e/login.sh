#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Start-up and authentication pass through; what is not listed is judged; what cannot be reached says so.
. "$(dirname "$0")/lib.sh"

DEAD_PORT=$(free_port)
policy <<YAML
version: 1
default: {read: allow, session: allow, other: hold}
$(standard_resources)
  - name: nobody-home
    at: ["127.0.0.1:$DEAD_PORT"]
    protocol: postgres
    tags: [production-db]
rules:
  - name: no-settings
    when: {effect: admin}
    then: deny
    message: "Settings are not yours to change."
YAML
start_daemon || exit 1

login() { PGPASSWORD=$2 in_run login -- psql -XqAt "host=127.0.0.1 port=$E2E_PGPORT user=$1 dbname=shop" -c 'SELECT current_user'; }

test_scram_login() { assert_eq "$(login scram_user scram-secret)" scram_user; }
test_md5_login() { assert_eq "$(login md5_user md5-secret)" md5_user; }
test_password_login() { assert_eq "$(login plain_user plain-secret)" plain_user; }

test_wrong_password_gets_the_servers_own_error() {
	assert_exit 2 login scram_user wrong
	assert_has "$OUT" 'password authentication failed for user "scram_user"'
	wait_ledger "SELECT status, code, message FROM replies ORDER BY request DESC LIMIT 1" \
		'error|28P01|password authentication failed for user "scram_user"'
}

test_passwords_are_nowhere_in_the_ledger() {
	wait_ledger "SELECT count(*) > 0 FROM sessions WHERE role = 'plain_user'" 1
	for f in "$HOLDFAST_LEDGER" "$HOLDFAST_LEDGER-wal" "$G/daemon.log"; do
		[ ! -e "$f" ] || ! grep -aq 'plain-secret\|md5-secret\|scram-secret' "$f" || fail "a password is in $f"
	done
}

test_listed_parameters_pass() {
	got=$(in_run ok -- env PGAPPNAME=billing PGCLIENTENCODING=UTF8 PGTZ=UTC psql -XqAt "$SHOP" -c "SHOW application_name; SHOW timezone")
	assert_has "$got" UTC
	wait_ledger "SELECT count(*) > 0 FROM sessions WHERE application = 'billing'" 1
}

test_unlisted_startup_option_is_refused_by_name() {
	assert_exit 2 in_run opt -- env PGOPTIONS='-c session_replication_role=replica' psql -XqAt -v VERBOSITY=verbose "$SHOP" -c 'SELECT 1'
	assert_has "$OUT" FATAL
	assert_has "$OUT" session_replication_role
	if server_saw session_replication_role; then fail 'the server saw it'; fi
}

test_startup_parameter_as_setting_is_judged_like_set() {
	assert_exit 2 in_run opt -- psql -XqAt "$SHOP options='-c search_path=scratch -c role=postgres'" -c 'SELECT 1'
	assert_has "$OUT" FATAL
}

test_raw_startup_with_42501_and_duplicates() {
	got=$(in_run raw -- /usr/bin/python3 "$E2E_ROOT/tests/e2e/raw.py" startup 127.0.0.1 "$E2E_PGPORT" \
		user=agent database=shop session_replication_role=replica)
	assert_has "$got" 'FATAL 42501'
	assert_has "$got" session_replication_role
	got=$(in_run raw -- /usr/bin/python3 "$E2E_ROOT/tests/e2e/raw.py" startup 127.0.0.1 "$E2E_PGPORT" \
		user=plain_user user=agent database=shop)
	assert_has "$got" FATAL
	got=$(in_run raw -- /usr/bin/python3 "$E2E_ROOT/tests/e2e/raw.py" startup 127.0.0.1 "$E2E_PGPORT" \
		user=agent database=shop replication=database)
	assert_has "$got" FATAL
}

test_sslmode_require_fails_cleanly_and_prefer_works() {
	assert_exit 2 in_run ssl -- psql -XqAt "$SHOP sslmode=require" -c 'SELECT 1'
	assert_has "$OUT" 'does not support SSL'
	assert_eq "$(in_run ssl -- psql -XqAt "$SHOP sslmode=prefer gssencmode=prefer" -c 'SELECT 1')" 1
}

test_unreachable_server_gives_08001_with_target_and_errno() {
	assert_exit 2 in_run dead -- psql -XqAt "host=127.0.0.1 port=$DEAD_PORT user=agent dbname=shop" -c 'SELECT 1'
	assert_has "$OUT" FATAL
	assert_has "$OUT" "127.0.0.1:$DEAD_PORT"
	assert_has "$OUT" 'refused'
	got=$(in_run dead -- /usr/bin/python3 "$E2E_ROOT/tests/e2e/raw.py" startup 127.0.0.1 "$DEAD_PORT" user=agent database=shop)
	assert_has "$got" 'FATAL 08001'
}

test_target_that_no_resource_names_is_refused() {
	other=$(free_port)
	/usr/bin/python3 "$E2E_ROOT/tests/e2e/raw.py" serve "$other" > "$T/served" &
	server=$!
	wait_until 5 file_has "$T/served" listening
	assert_exit 2 in_run other -- psql -XqAt "host=127.0.0.1 port=$other user=agent dbname=shop" -c 'SELECT 1'
	kill "$server"
	assert_lacks "$(cat "$T/served")" bytes 'bytes arrived'
}

test_getpeername_gives_the_address_that_was_asked_for() {
	got=$(in_run peer -- /usr/bin/python3 -c "
import socket
s = socket.create_connection(('127.0.0.1', $E2E_PGPORT))
print(s.getpeername()[1])")
	assert_eq "$got" "$E2E_PGPORT"
	assert_eq "$(in_run peer -- psql -XqAt "$SHOP" -c '\conninfo' | grep -o "port \"$E2E_PGPORT\"")" "port \"$E2E_PGPORT\""
}

test_mapped_address_on_a_v6_socket() {
	got=$(in_run mapped -- /usr/bin/python3 -c "
import socket, struct
s = socket.socket(socket.AF_INET6)
s.connect(('::ffff:127.0.0.1', $E2E_PGPORT))
s.sendall(struct.pack('!ii', 8, 80877103))
print(s.recv(1))")
	assert_eq "$got" "b'N'"
}

run_tests

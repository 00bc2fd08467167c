#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Masks follow values through the text of a statement: what provably shows nothing protected comes as it
# is, byte for byte; of everything else not a byte of a protected value arrives, in any form.
. "$(dirname "$0")/lib.sh"

L=$E2E_ROOT/tests/e2e/lineage
policy <<YAML
version: 1
default: {unknown: allow, other: allow}
$(standard_resources)
masks:
  - name: people
    columns: ["lab.people.ssn", "lab.people.email", "lab.parted.ssn", "lab.made.ssn"]
    as: redact
YAML
psql -XqAt -v ON_ERROR_STOP=1 -h "$E2E_PGSOCK" -p "$E2E_PGPORT" -U postgres -d shop -f "$L/fixture.sql"
start_daemon || exit 1

inside() { in_run lin -- /usr/bin/python3 "$L/client.py" ask "$E2E_PGPORT" "$1"; }
direct() { /usr/bin/python3 "$L/client.py" ask "$E2E_PGPORT" "$1"; }

test_what_shows_nothing_protected_comes_as_it_is() {
	direct "$L/clear.sql" > "$T/direct"
	inside "$L/clear.sql" > "$T/inside"
	/usr/bin/python3 "$L/client.py" differ "$T/direct" "$T/inside"
}

test_nothing_protected_comes_in_any_form() {
	inside "$L/leaks.sql" > "$T/inside"
	/usr/bin/python3 "$L/client.py" leaks "$T/inside"
	# The scan finds what is there: the same statements without us leak nearly all of them.
	sed -n '/^SELECT/p' "$L/leaks.sql" > "$T/selects.sql"
	direct "$T/selects.sql" > "$T/direct"
	n=$(/usr/bin/python3 "$L/client.py" leaks "$T/direct" | sed 's/.* by: //' | sort -u | wc -l)
	[ "$n" -ge 60 ] || fail "only $n statements leak without us"
}

test_results_of_calls_by_number_are_withheld() {
	oid=$(admin "SELECT 'lab.one_ssn(int)'::regprocedure::oid")
	/usr/bin/python3 "$L/client.py" call "$E2E_PGPORT" "$oid" 1 > "$T/direct"
	in_run lin -- /usr/bin/python3 "$L/client.py" call "$E2E_PGPORT" "$oid" 1 > "$T/inside"
	/usr/bin/python3 "$L/client.py" leaks "$T/direct" > "$T/found" && fail 'nothing to withhold'
	/usr/bin/python3 "$L/client.py" leaks "$T/inside"
}

test_what_others_notify_may_come_from_anywhere() {
	bg listen in_run lin -- /usr/bin/python3 "$L/client.py" listen "$E2E_PGPORT"
	wait_until 10 file_has "$T/listen.out" listening
	admin "SELECT pg_notify('lab', reverse(ssn)) FROM lab.people; SELECT pg_notify('lab', 'end of it')"
	finish "$BG"
	sed -i /^listening/d "$T/listen.out"
	/usr/bin/python3 "$L/client.py" leaks "$T/listen.out"
	assert_has "$(out listen)" "$(printf 'lab' | xxd -p)"
}

test_settings_of_the_session_come_as_they_are() {
	got=$(in_run lin -- psql -XqAt "$SHOP" -c "SET application_name = 'my app'" -c 'SHOW application_name' -c 'SELECT count(*) FROM lab.people')
	assert_eq "$got" "$(printf 'my app\n3')"
}

run_tests

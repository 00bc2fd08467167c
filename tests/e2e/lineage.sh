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

run_tests

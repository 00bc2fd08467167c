#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Noninterference: two databases that differ in nothing but protected values. Whatever is asked, in
# queries that nobody thought of, the agent gets the same bytes from both.
. "$(dirname "$0")/lib.sh"

L=$E2E_ROOT/tests/e2e/lineage
TWINS_N=${TWINS_N:-$([ -n "${SOAK:-}" ] && echo 20000 || echo 150)}
TWINS_SEED=${TWINS_SEED:-$RANDOM}
policy <<YAML
version: 1
default: {unknown: allow, other: allow}
$(standard_resources)
rules:
  - name: no-guessing
    when: {filters_on: masked}
    then: deny
masks:
  - name: people
    columns: ["lab.people.ssn", "lab.people.email", "lab.parted.ssn", "lab.made.ssn"]
    as: redact
YAML
psql -XqAt -v ON_ERROR_STOP=1 -h "$E2E_PGSOCK" -p "$E2E_PGPORT" -U postgres -d shop -f "$L/fixture.sql"
DB=postgres admin "CREATE DATABASE shop_twin TEMPLATE shop OWNER agent"
{
	echo "TRUNCATE lab.people, lab.orders, lab.parted, lab.made, lab.free;"
	awk '/^INSERT/ { on = 1 } on; /;$/ { on = 0 }' "$L/fixture.sql" | sed 's/Zq7Kx9Wm2Lp4/other-one/; s/Rd5Gs1Yk8Bv3/another secret/
		s/Hf2Lt6Jc9Wq7/1/; s/Vb3Nf8Hc6Tj1/zzz/; s/Xw9Qm4Zp7Dn2/London/; s/Ks8Vx3Rb5Gz1/Ada/'
	echo "REFRESH MATERIALIZED VIEW lab.m_secret;"
} | psql -XqAt -v ON_ERROR_STOP=1 -h "$E2E_PGSOCK" -p "$E2E_PGPORT" -U postgres -d shop_twin
start_daemon || exit 1

TEST_SECS=$((TWINS_N + 60))

test_twins_answer_alike() {
	/usr/bin/python3 "$L/random_queries.py" "$TWINS_SEED" "$TWINS_N" > "$T/queries"
	for db in shop shop_twin; do
		in_run twin -- env LAB_DB=$db /usr/bin/python3 "$L/client.py" ask "$E2E_PGPORT" "$T/queries" > "$T/$db.inside"
		LAB_DB=$db /usr/bin/python3 "$L/client.py" ask "$E2E_PGPORT" "$T/queries" > "$T/$db.direct"
	done
	# Without us the twins are told apart, or the test would say nothing.
	direct=$(/usr/bin/python3 "$L/client.py" differ "$T/shop.direct" "$T/shop_twin.direct") || true
	echo "$direct" | tail -n 1
	n=$(echo "$direct" | grep -c ^DIFFERS) || true
	[ "$n" -gt $((TWINS_N / 10)) ] || fail "only $n queries tell the twins apart without us"
	inside=$(/usr/bin/python3 "$L/client.py" differ "$T/shop.inside" "$T/shop_twin.inside") ||
		fail "seed $TWINS_SEED tells the twins apart: $(echo "$inside" | head -c 5000)"
	echo "# twins, seed $TWINS_SEED: direct ${direct##*\#}; through holdfast ${inside##*\#}" >> "$E2E_TMP/numbers"
}

run_tests

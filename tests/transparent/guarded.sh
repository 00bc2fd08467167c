#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The same random sequences where the policy does not let everything write, so that reads wear the belt and
# commits are asked about: of what is allowed a client notices neither, in no order of messages. SEED=… chooses
# others, and repeats what failed; SOAK=1 takes some by chance, and its time.
. "$(dirname "$0")/lib.sh"

SEED=${SEED:-${SOAK:+$((RANDOM % 20000))}}
SEED=${SEED:-77}
TEST_SECS=${SOAK:+3600}
TEST_SECS=${TEST_SECS:-200}
policy <<YAML
version: 1
default: {read: allow, session: allow, export: allow, other: deny}
resources:
  - name: all
    at: ["127.0.0.1:$E2E_PGPORT"]
    protocol: postgres
rules:
  - name: scratch-is-free
    when: {object: "scratch.t", effect: [insert, update, delete]}
    then: allow
  - name: settings-of-transactions
    when: {effect: admin}
    then: allow
YAML
admin "CREATE VIEW quiet AS SELECT id, upper(body) AS b FROM notes;
CREATE VIEW loud AS SELECT v, count(*) OVER () AS n FROM scratch.t;
GRANT ALL ON ALL TABLES IN SCHEMA public TO PUBLIC"
DB=postgres admin 'DROP DATABASE shop_as_new'
DB=postgres admin 'CREATE DATABASE shop_as_new TEMPLATE shop OWNER agent'
start_daemon || exit 1

test_random_sequences_under_belt_and_guard() {
	echo "SEED=$SEED"
	same guarded /usr/bin/python3 "$HERE/property.py" "$E2E_PGPORT" "$SEED" "${SOAK:+20}60" guarded
	lacks_trace guarded
	assert_lacks "$(cat "$T/guarded.through")" holdfast
	n=$(ledger 'SELECT count(*) FROM requests')
	grep -c '^====' "$T/guarded.direct" | sed "s/.*/guarded: & sequences of $n requests, the same on both ways (seed $SEED)/" >> "$E2E_TMP/numbers"
}

run_tests

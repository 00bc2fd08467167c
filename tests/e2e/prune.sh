#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Retention of a real ledger: whole sealed parts go, what is under legal hold stays, and the rest is verified.
. "$(dirname "$0")/lib.sh"

policy <<YAML
version: 1
default: {read: allow, session: allow, other: hold}
resources:
  - {name: shop, at: ["127.0.0.1:$E2E_PGPORT"], protocol: postgres, record: full}
YAML
config <<YAML
legal_hold: ["case-*"]
YAML
start_daemon || exit 1

verify() { hf audit verify --key "$G/keys/checkpoint.pub" --head "$G/keys/checkpoint.last" "$@"; }
prune() { hf audit prune --config "$G/config.yaml" --yes "$@"; }
n_of() { ledger "SELECT count(*) FROM requests WHERE text LIKE '%/* $1 */%'"; }
# All that was committed so far is signed: the next rows come into another part.
sealed() { [ "$(ledger 'SELECT max(entry) FROM checkpoint')" = "$(ledger 'SELECT max(first + n - 1) FROM chain')" ]; }
# A second older than the newest part.
aged() { [ "$(ledger "SELECT (unixepoch() - 1) * 1000000000 > max(at) FROM checkpoint")" = 1 ]; }

test_old_parts_go_and_the_rest_is_verified() {
	for i in 1 2 3; do
		sql "case-$i" "SELECT repeat('k', 5000), $i /* keep */" > /dev/null
		sql "old-$i" "SELECT repeat('g', 5000), $i /* old */" > /dev/null
		wait_until 10 sealed
	done
	assert_exit 3 prune --age 1s
	assert_has "$OUT" 'another holdfastd is running'
	stop_daemon
	wait_until 10 aged
	start_daemon
	sql new "SELECT 1 /* new */" > /dev/null
	wait_until 10 sealed
	stop_daemon
	assert_exit 0 verify
	cp -a "$G/ledger" "$T/before"
	assert_exit 2 prune
	assert_exit 2 prune --age 1y
	assert_exit 2 hf audit prune --config "$G/config.yaml" --age 1s < /dev/null
	assert_exit 0 prune --age 99w
	assert_has "$OUT" 'nothing was pruned'

	wait_until 10 aged
	assert_exit 0 prune --age 1s --legal-hold 'old-2'
	assert_has "$OUT" 'pruned: '
	assert_eq "$(n_of old)" 1 'requests of the old runs but the one under --legal-hold'
	assert_eq "$(n_of keep)" 3 'requests under the legal hold of the configuration'
	assert_eq "$(ledger "SELECT count(*) FROM runs WHERE name LIKE 'case-%'")" 3
	assert_eq "$(ledger "SELECT count(*) FROM replies p JOIN requests r ON r.id = p.request WHERE r.text LIKE '%/* keep */%' AND p.contents = 'full'")" 3
	assert_has "$(hf audit contents "$(ledger "SELECT min(id) FROM requests WHERE text LIKE '%/* keep */%'")")" kkkk
	assert_exit 0 verify
	assert_has "$OUT" 'verified: '
	assert_has "$(hf audit events --json)" '"pruned"'
	assert_eq "$(stat -c %U:%a "$HOLDFAST_LEDGER")" "$(stat -c %U:%a "$T/before/ledger.db")"
	# Life goes on; and once more, when what was carried is sealed anew, only what must stay is left.
	start_daemon
	sql later 'SELECT 1 /* later */' > /dev/null
	wait_ledger "SELECT count(*) FROM requests WHERE text LIKE '%/* later */%' AND status = 'ok'" 1
	wait_until 10 sealed
	assert_exit 0 verify
	wait_until 10 aged
	sql later 'SELECT 2 /* later */' > /dev/null
	wait_until 10 sealed
	assert_eq "$(ledger "SELECT count(*) FROM events WHERE kind LIKE 'ledger-%'")" 0
	stop_daemon
	assert_exit 0 prune --age 1s
	assert_eq "$(n_of old)" 0
	assert_eq "$(n_of keep)" 3
	assert_exit 0 verify
	# Cut by hand, without saying so, it is found.
	cp -a "$G/ledger" "$T/cut"
	sqlite3 "$T/cut/ledger.db" "DELETE FROM event WHERE kind = 'pruned'"
	assert_exit 1 verify --ledger "$T/cut/ledger.db"
}

run_tests

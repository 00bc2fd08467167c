#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Functions by number, and prepared statements by name: what runs without its text being in the request.
. "$(dirname "$0")/lib.sh"

policy <<YAML
version: 1
default: {read: allow, session: allow, export: allow, execute: allow, update: allow, other: hold}
$(standard_resources)
rules:
  - name: no-admin
    when: {effect: admin}
    then: deny
YAML
admin "CREATE FUNCTION numbered(text) RETURNS text LANGUAGE plpgsql AS 'BEGIN DELETE FROM orders WHERE id = 50; RETURN \$1; END'" > /dev/null
start_daemon || exit 1

talk() { local name=$1; shift; in_run "$name" -- /usr/bin/python3 "$E2E_ROOT/tests/e2e/wiretalk.py" "$E2E_PGPORT" "$@"; }
# What is denied by a person comes as an error.
held_and_denied() { # NAME WORD…
	local name=$1 h
	shift
	bg "$name" talk "$name" "$@"
	h=$(wait_hold "$name")
	deny "$h"
	finish "$BG" || true
	out "$name"
}

test_a_call_by_number_is_unknown_whatever_may_be_executed() {
	for call in '2624 postmaster.opts 0 60' '2078 work_mem 1MB f' "$(admin "SELECT 'numbered'::regproc::oid") x"; do
		got=$(held_and_denied call "F $call" wait)
		assert_has "$got" 42501
		if grep -q ^V <<< "$got"; then fail 'it gave a value'; fi
	done
	assert_eq "$(admin 'SELECT count(*) FROM orders WHERE id = 50')" 1
	assert_eq "$(ledger "SELECT DISTINCT effects FROM requests WHERE kind = 'call'")" 'execute, unknown'
}

test_large_objects_are_called_by_number_and_known() {
	got=$(talk lo 'Q BEGIN' 'F 957 393216' wait 'Q COMMIT' wait)
	assert_has "$got" "$(printf 'V\nZ T')"
	assert_has "$got" COMMIT
}

# Each name is looked at once: their facts do not add up to more than there is room for.
test_a_string_of_many_executes() {
	local columns tables one many
	columns=relname,relkind,proname,prosrc,typname,typinput,attname,atttypid,nspname,nspowner,amname,amhandler,opfname,opcname
	columns+=,oprname,castsource,conname,contype,tgname,tgfoid,rulename,ev_class,extname,extversion,srvname,fdwname,lanname
	tables=pg_class,pg_proc,pg_type,pg_attribute,pg_namespace,pg_am,pg_opfamily,pg_opclass,pg_operator,pg_cast,pg_constraint
	tables+=,pg_trigger,pg_rewrite,pg_extension,pg_foreign_server,pg_foreign_data_wrapper,pg_language
	one="SELECT $columns,$columns,$columns,$columns FROM $tables LIMIT 0"
	many=$(printf 'EXECUTE a;%.0s' {1..200})
	got=$(talk many "Q PREPARE a AS $one" wait "Q $many" wait "Q SELECT 'still here'" wait)
	assert_has "$got" PREPARE
	assert_has "$got" 'still here'
	assert_eq "$(ledger "SELECT effects FROM requests WHERE text LIKE 'EXECUTE a;%'")" 'read, session'
}

test_more_different_executes_than_there_is_room_for_are_unknown() {
	local prepare execute
	prepare=$(for i in $(seq 70); do printf 'PREPARE p%d AS SELECT %d;' "$i" "$i"; done)
	execute=$(for i in $(seq 70); do printf 'EXECUTE p%d;' "$i"; done)
	got=$(held_and_denied different "Q $prepare" wait "Q $execute" wait "Q SELECT 'still here'" wait)
	assert_has "$got" 'still here'
	execute=$(for i in $(seq 60); do printf 'EXECUTE p%d;' "$i"; done)
	got=$(talk fewer "Q $prepare" wait "Q $execute" wait)
	assert_lacks "$got" 42501
}

run_tests

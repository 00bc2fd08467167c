#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# PostgreSQL's own regression scripts with psql: direct and through holdfast, each on a server of its own
# that was the same folder before. Where something differs, direct once more: what differs then too is noise.
# HOLDFAST_PG_REGRESS names the folder with the scripts; SOAK=1 runs all of them.
. "$(dirname "$0")/lib.sh"

SCRIPTS=${HOLDFAST_PG_REGRESS:-$E2E_ROOT/../shared/data/pg-regress}
if [ ! -e "$SCRIPTS/test_setup.sql" ]; then
	echo "ABSENT: PostgreSQL's regression scripts (src/test/regress/sql); HOLDFAST_PG_REGRESS names their folder"
	exit 78
fi
SCRIPTS=$(cd "$SCRIPTS" && pwd)
TEST_SECS=${REGRESS_SECS:-1200}

# In the order of PostgreSQL's own schedule, as far as scripts lean on each other.
FIRST='test_setup create_type create_table create_misc create_operator create_procedure create_schema
	create_index create_view create_aggregate create_cast'
SAMPLE='boolean char varchar int4 float8 numeric uuid enum rangetypes strings date timestamptz interval inet
	copy copyselect copydml insert insert_conflict constraints triggers select inherit
	select_into select_distinct subselect union case join aggregates transactions portals arrays update delete
	namespace prepared_xacts privileges matview lock rowsecurity identity generated
	alter_generic async merge misc_functions rules psql psql_crosstab guc
	portals_p2 foreign_key window xml json jsonb plancache limit plpgsql copy2 temp domain rangefuncs prepare
	conversion truncate alter_table sequence polymorphism rowtypes returning largeobject with
	partition_prune explain event_trigger unicode errors'
ORDER=$FIRST
if [ -n "${SOAK:-}" ]; then
	ORDER="$ORDER $(cd "$SCRIPTS" && printf '%s\n' *.sql | sed 's/\.sql$//' | tr '\n' ' ')"
else
	ORDER="$ORDER $SAMPLE"
fi

# One server's folder, copied for each way; the port is free a moment before.
server() { # NAME; its port in the file NAME.port
	local dir=$G/$1 port try
	cp -a "$E2E_TMP/pg" "$dir"
	rm -f "$dir/postmaster.pid"
	: > "$dir.log"
	chown postgres "$dir.log"
	for try in 1 2 3 4 5; do
		port=$(some_port)
		pg_as "$PGBIN/pg_ctl" -s -w -t 30 -D "$dir" -l "$dir.log" -o "-p $port $PG_SERVER" start > /dev/null 2>&1 && break
	done
	echo "$port" > "$dir.port"
	[ "$try" -lt 5 ]
}
PG_SERVER='-c log_statement=none -c log_min_messages=panic -c max_prepared_transactions=4 -c timezone=UTC'
stop_servers() {
	local name
	for name in one two through; do
		[ ! -e "$G/$name/postmaster.pid" ] || pg_as "$PGBIN/pg_ctl" -s -D "$G/$name" -m immediate stop
	done
	clean_group
}
trap stop_servers EXIT

# The copies are of a server that stands still, for good: this file is the last in its folder.
pg_as "$PGBIN/pg_ctl" -s -D "$E2E_TMP/pg" -m fast stop > /dev/null
for name in one two through; do
	server "$name" || { tail -n 5 "$G/$name.log" >&2; exit 1; }
done

policy_of_all "127.0.0.1:$(cat "$G/through.port")"
start_daemon || exit 1

# The scripts one after the other, with what pg_regress would set; each in the order given. What the
# client printed goes to stdout, a line of a kind that no script prints between.
cat > "$G/play.sh" <<'PLAY'
dir=$1 port=$2
shift 2
export PGTZ=PST8PDT PGDATESTYLE='Postgres, MDY' PGOPTIONS='-c intervalstyle=postgres_verbose'
export PG_ABS_SRCDIR=/nonexistent PG_LIBDIR=/nonexistent PG_DLSUFFIX=.so PG_ABS_BUILDDIR=/nonexistent
for name; do
	printf '\n@@@@ %s\n' "$name"
	timeout 300 psql -X -a -q -h 127.0.0.1 -p "$port" -U agent -d regression \
		-v HIDE_TABLEAM=on -v HIDE_TOAST_COMPRESSION=on < "$dir/$name.sql" 2>&1
	# What the setup cannot load (its files are not here) comes from nowhere, the same on every way.
	[ "$name" != test_setup ] || psql -X -q -h 127.0.0.1 -p "$port" -U agent -d regression < "$dir/fill.sql" 2>&1
done
PLAY
mkdir -p "$G/scripts"
cp "$SCRIPTS"/*.sql "$G/scripts"
cat > "$G/scripts/fill.sql" <<'SQL'
INSERT INTO onek SELECT i * 7 % 1000, i, i % 2, i % 4, i % 10, i % 20, i % 1000, i, i, i, i, i % 10 * 2, i % 10 * 2 + 1,
	chr(65 + i % 26) || chr(65 + i / 26 % 26) || 'AAAA', 'AAAAAA', (ARRAY['AAAAxx','HHHHxx','OOOOxx','VVVVxx'])[1 + i % 4]
	FROM generate_series(0, 999) i;
INSERT INTO tenk1 SELECT i * 7 % 10000, i, i % 2, i % 4, i % 10, i % 20, i % 1000, i % 2000, i % 5000, i, i, i % 10 * 2, i % 10 * 2 + 1,
	chr(65 + i % 26) || chr(65 + i / 26 % 26) || 'AAAA', 'AAAAAA', (ARRAY['AAAAxx','HHHHxx','OOOOxx','VVVVxx'])[1 + i % 4]
	FROM generate_series(0, 9999) i;
VACUUM ANALYZE onek, tenk1;
SQL
chmod -R a+rX "$G/play.sh" "$G/scripts"

play() { # WAY [PREFIX…]: all scripts, as an agent or direct
	local way=$1
	shift
	psql -Xq -h 127.0.0.1 -p "$(cat "$G/$way.port")" -U postgres -d postgres \
		-c 'CREATE DATABASE regression TEMPLATE template0 OWNER agent' > /dev/null
	# shellcheck disable=SC2086 # names
	"$@" sh "$G/play.sh" "$G/scripts" "$(cat "$G/$way.port")" $ORDER > "$G/$way.out"
}

compare() { /usr/bin/python3 "$HERE/compare.py" "$G/one.out" "$G/$1.out" "$G/through.out" > "$T/compare.out"; }

test_regression_scripts_print_the_same() {
	local direct
	play one > "$T/direct.out" 2>&1 &
	direct=$!
	play through in_run regress -- > "$T/through.out" 2>&1
	wait "$direct"
	if [ -n "${SOAK:-}" ] || ! compare one; then
		play two
		compare two || fail "$(head -n 60 "$T/compare.out")"
	fi
	tail -n 1 "$T/compare.out" >> "$E2E_TMP/numbers"
}

test_every_statement_is_in_the_ledger_with_facts() {
	wait_ledger 'SELECT count(*) > 5000 FROM requests' 1
	assert_eq "$(ledger "SELECT count(*) FROM requests WHERE effects IS NULL OR effects = ''")" 0
	ledger "SELECT 'regress: ' || count(*) || ' requests in the ledger, ' || sum(effects LIKE '%unknown%') || ' with unknown'
		FROM requests" >> "$E2E_TMP/numbers"
}

run_tests

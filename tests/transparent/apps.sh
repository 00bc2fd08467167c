#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Programs and drivers as they are: what they print direct and through holdfast is the same, and so is
# the database behind them.
. "$(dirname "$0")/lib.sh"

# Physical replication wants a line of its own.
echo 'host replication all 127.0.0.1/32 trust' >> "$E2E_TMP/pg/pg_hba.conf"
admin 'SELECT pg_reload_conf()' > /dev/null
policy_of_all "127.0.0.1:$E2E_PGPORT"
start_daemon || exit 1

test_conversations_by_hand() { same wire /usr/bin/python3 "$HERE/wire.py" "$E2E_PGPORT"; lacks_trace wire; }

test_psycopg2() { driver psycopg2; }
test_pg8000() { driver pg8000; }
test_asyncpg() { driver asyncpg; }
test_jdbc() { same_jdbc; }

PQ=$B/tests/e2e/pqtool CONN="host=127.0.0.1 port=$E2E_PGPORT user=agent dbname=shop"
export PGHOST=127.0.0.1 PGPORT=$E2E_PGPORT PGUSER=agent PGDATABASE=shop

test_libpq_pipelines_and_binary() {
	same pipeline "$PQ" pipeline "$CONN" 'SELECT 1' 'INSERT INTO scratch.t VALUES (1)' ';' 'SELECT 1/0' 'SELECT 2' ';' 'SELECT 3' ';' 'BEGIN' 'SELECT 4'
	same binary "$PQ" binary "$CONN" 'SELECT *, now() - now(), ARRAY[1.5, NULL], total::float8 FROM orders'
	same prepared "$PQ" prepared "$CONN" 50 'SELECT count(*) FROM orders'
	same stream "$PQ" stream "$CONN" 'SELECT g, repeat(md5(g::text), 30) FROM generate_series(1, 20000) g'
}

test_psql_commands() {
	cat > "$T/psql.sql" <<-'SQL'
	\set FETCH_COUNT 7
	SELECT id, total FROM orders ORDER BY id;
	\unset FETCH_COUNT
	\d
	\d+ orders
	\df pg_catalog.lower
	\du
	\l shop
	\dn+
	\dt *.*
	\dT
	\copy orders (customer, total) FROM PROGRAM 'printf "1\\t5.5\\n2\\t6.5\\n"'
	\copy (SELECT id, status FROM orders ORDER BY id DESC LIMIT 5) TO STDOUT CSV HEADER
	SELECT format('SELECT %s AS n', g) FROM generate_series(1, 4) g \gexec
	SELECT 1 AS one, 'x' AS two \gset
	SELECT :one, :'two' \gdesc
	SELECT status, customer, count(*) FROM orders GROUP BY 1, 2 ORDER BY 1, 2 \crosstabview
	\lo_list
	BEGIN; SELECT lo_from_bytea(737373, 'hello');
	\lo_export 737373 /dev/stdout
	\lo_unlink 737373
	COMMIT;
	\set VERBOSITY verbose
	SELECT * FROM nowhere;
	\errverbose
	\encoding LATIN1
	SELECT 'é';
	\sf pg_catalog.lpad(text, integer)
	\timing off
	\c shop postgres
	SELECT current_user;
	SELECT 1 \; SELECT 2 \; SELECT 3;
	LISTEN ears; NOTIFY ears, 'me';
	SQL
	chmod 644 "$T/psql.sql"
	same psql sh -c "psql -Xa < '$T/psql.sql' 2>&1 | sed 's/PID [0-9]*/PID/'"
	same psql-single psql -X1 -v ON_ERROR_STOP=1 -c 'INSERT INTO scratch.t VALUES (1)' -c 'SELECT count(*) FROM scratch.t' -c 'SELECT 1/0'
}

bench() {
	printf '%s\n' '\startpipeline' 'SELECT 1;' 'SELECT 2;' '\endpipeline' > "$T/pipe.sql"
	same "bench-$1" sh -c "pgbench -i -q -s 1 > /dev/null 2>&1
	pgbench -n -M $1 --random-seed=7 -c 1 -t 60 2>&1 | grep -E 'mode|processed|failed'
	pgbench -n -M $1 -S -c 4 -j 2 -t 100 2>&1 | grep -E 'mode|processed|failed'
	[ $1 = simple ] || pgbench -n -M $1 -f '$T/pipe.sql' -t 50 2>&1 | grep -E 'mode|processed|failed'
	psql -Xqc 'UPDATE pgbench_history SET mtime = NULL'"
}
test_pgbench_simple() { bench simple; }
test_pgbench_extended() { bench extended; }
test_pgbench_prepared() { bench prepared; }

# What pg_dump writes is the same, and so is what pg_restore makes of it.
test_dump_and_restore() {
	mkdir -m 777 "$T/d"
	admin 'CREATE TABLE scratch.odd AS SELECT g, repeat(chr(9 + g % 90), 50) AS t, decode(md5(g::text), $$hex$$) AS b FROM generate_series(1, 3000) g; SELECT lo_from_bytea(99, $$large$$)'
	state > "$T/before"
	for how in plain custom directory; do
		rm -rf "$T/d/$how"
		jobs=1
		[ "$how" != directory ] || jobs=2
		in_run dump -- pg_dump -F "$how" -j "$jobs" -f "$T/d/$how" shop
		admin "DROP DATABASE IF EXISTS copy_$how" > /dev/null 2>&1
		admin "CREATE DATABASE copy_$how" > /dev/null
		chmod -R a+rX "$T/d" # every run is a user of its own
		case $how in
		plain) in_run restore -- psql -Xq -v ON_ERROR_STOP=1 -U postgres -d copy_plain -f "$T/d/plain" > "$T/restore.out" ;;
		*) in_run restore -- pg_restore -j 2 -U postgres -d "copy_$how" "$T/d/$how" ;;
		esac
		pg_dump -h "$E2E_PGSOCK" -U postgres "copy_$how" | dumped > "$T/after"
		diff "$T/before" "$T/after" > "$T/diff" || fail "$how: $(head -n 20 "$T/diff")"
	done
	pg_dump -f "$T/direct.sql" shop
	diff <(dumped < "$T/direct.sql") <(dumped < "$T/d/plain")
	pg_dumpall -h "$E2E_PGSOCK" -U postgres > "$T/all.direct"
	in_run dump -- pg_dumpall -U postgres > "$T/all.through"
	diff <(dumped < "$T/all.direct") <(dumped < "$T/all.through") > "$T/diff"
}

test_maintenance_programs() {
	same programs sh -c 'vacuumdb -j 3 -z shop && reindexdb -j 2 --schema public shop && createdb made && dropdb made &&
		createuser maker && dropuser maker && clusterdb shop && pg_isready'
}

# Physical and logical replication are `admin`, and pass where that is allowed.
test_replication_programs() {
	mkdir -m 777 "$T/base" "$T/wal"
	in_run base -- pg_basebackup -D "$T/base/a" -X stream -c fast
	[ -e "$T/base/a/PG_VERSION" ] && [ -e "$T/base/a/backup_manifest" ]
	"$PGBIN/pg_verifybackup" -q "$T/base/a"
	admin "INSERT INTO scratch.t SELECT g FROM generate_series(1, 500) g"
	end=$(admin 'SELECT pg_current_wal_insert_lsn()')
	admin "INSERT INTO scratch.t VALUES (501, 'behind')"
	in_run wal -- pg_receivewal -D "$T/wal" -s 1 --endpos="$end" --no-loop
	[ -n "$(ls "$T/wal")" ] || fail 'no WAL came'
	in_run logical -- pg_recvlogical -d shop --slot hf --create-slot -P test_decoding
	admin "INSERT INTO scratch.t SELECT g, 'decoded' FROM generate_series(1, 500) g"
	end=$(admin 'SELECT pg_current_wal_insert_lsn()')
	admin "INSERT INTO scratch.t VALUES (501, 'behind')"
	in_run logical -- pg_recvlogical -d shop --slot hf --start -s 1 -f - --no-loop --endpos="$end" > "$T/changes"
	assert_eq "$(grep -c "decoded" "$T/changes")" 500
	in_run logical -- pg_recvlogical -d shop --slot hf --drop-slot
	wait_ledger "SELECT count(*) > 0 FROM requests WHERE effects LIKE '%admin%' AND text LIKE 'START_REPLICATION SLOT \"hf\"%'" 1
}

run_tests

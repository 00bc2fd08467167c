#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Writes user/sql/harmless.def: the built-in functions that only compute or look, by asking a
# PostgreSQL server (the usual PG* variables say which). A name is harmless if no overload of it is
# volatile, except for those that functions.def knows better, and if it is meant to be called; the
# volatile ones that only look are listed below. Run it against the oldest server supported: a name
# that an older server does not have may be anybody's function there.
# usage: gen-functions.sh > user/sql/harmless.def
set -eu
cd "$(dirname "$0")/.."

looks="clock_timestamp current_query currval gen_random_uuid lastval pg_blocking_pids
pg_collation_actual_version pg_control_checkpoint pg_control_init pg_control_recovery
pg_control_system pg_current_wal_flush_lsn pg_current_wal_insert_lsn pg_current_wal_lsn
pg_database_collation_actual_version pg_database_size pg_get_backend_memory_contexts
pg_get_multixact_members
pg_get_shmem_allocations pg_get_wal_replay_pause_state pg_get_wal_resource_managers pg_indexes_size
pg_is_in_recovery pg_is_wal_replay_paused pg_jit_available pg_last_committed_xact
pg_last_wal_receive_lsn pg_last_wal_replay_lsn pg_last_xact_replay_timestamp pg_lock_status
pg_notification_queue_usage pg_partition_ancestors pg_partition_tree pg_prepared_xact
pg_relation_size pg_safe_snapshot_blocking_pids pg_sequence_last_value
pg_show_replication_origin_status pg_stat_clear_snapshot pg_stat_get_recovery_prefetch
pg_stat_have_stats pg_table_size pg_tablespace_size pg_total_relation_size pg_xact_commit_timestamp
pg_xact_commit_timestamp_origin pg_xact_status random timeofday txid_status"

in_list=$(printf "'%s'," $looks | sed 's/,$//')
known=$(sed -n 's/^FUNCTION("\([^"]*\)".*/\1/p' user/sql/functions.def |
	sed "s/_/\\\\_/g; s/\*$/%/; s/.*/proname NOT LIKE '&' AND/")

printf '/* SPDX-License-Identifier: Apache-2.0 */\n'
printf '/*\n * Built-in functions that only compute or look, sorted.\n'
printf ' * Made by scripts/gen-functions.sh from PostgreSQL %s; do not edit.\n */\n' \
	"$(psql -XAtc 'SHOW server_version_num')"
psql -XAtv ON_ERROR_STOP=1 <<SQL
SELECT 'HARMLESS("' || proname || '")'
FROM (SELECT proname::text COLLATE "C" AS proname,
             bool_and(provolatile <> 'v' AND prokind <> 'p'
                      AND prorettype NOT IN ('trigger'::regtype, 'event_trigger'::regtype,
                                             'internal'::regtype, 'language_handler'::regtype,
                                             'fdw_handler'::regtype, 'index_am_handler'::regtype,
                                             'table_am_handler'::regtype, 'tsm_handler'::regtype)
                      AND NOT 'internal'::regtype = ANY (proargtypes)
                      -- array_in('{x}', 16999, -1) makes a value of whatever type has that number, and a
                      -- domain within checks it with somebody's code.
                      AND NOT ('oid'::regtype = ANY (proargtypes) AND 'cstring'::regtype = ANY (proargtypes) AND
                               (SELECT typtype = 'p' FROM pg_type t WHERE t.oid = prorettype))) AS computes
      FROM pg_proc
      WHERE pronamespace = 'pg_catalog'::regnamespace
      GROUP BY proname) f
WHERE $known (computes OR proname IN ($in_list))
ORDER BY proname;
SQL

/* SPDX-License-Identifier: Apache-2.0 */
/* Locks that a session holds: see locks.h. */
#include "sql/locks.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include "sql/walk.h"

enum { LOCKS_ARENA_MAX = 1024 * 1024, LOCKS_COLUMNS = 4, LOCKS_SHOWN_MAX = 8 };

/* Behind a pooler the number is the pooler's: then no session of this role and database has it.
 * What the strongest mode is, is the server's own order of them. pg_blocking_pids() stops the lock
 * manager for a moment, so it is called for those alone that wait. waitstart is of PostgreSQL 14.
 */
static const char locks_text[] =
	"WITH me AS ("
	"SELECT a.pid FROM pg_catalog.pg_stat_activity a "
	"WHERE a.pid = $1::pg_catalog.int4 AND a.usename = $2::pg_catalog.name "
	"AND a.datname = pg_catalog.current_database()), "
	"waits AS ("
	"SELECT w.pid, pg_catalog.to_jsonb(w) ->> 'waitstart' AS since "
	"FROM me, pg_catalog.pg_locks w "
	"WHERE NOT w.granted AND me.pid = ANY (pg_catalog.pg_blocking_pids(w.pid))) "
	"SELECT 's', '', '', '' FROM me "
	"UNION ALL "
	"(SELECT 'l', n.nspname::pg_catalog.text, c.relname::pg_catalog.text, "
	"(ARRAY['AccessShareLock', 'RowShareLock', 'RowExclusiveLock', 'ShareUpdateExclusiveLock', "
	"'ShareLock', 'ShareRowExclusiveLock', 'ExclusiveLock', 'AccessExclusiveLock'])["
	"pg_catalog.max(pg_catalog.array_position(ARRAY['AccessShareLock', 'RowShareLock', "
	"'RowExclusiveLock', 'ShareUpdateExclusiveLock', 'ShareLock', 'ShareRowExclusiveLock', "
	"'ExclusiveLock', 'AccessExclusiveLock'], l.mode))] "
	"FROM me JOIN pg_catalog.pg_locks l ON l.pid = me.pid AND l.granted "
	"AND l.locktype = 'relation' "
	"JOIN pg_catalog.pg_database d ON d.oid = l.database "
	"AND d.datname = pg_catalog.current_database() "
	"JOIN pg_catalog.pg_class c ON c.oid = l.relation AND c.oid >= 16384::pg_catalog.oid "
	"AND c.relkind = ANY (ARRAY['r', 'v', 'm', 'f', 'p']::pg_catalog.\"char\"[]) "
	"JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace "
	"GROUP BY n.nspname, c.relname "
	"ORDER BY pg_catalog.max(pg_catalog.array_position(ARRAY['AccessShareLock', "
	"'RowShareLock', 'RowExclusiveLock', 'ShareUpdateExclusiveLock', 'ShareLock', "
	"'ShareRowExclusiveLock', 'ExclusiveLock', 'AccessExclusiveLock'], l.mode)) DESC, 2, 3 "
	"LIMIT 1000) "
	"UNION ALL "
	"SELECT 'a', pg_catalog.count(*)::pg_catalog.text, '', '' "
	"FROM me JOIN pg_catalog.pg_locks l ON l.pid = me.pid AND l.granted "
	"AND l.locktype = 'advisory' "
	"UNION ALL "
	"SELECT 'w', pg_catalog.count(DISTINCT w.pid)::pg_catalog.text, "
	"COALESCE(pg_catalog.floor(EXTRACT(epoch FROM pg_catalog.clock_timestamp() - "
	"pg_catalog.min(w.since::pg_catalog.timestamptz)))::pg_catalog.text, ''), '' "
	"FROM waits w";

void locks_init(struct locks *l, uint32_t backend, const char *role)
{
	*l = (struct locks){0};
	arena_init(&l->arena, LOCKS_ARENA_MAX);
	snprintf(l->backend, sizeof(l->backend), "%" PRIu32, backend);
	snprintf(l->role, sizeof(l->role), "%s", role);
	l->params[0] = slice_str(l->backend);
	l->params[1] = slice_str(l->role);
}

void locks_deinit(struct locks *l)
{
	arena_deinit(&l->arena);
}

struct slice locks_question(void)
{
	return slice_str(locks_text);
}

static int locks_add_table(struct locks *l, const struct slice *v)
{
	size_t max = 2 * (v[1].n + v[2].n) + 8;
	struct writer w;

	if (l->n_tables == LOCKS_TABLES_MAX) {
		l->n_left_out++;
		return 0;
	}
	w = writer_of(arena_alloc(&l->arena, max), max);
	if (!w.p)
		return err_raise(-ENOMEM);
	walk_write_part(&w, v[1]);
	wr_u8(&w, '.');
	walk_write_part(&w, v[2]);
	l->tables[l->n_tables++] = (struct lock_table){
		.name = wr_done(&w), .mode = arena_dup(&l->arena, slice_head(v[3], 40))};
	return 0;
}

int locks_row(struct locks *l, const struct slice *v, size_t n)
{
	if (n != LOCKS_COLUMNS || v[0].n != 1)
		return LOCKS_E_BAD;
	switch (v[0].p[0]) {
	case 's':
		l->is_found = true;
		return 0;
	case 'l':
		return err_trace(locks_add_table(l, v));
	case 'a':
		l->n_advisory = slice_u32(v[1]);
		return 0;
	case 'w':
		l->n_waiting = slice_u32(v[1]);
		l->waiting_s = slice_u32(v[2]);
		return 0;
	default:
		return LOCKS_E_BAD;
	}
}

static bool locks_are_known(const struct locks *l)
{
	return l->is_found && !l->has_failed;
}

void locks_write_words(const struct locks *l, FILE *f)
{
	if (!locks_are_known(l)) {
		fputs(l->has_failed ? "not known: the server could not be asked"
				    : "not known: the server has no such session (is there a "
				      "pooler between?)",
			f);
		return;
	}
	if (!l->n_waiting)
		fputs("nobody waits behind it", f);
	else
		fprintf(f, "%" PRIu64 " %s behind it", l->n_waiting,
			l->n_waiting == 1 ? "session waits" : "sessions wait");
	if (l->waiting_s)
		fprintf(f, ", for %" PRIu64 " s", l->waiting_s);
	fputs(l->n_tables ? "; " : "; no lock on a table", f);
	for (size_t i = 0; i < l->n_tables && i < LOCKS_SHOWN_MAX; i++)
		fprintf(f, "%s%.*s on %.*s", i ? ", " : "", SLICE_FMT(l->tables[i].mode),
			SLICE_FMT(l->tables[i].name));
	if (l->n_tables > LOCKS_SHOWN_MAX)
		fprintf(f, " and %zu more", l->n_tables - LOCKS_SHOWN_MAX + l->n_left_out);
	if (l->n_advisory)
		fprintf(f, ", %" PRIu64 " advisory", l->n_advisory);
}

void locks_write_json(const struct locks *l, struct json *j)
{
	jsonw_object(j, NULL);
	jsonw_bool(j, "answered", locks_are_known(l));
	if (locks_are_known(l)) {
		jsonw_array(j, "tables");
		for (size_t i = 0; i < l->n_tables; i++) {
			jsonw_object(j, NULL);
			jsonw_string(j, "name", l->tables[i].name);
			jsonw_string(j, "mode", l->tables[i].mode);
			jsonw_object_end(j);
		}
		jsonw_array_end(j);
		jsonw_uint(j, "left_out", l->n_left_out);
		jsonw_uint(j, "advisory", l->n_advisory);
		jsonw_uint(j, "waiting", l->n_waiting);
		jsonw_uint(j, "waiting_seconds", l->waiting_s);
	}
	jsonw_object_end(j);
}

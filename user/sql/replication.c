/* SPDX-License-Identifier: Apache-2.0 */
/* Commands of a replication session, told from SQL as the server tells them: by the first word. */
#include "sql/lex.h"
#include "sql/sql.h"

#include <errno.h>

/* replication_scanner_is_replication_command(), and what later versions added. */
static const struct {
	const char *word;
	bool sends_data; /* of any table, in a form that no column rule can follow */
} replication_commands[] = {
	{"IDENTIFY_SYSTEM", false},
	{"READ_REPLICATION_SLOT", false},
	{"CREATE_REPLICATION_SLOT", false},
	{"ALTER_REPLICATION_SLOT", false},
	{"DROP_REPLICATION_SLOT", false},
	{"TIMELINE_HISTORY", false},
	{"UPLOAD_MANIFEST", false},
	{"START_REPLICATION", true},
	{"BASE_BACKUP", true},
};

int sql_classify_replication(struct slice text, struct arena *arena, struct facts *ret)
{
	struct lex l = lex_of(text);
	struct lex_token first = lex_next(&l);

	for (size_t i = 0; i < sizeof(replication_commands) / sizeof(*replication_commands); i++) {
		if (!lex_is_word(&first, replication_commands[i].word))
			continue;
		*ret = (struct facts){.list = arena_array(arena, 1, sizeof(struct fact)), .n = 1};
		if (!ret->list)
			return err_raise(-ENOMEM);
		ret->list[0] = (struct fact){
			.effect = EFFECT_ADMIN, .bounded = TRI_UNKNOWN, .no_object = true};
		if (replication_commands[i].sends_data)
			ret->flags = FACTS_COPY_OUT | FACTS_COPY_BINARY | FACTS_OPAQUE_ROWS;
		return 0;
	}
	return SQL_E_NOT_REPLICATION;
}

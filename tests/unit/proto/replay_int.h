/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the replay driver share: replay.c plays, replay_print.c writes down. */
#pragma once

#include "replay.h"
#include "util/arena.h"
#include "wire.h"

enum { REPLAY_IN_MAX = 32 << 20, REPLAY_OPS = 64, REPLAY_VERDICTS = 64 };

/* Unread bytes of one side end where an unreadable page begins: reading past them is a crash. */
struct vector_in {
	uint8_t *map, *end;
	size_t n, stream_left;
};

struct vector_verdict {
	struct verdict v;
	struct name_change names[8];
	struct copy_format copy;
	bool is_hold;
};

struct replay {
	const struct protocol *proto;
	void *st;
	struct pool pool;
	struct arena arena;
	struct op ops[REPLAY_OPS];
	struct sink sink;
	struct vector_in in[2];
	struct buf out[2], seen;
	size_t cut, longest, span_len;
	uint64_t seed; /* of mutations; 0: none */
	struct vector_verdict verdicts[REPLAY_VERDICTS];
	size_t n_verdicts, next_verdict;
	bool is_held, is_over, client_waits, is_whole;
	struct arena words; /* texts of verdicts and settings */
	struct slice mask[16], swap[2];
	bool has_mask, rest_passes;
	bool refuses_all, is_login;
	struct vector_mangle mangle;
	bool mangles, has_ended[2];
	size_t messages[VECTOR_MESSAGES_MAX], n_messages;
	uint8_t again[1024];
	size_t n_again;
};

/* Bytes for a side, or for what was seen. */
void vector_put(struct buf *b, struct slice s);
void vector_print_out(struct replay *r, enum side to);
void vector_text(struct replay *r, const char *name, struct slice s);
void vector_print_request(struct replay *r, const struct request *q);
void vector_print_reply(struct replay *r, const struct reply *p);
void vector_print_row(struct replay *r, const struct event *ev);

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Grants: decisions that cover more than the request they were made on, and tickets, which cover an
 * identical one that comes later. Shared by the control thread, which makes and ends them, and the
 * workers, which ask before they park a request; a lock, which no request takes that is not held.
 *
 * A grant is named after the hold that it came from: g42 of h42. All of them end with the enforcer:
 * what people allowed is never taken over a restart.
 */
#pragma once

#include <pthread.h>
#include <stdatomic.h>

#include "hold/ballot.h"
#include "util/list.h"
#include "util/map.h"

enum { GRANT_E_FULL = 1, GRANTS_MAX = 16384, GRANT_BY_MAX = 128, GRANT_REASON_MAX = 512 };

enum grant_kind {
	GRANT_SHAPE,   /* approves this shape */
	GRANT_REFUSAL, /* denies all of this kind */
	GRANT_WAITING, /* a ticket nobody has decided yet */
	GRANT_TICKET,  /* a ticket that is approved: once */
	GRANT_NO,      /* a ticket that is denied: said once */
};

/* What requests are compared by; made in session/keys.c. */
struct hold_keys {
	uint8_t shape[32]; /* form, what is fixed in it, facts, target, role, settings, rule */
	uint8_t kind[32];  /* rule, target, effects and objects */
	uint8_t same[32];  /* everything but the connection */
	bool has_shape;
};

struct grant {
	struct list link; /* the table's own */
	uint64_t id;
	enum grant_kind kind;
	uint8_t key[32]; /* the one of hold_keys that fits the kind */
	uint64_t run;    /* of this run alone; 0: of all runs of that name and owner */
	char run_name[64];
	uint32_t owner_uid, uid;
	int64_t since_wall_ns, until_wall_ns, until_ns; /* until: 0 = as long as the run */
	char by[GRANT_BY_MAX], reason[GRANT_REASON_MAX];
	uint64_t n_uses;
	char *what, *resource, *rule; /* for people; owned */
};

struct grant_table {
	pthread_mutex_t lock;
	struct map by_id;
	struct map tickets; /* key → the ticket added last for it */
	struct list wide;   /* shapes and refusals */
	_Atomic size_t n;   /* what by_id.n is, to be read without the lock */
};

/* Who asks. */
struct grant_asker {
	const struct hold_keys *keys;
	uint64_t run;
	const char *run_name;
	uint32_t owner_uid;
	bool takes_ticket; /* its rule gives tickets, and there is no transaction */
};

void grant_table_init(struct grant_table *t);
void grant_table_deinit(struct grant_table *t);
/* Takes it over, in the place of one of the same id. 0, GRANT_E_FULL, -ENOMEM (freed then, too). */
ERR_CHECK int grant_add(struct grant_table *t, struct grant *g);
/* What covers the request now: a refusal before an approval. A copy without `what` and the like in
 * *ret, counted as used; a ticket is gone with it. False: nothing does. */
bool grant_use(
	struct grant_table *t, const struct grant_asker *who, int64_t now_ns, struct grant *ret);
/* Takes it out; the caller frees it. NULL: none of that id. */
struct grant *grant_take(struct grant_table *t, uint64_t id);
/* Takes out one whose time is over, or that belongs to the run alone (0: no run); NULL: no more. */
struct grant *grant_take_over(struct grant_table *t, int64_t now_ns, uint64_t run);
/* Calls fn for each, under the lock. */
void grant_each(struct grant_table *t, void (*fn)(void *arg, const struct grant *g), void *arg);
struct grant *grant_free(struct grant *g);
const char *grant_kind_word(enum grant_kind kind);

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which columns of a database are protected: asked over a session's own connection while it is idle
 * and outside a transaction, kept per worker, resource and database, and shared by its sessions.
 */
#pragma once

#include "session/session.h"

struct catalog {
	struct mask_catalog *columns; /* NULL until the first answer */
	int64_t known_since_ns;
	uint64_t epoch; /* enforcer.catalog_epoch when the question was put; another one now: stale
			 */
	uint64_t names_epoch; /* the same of enforcer.names_epoch */
};

/* All of a worker's, after a policy change: they borrow its rules. */
void catalog_drop_all(struct worker *w);

/* True if this session must ask before the request at hand can be judged and answered. */
bool catalog_is_due(struct session *s);
/* Puts the question. 0: asked; 1: not now (PROTO_E_NOT_NOW); < 0. */
ERR_CHECK int catalog_ask(struct session *s);
/* Once a second while the session waits for the answer, since when: after a while the question is
 * withdrawn and nothing believed. False: not even that was answered. */
bool catalog_tick(struct session *s, int64_t waited_ns);
/* An EV_ANSWER. *ret_done: the answer is complete. */
ERR_CHECK int catalog_on_answer(struct session *s, const struct event *ev, bool *ret_done);
/* What is known, or NULL: nothing is, so that every column of a table is unproven. */
const struct mask_catalog *catalog_believed(const struct session *s);
/* Differs from what it was if another session has changed names since, or sent what may change
 * them. A session's own changes come behind its own earlier requests. */
uint64_t catalog_names_now(const struct session *s);
/* A request that changes names, or ends a transaction that did, goes to the server: until all is
 * answered, what others know may be older than what the server knows. end: also without begin. */
void catalog_renaming_begin(struct session *s);
void catalog_renaming_end(struct session *s);
/* Something that a session did may have changed names, or an unknown table turned up. */
void catalog_mark_stale(struct session *s);

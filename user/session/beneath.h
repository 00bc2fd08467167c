/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a request does beneath its text: the objects that it names have views, rules, triggers,
 * cascades and functions below them (sql/hidden.h). Asked over a side connection where the resource
 * has a login (`catalog:`), kept per worker and database. Where it has none, nothing is added.
 *
 * What the side connection cannot see is unknown: names that this session is changing right now, in
 * a transaction of its own or by code that nobody read, and temporary ones. What it could not be
 * asked in time is unknown too.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "util/err.h"

enum {
	BENEATH_E_WAIT = 1, /* park with PARK_SIDE; the worker resumes it */
	BENEATH_OWN_MAX = 8192,
	BENEATH_WAIT_S = 70, /* more than the side connection takes to fail */
};

struct hidden;
struct mail;
struct session;
struct side_place;
struct worker;

/* What a worker knows of one place. */
struct beneath {
	struct side_place *place;
	struct hidden *known; /* a reference */
	uint64_t known_epoch;
	int64_t known_ns;
	bool is_asked;
	uint64_t asked_epoch;
	uint64_t n_failed; /* answers that were none */
	int64_t failed_ns;
};

/* The session's own names, last parts with a NUL behind each. */
struct beneath_own {
	char *names;
	size_t n;
	bool is_any;             /* too many, or code that nobody read ran */
	bool is_open;            /* its transaction may still be under way */
	bool may_have_temporary; /* from here to the end */
	bool has_odd_path; /* the same: schemas of others may be searched before the server's */
};

/* Adds to the facts of the request at hand, once. 0, BENEATH_E_WAIT, < 0. */
ERR_CHECK int beneath_apply(struct session *s);
/* The request at hand goes to the server. */
void beneath_passed(struct session *s);
/* After a server unit: what was being changed may be done. */
void beneath_follow(struct session *s);
void beneath_deinit(struct session *s);

/* MAIL_HIDDEN; the caller resumes the sessions that wait for its place. */
void beneath_on_answer(struct worker *w, struct mail *m);
/* Does this session wait for that place? */
bool beneath_waits(const struct session *s, const struct side_place *p);
/* All of a worker's, when it ends. */
void beneath_drop_all(struct worker *w);

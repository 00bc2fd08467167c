/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Plays the relay's role of proto.h over a transcript, without sockets, and writes down what came
 * of it. A transcript is a text file:
 *
 *   C> …            the client sends (wire.h)         S> …   the server sends
 *   ! pass          the verdict on the next request (`hold` until the next `!` line), with any of:
 *                   rows, copy, lexing, read-only, retry, define NAME "TEXT", remove NAME,
 *                   remove-all; by-column text|csv|binary [header], which is last
 *   ! refuse "why"  (or: cancelled, limit, record)
 *   @ mask 2 "xxx"  from now on column 2 of wanted rows becomes this; `@ mask 2 null`
 *   @ swap "a" "b"  from now on prose that is exactly a becomes b
 *   @ rest          rows: the first is looked at, the rest passes
 *   @ say "text" · @ fatal "text" · @ drain · @ ask "text"
 *   @ columns "text" [read-only] · @ inside "text" · @ split · @ show   (tx, lexing, drained,
 * cancel)
 *   @ name s1       text of that name
 *   = …             an expected line: an event, "=> …" a message to the server, "<= …" to the
 * client
 */
#pragma once

#include "proto/postgres.h"
#include "util/buf.h"

struct replay;

/* How input lines are cut: 0 whole, 1 byte by byte, else two parts with the cut at byte `cut` - 1
 * of every line that is longer. seed: what is fed is mutated at random from it; 0: not at all. */
struct replay *vector_new(size_t cut, uint64_t seed);
struct replay *vector_free(struct replay *r);
/* One message of all that are fed, counted from 0, arrives otherwise than it was written. */
enum vector_damage {
	VECTOR_LENGTH, /* its length field says `value` */
	VECTOR_BYTE,   /* the byte at `at` is xored with `value` */
	VECTOR_CUT,    /* it ends at `at`, and what follows follows at once */
	VECTOR_END,    /* it ends at `at`, and that side says nothing more */
};

struct vector_mangle {
	size_t message;
	enum vector_damage damage;
	size_t at;
	uint32_t value;
};

enum { VECTOR_MESSAGES_MAX = 256 };

void vector_mangle(struct replay *r, const struct vector_mangle *m);
/* The lengths of the messages that were fed so far, at most VECTOR_MESSAGES_MAX. */
size_t vector_messages(const struct replay *r, const size_t **ret_lens);
/* From now on every request but a login is refused, whatever the transcript says; anything but our
 * own words that reaches the server then aborts. */
void vector_refuse_all(struct replay *r);
/* Plays a transcript; expected lines are skipped. */
void vector_run(struct replay *r, struct slice transcript);
/* Feeds bytes of one side, as they are. */
void vector_feed(struct replay *r, enum side side, struct slice bytes);
/* A `!` or `@` line without its mark. */
void vector_verdict(struct replay *r, const char *line);
void vector_command(struct replay *r, const char *line);
/* What happened so far, in the words of the transcript. */
struct slice vector_seen(const struct replay *r);
/* True once a decoder call ended the session. */
bool vector_is_over(const struct replay *r);
/* Longest input line so far. */
size_t vector_longest(const struct replay *r);
/* Bytes of session memory in use. */
size_t vector_memory(const struct replay *r);

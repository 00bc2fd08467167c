/* SPDX-License-Identifier: Apache-2.0 */
/* The holds that the daemon tells of (CTL_WATCH), in the order they came. Embedded: zero, deinit.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { HELD_MAX = 10000 }; /* more are not shown before others ended */

struct held {
	json_t *json; /* the hold as the daemon described it */
	uint64_t id;
	int64_t arrived_ns; /* CLOCK_MONOTONIC; the daemon's seconds count from here */
};

struct held_list {
	struct held *items;
	size_t n, cap;
};

enum held_change { HELD_NONE, HELD_CAME, HELD_ENDED, HELD_RESET };

void held_deinit(struct held_list *l);
/* Forgets all, for a daemon that tells of them anew. */
void held_clear(struct held_list *l);
/* Applies {"event":"hold"|"end"|"reset",…}; without "event" it is a hold; "reset" says that all of
 * them follow anew. *ret_id gets whose it was. */
enum held_change held_apply(struct held_list *l, json_t *event, int64_t now_ns, uint64_t *ret_id);
/* NULL if there is none. */
const struct held *held_find(const struct held_list *l, uint64_t id);
/* Place in the list, n if it is not there. */
size_t held_index(const struct held_list *l, uint64_t id);
/* Seconds it waits, and seconds until it is denied, now. */
uint64_t held_waiting(const struct held *h, int64_t now_ns);
uint64_t held_remaining(const struct held *h, int64_t now_ns);

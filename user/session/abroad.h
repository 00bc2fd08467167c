/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Listeners in other network namespaces (containers, attached trees), which the warden opened there
 * and passed on. What is accepted from them is a connection like any other; where its upstream
 * socket comes from is door.h.
 */
#pragma once

#include <stdint.h>

struct worker;

/* What the descriptor is: as enum channel_place has it. */
enum abroad_place {
	ABROAD_TCP4,
	ABROAD_TCP6,
	ABROAD_QUESTIONS4,
	ABROAD_QUESTIONS6,
	ABROAD_DIAG,
	ABROAD_UNIX,
	ABROAD_PLACES,
};

/* Takes the fd. */
void abroad_add(struct worker *w, uint64_t netns, enum abroad_place place, int fd);
/* Closes what there is in that namespace. Sessions go on until their runs end. */
void abroad_end(struct worker *w, uint64_t netns);
/* Accepts, from now on, what waited. */
void abroad_begin(struct worker *w);
void abroad_deinit(struct worker *w);

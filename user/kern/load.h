/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The compiled-in BPF object: opened, configured, loaded; attaching is not done here. Private to
 * kern/, and the only place that sees the skeleton.
 */
#pragma once

#include <stdint.h>

#include "kern/layers.h"

struct intercept;

struct load_plan {
	struct intercept_config config;
	uint32_t layers;     /* LAYER_BIT()s: the programs to load */
	const char *map_dir; /* pins of maps to reuse or make; NULL: maps of its own, not pinned */
};

/* 0 or -errno of the kernel. The caller owns *ret. */
ERR_CHECK int load_programs(const struct load_plan *plan, struct intercept **ret);
struct intercept *load_free(struct intercept *object);

/* Descriptors stay the object's. < 0: not loaded. */
int load_program_fd(const struct intercept *object, enum layer layer);
int load_map_fd(const struct intercept *object, const char *name);
/* The next map after `at` (NULL: the first) whose pin is gone or another map's; NULL: none. */
const char *load_next_lost_map(const struct intercept *object, const char *at);
/* Pins those again, from our own descriptors. 0, -errno. */
ERR_CHECK int load_pin_lost_maps(const struct intercept *object);

/* Of the layers asked for, those that this kernel loads and knows where to attach: each is tried on
 * its own, without an effect. */
uint32_t load_probe(uint32_t layers);
/* One of them: 0, or the -errno of loading or attaching. */
int load_probe_one(enum layer layer);

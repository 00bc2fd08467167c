/* SPDX-License-Identifier: Apache-2.0 */
/* The rows of layers.def as code: private to kern/. */
#pragma once

#include <bpf/bpf.h>
#include <stdbool.h>

#include "kern/kern.h"

/* Newer than the header we build with; the numbers are UAPI. */
enum { BPF_CGROUP_UNIX_CONNECT = 49, BPF_CGROUP_UNIX_SENDMSG = 50 };

enum layer {
#define LAYER(name, ...) LAYER_##name,
#include "kern/layers.def"
#undef LAYER
	LAYER_N,
};

enum layer_at { AT_RUNS, AT_DAEMON };

struct layer_hook {
	const char *name;    /* "connect4" */
	const char *program; /* "on_connect4" */
	enum bpf_attach_type attach;
	enum layer_at at;
	bool is_required;
};

extern const struct layer_hook layer_hooks[LAYER_N];

/* Sets of layers. */
#define LAYER_BIT(l) (1u << (l))
#define LAYER_UNIX   (LAYER_BIT(LAYER_connect_unix) | LAYER_BIT(LAYER_sendmsg_unix))

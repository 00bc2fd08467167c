/* SPDX-License-Identifier: Apache-2.0 */
#include "kern/layers.h"

const struct layer_hook layer_hooks[LAYER_N] = {
#define LAYER(n, hook, type, place, required, covers_, without_)                                   \
	[LAYER_##n] = {                                                                            \
		.name = #n,                                                                        \
		.program = "on_" #n,                                                               \
		.attach = (enum bpf_attach_type)(type),                                            \
		.at = (place),                                                                     \
		.is_required = (required),                                                         \
	},
#include "kern/layers.def"
#undef LAYER
};

const char *const kern_hook_names[HOOK_N] = {
#define LAYER(n, hook, ...) [hook] = #n,
#include "kern/layers.def"
#undef LAYER
};

/* First what every layer stands on, then the hooks. probe.c knows the first rows by name. */
const struct kern_layer kern_layers[] = {
	{
		.name = "cgroup2",
		.covers = "holds the runs, and the hooks on them",
		.without = "nothing can be enforced",
		.is_required = true,
	},
	{
		.name = "btf",
		.covers = "tells the loader this kernel's layout (CONFIG_DEBUG_INFO_BTF)",
		.without = "the programs cannot be loaded",
		.is_required = true,
	},
#define LAYER(n, hook, type, place, required, covers_, without_)                                   \
	{                                                                                          \
		.name = #n,                                                                        \
		.covers = covers_,                                                                 \
		.without = without_,                                                               \
		.is_required = (required),                                                         \
	},
#include "kern/layers.def"
#undef LAYER
	{.name = NULL},
};

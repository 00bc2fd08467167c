/* SPDX-License-Identifier: Apache-2.0 */
/* `holdfast doctor`: what this kernel can do, found out by doing it without an effect. */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "kern/cgroup.h"
#include "kern/kern.h"
#include "kern/load.h"

enum { PROBE_MISSING = 1 };

static int probe_cgroup2(char *buf, size_t max)
{
	char path[PATH_MAX];
	int r = cgroup_find_root(path, sizeof(path));

	if (r == CGROUP_E_NONE) {
		snprintf(buf, max, "no cgroup2 mount");
		return PROBE_MISSING;
	}
	snprintf(buf, max, "%s", r ? strerror(-r) : path);
	return r;
}

static int probe_btf(char *buf, size_t max)
{
	static const char path[] = "/sys/kernel/btf/vmlinux";

	if (!access(path, R_OK)) {
		snprintf(buf, max, "%s", path);
		return 0;
	}
	snprintf(buf, max, "%s: %s", path, strerror(errno));
	return PROBE_MISSING;
}

static int probe_hook(enum layer layer, char *buf, size_t max)
{
	int r = load_probe_one(layer);

	snprintf(buf, max, "%s", r ? strerror(-r) : "loads");
	if (!r)
		return 0;
	/* Without the right to load, nothing is known about the kernel. */
	return (r == -EPERM || r == -EACCES) && geteuid() ? r : PROBE_MISSING;
}

int kern_probe(const struct kern_layer *layer, char *buf, size_t max)
{
	if (!strcmp(layer->name, "cgroup2"))
		return probe_cgroup2(buf, max);
	if (!strcmp(layer->name, "btf"))
		return probe_btf(buf, max);
	for (int l = 0; l < LAYER_N; l++)
		if (!strcmp(layer->name, layer_hooks[l].name))
			return probe_hook(l, buf, max);
	snprintf(buf, max, "no such layer");
	return err_raise(-EINVAL);
}

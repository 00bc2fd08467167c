/* SPDX-License-Identifier: Apache-2.0 */
#include "kern/load.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "util/cleanup.h"
#include "util/log.h"

/* Generated, and not to our warnings. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wcast-qual"
#pragma GCC diagnostic ignored "-Wshadow"
#include "intercept.skel.h"
#pragma GCC diagnostic pop

__attribute__((format(printf, 2, 0))) static int load_log(
	enum libbpf_print_level level, const char *fmt, va_list args)
{
	char line[512];

	if (level == LIBBPF_DEBUG)
		return 0;
	vsnprintf(line, sizeof(line), fmt, args);
	line[strcspn(line, "\n")] = '\0';
	log_debug("libbpf", "text=\"%s\"", line);
	return 0;
}

static struct bpf_program *load_program(const struct intercept *object, enum layer layer)
{
	return bpf_object__find_program_by_name(object->obj, layer_hooks[layer].program);
}

static int load_select(struct intercept *object, uint32_t layers)
{
	for (int l = 0; l < LAYER_N; l++) {
		struct bpf_program *p = load_program(object, l);
		int r;

		if (!p)
			return err_raise(-ENOENT);
		/* Also for hooks that libbpf knows by section name: unix.bpf.c has none of its own.
		 */
		r = bpf_program__set_expected_attach_type(p, layer_hooks[l].attach);
		if (!r)
			r = bpf_program__set_autoload(p, layers & LAYER_BIT(l));
		if (r)
			return err_raise(r);
	}
	return 0;
}

/* libbpf takes the map that is pinned there, checking its shape, or pins the one that it makes. */
static int load_set_pins(struct intercept *object, const char *dir)
{
	struct bpf_map *map;

	bpf_object__for_each_map(map, object->obj)
	{
		char path[512];
		int r;

		if (bpf_map__is_internal(map))
			continue;
		snprintf(path, sizeof(path), "%s/map_%s", dir, bpf_map__name(map));
		r = bpf_map__set_pin_path(map, path);
		if (r)
			return err_raise(r);
	}
	return 0;
}

struct intercept *load_free(struct intercept *object)
{
	if (object)
		intercept__destroy(object);
	return NULL;
}

static void load_freep(struct intercept **object)
{
	*object = load_free(*object);
}

int load_programs(const struct load_plan *plan, struct intercept **ret)
{
	_cleanup_(load_freep) struct intercept *object = NULL;
	int r;

	libbpf_set_print(load_log);
	object = intercept__open();
	if (!object)
		return err_raise(-errno);
	memcpy(&object->rodata->config, &plan->config, sizeof(plan->config));
	r = load_select(object, plan->layers);
	if (!r && plan->map_dir)
		r = load_set_pins(object, plan->map_dir);
	if (r)
		return err_trace(r);
	r = intercept__load(object);
	if (r)
		return err_raise(r);
	*ret = TAKE(object);
	return 0;
}

int load_program_fd(const struct intercept *object, enum layer layer)
{
	const struct bpf_program *p = load_program(object, layer);

	return p ? bpf_program__fd(p) : -ENOENT;
}

int load_map_fd(const struct intercept *object, const char *name)
{
	return bpf_object__find_map_fd_by_name(object->obj, name);
}

static uint32_t load_map_id(int fd)
{
	struct bpf_map_info info = {0};
	uint32_t len = sizeof(info);

	return fd < 0 || bpf_obj_get_info_by_fd(fd, &info, &len) ? 0 : info.id;
}

static bool load_is_pinned(const struct bpf_map *map)
{
	_cleanup_(fd_closep) int fd = bpf_obj_get(bpf_map__pin_path(map));
	uint32_t id = load_map_id(fd);

	return id && id == load_map_id(bpf_map__fd(map));
}

const char *load_next_lost_map(const struct intercept *object, const char *at)
{
	bool is_behind = !at;
	struct bpf_map *map;

	bpf_object__for_each_map(map, object->obj)
	{
		if (bpf_map__is_internal(map) || !bpf_map__pin_path(map))
			continue;
		if (is_behind && !load_is_pinned(map))
			return bpf_map__name(map);
		is_behind |= at && !strcmp(at, bpf_map__name(map));
	}
	return NULL;
}

int load_pin_lost_maps(const struct intercept *object)
{
	struct bpf_map *map;

	bpf_object__for_each_map(map, object->obj)
	{
		const char *path = bpf_map__pin_path(map);

		if (bpf_map__is_internal(map) || !path || load_is_pinned(map))
			continue;
		/* What lies in its place is not ours. */
		if (unlink(path) && errno != ENOENT)
			return err_raise(-errno);
		if (bpf_obj_pin(bpf_map__fd(map), path))
			return err_raise(-errno);
	}
	return 0;
}

int load_probe_one(enum layer layer)
{
	const struct load_plan plan = {.layers = LAYER_BIT(layer)};
	_cleanup_(load_freep) struct intercept *object = NULL;
	_cleanup_(fd_closep) int link = -1;
	int r = load_programs(&plan, &object);

	if (r)
		return r;
	/* A kernel that knows the attach type looks for the cgroup next, and finds none at -1. */
	link = bpf_link_create(load_program_fd(object, layer), -1, layer_hooks[layer].attach, NULL);
	return link >= 0 || errno == EBADF ? 0 : -errno;
}

uint32_t load_probe(uint32_t layers)
{
	uint32_t present = 0;

	for (int l = 0; l < LAYER_N; l++)
		if ((layers & LAYER_BIT(l)) && !load_probe_one(l))
			present |= LAYER_BIT(l);
	return present;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "kern/kern.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include "kern/cgroup.h"
#include "kern/load.h"
#include "kern/pin.h"
#include "kern/reach.h"
#include "util/cleanup.h"
#include "util/log.h"

struct kern {
	struct intercept *object;
	char dir[PATH_MAX];    /* the pins */
	uint32_t layers;       /* those attached */
	uint32_t adopted;      /* that an earlier daemon had attached here; of another version:
				  LAYER_UNIX */
	bool has_connect_unix; /* attached, and not declared absent */
	uint64_t cgroups[AT_DAEMON + 1]; /* ids, by enum layer_at */
	int cgroup_fds[AT_DAEMON + 1];
	char bpffs[PATH_MAX];
	int origin_fd, unix_origins_fd, askers_fd, counts_fd; /* read-only */
	int life_fds[LIFE_N];
	struct {
		int fd;
		uint32_t id, prog_id;
	} links[LAYER_N];
};

static struct kern *kern_new(void)
{
	struct kern *k = calloc(1, sizeof(*k));

	if (!k)
		return NULL;
	k->cgroup_fds[AT_RUNS] = k->cgroup_fds[AT_DAEMON] = -1;
	k->origin_fd = k->unix_origins_fd = k->askers_fd = k->counts_fd = -1;
	k->life_fds[LIFE_FIRST] = k->life_fds[LIFE_LAST] = -1;
	for (int l = 0; l < LAYER_N; l++)
		k->links[l].fd = -1;
	return k;
}

struct kern *kern_close(struct kern *k)
{
	if (!k)
		return NULL;
	for (int l = 0; l < LAYER_N; l++)
		fd_close(k->links[l].fd);
	fd_close(k->origin_fd);
	fd_close(k->unix_origins_fd);
	fd_close(k->askers_fd);
	fd_close(k->counts_fd);
	fd_close(k->life_fds[LIFE_FIRST]);
	fd_close(k->life_fds[LIFE_LAST]);
	fd_close(k->cgroup_fds[AT_RUNS]);
	fd_close(k->cgroup_fds[AT_DAEMON]);
	load_free(k->object);
	free(k);
	return NULL;
}

static void kern_closep(struct kern **k)
{
	*k = kern_close(*k);
}

/* Before anything is changed: is there a pin of ours that holds another, living cgroup? */
static ERR_CHECK int kern_check_pins(struct kern *k)
{
	for (int l = 0; l < LAYER_N; l++) {
		struct pin_link pin;
		int r = pin_open_link(
			k->dir, l, k->cgroups[layer_hooks[l].at], k->cgroup_fds[AT_RUNS], &pin);

		if (r)
			return err_trace(r);
		fd_close(pin.fd);
		if (pin.state == PIN_FOREIGN)
			return KERN_E_FOREIGN;
		if (pin.state == PIN_OURS)
			k->adopted |= LAYER_BIT(l);
	}
	return 0;
}

static ERR_CHECK int kern_attach_new(struct kern *k, enum layer l, int prog_fd)
{
	const struct layer_hook *h = &layer_hooks[l];
	int fd = bpf_link_create(prog_fd, k->cgroup_fds[h->at], h->attach, NULL);

	if (fd < 0)
		return err_raise(-errno);
	k->links[l].fd = fd;
	return err_trace(pin_link_fd(k->dir, l, fd));
}

/* Takes the pinned link and swaps its program: there is no moment without one. */
static ERR_CHECK int kern_attach(struct kern *k, enum layer l)
{
	int r, prog_fd = load_program_fd(k->object, l);
	struct pin_link pin;

	r = pin_open_link(k->dir, l, k->cgroups[layer_hooks[l].at], k->cgroup_fds[AT_RUNS], &pin);
	if (r)
		return err_trace(r);
	if (pin.state == PIN_OURS) {
		k->links[l].fd = pin.fd;
		return bpf_link_update(pin.fd, prog_fd, NULL) ? err_raise(-errno) : 0;
	}
	fd_close(pin.fd);
	if (bug(pin.state == PIN_FOREIGN)) /* kern_check_pins() saw to it */
		return err_raise(-EBUSY);
	r = pin_remove_link(k->dir, l);
	if (r)
		return err_trace(r);
	return err_trace(kern_attach_new(k, l, prog_fd));
}

/* Remembers what kern_verify() compares with. */
static ERR_CHECK int kern_note_link(struct kern *k, enum layer l)
{
	struct pin_link pin;
	int r = pin_open_link(
		k->dir, l, k->cgroups[layer_hooks[l].at], k->cgroup_fds[AT_RUNS], &pin);

	if (r)
		return err_trace(r);
	fd_close(pin.fd);
	k->links[l].id = pin.link_id;
	k->links[l].prog_id = pin.prog_id;
	return 0;
}

/* A failure half-way leaves what is attached where it is: closed, and for kern_detach() to undo. */
static ERR_CHECK int kern_attach_all(struct kern *k)
{
	for (int l = 0; l < LAYER_N; l++) {
		int r;

		if (!(k->layers & LAYER_BIT(l)))
			r = pin_remove_link(k->dir, l);
		else
			r = kern_attach(k, l);
		if (!r && (k->layers & LAYER_BIT(l)))
			r = kern_note_link(k, l);
		if (r)
			return err_trace(r);
	}
	return 0;
}

/* Loading failed: which layer is it that this kernel lacks? */
static ERR_CHECK int kern_blame(uint32_t wanted, int r, const char **ret_what)
{
	uint32_t present = load_probe(wanted);

	for (int l = 0; l < LAYER_N; l++) {
		if (!(wanted & ~present & LAYER_BIT(l)))
			continue;
		*ret_what = layer_hooks[l].name;
		return KERN_E_MISSING;
	}
	*ret_what = "the BPF object could not be loaded";
	return err_trace(r);
}

static ERR_CHECK int kern_load(struct kern *k, const struct kern_config *c, const char **ret_what)
{
	struct load_plan plan = {.config = c->intercept, .map_dir = k->dir};
	int r;

	for (int l = 0; l < LAYER_N; l++)
		if (layer_hooks[l].is_required)
			plan.layers |= LAYER_BIT(l);
	/* Both or neither: half of the layer covers nothing. Declared absent it is kept where it
	 * is attached already: runs that live may make unix sockets because it was there. Nobody
	 * is served by it then, so it refuses them all. */
	if ((!c->without_connect_unix || (k->adopted & LAYER_UNIX)) &&
		load_probe(LAYER_UNIX) == LAYER_UNIX)
		plan.layers |= LAYER_UNIX;
	k->has_connect_unix = (plan.layers & LAYER_UNIX) && !c->without_connect_unix;
	r = load_programs(&plan, &k->object);
	if (r)
		return kern_blame(plan.layers, r, ret_what);
	k->layers = plan.layers;
	return 0;
}

static ERR_CHECK int kern_open_maps(struct kern *k)
{
	k->origin_fd = pin_open_map_readonly(k->dir, "accepted");
	if (k->origin_fd < 0)
		return err_trace(k->origin_fd);
	k->unix_origins_fd = pin_open_map_readonly(k->dir, "unix_origins");
	if (k->unix_origins_fd < 0)
		return err_trace(k->unix_origins_fd);
	k->askers_fd = pin_open_map_readonly(k->dir, "askers");
	if (k->askers_fd < 0)
		return err_trace(k->askers_fd);
	k->counts_fd = pin_open_map_readonly(k->dir, "counts");
	if (k->counts_fd < 0)
		return err_trace(k->counts_fd);
	/* Reads /sys once and remembers, for an enforcer that will no longer see it. */
	return libbpf_num_possible_cpus() < 0 ? err_raise(-EIO) : 0;
}

static ERR_CHECK int kern_find_pins(
	struct kern *k, const struct kern_config *c, const char **ret_what)
{
	struct pin_owner owner = {.cgroup2_fd = c->runs_cgroup_fd,
		.runs = k->cgroups[AT_RUNS],
		.daemon = k->cgroups[AT_DAEMON]};
	int r = pin_mount(c->bpffs, ret_what);

	if (r == KERN_E_MISSING)
		return r;
	if (r)
		return err_trace(r);
	r = pin_check_foreign(c->bpffs, &owner);
	if (!r)
		r = pin_make_dir(c->bpffs, k->dir, sizeof(k->dir));
	if (!r)
		r = kern_check_pins(k);
	if (owner.has_unix)
		k->adopted |= LAYER_UNIX;
	if (r == KERN_E_FOREIGN)
		*ret_what = "hooks of another holdfast are pinned and attached; `holdfast detach` "
			    "removes them";
	return r == KERN_E_FOREIGN ? r : err_trace(r);
}

int kern_open(const struct kern_config *c, struct kern **ret, const char **ret_what)
{
	_cleanup_(kern_closep) struct kern *k = kern_new();
	int r;

	*ret_what = "";
	if (!k)
		return err_raise(-ENOMEM);
	if (snprintf(k->bpffs, sizeof(k->bpffs), "%s", c->bpffs) >= (int)sizeof(k->bpffs))
		return err_raise(-ENAMETOOLONG);
	k->cgroup_fds[AT_RUNS] = fcntl(c->runs_cgroup_fd, F_DUPFD_CLOEXEC, 0);
	k->cgroup_fds[AT_DAEMON] = fcntl(c->daemon_cgroup_fd, F_DUPFD_CLOEXEC, 0);
	if (k->cgroup_fds[AT_RUNS] < 0 || k->cgroup_fds[AT_DAEMON] < 0)
		return err_raise(-errno);
	for (int at = AT_RUNS; at <= AT_DAEMON; at++) {
		r = cgroup_id(k->cgroup_fds[at], &k->cgroups[at]);
		if (r)
			return err_trace(r);
	}
	r = kern_find_pins(k, c, ret_what);
	if (!r)
		r = kern_load(k, c, ret_what);
	if (r > 0)
		return r; /* this function's own outcomes, explained in *ret_what */
	if (!r)
		r = kern_attach_all(k);
	if (!r)
		r = pin_remove_others(k->bpffs);
	if (!r)
		r = kern_open_maps(k);
	if (r)
		return err_trace(r);
	*ret = TAKE(k);
	return 0;
}

bool kern_has_connect_unix(const struct kern *k)
{
	return k->has_connect_unix;
}

uint64_t kern_daemon_cgroup(const struct kern *k)
{
	return k->cgroups[AT_DAEMON];
}

int kern_origin_fd(const struct kern *k)
{
	return k->origin_fd;
}

int kern_unix_origins_fd(const struct kern *k)
{
	return k->unix_origins_fd;
}

int kern_askers_fd(const struct kern *k)
{
	return k->askers_fd;
}

int kern_mark_own(struct kern *k, int socket_fd)
{
	const struct listening ours = {.is_ours = 1};

	if (bpf_map_update_elem(load_map_fd(k->object, "listening"), &socket_fd, &ours, BPF_ANY))
		return err_raise(-errno);
	return 0;
}

/* The highest number that we may have. */
static ERR_CHECK int kern_move_behind(int fd)
{
	struct rlimit limit;
	int r;

	if (getrlimit(RLIMIT_NOFILE, &limit))
		return err_raise(-errno);
	if (limit.rlim_cur > INT_MAX)
		limit.rlim_cur = INT_MAX;
	r = fcntl(fd, F_DUPFD_CLOEXEC, (int)limit.rlim_cur - 1);
	return r < 0 ? err_raise(-errno) : r;
}

int kern_show_life(struct kern *k)
{
	const struct sockaddr_in at = {
		.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};

	for (uint32_t place = 0; place < LIFE_N; place++) {
		_cleanup_(fd_closep) int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
		uint64_t value = (uint64_t)fd;

		/* Bound, or the map does not take it. Nobody reads it. */
		if (fd < 0 || bind(fd, (const struct sockaddr *)&at, sizeof(at)))
			return err_raise(-errno);
		if (bpf_map_update_elem(load_map_fd(k->object, "life"), &place, &value, BPF_ANY))
			return err_raise(-errno);
		k->life_fds[place] = place == LIFE_LAST ? kern_move_behind(fd) : TAKE_FD(fd);
		if (k->life_fds[place] < 0)
			return err_trace(k->life_fds[place]);
	}
	return 0;
}

int kern_counts_fd(const struct kern *k)
{
	return k->counts_fd;
}

/* Writable, unlike the others: a reader of a ring buffer tells the kernel how far it has read, in a
 * page it maps for writing. The records themselves are mapped read-only by the kernel's own rule.
 */
int kern_denials_fd(const struct kern *k)
{
	return load_map_fd(k->object, "denials");
}

int kern_set_state(struct kern *k, const struct intercept_state *state)
{
	uint32_t zero = 0;

	if (bpf_map_update_elem(load_map_fd(k->object, "state"), &zero, state, BPF_ANY))
		return err_raise(-errno);
	return 0;
}

int kern_serve_netns(struct kern *k, uint64_t cookie, bool is_served)
{
	int map = load_map_fd(k->object, "served");
	const uint32_t yes = 1;

	if (is_served ? bpf_map_update_elem(map, &cookie, &yes, BPF_ANY)
		      : bpf_map_delete_elem(map, &cookie) && errno != ENOENT)
		return err_raise(-errno);
	return 0;
}

int kern_serve_none(struct kern *k)
{
	int map = load_map_fd(k->object, "served");
	uint64_t cookie;

	while (!bpf_map_get_next_key(map, NULL, &cookie))
		if (bpf_map_delete_elem(map, &cookie))
			return err_raise(-errno);
	return errno == ENOENT ? 0 : err_raise(-errno);
}

int kern_set_reach(struct kern *k, enum kern_reach which, const struct reach_key *keys, size_t n)
{
	static const char *const maps[] = {"targets", "inbound"};

	return err_trace(reach_replace(load_map_fd(k->object, maps[which]), keys, n));
}

/* The pin counts, not our descriptor: without the pin the hook would die with us. */
static ERR_CHECK int kern_verify_one(const struct kern *k, enum layer l, bool *ret_is_whole)
{
	struct pin_link pin;
	int r = pin_open_link(k->dir, l, k->cgroups[layer_hooks[l].at], -1, &pin);

	if (r)
		return err_trace(r);
	fd_close(pin.fd);
	*ret_is_whole = pin.state == PIN_OURS && pin.link_id == k->links[l].id &&
			pin.prog_id == k->links[l].prog_id;
	return 0;
}

/* Names of what is broken, as far as they fit. */
struct kern_broken {
	char *buf;
	size_t max, at;
	unsigned n;
};

static void kern_add_broken(struct kern_broken *b, const char *kind, const char *name)
{
	if (b->at < b->max)
		b->at += (size_t)snprintf(
			b->buf + b->at, b->max - b->at, "%s%s%s", b->n ? ", " : "", kind, name);
	b->n++;
}

int kern_verify(struct kern *k, char *buf, size_t max, unsigned *ret_n_broken)
{
	struct kern_broken broken = {.buf = buf, .max = max};
	const char *map = NULL;

	*ret_n_broken = 0;
	if (max)
		buf[0] = '\0';
	for (int l = 0; l < LAYER_N; l++) {
		bool is_whole = true;
		int r = 0;

		if (k->layers & LAYER_BIT(l))
			r = kern_verify_one(k, l, &is_whole);
		if (r)
			return err_trace(r);
		if (!is_whole)
			kern_add_broken(&broken, "", layer_hooks[l].name);
	}
	/* Without its pin a map dies with us, and what it knows of live connections. */
	while ((map = load_next_lost_map(k->object, map)))
		kern_add_broken(&broken, "map ", map);
	*ret_n_broken = broken.n;
	return 0;
}

/* Ours, still attached where it was: only the pin is gone. */
static bool kern_is_link_alive(const struct kern *k, enum layer l)
{
	struct bpf_link_info info = {0};
	uint32_t len = sizeof(info);

	return k->links[l].fd >= 0 && !bpf_obj_get_info_by_fd(k->links[l].fd, &info, &len) &&
	       info.type == BPF_LINK_TYPE_CGROUP &&
	       info.cgroup.cgroup_id == k->cgroups[layer_hooks[l].at];
}

static ERR_CHECK int kern_repair_one(struct kern *k, enum layer l)
{
	int r;

	if (kern_is_link_alive(k, l)) {
		/* What lies in its place is not what we put there; if it is our link with another
		 * program, the update below puts ours back. */
		if (bpf_link_update(k->links[l].fd, load_program_fd(k->object, l), NULL))
			return err_raise(-errno);
		r = pin_forget_link(k->dir, l);
		if (!r)
			r = pin_link_fd(k->dir, l, k->links[l].fd);
	} else {
		k->links[l].fd = fd_close(k->links[l].fd);
		r = pin_remove_link(k->dir, l);
		if (!r)
			r = kern_attach_new(k, l, load_program_fd(k->object, l));
	}
	return r ? err_trace(r) : err_trace(kern_note_link(k, l));
}

int kern_repair(struct kern *k, unsigned *ret_n)
{
	const char *what;
	int r = pin_mount(k->bpffs, &what);

	*ret_n = 0;
	if (!r)
		r = pin_make_dir(k->bpffs, k->dir, sizeof(k->dir));
	if (r)
		return r > 0 ? err_fold(r) : err_trace(r);
	for (int l = 0; l < LAYER_N; l++) {
		bool is_whole = true;

		if (k->layers & LAYER_BIT(l))
			r = kern_verify_one(k, l, &is_whole);
		if (!r && !is_whole) {
			r = kern_repair_one(k, l);
			(*ret_n)++;
		}
		if (r)
			return err_trace(r);
	}
	return err_trace(load_pin_lost_maps(k->object));
}

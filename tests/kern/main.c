/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The kernel side, proved with real sockets: each hook, what happens when the loader dies,
 * adoption, the way out. Needs root, and changes nothing outside of a namespace, cgroups and a
 * bpffs of its own.
 */
#include <bpf/bpf.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "kern/cgroup.h"
#include "tests/kern/client.h"
#include "tests/kern/test.h"
#include "util/cleanup.h"
#include "util/log.h"

bool report(struct test *t, bool is_ok, const char *name, const char *why)
{
	if (is_ok) {
		t->n_passed++;
		printf("ok %s\n", name);
	} else {
		t->n_failed++;
		printf("not ok %s: %s\n", name, why);
	}
	return is_ok;
}

static void on_denial(void *arg, const struct denial *d)
{
	struct test *t = arg;

	if (t->n_seen < DENIALS_MAX)
		t->seen[t->n_seen++] = *d;
}

/* ---- opening --------------------------------------------------------------------------------- */

static int open_kern(struct test *t, const char *runs, bool without_unix, struct kern **ret)
{
	struct world *w = &t->world;
	int runs_fd = cgroup_make(runs), daemon_fd = cgroup_make(w->daemon), r;
	struct kern_config config = {
		.bpffs = w->bpffs,
		.runs_cgroup_fd = runs_fd,
		.daemon_cgroup_fd = daemon_fd,
		.intercept = {.token_net = {127, 64, 0, 0},
			.run_level = w->run_level,
			.port = htons(ENFORCER_PORT)},
		.without_connect_unix = without_unix,
	};
	const char *what;

	r = kern_open(&config, ret, &what);
	if (r)
		fprintf(stderr, "# kern_open: %d %s\n", r, what);
	close(runs_fd);
	close(daemon_fd);
	return r;
}

static int set_state(struct kern *k, bool is_refusing)
{
	struct intercept_state state = {.is_refusing = is_refusing};
	int r = kern_serve_netns(k, world_netns(), true);

	return r ? r : kern_set_state(k, &state);
}

void must_open(struct test *t, bool without_unix)
{
	if (open_kern(t, t->world.runs, without_unix, &t->kern) || set_state(t->kern, false))
		die("kern_open");
	if (kern_denials_open(kern_denials_fd(t->kern), on_denial, t, &t->denials))
		die("kern_denials_open");
}

void close_kern(struct test *t)
{
	t->denials = kern_denials_close(t->denials);
	t->kern = kern_close(t->kern);
}

static uint64_t count_of(struct test *t, enum hook hook, enum count what)
{
	uint64_t counts[HOOK_N][COUNT_N];

	if (kern_read_counts(kern_counts_fd(t->kern), counts))
		die("kern_read_counts");
	return counts[hook][what];
}

unsigned n_handshakes(struct test *t)
{
	char path[128];
	uint8_t key[64], next[64];
	unsigned n = 0;
	int fd;

	snprintf(path, sizeof(path), "%s/abi%d/map_handshake", t->world.bpffs, HOLDFAST_ABI);
	fd = bpf_obj_get(path);
	if (fd < 0)
		die(path);
	for (void *k = NULL; !bpf_map_get_next_key(fd, k, next); n++)
		k = memcpy(key, next, sizeof(key));
	close(fd);
	return n;
}

/* ---- clients --------------------------------------------------------------------------------- */

bool client(struct test *t, const char *name, const char *run, uid_t uid,
	const char *(*fn)(struct world *w))
{
	char top[64];

	snprintf(top, sizeof(top), "%.*s", (int)strcspn(run, "/"), run);
	t->world.shared->run_cgroup = world_run(&t->world, top);
	world_run(&t->world, run);
	return report(t, in_run(&t->world, run, uid, fn), name, t->world.shared->why);
}

static void test_redirect(struct test *t)
{
	static const struct {
		const char *name;
		const char *(*fn)(struct world *w);
	} rows[] = {
		{"v4_goes_to_enforcer_with_its_origin", client_v4},
		{"v6_goes_to_enforcer_with_its_origin", client_v6},
		{"mapped_goes_to_enforcer_with_its_origin", client_mapped},
		{"fastopen_by_sendto_keeps_its_origin", client_fastopen_message},
		{"fastopen_by_connect_keeps_its_origin", client_fastopen_connect},
		{"bound_source_keeps_its_origin", client_bound_source},
		{"many_targets_share_a_source_port", client_fixed_port},
		{"bound_device_is_undone", client_bound_device},
		{"reconnected_socket_has_the_second_origin", client_reconnect},
	};
	uint64_t before = count_of(t, HOOK_CONNECT4, COUNT_OK);

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char name[96];

		client(t, rows[i].name, "a", AGENT_UID, rows[i].fn);
		snprintf(name, sizeof(name), "%s_as_root", rows[i].name);
		client(t, name, "a", 0, rows[i].fn);
	}
	client(t, "nested_cgroup_counts_to_its_run", "a/sub/deep", AGENT_UID, client_v4);
	client(t, "another_run_is_told_apart", "b", AGENT_UID, client_v6);
	check(t, "redirects_are_counted", count_of(t, HOOK_CONNECT4, COUNT_OK) > before + 200);
	check(t, "no_handshake_is_left", n_handshakes(t) == 0);
}

bool was_denied(const struct test *t, enum hook hook, int error, uid_t uid)
{
	for (unsigned i = t->n_seen; i-- > 0;)
		if (t->seen[i].hook == hook)
			return t->seen[i].error == error && t->seen[i].origin.uid == uid &&
			       t->seen[i].origin.cgroup == t->world.shared->run_cgroup;
	return false;
}

/* Unix sockets are hooked from Linux 6.7 on; before, a run's own sandbox sees to them. */
static void client_unix_denied(struct test *t, const char *name)
{
	if (!t->has_unix_hooks)
		printf("# %s: this kernel has no such hooks\n", name);
	else
		client(t, name, "a", AGENT_UID, client_unix);
}

static void test_refusals(struct test *t)
{
	static const struct {
		const char *name;
		const char *(*fn)(struct world *w);
		uid_t uid;
		enum hook hook;
		int error;
	} rows[] = {
		{"udp_is_denied", client_udp, AGENT_UID, HOOK_SENDMSG4, EPERM},
		{"connected_udp_is_denied", client_udp, AGENT_UID, HOOK_CONNECT4, EPERM},
		{"v6_udp_is_denied", client_udp, AGENT_UID, HOOK_SENDMSG6, EPERM},
		{"connected_v6_udp_is_denied", client_udp, AGENT_UID, HOOK_CONNECT6, EPERM},
		{"unix_connect_is_denied", client_unix, AGENT_UID, HOOK_CONNECT_UNIX, EPERM},
		{"unix_sendto_is_denied", client_unix, AGENT_UID, HOOK_SENDMSG_UNIX, EPERM},
		{"other_sockets_are_denied", client_other_sockets, 0, HOOK_SOCK_CREATE,
			EPROTONOSUPPORT},
		{"ip_options_are_denied", client_ip_options, 0, HOOK_CONNECT4, EPERM},
		{"link_local_source_is_denied", client_link_local, AGENT_UID, HOOK_CONNECT6, EPERM},
		{"own_listener_is_denied", client_own_port, AGENT_UID, HOOK_CONNECT4, ECONNREFUSED},
		{"own_port_cannot_be_bound", client_own_port, AGENT_UID, HOOK_BIND4, EADDRINUSE},
		{"own_port_cannot_be_bound_v6", client_own_port, AGENT_UID, HOOK_BIND6, EADDRINUSE},
		{"unserved_netns_is_denied", client_unserved_netns, 0, HOOK_CONNECT4, ECONNREFUSED},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		t->n_seen = 0;
		if (rows[i].fn == client_unix && !t->has_unix_hooks)
			continue;
		if (!client(t, rows[i].name, "a", rows[i].uid, rows[i].fn))
			continue;
		kern_denials_drain(t->denials);
		if (!was_denied(t, rows[i].hook, rows[i].error, rows[i].uid))
			report(t, false, rows[i].name, "no such denial in the ring buffer");
	}
}

static void test_refusing(struct test *t)
{
	if (set_state(t->kern, true))
		die("set_state");
	client(t, "refusing_daemon_refuses_at_once", "a", AGENT_UID, client_is_refused);
	if (set_state(t->kern, false))
		die("set_state");
	client(t, "and_serves_again_afterwards", "a", AGENT_UID, client_v4);
}

/* More denials than the ring holds: refused all the same, and counted as lost. */
static const char *client_flood(struct world *w)
{
	(void)w;
	for (int i = 0; i < 4000; i++)
		if (socket(AF_INET, SOCK_RAW, IPPROTO_RAW) >= 0 || errno != EPROTONOSUPPORT)
			return "a raw socket was made";
	return NULL;
}

static void test_lost_denials(struct test *t)
{
	client(t, "full_ring_still_refuses", "a", 0, client_flood);
	check(t, "lost_denials_are_counted", count_of(t, HOOK_SOCK_CREATE, COUNT_LOST) > 1000);
	do { /* a batch at a time */
		t->n_seen = 0;
		kern_denials_drain(t->denials);
	} while (t->n_seen);
}

/* The accepting side needs a peer that the backstop lets in: one at the enforcer's port. */
/* A socket from outside, at one of the enforcer's addresses while nobody is there, as fd 10. */
static void accept_from_there(struct test *t, const char *name, const char *(*fn)(struct world *w))
{
	struct sockaddr_storage at;
	socklen_t n = sockaddr_of(&at, "127.64.9.9", ENFORCER_PORT);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || bind(fd, (struct sockaddr *)&at, n) || dup2(fd, 10) < 0)
		die("accept test");
	client(t, name, "a", AGENT_UID, fn);
	close(10);
	close(fd);
}

static void test_accept(struct test *t)
{
	static const struct reach_key from = {.prefix = REACH_BITS,
		.addr = {[10] = 0xff, [11] = 0xff, [12] = 127, [13] = 64, [14] = 9, [15] = 9}};

	accept_from_there(t, "listener_is_not_reached_from_the_enforcers_address", client_unheard);
	if (kern_set_reach(t->kern, KERN_INBOUND, &from, 1))
		die("inbound");
	accept_from_there(t, "accept_in_the_run_is_not_disturbed", client_accept);
	if (kern_set_reach(t->kern, KERN_INBOUND, NULL, 0))
		die("inbound");
}

static void test_truth(struct test *t)
{
	struct shared *s = t->world.shared;
	struct timespec a, b;

	s->n_accepted = s->n_no_origin = s->n_match = s->n_mismatch = 0;
	clock_gettime(CLOCK_MONOTONIC, &a);
	client(t, "short_connects_under_port_reuse", "a", 0, client_truth); /* stops the enforcer */
	clock_gettime(CLOCK_MONOTONIC, &b);
	wait_until(&s->n_match, 1);
	printf("# %u accepted, %u right, %u wrong, %u without origin, %.1f s\n", s->n_accepted,
		s->n_match, s->n_mismatch, s->n_no_origin,
		(double)(b.tv_sec - a.tv_sec) + (double)(b.tv_nsec - a.tv_nsec) / 1e9);
	check(t, "none_is_attributed_wrongly", s->n_mismatch == 0);
	check(t, "none_lost_its_origin", s->n_no_origin == 0);
	check(t, "the_comparison_was_made", s->n_match > 5000);
	check(t, "no_handshake_is_left_by_resets", n_handshakes(t) == 0);
}

/* The server keeps nothing of a SYN then; the origin must wait in the map, not in a request. */
static void test_syncookies(struct test *t)
{
	world_sysctl("tcp_syncookies", "2");
	client(t, "syncookies_keep_the_origin", "a", AGENT_UID, client_v4);
	client(t, "syncookies_keep_the_origin_v6", "a", AGENT_UID, client_v6);
	world_sysctl("tcp_syncookies", "0");
}

static void test_half_open(struct test *t)
{
	enforcer_stop(&t->world);
	enforcer_start(&t->world, kern_origin_fd(t->kern), 4);
	client(t, "half_open_connects_from_one_port_are_told_apart", "a", 0, client_half_open);
	enforcer_stop(&t->world);
	enforcer_start(&t->world, kern_origin_fd(t->kern), BACKLOG);
	check(t, "no_handshake_is_left_by_a_full_queue", n_handshakes(t) == 0);
}

/* Someone who never was in a run connects to the enforcer's port. */
static void test_outsider(struct test *t)
{
	unsigned before = t->world.shared->n_no_origin;
	int fd = dial("127.0.0.1", ENFORCER_PORT);
	struct origin o;

	check(t, "outsider_gets_no_session", fd >= 0 && !read_all(fd, &o, sizeof(o)));
	check(t, "outsider_has_no_origin", wait_until(&t->world.shared->n_no_origin, before + 1));
	fd_close(fd);
}

static void test_readonly_fds(struct test *t)
{
	struct origin o = {.is_set = 1};
	uint32_t zero = 0;
	uint64_t none[1024] = {0};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	check(t, "origins_cannot_be_written_by_the_enforcer",
		bpf_map_update_elem(kern_origin_fd(t->kern), &fd, &o, BPF_ANY) && errno == EPERM);
	check(t, "counts_cannot_be_written_by_the_enforcer",
		bpf_map_update_elem(kern_counts_fd(t->kern), &zero, none, BPF_ANY) &&
			errno == EPERM);
	close(fd);
}

/* ---- life and death of the loader ------------------------------------------------------------ */

static pid_t start_loader(struct test *t)
{
	int ready[2];
	pid_t pid;
	char byte;

	fflush(NULL);
	if (pipe2(ready, O_CLOEXEC))
		die("pipe");
	pid = fork();
	if (pid < 0)
		die("fork");
	if (!pid) {
		struct kern *k;

		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (open_kern(t, t->world.runs, false, &k) || set_state(k, false))
			_exit(1);
		(void)!write(ready[1], "x", 1);
		for (;;)
			pause();
	}
	close(ready[1]);
	if (read(ready[0], &byte, 1) != 1)
		die("loader");
	close(ready[0]);
	return pid;
}

/* Everything of ours is dead, by kill -9, and the agents stay shut in. */
static void test_killed(struct test *t)
{
	pid_t loader;

	close_kern(t);
	loader = start_loader(t);
	kill(loader, SIGKILL);
	waitpid(loader, NULL, 0);
	client(t, "killed_loader_leaves_redirects", "a", AGENT_UID, client_v4);
	enforcer_stop(&t->world);
	client(t, "all_killed_connects_are_refused", "a", AGENT_UID, client_is_refused);
	client(t, "all_killed_udp_is_denied", "a", AGENT_UID, client_udp);
	client_unix_denied(t, "all_killed_unix_is_denied");
	client(t, "all_killed_raw_is_denied", "a", 0, client_other_sockets);
	check(t, "no_handshake_is_left_by_refused_connects", n_handshakes(t) == 0);
}

/* A new daemon takes over under a live connection. */
static void test_adoption(struct test *t)
{
	int go[2];
	pid_t pid;

	must_open(t, false);
	enforcer_start(&t->world, kern_origin_fd(t->kern), BACKLOG);
	t->world.shared->run_cgroup = world_run(&t->world, "a");
	if (pipe(go) || dup2(go[0], 4) < 0)
		die("pipe");
	pid = in_run_start(&t->world, "a", AGENT_UID, client_live);
	close_kern(t);
	must_open(t, false);
	(void)!write(go[1], "x", 1);
	report(t, in_run_wait(pid), "adopted_under_a_live_connection", t->world.shared->why);
	close(go[1]);
	if (go[0] != 4)
		close(go[0]);
	close(4);
	client(t, "adopted_pins_serve_new_connects", "a", AGENT_UID, client_v4);
}

static void test_without_unix(struct test *t)
{
	close_kern(t);
	must_open(t, true);
	check(t, "layer_can_be_declared_absent", !kern_has_connect_unix(t->kern));
	client_unix_denied(t, "absent_layer_that_is_pinned_denies_on");
	close_kern(t);
	check(t, "detach_takes_that_too", !kern_detach(t->world.bpffs));
	enforcer_stop(&t->world);
	must_open(t, true);
	enforcer_start(&t->world, kern_origin_fd(t->kern), BACKLOG); /* its maps are new ones */
	client(t, "absent_layer_does_nothing", "a", AGENT_UID, client_unix_open);
	close_kern(t);
	must_open(t, false);
	check(t, "layer_comes_back", kern_has_connect_unix(t->kern) == t->has_unix_hooks);
	client_unix_denied(t, "and_denies_again");
}

/* An upgrade with another ABI: its hooks come beside the old ones, which then go. */
static void test_other_abi(struct test *t)
{
	char now[128], old[128], path[160];
	struct bpf_link_info info = {0};
	uint32_t len = sizeof(info);
	int fd;

	close_kern(t);
	snprintf(now, sizeof(now), "%s/abi%d", t->world.bpffs, HOLDFAST_ABI);
	snprintf(old, sizeof(old), "%s/abi%d", t->world.bpffs, HOLDFAST_ABI - 1);
	if (rename(now, old))
		die("rename");
	snprintf(path, sizeof(path), "%s/link_connect4", old);
	fd = bpf_obj_get(path);
	must_open(t, false);
	check(t, "pins_of_the_last_abi_are_replaced", access(old, F_OK) && !access(now, F_OK));
	check(t, "and_their_hooks_are_off",
		!bpf_obj_get_info_by_fd(fd, &info, &len) && !info.cgroup.cgroup_id);
	close(fd);
	client_unix_denied(t, "new_hooks_refuse_alone");
}

static void test_foreign(struct test *t)
{
	char other[PATH_MAX + 16];
	struct kern *k = NULL;

	snprintf(other, sizeof(other), "%s/other", t->world.base);
	check(t, "pins_of_another_cgroup_are_not_taken",
		open_kern(t, other, false, &k) == KERN_E_FOREIGN);
	kern_close(k);
	client(t, "and_are_left_as_they_are", "a", AGENT_UID, client_v4);
}

static void detach_pin(struct test *t, const char *name)
{
	char path[128];
	int fd;

	snprintf(path, sizeof(path), "%s/abi%d/link_%s", t->world.bpffs, HOLDFAST_ABI, name);
	fd = bpf_obj_get(path);
	if (fd < 0 || bpf_link_detach(fd))
		die(path);
	close(fd);
}

static void unlink_pin(struct test *t, const char *name)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/abi%d/%s", t->world.bpffs, HOLDFAST_ABI, name);
	if (unlink(path))
		die(path);
}

static void test_tampering(struct test *t)
{
	uint64_t before = count_of(t, HOOK_EGRESS, COUNT_DENIED);
	char names[64];
	unsigned n;

	check(t, "whole_hooks_verify", !kern_verify(t->kern, names, sizeof(names), &n) && !n);
	detach_pin(t, "connect4");
	check(t, "detached_hook_is_noticed",
		!kern_verify(t->kern, names, sizeof(names), &n) && n == 1 &&
			!strcmp(names, "connect4"));
	client(t, "backstop_holds_without_the_hook", "a", AGENT_UID, client_is_dropped);
	check(t, "backstop_counts_what_it_dropped",
		count_of(t, HOOK_EGRESS, COUNT_DENIED) > before);
	unlink_pin(t, "map_askers");
	unlink_pin(t, "link_bind4");
	check(t, "lost_pins_are_noticed",
		!kern_verify(t->kern, names, sizeof(names), &n) && n == 3 &&
			!strcmp(names, "bind4, connect4, map askers"));
	check(t, "repair_heals",
		!kern_repair(t->kern, &n) && n == 2 &&
			!kern_verify(t->kern, names, sizeof(names), &n) && !n);
	client(t, "repaired_hook_redirects", "a", AGENT_UID, client_v4);
	detach_pin(t, "connect4");
	unlink_pin(t, "map_askers");
	close_kern(t);
	must_open(t, false);
	check(t, "reopening_heals", !kern_verify(t->kern, names, sizeof(names), &n) && !n);
	client(t, "healed_hook_redirects", "a", AGENT_UID, client_v4);
}

/* The runs' cgroup was removed and made again: the pinned links hang in the air. */
static void test_new_cgroup(struct test *t)
{
	close_kern(t);
	if (cgroup_remove(t->world.runs))
		die("remove runs");
	must_open(t, false);
	client(t, "links_of_a_removed_cgroup_are_replaced", "a", AGENT_UID, client_v4);
}

static void test_detach(struct test *t)
{
	close_kern(t);
	check(t, "detach_succeeds", kern_detach(t->world.bpffs) == 0);
	client(t, "detach_opens", "a", AGENT_UID, client_reaches_real);
	client(t, "detach_opens_unix", "a", AGENT_UID, client_unix_open);
	check(t, "detach_leaves_nothing", access(t->world.bpffs, F_OK) && errno == ENOENT);
	check(t, "detach_twice_is_fine", kern_detach(t->world.bpffs) == 0);
}

/* ---- doctor ---------------------------------------------------------------------------------- */

static void test_probe(struct test *t)
{
	bool is_whole = true;

	for (const struct kern_layer *l = kern_layers; l->name; l++) {
		char why[128];
		int r = kern_probe(l, why, sizeof(why));

		printf("# %-16s %s (%s)\n", l->name, r ? "missing" : "present", why);
		if (r && l->is_required)
			is_whole = false;
	}
	check(t, "every_required_layer_is_present", is_whole);
}

int main(void)
{
	struct test t = {0};

	if (geteuid()) {
		puts("SKIP: needs root");
		return 77;
	}
	log_setup("kern-test", LOG_LEVEL_WARN);
	setvbuf(stdout, NULL, _IOLBF, 0);
	world_make(&t.world);
	test_probe(&t);
	client(&t, "before_anything_the_real_server_answers", "a", AGENT_UID, client_reaches_real);
	must_open(&t, false);
	t.has_unix_hooks = kern_has_connect_unix(t.kern);
	test_accept(&t);
	enforcer_start(&t.world, kern_origin_fd(t.kern), BACKLOG);
	test_redirect(&t);
	test_refusals(&t);
	test_refusing(&t);
	test_lost_denials(&t);
	test_truth(&t);
	test_syncookies(&t);
	test_half_open(&t);
	test_outsider(&t);
	test_targets(&t);
	test_in_run(&t);
	test_impostor(&t);
	test_full_maps(&t);
	test_soak(&t);
	test_upgrade(&t);
	test_cost(&t);
	test_readonly_fds(&t);
	test_still(&t);
	test_killed(&t);
	test_adoption(&t);
	test_without_unix(&t);
	test_foreign(&t);
	test_tampering(&t);
	test_new_cgroup(&t);
	test_other_abi(&t);
	test_detach(&t);
	world_end(&t.world);
	printf("%u passed, %u failed\n", t.n_passed, t.n_failed);
	return t.n_failed ? 1 : 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* What the policy's addresses do in the kernel, whose listeners count, and many at once. */
#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "kern/cgroup.h"
#include "kern/still.h"
#include "tests/kern/client.h"
#include "tests/kern/test.h"
#include "util/cleanup.h"

static struct reach_key key(const char *addr, unsigned bits, uint16_t port)
{
	struct reach_key k = {.prefix = REACH_PORT_BITS + bits, .port = htons(port)};

	if (!strchr(addr, ':')) {
		k.prefix += 96;
		k.addr[10] = k.addr[11] = 0xff;
		inet_pton(AF_INET, addr, k.addr + 12);
	} else {
		inet_pton(AF_INET6, addr, k.addr);
	}
	return k;
}

static void set_state(struct test *t, bool is_listed, bool may_in_run)
{
	struct intercept_state state = {.is_listed = is_listed, .may_in_run = may_in_run};

	if (kern_set_state(t->kern, &state))
		die("set_state");
}

void test_targets(struct test *t)
{
	const struct reach_key old[] = {key("203.0.113.8", 32, 5432), key("10.0.0.0", 8, 0)};
	const struct reach_key keys[] = {
		key("203.0.113.7", 32, 5432),
		key("198.51.100.0", 24, 0),
		key("2001:db8::", 32, 5432),
		key("::", 0, 7777),
	};

	set_state(t, true, false);
	/* A list replaces the one before it. */
	check(t, "targets_can_be_set", !kern_set_reach(t->kern, KERN_TARGETS, old, 2));
	check(t, "targets_can_be_replaced", !kern_set_reach(t->kern, KERN_TARGETS, keys, 4));
	t->n_seen = 0;
	client(t, "unnamed_targets_are_refused_in_the_call", "a", AGENT_UID, client_listed);
	kern_denials_drain(t->denials);
	check(t, "and_told", was_denied(t, HOOK_CONNECT4, EACCES, AGENT_UID));
	check(t, "targets_can_be_emptied", !kern_set_reach(t->kern, KERN_TARGETS, NULL, 0));
	set_state(t, false, false);
	client(t, "without_a_list_all_goes_to_the_enforcer", "a", AGENT_UID, client_v4);
}

/* What an outsider gets of a run's listener. */
static bool reaches_run(const char *from)
{
	struct sockaddr_storage at, to;
	socklen_t n = sockaddr_of(&at, from, 0);
	struct timeval patience = {.tv_usec = 300 * 1000};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	char text[4] = "";
	bool is_reached;

	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
	if (fd < 0 || bind(fd, (struct sockaddr *)&at, n))
		die("bind");
	n = sockaddr_of(&to, "127.0.0.1", RUN_PORT);
	is_reached = !connect(fd, (struct sockaddr *)&to, n) && read_all(fd, text, 4) &&
		     !memcmp(text, "RUNS", 4);
	close(fd);
	return is_reached;
}

static void test_listener(struct test *t)
{
	const struct reach_key in[] = {key("127.0.0.0", 8, RUN_PORT)};
	const struct reach_key other[] = {key("127.0.0.0", 8, RUN_PORT + 1)};
	pid_t pid = in_run_start(&t->world, "b", AGENT_UID + 1, client_listens);

	client(t, "listener_of_another_run_is_a_target", "a", AGENT_UID, client_meets_enforcer);
	client(t, "also_for_root_in_a_run", "a", 0, client_meets_enforcer);
	check(t, "outsiders_do_not_reach_a_run", !reaches_run("127.0.0.1"));
	if (kern_set_reach(t->kern, KERN_INBOUND, other, 1))
		die("inbound");
	check(t, "nor_by_an_entry_for_another_port", !reaches_run("127.0.0.1"));
	if (kern_set_reach(t->kern, KERN_INBOUND, in, 1))
		die("inbound");
	check(t, "who_is_let_in_reaches_a_run", reaches_run("127.0.0.1"));
	check(t, "and_from_elsewhere_still_nobody", !reaches_run(REAL_ADDR4));
	if (kern_set_reach(t->kern, KERN_INBOUND, NULL, 0))
		die("inbound");
	check(t, "until_it_is_taken_back", !reaches_run("127.0.0.1"));
	world_stop(&pid);
}

void test_in_run(struct test *t)
{
	set_state(t, true, true); /* and nothing in the list: this does not go by it */
	client(t, "run_reaches_its_own_listener", "a", AGENT_UID, client_in_run);
	client(t, "run_reaches_its_own_listener_as_root", "a", 0, client_in_run);
	client(t, "nested_cgroup_is_the_same_run", "a/sub/deep", AGENT_UID, client_in_run);
	set_state(t, false, true);
	test_listener(t);
	set_state(t, false, false);
	check(t, "without_in_run_it_is_a_target_like_any_other",
		!in_run(&t->world, "a", AGENT_UID, client_in_run));
	check(t, "no_handshake_is_left_by_in_run_connects", n_handshakes(t) == 0);
}

/* While nobody of ours listens, somebody else does. */
void test_impostor(struct test *t)
{
	pid_t impostor;

	enforcer_stop(&t->world);
	impostor = impostor_start(&t->world);
	client(t, "impostor_at_our_port_gets_nothing", "a", AGENT_UID, client_meets_nobody);
	client(t, "impostor_gets_nothing_of_root_in_a_run", "a", 0, client_meets_nobody);
	check(t, "impostor_had_no_connection", t->world.shared->n_taken == 0);
	world_stop(&impostor);
	client(t, "after_the_impostor_connects_are_refused", "a", AGENT_UID, client_is_refused);
	enforcer_start(&t->world, kern_origin_fd(t->kern), BACKLOG);
	client(t, "and_the_enforcer_is_known_again", "a", AGENT_UID, client_v4);
}

/* ---- many at once ---------------------------------------------------------------------------- */

enum { SOAK_PROCESSES = 64 };

static double seconds_since(const struct timespec *a)
{
	struct timespec b;

	clock_gettime(CLOCK_MONOTONIC, &b);
	return (double)(b.tv_sec - a->tv_sec) + (double)(b.tv_nsec - a->tv_nsec) / 1e9;
}

/* Connections a second; 0 when a process failed. */
static double many(struct test *t, const char *run, const char *(*fn)(struct world *w))
{
	pid_t pids[SOAK_PROCESSES];
	bool is_whole = true;
	struct timespec a;

	strcpy(t->world.shared->why, "client died");
	fflush(NULL);
	clock_gettime(CLOCK_MONOTONIC, &a);
	for (int i = 0; i < SOAK_PROCESSES; i++) {
		pids[i] = fork();
		if (pids[i] < 0)
			die("fork");
		if (!pids[i])
			_exit(!(run ? in_run(&t->world, run, AGENT_UID, fn) : !fn(&t->world)));
	}
	for (int i = 0; i < SOAK_PROCESSES; i++)
		is_whole &= in_run_wait(pids[i]);
	if (!is_whole)
		return 0;
	return SOAK_PROCESSES * t->world.shared->n_each / seconds_since(&a);
}

void test_soak(struct test *t)
{
	struct shared *s = t->world.shared;
	double direct, controlled;
	unsigned n;

	s->n_each = getenv("SOAK") ? 100000 / SOAK_PROCESSES + 1 : 40;
	n = s->n_each * SOAK_PROCESSES;
	s->n_match = s->n_mismatch = s->n_no_origin = 0;
	direct = many(t, NULL, client_soak_direct);
	controlled = many(t, "a", client_soak);
	report(t, controlled > 0, "many_processes_at_once_each_with_its_target", s->why);
	wait_until(&s->n_match, n);
	printf("# %u connections by %d processes: %.0f/s direct, %.0f/s controlled\n", n,
		SOAK_PROCESSES, direct, controlled);
	check(t, "none_of_many_was_lost", s->n_match == n && !s->n_no_origin);
	check(t, "none_of_many_was_confused", s->n_mismatch == 0);
	check(t, "no_handshake_is_left_by_many", n_handshakes(t) == 0);
}

/* Whom the old list let in, when the new one is too long for the kernel: it must be nobody. */
static bool is_gone_after(struct test *t, const struct reach_key *many, size_t n)
{
	const struct reach_key old = key("203.0.113.8", 32, 80);
	char path[PATH_MAX];
	bool is_gone;
	uint32_t bits;
	int fd;

	snprintf(path, sizeof(path), "%s/abi%d/map_inbound", t->world.bpffs, HOLDFAST_ABI);
	fd = bpf_obj_get(path);
	if (fd < 0 || kern_set_reach(t->kern, KERN_INBOUND, &old, 1) ||
		bpf_map_lookup_elem(fd, &old, &bits))
		die(path);
	is_gone = kern_set_reach(t->kern, KERN_INBOUND, many, n) < 0 &&
		  bpf_map_lookup_elem(fd, &old, &bits) < 0;
	close(fd);
	return is_gone && !kern_set_reach(t->kern, KERN_INBOUND, NULL, 0);
}

/* What does not fit must be refused, or left to the enforcer; never let through. */
void test_full_maps(struct test *t)
{
	enum { TOO_MANY = 70000 };
	struct intercept_state state = {.may_resolve = 1};
	struct reach_key *keys = calloc(TOO_MANY, sizeof(*keys));

	if (!keys)
		die("keys");
	for (unsigned i = 0; i < TOO_MANY; i++) {
		keys[i] = key("10.0.0.0", 32, 1);
		keys[i].addr[13] = (uint8_t)(i >> 16);
		keys[i].addr[14] = (uint8_t)(i >> 8);
		keys[i].addr[15] = (uint8_t)i;
	}
	check(t, "list_that_does_not_fit_is_an_error",
		kern_set_reach(t->kern, KERN_TARGETS, keys, TOO_MANY) < 0);
	client(t, "and_the_enforcer_decides", "a", AGENT_UID, client_v4);
	check(t, "nothing_is_left_of_the_list_before", is_gone_after(t, keys, TOO_MANY));
	check(t, "it_can_be_emptied_again", !kern_set_reach(t->kern, KERN_TARGETS, NULL, 0));
	free(keys);
	if (kern_set_state(t->kern, &state))
		die("set_state");
	client(t, "resolvers_of_a_run_are_bounded", "a", AGENT_UID, client_resolvers);
	client(t, "and_of_another_run_by_themselves", "b", AGENT_UID, client_resolvers);
	set_state(t, false, false);
}

/* New programs are swapped in again and again under runs that connect all the time. */
void test_upgrade(struct test *t)
{
	struct shared *s = t->world.shared;
	unsigned n_swaps = 0;
	pid_t pid;

	s->n_each = getenv("SOAK") ? 400 : 40;
	s->n_match = s->n_mismatch = s->n_no_origin = 0;
	fflush(NULL);
	pid = fork();
	if (pid < 0)
		die("fork");
	if (!pid)
		_exit(many(t, "a", client_soak) > 0 ? 0 : 1);
	while (!waitpid(pid, NULL, WNOHANG)) {
		close_kern(t);
		must_open(t, false);
		n_swaps++;
	}
	wait_until(&s->n_match, s->n_each * SOAK_PROCESSES);
	printf("# programs swapped %u times under %u connections\n", n_swaps,
		s->n_each * SOAK_PROCESSES);
	check(t, "none_is_lost_while_programs_are_swapped",
		s->n_match == s->n_each * SOAK_PROCESSES && !s->n_no_origin);
	check(t, "none_is_confused_while_programs_are_swapped", !s->n_mismatch);
}

void test_cost(struct test *t)
{
	const char *why = client_time_real(&t->world);
	unsigned outside = t->world.shared->connect_ns;

	if (!report(t, !why, "connects_outside_are_timed", why ? why : "") ||
		!client(t, "connects_inside_are_timed", "a", AGENT_UID, client_time_connects))
		return;
	printf("# one connect(): %u ns outside, %u ns inside\n", outside,
		t->world.shared->connect_ns);
}

/* ---- groups that stand still -------------------------------------------------------------------
 */

static bool still_becomes(int dir_fd, const char *word)
{
	for (unsigned ms = 0; ms < 2000; ms++) {
		_cleanup_(fd_closep) int fd = openat(dir_fd, "cgroup.events", O_RDONLY | O_CLOEXEC);
		char text[128] = "";

		if (fd >= 0 && read(fd, text, sizeof(text) - 1) > 0 && strstr(text, word))
			return true;
		poll(NULL, 0, 1);
	}
	return false;
}

/* Freezes the group and is killed, or ends it well. */
static void still_do(const char *path, bool is_killed)
{
	static struct still s;
	pid_t pid = fork();
	int status;

	if (!pid) {
		still_add(&s, path);
		still_add(&s, path);
		still_wait(&s);
		if (s.n != 1 || s.is_loose || !still_becomes(s.v[0].dir_fd, "frozen 1"))
			_exit(1);
		if (is_killed)
			raise(SIGKILL);
		still_end(&s);
		_exit(0);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid ||
		(is_killed ? !WIFSIGNALED(status) : status != 0))
		die("still");
}

/* What is in there may be other people's: it must not stay so. */
void test_still(struct test *t)
{
	char path[PATH_MAX + 64];
	_cleanup_(fd_closep) int dir = -1;
	pid_t sleeper = fork();

	if (!sleeper) {
		pause();
		_exit(0);
	}
	snprintf(path, sizeof(path), "%s/still", t->world.base);
	if (mkdir(path, 0755) < 0 || cgroup_move(path, sleeper))
		die("still");
	dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	still_do(path, false);
	check(t, "still_group_goes_on", still_becomes(dir, "frozen 0"));
	still_do(path, true);
	check(t, "still_group_goes_on_when_its_freezer_is_killed", still_becomes(dir, "frozen 0"));
	/* Somebody else froze it: it is his to thaw. */
	if (cgroup_freeze(dir, true) || !still_becomes(dir, "frozen 1"))
		die("freeze");
	for (int i = 0; i < 2; i++) {
		static struct still s;

		still_add(&s, path);
		still_end(&s);
	}
	check(t, "still_group_that_somebody_froze_stays_so", still_becomes(dir, "frozen 1"));
	kill(sleeper, SIGKILL);
	waitpid(sleeper, NULL, 0);
	if (cgroup_remove(path))
		die("remove still");
}

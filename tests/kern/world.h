/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The world of the kernel tests: a network namespace, cgroups and a bpffs of their own, a small
 * enforcer, and a "real" server that no agent may ever reach. All of it goes when the test ends.
 */
#pragma once

#include <limits.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "bpf/abi.h"

enum {
	ENFORCER_PORT = 24871,
	REAL_PORT = 24872,
	RUN_PORT = 24874,  /* what runs listen on */
	AGENT_UID = 61234, /* no account */
	DEADLINE_S = 30,
};

#define REAL_ADDR4  "10.99.0.1" /* on a device of the test's own namespace */
#define REAL_ADDR6  "fd99::1"
#define LINK_ADDR6  "fe80::99"
#define REAL_DEVICE "hf0"

/* What a process in a run sends behind its connection: the enforcer's commands. */
enum { SAY_ORIGIN = 'O', SAY_TRUTH = 'T' };
struct truth {
	uint8_t command; /* SAY_TRUTH */
	uint8_t addr[16];
	uint8_t _pad;
	uint16_t port;
};

/* In memory shared by all processes of the test. */
struct shared {
	unsigned n_accepted, n_no_origin, n_match, n_mismatch;
	unsigned n_taken;    /* connections that the impostor was given */
	unsigned n_each;     /* connections that each of many processes makes */
	unsigned connect_ns; /* what one connect() took */
	uint64_t run_cgroup; /* what origin.cgroup must be for the client at work */
	pid_t enforcer;
	char why[256]; /* the client's words when it failed */
};

struct world {
	struct shared *shared;
	char root[PATH_MAX / 2];
	char base[PATH_MAX - 512], daemon[PATH_MAX], runs[PATH_MAX];
	char dir[64], bpffs[80], unix_path[96]; /* a folder of our own under /run */
	unsigned run_level;
	pid_t real, unix_server;
};

void world_make(struct world *w);
void world_end(struct world *w);
/* The cgroup of a run, made if needed; name may have slashes for nested ones. Returns its id. */
uint64_t world_run(struct world *w, const char *name);
void world_remove(struct world *w, const char *name);

enum { BACKLOG = 4096 };
void enforcer_start(struct world *w, int origin_fd, int backlog);
void enforcer_stop(struct world *w);
/* Somebody else at the enforcer's port, outside of its cgroup. */
pid_t impostor_start(struct world *w);
void world_stop(pid_t *pid);
/* Cookie of the test's network namespace. */
uint64_t world_netns(void);
/* Writes a sysctl of the test's network namespace, below net/ipv4. */
void world_sysctl(const char *name, const char *value);

/*
 * Runs fn in a child inside runs/<run> as uid. fn returns NULL or what went wrong, for shared->why.
 * Returns true when it returned NULL.
 */
bool in_run(struct world *w, const char *run, uid_t uid, const char *(*fn)(struct world *w));
/* The same in two steps, for a child that must live on: start returns its pid once fn says ready.
 */
pid_t in_run_start(struct world *w, const char *run, uid_t uid, const char *(*fn)(struct world *w));
bool in_run_wait(pid_t pid);

/* Fills a sockaddr from text; port in host order. Returns its length. */
socklen_t sockaddr_of(struct sockaddr_storage *ret, const char *addr, uint16_t port);
/* A connection to the target; -1 with errno. */
int dial(const char *addr, uint16_t port);
/* Reads exactly n bytes within the deadline. */
bool read_all(int fd, void *p, size_t n);
/* Waits until *n reaches want, or the deadline passes. */
bool wait_until(const volatile unsigned *n, unsigned want);
void die(const char *what) __attribute__((noreturn));

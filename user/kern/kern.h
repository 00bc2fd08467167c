/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The kernel side as seen from user space: load, attach, pin, adopt, count. This folder is the only
 * user of libbpf. Everything here runs in the warden (privileged) but kern/origin.h.
 */
#pragma once

#include "bpf/abi.h"
#include "util/err.h"
#include "util/slice.h"

enum {
	KERN_E_MISSING = 1, /* the kernel lacks something that is needed; *ret_what says what */
	KERN_E_FOREIGN = 2, /* pins of another ABI or another cgroup are there and live */
};

struct kern;

struct kern_config {
	const char *bpffs;    /* folder on a bpffs of our own, made and mounted if needed */
	int runs_cgroup_fd;   /* agents' hooks attach here */
	int daemon_cgroup_fd; /* the enforcer's sock_ops attaches here */
	struct intercept_config intercept;
	/* Behave as on a kernel before 6.7, but for what is pinned already: that stays, and refuses
	 * the unix connects of whoever was started under it. */
	bool without_connect_unix;
};

/*
 * Loads and attaches, backstop first, or adopts the pins that an earlier daemon left: programs are
 * replaced under live runs (bpf_link_update), maps are kept. Those of another ABI are taken off
 * once the new ones are attached beside them. *ret_what (static or owned by kern) says what is
 * missing on failure. 0, KERN_E_*, -errno.
 */
ERR_CHECK int kern_open(const struct kern_config *config, struct kern **ret, const char **ret_what);
/* Frees the descriptors; pins stay: the cgroup stays closed. */
struct kern *kern_close(struct kern *k);
/* Removes links and maps of the pins in `bpffs`: the only way out (`holdfast detach`). Does not
 * need a struct kern. */
ERR_CHECK int kern_detach(const char *bpffs);

/* May runs be started under the hooks of unix sockets? If not, they must not be able to make any.
 */
bool kern_has_connect_unix(const struct kern *k);
/* The daemon's own control group. */
uint64_t kern_daemon_cgroup(const struct kern *k);
/* Read-only descriptors for the enforcer, owned by kern. */
int kern_origin_fd(const struct kern *k);       /* socket storage of accepted sockets */
int kern_unix_origins_fd(const struct kern *k); /* what redirected unix sockets asked for */
int kern_askers_fd(const struct kern *k);       /* what the addresses of questions stand for */
int kern_counts_fd(const struct kern *k);       /* per-CPU array [HOOK_N * COUNT_N] */
int kern_denials_fd(const struct kern *k);      /* ring buffer map */

/* Marks a UDP socket as the enforcer's own, to which runs may speak. (Listeners for TCP, born in
 * the daemon's cgroup, are marked when they listen.) 0, -errno. */
ERR_CHECK int kern_mark_own(struct kern *k, int socket_fd);
/* Two sockets whose being open says that the warden lives: opened now, held by k alone, the second
 * at a number behind all that will be opened. A child of ours that goes on living must close them,
 * as all else that it does not need. Call before any unix socket of the hooks is opened. 0, -errno.
 */
ERR_CHECK int kern_show_life(struct kern *k);
/* What the hooks read while they run; in force from the next connect on. 0, -errno. */
ERR_CHECK int kern_set_state(struct kern *k, const struct intercept_state *state);

/* Whether the enforcer listens in that network namespace; elsewhere connects are refused. 0,
 * -errno.
 */
ERR_CHECK int kern_serve_netns(struct kern *k, uint64_t cookie, bool is_served);
/* Forgets all of them: those of an earlier daemon, whose listeners are gone. 0, -errno. */
ERR_CHECK int kern_serve_none(struct kern *k);

/* What runs may reach, and who may reach what they listen on: the kernel's copy of the policy, by
 * which it refuses at once what the enforcer would refuse anyway, and lets in who is let in. */
enum kern_reach { KERN_TARGETS, KERN_INBOUND };
/* Replaces the list; a key that stays is in force throughout. 0, -errno: the list is a mixture. */
ERR_CHECK int kern_set_reach(
	struct kern *k, enum kern_reach which, const struct reach_key *keys, size_t n);

/* Sums over CPUs into out[HOOK_N][COUNT_N], from a counts descriptor. */
ERR_CHECK int kern_read_counts(int counts_fd, uint64_t out[HOOK_N][COUNT_N]);
extern const char *const kern_hook_names[HOOK_N];
extern const char *const kern_count_names[COUNT_N];

/* Denials: calls fn for those that are waiting, up to a batch; poll kern_denials_poll_fd() for
 * readability. */
struct kern_denials;
ERR_CHECK int kern_denials_open(int denials_fd, void (*fn)(void *arg, const struct denial *d),
	void *arg, struct kern_denials **ret);
struct kern_denials *kern_denials_close(struct kern_denials *d);
int kern_denials_poll_fd(const struct kern_denials *d);
void kern_denials_drain(struct kern_denials *d);

/* Checks that every pinned link is still attached to the cgroup it was attached to, and that every
 * map is still the one that is pinned (root outside can tamper). Returns how many are not; names of
 * them, comma-separated, in buf. */
ERR_CHECK int kern_verify(struct kern *k, char *buf, size_t max, unsigned *ret_n_broken);

/* Puts back what kern_verify() found missing: pins that were removed are made again from the links
 * that we hold, bpffs and folder with them; hooks that were taken off are attached again. *ret_n:
 * how many layers. 0, -errno. */
ERR_CHECK int kern_repair(struct kern *k, unsigned *ret_n);

/* ---- doctor ---------------------------------------------------------------------------------- */

/* One layer of the kernel side, as `holdfast doctor` prints it. */
struct kern_layer {
	const char *name;    /* "connect4", "connect_unix", … */
	const char *covers;  /* what it does for us */
	const char *without; /* what is uncovered if it is missing */
	bool is_required;
};

extern const struct kern_layer kern_layers[]; /* name == NULL ends it */
/* Probes by really loading (and, where cheap, attaching to a scratch cgroup). 0 present, > 0
 * missing, < 0 could not be told; buf gets a few words of why. */
int kern_probe(const struct kern_layer *layer, char *buf, size_t max);

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The control thread: serves ctl.sock, keeps the registry of holds, follows the warden.
 *
 * Who may do what is one table (commands.c). A peer inside a run, or with an agent's uid, is
 * refused before its first message is read. A decision is in the ledger, committed to disk, before
 * the worker hears of it (P3, P5).
 */
#pragma once

#include "ctl/alarms.h"
#include "audit/journal.h"
#include "hold/hold.h"
#include "net/loop.h"
#include "policy/policy.h"
#include "session/enforcer.h"
#include "session/metrics.h"
#include "util/json.h"

struct ctl_config {
	int listener_fd; /* ctl.sock, the warden's */
	int counts_fd;   /* kernel counters, read-only */
	struct journal *journal;
	int commit_fd;
	const char *cgroup_root, *runs_path;
	const char *policy_path, *ledger_path, *degraded; /* for status */
	uint32_t agent_uid_first, agent_uid_last;
	uint32_t approver_gid;
	bool self_approval;
	int herald_fd; /* -1: nobody is told elsewhere */
	bool herald_text;
	struct ctl_alarms *alarms; /* shared with the warden; NULL in tests */
	_Atomic int64_t *beat_ns;  /* shared with the warden: the enforcer is alive */
	/* Asks the warden for the policy file; ctl_set_policy() or ctl_policy_bad() follows. */
	void *arg;
	int (*want_policy)(void *arg);
};

struct ctl_client;

enum ctl_refused { CTL_REFUSED_CONTROL, CTL_REFUSED_DECISION, CTL_REFUSED_N };

struct ctl {
	struct ctl_config config;
	struct enforcer *enforcer;
	struct loop loop;
	struct loop_source listener_src, mail_src, commit_src;
	struct list clients, dead;
	size_t n_clients;
	struct hold_table holds;
	struct list deciding; /* decisions waiting for their commit, then for their end */
	const struct policy *policy;
	struct list retired;    /* policies that a session may still use */
	uint64_t reload_client; /* who waits for a reload, 0 = nobody */
	uint64_t last_client;
	int64_t started_ns;
	struct metrics_histogram waits; /* of holds, for a human; this thread's */
	uint64_t outcomes[HOLD_OUTCOME_N];
	uint64_t n_herald_lost; /* since the last tick */
	struct {
		int64_t second;
		uint64_t n; /* in that second */
	} refused[CTL_REFUSED_N];
	bool has_failed; /* ended because it must be replaced */
};

/* Takes the policy; borrows the enforcer and what config points to. 0, -errno. */
ERR_CHECK int ctl_init(
	struct ctl *c, const struct ctl_config *config, struct enforcer *e, struct policy *policy);
void ctl_deinit(struct ctl *c);
/* Runs until loop_stop(&c->loop). */
ERR_CHECK int ctl_run(struct ctl *c);

/* The workers judge by this policy from now on; owned by ctl. */
ERR_CHECK int ctl_set_policy(struct ctl *c, struct policy *policy);
/* A run is over: so is what was granted to it, or asked by it. */
void ctl_run_ended(struct ctl *c, uint64_t run);
/* The policy that was asked for is bad; `errors` for the one who asked. */
void ctl_policy_bad(struct ctl *c, const char *errors);
/* An event row in the control thread's journal. */
void ctl_event(struct ctl *c, const char *kind, uint64_t run, const char *detail);
/* The same for what anybody on this host can cause as often as he likes: so many a second, and then
 * how many more there were. */
void ctl_event_refused(struct ctl *c, enum ctl_refused what, uint64_t run, const char *detail);

/* SPDX-License-Identifier: Apache-2.0 */
/* Retention by hand: see prune.h. */
#include "daemon/prune.h"

#include <errno.h>
#include <inttypes.h>
#include <libgen.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "audit/ledger.h"
#include "daemon/signer.h"
#include "priv/sandbox.h"
#include "util/cleanup.h"
#include "util/clock.h"

enum { PRUNE_EXIT_FAILED = 1, PRUNE_EXIT_USAGE = 2, PRUNE_EXIT_HOST = 3 };
enum { PRUNE_ANSWER_MS = 10000, PRUNE_MS_MAX = 24 * 3600 * 1000 };

static int prune_fail(int code, const char *text, const char *why)
{
	fprintf(stderr, "holdfastd: %s%s%s\n", text, why ? ": " : "", why ? why : "");
	return code;
}

static void prune_close(struct ledger **l)
{
	ledger_close(*l);
}

/* ---- what is asked for ----------------------------------------------------------------------- */

static int prune_read_wish(const struct prune_wish *wish, struct config *c)
{
	static const int64_t seconds[] = {1, 60, 3600, 86400, 7 * 86400};
	static const int64_t bytes[] = {1 << 20, 1 << 30, 1LL << 40};
	int64_t n;

	c->retention_age_ns = 0;
	c->retention_size = 0;
	if (!wish->age && !wish->size)
		return prune_fail(PRUNE_EXIT_USAGE, "--prune needs --age or --size", NULL);
	if (wish->age) {
		if (!config_quantity(wish->age, "smhdw", seconds, 200LL * 365 * 86400, &n))
			return prune_fail(PRUNE_EXIT_USAGE,
				"--age must be a time, as 12h, 90d, 52w", wish->age);
		c->retention_age_ns = n * CLOCK_NS_PER_S;
	}
	if (wish->size) {
		if (!config_quantity(wish->size, "MGT", bytes, 1LL << 50, &n))
			return prune_fail(PRUNE_EXIT_USAGE,
				"--size must be a size, as 500M, 20G, 1T", wish->size);
		c->retention_size = (uint64_t)n;
	}
	return 0;
}

/* The configuration's, which no command line can forget, and those that were added. NULL: no
 * memory.
 */
static const char **prune_holds(const struct config *c, const struct prune_wish *wish)
{
	const char **all;
	size_t n = 0;

	while (c->legal_holds && c->legal_holds[n])
		n++;
	all = calloc(n + wish->n_holds + 1, sizeof(*all));
	for (size_t i = 0; all && i < n; i++)
		all[i] = c->legal_holds[i];
	for (size_t i = 0; all && i < wish->n_holds; i++)
		all[n + i] = wish->holds[i];
	return all;
}

/* ---- the scribe's part ----------------------------------------------------------------------- */

/* The scribe's own user and sandbox: the ledger is its file, and may hold what strangers wrote. */
static int prune_enter(const struct config *c)
{
	_cleanup_(freep) char *copy = strdup(c->ledger);
	const struct sandbox_scribe sandbox = {
		.uid = c->scribe_user,
		.gid = c->audit_group ? c->audit_group : c->scribe_gid,
		.ledger_dir = copy ? dirname(copy) : "/",
	};

	umask(0027);
	return sandbox_enter_scribe(&sandbox) < 0
		       ? prune_fail(PRUNE_EXIT_HOST, "its rights cannot be dropped", NULL)
		       : 0;
}

/* Asks the parent, who has the key. False: it does not sign that. */
static bool prune_ask(
	const struct scribe_signer *signer, enum scribe_word word, struct checkpoint *c)
{
	struct pollfd pfd = {.fd = signer->fd, .events = POLLIN};
	enum scribe_word answer;

	return signer->ask(signer, word, c) && poll(&pfd, 1, PRUNE_ANSWER_MS) == 1 &&
	       signer->answer(signer, &answer, c) && answer == word && c->number;
}

/* What is behind the last signature may be somebody's who had no right to write: signing over it
 * would hide that. The daemon says at its start what it finds there. */
static int prune_check(struct ledger *l, const struct scribe_signer *signer)
{
	struct checkpoint c;

	if (!signer->last.number || ledger_reconcile(l, &signer->last) ||
		ledger_head(l, &signer->last, &c))
		return prune_fail(PRUNE_EXIT_FAILED,
			"this ledger does not end where it was signed last",
			"the daemon did not end well, or somebody wrote to it: start it once, "
			"and look at `holdfast audit events` and `holdfast audit verify`");
	return 0;
}

/* Everything that may go, part by part; then the new end is signed as at the end of the daemon. */
static int prune_steps(struct ledger *l, const struct scribe_signer *signer,
	const struct ledger_retention *retention)
{
	struct checkpoint c = {0}, last = {0};
	int r;

	while (!(r = ledger_prune_choose(l, retention, &c))) {
		if (!prune_ask(signer, SCRIBE_PRUNE, &c))
			return prune_fail(PRUNE_EXIT_FAILED,
				"that the oldest part may go was not signed", NULL);
		last = c;
		r = ledger_prune(l, retention, &c);
		if (r)
			break;
	}
	if (r != LEDGER_E_NONE)
		return prune_fail(PRUNE_EXIT_FAILED, "the ledger cannot be written", NULL);
	if (!last.number) {
		puts("nothing was pruned: no part of the ledger that is sealed is too old or too "
		     "much");
		return 0;
	}
	if (!ledger_head(l, &signer->last, &c) || !prune_ask(signer, SCRIBE_SIGN, &c) ||
		ledger_put_checkpoint(l, &c))
		return prune_fail(PRUNE_EXIT_FAILED, "pruned, but the new end is not signed", NULL);
	printf("pruned: all up to entry %" PRIu64 ", which checkpoint %" PRIu64
	       " seals, but for runs that live or are under legal hold\n",
		last.entry, last.number);
	return 0;
}

static int prune_work(const struct config *c, const struct scribe_signer *signer,
	const struct ledger_retention *retention)
{
	_cleanup_(prune_close) struct ledger *l = NULL;
	struct checkpoint end = {0};
	int r = prune_enter(c);

	if (r)
		return r;
	r = ledger_open(c->ledger, &l);
	if (r)
		return prune_fail(PRUNE_EXIT_HOST, c->ledger,
			r == LEDGER_E_VERSION ? "made by a newer holdfast"
					      : "cannot be opened for writing");
	r = prune_check(l, signer);
	if (!r)
		r = prune_steps(l, signer, retention);
	/* Nothing is behind what was signed last, whatever that is now. */
	ledger_head(l, &end, &end);
	if (!r && !signer->ask(signer, SCRIBE_SEALED, &end))
		r = prune_fail(PRUNE_EXIT_FAILED, "the end could not be sealed", NULL);
	return r;
}

/* ---- the warden's part ----------------------------------------------------------------------- */

/* Signs for the child until it ends. Its exit code. */
static int prune_attend(struct signer *signer, pid_t pid)
{
	_cleanup_(fd_closep) int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	uint64_t number = signer->last.number;
	int status;

	if (pidfd >= 0)
		signer_attend(signer, pidfd, PRUNE_MS_MAX);
	if (waitpid(pid, &status, 0) != pid || !WIFEXITED(status))
		status = prune_fail(PRUNE_EXIT_FAILED, "it was killed", NULL);
	else
		status = WEXITSTATUS(status);
	/* Nothing was signed: what was known of the end is still all that is known. */
	if (signer->last.number == number)
		signer->is_stopped = signer->was_stopped;
	signer_finish(signer);
	return status;
}

int prune_by_hand(const struct config *config, const struct prune_wish *wish)
{
	static struct signer signer;
	struct config c = *config;
	_cleanup_(freep) const char **holds = prune_holds(config, wish);
	struct ledger_retention retention;
	struct scribe_signer end;
	pid_t pid;
	int r = prune_read_wish(wish, &c);

	if (!r && access(c.ledger, F_OK) < 0)
		r = prune_fail(PRUNE_EXIT_HOST, "there is no ledger", c.ledger);
	if (!r && (!holds || signer_init(&signer, &c) || signer_begin(&signer)))
		r = prune_fail(PRUNE_EXIT_HOST, "the keys cannot be read", c.keys);
	if (r)
		return r;
	retention = (struct ledger_retention){.now_ns = clock_wall_ns(),
		.age_ns = c.retention_age_ns,
		.size = c.retention_size,
		.legal_holds = holds};
	end = signer_of_scribe(&signer);
	fflush(NULL);
	pid = fork();
	if (!pid) {
		/* The key's page did not come along: see checkpoint.c. */
		r = prune_work(&c, &end, &retention);
		fflush(NULL);
		_exit(r);
	}
	return pid < 0 ? prune_fail(PRUNE_EXIT_HOST, "fork", strerror(errno))
		       : prune_attend(&signer, pid);
}

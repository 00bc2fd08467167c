/* SPDX-License-Identifier: Apache-2.0 */
/* Who decided, and on what: see witness.h. */
#include "ctl/witness.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "ctl/report.h"
#include "util/cleanup.h"
#include "util/clock.h"
#include "util/hmac.h"

enum {
	WITNESS_TTY_MAJOR = 4,
	WITNESS_PTS_MAJOR = 136,
	WITNESS_PTS_MAJORS = 8,
	WITNESS_MINORS = 256
};

/* ---- who ------------------------------------------------------------------------------------- */

static bool witness_read(pid_t pid, const char *file, char *buf, size_t max)
{
	char path[64];
	ssize_t n = -1;
	_cleanup_(fd_closep) int fd = -1;

	snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, file);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd >= 0)
		n = read(fd, buf, max - 1);
	buf[n > 0 ? n : 0] = 0;
	return n > 0;
}

/* "pts/3", "tty1", "none", "unknown" */
static void witness_tty(pid_t pid, char *buf, size_t max)
{
	char stat[512];
	const char *p;
	int device = 0;
	unsigned class, number;

	/* The name is in parentheses and may hold anything, also more of them: take the last. */
	p = witness_read(pid, "stat", stat, sizeof(stat)) ? strrchr(stat, ')') : NULL;
	if (!p || sscanf(p + 1, " %*c %*d %*d %*d %d", &device) != 1) {
		snprintf(buf, max, "unknown");
		return;
	}
	class = major((unsigned)device);
	number = minor((unsigned)device);
	if (!device)
		snprintf(buf, max, "none");
	else if (class >= WITNESS_PTS_MAJOR && class < WITNESS_PTS_MAJOR + WITNESS_PTS_MAJORS)
		snprintf(buf, max, "pts/%u", number + WITNESS_MINORS * (class - WITNESS_PTS_MAJOR));
	else if (class == WITNESS_TTY_MAJOR)
		snprintf(buf, max, "tty%u", number);
	else
		snprintf(buf, max, "%u:%u", class, number);
}

void witness_auth(const struct ctl_client *cl, char buf[static WITNESS_MAX])
{
	char tty[24], login[24], name[32];

	witness_tty(cl->speaker, tty, sizeof(tty));
	/* All ones: no login, as of a service. */
	if (!witness_read(cl->speaker, "loginuid", login, sizeof(login)))
		snprintf(login, sizeof(login), "unknown");
	else if (!strcmp(login, "4294967295"))
		snprintf(login, sizeof(login), "none");
	witness_read(cl->speaker, "comm", name, sizeof(name));
	name[strcspn(name, "\n")] = 0;
	snprintf(buf, WITNESS_MAX, "ctl.sock peercred uid=%u gid=%u pid=%d tty=%s login=%s comm=%s",
		(unsigned)cl->uid, (unsigned)cl->gids[0], (int)cl->speaker, tty, login, name);
}

/* ---- what ------------------------------------------------------------------------------------ */

static void witness_hmac(
	const struct ctl *c, const struct hold *h, bool has_look, uint8_t out[static 32])
{
	const struct hold_view *v = &h->view;
	const char *impact = has_look ? h->look.impact_words : NULL,
		   *locks = has_look ? h->look.locks_words : NULL;
	const char *const words[] = {v->run_name, v->resource, v->target, v->role, v->database,
		v->application, v->params, v->effects, v->objects, v->rule, v->message, v->tx,
		v->comm, v->tree, v->ask, v->tags, v->unknowns, v->free, impact, locks};
	enum { N = sizeof(words) / sizeof(words[0]) };
	struct slice parts[N + 2];
	struct hmac_key key;

	for (size_t i = 0; i < N; i++)
		parts[i] = slice_str(words[i] ? words[i] : "");
	parts[N] = slice_str(v->text);
	parts[N + 1] = slice_of(v->hmac, sizeof(v->hmac));
	hmac_key_init(&key, slice_of(c->enforcer->ledger_key, sizeof(c->enforcer->ledger_key)));
	hmac_parts(&key, parts, N + 2, out);
	explicit_bzero(&key, sizeof(key));
}

/* What its server said of it. */
static void witness_look(const struct hold *h, uint32_t look, char *buf, size_t max)
{
	const struct hold_look *l = &h->look;
	int n = 0;

	if (!l->place)
		return;
	if (!look)
		snprintf(buf, max, ", before the server had said what it knows");
	else if (look != l->n)
		snprintf(buf, max, ", with an earlier answer of the server, %u of %u", look, l->n);
	else if (l->impact_words)
		n = snprintf(buf, max, ", impact=\"%.300s\"", l->impact_words);
	if (look && look == l->n && l->locks_words && (size_t)n < max)
		snprintf(buf + n, max - (size_t)n, ", locks=\"%.100s\"", l->locks_words);
}

void witness_shown(const struct ctl_client *cl, const struct hold *h, bool is_shown, uint32_t look,
	uint64_t leader, char buf[static WITNESS_MAX], uint8_t hmac[static 32])
{
	const struct hold_view *v = &h->view;
	char hash[REPORT_HASH_MAX];
	size_t n_params = 0;
	int n;

	report_hash(v, hash);
	witness_hmac(cl->ctl, h, is_shown && look && look == h->look.n, hmac);
	if (!is_shown) {
		snprintf(buf, WITNESS_MAX, "by id alone: nothing was shown there");
		return;
	}
	for (const char *p = v->params; p && *p; p = strchr(p, '\n') ? strchr(p, '\n') + 1 : NULL)
		n_params++;
	n = leader ? snprintf(buf, WITNESS_MAX,
			     "identical to h%llu, which was shown: ", (unsigned long long)leader)
		   : 0;
	n += snprintf(buf + n, WITNESS_MAX - (size_t)n,
		"%zu of %zu bytes of text, %zu parameters, hash=%s, tx=%s",
		report_shown(v->text, v->text_len), v->text_len, n_params, hash, v->tx);
	if (v->tx_since_wall_ns)
		n += snprintf(buf + n, WITNESS_MAX - (size_t)n, " for %llds",
			(long long)((clock_wall_ns() - v->tx_since_wall_ns) / CLOCK_NS_PER_S));
	n += snprintf(buf + n, WITNESS_MAX - (size_t)n, ", identical=%zu, unknowns=\"%.200s\"",
		h->n_followers + 1, v->unknowns ? v->unknowns : "");
	witness_look(h, look, buf + n, WITNESS_MAX - (size_t)n);
}

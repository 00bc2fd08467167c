/* SPDX-License-Identifier: Apache-2.0 */
/* The scribe and the warden's signatures: the heads of the chain, what may be removed, and whether
 * the ledger is what was signed last. */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "audit/scribe_int.h"
#include "util/clock.h"
#include "util/log.h"

/* A head is signed so long after the last one at the earliest; an answer is awaited so long, before
 * it is asked for again or, at the end, done without. */
enum { SCRIBE_SIGN_MS = 1000, SCRIBE_SIGN_WAIT_MS = 5000, SCRIBE_SIGN_LAST_MS = 4000 };
/* At the start it is waited for what was signed last. */
enum { SCRIBE_KEPT_WAIT_MS = 5000 };

/* In a transaction of its own. 0, LEDGER_E_UNWRITABLE. */
static int scribe_note_now(struct scribe *s, const char *kind, const char *detail)
{
	int r = scribe_begin(s);

	log_warn("scribe.ledger", "%s %s", kind, detail);
	if (!r)
		r = scribe_note(s, kind, detail);
	if (!r)
		s->n_rows++;
	return r ? r : scribe_commit(s);
}

/* All that was signed is here: what else was, before we came? After a good end nobody had anything
 * to write; after a bad one it is what the last scribe had not had signed yet, or what somebody
 * says it was, and history says which rows these are. 0, LEDGER_E_UNWRITABLE. */
static int scribe_note_unsigned(struct scribe *s)
{
	const struct scribe_signer *signer = s->config->signer;
	char detail[160];
	bool is_stopped = signer->is_stopped && s->kept.number == signer->last.number;

	if (!s->signed_last.number || s->found_entry <= s->signed_last.entry)
		return 0;
	/* verify reads these numbers. */
	snprintf(detail, sizeof(detail), "first=%llu last=%llu: %s",
		(unsigned long long)s->signed_last.entry + 1, (unsigned long long)s->found_entry,
		is_stopped ? "appended while nothing ran that may"
			   : "not signed yet when the last scribe ended");
	return scribe_note_now(s, is_stopped ? "ledger-extended" : "ledger-unsigned", detail);
}

/* The number of a signature is taken by what is no checkpoint of ours: it is spent, and history
 * says so. 0, LEDGER_E_UNWRITABLE. */
static int scribe_note_taken(struct scribe *s, const struct checkpoint *c)
{
	char detail[96];

	snprintf(detail, sizeof(detail), "record=checkpoint number=%llu entry=%llu",
		(unsigned long long)c->number, (unsigned long long)c->entry);
	return scribe_note_now(s, "conflict", detail);
}

/* The warden's word about what may be removed: number 0 says that nothing may. */
static void scribe_take_permit(struct scribe *s, const struct checkpoint *c)
{
	s->permit_asked_ns = 0;
	s->permit = *c;
	if (!c->number)
		log_warn("scribe.prune", "the warden does not sign that the oldest rows may go");
	/* A refusal is asked about again when it is time to look again. */
	if (c->number)
		s->tidied_ns = s->prune_ns = 0;
}

/* Takes a signature: also one that came after we had asked again, or that a scribe before us had
 * asked for, whose number nobody else will ever have. 0, LEDGER_E_UNWRITABLE. */
static int scribe_take_signature(struct scribe *s, const struct checkpoint *c)
{
	int r;

	/* Number 0: it could not be signed. */
	if (!c->number)
		return 0;
	r = ledger_reconcile(s->ledger, c);
	if (r == LEDGER_E_UNWRITABLE)
		return LEDGER_E_UNWRITABLE;
	if (r == LEDGER_E_CUT || r == LEDGER_E_OTHER) {
		log_error("scribe.sign", "checkpoint=%llu entry=%llu is none of this ledger's",
			(unsigned long long)c->number, (unsigned long long)c->entry);
		return 0;
	}
	if (r && r != LEDGER_E_TAKEN)
		return err_fold(r);
	if (c->number > s->signed_last.number)
		s->signed_last = *c;
	if (c->entry == s->asked.entry) {
		s->asked_ns = 0;
		s->signed_ns = clock_mono_ns();
	}
	return r ? scribe_note_taken(s, c) : 0;
}

/* Takes an answer, if there is one. 0, LEDGER_E_UNWRITABLE. */
static int scribe_take_answer(struct scribe *s)
{
	const struct scribe_signer *signer = s->config->signer;
	enum scribe_word word;
	struct checkpoint c;

	if (!signer->answer(signer, &word, &c))
		return 0;
	switch (word) {
	case SCRIBE_SIGN:
		return scribe_take_signature(s, &c);
	case SCRIBE_PRUNE:
		scribe_take_permit(s, &c);
		return 0;
	case SCRIBE_NEWEST:
		s->kept = c;
		s->has_kept = true;
		return 0;
	case SCRIBE_SEALED:
	case SCRIBE_WORDS:
		break;
	}
	return err_raise(-EPROTO);
}

/*
 * Asks what was signed last, and tells the newest checkpoint that is here: the warden knows its own
 * signature, and goes on from there if what it kept is older (a power failure may have taken that
 * back) or lost. Without an answer it is what it kept when we were started. 0, LEDGER_E_UNWRITABLE.
 */
static int scribe_ask_kept(struct scribe *s)
{
	int64_t deadline = clock_mono_ns() + SCRIBE_KEPT_WAIT_MS * CLOCK_NS_PER_MS;
	const struct scribe_signer *signer = s->config->signer;
	struct checkpoint newest;
	int r = ledger_read_checkpoint(s->ledger, INT64_MAX, &newest);

	if (r && r != LEDGER_E_NONE)
		return r == LEDGER_E_UNWRITABLE ? LEDGER_E_UNWRITABLE : err_fold(r);
	s->kept = signer->last;
	if (!signer->ask(signer, SCRIBE_NEWEST, &newest))
		return 0;
	while (!s->has_kept) {
		int64_t left_ms = (deadline - clock_mono_ns()) / CLOCK_NS_PER_MS;
		struct pollfd pfd = {.fd = signer->fd, .events = POLLIN};

		if (left_ms <= 0 || poll(&pfd, 1, (int)left_ms) != 1 || !(pfd.revents & POLLIN)) {
			log_warn("scribe.sign", "the warden does not say what was signed last");
			break;
		}
		r = scribe_take_answer(s);
		if (r)
			return r;
	}
	return 0;
}

/* Is what we stand on what was signed last? If not, history says so. 0, LEDGER_E_UNWRITABLE. */
int scribe_reconcile(struct scribe *s)
{
	const struct scribe_signer *signer = s->config->signer;
	char detail[160];
	int r;

	if (!signer || s->is_reconciled)
		return 0;
	r = s->has_kept ? 0 : scribe_ask_kept(s);
	if (r)
		return r;
	s->signed_last = s->kept;
	r = ledger_reconcile(s->ledger, &s->kept);
	snprintf(detail, sizeof(detail), "checkpoint=%llu entry=%llu: %s",
		(unsigned long long)s->kept.number, (unsigned long long)s->kept.entry,
		r == LEDGER_E_CUT ? "what was signed is not in this ledger any more"
				  : "another ledger was signed last");
	if (r == LEDGER_E_CUT)
		r = scribe_note_now(s, "ledger-cut", detail);
	else if (r == LEDGER_E_OTHER)
		r = scribe_note_now(s, "ledger-replaced", detail);
	else if (r == LEDGER_E_TAKEN)
		r = scribe_note_taken(s, &s->kept);
	else if (!r)
		r = scribe_note_unsigned(s);
	snprintf(detail, sizeof(detail),
		"kept=%llu found=%llu: what was kept of the last signature is older than the "
		"ledger",
		(unsigned long long)signer->last.number, (unsigned long long)s->kept.number);
	if (!r && s->kept.number > signer->last.number)
		r = scribe_note_now(s, "head-lost", detail);
	if (r)
		return r == LEDGER_E_UNWRITABLE ? LEDGER_E_UNWRITABLE : err_fold(r);
	s->is_reconciled = true;
	return 0;
}

/* What may go by retention's rules does not go before the warden has signed that. */
void scribe_ask_permit(struct scribe *s, const struct checkpoint *upto)
{
	const struct scribe_signer *signer = s->config->signer;

	s->permit_asked_ns = clock_mono_ns();
	if (!signer->ask(signer, SCRIBE_PRUNE, upto))
		log_debug("scribe.prune", "the warden cannot be asked");
}

/* How long until the head is to be signed; -1: there is nothing new. */
int64_t scribe_sign_due_ns(const struct scribe *s)
{
	int64_t from = s->asked_ns ? s->asked_ns : s->signed_ns, left;
	struct checkpoint c;

	if (!s->config->signer || !s->ledger || !ledger_head(s->ledger, &s->signed_last, &c))
		return -1;
	left = from + (s->asked_ns ? SCRIBE_SIGN_WAIT_MS : SCRIBE_SIGN_MS) * CLOCK_NS_PER_MS -
	       clock_mono_ns();
	return left > 0 ? left : 0;
}

static void scribe_ask_signature(struct scribe *s)
{
	const struct scribe_signer *signer = s->config->signer;

	if (!ledger_head(s->ledger, &s->signed_last, &s->asked))
		return;
	s->asked_ns = clock_mono_ns();
	if (!signer->ask(signer, SCRIBE_SIGN, &s->asked))
		log_debug("scribe.sign", "the warden cannot be asked");
}

/* 0, LEDGER_E_UNWRITABLE. */
int scribe_sign(struct scribe *s)
{
	int r;

	if (!s->config->signer || !s->is_ready)
		return 0;
	r = scribe_take_answer(s);
	if (!r && !scribe_sign_due_ns(s))
		scribe_ask_signature(s);
	return r;
}

/* At the end everything is signed, if the warden answers. */
void scribe_sign_last(struct scribe *s)
{
	int64_t deadline = clock_mono_ns() + SCRIBE_SIGN_LAST_MS * CLOCK_NS_PER_MS;
	const struct scribe_signer *signer = s->config->signer;
	struct checkpoint c;

	if (!signer || !s->is_ready || !s->ledger)
		return;
	s->asked_ns = 0;
	while (ledger_head(s->ledger, &s->signed_last, &c)) {
		int64_t left_ms = (deadline - clock_mono_ns()) / CLOCK_NS_PER_MS;
		struct pollfd pfd = {.fd = signer->fd, .events = POLLIN};

		if (!s->asked_ns)
			scribe_ask_signature(s);
		if (left_ms <= 0 || poll(&pfd, 1, (int)left_ms) != 1 || !(pfd.revents & POLLIN) ||
			scribe_take_answer(s))
			break;
	}
	if (ledger_head(s->ledger, &s->signed_last, &c)) {
		log_warn("scribe.sign", "the last rows are not signed: the warden does not answer");
		return;
	}
	if (!signer->ask(signer, SCRIBE_SEALED, &c))
		log_warn("scribe.sign", "the warden was not told that nothing more comes");
}

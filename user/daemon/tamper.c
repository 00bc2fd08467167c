/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/tamper.h"

#include <stdio.h>
#include <string.h>

#include "util/clock.h"
#include "util/log.h"

#define TAMPER_PAUSE_NS CLOCK_NS_PER_S

static void tamper_tell(
	const struct tamper *t, const char *kind, const char *what, const char *names)
{
	char text[320];

	snprintf(text, sizeof(text), "%s: %s", what, names);
	t->on_event(t->arg, kind, 0, text);
}

bool tamper_verify(struct tamper *t)
{
	char names[256] = "";
	unsigned n = 0, n_repaired = 0;

	t->next_ns = clock_mono_ns() + TAMPER_PAUSE_NS;
	if (kern_verify(t->p->kern, names, sizeof(names), &n) < 0)
		n = 1;
	if (n && n != t->n_broken)
		tamper_tell(t, "tampered", "layers not attached any more", names);
	t->n_broken = n;
	atomic_store(&t->p->vitals->alarms.n_broken, n);
	if (!n || process_is_detached(t->p))
		return !n;
	if (kern_repair(t->p->kern, &n_repaired))
		log_error("repair", "layers=\"%s\" repaired=%u", names, n_repaired);
	else
		tamper_tell(t, "repaired", "attached again", names);
	return false; /* the next look says */
}

void tamper_tick(struct tamper *t)
{
	if (clock_mono_ns() >= t->next_ns)
		(void)tamper_verify(t);
}

void tamper_note(const struct process *p, const char *kind)
{
	struct ctl_alarms *a = &p->vitals->alarms;

	if (!strcmp(kind, "tampered"))
		atomic_fetch_add(&a->n_tampered, 1);
	else if (!strcmp(kind, "moved-out"))
		atomic_fetch_add(&a->n_moved_out, 1);
	else
		return;
	atomic_store(&a->last_wall_ns, clock_wall_ns());
}

/* SPDX-License-Identifier: Apache-2.0 */
/* What the servers say of what is held: see looks.h. */
#include "ctl/looks.h"

#include <stdlib.h>

#include "ctl/watch.h"
#include "session/look.h"
#include "util/cleanup.h"

void ctl_look_new(struct ctl *c, struct hold *h)
{
	const struct hold_view *v = &h->view;

	if (!h->look.place || h->look.is_asked)
		return;
	h->look.is_asked = true;
	look_begin(h->look.place, &c->enforcer->control,
		&(struct look_ask){.hold = v->id,
			.text = slice_str(v->text),
			.may_be_own = h->look.may_be_own});
}

void ctl_look_answer(struct ctl *c, struct mail *m)
{
	struct hold *h = hold_find(&c->holds, m->hold);

	if (!h || !m->look)
		return;
	free(h->look.impact);
	free(h->look.impact_words);
	h->look.impact = TAKE(m->look->impact);
	h->look.impact_words = TAKE(m->look->impact_words);
	h->look.n++;
	ctl_watch_tell(c, h);
}

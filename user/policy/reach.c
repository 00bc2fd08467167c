/* SPDX-License-Identifier: Apache-2.0 */
/* Who may connect to what runs listen on, `in_run:` and `inbound:`; and unix sockets. */
#include <string.h>

#include "policy/bind.h"
#include "policy/model.h"

void reach_parse_in_run(struct binder *b, const struct yaml_node *n, struct policy *p)
{
	static const char *const words[] = {"deny", "allow", NULL};
	size_t word;

	if (bind_word(b, n, "in_run", words, &word))
		p->may_in_run = word == 1;
}

void reach_parse_inbound(struct binder *b, const struct yaml_node *n, struct policy *p)
{
	size_t n_items;
	const struct yaml_node *item = bind_items(b, n, "inbound", true, &n_items);

	if (n_items > POLICY_MAX_LIST) {
		bind_error(b, n, "inbound: more than %d entries", POLICY_MAX_LIST);
		return;
	}
	p->inbound = bind_alloc(b, n_items, sizeof(*p->inbound));
	for (size_t i = 0; i < n_items && !b->is_oom; i++, item = item->next) {
		struct at at = {.line = item->line, .col = item->col};
		const char *why;

		if (!bind_text(b, item, "inbound", POLICY_TEXT_MAX, false, &at.text))
			continue;
		/* Said by itself, since it is asked for, and a run with a server of UDP would look
		 * as if it worked. */
		if (strcasestr(at.text, "udp"))
			bind_error(b, item,
				"inbound: \"%.60s\": only TCP can be let in: nobody's datagrams "
				"reach "
				"a run",
				at.text);
		else if (!at_parse(slice_str(at.text), b->a, &at, &why))
			bind_error(b, item, "inbound: \"%.60s\": %s", at.text, why);
		else if (at.kind != AT_ADDRESS)
			bind_error(b, item,
				"inbound: \"%.60s\": who may connect is an address or a network, "
				"and behind the colon the run's own port: 10.0.0.0/8:8080",
				at.text);
		else
			p->inbound[p->n_inbound++] = at.endpoint;
	}
}

bool policy_may_in_run(const struct policy *p)
{
	return p->may_in_run;
}

const char *policy_unix(const struct policy *p, size_t i, const struct resource **ret)
{
	for (size_t t = 0; t < p->n_targets; t++)
		for (size_t a = 0; a < p->targets[t].n_ats; a++) {
			const struct at *at = &p->targets[t].ats[a];

			if (at->kind != AT_UNIX || i--)
				continue;
			*ret = &p->targets[t].res;
			return at->text + strlen("unix:");
		}
	return NULL;
}

uint64_t policy_unix_id(const char *named)
{
	uint64_t hash = 14695981039346656037u; /* FNV-1a */

	for (; *named; named++)
		hash = (hash ^ (uint8_t)*named) * 1099511628211u;
	return hash;
}

const struct endpoint *policy_inbound(const struct policy *p, size_t *ret_n)
{
	*ret_n = p->n_inbound;
	return p->inbound;
}

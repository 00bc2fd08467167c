/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `dns:`: what runs may resolve, who is asked, and how names find resources. With it a name in
 * `at:` stands for what a run resolved it to, and for nothing else; without it runs resolve
 * nothing, and names are looked up when the policy is loaded (resolve.c).
 */
#include "policy/bind.h"
#include "policy/model.h"

enum { DNS_PORT = 53 };

static void dns_parse_upstream(struct binder *b, const struct yaml_node *n, void *obj)
{
	struct policy *p = obj;
	size_t n_items;
	const struct yaml_node *item = bind_items(b, n, "upstream", true, &n_items);

	if (n_items > POLICY_MAX_UPSTREAMS) {
		bind_error(b, n, "upstream: more than %d", POLICY_MAX_UPSTREAMS);
		return;
	}
	p->dns.upstreams = bind_alloc(b, n_items, sizeof(*p->dns.upstreams));
	for (size_t i = 0; i < n_items && !b->is_oom; i++, item = item->next) {
		struct at at = {0};
		const char *why;
		char text[POLICY_TEXT_MAX + 8];

		if (!bind_text(b, item, "upstream", POLICY_TEXT_MAX, false, &at.text))
			continue;
		snprintf(text, sizeof(text), "%s:%d", at.text, DNS_PORT);
		if ((!at_parse(slice_str(at.text), b->a, &at, &why) &&
			    !at_parse(slice_str(text), b->a, &at, &why)) ||
			at.kind != AT_ADDRESS || at.endpoint.prefix != 128 || !at.endpoint.port)
			bind_error(b, item,
				"upstream: \"%.60s\" is not the address of a resolver: 10.0.0.53, "
				"10.0.0.53:5353 or [fd00::53]",
				at.text);
		else
			p->dns.upstreams[p->dns.n_upstreams++] = at.endpoint;
	}
}

static void dns_parse_names(struct binder *b, const struct yaml_node *n, void *obj)
{
	struct policy *p = obj;
	size_t n_items;
	const struct yaml_node *item = bind_items(b, n, "names", true, &n_items);

	if (n_items > POLICY_MAX_LIST) {
		bind_error(b, n, "names: more than %d entries", POLICY_MAX_LIST);
		return;
	}
	p->dns.names.v = bind_alloc(b, n_items, sizeof(*p->dns.names.v));
	for (size_t i = 0; i < n_items && !b->is_oom; i++, item = item->next) {
		const char *text;

		if (!bind_text(b, item, "names", POLICY_TEXT_MAX, false, &text))
			continue;
		if (strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789-_.*?") != strlen(text))
			bind_error(b, item,
				"names: \"%.60s\": a name has lower-case letters, digits, - _ and "
				"dots; * and ? stand for any",
				text);
		else
			p->dns.names.v[p->dns.names.n++] = pattern_of(slice_str(text));
	}
}

void dns_parse(struct binder *b, const struct yaml_node *n, struct policy *p)
{
	static const struct bind_key keys[] = {
		{.name = "upstream", .bind = dns_parse_upstream, .is_required = true},
		{.name = "names", .bind = dns_parse_names},
		{.name = NULL},
	};

	p->has_dns = true;
	(void)bind_map(b, n, "dns", keys, p);
}

/* ---- which resource has that name ------------------------------------------------------------ */

static bool dns_is_pattern(const struct at *at)
{
	return at->host[0] == '*';
}

static bool dns_has_name(const struct at *at, const char *name)
{
	const struct pattern pattern = pattern_of(slice_str(at->host));

	return dns_is_pattern(at) ? pattern_matches(&pattern, slice_str(name))
				  : !strcasecmp(at->host, name);
}

/* What is found on the way through all entries. */
struct dns_found {
	const struct target *target;
	const char *name;
	bool is_ambiguous;
};

static void dns_look(
	const struct policy *p, uint16_t port, const char *name, bool patterns, struct dns_found *f)
{
	for (size_t i = 0; i < p->n_targets; i++) {
		const struct target *t = &p->targets[i];

		for (size_t j = 0; j < t->n_ats; j++) {
			const struct at *at = &t->ats[j];

			if (at->kind != AT_NAME || dns_is_pattern(at) != patterns ||
				(at->endpoint.port && at->endpoint.port != port) ||
				!dns_has_name(at, name))
				continue;
			if (f->target && f->target->protocol != t->protocol)
				f->is_ambiguous = true;
			if (!f->target || t < f->target) {
				f->target = t;
				f->name = name;
			}
		}
	}
}

const struct resource *dns_find(const struct policy *p, uint16_t port, const char *const *names,
	size_t n, const char **ret_name)
{
	struct dns_found f = {0};

	for (int patterns = 0; patterns < 2 && !f.target; patterns++)
		for (size_t i = 0; i < n; i++)
			dns_look(p, port, names[i], patterns, &f);
	*ret_name = f.name;
	return f.target && !f.is_ambiguous ? &f.target->res : NULL;
}

/* ---- what may be asked and answered ---------------------------------------------------------- */

bool policy_resolves(const struct policy *p)
{
	return p->has_dns;
}

const struct endpoint *policy_upstreams(const struct policy *p, size_t *ret_n)
{
	*ret_n = p->dns.n_upstreams;
	return p->dns.upstreams;
}

enum policy_name policy_may_resolve(const struct policy *p, const char *name)
{
	enum policy_name may = POLICY_NAME_DENIED;

	if (!p->has_dns)
		return may;
	for (size_t i = 0; i < p->n_targets; i++)
		for (size_t j = 0; j < p->targets[i].n_ats; j++) {
			const struct at *at = &p->targets[i].ats[j];

			if (at->kind != AT_NAME || !dns_has_name(at, name))
				continue;
			if (!dns_is_pattern(at))
				return POLICY_NAME_EXACT;
			may = POLICY_NAME_PATTERN;
		}
	for (size_t i = 0; i < p->dns.names.n; i++)
		if (pattern_matches(&p->dns.names.v[i], slice_str(name))) {
			if (p->dns.names.v[i].whole.kind == GLOB_EXACT)
				may = may == POLICY_NAME_DENIED ? POLICY_NAME_LISTED : may;
			else
				may = POLICY_NAME_PATTERN;
		}
	return may;
}

/* Does an entry of `at:` name this address, at whatever port? One that spans more than the kind of
 * network that it is in says nothing of it. */
static bool dns_is_named_address(const struct policy *p, const uint8_t addr[static 16])
{
	uint8_t own = guarded_private(addr), least = guarded_prefix(addr);

	for (size_t i = 0; i < p->n_targets; i++) {
		const struct resource *res = &p->targets[i].res;

		for (size_t j = 0; j < res->n_endpoints; j++)
			if (res->endpoints[j].prefix >= least && res->endpoints[j].prefix >= own &&
				endpoint_holds(&res->endpoints[j], addr))
				return true;
	}
	return false;
}

bool policy_may_answer(const struct policy *p, enum policy_name may, const uint8_t addr[static 16])
{
	if (may == POLICY_NAME_DENIED)
		return false;
	if (guarded_is_special(addr))
		return dns_is_named_address(p, addr);
	/* A name that the policy writes out may be anywhere in the house; one under a pattern is
	 * somebody else's, who could point it into the house. */
	return may == POLICY_NAME_EXACT || !guarded_private(addr) || dns_is_named_address(p, addr);
}

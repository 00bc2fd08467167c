/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names → addresses → the table that finds a resource by where a connection wants to go.
 *
 * Without `dns:` names are looked up once, when the policy is loaded: what the agent's own resolver
 * says later moves nothing from one resource to another. With it they are looked up by runs,
 * through ours (dns.c), and have no address here.
 */
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdlib.h>

#include "policy/model.h"

enum { RESOLVE_NAME_MAX = 64 }; /* addresses of one name */

/* An endpoint as bytes without padding, for the map. */
struct endpoint_key {
	uint8_t bytes[19];
};

static struct slice resolve_key(const struct endpoint *e, struct endpoint_key *k)
{
	memcpy(k->bytes, e->addr, 16);
	memcpy(k->bytes + 16, &e->port, 2);
	k->bytes[18] = e->prefix;
	return slice_of(k->bytes, sizeof(k->bytes));
}

static void resolve_from_sockaddr(const struct sockaddr *sa, struct endpoint *e)
{
	if (sa->sa_family == AF_INET6) {
		memcpy(e->addr, &((const struct sockaddr_in6 *)(const void *)sa)->sin6_addr, 16);
		return;
	}
	memset(e->addr, 0, 16);
	e->addr[10] = e->addr[11] = 0xff;
	memcpy(e->addr + 12, &((const struct sockaddr_in *)(const void *)sa)->sin_addr, 4);
}

static int resolve_name(struct policy *p, struct at *at, struct diag *d)
{
	const struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
	struct addrinfo *list = NULL;
	int ret = 0, r;

	if (at->host[0] == '*') {
		diag_add(d, at->line, at->col,
			"at: \"%.100s\" is many names, which only `dns:` can tell", at->host);
		return 0;
	}
	r = getaddrinfo(at->host, NULL, &hints, &list);

	if (r) {
		diag_add(d, at->line, at->col, "at: \"%.100s\" does not resolve: %s", at->host,
			gai_strerror(r));
		return 0;
	}
	at->found = arena_array(&p->arena, RESOLVE_NAME_MAX, sizeof(*at->found));
	if (!at->found)
		ret = err_raise(-ENOMEM);
	for (const struct addrinfo *i = list; i && !ret; i = i->ai_next) {
		struct endpoint *e = &at->found[at->n_found];

		if (i->ai_family != AF_INET && i->ai_family != AF_INET6)
			continue;
		if (at->n_found == RESOLVE_NAME_MAX) {
			diag_add(d, at->line, at->col, "at: \"%.100s\" has more than %d addresses",
				at->host, RESOLVE_NAME_MAX);
			break;
		}
		*e = at->endpoint;
		resolve_from_sockaddr(i->ai_addr, e);
		at->n_found++;
	}
	freeaddrinfo(list);
	return ret;
}

/* 0 also for an endpoint that the target already has: two names of one host are no mistake. */
static int resolve_add(struct policy *p, struct target *t, const struct at *at,
	const struct endpoint *e, struct diag *d)
{
	struct endpoint_key key;
	struct slice k = resolve_key(e, &key);
	const struct target *other = map_get(&p->endpoints, k);
	char text[80];
	int r;

	if (other && other != t) {
		at_print(e, text, sizeof(text));
		diag_add(d, at->line, at->col,
			"at: %s belongs to resource \"%s\" (line %u) already", text,
			other->res.name ? other->res.name : "?", other->line);
	}
	if (other)
		return 0;
	r = map_put(&p->endpoints, k, t, NULL);
	if (r == MAP_E_FULL) {
		diag_add(d, at->line, at->col, "at: more than %d addresses in the whole policy",
			POLICY_MAX_ENDPOINTS);
		return 0;
	}
	if (r)
		return err_trace(r);
	t->res.endpoints[t->res.n_endpoints++] = *e;
	p->n_wide += e->prefix != 128 || !e->port;
	return 0;
}

static int resolve_target(struct policy *p, struct target *t, unsigned flags, struct diag *d)
{
	size_t n = 0;
	int r = 0;

	t->res.name_ports = arena_array(&p->arena, t->n_ats, sizeof(*t->res.name_ports));
	if (!t->res.name_ports)
		return err_raise(-ENOMEM);
	for (size_t i = 0; i < t->n_ats; i++) {
		struct at *at = &t->ats[i];

		if (at->kind == AT_ADDRESS) {
			at->found = &at->endpoint;
			at->n_found = 1;
		} else if (at->kind == AT_NAME && p->has_dns) {
			t->res.name_ports[t->res.n_name_ports++] = at->endpoint.port;
		} else if (at->kind == AT_NAME && flags & POLICY_RESOLVE) {
			r = resolve_name(p, at, d);
			if (r)
				return err_trace(r);
		}
		n += at->n_found;
	}
	t->res.endpoints = arena_array(&p->arena, n, sizeof(*t->res.endpoints));
	if (!t->res.endpoints)
		return err_raise(-ENOMEM);
	for (size_t i = 0; i < t->n_ats; i++) {
		for (size_t j = 0; j < t->ats[i].n_found; j++) {
			r = resolve_add(p, t, &t->ats[i], &t->ats[i].found[j], d);
			if (r)
				return err_trace(r);
		}
	}
	return 0;
}

/* Longer prefix first; of equal ones, the one that names a port. */
static int resolve_compare(const void *a, const void *b)
{
	const struct endpoint *x = &((const struct wide_endpoint *)a)->endpoint;
	const struct endpoint *y = &((const struct wide_endpoint *)b)->endpoint;

	if (x->prefix != y->prefix)
		return y->prefix - x->prefix;
	if (!x->port != !y->port)
		return !x->port - !y->port;
	return memcmp(x->addr, y->addr, sizeof(x->addr));
}

int policy_resolve(struct policy *p, unsigned flags, struct diag *d)
{
	size_t n = 0;
	int r;

	for (size_t i = 0; i < p->n_targets; i++) {
		r = resolve_target(p, &p->targets[i], flags, d);
		if (r)
			return err_trace(r);
	}
	p->wide = arena_array(&p->arena, p->n_wide, sizeof(*p->wide));
	if (!p->wide)
		return err_raise(-ENOMEM);
	for (size_t i = 0; i < p->n_targets; i++) {
		struct target *t = &p->targets[i];

		for (size_t j = 0; j < t->res.n_endpoints; j++) {
			const struct endpoint *e = &t->res.endpoints[j];

			if (e->prefix != 128 || !e->port)
				p->wide[n++] = (struct wide_endpoint){*e, t};
		}
	}
	if (n)
		qsort(p->wide, n, sizeof(*p->wide), resolve_compare);
	return 0;
}

bool endpoint_holds(const struct endpoint *e, const uint8_t addr[static 16])
{
	unsigned whole = e->prefix / 8, rest = e->prefix % 8;

	if (memcmp(e->addr, addr, whole))
		return false;
	return !rest || !((e->addr[whole] ^ addr[whole]) >> (8 - rest));
}

static bool resolve_is_in(const struct endpoint *e, const uint8_t addr[static 16], uint16_t port)
{
	return (!e->port || e->port == port) && endpoint_holds(e, addr);
}

const struct resource *policy_find_target(const struct policy *p, const uint8_t addr[static 16],
	uint16_t port, const char *const *names, size_t n, const char **ret_name)
{
	struct endpoint e = {.prefix = 128, .port = port};
	const struct resource *named;
	struct endpoint_key key;
	const struct target *t;
	uint8_t least;

	*ret_name = NULL;
	memcpy(e.addr, addr, sizeof(e.addr));
	t = map_get(&p->endpoints, resolve_key(&e, &key));
	if (t && port)
		return &t->res;
	named = n ? dns_find(p, port, names, n, ret_name) : NULL;
	if (named || *ret_name)
		return named;
	least = guarded_prefix(addr);
	for (size_t i = 0; i < p->n_wide && p->wide[i].endpoint.prefix >= least; i++)
		if (resolve_is_in(&p->wide[i].endpoint, addr, port))
			return &p->wide[i].target->res;
	return NULL;
}

const struct resource *policy_find_resource(
	const struct policy *p, const uint8_t addr[static 16], uint16_t port)
{
	const char *name;

	return policy_find_target(p, addr, port, NULL, 0, &name);
}

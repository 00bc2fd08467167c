/* SPDX-License-Identifier: Apache-2.0 */
/* Settings of holdfastd: see config.h. */
#include "daemon/config.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "policy/bind.h"
#include "priv/run.h"
#include "session/enforcer.h"
#include "session/side.h"

enum {
	CONFIG_ARENA_MAX = 1024 * 1024,
	CONFIG_PATH_MAX = 1024,
	CONFIG_ATTACH_MAX = 256,
	CONFIG_DIR_MAX = 90, /* a unix socket's path below it has 108 bytes at most */
	CONFIG_ID_MAX = 2000000000,
};

static void config_path(
	struct binder *b, const struct yaml_node *n, const char *what, size_t max, const char **ret)
{
	if (bind_text(b, n, what, max, false, ret) && (*ret)[0] != '/')
		bind_error(b, n, "%s: must be an absolute path", what);
}

/* A name or a number, as chown(1) takes it. */
static bool config_is_number(const char *text, unsigned long *ret)
{
	char *end;

	errno = 0;
	*ret = strtoul(text, &end, 10);
	return !errno && end != text && !*end && *ret <= CONFIG_ID_MAX;
}

static void config_user(
	struct binder *b, const struct yaml_node *n, const char *what, uid_t *uid, gid_t *gid)
{
	const struct passwd *pw;
	unsigned long number;
	const char *text;

	if (!bind_text(b, n, what, 64, false, &text))
		return;
	pw = getpwnam(text);
	if (pw) {
		*uid = pw->pw_uid;
		*gid = pw->pw_gid;
	} else if (config_is_number(text, &number)) {
		*uid = (uid_t)number;
		*gid = (gid_t)number;
	} else {
		bind_error(b, n, "%s: no such user \"%s\"; make it with `useradd --system %s`",
			what, text, text);
		return;
	}
	if (!*uid)
		bind_error(b, n, "%s: must not be root", what);
}

static void config_group(struct binder *b, const struct yaml_node *n, const char *what, gid_t *ret)
{
	const struct group *gr;
	unsigned long number;
	const char *text;

	if (!bind_text(b, n, what, 64, false, &text))
		return;
	gr = getgrnam(text);
	if (gr)
		*ret = gr->gr_gid;
	else if (config_is_number(text, &number))
		*ret = (gid_t)number;
	else
		bind_error(b, n, "%s: no such group \"%s\"", what, text);
}

#define CONFIG_BIND(name, call)                                                                    \
	static void config_bind_##name(struct binder *b, const struct yaml_node *n, void *obj)     \
	{                                                                                          \
		struct config *c = obj;                                                            \
		call;                                                                              \
	}

CONFIG_BIND(policy, config_path(b, n, "policy", CONFIG_PATH_MAX, &c->policy))
CONFIG_BIND(dir, config_path(b, n, "dir", CONFIG_DIR_MAX, &c->dir))
CONFIG_BIND(ledger, config_path(b, n, "ledger", CONFIG_PATH_MAX, &c->ledger))
CONFIG_BIND(keys, config_path(b, n, "keys", CONFIG_PATH_MAX, &c->keys))
CONFIG_BIND(anchor, config_path(b, n, "anchor", CONFIG_PATH_MAX, &c->anchor))
CONFIG_BIND(anchor_command,
	bind_text(b, n, "anchor_command", CONFIG_PATH_MAX, false, &c->anchor_command))
CONFIG_BIND(homes, config_path(b, n, "homes", CONFIG_PATH_MAX, &c->homes))
CONFIG_BIND(cgroup, bind_text(b, n, "cgroup", CONFIG_PATH_MAX, false, &c->cgroup))
CONFIG_BIND(user, config_user(b, n, "user", &c->user, &c->user_gid))
CONFIG_BIND(scribe_user, config_user(b, n, "scribe_user", &c->scribe_user, &c->scribe_gid))
CONFIG_BIND(operators, config_group(b, n, "operators_group", &c->operators_group))
CONFIG_BIND(approvers, config_group(b, n, "approvers_group", &c->approvers_group))
CONFIG_BIND(audit, config_group(b, n, "audit_group", &c->audit_group))
CONFIG_BIND(workers, bind_uint(b, n, "workers", ENFORCER_WORKERS_MAX, &c->workers))
CONFIG_BIND(port, bind_uint(b, n, "port", 65535, &c->port))
CONFIG_BIND(holds_per_run, bind_uint(b, n, "holds_per_run", 10000, &c->holds_per_run))
CONFIG_BIND(keepalive, bind_duration(b, n, "keepalive", &c->keepalive_ms))
CONFIG_BIND(notify, config_path(b, n, "notify", CONFIG_PATH_MAX, &c->notify))
CONFIG_BIND(webhook, bind_text(b, n, "webhook", CONFIG_PATH_MAX, false, &c->webhook))
CONFIG_BIND(
	webhook_secret, config_path(b, n, "webhook_secret", CONFIG_PATH_MAX, &c->webhook_secret))
CONFIG_BIND(webhook_ca, config_path(b, n, "webhook_ca", CONFIG_PATH_MAX, &c->webhook_ca))
CONFIG_BIND(webhook_text, bind_bool(b, n, "webhook_text", &c->webhook_text))
CONFIG_BIND(herald_user, config_user(b, n, "herald_user", &c->herald_user, &c->herald_gid))
CONFIG_BIND(self_approval, bind_bool(b, n, "self_approval", &c->self_approval))

static void config_bind_run_uids(struct binder *b, const struct yaml_node *n, void *obj)
{
	struct config *c = obj;
	unsigned first, last;
	const char *text;
	char rest;

	if (!bind_text(b, n, "run_uids", 32, false, &text))
		return;
	if (sscanf(text, "%u-%u%c", &first, &last, &rest) != 2 || first < 1000 || last < first ||
		last > CONFIG_ID_MAX) {
		bind_error(b, n,
			"run_uids: must be a range of user ids above 1000, as \"64000-64999\"");
		return;
	}
	c->run_uid_first = first;
	c->run_uid_last = last;
}

static void config_bind_foreign_sockets(struct binder *b, const struct yaml_node *n, void *obj)
{
	struct config *c = obj;
	const char *text;

	if (!bind_text(b, n, "foreign_sockets", 8, false, &text))
		return;
	c->kills_foreign_sockets = !strcmp(text, "kill");
	if (!c->kills_foreign_sockets && strcmp(text, "cut") != 0)
		bind_error(b, n, "foreign_sockets: must be cut or kill");
}

bool config_quantity(
	const char *text, const char *letters, const int64_t *units, int64_t max, int64_t *ret)
{
	const char *letter;
	unsigned long n;
	char *end;

	errno = 0;
	n = strtoul(text, &end, 10);
	letter = *end ? strchr(letters, *end) : NULL;
	if (*text < '0' || *text > '9' || errno || !letter || end[1] ||
		n > (unsigned long)(max / units[letter - letters]))
		return false;
	*ret = (int64_t)n * units[letter - letters];
	return *ret > 0;
}

static void config_bind_retention_age(struct binder *b, const struct yaml_node *n, void *obj)
{
	static const int64_t units[] = {3600, 86400, 7 * 86400};
	struct config *c = obj;
	const char *text;
	int64_t s;

	if (!bind_text(b, n, "retention_age", 32, false, &text))
		return;
	if (config_quantity(text, "hdw", units, 200LL * 365 * 86400, &s))
		c->retention_age_ns = s * 1000000000;
	else
		bind_error(b, n, "retention_age: must be hours, days or weeks, as 12h, 90d, 52w");
}

static void config_bind_retention_size(struct binder *b, const struct yaml_node *n, void *obj)
{
	static const int64_t units[] = {1 << 20, 1 << 30, 1LL << 40};
	struct config *c = obj;
	const char *text;
	int64_t size;

	if (!bind_text(b, n, "retention_size", 32, false, &text))
		return;
	if (config_quantity(text, "MGT", units, 1LL << 50, &size))
		c->retention_size = (uint64_t)size;
	else
		bind_error(b, n, "retention_size: must be a size, as 500M, 20G, 1T");
}

static void config_bind_legal_hold(struct binder *b, const struct yaml_node *n, void *obj)
{
	size_t n_items = 0, i = 0;
	const struct yaml_node *item = bind_items(b, n, "legal_hold", true, &n_items);
	const char **list = item ? bind_alloc(b, n_items + 1, sizeof(*list)) : NULL;

	for (; list && item; item = item->next)
		if (!bind_text(b, item, "legal_hold", 64, false, &list[i++]))
			return;
	((struct config *)obj)->legal_holds = list;
}

/* What is controlled from the start, and again whenever it comes back. */
static void config_bind_attach(struct binder *b, const struct yaml_node *n, void *obj)
{
	struct config *c = obj;
	size_t count;
	const struct yaml_node *item = bind_items(b, n, "attach", true, &count);

	c->attach = bind_alloc(b, count + 1, sizeof(*c->attach));
	for (size_t i = 0; c->attach && item && i < count; i++, item = item->next) {
		const char **text = &c->attach[i];

		if (bind_text(b, item, "attach", CONFIG_ATTACH_MAX, false, text) &&
			strncmp(*text, "unit:", 5) != 0 && strncmp(*text, "cgroup:/", 8) != 0)
			bind_error(b, item,
				"attach: must be \"unit:NAME.service\" or \"cgroup:/PATH\"");
	}
}

static void config_catalog_resource(struct binder *b, const struct yaml_node *n, void *obj)
{
	(void)bind_name(b, n, "resource", &((struct config_catalog *)obj)->resource);
}

static void config_catalog_user(struct binder *b, const struct yaml_node *n, void *obj)
{
	(void)bind_text(b, n, "user", 63, false, &((struct config_catalog *)obj)->user);
}

static void config_catalog_file(struct binder *b, const struct yaml_node *n, void *obj)
{
	config_path(b, n, "password_file", CONFIG_PATH_MAX,
		&((struct config_catalog *)obj)->password_file);
}

static const struct bind_key config_catalog_keys[] = {
	{"resource", config_catalog_resource, true},
	{"user", config_catalog_user, true},
	{"password_file", config_catalog_file, false},
	{NULL, NULL, false},
};

static void config_bind_catalog(struct binder *b, const struct yaml_node *n, void *obj)
{
	struct config *c = obj;
	size_t count;
	const struct yaml_node *item = bind_items(b, n, "catalog", false, &count);

	if (count > SIDE_LOGINS_MAX) {
		bind_error(b, n, "catalog: more than %d entries", SIDE_LOGINS_MAX);
		return;
	}
	c->catalogs = bind_alloc(b, count, sizeof(*c->catalogs));
	for (; c->catalogs && item && c->n_catalogs < count; item = item->next) {
		struct config_catalog *one = &c->catalogs[c->n_catalogs];

		*one = (struct config_catalog){0};
		if (!bind_map(b, item, "an entry of catalog", config_catalog_keys, one))
			return;
		for (size_t i = 0; i < c->n_catalogs; i++)
			if (one->resource && c->catalogs[i].resource &&
				!strcmp(c->catalogs[i].resource, one->resource))
				bind_error(
					b, item, "catalog: \"%s\" is there twice", one->resource);
		c->n_catalogs++;
	}
}

static const struct bind_key config_keys[] = {
	{"policy", config_bind_policy, true},
	{"dir", config_bind_dir, false},
	{"ledger", config_bind_ledger, false},
	{"keys", config_bind_keys, false},
	{"anchor", config_bind_anchor, false},
	{"anchor_command", config_bind_anchor_command, false},
	{"retention_age", config_bind_retention_age, false},
	{"retention_size", config_bind_retention_size, false},
	{"legal_hold", config_bind_legal_hold, false},
	{"homes", config_bind_homes, false},
	{"cgroup", config_bind_cgroup, false},
	{"user", config_bind_user, true},
	{"scribe_user", config_bind_scribe_user, true},
	{"operators_group", config_bind_operators, false},
	{"approvers_group", config_bind_approvers, false},
	{"audit_group", config_bind_audit, false},
	{"run_uids", config_bind_run_uids, false},
	{"workers", config_bind_workers, false},
	{"port", config_bind_port, false},
	{"attach", config_bind_attach, false},
	{"foreign_sockets", config_bind_foreign_sockets, false},
	{"self_approval", config_bind_self_approval, false},
	{"holds_per_run", config_bind_holds_per_run, false},
	{"keepalive", config_bind_keepalive, false},
	{"notify", config_bind_notify, false},
	{"webhook", config_bind_webhook, false},
	{"webhook_secret", config_bind_webhook_secret, false},
	{"webhook_ca", config_bind_webhook_ca, false},
	{"webhook_text", config_bind_webhook_text, false},
	{"herald_user", config_bind_herald_user, false},
	{"catalog", config_bind_catalog, false},
	{NULL, NULL, false},
};

/* Who tells others of holds must be nobody who could do more. */
static void config_check_herald(
	struct binder *b, const struct yaml_node *root, const struct config *c)
{
	if ((c->webhook || c->notify) && !c->herald_user)
		bind_error(b, root, "webhook and notify need herald_user: a user of their own");
	if (c->herald_user &&
		(c->herald_user == c->user || c->herald_user == c->scribe_user ||
			(c->herald_user >= c->run_uid_first && c->herald_user <= c->run_uid_last)))
		bind_error(b, root, "herald_user must be nobody else's user");
	if (c->webhook && !c->webhook_secret)
		bind_error(b, root, "webhook needs webhook_secret: a file that it is signed with");
	if (c->webhook && strncmp(c->webhook, "https://", 8) != 0 &&
		strncmp(c->webhook, "http://", 7) != 0)
		bind_error(b, root, "webhook: must be an http or https URL");
}

/* What only the whole can be wrong about. */
static void config_check(struct binder *b, const struct yaml_node *root, const struct config *c)
{
	if (c->user == c->scribe_user)
		bind_error(b, root,
			"user and scribe_user must differ: the one that reads foreign bytes "
			"must not be the one that writes history");
	if ((c->user >= c->run_uid_first && c->user <= c->run_uid_last) ||
		(c->scribe_user >= c->run_uid_first && c->scribe_user <= c->run_uid_last))
		bind_error(b, root, "run_uids must not contain user or scribe_user");
	config_check_herald(b, root, c);
	if (!c->workers)
		bind_error(b, root, "workers: must be at least 1");
	if (!c->holds_per_run)
		bind_error(b, root, "holds_per_run: must be at least 1");
	if (c->keepalive_ms < 1000 || c->keepalive_ms > 2 * 3600 * 1000)
		bind_error(b, root, "keepalive: must be from 1s to 2h");
	if (!c->port)
		bind_error(b, root, "port: must not be 0");
}

int config_parse(struct config *c, struct slice text, struct diag *d)
{
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);
	struct yaml_node *root = NULL;
	struct binder b;
	int r;

	*c = (struct config){
		.dir = "/run/holdfast",
		.ledger = "/var/lib/holdfast/ledger.db",
		.keys = "/var/lib/holdfast-keys",
		.homes = RUN_HOMES_DIR,
		.run_uid_first = 64000,
		.run_uid_last = 64999,
		.holds_per_run = 100,
		.keepalive_ms = 30 * 1000,
		.port = 959, /* only root may take it while we are down */
		.workers = cpus < 1   ? 1
			   : cpus > 8 ? 8
				      : (uint64_t)cpus,
	};
	arena_init(&c->arena, CONFIG_ARENA_MAX);
	b = (struct binder){.d = d, .a = &c->arena};
	r = yaml_parse(text, &c->arena, d, &root);
	if (r == YAML_E_BAD)
		return CONFIG_E_BAD;
	if (r)
		return err_trace(r);
	if (bind_map(&b, root, "the configuration", config_keys, c) && !d->n)
		config_check(&b, root, c);
	if (b.is_oom)
		return err_raise(-ENOMEM);
	return d->n ? CONFIG_E_BAD : 0;
}

void config_deinit(struct config *c)
{
	arena_deinit(&c->arena);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* The policy file's vocabulary, key by key: text → model. See bind.h for the strictness. */
#include <errno.h>

#include "policy/bind.h"
#include "policy/model.h"
#include "util/cleanup.h"

enum { PARSE_ARENA_MAX = 64 * 1024 * 1024 };

const char *const recording_keywords[RECORDING_N + 1] = {"none", "summary", "head", "full", NULL};
const char *const ruling_keywords[] = {"allow", "hold", "deny", NULL};

const char *const protocol_words[PROTOCOL_WORD_N + 1] = {
#define PROTOCOL_WORD(id, keyword, help) keyword,
#include "fact/protocols.def"
#undef PROTOCOL_WORD
};

static const char *const parse_effects[] = {
#define EFFECT(id, keyword, risk, help) keyword,
#include "fact/effects.def"
#undef EFFECT
	"other", NULL};

static const char *const parse_detectors[] = {
#define DETECTOR(id, keyword, help) keyword,
#include "fact/detectors.def"
#undef DETECTOR
	NULL};

static const char *const parse_modes[] = {"enforce", "observe", NULL};
static const char *const parse_via[] = {"agent", "host", NULL};
static const char *const parse_tls[] = {"inspect", "passthrough", "refuse", NULL};
static const char *const parse_stricter[] = {"hold", "deny", NULL};
static const char *const parse_durability[] = {"process", "power", NULL};

/* What the checks at the end of the file need to know about `default:`. */
struct parse_file {
	struct policy *p;
	const struct yaml_node *other; /* the ruling that covers what is not named */
	bool names_unknown;
};

/* ---- lists ----------------------------------------------------------------------------------- */

static const struct yaml_node *parse_list(
	struct binder *b, const struct yaml_node *n, const char *what, size_t *ret_n)
{
	const struct yaml_node *item = bind_items(b, n, what, true, ret_n);

	if (*ret_n > POLICY_MAX_LIST) {
		bind_error(b, n, "%s: more than %d entries", what, POLICY_MAX_LIST);
		*ret_n = 0;
	}
	return item;
}

static void parse_patterns(
	struct binder *b, const struct yaml_node *n, const char *what, struct pattern_list *ret)
{
	size_t n_items;
	const struct yaml_node *item = parse_list(b, n, what, &n_items);

	*ret = (struct pattern_list){.v = bind_alloc(b, n_items, sizeof(*ret->v))};
	for (size_t i = 0; i < n_items && !b->is_oom; i++, item = item->next) {
		const char *text;

		if (!bind_text(b, item, what, POLICY_TEXT_MAX, false, &text))
			continue;
		ret->v[ret->n] = pattern_of(slice_str(text));
		ret->v[ret->n].line = item->line;
		ret->v[ret->n++].col = item->col;
	}
}

/* Objects are compared without their quotes, so a pattern has none. */
static void parse_no_quotes(struct binder *b, const struct pattern_list *l)
{
	for (size_t i = 0; i < l->n; i++)
		if (memchr(l->v[i].whole.text.p, '"', l->v[i].whole.text.n))
			diag_add(b->d, l->v[i].line, l->v[i].col,
				"object: no quotes here; for a dot inside a name write ?");
}

/* Words → one bit each. */
static uint32_t parse_bits(
	struct binder *b, const struct yaml_node *n, const char *what, const char *const *words)
{
	size_t n_items, bit;
	const struct yaml_node *item = parse_list(b, n, what, &n_items);
	uint32_t bits = 0;

	for (size_t i = 0; i < n_items; i++, item = item->next)
		if (bind_word(b, item, what, words, &bit))
			bits |= 1u << bit;
	return bits;
}

/* ---- conditions ------------------------------------------------------------------------------ */

#define PARSE_PATTERNS(key)                                                                        \
	static void parse_cond_##key(struct binder *b, const struct yaml_node *n, void *obj)       \
	{                                                                                          \
		parse_patterns(b, n, #key, &((struct cond *)obj)->key);                            \
	}
PARSE_PATTERNS(tag)
PARSE_PATTERNS(resource)
PARSE_PATTERNS(run)
PARSE_PATTERNS(role)
PARSE_PATTERNS(database)
#undef PARSE_PATTERNS

static void parse_cond_object(struct binder *b, const struct yaml_node *n, void *obj)
{
	struct cond *c = obj;

	parse_patterns(b, n, "object", &c->object);
	parse_no_quotes(b, &c->object);
}

static void parse_cond_effect(struct binder *b, const struct yaml_node *n, void *obj)
{
	/* effect_table's own words: `other` belongs to `default:` alone. */
	const char *words[EFFECT_N + 1] = {NULL};

	memcpy(words, parse_effects, EFFECT_N * sizeof(*words));
	((struct cond *)obj)->effects = parse_bits(b, n, "effect", words);
}

static void parse_cond_protocol(struct binder *b, const struct yaml_node *n, void *obj)
{
	((struct cond *)obj)->protocols = parse_bits(b, n, "protocol", protocol_words);
}

static void parse_cond_bounded(struct binder *b, const struct yaml_node *n, void *obj)
{
	struct cond *c = obj;
	bool value;

	if (bind_bool(b, n, "bounded", &value))
		c->bounded = value ? TRI_YES : TRI_NO;
	c->bounded_line = n->line;
	c->bounded_col = n->col;
}

/* Columns, or the word `masked`. */
static void parse_cond_filters(struct binder *b, const struct yaml_node *n, void *obj)
{
	struct cond *c = obj;
	struct pattern_list list;

	parse_patterns(b, n, "filters_on", &list);
	c->filters_on = list;
	c->filters = bind_alloc(b, list.n, sizeof(*c->filters));
	c->filters_line = n->line;
	c->filters_col = n->col;
	for (size_t i = 0; c->filters && i < list.n; i++) {
		struct slice text = list.v[i].whole.text;

		if (slice_eq_str(text, "masked"))
			c->filters_masked = true;
		else if (memchr(text.p, '"', text.n) ||
			 !column_pattern_parse(text, &c->filters[c->n_filters++]))
			diag_add(b->d, list.v[i].line, list.v[i].col,
				"filters_on: a column, table.column or schema.table.column without "
				"quotes, or `masked`");
	}
}

static const struct bind_key parse_cond_keys[] = {
	{.name = "tag", .bind = parse_cond_tag},
	{.name = "resource", .bind = parse_cond_resource},
	{.name = "protocol", .bind = parse_cond_protocol},
	{.name = "effect", .bind = parse_cond_effect},
	{.name = "object", .bind = parse_cond_object},
	{.name = "bounded", .bind = parse_cond_bounded},
	{.name = "filters_on", .bind = parse_cond_filters},
	{.name = "run", .bind = parse_cond_run},
	{.name = "role", .bind = parse_cond_role},
	{.name = "database", .bind = parse_cond_database},
	{.name = NULL},
};

/* ---- rules ----------------------------------------------------------------------------------- */

struct parse_rule {
	struct rule *r;
	/* Keys that only some rulings have. */
	const struct yaml_node *message, *approvers, *break_glass, *quorum, *reason, *timeout,
		*ticket, *in_transaction;
	bool has_then;
};

static void parse_rule_name(struct binder *b, const struct yaml_node *n, void *obj)
{
	struct rule *r = ((struct parse_rule *)obj)->r;

	if (bind_name(b, n, "name", &r->name) && slice_eq_str(n->text, "default"))
		bind_error(b, n, "name: \"default\" is what rulings by `default:` are called");
}

static void parse_rule_when(struct binder *b, const struct yaml_node *n, void *obj)
{
	(void)bind_map(b, n, "when", parse_cond_keys, &((struct parse_rule *)obj)->r->when);
}

static void parse_rule_unless(struct binder *b, const struct yaml_node *n, void *obj)
{
	struct rule *r = ((struct parse_rule *)obj)->r;

	r->has_unless = true;
	if (bind_map(b, n, "unless", parse_cond_keys, &r->unless) && !n->n)
		bind_error(b, n, "unless: is empty, which would exempt everything");
}

static void parse_rule_then(struct binder *b, const struct yaml_node *n, void *obj)
{
	struct parse_rule *in = obj;
	size_t word;

	in->has_then = bind_word(b, n, "then", ruling_keywords, &word);
	if (in->has_then)
		in->r->then = (enum ruling_kind)word;
}

static void parse_rule_message(struct binder *b, const struct yaml_node *n, void *obj)
{
	struct parse_rule *in = obj;

	in->message = n;
	(void)bind_text(b, n, "message", POLICY_MESSAGE_MAX, true, &in->r->message);
}

static void parse_rule_approvers(struct binder *b, const struct yaml_node *n, void *obj)
{
	struct parse_rule *in = obj;

	in->approvers = n;
	in->r->approvers = terms_parse_who(b, n, "approvers");
}

static void parse_rule_break_glass(struct binder *b, const struct yaml_node *n, void *obj)
{
	struct parse_rule *in = obj;

	in->break_glass = n;
	in->r->break_glass = terms_parse_who(b, n, "break_glass");
}

static void parse_rule_quorum(struct binder *b, const struct yaml_node *n, void *obj)
{
	struct parse_rule *in = obj;

	in->quorum = n;
	terms_parse_quorum(b, n, in->r);
}

static void parse_rule_reason(struct binder *b, const struct yaml_node *n, void *obj)
{
	static const char *const words[] = {"optional", "required", NULL};
	struct parse_rule *in = obj;
	size_t word;

	in->reason = n;
	if (bind_word(b, n, "reason", words, &word))
		in->r->needs_reason = word == 1;
}

static void parse_rule_ticket(struct binder *b, const struct yaml_node *n, void *obj)
{
	struct parse_rule *in = obj;

	in->ticket = n;
	(void)bind_duration(b, n, "ticket", &in->r->ticket_ms);
}

static void parse_rule_timeout(struct binder *b, const struct yaml_node *n, void *obj)
{
	struct parse_rule *in = obj;

	in->timeout = n;
	(void)bind_duration(b, n, "timeout", &in->r->timeout_ms);
}

static bool parse_record(struct binder *b, const struct yaml_node *n, enum recording *ret)
{
	size_t word;

	if (!bind_word(b, n, "record", recording_keywords, &word))
		return false;
	*ret = (enum recording)word;
	return true;
}

static void parse_rule_record(struct binder *b, const struct yaml_node *n, void *obj)
{
	struct rule *r = ((struct parse_rule *)obj)->r;

	r->has_recording = parse_record(b, n, &r->recording);
}

static void parse_rule_in_transaction(struct binder *b, const struct yaml_node *n, void *obj)
{
	struct parse_rule *in = obj;
	size_t word;

	in->in_transaction = n;
	in->r->has_in_transaction = bind_word(b, n, "in_transaction", parse_stricter, &word);
	if (in->r->has_in_transaction)
		in->r->in_transaction = word ? RULING_DENY : RULING_HOLD;
}

static void parse_rule_durability(struct binder *b, const struct yaml_node *n, void *obj)
{
	size_t word;

	if (bind_word(b, n, "durability", parse_durability, &word))
		((struct parse_rule *)obj)->r->is_durable = word == 1;
}

static const struct bind_key parse_rule_keys[] = {
	{.name = "name", .bind = parse_rule_name, .is_required = true},
	{.name = "when", .bind = parse_rule_when, .is_required = true},
	{.name = "unless", .bind = parse_rule_unless},
	{.name = "then", .bind = parse_rule_then, .is_required = true},
	{.name = "message", .bind = parse_rule_message},
	{.name = "approvers", .bind = parse_rule_approvers},
	{.name = "quorum", .bind = parse_rule_quorum},
	{.name = "reason", .bind = parse_rule_reason},
	{.name = "break_glass", .bind = parse_rule_break_glass},
	{.name = "timeout", .bind = parse_rule_timeout},
	{.name = "ticket", .bind = parse_rule_ticket},
	{.name = "durability", .bind = parse_rule_durability},
	{.name = "in_transaction", .bind = parse_rule_in_transaction},
	{.name = "record", .bind = parse_rule_record},
	{.name = NULL},
};

/* Keys that do not go together, which each alone was right. */
static void parse_rule_check(struct binder *b, const struct parse_rule *in)
{
	const struct cond *when = &in->r->when;
	const uint32_t counted =
		EFFECT_BIT(EFFECT_UPDATE) | EFFECT_BIT(EFFECT_DELETE) | EFFECT_BIT(EFFECT_UNKNOWN);
	const struct {
		const char *key;
		const struct yaml_node *at;
	} of_hold[] = {{"approvers", in->approvers}, {"quorum", in->quorum}, {"reason", in->reason},
		{"break_glass", in->break_glass}, {"timeout", in->timeout}, {"ticket", in->ticket}};

	for (size_t i = 0; i < sizeof(of_hold) / sizeof(of_hold[0]); i++)
		if (of_hold[i].at && in->has_then && in->r->then != RULING_HOLD)
			bind_error(b, of_hold[i].at, "%s: only for `then: hold`", of_hold[i].key);
	if (in->r->has_in_transaction && in->has_then && in->r->in_transaction <= in->r->then)
		bind_error(b, in->in_transaction, "in_transaction: must be stricter than `then`");
	if (in->quorum)
		terms_check_quorum(b, in->approvers ? in->approvers : in->quorum, in->r);
	if (in->has_then && in->r->then == RULING_ALLOW && in->message)
		bind_error(b, in->message, "message: nobody would see it, the rule allows");
	/* What a name means is the server's choice, so that it never provably holds. */
	if (in->r->unless.filters_line ||
		(when->filters_line && in->has_then && in->r->then == RULING_ALLOW))
		diag_add(b->d,
			in->r->unless.filters_line ? in->r->unless.filters_line
						   : when->filters_line,
			in->r->unless.filters_line ? in->r->unless.filters_col : when->filters_col,
			"filters_on: only in the `when` of a rule that holds or denies");
	/* Elsewhere it is neither true nor false, and a deny rule would deny every SELECT. */
	if (when->bounded != TRI_UNKNOWN && (!when->effects || when->effects & ~counted))
		diag_add(b->d, when->bounded_line, when->bounded_col,
			"bounded: says something of update and delete only: write "
			"`effect: [update, delete]`, or one of them, beside it");
}

static void parse_rules(struct binder *b, const struct yaml_node *n, void *obj)
{
	struct policy *p = ((struct parse_file *)obj)->p;
	size_t n_items;
	const struct yaml_node *item = bind_items(b, n, "rules", false, &n_items);

	if (n_items > POLICY_MAX_RULES) {
		bind_error(b, n, "rules: more than %d", POLICY_MAX_RULES);
		return;
	}
	p->rules = bind_alloc(b, n_items, sizeof(*p->rules));
	for (; p->rules && p->n_rules < n_items; item = item->next) {
		struct rule *r = &p->rules[p->n_rules++];
		struct parse_rule in = {.r = r};

		*r = (struct rule){.timeout_ms = POLICY_TIMEOUT_MS,
			.quorum = 1,
			.when.bounded = TRI_UNKNOWN,
			.unless.bounded = TRI_UNKNOWN,
			.then = RULING_DENY,
			.line = item->line,
			.col = item->col};
		(void)bind_map(b, item, "rule", parse_rule_keys, &in);
		parse_rule_check(b, &in);
	}
}

/* ---- resources ------------------------------------------------------------------------------- */

static void parse_resource_name(struct binder *b, const struct yaml_node *n, void *obj)
{
	(void)bind_name(b, n, "name", &((struct target *)obj)->res.name);
}

static void parse_resource_at(struct binder *b, const struct yaml_node *n, void *obj)
{
	struct target *t = obj;
	size_t n_items;
	const struct yaml_node *item = parse_list(b, n, "at", &n_items);

	t->ats = bind_alloc(b, n_items, sizeof(*t->ats));
	t->res.at = bind_alloc(b, n_items + 1, sizeof(*t->res.at));
	for (size_t i = 0; i < n_items && !b->is_oom; i++, item = item->next) {
		struct at *at = &t->ats[t->n_ats];
		const char *why;

		*at = (struct at){.line = item->line, .col = item->col};
		if (!bind_text(b, item, "at", POLICY_TEXT_MAX, false, &at->text))
			continue;
		if (!at_parse(slice_str(at->text), b->a, at, &why)) {
			bind_error(b, item, "at: \"%.60s\": %s", at->text, why);
			continue;
		}
		t->res.at[t->n_ats++] = at->text;
	}
}

static void parse_resource_protocol(struct binder *b, const struct yaml_node *n, void *obj)
{
	struct target *t = obj;
	size_t word;

	if (!bind_word(b, n, "protocol", protocol_words, &word))
		return;
	t->protocol = (enum protocol_word)word;
	t->res.protocol = protocol_words[word];
}

static void parse_resource_tags(struct binder *b, const struct yaml_node *n, void *obj)
{
	struct target *t = obj;
	size_t n_items, n_good = 0;
	const struct yaml_node *item = parse_list(b, n, "tags", &n_items);

	t->res.tags = bind_alloc(b, n_items + 1, sizeof(*t->res.tags));
	for (size_t i = 0; t->res.tags && i < n_items; i++, item = item->next)
		if (bind_name(b, item, "tags", &t->res.tags[n_good]))
			n_good++;
}

static void parse_resource_tls(struct binder *b, const struct yaml_node *n, void *obj)
{
	size_t word;

	if (bind_word(b, n, "tls", parse_tls, &word))
		((struct target *)obj)->res.tls = (enum tls_mode)word;
}

static void parse_resource_via(struct binder *b, const struct yaml_node *n, void *obj)
{
	size_t word;

	if (bind_word(b, n, "via", parse_via, &word))
		((struct target *)obj)->res.via = (enum via)word;
}

static void parse_resource_record(struct binder *b, const struct yaml_node *n, void *obj)
{
	(void)parse_record(b, n, &((struct target *)obj)->res.recording);
}

static void parse_resource_unix_auth(struct binder *b, const struct yaml_node *n, void *obj)
{
	struct resource *res = &((struct target *)obj)->res;
	const char *text;

	if (!bind_text(b, n, "unix_auth", POLICY_TEXT_MAX, false, &text))
		return;
	res->unix_auth = UNIX_AUTH_ENFORCER;
	if (!strcmp(text, "agent")) {
		res->unix_auth = UNIX_AUTH_AGENT;
	} else if (!strncmp(text, "user:", 5) && text[5]) {
		res->unix_auth = UNIX_AUTH_USER;
		res->unix_user = text + 5;
		if (!strcmp(res->unix_user, "root"))
			bind_error(b, n, "unix_auth: nobody is root for an agent");
	} else if (strcmp(text, "enforcer") != 0) {
		bind_error(
			b, n, "unix_auth: \"%.60s\": expected enforcer, agent or user:NAME", text);
	}
}

static void parse_check_unix_auth(
	struct binder *b, const struct yaml_node *n, const struct target *t)
{
	for (size_t i = 0; i < t->n_ats; i++)
		if (t->ats[i].kind == AT_UNIX)
			return;
	if (t->res.unix_auth != UNIX_AUTH_ENFORCER)
		bind_error(b, n, "unix_auth: `at` names no unix socket");
}

static const struct bind_key parse_resource_keys[] = {
	{.name = "name", .bind = parse_resource_name, .is_required = true},
	{.name = "at", .bind = parse_resource_at, .is_required = true},
	{.name = "protocol", .bind = parse_resource_protocol, .is_required = true},
	{.name = "tags", .bind = parse_resource_tags},
	{.name = "tls", .bind = parse_resource_tls},
	{.name = "via", .bind = parse_resource_via},
	{.name = "record", .bind = parse_resource_record},
	{.name = "unix_auth", .bind = parse_resource_unix_auth},
	{.name = NULL},
};

static void parse_resources(struct binder *b, const struct yaml_node *n, void *obj)
{
	static const char *no_tags[] = {NULL};
	struct policy *p = ((struct parse_file *)obj)->p;
	size_t n_items, n_before = b->d->n;
	const struct yaml_node *item = bind_items(b, n, "resources", false, &n_items);

	if (n_items > POLICY_MAX_RESOURCES) {
		bind_error(b, n, "resources: more than %d", POLICY_MAX_RESOURCES);
		n_items = 0;
	}
	p->targets = bind_alloc(b, n_items, sizeof(*p->targets));
	for (; p->targets && p->n_targets < n_items; item = item->next) {
		struct target *t = &p->targets[p->n_targets++];

		*t = (struct target){.line = item->line,
			.col = item->col,
			.res.tags = no_tags,
			.res.recording = RECORDING_SUMMARY};
		if (bind_map(b, item, "resource", parse_resource_keys, t))
			parse_check_unix_auth(b, item, t);
		if (t->protocol == PROTOCOL_WORD_OPAQUE && t->res.recording > RECORDING_SUMMARY)
			bind_error(b, item,
				"record: what passes as `protocol: opaque` has no contents that "
				"could be masked first");
	}
	p->is_partial |= b->d->n != n_before;
}

/* ---- masks ----------------------------------------------------------------------------------- */

static void parse_mask_name(struct binder *b, const struct yaml_node *n, void *obj)
{
	(void)bind_name(b, n, "name", &((struct mask_entry *)obj)->rule.name);
}

static void parse_mask_tag(struct binder *b, const struct yaml_node *n, void *obj)
{
	parse_patterns(b, n, "tag", &((struct mask_entry *)obj)->tag);
}

static void parse_mask_resource(struct binder *b, const struct yaml_node *n, void *obj)
{
	parse_patterns(b, n, "resource", &((struct mask_entry *)obj)->resource);
}

static const struct bind_key parse_mask_when_keys[] = {
	{.name = "tag", .bind = parse_mask_tag},
	{.name = "resource", .bind = parse_mask_resource},
	{.name = NULL},
};

static void parse_mask_when(struct binder *b, const struct yaml_node *n, void *obj)
{
	(void)bind_map(b, n, "when", parse_mask_when_keys, obj);
}

static void parse_mask_columns(struct binder *b, const struct yaml_node *n, void *obj)
{
	struct mask_entry *m = obj;
	size_t n_items, n_good = 0;
	const struct yaml_node *item = parse_list(b, n, "columns", &n_items);

	m->rule.columns = bind_alloc(b, n_items + 1, sizeof(*m->rule.columns));
	for (size_t i = 0; m->rule.columns && i < n_items; i++, item = item->next) {
		if (!bind_text(
			    b, item, "columns", POLICY_TEXT_MAX, false, &m->rule.columns[n_good]))
			continue;
		if (strchr(m->rule.columns[n_good], '.') || slice_eq_str(item->text, "*"))
			n_good++;
		else
			bind_error(b, item,
				"columns: expected schema.table.column; for any table write "
				"\"*.%.60s\"",
				m->rule.columns[n_good]);
	}
	if (m->rule.columns)
		m->rule.columns[n_good] = NULL;
}

static void parse_mask_detect(struct binder *b, const struct yaml_node *n, void *obj)
{
	((struct mask_entry *)obj)->rule.detectors = parse_bits(b, n, "detect", parse_detectors);
}

static void parse_mask_as(struct binder *b, const struct yaml_node *n, void *obj)
{
	size_t word;

	if (bind_word(b, n, "as", transform_keywords, &word))
		((struct mask_entry *)obj)->rule.as = (enum transform)word;
}

static void parse_mask_unproven(struct binder *b, const struct yaml_node *n, void *obj)
{
	size_t word;

	if (bind_word(b, n, "unproven", unproven_keywords, &word))
		((struct mask_entry *)obj)->rule.unproven = (enum unproven)word;
}

static void parse_mask_written_back(struct binder *b, const struct yaml_node *n, void *obj)
{
	size_t word;

	if (bind_word(b, n, "written_back", written_back_keywords, &word))
		((struct mask_entry *)obj)->rule.written_back = (enum written_back)word;
}

static const struct bind_key parse_mask_keys[] = {
	{.name = "name", .bind = parse_mask_name, .is_required = true},
	{.name = "when", .bind = parse_mask_when},
	{.name = "columns", .bind = parse_mask_columns},
	{.name = "detect", .bind = parse_mask_detect},
	{.name = "as", .bind = parse_mask_as},
	{.name = "unproven", .bind = parse_mask_unproven},
	{.name = "written_back", .bind = parse_mask_written_back},
	{.name = NULL},
};

static void parse_masks(struct binder *b, const struct yaml_node *n, void *obj)
{
	static const char *no_columns[] = {NULL};
	struct policy *p = ((struct parse_file *)obj)->p;
	size_t n_items;
	const struct yaml_node *item = bind_items(b, n, "masks", false, &n_items);

	if (n_items > POLICY_MAX_MASKS) {
		bind_error(b, n, "masks: more than %d", POLICY_MAX_MASKS);
		return;
	}
	p->masks = bind_alloc(b, n_items, sizeof(*p->masks));
	for (; p->masks && p->n_masks < n_items; item = item->next) {
		struct mask_entry *m = &p->masks[p->n_masks++];

		*m = (struct mask_entry){.line = item->line, .col = item->col};
		if (bind_map(b, item, "mask", parse_mask_keys, m) && !m->rule.columns &&
			!m->rule.detectors)
			bind_error(b, item, "mask: needs `columns`, `detect` or both");
		if (!m->rule.columns)
			m->rule.columns = no_columns;
	}
}

/* ---- the file -------------------------------------------------------------------------------- */

static void parse_version(struct binder *b, const struct yaml_node *n, void *obj)
{
	uint64_t version;

	(void)obj;
	if (bind_uint(b, n, "version", 1000, &version) && version != 1)
		bind_error(b, n, "version: this holdfast reads version 1");
}

static void parse_mode(struct binder *b, const struct yaml_node *n, void *obj)
{
	size_t word;

	if (bind_word(b, n, "mode", parse_modes, &word))
		((struct parse_file *)obj)->p->is_observe = word == 1;
}

static void parse_default_map(struct binder *b, const struct yaml_node *n, struct parse_file *in)
{
	uint32_t named = 0;
	size_t effect, word, other = RULING_DENY;
	bool is_good = true;

	for (const struct yaml_node *k = n->first; k; k = k->next->next) {
		bool is_key = bind_word(b, k, "default", parse_effects, &effect);

		if (!bind_word(b, k->next, is_key ? parse_effects[effect] : "default",
			    ruling_keywords, &word) ||
			!is_key) {
			is_good = false;
			continue;
		}
		if (effect == EFFECT_N) {
			other = word;
			in->other = k->next;
			continue;
		}
		named |= EFFECT_BIT(effect);
		in->p->fallback[effect] = (enum ruling_kind)word;
	}
	for (size_t e = 0; e < EFFECT_N; e++)
		if (!(named & EFFECT_BIT(e)))
			in->p->fallback[e] = (enum ruling_kind)other;
	in->names_unknown = named & EFFECT_BIT(EFFECT_UNKNOWN);
	if (is_good && !in->other && named != EFFECT_ALL)
		bind_error(b, n,
			"default: key \"other\" is missing: what about the effects not named?");
}

static void parse_default(struct binder *b, const struct yaml_node *n, void *obj)
{
	struct parse_file *in = obj;
	size_t word;

	if (n->kind == YAML_MAP) {
		parse_default_map(b, n, in);
		return;
	}
	if (!bind_word(b, n, "default", ruling_keywords, &word))
		return;
	in->other = n;
	for (size_t e = 0; e < EFFECT_N; e++)
		in->p->fallback[e] = (enum ruling_kind)word;
}

static void parse_in_run(struct binder *b, const struct yaml_node *n, void *obj)
{
	reach_parse_in_run(b, n, ((struct parse_file *)obj)->p);
}

static void parse_inbound(struct binder *b, const struct yaml_node *n, void *obj)
{
	reach_parse_inbound(b, n, ((struct parse_file *)obj)->p);
}

static void parse_dns(struct binder *b, const struct yaml_node *n, void *obj)
{
	dns_parse(b, n, ((struct parse_file *)obj)->p);
}

static const struct bind_key parse_file_keys[] = {
	{.name = "version", .bind = parse_version, .is_required = true},
	{.name = "mode", .bind = parse_mode},
	{.name = "default", .bind = parse_default, .is_required = true},
	{.name = "resources", .bind = parse_resources},
	{.name = "dns", .bind = parse_dns},
	{.name = "in_run", .bind = parse_in_run},
	{.name = "inbound", .bind = parse_inbound},
	{.name = "rules", .bind = parse_rules},
	{.name = "masks", .bind = parse_masks},
	{.name = NULL},
};

int policy_parse(struct slice text, struct diag *d, struct policy *p)
{
	_cleanup_(arena_deinit) struct arena tree = {0};
	struct binder b = {.d = d, .a = &p->arena};
	struct parse_file in = {.p = p};
	struct yaml_node *root;
	int r;

	arena_init(&tree, PARSE_ARENA_MAX);
	for (size_t e = 0; e < EFFECT_N; e++)
		p->fallback[e] = RULING_DENY;
	r = yaml_parse(text, &tree, d, &root);
	if (r == YAML_E_BAD)
		return POLICY_E_BAD;
	if (r)
		return err_trace(r);
	(void)bind_map(&b, root, "policy", parse_file_keys, &in);
	if (b.is_oom)
		return err_raise(-ENOMEM);
	if (in.other && !in.names_unknown && !p->is_observe &&
		p->fallback[EFFECT_UNKNOWN] == RULING_ALLOW)
		bind_error(&b, in.other,
			"default: this allows what is not understood, too: set \"unknown\" by "
			"itself");
	return 0;
}

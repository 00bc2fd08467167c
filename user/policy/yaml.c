/* SPDX-License-Identifier: Apache-2.0 */
/* libyaml's events → a tree: see yaml.h. libyaml, because its events carry exact positions. */
#include "policy/yaml.h"

#include <errno.h>
#include <yaml.h>

struct yaml_build {
	yaml_parser_t parser;
	struct arena *a;
	struct diag *d;
	struct yaml_node *root;
	struct yaml_node *open[YAML_MAX_DEPTH];
	size_t depth, n_nodes, n_documents;
	bool is_over; /* what follows is not worth reading */
};

static void yaml_error(struct yaml_build *b, yaml_mark_t at, const char *text)
{
	diag_add(b->d, (unsigned)at.line + 1, (unsigned)at.column + 1, "%s", text);
}

/* An error after which the rest of the file means nothing. */
static void yaml_stop(struct yaml_build *b, yaml_mark_t at, const char *text)
{
	yaml_error(b, at, text);
	b->is_over = true;
}

static bool yaml_is_key(const struct yaml_node *parent)
{
	return parent && parent->kind == YAML_MAP && parent->n % 2 == 0;
}

/* Called before the key is hung in, so that it does not meet itself. */
static void yaml_check_key(struct yaml_build *b, const yaml_event_t *e, const struct yaml_node *map)
{
	struct slice text;

	if (e->type != YAML_SCALAR_EVENT) {
		yaml_error(b, e->start_mark, "a key must be a word");
		return;
	}
	if (map->n / 2 >= YAML_MAX_KEYS) {
		yaml_stop(b, e->start_mark, "more than 64 keys in one map");
		return;
	}
	text = slice_of(e->data.scalar.value, e->data.scalar.length);
	for (const struct yaml_node *k = map->first; k; k = k->next->next) {
		if (k->kind != YAML_SCALAR || !slice_eq(k->text, text))
			continue;
		diag_add(b->d, (unsigned)e->start_mark.line + 1, (unsigned)e->start_mark.column + 1,
			"key \"%.*s\" is already set in line %u", (int)(text.n < 60 ? text.n : 60),
			(const char *)text.p, k->line);
		return;
	}
}

/* Hangs a node into the innermost open list or map. */
static int yaml_add(
	struct yaml_build *b, yaml_mark_t at, enum yaml_kind kind, struct yaml_node **ret)
{
	struct yaml_node *parent = b->depth ? b->open[b->depth - 1] : NULL;
	struct yaml_node *n = arena_alloc(b->a, sizeof(*n));

	if (!n)
		return err_raise(-ENOMEM);
	*n = (struct yaml_node){
		.kind = kind, .line = (unsigned)at.line + 1, .col = (unsigned)at.column + 1};
	if (++b->n_nodes > YAML_MAX_NODES)
		yaml_stop(b, at, "more than 100000 values in one file");
	if (!parent)
		b->root = n;
	else if (parent->last)
		parent->last->next = n;
	else
		parent->first = n;
	if (parent) {
		parent->last = n;
		parent->n++;
	}
	*ret = n;
	return 0;
}

static void yaml_check_properties(
	struct yaml_build *b, yaml_mark_t at, const void *anchor, const void *tag)
{
	if (anchor)
		yaml_error(b, at, "anchors (&name) are not allowed: write the value out");
	if (tag)
		yaml_error(b, at, "tags (!name) are not allowed");
}

static int yaml_open(struct yaml_build *b, const yaml_event_t *e, enum yaml_kind kind)
{
	struct yaml_node *n;
	int r;

	if (b->depth == YAML_MAX_DEPTH) {
		yaml_stop(b, e->start_mark, "nested more than 16 levels deep");
		return 0;
	}
	if (kind == YAML_LIST)
		yaml_check_properties(b, e->start_mark, e->data.sequence_start.anchor,
			e->data.sequence_start.tag);
	else
		yaml_check_properties(
			b, e->start_mark, e->data.mapping_start.anchor, e->data.mapping_start.tag);
	r = yaml_add(b, e->start_mark, kind, &n);
	if (r)
		return err_trace(r);
	b->open[b->depth++] = n;
	return 0;
}

/* Escapes such as "\0" and "\e" get control characters past libyaml's own reader. */
static bool yaml_is_clean(struct slice s)
{
	for (size_t i = 0; i < s.n; i++)
		if ((s.p[i] < 0x20 && s.p[i] != '\n' && s.p[i] != '\t') || s.p[i] == 0x7f)
			return false;
	return true;
}

static int yaml_scalar(struct yaml_build *b, const yaml_event_t *e)
{
	struct slice text = slice_of(e->data.scalar.value, e->data.scalar.length);
	struct yaml_node *n;
	int r;

	yaml_check_properties(b, e->start_mark, e->data.scalar.anchor, e->data.scalar.tag);
	r = yaml_add(b, e->start_mark, YAML_SCALAR, &n);
	if (r)
		return err_trace(r);
	n->is_plain = e->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
	n->text = arena_dup(b->a, text);
	if (text.n && !n->text.p)
		return err_raise(-ENOMEM);
	if (!yaml_is_clean(text)) {
		yaml_error(b, e->start_mark, "control characters are not allowed");
		n->kind = YAML_BAD;
	}
	return 0;
}

static int yaml_alias(struct yaml_build *b, const yaml_event_t *e)
{
	struct yaml_node *n;

	yaml_error(b, e->start_mark, "aliases (*name) are not allowed: write the value out");
	return yaml_add(b, e->start_mark, YAML_BAD, &n);
}

static void yaml_document(struct yaml_build *b, const yaml_event_t *e)
{
	if (++b->n_documents > 1)
		yaml_stop(b, e->start_mark, "a policy is one document: remove the second `---`");
	else if (e->data.document_start.version_directive ||
		 e->data.document_start.tag_directives.start !=
			 e->data.document_start.tag_directives.end)
		yaml_error(b, e->start_mark, "directives (%YAML, %TAG) are not allowed");
}

static int yaml_event(struct yaml_build *b, const yaml_event_t *e)
{
	bool is_node = e->type == YAML_SCALAR_EVENT || e->type == YAML_ALIAS_EVENT ||
		       e->type == YAML_SEQUENCE_START_EVENT || e->type == YAML_MAPPING_START_EVENT;

	if (is_node && b->depth && yaml_is_key(b->open[b->depth - 1]))
		yaml_check_key(b, e, b->open[b->depth - 1]);
	switch (e->type) {
	case YAML_DOCUMENT_START_EVENT:
		yaml_document(b, e);
		return 0;
	case YAML_SCALAR_EVENT:
		return yaml_scalar(b, e);
	case YAML_ALIAS_EVENT:
		return yaml_alias(b, e);
	case YAML_SEQUENCE_START_EVENT:
		return yaml_open(b, e, YAML_LIST);
	case YAML_MAPPING_START_EVENT:
		return yaml_open(b, e, YAML_MAP);
	case YAML_SEQUENCE_END_EVENT:
	case YAML_MAPPING_END_EVENT:
		b->depth--;
		return 0;
	case YAML_STREAM_END_EVENT:
		b->is_over = true;
		return 0;
	case YAML_NO_EVENT:
	case YAML_STREAM_START_EVENT:
	case YAML_DOCUMENT_END_EVENT:
		return 0;
	}
	return 0;
}

/* libyaml's reader knows only a byte offset, its scanner and parser know line and column. */
static void yaml_report(struct yaml_build *b, struct slice text)
{
	const yaml_parser_t *p = &b->parser;
	unsigned line = 1, col = 1;

	if (p->error != YAML_READER_ERROR) {
		diag_add(b->d, (unsigned)p->problem_mark.line + 1,
			(unsigned)p->problem_mark.column + 1, "not YAML: %s%s%s",
			p->problem ? p->problem : "syntax error", p->context ? ", " : "",
			p->context ? p->context : "");
		return;
	}
	for (size_t i = 0; i < text.n && i < p->problem_offset; i++) {
		col = text.p[i] == '\n' ? 1 : col + 1;
		line += text.p[i] == '\n';
	}
	diag_add(b->d, line, col, "not YAML: %s", p->problem ? p->problem : "not UTF-8");
}

static int yaml_run(struct yaml_build *b, struct slice text)
{
	int r = 0;

	while (!b->is_over && !r) {
		yaml_event_t e;

		if (!yaml_parser_parse(&b->parser, &e)) {
			if (b->parser.error == YAML_MEMORY_ERROR)
				return err_raise(-ENOMEM);
			yaml_report(b, text);
			return YAML_E_BAD;
		}
		r = yaml_event(b, &e);
		yaml_event_delete(&e);
	}
	return r;
}

int yaml_parse(struct slice text, struct arena *a, struct diag *d, struct yaml_node **ret)
{
	struct yaml_build b = {.a = a, .d = d};
	int r;

	if (text.n > YAML_MAX_BYTES) {
		diag_add(d, 0, 0, "larger than 1 MiB");
		return YAML_E_BAD;
	}
	if (!yaml_parser_initialize(&b.parser))
		return err_raise(-ENOMEM);
	/* Said, not detected: a byte order mark must not turn the file into UTF-16. */
	yaml_parser_set_encoding(&b.parser, YAML_UTF8_ENCODING);
	yaml_parser_set_input_string(&b.parser, text.p ? text.p : (const uint8_t *)"", text.n);
	r = yaml_run(&b, text);
	yaml_parser_delete(&b.parser);
	if (r == YAML_E_BAD)
		return YAML_E_BAD;
	if (r)
		return err_trace(r);
	if (b.depth) /* stopped in the middle */
		return YAML_E_BAD;
	if (!b.root) {
		diag_add(d, 0, 0, "the file is empty");
		return YAML_E_BAD;
	}
	*ret = b.root;
	return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* PostgreSQL messages as text and back: see wire.h. */
#include "wire.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "util/reader.h"

static void wire_put(struct buf *out, const void *p, size_t n)
{
	if (buf_put(out, slice_of(p, n)))
		abort();
}

void wire_printf(struct buf *out, const char *fmt, ...)
{
	char text[4096];
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	wire_put(out, text, n < (int)sizeof(text) ? (size_t)n : sizeof(text) - 1);
}

/* ---- writing --------------------------------------------------------------------------------- */

static void wire_number(struct buf *out, uint32_t v, int bytes)
{
	for (int i = bytes; i-- > 0;)
		wire_put(out, (uint8_t[]){(uint8_t)(v >> (8 * i))}, 1);
}

/* A quoted text with \n, \t, \\, \xNN and the quote itself. */
static bool wire_quoted(const char **at, struct buf *out)
{
	char quote = *(*at)++;

	for (; **at && **at != quote; (*at)++) {
		char c = **at;

		if (c == '\\') {
			char hex[3] = {0};

			c = *++*at;
			if (c == 'x') {
				memcpy(hex, *at + 1, 2);
				*at += 2;
				c = (char)strtol(hex, NULL, 16);
			} else {
				c = c == 'n' ? '\n' : c == 't' ? '\t' : c;
			}
		}
		wire_put(out, &c, 1);
	}
	return *(*at)++ == quote;
}

static bool wire_field(const char **at, struct buf *out)
{
	struct buf text;
	bool ok = true;

	buf_init(&text, 64 << 20);
	if (**at == '"') {
		ok = wire_quoted(at, out);
		wire_put(out, "", 1);
	} else if (**at == '\'') {
		ok = wire_quoted(at, out);
	} else if (**at == '=') {
		(*at)++;
		ok = wire_quoted(at, &text);
		wire_number(out, (uint32_t)buf_len(&text), 4);
		wire_put(out, buf_slice(&text).p, buf_len(&text));
	} else if (**at == '#') {
		for ((*at)++; isxdigit((unsigned char)**at); *at += 2)
			wire_number(out,
				(uint32_t)strtoul((char[]){(*at)[0], (*at)[1], 0}, NULL, 16), 1);
	} else if (!strncmp(*at, "null", 4)) {
		*at += 4;
		wire_number(out, UINT32_MAX, 4);
	} else if (isalpha((unsigned char)**at) && (*at)[1] == '"') {
		wire_put(out, (*at)++, 1);
		ok = wire_quoted(at, out);
		wire_put(out, "", 1);
	} else if (isdigit((unsigned char)**at) || **at == '-') {
		char *end;
		long long v = strtoll(*at, &end, 10);

		*at = end + (*end == 'h' || *end == 'b');
		wire_number(out, (uint32_t)v, *end == 'h' ? 2 : *end == 'b' ? 1 : 4);
	} else {
		ok = false;
	}
	buf_deinit(&text);
	return ok;
}

static bool wire_body(const char **at, struct buf *out)
{
	for (;;) {
		unsigned long times = 1;
		const char *start;

		while (**at == ' ')
			(*at)++;
		if (!**at || **at == ';')
			return true;
		if (**at == '*') {
			char *end;

			times = strtoul(*at + 1, &end, 10);
			*at = end + strspn(end, " ");
		}
		start = *at;
		while (times--) {
			*at = start;
			if (!wire_field(at, out))
				return false;
		}
	}
}

bool wire_write(struct slice line, struct buf *out)
{
	char *text = strndup((const char *)line.p, line.n);
	const char *at = text;
	bool ok = true;

	while (ok && *at) {
		struct buf body;
		char type = *at++;

		buf_init(&body, 64 << 20);
		ok = wire_body(&at, &body);
		if (type != '@' && type != '~')
			wire_put(out, &type, 1);
		if (type != '~')
			wire_number(out, (uint32_t)buf_len(&body) + 4, 4);
		wire_put(out, buf_slice(&body).p, buf_len(&body));
		buf_deinit(&body);
		at += strspn(at, "; ");
	}
	free(text);
	return ok;
}

/* ---- printing -------------------------------------------------------------------------------- */

static void wire_text(struct buf *out, struct slice s)
{
	size_t shown = s.n > 300 ? 40 : s.n;

	wire_printf(out, "\"");
	for (size_t i = 0; i < shown; i++) {
		uint8_t c = s.p[i];

		if (c == '"' || c == '\\')
			wire_printf(out, "\\%c", c);
		else if (c == '\n')
			wire_printf(out, "\\n");
		else if (c == '\t')
			wire_printf(out, "\\t");
		else if (c < ' ' || c > '~')
			wire_printf(out, "\\x%02x", c);
		else
			wire_printf(out, "%c", c);
	}
	wire_printf(out, "\"");
	if (shown < s.n)
		wire_printf(out, "+%zu", s.n - shown);
}

/* s text, i 32 bits, h 16 bits, b a letter, e error fields, v values behind their count, r the rest
 */
static const char *wire_layout(uint8_t type, bool to_server)
{
	if (to_server)
		return type == 'Q'          ? "s"
		       : strchr("PB", type) ? "ssr"
		       : strchr("DC", type) ? "bs"
		       : type == 'E'        ? "si"
					    : "r";
	return strchr("EN", type) ? "e"
	       : type == 'D'      ? "v"
	       : type == 'C'      ? "s"
	       : type == 'S'      ? "ss"
	       : type == 'Z'      ? "b"
	       : type == 'K'      ? "ii"
	       : type == 'A'      ? "iss"
				  : "r";
}

static void wire_print_field(struct reader *r, char layout, struct buf *out)
{
	wire_printf(out, " ");
	switch (layout) {
	case 's':
		wire_text(out, rd_cstr(r));
		break;
	case 'i':
		wire_printf(out, "%u", rd_be32(r));
		break;
	case 'b':
		wire_printf(out, "%c", rd_u8(r));
		break;
	case 'e':
		for (uint8_t c = rd_u8(r); c && !r->bad; c = rd_u8(r)) {
			wire_printf(out, "%c", c);
			wire_text(out, rd_cstr(r));
		}
		break;
	case 'v':
		for (unsigned n = rd_be16(r); n && !r->bad; n--) {
			uint32_t len = rd_be32(r);

			if (len == UINT32_MAX)
				wire_printf(out, "null ");
			else
				wire_text(out, rd_bytes(r, len));
		}
		break;
	default:
		wire_text(out, rd_rest(r));
	}
}

void wire_print(struct slice message, bool to_server, struct buf *out)
{
	const char *layout = wire_layout(message.p[0], to_server);
	struct reader r = reader_of(slice_skip(message, 5));

	wire_printf(out, "%c", message.p[0]);
	for (; *layout && (rd_left(&r) || *layout != 'r'); layout++)
		wire_print_field(&r, *layout, out);
	if (!rd_done(&r))
		wire_printf(out, " BROKEN");
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Command lines without secrets: see redact.h. */
#include "priv/redact.h"

#include <stdbool.h>
#include <string.h>
#include <strings.h>

static const char *const redact_words[] = {
	"password", "passwd", "pwd", "pass", "token", "secret", "key", "credential", NULL};

/* Does the text before `end`, back to `start`, end in one of the words? */
static bool redact_is_secret_name(const char *start, const char *end)
{
	for (const char *const *w = redact_words; *w; w++) {
		size_t n = strlen(*w);

		if ((size_t)(end - start) >= n && !strncasecmp(end - n, *w, n))
			return true;
	}
	return false;
}

/* Length of the secret that begins at p, 0 if none does. `start`: the whole command. */
static size_t redact_secret_len(const char *start, const char *p)
{
	const char *user, *at;

	if (p > start && (p[-1] == '=' || (p[-1] == ' ' && p - start > 3)) &&
		redact_is_secret_name(start, p - 1)) {
		/* `--password X` is an option and its value; `the password X` is prose. */
		if (p[-1] == ' ') {
			const char *word = p - 1;

			while (word > start && word[-1] != ' ')
				word--;
			if (*word != '-')
				return 0;
		}
		if (*p == '\'' || *p == '"') {
			at = strchr(p + 1, *p);
			return at ? (size_t)(at - p) + 1 : strlen(p);
		}
		return strcspn(p, " '\"&;");
	}
	if (p - start < 4 || p[-1] != ':' || *p == '/')
		return 0;
	/* scheme://user:HERE@host */
	for (user = p - 1; user > start && user[-1] != ' ' && user[-1] != '/'; user--)
		;
	if (user - start < 3 || strncmp(user - 3, "://", 3) != 0)
		return 0;
	at = p + strcspn(p, " '\"/");
	while (at > p && *at != '@')
		at--;
	return (size_t)(at - p);
}

void redact_command(const char *command, char *out, size_t max)
{
	size_t n = 0;

	for (const char *p = command; *p && n + 4 < max;) {
		size_t len = redact_secret_len(command, p);

		if (len) {
			memcpy(out + n, "***", 3);
			n += 3;
			p += len;
			/* A secret directly behind a secret would look like one more of them. */
			if (*p && n + 4 < max)
				out[n++] = *p++;
		} else {
			out[n++] = *p++;
		}
	}
	out[n] = 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Structured log lines: see log.h. */
#include "util/log.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { LINE_MAX_BYTES = 1024, LINES_PER_SECOND = 50 };

static enum log_level log_max_level = LOG_LEVEL_INFO;
static char log_process[32] = "holdfast";

void log_setup(const char *process, enum log_level max)
{
	snprintf(log_process, sizeof(log_process), "%s", process);
	log_max_level = max;
}

enum log_level log_max(void)
{
	return log_max_level;
}

/* True when this call site has spent its lines for the current second. */
static int log_is_limited(struct log_site *site)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
	if (now.tv_sec != site->window) {
		site->window = now.tv_sec;
		site->n_in_window = 0;
	}
	if (++site->n_in_window <= LINES_PER_SECOND)
		return 0;
	site->n_dropped++;
	return 1;
}

void log_line(struct log_site *site, enum log_level level, const char *event, const char *fmt, ...)
{
	char line[LINE_MAX_BYTES];
	int n, m;
	va_list ap;

	if (log_is_limited(site))
		return;
	/* `<N>` is the kernel's and journald's priority prefix. */
	n = snprintf(
		line, sizeof(line), "<%d>%s[%d] %s ", level, log_process, (int)getpid(), event);
	va_start(ap, fmt);
	m = vsnprintf(line + n, sizeof(line) - (size_t)n - 1, fmt, ap);
	va_end(ap);
	if (m < 0)
		return;
	n += m;
	if ((size_t)n > sizeof(line) - 2)
		n = sizeof(line) - 2;
	if (site->n_dropped && (size_t)n < sizeof(line) - 32) {
		n += snprintf(line + n, sizeof(line) - (size_t)n, " dropped=%u", site->n_dropped);
		site->n_dropped = 0;
	}
	/* Names that others chose are in it: a newline of theirs would begin a line in our name. */
	for (int i = 0; i < n; i++)
		if ((uint8_t)line[i] < 0x20 || line[i] == 0x7f)
			line[i] = '?';
	line[n++] = '\n';
	/* A log line that cannot be written must not stop the work. */
	if (write(STDERR_FILENO, line, (size_t)n) < 0)
		site->n_dropped++;
}

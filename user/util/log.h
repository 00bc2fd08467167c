/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Structured log lines on stderr: one line a decision, `event key=value …`.
 *
 * Never a payload, never a secret: what agents sent and got lives in the ledger. Levels: error
 * (someone must act), warn, info (decisions), debug. Each call site is rate-limited by itself, so
 * that a flood from one agent cannot drown the others' lines; what was dropped is said.
 */
#pragma once

enum log_level { LOG_LEVEL_ERROR = 3, LOG_LEVEL_WARN = 4, LOG_LEVEL_INFO = 6, LOG_LEVEL_DEBUG = 7 };

/* One per call site. */
struct log_site {
	long window;          /* CLOCK_MONOTONIC second that n_in_window counts */
	unsigned n_in_window; /* lines so far in that second */
	unsigned n_dropped;   /* lines swallowed since the last one printed */
};

void log_setup(const char *process, enum log_level max);
enum log_level log_max(void);
void log_line(struct log_site *site, enum log_level level, const char *event, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

#define log_at(level, event, ...)                                                                  \
	do {                                                                                       \
		static struct log_site log_site_;                                                  \
		if ((level) <= log_max())                                                          \
			log_line(&log_site_, (level), (event), __VA_ARGS__);                       \
	} while (0)

#define log_error(event, ...) log_at(LOG_LEVEL_ERROR, event, __VA_ARGS__)
#define log_warn(event, ...)  log_at(LOG_LEVEL_WARN, event, __VA_ARGS__)
#define log_info(event, ...)  log_at(LOG_LEVEL_INFO, event, __VA_ARGS__)
#define log_debug(event, ...) log_at(LOG_LEVEL_DEBUG, event, __VA_ARGS__)

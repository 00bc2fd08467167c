/* SPDX-License-Identifier: Apache-2.0 */
/*
 * holdfast metrics: what the daemon counts, as Prometheus reads it (text format 0.0.4); once, or
 * served. Serving is this program's business, not the daemon's: nobody who scrapes speaks to it.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "cli/client.h"
#include "cli/cmds.h"
#include "cli/text.h"
#include "util/cleanup.h"

enum { METRICS_REQUEST_MAX = 4096, METRICS_PATIENCE_S = 2 };

static const struct cmd_opt cmd_metrics_opts[] = {
	{'L', "listen", "ADDR", "serve them: 127.0.0.1:9464, or unix:/run/holdfast-metrics.sock"},
	{0},
};

/* ---- the text ---- */

static void metrics_head(FILE *to, const char *name, const char *type, const char *help)
{
	fprintf(to, "# HELP holdfast_%s %s\n# TYPE holdfast_%s %s\n", name, help, name, type);
}

static void metrics_one(
	FILE *to, const char *name, const char *type, const char *help, uint64_t value)
{
	metrics_head(to, name, type, help);
	fprintf(to, "holdfast_%s %" PRIu64 "\n", name, value);
}

/* Members of an object of numbers, each with its name as a label. */
static void metrics_labelled(FILE *to, const char *name, const char *label, const json_t *object)
{
	const char *key;
	const json_t *value;

	json_object_foreach((json_t *)(uintptr_t)object, key, value) if (json_is_integer(value))
		fprintf(to, "holdfast_%s{%s=\"%s\"} %" JSON_INTEGER_FORMAT "\n", name, label, key,
			json_integer_value(value));
}

/* scale: of what is counted in one second. */
static void metrics_histogram(
	FILE *to, const char *name, const char *help, const json_t *h, double scale)
{
	const json_t *le = json_object_get(h, "le"), *n = json_object_get(h, "n");
	uint64_t sum = 0;

	metrics_head(to, name, "histogram", help);
	for (size_t i = 0; i < json_array_size(n); i++) {
		sum += (uint64_t)json_integer_value(json_array_get(n, i));
		if (i < json_array_size(le))
			fprintf(to, "holdfast_%s_bucket{le=\"%g\"} %" PRIu64 "\n", name,
				(double)json_integer_value(json_array_get(le, i)) / scale, sum);
		else
			fprintf(to, "holdfast_%s_bucket{le=\"+Inf\"} %" PRIu64 "\n", name, sum);
	}
	fprintf(to, "holdfast_%s_sum %g\nholdfast_%s_count %" PRIu64 "\n", name,
		(double)text_number(h, "sum") / scale, name, sum);
}

static void metrics_kernel(FILE *to, const json_t *counts)
{
	const char *hook, *what;
	const json_t *of, *value;

	metrics_head(to, "kernel_total", "counter", "What the kernel side counted, by hook.");
	json_object_foreach((json_t *)(uintptr_t)counts, hook, of)
		json_object_foreach((json_t *)(uintptr_t)of, what, value) fprintf(to,
			"holdfast_kernel_total{hook=\"%s\",what=\"%s\"} "
			"%" JSON_INTEGER_FORMAT "\n",
			hook, what, json_integer_value(value));
}

static int metrics_print(void *arg, json_t *j)
{
	const json_t *m = json_object_get(j, "metrics"), *totals = json_object_get(j, "totals");
	FILE *to = arg;

	metrics_one(to, "up_seconds", "gauge", "Since the enforcer started.",
		text_number(j, "uptime_seconds"));
	metrics_one(to, "sessions", "gauge", "Connections now.", text_number(j, "sessions"));
	metrics_one(to, "runs", "gauge", "Runs now.", json_array_size(json_object_get(j, "runs")));
	metrics_one(to, "holds", "gauge", "Requests that wait for a human now.",
		text_number(j, "holds"));
	metrics_head(to, "requests_total", "counter", "Requests by ruling.");
	fprintf(to,
		"holdfast_requests_total{ruling=\"allow\"} %" PRIu64
		"\nholdfast_requests_total{ruling=\"hold\"} %" PRIu64
		"\nholdfast_requests_total{ruling=\"deny\"} %" PRIu64 "\n",
		text_number(totals, "allowed"), text_number(totals, "held"),
		text_number(totals, "denied"));
	metrics_head(to, "holds_ended_total", "counter", "Holds by how they ended.");
	metrics_labelled(to, "holds_ended_total", "outcome", json_object_get(m, "hold_outcomes"));
	metrics_histogram(to, "hold_seconds", "How long requests waited for a human.",
		json_object_get(m, "hold_ms"), 1e3);
	metrics_histogram(to, "reply_seconds", "From asking the server to the end of its reply.",
		json_object_get(m, "latency_us"), 1e6);
	metrics_one(to, "errors_total", "counter", "Errors the servers answered with.",
		text_number(m, "errors"));
	metrics_one(to, "rows_total", "counter", "Rows given to agents.", text_number(m, "rows"));
	metrics_one(to, "reply_bytes_total", "counter", "Bytes given to agents.",
		text_number(m, "bytes"));
	metrics_one(to, "masked_values_total", "counter", "Values masked.",
		text_number(m, "masked_values"));
	metrics_one(to, "ledger_writable", "gauge", "0: requests are refused.",
		json_is_true(json_object_get(json_object_get(j, "ledger"), "writable")));
	metrics_one(to, "ledger_lag_records", "gauge", "Records not yet on disk.",
		text_number(m, "ledger_lag_records"));
	metrics_one(to, "records_refused_total", "counter", "Records that found no room.",
		text_number(m, "records_refused"));
	metrics_kernel(to, json_object_get(j, "counts"));
	return CLI_OK;
}

/* ---- serving ---- */

static int metrics_listen_unix(const char *path)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	struct stat st;
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (strlen(path) >= sizeof(addr.sun_path))
		return -1;
	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", path);
	/* A socket that an earlier one left; anything else there is somebody's. */
	if (!lstat(path, &st) && S_ISSOCK(st.st_mode))
		unlink(path);
	return fd < 0 || bind(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0 || listen(fd, 8) < 0
		       ? -1
		       : fd;
}

/* On loopback only: what it says is nobody else's business, and there is no password. */
static int metrics_listen_tcp(const char *text)
{
	struct sockaddr_in addr = {.sin_family = AF_INET};
	const char *colon = strrchr(text, ':');
	char host[64], *end;
	unsigned long port;
	int fd, one = 1;

	if (!colon || (size_t)(colon - text) >= sizeof(host))
		return -1;
	snprintf(host, sizeof(host), "%.*s", (int)(colon - text), text);
	port = strtoul(colon + 1, &end, 10);
	if (*end || !port || port > 65535 || inet_pton(AF_INET, host, &addr.sin_addr) != 1 ||
		(ntohl(addr.sin_addr.s_addr) >> 24) != 127)
		return -1;
	addr.sin_port = htons((uint16_t)port);
	fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd >= 0)
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	return fd < 0 || bind(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0 || listen(fd, 8) < 0
		       ? -1
		       : fd;
}

/* Reads until the head is whole; whatever was asked is answered with the same. */
static bool metrics_read_request(int fd)
{
	char request[METRICS_REQUEST_MAX];
	size_t n = 0;

	while (n < sizeof(request) - 1) {
		ssize_t got = recv(fd, request + n, sizeof(request) - 1 - n, 0);

		if (got <= 0)
			return false;
		n += (size_t)got;
		request[n] = 0;
		if (strstr(request, "\r\n\r\n") || strstr(request, "\n\n"))
			return !strncmp(request, "GET ", 4);
	}
	return false;
}

static void metrics_answer(int fd)
{
	_cleanup_(freep) char *body = NULL;
	size_t n = 0;
	FILE *f = open_memstream(&body, &n);
	int r = f ? client_ask(CTL_STATUS, SLICE_NULL, metrics_print, f) : CLI_FAILED;

	if (f && fclose(f))
		r = CLI_FAILED;
	if (r)
		dprintf(fd, "HTTP/1.0 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n");
	else
		dprintf(fd,
			"HTTP/1.0 200 OK\r\nContent-Type: text/plain; version=0.0.4; "
			"charset=utf-8\r\nContent-Length: %zu\r\n\r\n%s",
			n, body);
}

static int metrics_serve(const char *where)
{
	const struct timeval patience = {.tv_sec = METRICS_PATIENCE_S};
	bool is_unix = !strncmp(where, "unix:", 5);
	_cleanup_(fd_closep) int listener =
		is_unix ? metrics_listen_unix(where + 5) : metrics_listen_tcp(where);

	if (listener < 0)
		return cli_fail(CLI_USAGE,
			"metrics: cannot listen at '%s': a loopback address and port, or "
			"unix:PATH%s%s",
			where, errno ? "; " : "", errno ? strerror(errno) : "");
	signal(SIGPIPE, SIG_IGN);
	for (;;) {
		_cleanup_(fd_closep) int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);

		if (fd < 0 && errno != EINTR && errno != ECONNABORTED)
			return cli_fail(CLI_FAILED, "metrics: %s", strerror(errno));
		if (fd < 0)
			continue;
		setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
		setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
		if (metrics_read_request(fd))
			metrics_answer(fd);
	}
}

static int cmd_metrics_run(const struct cmd *cmd, int argc, char **argv)
{
	const char *value, *listen_at = NULL;
	int letter;

	while ((letter = cli_getopt(cmd, argc, argv, &value)) != -1) {
		if (letter == '?')
			return CLI_USAGE;
		listen_at = value;
	}
	if (cli_optind() < argc)
		return cli_fail(CLI_USAGE, "usage: holdfast %s", cmd->usage);
	return listen_at ? metrics_serve(listen_at)
			 : client_ask(CTL_STATUS, SLICE_NULL, metrics_print, stdout);
}

const struct cmd cmd_metrics = {
	.name = "metrics",
	.usage = "metrics [--listen 127.0.0.1:PORT|unix:PATH]",
	.help = "Print or serve what the daemon counts, for Prometheus.",
	.more = "Requests by ruling, holds by outcome, how long they waited, latencies of "
		"replies,\n"
		"rows, masked values, how far the ledger is behind, and the kernel's counters.",
	.opts = cmd_metrics_opts,
	.run = cmd_metrics_run,
};

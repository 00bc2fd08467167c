/* SPDX-License-Identifier: Apache-2.0 */
/* The client against daemons that answer well, badly, or not at all. */
#include <criterion/criterion.h>
#include <criterion/redirect.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli/client.h"
#include "cli/show_status.h"
#include "util/cleanup.h"

static char dir[64];
static int listen_fd = -1;

static void prepare(void)
{
	cr_redirect_stderr();
	snprintf(dir, sizeof(dir), "/tmp/holdfast-client.XXXXXX");
	cr_assert(mkdtemp(dir));
	setenv("HOLDFAST_DIR", dir, 1);
}

static void finish(void)
{
	char command[128];

	snprintf(command, sizeof(command), "rm -rf %s", dir);
	cr_assert_eq(system(command), 0);
}

TestSuite(client, .init = prepare, .fini = finish);

/* A daemon for one connection: reads one packet if `reads`, sends the given ones, hangs up. */
static void serve(const struct slice *packets, size_t n, bool reads)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	char buf[256];
	int fd;

	snprintf(a.sun_path, sizeof(a.sun_path), "%.60s/ctl.sock", dir);
	listen_fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	cr_assert_eq(bind(listen_fd, (struct sockaddr *)&a, sizeof(a)), 0);
	cr_assert_eq(listen(listen_fd, 1), 0);
	if (fork())
		return;
	fd = accept(listen_fd, NULL, NULL);
	if (reads && recv(fd, buf, sizeof(buf), 0) < 0)
		_exit(1);
	for (size_t i = 0; i < n; i++)
		if (send(fd, packets[i].p, packets[i].n, MSG_NOSIGNAL) < 0)
			_exit(1);
	_exit(0);
}

static int count(void *arg, json_t *answer)
{
	++*(int *)arg;
	return json_is_true(json_object_get(answer, "bad")) ? CLI_NONE : CLI_OK;
}

static int ask(int *n)
{
	return client_ask(CTL_STATUS, SLICE_NULL, count, n);
}

#define DATA "\0\3\3\204"
#define END  "\0\3\3\205"
#define ERR  "\0\3\3\206"

Test(client, answers_until_the_end)
{
	const struct slice packets[] = {SLICE_LIT(DATA "\0\0\0\2{}"),
		SLICE_LIT(DATA "\0\0\0\14{\"bad\":true}"), SLICE_LIT(DATA "\0\0\0\2{}"),
		SLICE_LIT(END)};
	int n = 0;

	serve(packets, 4, true);
	cr_expect_eq(ask(&n), CLI_NONE, "the first that was not well");
	cr_expect_eq(n, 3);
}

Test(client, errors_have_exit_codes)
{
	const struct slice packets[] = {SLICE_LIT(ERR "\0\0\0\3\0\0\0\2no")};
	int n = 0;

	serve(packets, 1, true);
	cr_expect_eq(ask(&n), CLI_FORBIDDEN);
	cr_expect_eq(n, 0);
}

/* A daemon that refuses a peer does not read its question: the kernel then reports a reset first.
 */
Test(client, a_refusal_without_reading_is_heard)
{
	const struct slice packets[] = {SLICE_LIT(ERR "\0\0\0\3\0\0\0\2no")};
	struct client c;
	int n = 0;

	serve(packets, 1, false);
	cr_assert_eq(client_open(&c, CTL_SOCKET), 0);
	while (wait(NULL) > 0)
		; /* it has said its word and is gone before we ask */
	cr_expect_eq(client_send(&c, CTL_STATUS, SLICE_NULL, NULL, 0), 0);
	cr_assert_eq(client_read(&c), 0);
	cr_expect_eq(c.type, CTL_ERROR);
	client_deinit(&c);
	cr_expect_eq(n, 0);
}

Test(client, answers_that_make_no_sense)
{
	static const struct slice bad[] = {SLICE_LIT("\0"), SLICE_LIT("\0\2\3\204\0\0\0\2{}"),
		SLICE_LIT("\0\1\0\1"), SLICE_LIT(DATA "\0\0\0\2[]"), SLICE_LIT(DATA "\0\0\0\2{"),
		SLICE_LIT(DATA "\377\377\377\377{}"), SLICE_LIT(DATA), SLICE_LIT(ERR "\0")};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		char path[128];
		int n = 0;

		serve(&bad[i], 1, true);
		cr_expect_eq(ask(&n), CLI_HOST, "answer %zu", i);
		cr_expect_eq(n, 0);
		close(listen_fd);
		snprintf(path, sizeof(path), "%s/ctl.sock", dir);
		unlink(path);
	}
}

Test(client, no_daemon)
{
	int n = 0;

	cr_expect_eq(ask(&n), CLI_HOST);
	serve(NULL, 0, true);
	cr_expect_eq(ask(&n), CLI_FAILED, "it hung up");
	cr_expect_eq(n, 0);
}

static char *status_of(const char *json)
{
	json_t *j = json_loads(json, 0, NULL);
	char *text = NULL;
	size_t n;
	FILE *f = open_memstream(&text, &n);

	cr_assert(j);
	show_status(f, j);
	fclose(f);
	json_decref(j);
	return text;
}

Test(status, begins_with_what_somebody_did_to_us)
{
	_cleanup_(freep) char *loud = status_of("{\"version\":\"1\",\"alarms\":{\"layers_missing\":"
						"2,\"tampered\":1,\"moved_out\":3,"
						"\"last\":\"2026-01-02T03:04:05Z\"}}");
	_cleanup_(freep) char *quiet = status_of("{\"version\":\"1\",\"alarms\":{\"layers_"
						 "missing\":0,\"tampered\":0,\"moved_out\":0}}");

	cr_expect_eq(strncmp(loud, "TAMPERED  2 layers are NOT IN PLACE NOW; ", 41), 0, "%s", loud);
	cr_expect(strstr(loud, "1 times, 3 processes were moved out"));
	cr_expect_not(strstr(quiet, "TAMPERED"));
}

Test(status, shows_what_is_known)
{
	_cleanup_(freep) char *text = status_of(
		"{\"version\":\"1\",\"pid\":5,\"uptime_seconds\":61,\"policy\":{\"version\":\"v\","
		"\"file\":\"/p\",\"mode\":\"observe\"},\"ledger\":{\"writable\":false,\"path\":\"/"
		"l\"},"
		"\"runs\":[{\"id\":7,\"name\":\"\\u001bx\",\"uid\":3,\"sessions\":1}],\"sessions\":"
		"1,"
		"\"counts\":{\"connect4\":{\"ok\":3,\"denied\":0},\"egress\":{\"ok\":0}}}");

	cr_expect(strstr(text, "pid 5"));
	cr_expect(strstr(text, "mode observe"));
	cr_expect(strstr(text, "NOT WRITABLE"));
	cr_expect(strstr(text, "\\x1bx"), "%s", text);
	cr_expect(strstr(text, "connect4         ok 3"), "%s", text);
	cr_expect_null(strstr(text, "egress"));
	cr_expect_null(strstr(text, "denied"));
}

Test(status, shows_nothing_as_nothing)
{
	_cleanup_(freep) char *text = status_of("{}");

	cr_expect_null(strstr(text, "ledger"));
	cr_expect_null(strstr(text, "policy"));
	cr_expect_null(strstr(text, "runs"));
}

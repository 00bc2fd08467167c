/* SPDX-License-Identifier: Apache-2.0 */
/* The thread that everybody's long texts are parsed on. */
#include <criterion/criterion.h>
#include <poll.h>
#include <stdlib.h>

#include "session/parser.h"
#include "session/worker.h"

enum { TEXT = 64 * 1024, TRIES = 4096 };

static struct enforcer enforcer;
static struct worker worker;
static struct parser *parser;

static void setup(void)
{
	enforcer_init(&enforcer);
	cr_assert_eq(mailbox_init(&worker.mail), 0);
	enforcer.workers[0] = &worker;
	enforcer.n_workers = 1;
	cr_assert_eq(parser_new(&enforcer, &parser), 0);
}

static void teardown(void)
{
	parser = parser_free(parser);
	mailbox_deinit(&worker.mail);
	enforcer_deinit(&enforcer);
}

TestSuite(parser, .init = setup, .fini = teardown, .timeout = 120);

/* The session of the next answer. */
static uint64_t answer(struct list *letters)
{
	struct mail *m;
	uint64_t session;

	while (list_is_empty(letters)) {
		struct pollfd p = {.fd = worker.mail.event_fd, .events = POLLIN};

		cr_assert_eq(poll(&p, 1, 60000), 1);
		mailbox_take_all(&worker.mail, letters);
	}
	m = list_entry(letters->next, struct mail, link);
	list_remove(&m->link);
	session = m->session;
	cr_expect_eq(m->error, 0);
	mail_free(m);
	return session;
}

Test(parser, a_run_that_has_its_share_waits_for_itself_alone)
{
	char *text = calloc(1, TEXT);
	int n = 0, n_behind = 0, r = 0;
	struct list letters;

	list_init(&letters);
	memset(text, ' ', TEXT);
	memcpy(text, "SELECT 1", 8);
	for (int i = 8; i + 8 < TEXT; i += 8)
		memcpy(text + i, " + 12345", 8);
	while (n < TRIES && !r) {
		r = parser_ask(parser, 1, 0, 1, (uint64_t)n, slice_of(text, TEXT - 8));
		n += !r;
	}
	cr_assert_eq(r, PARSER_E_FULL, "%d", n);
	cr_assert_eq(parser_ask(parser, 2, 0, 2, 0, SLICE_LIT("SELECT 1")), 0, "for another run");
	while (answer(&letters) != 2)
		n--;
	for (; n_behind < n; n_behind++)
		cr_expect_eq(answer(&letters), 1);
	cr_expect_geq(n_behind, 32, "it came behind all but %d", n_behind);
	free(text);
}

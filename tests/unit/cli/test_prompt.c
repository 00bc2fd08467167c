/* SPDX-License-Identifier: Apache-2.0 */
/* The approver's prompt, without a terminal: which keys count, what is drawn, at any size. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/prompt.h"
#include "util/clock.h"
#include "util/utf8.h"

static struct prompt p;
static int64_t now;

static void event(const char *json)
{
	json_t *j = json_loads(json, 0, NULL);

	cr_assert(j, "%s", json);
	prompt_event(&p, j, now);
	json_decref(j);
}

static void hold(unsigned id, const char *text)
{
	char name[16];
	json_t *j;

	snprintf(name, sizeof(name), "h%u", id);
	j = json_pack("{s:s, s:s, s:s, s:i, s:s, s:s, s:i, s:i, s:i, s:s, s:b, s:[s], s:i}",
		"event", "hold", "id", name, "text", text, "text_len", (int)strlen(text),
		"run_name", "nightly", "tx", "open", "tx_seconds", 5, "waiting_seconds", 1,
		"timeout_seconds", 60, "hash", "cafe", "has_shape", id % 2 == 0, "free", "id = 5",
		"identical", 1);
	cr_assert(j);
	prompt_event(&p, j, now);
	json_decref(j);
}

/* The screen as text; the caller frees it. */
static char *draw_at(unsigned cols, unsigned rows)
{
	struct screen s = {.cols = cols, .rows = rows};
	char *text = NULL;
	size_t n;

	s.to = open_memstream(&text, &n);
	prompt_draw(&p, &s, now);
	fclose(s.to);
	prompt_drawn(&p, now);
	return text;
}

/* Draws, and waits until keys count. */
static void settle(void)
{
	free(draw_at(80, 24));
	now += PROMPT_SETTLE_NS;
}

static enum prompt_action key(const char *keys)
{
	return prompt_key(&p, keys, strlen(keys), now);
}

static enum prompt_action keys_one_by_one(const char *keys)
{
	enum prompt_action a = PROMPT_NOTHING;

	for (; *keys && a == PROMPT_NOTHING; keys++)
		a = prompt_key(&p, keys, 1, now);
	return a;
}

/* Nothing wider than the screen, nothing longer, and nothing that a terminal would act upon. */
static void check_screen(const char *text, unsigned cols, unsigned rows)
{
	unsigned n_lines = 0;

	while (*text) {
		size_t len = strcspn(text, "\n");
		struct slice s = slice_of(text, len);
		unsigned width = 0;

		while (s.n) {
			uint32_t code = 0;
			size_t n = utf8_decode(s, &code);

			cr_assert(n, "not UTF-8");
			cr_assert(code >= 0x20 && code != 0x7f && (code < 0x80 || code >= 0xa0) &&
					  !(code >= 0x202a && code <= 0x202e),
				"U+%04x reached the terminal", code);
			width += screen_width(code);
			s = slice_skip(s, n);
		}
		cr_assert_leq(width, cols);
		n_lines++;
		text += len + (text[len] == '\n');
	}
	cr_assert_leq(n_lines, rows);
}

static void begin(void)
{
	now = 1000 * CLOCK_NS_PER_S;
	p = (struct prompt){0};
	prompt_connected(&p, true, "");
}

static void end(void)
{
	prompt_deinit(&p);
}

TestSuite(prompt, .init = begin, .fini = end);

Test(prompt, approve_needs_enter)
{
	hold(42, "DELETE FROM t");
	settle();
	cr_expect_eq(key("a"), PROMPT_NOTHING);
	cr_expect_eq(p.mode, PROMPT_APPROVE);
	cr_expect_eq(keys_one_by_one("fine\n"), PROMPT_DECIDE);
	cr_expect_eq(p.shown, 42);
	cr_expect_str_eq(p.line, "fine");
	prompt_decided(&p, "h42 approved; the statement was released");
	event("{\"event\":\"end\",\"id\":\"h42\",\"outcome\":\"approved\"}");
	cr_expect_eq(p.shown, 0);
	cr_expect_str_eq(p.note, "h42 approved; the statement was released");
}

/* Over a slow line the last letters and Enter come in one read. */
Test(prompt, enter_that_comes_together_with_other_bytes_counts)
{
	hold(42, "DELETE FROM t");
	settle();
	key("a");
	cr_expect_eq(key("fine\r"), PROMPT_DECIDE);
	cr_expect_str_eq(p.line, "fine");
	p.mode = PROMPT_LOOK;
	key("d");
	cr_expect_eq(key("no\xc3"), PROMPT_NOTHING);
	cr_expect_eq(key("\xa9\n"), PROMPT_DECIDE, "a character in two reads");
	cr_expect_str_eq(p.line, "no\xc3\xa9");
}

Test(prompt, a_sequence_may_come_in_pieces)
{
	hold(1, "one");
	hold(2, "two");
	settle();
	key("\033");
	key("[");
	key("B");
	cr_expect_eq(p.shown, 2, "down");
	settle();
	key("\033OA");
	cr_expect_eq(p.shown, 1, "up");
}

Test(prompt, what_is_sent)
{
	struct decision d;

	hold(42, "DELETE FROM t");
	settle();
	key("a");
	d = prompt_decision(&p);
	cr_expect(d.is_approval && !d.is_wide && !d.is_all && !d.seconds && d.hold == 42);
	cr_expect_str_eq(d.seen, "cafe/0");
	key("\033");
	prompt_settle(&p, now);
	key("s");
	d = prompt_decision(&p);
	cr_expect(d.is_approval && d.is_wide && !d.seconds);
	key("\033");
	prompt_settle(&p, now);
	key("t");
	cr_expect_eq(key("soon\r"), PROMPT_NOTHING);
	cr_expect(strstr(p.note, "30m"));
	key("\x15");
	cr_expect_eq(key("30m\r"), PROMPT_NOTHING);
	cr_expect_eq(p.mode, PROMPT_TIMED);
	cr_expect_eq(key("\r"), PROMPT_DECIDE);
	d = prompt_decision(&p);
	cr_expect(d.is_approval && d.is_wide && d.seconds == 1800);
	key("\033");
	prompt_settle(&p, now);
	key("D");
	cr_expect_eq(key("never\r"), PROMPT_DECIDE);
	d = prompt_decision(&p);
	cr_expect(!d.is_approval && d.is_wide && d.is_all);
	cr_expect_eq(prompt_deciding(&p), 42);
	prompt_decided(&p, "x");
	cr_expect_eq(prompt_deciding(&p), 0);
}

Test(prompt, what_has_no_shape_is_not_offered)
{
	hold(43, "DO $$ $$");
	settle();
	key("s");
	cr_expect_eq(p.mode, PROMPT_LOOK);
	cr_expect(strstr(p.note, "no shape"));
}

Test(prompt, a_reason_that_the_rule_wants)
{
	hold(42, "x");
	event("{\"event\":\"hold\",\"id\":\"h42\",\"text\":\"x\",\"reason_required\":true}");
	settle();
	key("a");
	cr_expect_eq(key("\r"), PROMPT_NOTHING);
	cr_expect_eq(key("why\r"), PROMPT_DECIDE);
}

Test(prompt, a_run_is_killed_by_the_word)
{
	hold(42, "x");
	settle();
	key("K");
	cr_expect_eq(key("yes\r"), PROMPT_NOTHING);
	key("\x15");
	cr_expect_eq(key("kill\r"), PROMPT_KILLS);
}

Test(prompt, search)
{
	char *drawn;

	hold(1, "DELETE FROM apples");
	hold(2, "DELETE FROM pears");
	hold(3, "DELETE FROM apples WHERE id = 3");
	settle();
	key("/");
	key("pears\r");
	cr_expect_eq(p.shown, 2);
	drawn = draw_at(80, 24);
	cr_expect(strstr(drawn, "1 listed with \"pears\""));
	cr_expect_null(strstr(drawn, "apples"));
	free(drawn);
	now += PROMPT_SETTLE_NS;
	key("n");
	cr_expect_eq(p.shown, 2, "nothing else has it");
	key("/");
	key("APPLES\r");
	cr_expect_eq(p.shown, 3, "any case");
	settle();
	key("p");
	cr_expect_eq(p.shown, 1);
	settle();
	key("\033");
	prompt_settle(&p, now);
	cr_expect_str_eq(p.search, "");
}

Test(prompt, five_hundred_holds)
{
	char *drawn;

	for (unsigned i = 1; i <= 500; i++)
		hold(i, "DELETE FROM orders");
	p.shown = 250;
	drawn = draw_at(80, 24);
	check_screen(drawn, 80, 24);
	cr_expect(strstr(drawn, "> h250"));
	cr_expect(strstr(drawn, "500 listed"));
	cr_expect(strstr(drawn, "DELETE FROM orders"));
	free(drawn);
}

Test(prompt, letters_that_are_not_what_they_seem)
{
	char *drawn;

	hold(42, "DELETE FROM \xd0\xberders");
	drawn = draw_at(80, 24);
	cr_expect(strstr(drawn, "NOT ALL LETTERS ARE WHAT THEY SEEM: U+043E (not the letter o)"));
	free(drawn);
	hold(43, "DELETE FROM gr\xc3\xb6\xc3\x9f");
	p.shown = 43;
	drawn = draw_at(80, 24);
	cr_expect_null(strstr(drawn, "NOT ALL LETTERS"));
	free(drawn);
}

Test(prompt, a_watcher_that_fell_behind_gets_all_anew)
{
	hold(1, "one");
	hold(2, "two");
	settle();
	event("{\"event\":\"reset\"}");
	cr_expect_eq(p.held.n, 0);
	hold(2, "two");
	cr_expect_eq(p.shown, 2);
	settle();
	key("a");
	event("{\"event\":\"reset\"}");
	cr_expect_eq(key("x\r"), PROMPT_NOTHING, "nothing is decided that is not on the list");
	hold(2, "two");
	cr_expect_eq(key("\r"), PROMPT_DECIDE);
}

Test(prompt, deny_needs_a_reason)
{
	hold(42, "DELETE FROM t");
	settle();
	key("d");
	cr_expect_eq(key("\n"), PROMPT_NOTHING);
	cr_expect_eq(keys_one_by_one("   \n"), PROMPT_NOTHING);
	cr_expect_eq(p.mode, PROMPT_DENY);
	cr_expect_eq(keys_one_by_one("no\n"), PROMPT_DECIDE);
	cr_expect_str_eq(p.line, "   no");
}

Test(prompt, keys_typed_before_a_hold_was_seen_do_not_count)
{
	hold(42, "DELETE FROM t");
	cr_expect_eq(key("a"), PROMPT_NOTHING, "not drawn yet");
	cr_expect_eq(p.mode, PROMPT_LOOK);
	free(draw_at(80, 24));
	now += PROMPT_SETTLE_NS - 1;
	key("a");
	cr_expect_eq(p.mode, PROMPT_LOOK, "just drawn");
	now += 1;
	key("a");
	cr_expect_eq(p.mode, PROMPT_APPROVE);
}

Test(prompt, pastes_and_cursor_keys_are_no_keys)
{
	hold(42, "DELETE FROM t");
	settle();
	key("aaaa\n");
	cr_expect_eq(p.mode, PROMPT_LOOK);
	key("\033[200~a\033[201~");
	cr_expect_eq(p.mode, PROMPT_LOOK, "a paste of one letter");
	key("\033[A");
	key("\033Od");
	cr_expect_eq(p.mode, PROMPT_LOOK);
	key("a");
	cr_expect_eq(key("pasted\nlines\n"), PROMPT_NOTHING, "a pasted newline is no Enter");
	cr_expect_str_eq(p.line, "pasted lines ");
	key("\033[D");
	cr_expect_eq(p.mode, PROMPT_APPROVE);
	key("\x15");
	key("\033[200~two\nlines\n\033[201~");
	cr_expect_str_eq(p.line, "two lines ");
	cr_expect_eq(p.mode, PROMPT_APPROVE);
	key("\033");
	prompt_settle(&p, now);
	cr_expect_eq(p.mode, PROMPT_LOOK);
}

Test(prompt, editing_the_reason)
{
	hold(42, "x");
	settle();
	key("d");
	keys_one_by_one("ab\xc3\xa9");
	key("\x7f");
	cr_expect_str_eq(p.line, "ab");
	key("\x15");
	cr_expect_str_eq(p.line, "");
	key("\x7f");
	cr_expect_eq(p.line_len, 0);
	for (int i = 0; i < 2 * DECIDE_REASON_MAX; i++)
		key("x");
	cr_expect_eq(p.line_len, (size_t)DECIDE_REASON_MAX);
}

Test(prompt, a_hold_that_ends_while_shown_says_so)
{
	hold(42, "one");
	hold(43, "two");
	settle();
	key("a");
	key("x");
	event("{\"event\":\"end\",\"id\":\"h42\",\"outcome\":\"cancelled\"}");
	cr_expect_eq(p.shown, 43);
	cr_expect_eq(p.mode, PROMPT_GONE);
	cr_expect_eq(p.line_len, 0);
	cr_expect(strstr(p.note, "h42 ended: cancelled; nothing was sent"), "%s", p.note);
	cr_expect_eq(key("\n"), PROMPT_NOTHING, "Enter was for the other one");
	cr_expect_eq(p.mode, PROMPT_GONE);
	settle();
	key("\n");
	cr_expect_eq(p.mode, PROMPT_LOOK);
}

/* Somebody types the reason for a yes, and the hold is withdrawn: the letters that follow, each
 * alone and in its time, would be commands, and the Enter at their end a decision about the next
 * one. */
Test(prompt, a_reason_that_goes_on_after_its_hold_ended_decides_nothing)
{
	char *drawn;

	hold(42, "one");
	hold(43, "two");
	settle();
	key("a");
	keys_one_by_one("old data");
	event("{\"event\":\"end\",\"id\":\"h42\",\"outcome\":\"disconnected\"}");
	settle();
	cr_expect_eq(keys_one_by_one(", agreed, d or a, K, t"), PROMPT_NOTHING);
	cr_expect_eq(p.mode, PROMPT_GONE);
	cr_expect_eq(prompt_deciding(&p), 0);
	drawn = draw_at(80, 24);
	cr_expect(strstr(drawn, "what you type is for nobody: Enter goes on"));
	cr_expect(strstr(drawn, "h42 ended: disconnected; nothing was sent"));
	free(drawn);
	event("{\"event\":\"end\",\"id\":\"h43\",\"outcome\":\"expired\"}");
	hold(44, "three");
	settle();
	cr_expect_eq(p.mode, PROMPT_GONE, "nor about any that comes then");
	cr_expect_eq(key("\n"), PROMPT_NOTHING);
	cr_expect_eq(p.mode, PROMPT_LOOK);
	key("a");
	cr_expect_eq(key("\n"), PROMPT_DECIDE);
	cr_expect_eq(prompt_decision(&p).hold, 44);
}

Test(prompt, a_reason_that_goes_on_after_the_daemon_was_lost_decides_nothing)
{
	hold(42, "one");
	settle();
	key("d");
	keys_one_by_one("no");
	prompt_connected(&p, false, "gone");
	prompt_connected(&p, true, "");
	hold(42, "one");
	settle();
	cr_expect_eq(keys_one_by_one("t that day\n"), PROMPT_NOTHING);
	cr_expect_eq(p.mode, PROMPT_LOOK);
	cr_expect_eq(p.shown, 42);
}

/* A word to search for is no command, whatever comes and goes while it is typed. */
Test(prompt, a_search_that_is_typed_while_holds_come_and_go_decides_nothing)
{
	settle();
	key("/");
	cr_expect_eq(p.mode, PROMPT_SEARCH);
	key("d");
	hold(42, "DELETE FROM delicate");
	settle();
	cr_expect_eq(keys_one_by_one("eli"), PROMPT_NOTHING);
	hold(43, "DELETE FROM elsewhere");
	event("{\"event\":\"end\",\"id\":\"h42\",\"outcome\":\"expired\"}");
	event("{\"event\":\"reset\"}");
	hold(44, "DELETE FROM delicate");
	cr_expect_eq(keys_one_by_one("cate\n"), PROMPT_NOTHING);
	cr_expect_str_eq(p.search, "delicate");
	cr_expect_eq(p.mode, PROMPT_LOOK);
	cr_expect_eq(p.shown, 44);
	key("a");
	cr_expect_eq(p.mode, PROMPT_LOOK, "it was not drawn yet");
}

Test(prompt, a_search_that_was_pasted_is_shown_for_what_it_is)
{
	char *drawn;

	hold(42, "one");
	settle();
	snprintf(p.search, sizeof(p.search),
		"\xc2\x9b"
		"2J\xe2\x80\xae");
	drawn = draw_at(80, 24);
	check_screen(drawn, 80, 24);
	cr_expect(strstr(drawn, "\\x9b2J\\u{202e}"));
	free(drawn);
}

Test(prompt, nobody_decides_in_a_terminal_that_is_too_small)
{
	static const struct {
		unsigned cols, rows;
	} sizes[] = {{10, 5}, {39, 24}, {80, 9}, {1, 1}};
	char *drawn;

	hold(42, "DROP TABLE orders");
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		settle();
		free(draw_at(sizes[i].cols, sizes[i].rows));
		for (const char *k = "astdDK"; *k; k++) {
			key((char[]){*k, 0});
			cr_expect_eq(p.mode, PROMPT_LOOK, "%c", *k);
		}
	}
	drawn = draw_at(39, 9);
	cr_expect(strstr(drawn, "TOO SMALL to decide in: 40x10 needed"));
	free(drawn);
	/* Nor where it became so meanwhile. */
	settle();
	key("a");
	free(draw_at(10, 5));
	cr_expect_eq(key("\n"), PROMPT_NOTHING);
	free(draw_at(PROMPT_COLS_MIN, PROMPT_ROWS_MIN));
	cr_expect_eq(key("\n"), PROMPT_DECIDE);
}

/* At the smallest size that counts, each decision says which hold it is about, and what is typed.
 */
Test(prompt, the_smallest_terminal_shows_what_a_key_will_do)
{
	hold(123456, "DROP TABLE one\n, two\n, \xd0\xberders\n, four");
	hold(123457, "x");
	p.shown = 123456;
	for (enum prompt_mode m = PROMPT_APPROVE; m < PROMPT_SEARCH; m++) {
		char *drawn;

		settle();
		p.mode = m;
		p.line_len = (size_t)snprintf(p.line, sizeof(p.line), "a reason of many words");
		drawn = draw_at(PROMPT_COLS_MIN, PROMPT_ROWS_MIN);
		check_screen(drawn, PROMPT_COLS_MIN, PROMPT_ROWS_MIN);
		cr_expect(strstr(drawn, "\nh123456: "), "mode %d: %s", (int)m, drawn);
		cr_expect(strstr(drawn, "words_"), "mode %d: %s", (int)m, drawn);
		cr_expect(strstr(drawn, "lines are not shown here"), "%s", drawn);
		free(drawn);
	}
}

Test(prompt, letters_that_change_others_or_run_backward)
{
	char *drawn;

	hold(42, "SELECT e\xcc\x81 = \xcc\xb8 x, '\xe2\xa0\x80', '\xd7\x90' -- \xd7\x91");
	drawn = draw_at(80, 24);
	cr_expect(strstr(drawn, "e\\u{0301} = \\u{0338} x, '\\u{2800}'"), "%s", drawn);
	cr_expect(strstr(drawn, "U+05D0 (from right to left)"), "%s", drawn);
	free(drawn);
}

Test(prompt, another_hold_does_not_push_away_the_one_shown)
{
	hold(42, "one");
	settle();
	key("a");
	hold(43, "two");
	cr_expect_eq(p.shown, 42);
	cr_expect_eq(p.mode, PROMPT_APPROVE);
	event("{\"event\":\"end\",\"id\":\"h43\",\"outcome\":\"expired\"}");
	cr_expect_eq(p.shown, 42);
	cr_expect_eq(p.mode, PROMPT_APPROVE);
}

Test(prompt, moving)
{
	hold(1, "one");
	hold(2, "two");
	hold(3, "three");
	settle();
	key("p");
	cr_expect_eq(p.shown, 1);
	key("n");
	cr_expect_eq(p.shown, 2);
	key("n");
	cr_expect_eq(p.shown, 2, "not before the second is on the screen");
	settle();
	key("n");
	settle();
	key("n");
	cr_expect_eq(p.shown, 3);
	event("{\"event\":\"end\",\"id\":\"h3\",\"outcome\":\"expired\"}");
	cr_expect_eq(p.shown, 2);
	settle();
	cr_expect_eq(key("q"), PROMPT_QUIT);
}

Test(prompt, a_lost_daemon_takes_its_holds_along)
{
	hold(42, "one");
	settle();
	prompt_connected(&p, false, "gone");
	cr_expect_eq(p.shown, 0);
	cr_expect_eq(p.held.n, 0);
	free(draw_at(80, 24));
	key("a");
	cr_expect_eq(p.mode, PROMPT_LOOK);
}

Test(prompt, malformed_events_change_nothing)
{
	event("{}");
	event("{\"event\":\"hold\"}");
	event("{\"event\":\"hold\",\"id\":7}");
	event("{\"event\":\"hold\",\"id\":\"nonsense\"}");
	event("{\"event\":\"end\",\"id\":\"h9\",\"outcome\":\"x\"}");
	cr_expect_eq(p.held.n, 0);
	event("{\"event\":\"hold\",\"id\":\"h1\",\"text\":7,\"tx\":null,\"waiting_seconds\":-5}");
	cr_expect_eq(p.held.n, 1);
	free(draw_at(80, 24));
}

Test(prompt, hostile_text_at_any_size)
{
	char text[4096] =
		"SELECT '\x1b]0;owned\x07\x1b[2J\xe2\x80\xae', \xe6\xbc\xa2\xe5\xad\x97\t\r\n";
	size_t n = strlen(text);

	for (; n + 1 < sizeof(text); n++)
		text[n] = n % 50 ? 'a' : '\n';
	text[n] = 0;
	hold(42, text);
	event("{\"event\":\"hold\",\"id\":\"h42\",\"run_name\":\"\\u001b[31m\\u202e\",\"tree\":"
	      "\"a > b > "
	      "\\u0007\",\"target\":\"x\",\"text\":\"\\u001b[2J\\n\\n\\nDROP\",\"text_len\":9}");
	hold(43, text);
	for (unsigned cols = 1; cols <= 100; cols += 3)
		for (unsigned rows = 1; rows <= 40; rows += 3)
			for (unsigned id = 42; id <= 43; id++)
				for (enum prompt_mode m = PROMPT_LOOK; m <= PROMPT_SEARCH; m++) {
					char *drawn;

					p.shown = id;
					p.mode = m;
					drawn = draw_at(cols, rows);
					check_screen(drawn, cols, rows);
					free(drawn);
				}
}

/* Attackers put what matters where it is cut off: the end is shown, and what is missing is said. */
Test(prompt, head_and_tail_of_a_long_statement)
{
	char text[8192];
	size_t n = (size_t)snprintf(text, sizeof(text), "SELECT harmless\n");
	char *drawn;

	for (int i = 0; i < 300; i++)
		n += (size_t)snprintf(text + n, sizeof(text) - n, "-- filler %d\n", i);
	snprintf(text + n, sizeof(text) - n, "; DROP TABLE orders");
	hold(42, text);
	drawn = draw_at(80, 24);
	cr_expect(strstr(drawn, "SELECT harmless"));
	cr_expect(strstr(drawn, "DROP TABLE orders"));
	cr_expect(strstr(drawn, "lines are not shown here"));
	cr_expect(strstr(drawn, "302 lines"));
	free(drawn);
}

Test(prompt, a_statement_that_the_daemon_cut_is_marked)
{
	char *drawn;

	event("{\"event\":\"hold\",\"id\":\"h1\",\"text\":\"SELECT 1\",\"text_len\":100000}");
	drawn = draw_at(80, 24);
	cr_expect(strstr(drawn, "ONLY THE FIRST 8 OF 100000 BYTES"));
	free(drawn);
}

Test(prompt, small_screens_still_show_the_statement)
{
	char *drawn;

	hold(42, "DROP TABLE orders");
	drawn = draw_at(40, 8);
	cr_expect(strstr(drawn, "DROP TABLE orders"));
	free(drawn);
}

Test(prompt, the_whole_statement_page_by_page)
{
	char text[2048];
	size_t n = 0;
	char *drawn;

	for (int i = 0; i < 100; i++)
		n += (size_t)snprintf(text + n, sizeof(text) - n, "line-%d\n", i);
	hold(42, text);
	settle();
	key("v");
	cr_expect_eq(p.mode, PROMPT_WHOLE);
	drawn = draw_at(80, 24);
	cr_expect(strstr(drawn, "page 1 of 6"));
	cr_expect_null(strstr(drawn, "line-20"));
	free(drawn);
	key(" ");
	drawn = draw_at(80, 24);
	cr_expect(strstr(drawn, "line-20"));
	free(drawn);
	for (int i = 0; i < 50; i++)
		key(" ");
	drawn = draw_at(80, 24);
	cr_expect(strstr(drawn, "page 6 of 6"));
	cr_expect(strstr(drawn, "line-99"));
	free(drawn);
	key("b");
	drawn = draw_at(80, 24);
	cr_expect(strstr(drawn, "page 5 of 6"), "back from the last page, not from beyond it");
	free(drawn);
	key("a");
	cr_expect_eq(p.mode, PROMPT_APPROVE);
}

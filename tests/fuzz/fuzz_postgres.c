/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Both sides of a PostgreSQL session, in pieces of any size, with any verdicts. The replay driver
 * aborts when ops do not cover a unit, when what leaves is not framed, when the server's bytes make
 * us talk to it, or when session memory does not come back; it keeps unread bytes against an
 * unreadable page. In half of the sessions every request is refused, and nothing of the client's
 * may reach the server.
 *
 * Input: one byte for how the session begins, then commands: a byte for what, a length, bytes.
 *
 * fuzz-links: tests/unit/proto/replay*.c tests/unit/proto/wire.c
 * fuzz-links: user/proto/proto.c user/proto/postgres*.c user/fact/[a-z]*.c user/util/[a-z]*.c
 */
#include "tests/unit/proto/replay.h"
#include "util/reader.h"

#define LOGIN                                                                                      \
	"C> @ 196608 \"user\" \"bob\" 0b\n"                                                        \
	"S> R 0 ; S \"client_encoding\" \"UTF8\" ; S \"standard_conforming_strings\" \"on\" ; K "  \
	"1 2 ; Z 'I'\n"

static const char *const beginnings[] = {
	"",
	LOGIN,
	LOGIN "C> P \"s1\" \"SELECT 1\" 0h ; S\nS> 1 ; Z 'I'\n",
	LOGIN "C> Q \"COPY t FROM STDIN\"\nS> G 0b 0h\n",
	LOGIN "! pass rows\n@ mask 1 \"xxx\"\nC> Q \"SELECT 1\"\nS> T 1h \"a\" 0 0h 25 4h -1 0h\n",
	LOGIN "! pass rows\nC> P \"\" \"SELECT 1\" 0h ; B \"c\" \"\" 0h 0h 0h ; E \"c\" 1\n",
	LOGIN "! hold\nC> P \"\" \"SELECT 1\" 0h ; B \"\" \"\" 0h 0h 0h ; E \"\" 0 ; S\n",
	LOGIN "! refuse \"no\"\nC> P \"\" \"SELECT 1\" 0h ; B \"\" \"\" 0h 0h 0h ; E \"\" 0\n",
	LOGIN "! pass rows\nC> Q \"COPY t TO STDOUT\"\nS> H 0b 0h\n",
	LOGIN
	"! hold\nC> Q \"COPY t TO STDOUT\"\n@ columns \"TABLE t\"\nS> 1 ; t 0h ; T 2h \"a\" 1 "
	"1h 23 4h -1 0h \"b\" 1 2h 25 4h -1 0h ; 3\n@ mask 1 \"x,y\"\n",
	"C> @ 196608 \"user\" \"bob\" \"replication\" \"1\" 0b\nS> R 0 ; Z 'I'\nC> Q \"X\"\nS> W "
	"0b 0h\n",
};

static const char *const verdicts[] = {"pass", "pass rows", "pass lexing", "refuse \"no\"", "hold",
	"pass define \"s1\" \"DELETE FROM t\"", "pass remove \"s1\"", "pass rows remove-all",
	"pass read-only", "pass rows read-only retry", "pass by-column text",
	"pass by-column csv header", "pass by-column binary"};
static const char *const commands[] = {"drain", "split", "inside \"SELECT 1\"", "say \"held\"",
	"ask \"SELECT 1\"", "columns \"SELECT 1, 2\"", "show", "name s1", "rest", "mask 1 null",
	"swap \"a\" \"b\""};

#define PICK(list, i) (list)[(i) % (sizeof(list) / sizeof((list)[0]))]

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct reader r = reader_of(slice_of(data, n));
	struct replay *replay = vector_new(0, 0);
	uint8_t beginning = rd_u8(&r);

	if (beginning & 0x80)
		vector_refuse_all(replay);
	vector_run(replay, slice_str(PICK(beginnings, beginning & 0x7f)));
	while (rd_left(&r) && !r.bad) {
		uint8_t what = rd_u8(&r), len = rd_u8(&r);
		struct slice bytes = rd_bytes(&r, len < rd_left(&r) ? len : rd_left(&r));

		switch (what % 8) {
		case 0:
		case 1:
		case 2:
			vector_feed(replay, SIDE_CLIENT, bytes);
			break;
		case 3:
		case 4:
		case 5:
			vector_feed(replay, SIDE_SERVER, bytes);
			break;
		case 6:
			vector_verdict(replay, PICK(verdicts, len));
			break;
		case 7:
			vector_command(replay, PICK(commands, len));
			break;
		}
	}
	vector_free(replay);
	return 0;
}

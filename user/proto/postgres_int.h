/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files of the PostgreSQL decoder share; nobody else includes this.
 *
 *   postgres.c          the vtable; frame; small questions (tx, lexing, cancel)
 *   postgres_startup.c  everything before the first ReadyForQuery
 *   postgres_options.c  `options` of the start-up packet, split as the server splits it
 *   postgres_client.c   client units
 *   postgres_request.c  from kept units to a request, and what its verdict does
 *   postgres_server.c   server units
 *   postgres_places.c   the FIFO of replies that the server owes, and how each ends
 *   postgres_names.c    statements and portals, and the memory of the session
 *   postgres_rows.c     RowDescription, DataRow, streams
 *   postgres_text.c     errors, notices and other prose; the words we put in ourselves
 *   postgres_ask.c      the host's own questions
 *   postgres_belt.c     the read-only belt: verdicts that let the server refuse writes
 *   postgres_types.c    type OID → value_class, width
 *
 * The ring of places has three cursors: head (the oldest reply owed) ≤ sent (first unit that is
 * kept and not yet forwarded) ≤ tail. What lies between sent and tail is the span still forming.
 */
#pragma once

#include "proto/postgres.h"
#include "util/reader.h"
#include "util/writer.h"

enum {
	PG_UNIT_MAX = 16 << 20,
	PG_SPAN_MAX = 24 << 20,
	PG_MEM_MAX = 40 << 20,
	PG_ROW_WHOLE_MAX = 1 << 20, /* longer DataRows are streamed */
	PG_STARTUP_MAX = 10000,
	PG_AUTH_MAX = 64 << 10,
	PG_SMALL_MAX = 10000, /* messages that carry no more than a name */
	PG_NAMES_MAX = 4096,
	PG_NAME_MAX = 63, /* NAMEDATALEN - 1 */
	PG_PLACES_MIN = 64,
	PG_PLACES_MAX = 1024,
	PG_KEY_MAX = 256,
	PG_COLUMNS_MAX = 1664, /* MaxTupleAttributeNumber */
	PG_HEADER = 5,
};

enum pg_phase {
	PG_START,  /* nothing but negotiation was seen */
	PG_LOGIN,  /* the StartupMessage waits for its verdict */
	PG_AUTH,   /* it was forwarded */
	PG_AUTHED, /* AuthenticationOk was seen */
	PG_READY,  /* the first ReadyForQuery was seen */
	PG_DONE,   /* a good-bye was said */
};

/* ---- names (postgres_names.c) ---------------------------------------------------------------- */

/* What has a name at the server. Shared between the table of names, portals (their statement) and
 * places in flight, each of which may outlive the others; hence a count of them. */
struct pg_named {
	struct pg_named *next; /* in the table's chain */
	uint64_t hash;
	uint32_t refs;
	bool is_portal;
	struct slice name;
};

struct pg_stmt {
	struct pg_named named; /* first */
	struct slice text;
	struct slice types; /* declared parameter types, big-endian, as in Parse */
	bool is_suspect;    /* text holds more than one possibility */
	bool is_sql;        /* PREPARE made it: its types are not known */
	bool is_unknown;    /* only a name that someone asked about */
};

struct pg_columns {
	uint32_t id;
	size_t n;
	struct column v[];
};

struct pg_portal {
	struct pg_named named; /* first */
	struct pg_stmt *stmt;  /* NULL: not known what it runs */
	struct slice bind;     /* Bind from the parameter formats on */
	bool is_described;     /* the server said what its columns are */
	struct pg_columns *columns;
};

struct pg_names {
	struct pg_named **slots;
	uint32_t n, n_slots;
};

struct pg_block;

/* A change of names that a request makes once it is confirmed (name_change of its verdict). */
struct pg_change {
	struct pg_change *next;
	enum name_change_kind kind;
	struct pg_stmt *stmt; /* name, and text for NAME_DEFINE */
};

/* ---- places (postgres_places.c) -------------------------------------------------------------- */

enum pg_place_kind {
	PG_QUERY,
	PG_CALL,
	PG_PARSE,
	PG_BIND,
	PG_DESCRIBE_S,
	PG_DESCRIBE_P,
	PG_CLOSE_S,
	PG_CLOSE_P,
	PG_EXECUTE,
	PG_SYNC,
	PG_FLUSH, /* only while kept: it has no reply */
	PG_BELT,  /* our own messages in front of a batch that may not write */
};

#define PG_BIT(kind) (1u << (kind))
/* Those that an error makes the server skip, up to the next Sync. */
#define PG_EXTENDED                                                                                \
	(PG_BIT(PG_PARSE) | PG_BIT(PG_BIND) | PG_BIT(PG_DESCRIBE_S) | PG_BIT(PG_DESCRIBE_P) |      \
		PG_BIT(PG_CLOSE_S) | PG_BIT(PG_CLOSE_P) | PG_BIT(PG_EXECUTE) | PG_BIT(PG_BELT))

/* Behind these the server begins another transaction, unless one was opened by the text. */
#define PG_ENDS_BATCH (PG_BIT(PG_QUERY) | PG_BIT(PG_CALL) | PG_BIT(PG_SYNC))

struct pg_place {
	uint64_t seq;              /* of its request; 0: none */
	struct pg_named *obj;      /* statement or portal it is about */
	struct pg_change *changes; /* QUERY, EXECUTE */
	struct slice error; /* refused: the ErrorResponse that takes the place of the server's */
	size_t len;         /* of its unit in the span, while kept */
	uint64_t n_rows, bytes;
	enum pg_place_kind kind;
	bool ends_request;
	bool is_hidden; /* put there by us: its reply goes nowhere */
	bool is_refused;
	bool is_skipped;  /* the server ignored it; only its EV_REPLY is due */
	bool is_answered; /* the server did answer; only its EV_REPLY is due */
	bool want_rows;
	bool streams_copy; /* of a verdict */
	bool is_copied;    /* its CopyData is taken apart into values */
	bool is_barrier;   /* client units wait for it */
	bool is_lexing;
	bool is_replication;
	bool has_error;
	/* The belt. */
	bool is_belted;        /* the server refuses it writes */
	bool may_retry;        /* of a verdict */
	bool is_retried;       /* its error went nowhere: the host puts it again */
	bool hides_columns;    /* it comes again: the client may have its RowDescription already */
	uint8_t n_hidden_tags; /* QUERY: CommandCompletes to hide; BELT: CloseCompletes seen */
	uint8_t shift;         /* characters in front of the client's own text */
};

/* What the client was told of a request that may be put again. */
struct pg_told {
	uint64_t seq;
	uint32_t n_places; /* answered */
	uint32_t columns_len;
	uint64_t columns_hash;
};

/* What a request may add to the ring besides its units: a Describe, the belt, a Sync of ours. */
enum { PG_PLACES_SPARE = 4 };

/* ---- state ----------------------------------------------------------------------------------- */

enum pg_copy { PG_COPY_NONE, PG_COPY_IN, PG_COPY_OUT, PG_COPY_BOTH };

/* A unit that passes piece by piece. */
struct pg_stream {
	uint8_t head[8]; /* header or length being gathered */
	uint8_t n_head;
	bool is_open; /* inside a unit */
	bool is_row;  /* a wanted DataRow: values are shown */
	bool has_count, has_value;
	bool is_copy;           /* a long line of COPY that is shown */
	size_t left;            /* bytes of the unit still to come */
	size_t i;               /* column */
	uint64_t offset, total; /* in its value */
};

struct pg_copy_unit;

/* The copy of the request that was settled last, if `is_copied`. */
struct pg_copy_out {
	struct copy_format format;
	struct pg_columns *columns; /* as pg_ask_columns() found them; NULL: it did not */
	struct pg_copy_unit *unit;  /* EV_ROW is out */
	bool has_begun;             /* the header is over */
	bool is_blind;              /* every value becomes NULL */
};

enum pg_ask { PG_ASK_NONE, PG_ASK_RUNNING, PG_ASK_FAILED };

struct pg {
	struct pool *pool;
	enum pg_phase phase;
	bool has_ssl, has_gss; /* the negotiation was asked for once */
	bool awaits_password;  /* the server asked for an authentication message */
	bool is_replication;
	bool wants_text;  /* some verdict wanted rows: prose is shown from then on */
	bool has_request; /* EV_REQUEST is out, settle() is due */
	uint64_t seq;
	uint64_t login_seq;
	struct slice user, database;

	uint32_t real_id;
	uint8_t vkey[4], real_key[PG_KEY_MAX];
	size_t real_key_len; /* 0: not known */

	struct pg_place *ring;
	uint32_t n_ring; /* power of two */
	uint32_t head, sent, tail;
	uint32_t n_barriers;
	uint32_t loose_syncs; /* Syncs that copy-in may or may not have swallowed */
	bool is_probing;      /* a Close of ours is on its way that tells which */
	bool skips_to_sync;   /* the server ignores what comes before the next Sync */
	bool batch_open;      /* extended messages were forwarded since the last ReadyForQuery */
	bool is_flushed;      /* nothing was forwarded since the last Flush */
	bool login_failed;

	enum tx_state tx, ready; /* as far as can be told; as the last ReadyForQuery said */
	uint64_t batch;          /* see struct tx_where */
	bool tx_lexing; /* lexing settings changed in this transaction: its end may change them back
			 */
	bool doubts_lexing; /* something ran, since the session was last idle, that may have changed
			     * them unseen */
	bool lexing_unknown; /* changed in a batch, and no ReadyForQuery confirmed them yet */
	struct slice encoding, scs; /* ParameterStatus, pool memory */
	struct slice search_path, superuser, server_version;
	uint64_t lexing;
	bool is_readable;

	enum pg_copy copy;
	bool copy_is_text;
	struct pg_copy_out copy_out;

	struct pg_names stmts, portals;
	struct pg_block *spare[2];
	uint32_t n_spare[2];

	uint64_t belt_batch; /* the batch that wears the belt, plus one; 0: none */
	struct pg_told told;
	bool is_retrying; /* the next request is that one, for the second time */

	struct pg_columns *columns; /* of the running simple query's result */
	uint32_t columns_id;
	bool rest_passes; /* settle_row() said that no later row of this result is wanted */
	struct pg_stream stream[2];

	enum pg_ask ask;
	bool ask_is_inside, ask_has_sync; /* of the question that is running */
	bool ask_is_columns, ask_opened_batch;
	bool owes_sync;      /* the batch that a question opened has failed */
	unsigned ask_closes; /* CloseCompletes still to come */
	bool has_text;       /* EV_TEXT is out, settle_text() is due */
	char error_code[6], error_text[512];
	size_t error_len;
	char tag[64];
	size_t tag_len;
};

/* ---- postgres_names.c ------------------------------------------------------------------------ */

/* Session memory: small blocks are kept for the next statement, so that the common one costs no
 * malloc. NULL at the cap. Not zeroed. */
void *pg_mem(struct pg *st, size_t n);
void pg_mem_free(struct pg *st, void *mem);
/* Copies s; {NULL, 0} at the cap or when empty. */
struct slice pg_mem_dup(struct pg *st, struct slice s);

/* New, with one reference. NULL at the cap. The portal takes a reference of the statement. */
struct pg_stmt *pg_stmt_new(
	struct pg *st, struct slice name, struct slice text, struct slice types);
struct pg_portal *pg_portal_new(
	struct pg *st, struct slice name, struct pg_stmt *stmt, struct slice bind);
struct pg_named *pg_ref(struct pg_named *obj);
void pg_unref(struct pg *st, struct pg_named *obj);

/* The name of a statement or portal. The server's own tables of them look no further than this, so
 * two longer names are one to it. */
static inline struct slice pg_name_read(struct reader *r)
{
	return slice_head(rd_cstr(r), PG_NAME_MAX);
}

struct pg_named *pg_names_get(const struct pg_names *names, struct slice name);
/* Takes a reference of its own; replaces what had the name. 0, PROTO_E_TOO_BIG. */
ERR_CHECK int pg_names_put(struct pg *st, struct pg_names *names, struct pg_named *obj);
void pg_names_remove(struct pg *st, struct pg_names *names, struct slice name);
void pg_names_clear(struct pg *st, struct pg_names *names);
/* Frees the table itself. */
void pg_names_deinit(struct pg *st, struct pg_names *names);

/* The changes of a verdict, copied. 0, PROTO_E_TOO_BIG. */
ERR_CHECK int pg_changes_new(
	struct pg *st, const struct name_change *v, size_t n, struct pg_change **ret);
void pg_changes_free(struct pg *st, struct pg_change *c);
/* The request succeeded, or failed somewhere in the middle. 0, PROTO_E_TOO_BIG. */
ERR_CHECK int pg_changes_apply(struct pg *st, const struct pg_change *c, bool has_failed);

/* ---- postgres_places.c ----------------------------------------------------------------------- */

static inline struct pg_place *pg_place_at(const struct pg *st, uint32_t i)
{
	return &st->ring[i & (st->n_ring - 1)];
}

static inline bool pg_has_outstanding(const struct pg *st)
{
	return st->head != st->sent;
}

/* Does the server take what it is sent for data of a copy? While it only writes one, it reads on
 * behind it. */
static inline bool pg_copy_reads(const struct pg *st)
{
	return st->copy == PG_COPY_IN || st->copy == PG_COPY_BOTH;
}

/* The place that the server answers next, or NULL. */
static inline struct pg_place *pg_head(const struct pg *st)
{
	return st->head != st->sent ? pg_place_at(st, st->head) : NULL;
}

/* Makes room for n more. 0; PROTO_E_NOT_NOW: too much in flight; PROTO_E_TOO_BIG. */
ERR_CHECK int pg_places_reserve(struct pg *st, uint32_t n);
/* A kept place at the tail, room was reserved; takes the reference of obj. */
struct pg_place *pg_place_push(
	struct pg *st, enum pg_place_kind kind, struct pg_named *obj, size_t len);
void pg_place_clear(struct pg *st, struct pg_place *p);
/* Bytes of the kept span. */
size_t pg_span_len(const struct pg *st);
/* Forgets the kept places. */
void pg_span_drop(struct pg *st);
/* The head's reply is complete: pops it; the EV_REPLY of its request, if that ends, is in `sink`.
 * 0, PROTO_E_TOO_BIG. */
ERR_CHECK int pg_place_done(struct pg *st, struct sink *sink);
/* The server reported an error at the head: ends or marks what that ends. `is_fatal`: everything.
 */
ERR_CHECK int pg_place_failed(struct pg *st, bool is_fatal, struct sink *sink);
/* Pops a skipped place at the head; true if its EV_REPLY is in `sink`. */
bool pg_next_event(void *state, struct sink *sink);
/* Bytes that the client got for the place at the head. */
void pg_count(struct pg *st, size_t n);
/* The EV_REPLY of a place, with the tag or error that is kept. */
void pg_reply_emit(
	struct pg *st, const struct pg_place *p, enum reply_status status, struct sink *sink);

/* ---- postgres_startup.c ---------------------------------------------------------------------- */

enum tri pg_probe(struct slice first);
ERR_CHECK int pg_startup_frame(struct slice in, struct frame *ret);
ERR_CHECK int pg_startup_client(struct pg *st, struct slice unit, struct sink *sink);
ERR_CHECK int pg_startup_server(struct pg *st, struct slice unit, struct sink *sink);
ERR_CHECK int pg_startup_settle(
	struct pg *st, struct slice span, const struct verdict *v, struct sink *sink);
/* ParameterStatus: keeps what matters. 0, PROTO_E_*. */
ERR_CHECK int pg_parameter_status(struct pg *st, struct slice unit);

/* ---- postgres_options.c ---------------------------------------------------------------------- */

struct pg_settings {
	struct setting *v;
	size_t n, max;
	bool overflow;
};

void pg_settings_add(struct pg_settings *s, struct slice name, struct slice value);
/* Everything that `options` asks for. 0, PROTO_E_TOO_BIG. */
ERR_CHECK int pg_options_split(struct slice options, struct arena *arena, struct pg_settings *ret);

/* ---- postgres_client.c, postgres_request.c --------------------------------------------------- */

ERR_CHECK int pg_decode_client(struct pg *st, struct slice unit, struct sink *sink);
/* Could this text read otherwise under other settings? They (standard_conforming_strings,
 * backslash_quote, client_encoding) bear on backslashes and on bytes beyond ASCII and on nothing
 * else: every encoding has ASCII in common, and a U&'…' that needs no backslash is an error, not
 * another text, where strings do not conform. */
bool pg_text_hangs_on_settings(struct slice text);
/* The request of the kept span, its last place included. 0, PROTO_E_TOO_BIG. */
ERR_CHECK int pg_request_emit(struct pg *st, struct request *req, struct sink *sink);
ERR_CHECK int pg_settle(void *state, struct slice span, const struct verdict *v, struct sink *sink);
/* Parameters of a Bind (what comes after the names) or FunctionCall. 0, PROTO_E_*. */
ERR_CHECK int pg_params_read(struct reader *r, struct slice types, struct arena *arena,
	const struct param **ret, size_t *ret_n);

/* ---- postgres_server.c ----------------------------------------------------------------------- */

ERR_CHECK int pg_decode_server(struct pg *st, struct slice unit, struct sink *sink);

/* ---- postgres_rows.c ------------------------------------------------------------------------- */

/* True if the rows of this place are to be shown to the host now. */
bool pg_wants_rows(const struct pg *st, const struct pg_place *p);
/* RowDescription → columns in session memory. 0, PROTO_E_*. */
ERR_CHECK int pg_columns_new(struct pg *st, struct slice unit, struct pg_columns **ret);
ERR_CHECK int pg_row(struct pg *st, struct slice unit, struct sink *sink);
/* Values of a DataRow in the arena. 0, PROTO_E_*. */
ERR_CHECK int pg_row_values(
	struct slice unit, struct arena *arena, struct value **ret, size_t *ret_n);
ERR_CHECK int pg_settle_row(
	void *state, struct slice unit, const struct row_verdict *v, struct sink *sink);
ERR_CHECK int pg_stream(
	void *state, enum side from, uint8_t *p, size_t n, size_t *ret_used, struct sink *sink);
void pg_unread(void *state, size_t n);

/* ---- postgres_copy.c ------------------------------------------------------------------------- */

/* CopyOutResponse of a place that is_copied. 0, PROTO_E_*. */
ERR_CHECK int pg_copy_begin(struct pg *st, struct slice unit);
/* Its CopyData: EV_ROW, or ops. 0, PROTO_E_*. */
ERR_CHECK int pg_copy_row(struct pg *st, struct slice unit, struct sink *sink);
/* The verdict on that row. 0, PROTO_E_*. */
ERR_CHECK int pg_copy_settle(
	struct pg *st, struct slice unit, const struct row_verdict *v, struct sink *sink);

/* ---- postgres_text.c ------------------------------------------------------------------------- */

/* SQLSTATE of a refusal. */
const char *pg_refusal_code(enum refusal why);
/* ErrorResponse or NoticeResponse in the arena; `mem_st` non-NULL: in its session memory instead.
 * Empty when there is no room. */
struct slice pg_words(struct arena *arena, struct pg *mem_st, uint8_t type, const char *severity,
	const char *code, const struct verdict *v);
/* A message of one byte of type and a body, in the arena. */
struct slice pg_message(struct arena *arena, uint8_t type, struct slice body);
/* Shows the prose of a unit as EV_TEXT (`is_row`: COPY output), or passes it when nobody wants it.
 */
ERR_CHECK int pg_text(struct pg *st, struct slice unit, bool is_row, struct sink *sink);
ERR_CHECK int pg_settle_text(
	void *state, struct slice unit, const struct slice *fields, size_t n, struct sink *sink);
/* SQLSTATE of an ErrorResponse; left alone if it has none of five characters. 0, PROTO_E_MALFORMED.
 */
ERR_CHECK int pg_error_code(struct slice unit, char code[static 6]);
/* Keeps code and message for whoever reports them. 0, PROTO_E_MALFORMED. */
ERR_CHECK int pg_error_keep(struct pg *st, struct slice shown);
/* Its message; empty if there is none. */
struct slice pg_error_message(struct slice unit);
/* ErrorResponse of the server, whatever it ends. */
ERR_CHECK int pg_error(struct pg *st, struct slice unit, struct sink *sink);

/* ---- postgres_ask.c -------------------------------------------------------------------------- */

ERR_CHECK int pg_ask_columns(void *state, struct slice text, bool read_only, struct sink *sink);
ERR_CHECK int pg_ask(void *state, enum ask_place place, struct slice text, struct sink *sink);
void pg_where(const void *state, struct tx_where *ret);
ERR_CHECK int pg_ask_unit(struct pg *st, struct slice unit, struct sink *sink);
ERR_CHECK int pg_say(
	void *state, enum say_kind kind, enum refusal why, struct slice text, struct sink *sink);
bool pg_is_drained(const void *state);
ERR_CHECK int pg_drain(void *state, struct sink *sink);

/* ---- postgres_belt.c ------------------------------------------------------------------------- */

/* A hidden place in front of the kept ones, counted as sent; room was reserved. */
struct pg_place *pg_place_insert(struct pg *st, enum pg_place_kind kind);
/* The messages that put it on, in the sink. */
void pg_belt_say(struct sink *sink);
/* Puts the belt in front of the kept span. True: the ops for the span are there, too. */
bool pg_belt_put(struct pg *st, struct slice span, struct sink *sink);
/* The server's answers to our messages. */
ERR_CHECK int pg_belt_unit(struct pg *st, struct slice unit, struct sink *sink);
/* Moves the position in an error or notice back to the client's own text. 0, PROTO_E_TOO_BIG. */
ERR_CHECK int pg_position_shift(struct pg *st, struct slice *unit, struct arena *arena);
/* Takes our part out of a notice that quotes the whole text. 0, PROTO_E_TOO_BIG. */
ERR_CHECK int pg_belt_unquote(struct pg *st, struct slice *unit, struct arena *arena);
/* SQLSTATE 25006 at a belted place: ops, and what the client got. 0, PROTO_E_TOO_BIG. */
ERR_CHECK int pg_belt_error(
	struct pg *st, struct slice unit, struct sink *sink, struct slice *ret_shown);
/* The places of a request that is let through, belted or not, as its verdict has it. */
void pg_belt_places(struct pg *st, const struct verdict *v);
/* RowDescription at the head. *ret_is_known: the client has it. 0, PROTO_E_MALFORMED. */
ERR_CHECK int pg_belt_columns(struct pg *st, struct slice unit, bool *ret_is_known);
bool pg_has_portals(const void *state);
ERR_CHECK int pg_split(void *state, struct sink *sink);

/* ---- postgres_types.c ------------------------------------------------------------------------ */

enum value_class pg_type_class(uint32_t oid);
/* Bytes of a VALUE_INT in binary; 0 for any other class. */
uint8_t pg_type_width(uint32_t oid);

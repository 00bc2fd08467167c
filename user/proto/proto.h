/* SPDX-License-Identifier: Apache-2.0 */
/*
 * THE contract between the relay and a protocol decoder. Start here to add a protocol.
 *
 * Words
 *   unit     one whole wire message, as frame() cuts it
 *   span     the client units kept since the last decision; together they form one request
 *   request  what is judged: emitted by decode() as EV_REQUEST when its last unit arrived
 *   place    a slot in the FIFO of replies that the server still owes, one per forwarded thing
 *   verdict  what the host tells settle() to do with a request: pass or refuse
 *   say      the host has words for the client (held, still held, expired)
 *   ask      the host has a question of its own for the server, hidden from the client
 *
 * A decoder is sans-I/O: no descriptor, clock, log, policy or lock. It is given bytes and answers
 * with ops (what goes on, what goes away, what is put in) and at most one event per call. The same
 * bytes give the same answers however they were cut into reads: tests replay every split.
 *
 * Memory: `state_size` zeroed bytes that the host owns; whatever must live longer than a call
 * comes from the `struct pool` given to init() (capped, charged to the run) and is freed by fini().
 * Slices in events and ops point into the unit, the span or the sink's arena and are valid until
 * the next call into the decoder.
 *
 * The relay's role, for each side (tests/unit/proto/replay.c plays the same one):
 *
 * 1. frame() the unread bytes, anew at every attempt: the answer may change with the state.
 *
 * 2. Gathered units go to decode(). What comes of a client unit is one of
 *    EV_KEEP           the unit joins the span, nothing moves;
 *    PROTO_E_NOT_NOW   the unit stays unread: call drain(), and begin again at 1 after the next
 *                      server unit;
 *    EV_REQUEST        the span with this unit is a request. No ops: settle() gives them, for the
 *                      same bytes, and no client unit is decoded before it did;
 *    anything else     the ops cover the kept span *and* this unit (Terminate drops what was kept
 *                      before it; a batch of nothing but Close passes whole).
 *    After the last two the span is empty again. Server units have no span: ops cover the unit.
 *
 * 3. EV_ROW is answered by settle_row(), EV_TEXT by settle_text(), before anything else is called.
 *    Between EV_REQUEST and settle() server units go on as usual.
 *
 * 4. Stream units go to stream() piece by piece; see there and unread().
 *
 * 5. After every decode(), settle(), settle_text() and stream() of either side: next_event() until
 *    it returns false. A server unit can end several requests at once.
 *
 * 6. The server's bytes are read once REQUEST_LOGIN was passed; before that a decoder with
 *    is_server_first == false has nothing to do with the server.
 *
 * Client units that the server would ignore (the rest of a batch that failed or was refused, COPY
 * data out of place) are skipped by decode() without an event. A unit that is not a request and
 * cannot hold anything to judge (Sync, a batch of Close) passes likewise.
 *
 * Every EV_REQUEST is ended by exactly one EV_REPLY with its seq, unless the session ends first.
 *
 * Fails closed: PROTO_E_MALFORMED and PROTO_E_TOO_BIG end the session. Nothing a decoder does not
 * fully understand is passed on (P4). State follows what the server confirmed, never what the
 * client asked for.
 */
#pragma once

#include "fact/copy.h"
#include "fact/facts.h"
#include "fact/masking.h"
#include "util/arena.h"
#include "util/err.h"

/* Whose bytes these are, and to whom bytes are put. */
enum side { SIDE_CLIENT, SIDE_SERVER };

enum {
	PROTO_E_MALFORMED = 1, /* the peer broke the protocol */
	PROTO_E_TOO_BIG = 2,   /* a cap was reached: unit, request, names, pool */
	PROTO_E_NOT_NOW =
		3, /* say(), ask(): no legal point in the stream right now; try after the next unit.
		    * decode() of a client unit: it may not be looked at before the server has
		    * answered more (login not done, a setting that changes lexing or a name is
		    * unconfirmed, too much is in flight). Nothing happened: call again */
};

/* ---- session-long memory --------------------------------------------------------------------- */

/* Counts what a decoder keeps for the session; malloc underneath. */
struct pool {
	size_t used, max;
};

void *pool_alloc(struct pool *p, size_t n); /* zeroed; NULL at the cap or out of memory */
void pool_free(struct pool *p, void *mem);  /* NULL is fine */

/* ---- frame ----------------------------------------------------------------------------------- */

struct frame {
	/* Length of the unit in bytes. While that cannot be told: how many bytes must be there
	 * before frame() can say more (always greater than what it was given). */
	size_t len;
	/* The unit is handed to stream() piece by piece instead of being gathered whole for
	 * decode(). */
	bool is_stream;
};

/* ---- events ---------------------------------------------------------------------------------- */

/* Why a request is refused; each protocol has its own code for it. */
enum refusal {
	REFUSAL_POLICY,      /* a rule or a human said no (PostgreSQL 42501) */
	REFUSAL_CANCELLED,   /* the client cancelled it, or its time is over (57014) */
	REFUSAL_LOCKED,      /* the lock it needs did not come in time (55P03) */
	REFUSAL_LIMIT,       /* too large or too many (54000) */
	REFUSAL_RECORD,      /* it could not be recorded: disk full, ring full (53100) */
	REFUSAL_INTERNAL,    /* our own mistake (XX000) */
	REFUSAL_UNREACHABLE, /* the server cannot be reached (08001) */
};

enum event_kind {
	EV_NONE,
	EV_KEEP, /* client unit: part of a request still forming; the host keeps it in the span */
	EV_REQUEST, /* client unit: the span including this unit is a request; nothing was forwarded
		     */
	EV_LOGIN, /* server unit: the server is ready for the first request (PostgreSQL: first Z) */
	EV_ROW,   /* server unit: a row whose values the host wanted to see; needs settle_row() */
	EV_BIG_ROW, /* server stream: an oversized row of a result that the host wants to see
		       begins, and none of its values has passed; the columns are in `value` */
	EV_VALUE, /* server stream: a piece of one value of an oversized row, may be overwritten in
		     place; each value has one at least */
	EV_TEXT,  /* server unit: prose (error, notice, COPY text line) that may quote values; needs
		     settle_text() */
	EV_REPLY, /* the reply to a request is complete: by a server unit, or by next_event() */
	EV_ANSWER, /* server unit: a row of, or the end of, the answer to ask() */
	EV_CANCEL, /* client unit: this connection asks to cancel what another one does */
	EV_CLOSE,  /* either side: a clean good-bye; the host closes after flushing */
};

/* What kind of thing a request is; the host finds the facts accordingly. */
enum request_kind {
	REQUEST_TEXT,  /* `text` in the resource's query language, with params */
	REQUEST_LOGIN, /* `settings`, `user`, `database`: the start of the session */
	REQUEST_CALL,  /* a call by number (FunctionCall): `text` describes it */
	/* Replication: the start-up, which has no `text`, or a command, which is SQL as likely as
	 * not. Effect is ADMIN, and whatever the text does besides. */
	REQUEST_REPLICATION,
	REQUEST_OPAQUE, /* not understood well enough: effect is UNKNOWN */
};

struct param {
	struct slice value; /* as sent */
	bool is_null, is_binary;
	uint32_t type; /* declared wire type, 0 = not declared */
};

struct setting {
	struct slice name, value;
};

struct request {
	enum request_kind kind;
	uint64_t seq;      /* counts up per session; EV_REPLY names it again */
	struct slice text; /* REQUEST_TEXT: exactly what the server will parse */
	uint32_t function; /* REQUEST_CALL: its number */
	const struct param *params;
	size_t n_params;
	const struct setting *settings; /* REQUEST_LOGIN: those that are not on the harmless list */
	size_t n_settings;
	struct slice user, database, application;
	/* True if the text reaches the server now but runs later (a batch with Parse and no
	 * Execute); it is judged now and again when it runs. */
	bool is_prepare_only;
	/* The client asked for several statements in one text where the protocol forbids it, or the
	 * like: reason to judge as unknown besides. `text` then holds every text involved, joined
	 * by ";\n". REQUEST_LOGIN: a parameter came twice; the host must refuse. */
	bool is_suspect;
	/* Its text hangs on settings that something in the same batch may have changed, of which
	 * the server says nothing before the batch ends: split() it, or judge it as unknown. */
	bool is_doubtful;
	/* It makes the server plan a statement, even if it only prepares. */
	bool has_bind;
	/* It can be put again as it is: a simple query and nothing kept before it, or units up to
	 * an Execute that do not define a name. */
	bool is_whole;
	/* It runs a statement or portal by a name from before: what code on the server may have
	 * given another meaning since. */
	bool uses_names;
	/* It runs a portal by a name from before, with the parameters and variables of then. */
	bool uses_portal;
	/* It binds a statement that SQL text made: of what types its parameters are is not known.
	 */
	bool binds_sql;
};

/* What the server's side of the session looks like, as confirmed by the server. */
enum tx_state { TX_NONE, TX_OPEN, TX_FAILED, TX_UNKNOWN };

enum reply_status {
	REPLY_OK,
	REPLY_ERROR,   /* the server's error; `code`, `text` */
	REPLY_REFUSED, /* the error is the one that a refusal put there */
	REPLY_SKIPPED, /* the server ignored it: an earlier part of the batch had failed */
	/* Of a verdict with `may_retry`: the server refused it a write, and nothing that matters of
	 * it has reached the client. The host puts the same bytes in front of all that the client
	 * sent since; they come as a request of its own. */
	REPLY_RETRY,
};

struct reply {
	uint64_t seq;
	enum reply_status status;
	uint64_t n_rows;
	uint64_t bytes;    /* sent to the client for it */
	struct slice tag;  /* "DELETE 3" */
	struct slice code; /* SQLSTATE */
	struct slice text; /* error message as the client got it (after masking) */
	struct slice more; /* REPLY_RETRY: to be put behind the request's own bytes */
};

struct value {
	struct slice bytes; /* p == NULL: SQL NULL */
};

/* Is it the start of a session? */
static inline bool request_is_login(const struct request *q)
{
	return q->kind == REQUEST_LOGIN || (q->kind == REQUEST_REPLICATION && !q->text.p);
}

struct event {
	enum event_kind kind;
	union {
		struct request request; /* EV_REQUEST */
		struct reply reply;     /* EV_REPLY */
		struct {                /* EV_LOGIN */
			struct slice user, database;
		} login;
		struct { /* EV_ROW */
			uint64_t seq;
			const struct column *columns; /* same array for every row of one result */
			uint32_t columns_id; /* changes whenever the columns do: key for the host's
						plan */
			size_t n;
			const struct value *values;
		} row;
		struct { /* EV_VALUE, EV_BIG_ROW */
			uint64_t seq;
			/* All of the result, as in EV_ROW; NULL: it is a line of COPY. */
			const struct column *columns;
			size_t n_columns;
			uint32_t columns_id;
			size_t index;
			uint8_t *p; /* may be overwritten, same length */
			size_t n;
			uint64_t offset, total; /* of this piece in the value; total 0: it is
						   empty, or NULL */
			bool is_null;
		} value;
		struct { /* EV_TEXT */
			uint64_t seq;
			bool is_row; /* a line of COPY output, not prose: n_fields separated by tabs
				      */
			/* May hold a value out of a row, alone or as part of a sentence, the first
			 * field. */
			bool may_quote;
			/* Words of somebody's that belong to no request: PostgreSQL's NOTIFY. */
			bool is_foreign;
			/* A value, not words to read: what stands for it is short. */
			bool is_value;
			struct slice *fields; /* each may be replaced in settle_text() */
			size_t n;
		} text;
		struct { /* EV_ANSWER */
			bool is_end;
			bool failed;
			enum refusal why;        /* with failed: CANCELLED, LOCKED, or INTERNAL */
			struct slice code, text; /* with failed: in the server's words */
			const struct value *values;
			size_t n;
		} answer;
		struct { /* EV_CANCEL: the key given by the decoder of the other session */
			uint32_t id;
			struct slice key;
		} cancel;
	};
};

/* ---- ops ------------------------------------------------------------------------------------- */

enum op_kind {
	OP_PASS, /* the next n bytes of the unit (or span) go on to the other side */
	OP_SKIP, /* the next n bytes of the unit (or span) go nowhere */
	OP_PUT,  /* new bytes to a side */
};

struct op {
	enum op_kind kind;
	enum side to;      /* OP_PUT */
	struct slice data; /* OP_PUT: arena of the sink, valid until it is reset */
	size_t n;          /* OP_PASS, OP_SKIP */
};

/* Where a call leaves its answer. The host empties it before each call. */
struct sink {
	struct arena *arena;
	struct op *ops;
	size_t n_ops, max_ops;
	struct event event;
	bool overflow; /* arena or ops exhausted: PROTO_E_TOO_BIG */
};

/* Forgets ops and event of the last unit. */
void sink_begin(struct sink *s);
/* The next n bytes of the input on, or away; `data`, borrowed until the ops are done, to a side.
 * What finds no room, here or ({NULL, n}) in the arena it came from, sets `overflow`. */
void sink_pass(struct sink *s, size_t n);
void sink_skip(struct sink *s, size_t n);
void sink_put(struct sink *s, enum side to, struct slice data);

/* ---- verdicts -------------------------------------------------------------------------------- */

enum verdict_kind { VERDICT_PASS, VERDICT_REFUSE };

struct verdict {
	enum verdict_kind kind;
	enum refusal refusal;
	struct slice message; /* REFUSE: one line for the agent; UTF-8 */
	struct slice detail, hint;
	struct slice code; /* REFUSE: the server's own for it, of five characters; or empty */
	/* PASS: emit EV_ROW/EV_TEXT (COPY lines) for this request's results. From the first such
	 * verdict on, prose of the whole session comes as EV_TEXT too. */
	bool want_rows;
	/* With want_rows: lines of COPY that are too long to be shown whole may pass in pieces,
	 * each shown as an EV_VALUE without columns. Else they end the session. */
	bool streams_copy;
	/* PASS, with want_rows: its rows are a copy, written like this; they come as EV_ROW, with
	 * the columns that ask_columns() found. If those are not known, or not as many, all values
	 * become NULL. NULL: lines of a copy come as EV_TEXT. Copied. */
	const struct copy_format *copy;
	/* PASS: the request may change how the server reads the text that follows (FACTS_LEXING):
	 * no client unit but the likes of Sync is decoded until it was answered. */
	bool changes_lexing;
	/* PASS: it may do so although it does not say so: it runs what its text does not show. Text
	 * that the settings could matter to waits until it was answered. */
	bool may_change_lexing;
	/* PASS: names that become valid once the server confirms the request. Copied. */
	const struct name_change *names;
	size_t n_names;
	/* PASS: the server is told to refuse writes in the transaction that this request begins,
	 * and up to its end: the batch, see struct tx_where. Only outside a transaction block. The
	 * client notices nothing but an error if it does write. */
	bool read_only;
	bool may_retry; /* with read_only, of a request that is_whole, when all is idle: see
			   REPLY_RETRY */
};

/* What becomes of a row: replacement values in the order of the columns. */
struct row_verdict {
	const struct value *values; /* NULL: pass the row as it is */
	/* No later row of this result needs to be seen: pass them without an event. */
	bool pass_rest;
};

enum ask_place {
	ASK_IDLE,   /* only when the session is idle and outside a transaction */
	ASK_INSIDE, /* in the transaction, or batch, that is open: all that was sent is answered */
};

struct tx_where {
	/* Counts what the server runs as one transaction unless the text says otherwise: a batch up
	 * to its Sync, or a simple query. The same number, the same batch. */
	uint64_t batch;
	/* As the last ReadyForQuery said: what holds at the beginning of a batch, unless something
	 * sent since then and not yet answered changes it. */
	enum tx_state ready;
	/* Nothing at all is under way, and no transaction open. */
	bool is_idle;
};

enum say_kind {
	SAY_HELD,  /* a request waits for a human: text says so, with the id */
	SAY_STILL, /* it still waits; also keeps idle connections alive */
	SAY_FATAL, /* last words; the host closes afterwards. Legal at any point but inside a
		      streamed unit */
};

/* ---- the decoder ----------------------------------------------------------------------------- */

struct protocol {
	const char *name; /* keyword in policies */
	uint16_t port;    /* usual port, a hint for messages only */
	size_t state_size;
	size_t unit_max;        /* longest client unit, and longest gathered server unit */
	size_t request_max;     /* longest span */
	size_t session_mem_max; /* cap of the pool */
	bool is_server_first;   /* the server speaks first: dial without waiting for the client */

	/* `vkey`: what this session gives its client, in place of the server's key, for cancelling.
	 */
	ERR_CHECK int (*init)(void *st, struct pool *pool, const uint8_t vkey[static 4]);
	void (*fini)(void *st);

	/* Pure: do these first client bytes look like this protocol? TRI_UNKNOWN = need more. */
	enum tri (*probe)(struct slice first);
	/* Pure: how long is the unit at in.p? 0, PROTO_E_MALFORMED, PROTO_E_TOO_BIG. */
	ERR_CHECK int (*frame)(const void *st, enum side from, struct slice in, struct frame *ret);
	/* Once per whole unit, in order per side. 0, PROTO_E_*. After PROTO_E_NOT_NOW the same unit
	 * comes again, see above. */
	ERR_CHECK int (*decode)(void *st, enum side from, struct slice unit, struct sink *sink);
	/* Bytes of a stream unit, in order; the bytes may be changed in place, then are passed on.
	 * sink gets no ops here; events are EV_BIG_ROW, EV_VALUE, EV_REPLY or none, and the host
	 * calls again with the rest until *ret_used covers the piece. 0, PROTO_E_*. */
	ERR_CHECK int (*stream)(void *st, enum side from, uint8_t *p, size_t n, size_t *ret_used,
		struct sink *sink);
	/* The host wants the last n bytes of the EV_VALUE that stream() just emitted to come again,
	 * in front of the next piece (a detector may have seen half of something). It passes on
	 * ret_used - n bytes only. Never for the last piece of a value. With 0, on an EV_BIG_ROW:
	 * the row is not passed on at all, and the session ends. */
	void (*unread)(void *st, size_t n);
	/* The next event that is due without further bytes (EV_REPLY: several requests ended at
	 * once), in sink->event; sink gets no ops. False: none. Call it until it says so. */
	bool (*next_event)(void *st, struct sink *sink);
	/* The verdict on the request that decode() emitted last; ops cover exactly the span, the
	 * unit that completed it included. sink->event: EV_CLOSE after a refused login. */
	ERR_CHECK int (*settle)(
		void *st, struct slice span, const struct verdict *v, struct sink *sink);
	/* The verdict on the row that decode() emitted last; ops cover exactly the unit. The sink's
	 * arena is as decode() left it, the host's own things added. */
	ERR_CHECK int (*settle_row)(
		void *st, struct slice unit, const struct row_verdict *v, struct sink *sink);
	/* The fields (replaced or not) of the EV_TEXT that decode() emitted last; ops cover the
	 * unit. An EV_REPLY may follow in sink->event. */
	ERR_CHECK int (*settle_text)(void *st, struct slice unit, const struct slice *fields,
		size_t n, struct sink *sink);

	/* True if everything forwarded so far has been answered. While false, the host calls
	 * drain(), which may put a flush to the server (once; calling it again is harmless), and
	 * waits. */
	bool (*is_drained)(const void *st);
	ERR_CHECK int (*drain)(void *st, struct sink *sink);
	ERR_CHECK int (*say)(void *st, enum say_kind kind, enum refusal why, struct slice text,
		struct sink *sink);
	/* Puts a query of the host to the server, at a place where it disturbs nothing (else
	 * PROTO_E_NOT_NOW); rows come as EV_ANSWER, nothing reaches the client. While an answer is
	 * due the host feeds no client units.
	 * ASK_INSIDE: a question that fails takes the transaction with it, as any statement would.
	 * In the middle of a batch the client has then been told, and the request at hand must be
	 * settled by a refusal, of which nothing goes anywhere: its reply is REPLY_SKIPPED. */
	ERR_CHECK int (*ask)(void *st, enum ask_place place, struct slice text, struct sink *sink);
	/* Asks what columns a query has, in front of the request that is being judged and in the
	 * same transaction, so that names mean the same in both. The answer is one EV_ANSWER, the
	 * end. They are kept for the `copy` of the next verdict. PROTO_E_NOT_NOW as ask(); one that
	 * fails is told or settled as there, and outside a transaction it leaves no trace.
	 * read_only: as in the verdict that is to come; reading a query may run code. */
	ERR_CHECK int (*ask_columns)(
		void *st, struct slice text, bool read_only, struct sink *sink);
	/* Ends the batch here, in front of the request that is being judged, as a Sync of the
	 * client would, hidden from it; the request is in the next batch then. What fails in what
	 * was sent before is told, and makes the rest of the client's batch be skipped. */
	ERR_CHECK int (*split)(void *st, struct sink *sink);
	/* Would split() end something that the client can still name: a portal, which lives as
	 * long as its transaction? */
	bool (*has_portals)(const void *st);
	/* Where, among transactions, the request would run that is being judged. */
	void (*where)(const void *st, struct tx_where *ret);
	/* Transaction state as last confirmed by the server. */
	enum tx_state (*tx)(const void *st);
	/* Text of a prepared statement as the server confirmed it; {NULL,0} = unknown. */
	struct slice (*name_text)(const void *st, struct slice name);
	/* The same of a portal. */
	struct slice (*portal_text)(const void *st, struct slice name);
	/* Did SQL text make that statement, or the one that the portal runs? */
	bool (*name_is_sql)(const void *st, bool is_portal, struct slice name);
	/* The name of a statement (or portal) means something else by now: nobody knows what. */
	void (*name_forget)(void *st, bool is_portal, struct slice name);
	/* Settings confirmed by the server that change how text is read: a digest for caches and
	 * for what an approval is bound to. 0 with *ret_readable = false: the text cannot be read
	 * safely. */
	uint64_t (*lexing)(const void *st, bool *ret_readable);
	/* Bytes that cancel, at the server, what this session is doing: sent on a connection of its
	 * own. Empty while unknown. */
	struct slice (*cancel_request)(const void *st, struct arena *arena);
	/* True if id and key are those that this session gave its client. The id is the server's
	 * own (clients compare it with what they read elsewhere), the key is ours. */
	bool (*cancel_matches)(const void *st, uint32_t id, struct slice key);
	/* The number by which the server's own views call this session, as it told the client; 0:
	 * unknown. */
	uint32_t (*server_id)(const void *st);
};

/* All decoders, NULL-terminated. */
extern const struct protocol *const protocols[];
const struct protocol *protocol_by_name(struct slice name);

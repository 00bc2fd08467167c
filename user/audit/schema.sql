-- SPDX-License-Identifier: Apache-2.0
--
-- The ledger of holdfast, version 6.
--
-- Ask the views at the end of this file (runs, sessions, requests, holds, decisions, replies,
-- contents, events): they are the documented interface and keep their columns. The tables behind them, one
-- per kind of record (records.def), may change with the version. Rows are only ever added.
--
-- A newer version adds tables, columns at the end of tables, and indexes: migrate.c brings an older
-- ledger to what stands here, and old rows have 0 or nothing in new columns.
--
-- Read it with `holdfast audit`, or with `sqlite3 -readonly`; exactly one process writes.
-- Times: `at` and all *_at are nanoseconds since 1970 UTC; `time` and *_time say the same in
-- ISO 8601. Text is what the agent was allowed to see; hmac columns bind a row to the exact bytes.

-- One life of one agent.
CREATE TABLE run (
	at INTEGER NOT NULL, id INTEGER PRIMARY KEY, name TEXT NOT NULL, owner_uid INTEGER NOT NULL,
	uid INTEGER NOT NULL, cgroup INTEGER NOT NULL, command TEXT NOT NULL, degraded TEXT NOT NULL
) STRICT;

CREATE TABLE run_end (
	at INTEGER NOT NULL, run INTEGER PRIMARY KEY, status TEXT NOT NULL
) STRICT;

-- One intercepted connection.
CREATE TABLE session (
	at INTEGER NOT NULL, id INTEGER PRIMARY KEY, run INTEGER NOT NULL, resource TEXT NOT NULL,
	target TEXT NOT NULL, protocol TEXT NOT NULL, pid INTEGER NOT NULL, uid INTEGER NOT NULL,
	comm TEXT NOT NULL, policy TEXT NOT NULL
) STRICT;
CREATE INDEX session_of_run ON session (run);

CREATE TABLE login (
	id INTEGER PRIMARY KEY, at INTEGER NOT NULL, session INTEGER NOT NULL, role TEXT NOT NULL, "database" TEXT NOT NULL,
	application TEXT NOT NULL
) STRICT;
CREATE INDEX login_of_session ON login (session);

CREATE TABLE session_end (
	at INTEGER NOT NULL, session INTEGER PRIMARY KEY, reason TEXT NOT NULL,
	bytes_up INTEGER NOT NULL, bytes_down INTEGER NOT NULL
) STRICT;

-- What an agent asked of a server, and what the policy said; text_len and hmac are of the exact bytes.
CREATE TABLE request (
	at INTEGER NOT NULL, id INTEGER PRIMARY KEY, session INTEGER NOT NULL, kind TEXT NOT NULL,
	text TEXT NOT NULL, text_len INTEGER NOT NULL, hmac BLOB NOT NULL, params TEXT NOT NULL,
	effects TEXT NOT NULL, objects TEXT NOT NULL, ruling TEXT NOT NULL, rule TEXT NOT NULL,
	policy TEXT NOT NULL, tx TEXT NOT NULL
) STRICT;
CREATE INDEX request_of_session ON request (session);
-- Few rows, asked for often; the many that were simply allowed cost it nothing.
CREATE INDEX request_not_allowed ON request (ruling) WHERE ruling <> 'allow';

-- A request that waited for a human.
CREATE TABLE hold (
	at INTEGER NOT NULL, id INTEGER PRIMARY KEY, request INTEGER NOT NULL, rule TEXT NOT NULL,
	timeout_ms INTEGER NOT NULL
) STRICT;
CREATE INDEX hold_of_request ON hold (request);

-- What a human said; a hold with a quorum has several. auth: how that person was known, as the kernel
-- says of the peer of the control socket (uid, process, terminal, login), or which grant it was. shown:
-- what was in front of that person of the request, which has its own row: how much of its text,
-- and what is nowhere else. shown_hmac: of all the words that were shown, statement, parameters
-- and process tree in clear included, under the ledger key.
CREATE TABLE decision (
	id INTEGER PRIMARY KEY, at INTEGER NOT NULL, hold INTEGER NOT NULL, decision TEXT NOT NULL, uid INTEGER NOT NULL,
	user TEXT NOT NULL, sudo_uid TEXT NOT NULL, reason TEXT NOT NULL, scope TEXT NOT NULL,
	hmac BLOB NOT NULL, auth TEXT NOT NULL, shown TEXT NOT NULL, shown_hmac BLOB NOT NULL
) STRICT;
CREATE INDEX decision_of_hold ON decision (hold);

-- approved, granted (by an earlier decision), denied, expired, cancelled, disconnected, stopped, void (what
-- was agreed to had changed), crowded (too many waited): once per hold.
CREATE TABLE hold_end (
	at INTEGER NOT NULL, hold INTEGER PRIMARY KEY, outcome TEXT NOT NULL
) STRICT;

-- What became of a request: ok, error, refused, skipped, lost (may have been forwarded, never
-- answered), unsent (never forwarded). Once per request. n_rows: given to the agent; n_affected:
-- changed at the server, as its command tag says; masked: how many values by which means; masked_by:
-- by which rules ("customer-pii=3", where two of them agree on a value each counts it). contents: how
-- much of what the agent got is in table content, as the policy's `record:` asks: nothing said: none
-- of it; full: all; head: the beginning; dropped: what there was room for before the journal was
-- full. contents_len: how many bytes.
CREATE TABLE reply (
	at INTEGER NOT NULL, request INTEGER PRIMARY KEY, status TEXT NOT NULL,
	n_rows INTEGER NOT NULL, n_bytes INTEGER NOT NULL, n_masked INTEGER NOT NULL,
	tag TEXT NOT NULL, code TEXT NOT NULL, message TEXT NOT NULL, n_affected INTEGER NOT NULL,
	masked TEXT NOT NULL, masked_by TEXT NOT NULL, contents TEXT NOT NULL, contents_len INTEGER NOT NULL
) STRICT;

-- What the agent was given, after masking, in parts of text_len bytes. bytes: the same packed by zlib,
-- or as it is where that is not shorter: sqlar_uncompress(bytes, text_len) of the sqlite3 shell
-- unpacks it. Lines, each with its kind in front: `#` names of the columns of the rows that follow,
-- `=` a row, `<` a line of COPY, `!` a notice; fields as COPY writes them, between tabs, NULL as \N,
-- and \t \n \r \\ inside; binary values as \x and hexadecimal digits, but for text, integers and bool.
CREATE TABLE content (
	id INTEGER PRIMARY KEY, at INTEGER NOT NULL, request INTEGER NOT NULL, part INTEGER NOT NULL,
	text_len INTEGER NOT NULL, bytes BLOB NOT NULL
) STRICT;
CREATE INDEX content_of_request ON content (request);

-- start, stop, policy, degraded, denied, dropped, garbage …; detail is `key=value …`.
CREATE TABLE event (
	id INTEGER PRIMARY KEY, at INTEGER NOT NULL, kind TEXT NOT NULL, run INTEGER NOT NULL, session INTEGER NOT NULL,
	detail TEXT NOT NULL
) STRICT;

-- How far each journal ring has been drained, written with the rows it counts: a record that is
-- replayed after a crash is known by it. birth: which ring file this was.
CREATE TABLE ring_position (
	ring INTEGER PRIMARY KEY, birth INTEGER NOT NULL, seq INTEGER NOT NULL
) STRICT;

-- Up to which ids nothing is open any more, so that a start need not look through all of history;
-- and, as 'last …', which ids were in use when retention removed rows.
CREATE TABLE settled (
	what TEXT PRIMARY KEY, id INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Who this ledger is: the random bytes that its chain begins with.
CREATE TABLE identity (
	id BLOB PRIMARY KEY
) STRICT, WITHOUT ROWID;

-- The hash chain, one row per commit: which rows of which tables it added, in order. entries: 17
-- bytes each: number of the kind (its place in records.def; 0: a position of a ring), the row's key,
-- the first 8 bytes of its hash. head: the hash of the previous head and of all these. chain.h says
-- how they are made; `holdfast audit verify` checks them.
CREATE TABLE chain (
	first INTEGER PRIMARY KEY, n INTEGER NOT NULL, entries BLOB NOT NULL, head BLOB NOT NULL
) STRICT;

-- Heads that the warden signed with a key that is not here; number has no gaps. entry: the last
-- entry of the chain that head covers.
CREATE TABLE checkpoint (
	number INTEGER PRIMARY KEY, at INTEGER NOT NULL, entry INTEGER NOT NULL, head BLOB NOT NULL,
	signature BLOB NOT NULL
) STRICT;

-- What the warden signed away: all entries up to that of checkpoint `number` may be gone, since `at`.
-- Without such a line about its very beginning, a ledger that does not begin with entry 1 was cut.
CREATE TABLE prune (
	number INTEGER PRIMARY KEY, at INTEGER NOT NULL, entry INTEGER NOT NULL, head BLOB NOT NULL,
	signature BLOB NOT NULL
) STRICT;

-- What search needs; it follows from the rows and is in no chain. words: what requests consist of,
-- and words of ours for what people filter by (words.h: those begin with zz and a letter, and what
-- a statement has that begins with z with zzz in front); rowid is the request's id.
CREATE VIRTUAL TABLE words USING fts5 (
	doc, content = '', detail = none, tokenize = "unicode61 remove_diacritics 0 tokenchars '_'"
);

-- When the rows of a block of 4096 ids were written: a time is a range of ids. kind: as in chain.
CREATE TABLE zone (
	kind INTEGER NOT NULL, zone INTEGER NOT NULL, first INTEGER NOT NULL, last INTEGER NOT NULL,
	PRIMARY KEY (kind, zone)
) STRICT, WITHOUT ROWID;

-- Requests that took 100 ms or more, the wait for a human included.
CREATE TABLE slow (
	us INTEGER NOT NULL, request INTEGER NOT NULL, PRIMARY KEY (us, request)
) STRICT, WITHOUT ROWID;

-- Few rows, asked for often.
CREATE INDEX reply_not_ok ON reply (status) WHERE status <> 'ok';
CREATE INDEX reply_large ON reply (max(n_rows, n_affected)) WHERE max(n_rows, n_affected) >= 1000;
CREATE INDEX hold_end_of_outcome ON hold_end (outcome);
CREATE INDEX decision_of_user ON decision (user);
CREATE INDEX event_of_kind ON event (kind);
CREATE INDEX event_of_session ON event (session) WHERE session <> 0;
CREATE INDEX run_of_name ON run (name);

CREATE VIEW runs AS
SELECT run.id, run.at, strftime('%Y-%m-%dT%H:%M:%fZ', run.at / 1e9, 'unixepoch') AS time, run.name,
	run.owner_uid, run.uid, run.command, run.degraded, run.cgroup,
	run_end.at AS end_at, strftime('%Y-%m-%dT%H:%M:%fZ', run_end.at / 1e9, 'unixepoch') AS end_time,
	run_end.status
FROM run LEFT JOIN run_end ON run_end.run = run.id;

CREATE VIEW sessions AS
SELECT session.id, session.at, strftime('%Y-%m-%dT%H:%M:%fZ', session.at / 1e9, 'unixepoch') AS time,
	session.run, run.name AS run_name, session.resource, session.target, session.protocol,
	login.role, login."database", login.application, session.pid, session.uid, session.comm,
	session.policy, session_end.at AS end_at,
	strftime('%Y-%m-%dT%H:%M:%fZ', session_end.at / 1e9, 'unixepoch') AS end_time,
	session_end.reason, session_end.bytes_up, session_end.bytes_down
FROM session
	LEFT JOIN run ON run.id = session.run
	LEFT JOIN login ON login.rowid = (SELECT max(rowid) FROM login WHERE session = session.id)
	LEFT JOIN session_end ON session_end.session = session.id;

-- hold_outcome is NULL where nobody was asked, or while the answer is awaited; status is NULL until
-- the server has answered. us: microseconds from the record to the end of the reply, the wait for a
-- human included.
CREATE VIEW requests AS
SELECT request.id, request.at, strftime('%Y-%m-%dT%H:%M:%fZ', request.at / 1e9, 'unixepoch') AS time,
	session.run, run.name AS run_name, request.session, session.resource, session.target,
	session.protocol, login.role, login."database", login.application, session.comm,
	request.kind, request.text, request.text_len, request.params, request.effects,
	request.objects, request.ruling, request.rule, request.policy, request.tx, request.hmac,
	hold.id AS hold, hold_end.outcome AS hold_outcome, decision.user AS decided_by,
	decision.reason, reply.status, reply.n_rows, reply.n_affected, reply.n_bytes, reply.n_masked,
	reply.masked, reply.masked_by, reply.tag, reply.code, reply.message, reply.contents,
	reply.contents_len, reply.at AS reply_at,
	strftime('%Y-%m-%dT%H:%M:%fZ', reply.at / 1e9, 'unixepoch') AS reply_time,
	(reply.at - request.at) / 1000 AS us
FROM request
	LEFT JOIN session ON session.id = request.session
	LEFT JOIN run ON run.id = session.run
	LEFT JOIN login ON login.rowid = (SELECT max(rowid) FROM login WHERE session = request.session)
	LEFT JOIN hold ON hold.id = (SELECT max(id) FROM hold WHERE request = request.id)
	LEFT JOIN hold_end ON hold_end.hold = hold.id
	LEFT JOIN decision ON decision.rowid = (SELECT max(rowid) FROM decision WHERE hold = hold.id)
	LEFT JOIN reply ON reply.request = request.id;

CREATE VIEW holds AS
SELECT hold.id, hold.at, strftime('%Y-%m-%dT%H:%M:%fZ', hold.at / 1e9, 'unixepoch') AS time,
	session.run, run.name AS run_name, request.session, hold.request, session.resource,
	session.target, request.text, request.effects, request.objects, hold.rule, hold.timeout_ms,
	hold_end.outcome, decision.user AS decided_by, decision.reason, hold_end.at AS end_at,
	strftime('%Y-%m-%dT%H:%M:%fZ', hold_end.at / 1e9, 'unixepoch') AS end_time,
	(hold_end.at - hold.at) / 1000 AS us
FROM hold
	LEFT JOIN request ON request.id = hold.request
	LEFT JOIN session ON session.id = request.session
	LEFT JOIN run ON run.id = session.run
	LEFT JOIN hold_end ON hold_end.hold = hold.id
	LEFT JOIN decision ON decision.rowid = (SELECT max(rowid) FROM decision WHERE hold = hold.id);

CREATE VIEW decisions AS
SELECT decision.rowid AS id, decision.at,
	strftime('%Y-%m-%dT%H:%M:%fZ', decision.at / 1e9, 'unixepoch') AS time, session.run,
	run.name AS run_name, request.session, hold.request, decision.hold, decision.decision,
	decision.uid, decision.user, decision.sudo_uid, decision.reason, decision.scope,
	decision.hmac, request.text, decision.auth, decision.shown, decision.shown_hmac
FROM decision
	LEFT JOIN hold ON hold.id = decision.hold
	LEFT JOIN request ON request.id = hold.request
	LEFT JOIN session ON session.id = request.session
	LEFT JOIN run ON run.id = session.run;

CREATE VIEW replies AS
SELECT reply.request AS id, reply.at,
	strftime('%Y-%m-%dT%H:%M:%fZ', reply.at / 1e9, 'unixepoch') AS time, session.run,
	request.session, reply.request, reply.status, reply.n_rows, reply.n_bytes, reply.n_masked,
	reply.tag, reply.code, reply.message, reply.n_affected, reply.masked, reply.masked_by,
	reply.contents, reply.contents_len
FROM reply
	LEFT JOIN request ON request.id = reply.request
	LEFT JOIN session ON session.id = request.session;

CREATE VIEW contents AS
SELECT content.id, content.at,
	strftime('%Y-%m-%dT%H:%M:%fZ', content.at / 1e9, 'unixepoch') AS time, request.session,
	content.request, content.part, content.text_len, content.bytes
FROM content LEFT JOIN request ON request.id = content.request;

-- run and session are NULL where the event belongs to none.
CREATE VIEW events AS
SELECT event.rowid AS id, event.at,
	strftime('%Y-%m-%dT%H:%M:%fZ', event.at / 1e9, 'unixepoch') AS time, event.kind,
	nullif(event.run, 0) AS run, nullif(event.session, 0) AS session, event.detail
FROM event;

PRAGMA application_id = 0x68646661;
PRAGMA user_version = 6;

#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""drivers.py DRIVER PORT: what a driver does, broadly, with all that it returns: psycopg2 is libpq, pg8000
speaks the protocol in Python and in text, asyncpg in C, in binary, pipelined and prepared."""
import asyncio
import datetime
import decimal
import io
import re
import sys
import uuid

PORT = int(sys.argv[2])
WHERE = dict(host="127.0.0.1", port=PORT, user="agent", database="shop")
VALUES = [
    ("bool", True), ("int2", -7), ("int4", 2147483647), ("int8", 9007199254740993), ("float8", 0.1),
    ("numeric", decimal.Decimal("12345678901234567890.0987654321")), ("text", "it's \\ é€😀\n\t"), ("varchar", ""),
    ("bytea", bytes(range(256))), ("date", datetime.date(2024, 2, 29)),
    ("timestamp", datetime.datetime(1999, 12, 31, 23, 59, 59, 999999)), ("interval", datetime.timedelta(days=3, seconds=7)),
    ("uuid", uuid.UUID("6f1c2b1e-0c8d-4b57-9d43-3a6a1f0f6a11")), ("int4[]", [1, None, 3]), ("text[]", ["a", "b,c", None]),
]


def show(*what):
    print(*(re.sub(r"0x[0-9a-f]+", "0x", repr(w)) for w in what))


def attempt(name, fn, *errors):
    try:
        show(name, fn())
    except errors as e:
        show(name, type(e).__name__, str(e))


def psycopg2_all():
    import psycopg2
    import psycopg2.extensions as ext
    import psycopg2.extras
    c = psycopg2.connect(**WHERE)
    cur = c.cursor()
    show(c.server_version, c.encoding, c.info.transaction_status)
    for kind, value in VALUES:
        value = str(value) if kind == "uuid" else value
        cur.execute(f"SELECT %s::{kind}, pg_typeof(%s::{kind})", (value, value))
        show(kind, [bytes(v) if isinstance(v, memoryview) else v for v in cur.fetchone()], cur.description[0].type_code)
    cur.execute("CREATE TABLE scratch.p (a serial PRIMARY KEY, b text, c jsonb)")
    psycopg2.extras.execute_values(cur, "INSERT INTO scratch.p (b, c) VALUES %s RETURNING a", [(f"v{i}", psycopg2.extras.Json({"i": i})) for i in range(500)])
    show(cur.rowcount, cur.fetchall()[-1])
    cur.executemany("UPDATE scratch.p SET b = %s WHERE a = %s", [("x", 1), ("y", 2)])
    c.commit()
    named = c.cursor("named", scrollable=True)
    named.itersize = 50
    named.execute("SELECT a, b FROM scratch.p ORDER BY a")
    show(named.fetchmany(3), sum(1 for _ in named), named.rownumber)
    named.close()
    for options in "", "WITH (FORMAT csv, HEADER)", "WITH (FORMAT binary)":
        out = io.BytesIO()
        cur.copy_expert(f"COPY (SELECT a, b FROM scratch.p ORDER BY a LIMIT 20) TO STDOUT {options}", out)
        show(out.getvalue())
        out.seek(0)
        cur.execute("CREATE TEMP TABLE back (a int, b text)")
        cur.copy_expert(f"COPY back FROM STDIN {options}", out)
        cur.execute("SELECT count(*), max(b) FROM back; DROP TABLE back")
        show(cur.statusmessage)
    c.rollback()
    attempt("bad", lambda: cur.execute("SELECT 1/0"), psycopg2.Error)
    attempt("aborted", lambda: cur.execute("SELECT 1"), psycopg2.Error)
    c.rollback()
    cur.execute("SAVEPOINT s")
    attempt("unique", lambda: cur.execute("INSERT INTO scratch.p VALUES (1)"), psycopg2.Error)
    cur.execute("ROLLBACK TO s; SELECT 'saved'")
    show(cur.fetchall())
    c.commit()
    c.set_session(isolation_level="SERIALIZABLE", readonly=True, deferrable=True)
    attempt("read only", lambda: cur.execute("DELETE FROM scratch.p"), psycopg2.Error)
    c.rollback()
    c.set_session(isolation_level="DEFAULT", readonly=False, deferrable=False, autocommit=True)
    c.autocommit = False
    lo = c.lobject(0, "wb", 515151)
    lo.write(b"large " * 5000)
    lo.close()
    lo = c.lobject(515151, "rb")
    show(lo.read(11), lo.seek(29990), lo.read(), lo.tell())
    lo.unlink()
    c.commit()
    c.autocommit = True
    cur.execute("LISTEN ears")
    cur.execute("NOTIFY ears, 'to myself'")
    c.poll()
    show([(n.channel, n.payload, n.pid == c.get_backend_pid()) for n in c.notifies])
    cur.execute("DO $$BEGIN RAISE NOTICE 'psst'; END$$")
    show(c.notices)
    c.set_client_encoding("LATIN1")
    cur.execute("SELECT 'é'")
    show(cur.fetchall(), c.encoding)
    c.set_client_encoding("UTF8")
    cur.callproc("pg_catalog.lower", ["ABC"])
    show(cur.fetchall())
    tpc = psycopg2.connect(**WHERE)
    xid = tpc.xid(7, "gtrid", "bq")
    tpc.tpc_begin(xid)
    tpc.cursor().execute("INSERT INTO scratch.p (b) VALUES ('two-phase')")
    tpc.tpc_prepare()
    show([str(x.gtrid) for x in c.tpc_recover()])
    tpc.tpc_commit()
    # A cancel from another thread's point of view: the query is asynchronous.
    a = psycopg2.connect(**WHERE, async_=True)
    psycopg2.extras.wait_select(a)
    acur = a.cursor()
    acur.execute("SELECT pg_sleep(60)")
    cur.execute("DO $$BEGIN WHILE NOT EXISTS (SELECT FROM pg_stat_activity WHERE wait_event = 'PgSleep') LOOP PERFORM pg_stat_clear_snapshot(); END LOOP; END$$")
    a.cancel()
    attempt("cancelled", lambda: psycopg2.extras.wait_select(a), ext.QueryCanceledError)
    a.close()
    c.close()


def pg8000_all():
    import pg8000
    c = pg8000.connect(**WHERE)
    cur = c.cursor()
    for kind, value in VALUES:
        if kind in ("int4[]", "text[]", "interval"):
            continue
        cur.execute(f"SELECT %s::{kind}", (value,))
        show(kind, cur.fetchone(), cur.description)
    cur.execute("SELECT '{1,NULL,3}'::int4[], ARRAY['a','b'], now() - now(), NULL, 'x'::\"char\", 1::oid, '{\"a\": [1]}'::json")
    show(cur.fetchall())
    cur.execute("CREATE TABLE scratch.g (a int PRIMARY KEY, b text)")
    cur.executemany("INSERT INTO scratch.g VALUES (%s, %s)", [(i, f"row {i}") for i in range(300)])
    show(cur.rowcount)
    c.commit()
    # pg8000 fetches through a portal, a hundred rows at a time.
    cur.execute("SELECT * FROM scratch.g ORDER BY a")
    show(sum(len(r[1]) for r in cur.fetchall()), cur.rowcount)
    cur.execute("SELECT a FROM scratch.g ORDER BY a")
    show(cur.fetchmany(5), cur.fetchone())
    for sql in "SELECT 1/0", "INSERT INTO scratch.g VALUES (1, 'again')", "nonsense":
        attempt(sql, lambda: cur.execute(sql), pg8000.Error)
        c.rollback()
    out = io.BytesIO()
    cur.execute("COPY (SELECT * FROM scratch.g ORDER BY a LIMIT 10) TO STDOUT", stream=out)
    show(out.getvalue())
    cur.execute("COPY scratch.g FROM STDIN WITH (FORMAT csv)", stream=io.BytesIO(b"1000,copied\n1001,\"too,\"\n"))
    show(cur.rowcount)
    c.commit()
    for _ in range(3):
        cur.execute("UPDATE scratch.g SET b = b || '!' WHERE a < %s RETURNING a", (3,))
        show(cur.fetchall(), cur.rowcount)
    c.commit()
    c.autocommit = True
    cur.execute("VACUUM scratch.g")
    cur.execute("LISTEN ears")
    cur.execute("NOTIFY ears")
    cur.execute("SELECT 1")
    show(len(c.notifies))
    cur.execute("SET client_encoding = 'LATIN1'")
    cur.execute("SELECT 'é'")
    show(cur.fetchall())
    c.close()


async def asyncpg_all():
    import asyncpg
    c = await asyncpg.connect(**WHERE)
    show(c.get_settings().client_encoding, c.get_server_pid() == await c.fetchval("SELECT pg_backend_pid()"))
    for kind, value in VALUES:
        st = await c.prepare(f"SELECT $1::{kind} AS v, $1::{kind} IS NULL")
        show(kind, await st.fetchrow(value), await st.fetchrow(None), st.get_attributes(), st.get_parameters(), st.get_statusmsg())
    show(await c.fetch("SELECT ROW(1, 'a'), '[1,5)'::int4range, '{\"a\":1}'::jsonb, '10.1.2.3/24'::inet, B'101', '(1,2)'::point, 'now'::text"))
    await c.execute("CREATE TYPE scratch.mood AS ENUM ('sad', 'ok'); CREATE TYPE scratch.pair AS (l int, r scratch.mood); CREATE TABLE scratch.y (a int PRIMARY KEY, m scratch.mood, p scratch.pair, t text)")
    await c.executemany("INSERT INTO scratch.y VALUES ($1, $2, $3, $4)", [(i, "ok", (i, "sad"), f"row {i}") for i in range(1000)])
    show((await c.fetch("SELECT * FROM scratch.y ORDER BY a LIMIT 2")), await c.fetchval("SELECT count(*) FROM scratch.y"))
    async with c.transaction(isolation="repeatable_read", readonly=True):
        cur = await c.cursor("SELECT a FROM scratch.y ORDER BY a")
        show(await cur.fetch(3), await cur.forward(100), await cur.fetchrow())
        show(sum([r["a"] async for r in c.cursor("SELECT a FROM scratch.y", prefetch=37)]))
    for sql in "SELECT 1/0", "INSERT INTO scratch.y VALUES (1)", "nonsense", "SELECT $1::int":
        try:
            show(await c.fetch(sql))
        except (asyncpg.PostgresError, asyncpg.InterfaceError) as e:
            show(type(e).__name__, str(e), getattr(e, "detail", None), getattr(e, "position", None))
    try:
        async with c.transaction():
            await c.execute("DELETE FROM scratch.y WHERE a < 10")
            async with c.transaction():
                await c.execute("DELETE FROM scratch.y")
                raise KeyError
    except KeyError:
        pass
    show(await c.fetchval("SELECT count(*) FROM scratch.y"))
    for how in "text", "csv", "binary":
        out = io.BytesIO()
        show(await c.copy_from_query("SELECT a, t FROM scratch.y ORDER BY a LIMIT $1", 25, output=out, format=how), out.getvalue())
    await c.execute("CREATE TABLE scratch.z (LIKE scratch.y)")
    show(await c.copy_records_to_table("z", schema_name="scratch", columns=["a", "t"], records=[(i, "c" * i) for i in range(2000)]))
    show(await c.copy_to_table("z", schema_name="scratch", columns=["a", "t"], source=io.BytesIO(b"1,x\n2,y\n"), format="csv"))
    try:
        await c.copy_to_table("z", schema_name="scratch", columns=["a"], source=io.BytesIO(b"word\n"))
    except asyncpg.PostgresError as e:
        show(type(e).__name__, str(e), e.context)
    heard = asyncio.get_running_loop().create_future()
    await c.add_listener("ears", lambda con, pid, channel, payload: heard.done() or heard.set_result((pid == con.get_server_pid(), channel, payload)))
    await c.execute("NOTIFY ears, 'asyncpg'")
    show(await heard)
    logged = []
    c.add_log_listener(lambda con, message: logged.append(message.message))
    await c.execute("DO $$BEGIN RAISE WARNING 'logged'; END$$")
    await c.fetchval("SELECT 1")
    show(logged)
    try:
        await c.fetch("SELECT pg_sleep(60)", timeout=0.2)
    except asyncio.TimeoutError as e:
        show(type(e).__name__, await c.fetchval("SELECT 'after the timeout'"))
    await c.execute("ALTER TABLE scratch.y ADD COLUMN more int")
    show(await c.fetch("SELECT * FROM scratch.y ORDER BY a LIMIT 1"))
    await c.reset()
    await c.close()
    pool = await asyncpg.create_pool(**WHERE, min_size=3, max_size=3)
    show(sum(await asyncio.gather(*[pool.fetchval("SELECT $1::int", i) for i in range(60)])))
    await pool.close()


if __name__ == "__main__":
    run = globals()[sys.argv[1] + "_all"]
    asyncio.run(run()) if asyncio.iscoroutinefunction(run) else run()

#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""judge.py listen SOCKET-FOLDER PORT: prints every notification until one on `ears_end`.
judge.py judge FOLDER FILE…: what the cases did, by the server's state and by the bytes that arrived."""
import base64
import difflib
import os
import re
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from play import read_cases  # noqa: E402

SECRETS = ["ZQXJ-7KVW-QJXK", "XKQZ-9WVJ-ZXQW", "JWQX-5QKZ-VXJQ", "QQZZ-3JXK-WKQJ", "70417001", "70427002", "70437003", "70497009",
           "KQZJXW-QVKX-WXJZQK"]


def traces(secret):
    """How a secret may look when it comes out: pieces of four, either way round, and encoded."""
    raw = secret.encode()
    pieces = set() if raw.isdigit() else {raw[i:i + 4] for i in range(len(raw) - 3)}
    out = set()
    for p in pieces | {raw}:
        out |= {p, p[::-1], p.lower()}
    for p in (raw, raw[:6], raw[::-1]):
        out |= {p.hex().encode(), base64.b64encode(p)[:len(p) // 3 * 4], p.decode().encode("utf-16-le")}
    return {t for t in out if len(t) >= 4}


TRACES = {t: s for s in SECRETS for t in traces(s)}


def leaked(text):
    data = text.encode("latin-1", "replace")
    # Also with everything between the letters taken out: chars to rows, filler bytes.
    squeezed = re.sub(rb"[^A-Z0-9]", b"", re.sub(rb"(?m)^\d. b'.*?x0[0-9a-f]", b"", data))
    for t, s in TRACES.items():
        if t in data or (len(t) >= 8 and t in squeezed):
            return f"{t.decode('latin-1')} of {s}"
    return None


def listen(folder, port):
    import psycopg2
    c = psycopg2.connect(host=folder, port=port, user="postgres", dbname="shop")
    c.autocommit = True
    cur = c.cursor()
    cur.execute("SELECT string_agg('LISTEN ears_c' || lpad(g::text, 3, '0'), ';') FROM generate_series(0, 999) g")
    cur.execute(cur.fetchone()[0] + "; LISTEN ears_end")
    print("listening", flush=True)
    import select
    while True:
        select.select([c], [], [], 60)
        c.poll()
        while c.notifies:
            n = c.notifies.pop(0)
            print(n.channel, n.payload, flush=True)
            if n.channel == "ears_end":
                return


def read(path):
    with open(path, encoding="utf8") as f:
        return f.read()


def changes(folder, way):
    """What became of the server, by the number of the case."""
    changed = {}
    for line in read(os.path.join(folder, "state-" + way)).split("\n"):
        if re.match(r"\d\d\d ", line):
            changed.setdefault(line[:3], []).append(line[4:])
    for line in read(os.path.join(folder, f"ears-{way}.out")).split("\n"):
        m = re.match(r"ears_c(\d\d\d)", line)
        if m:
            changed.setdefault(m[1], []).append("notified")
    return changed


def harmless_verdict(case, folder):
    seen, want = (read(os.path.join(folder, way, case.id)) for way in ("agent", "direct"))
    if seen == want:
        return None
    lines = list(difflib.unified_diff(want.split("\n"), seen.split("\n"), "direct", "through", "", "", 0, ""))
    return "\n    ".join(line[:200] for line in lines[:10])


def evasion_verdict(case, folder, way, changed):
    """What it achieved, or None."""
    seen = read(os.path.join(folder, way, case.id))
    if case.id in changed:
        return "changed: " + "; ".join(changed[case.id])
    leak = leaked(seen)
    if leak:
        return f"shown: {leak}"
    # What was refused leaves a connection that answers, or none.
    for line in seen.split("= b'canary'")[1:]:
        if "canary" not in line and re.search("^\\dD", line):
            return "no canary"
    return None


def judge(folder, cases):
    by_agent, by_direct = changes(folder, "agent"), changes(folder, "direct")
    count = {(kind, known): 0 for kind in ("evade", "harmless") for known in (True, False)}
    n_bad = 0
    for case in cases:
        if case.kind == "harmless":
            why = harmless_verdict(case, folder)
        else:
            why = evasion_verdict(case, folder, "agent", by_agent)
            # An evasion that a direct client cannot do either is none.
            if bool(case.void) == bool(evasion_verdict(case, folder, "direct", by_direct)):
                n_bad += 1
                print(f"{case.file}: evade {case.name} ({case.id}): {'works direct' if case.void else 'does nothing direct'}")
        count[case.kind, bool(case.known)] += 1
        if why and not case.known:
            n_bad += 1
            print(f"{case.file}: {case.kind} {case.name} ({case.id}): {why[:1500]}")
        if not why and case.known:
            n_bad += 1
            print(f"{case.file}: {case.kind} {case.name} ({case.id}) passes now: take its `known` line away ({case.known})")
    print(f"evasions: {count['evade', False] + count['evade', True]} cases, {count['evade', True]} known to work; "
          f"harmless: {count['harmless', False] + count['harmless', True]} cases, {count['harmless', True]} known to be refused")
    return n_bad > 0


if __name__ == "__main__":
    if sys.argv[1] == "listen":
        listen(*sys.argv[2:4])
    else:
        sys.exit(judge(sys.argv[2], read_cases(sys.argv[3:])))

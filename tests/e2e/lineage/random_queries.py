#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""random_queries.py SEED N: N queries over the tables of fixture.sql, one a line. Most of them run;
many show, or ask after, what is protected, in ways that nobody thought of."""
import random
import sys

TABLES = {
    "lab.people": [("id", "i"), ("name", "t"), ("city", "t"), ("ssn", "t"), ("email", "t"), ("salary", "i")],
    "lab.orders": [("id", "i"), ("person", "i"), ("total", "n"), ("status", "t")],
    "lab.made": [("id", "i"), ("ssn", "t"), ("twice", "t"), ("n", "i")],
    "lab.parted": [("id", "i"), ("ssn", "t"), ("n", "i")],
    "lab.parted_one": [("id", "i"), ("ssn", "t"), ("n", "i")],
    "lab.free": [("id", "i"), ("v", "t")],
    "lab.v_secret": [("id", "i"), ("name", "t"), ("x", "t")],
    "lab.v_odd": [("b", "t"), ("c", "i")],
    "lab.v_over": [("key", "i"), ("x", "t")],
    "lab.v_safe": [("id", "i"), ("name", "t"), ("city", "t")],
    "lab.m_secret": [("id", "i"), ("plain", "t")],
}
SECRET = {"ssn", "email", "twice", "x", "plain", "b"}
R = random.Random(int(sys.argv[1]))


def one_in(n):
    return R.randrange(n) == 0


class Scope:
    """What expressions may name: columns by alias, and the aliases themselves."""

    def __init__(self, outer=None):
        self.outer, self.rels = outer, []

    def columns(self, kind):
        found = [(a, c) for a, cols in self.rels for c, k in cols if k == kind]
        if self.outer and (not found or one_in(5)):
            found += self.outer.columns(kind)
        return found

    def aliases(self):
        return [a for a, _ in self.rels] or (self.outer.aliases() if self.outer else [])


class Query:
    n_names = 0

    def __init__(self, ctes=None):
        self.ctes = dict(ctes or {})

    @classmethod
    def name(cls, prefix):
        cls.n_names += 1
        return f"{prefix}{cls.n_names}"

    # ---- expressions -------------------------------------------------------------------------

    def column(self, s, kind):
        cols = s.columns(kind)
        if not cols:
            return {"i": "7", "t": "'lit'", "n": "1.5"}[kind]
        # Mostly what is harmless, so that most queries are shown.
        plain = [c for c in cols if c[1] not in SECRET]
        alias, name = R.choice(plain if plain and not one_in(3) else cols)
        return name if one_in(4) else f"{alias}.{name}"

    def text(self, s, d):
        if d <= 0 or one_in(3):
            return self.column(s, "t") if not one_in(6) else R.choice(["'a'", "'7'", "''", "'London'"])
        e = lambda: self.text(s, d - 1)
        i = lambda: self.int(s, d - 1)
        pick = R.randrange(22)
        if pick < 6:
            return f"{R.choice(['upper', 'lower', 'reverse', 'md5', 'initcap', 'trim', 'quote_literal'])}({e()}::text)"
        if pick < 9:
            return f"({e()} || {e()})"
        row = R.choice(s.aliases()) if s.aliases() else None
        return [
            lambda: f"substr({e()}, {R.randrange(1, 4)}, {R.randrange(1, 5)})",
            lambda: f"coalesce({e()}, {e()})",
            lambda: f"CASE WHEN {self.bool(s, d - 1)} THEN {e()} ELSE {e()} END",
            lambda: f"nullif({e()}, {e()})",
            lambda: f"({i()})::text",
            lambda: f"concat({e()}, {i()})",
            lambda: f"format('%s/%s', {e()}, {i()})",
            lambda: f"(SELECT {self.select(d - 2, s, ['t'], scalar=True)[0]})" if d > 1 else e(),
            lambda: f"(ARRAY[{e()}, {e()}])[{R.randrange(1, 3)}]",
            lambda: f"{row}::text" if row else e(),
            lambda: f"row_to_json({row})::text" if row else e(),
            lambda: f"json_build_object('a', {e()}, 'b', {i()})::text",
            lambda: f"replace({e()}, 'a', {e()})",
        ][pick - 9]()

    def int(self, s, d):
        if d <= 0 or one_in(3):
            return self.column(s, "i") if not one_in(5) else str(R.randrange(9))
        t = lambda: self.text(s, d - 1)
        i = lambda: self.int(s, d - 1)
        return R.choice([
            lambda: f"length({t()}::text)",
            lambda: f"({i()} + {i()})",
            lambda: f"({i()} % 7)",
            lambda: f"coalesce({i()}, 0)",
            lambda: f"CASE WHEN {self.bool(s, d - 1)} THEN {i()} ELSE 0 END",
            lambda: f"ascii({t()}::text)",
            lambda: f"strpos({t()}::text, 'a')",
            lambda: f"(SELECT {self.select(d - 2, s, ['i'], scalar=True)[0]})" if d > 1 else i(),
            lambda: f"greatest({i()}, {i()})",
            lambda: f"({self.bool(s, d - 1)})::int",
        ])()

    def bool(self, s, d):
        return R.choice([
            lambda: f"{self.int(s, d - 1)} > {self.int(s, d - 1)}",
            lambda: f"{self.text(s, d - 1)}::text LIKE '%a%'",
            lambda: f"{self.int(s, d - 1)} IN (1, 2, 3)",
            lambda: f"{self.text(s, d - 1)} IS NOT NULL",
            lambda: f"EXISTS (SELECT {self.select(d - 2, s, ['i'])[0]})" if d > 1 else "true",
            lambda: f"{self.int(s, d - 1)} = ANY (SELECT {self.select(d - 2, s, ['i'])[0]})" if d > 1 else "true",
            lambda: f"NOT ({self.bool(s, d - 1)})" if d > 0 else "true",
        ])()

    def expr(self, s, kind, d):
        return {"i": self.int, "t": self.text, "n": self.int}[kind](s, d)

    # ---- FROM --------------------------------------------------------------------------------

    def rel(self, s, d):
        """(text, alias, columns)"""
        alias = self.name("r")
        pick = R.randrange(12)
        if pick < 2 and d > 0:
            text, cols = self.select(d - 1, None, [R.choice("it") for _ in range(R.randrange(1, 4))])
            if one_in(3):
                cols = [(self.name("c"), k) for _, k in cols]
                return f"(SELECT {text}) AS {alias}({', '.join(c for c, _ in cols)})", alias, cols
            return f"(SELECT {text}) AS {alias}", alias, cols
        if pick == 2 and d > 0 and s.rels:
            text, cols = self.select(d - 1, s, [R.choice("it") for _ in range(R.randrange(1, 3))])
            return f"LATERAL (SELECT {text}) AS {alias}", alias, cols
        if pick == 3:
            return f"unnest(ARRAY[{self.text(s, 1)}, {self.text(s, 1)}]::text[]) AS {alias}(u)", alias, [("u", "t")]
        if pick == 4:
            return f"generate_series(1, 2) AS {alias}(g)", alias, [("g", "i")]
        if pick < 7 and self.ctes:
            name = R.choice(list(self.ctes))
            return f"{name} AS {alias}", alias, self.ctes[name]
        table = R.choice(list(TABLES) if one_in(2) else ["lab.people", "lab.orders", "lab.v_safe"])
        cols = TABLES[table]
        if one_in(10):
            cols = [(self.name("c"), k) for _, k in cols]
            return f"{table} AS {alias}({', '.join(c for c, _ in cols)})", alias, cols
        return f"{table} AS {alias}", alias, cols

    def source(self, s, d):
        text, alias, cols = self.rel(s, d)
        s.rels.append((alias, cols))
        for _ in range(R.choice([0, 0, 0, 1, 1, 2])):
            other, other_alias, other_cols = self.rel(s, d)
            ids = {c for _, cs in s.rels for c, _ in cs} & {c for c, _ in other_cols} & {"id"}
            ambiguous = sum(1 for _, cs in s.rels if ("id", "i") in cs) > 1
            s.rels.append((other_alias, other_cols))
            if "LATERAL" in other or "unnest" in other or one_in(4):
                text += f", {other}" if not text.endswith(")") or True else ""
                continue
            kind = R.choice(["JOIN", "LEFT JOIN", "FULL JOIN", "CROSS JOIN", "JOIN"])
            if kind == "CROSS JOIN":
                text += f" CROSS JOIN {other}"
            elif ids and not ambiguous and one_in(2):
                text += f" {kind} {other} USING (id)"
            else:
                text += f" {kind} {other} ON {self.int(s, 0)} = {self.int(s, 0)}"
        return text

    # ---- SELECT ------------------------------------------------------------------------------

    def select(self, d, outer, kinds, scalar=False):
        """The text behind SELECT, and the columns that it gives."""
        s = Scope(outer)
        source = self.source(s, d)
        tail = ""
        grouped = one_in(5) and not scalar
        names, exprs = [], []
        if scalar:
            how = R.choice(["max", "min", "count"]) if kinds[0] == "i" else R.choice(["max", "min"])
            exprs.append(f"{how}({self.expr(s, kinds[0], d)})")
            names.append(("m", kinds[0]))
        elif grouped:
            key = self.column(s, "t")
            exprs.append(key)
            names.append((self.name("c"), "t"))
            for k in kinds[1:]:
                agg = R.choice(["max({})", "min({})", "string_agg({}::text, ',' ORDER BY 1)", "array_agg({})::text",
                                "count({})::text", "json_agg({})::text"])
                exprs.append(agg.format(self.expr(s, k, d - 1)) + ("" if agg.startswith("m") else ""))
                names.append((self.name("c"), k if agg.startswith("m") else "t"))
            tail = f" GROUP BY {key}"
        else:
            for k in kinds:
                if one_in(12):
                    exprs.append(f"{R.choice(['lag', 'first_value', 'max'])}({self.expr(s, k, 0)}) OVER "
                                 f"(PARTITION BY {self.column(s, 't')} ORDER BY {self.column(s, 'i')})")
                else:
                    exprs.append(self.expr(s, k, d))
                names.append((self.name("c"), k))
        if not grouped and one_in(3):
            tail = f" WHERE {self.bool(s, d)}" + tail
        targets = ", ".join(f"{e} AS {n}" for e, (n, _) in zip(exprs, names))
        return f"{targets} FROM {source}{tail}", names

    def whole(self):
        with_text = ""
        for _ in range(R.choice([0, 0, 1, 2])):
            name = self.name("w")
            kinds = [R.choice("it") for _ in range(R.randrange(1, 4))]
            text, cols = self.select(1, None, kinds)
            if one_in(5):
                step, _ = self.select(1, None, kinds)
                with_text += f", {name} AS (SELECT {text} UNION ALL SELECT {step})"
            else:
                with_text += f", {name} AS (SELECT {text})"
            self.ctes[name] = cols
        kinds = [R.choice("ittn") for _ in range(R.randrange(1, 5))]
        text, _ = self.select(R.choice([1, 2, 2, 3]), None, kinds)
        if one_in(6):
            text = f"{R.choice(['*', '*, 1', '2, *'])} FROM (SELECT {text}) AS q"
        sql = f"SELECT {text}"
        if one_in(6):
            other, _ = self.select(1, None, kinds)
            sql = f"{sql} {R.choice(['UNION ALL', 'UNION ALL', 'UNION', 'EXCEPT'])} SELECT {other}"
        if with_text:
            sql = f"WITH{R.choice(['', ' RECURSIVE'])} {with_text[2:]} {sql}"
        if one_in(12):
            sql = f"COPY ({sql}) TO STDOUT"
        elif one_in(25):
            sql = f"EXPLAIN (COSTS OFF, VERBOSE) {sql}"
        return sql


for _ in range(int(sys.argv[2])):
    print(Query().whole())

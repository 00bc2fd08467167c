-- SPDX-License-Identifier: Apache-2.0
-- What the cases find: people with something to hide, notes with nothing, a vault.
CREATE SCHEMA vault;
CREATE TABLE vault.vault_keys (id int, k text);
INSERT INTO vault.vault_keys VALUES (1, 'KQZJXW-QVKX-WXJZQK'), (2, 'KQZJXW-QVKX-WXJZQK'), (3, 'a'), (4, 'b');
CREATE TABLE public.people (id int PRIMARY KEY, name text, ssn text UNIQUE, pin int, boss int REFERENCES people);
INSERT INTO people VALUES (1, 'Ada', 'ZQXJ-7KVW-QJXK', 70417001, NULL), (2, 'Grace', 'XKQZ-9WVJ-ZXQW', 70427002, 1),
	(3, 'Edsger', 'JWQX-5QKZ-VXJQ', 70437003, 1);
CREATE TABLE public.pets (id int PRIMARY KEY, owner int REFERENCES people, name text, weight numeric);
INSERT INTO pets VALUES (1, 1, 'Rex', 10.5), (2, 2, 'Tom', 4.25), (3, 1, 'Flo', NULL);
CREATE VIEW public.people_view AS SELECT id, name, ssn AS number FROM people;
CREATE VIEW public.people_safe AS SELECT id, name FROM people;
CREATE MATERIALIZED VIEW public.people_copy AS SELECT * FROM people;
CREATE TABLE public.people_child () INHERITS (people);
INSERT INTO people_child VALUES (9, 'Child', 'QQZZ-3JXK-WKQJ', 70497009, NULL);
TRUNCATE notes;
INSERT INTO notes VALUES (1, 'first'), (2, 'second');
CREATE TABLE public.parts (id int, kind text, data jsonb) PARTITION BY LIST (kind);
CREATE TABLE public.parts_a PARTITION OF parts FOR VALUES IN ('a');
CREATE TABLE public.parts_b PARTITION OF parts FOR VALUES IN ('b');
INSERT INTO parts SELECT g, (ARRAY['a','b'])[1 + g % 2], jsonb_build_object('g', g, 'list', ARRAY[g, g + 1]) FROM generate_series(1, 20) g;
CREATE EXTENSION IF NOT EXISTS dblink;
CREATE EXTENSION IF NOT EXISTS pgcrypto;
CREATE EXTENSION IF NOT EXISTS tablefunc;
CREATE EXTENSION IF NOT EXISTS hstore;
CREATE FUNCTION public.pure_sql(int) RETURNS int IMMUTABLE LANGUAGE sql AS 'SELECT $1 + 1';
CREATE FUNCTION public.person_number(int) RETURNS text STABLE LANGUAGE sql AS 'SELECT ssn FROM public.people WHERE id = $1';
CREATE FUNCTION public.all_people() RETURNS SETOF people STABLE LANGUAGE sql AS 'SELECT * FROM public.people';
CREATE FUNCTION public.people_dynamic() RETURNS SETOF text STABLE LANGUAGE plpgsql AS $$ BEGIN RETURN QUERY EXECUTE 'SELECT s'||'sn FROM public.people'; END $$;
CREATE ROLE row_reader LOGIN;
ANALYZE;

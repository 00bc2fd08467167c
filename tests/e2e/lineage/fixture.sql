-- Canaries are words that occur nowhere else, so that a byte of them in any form is a leak.
CREATE SCHEMA lab;
CREATE TABLE lab.people (id int PRIMARY KEY, name text, city text, ssn text UNIQUE, email text, salary int);
INSERT INTO lab.people VALUES
  (1, 'Ada', 'London', 'Zq7Kx9Wm2Lp4', 'Vb3Nf8Hc6Tj1', 918273645),
  (2, 'Grace', 'New York', 'Rd5Gs1Yk8Bv3', 'Xw9Qm4Zp7Dn2', 827364519),
  (3, 'Edsger', 'Rotterdam', 'Hf2Lt6Jc9Wq7', 'Ks8Vx3Rb5Gz1', 736451928);
CREATE TABLE lab.orders (id int PRIMARY KEY, person int REFERENCES lab.people, total numeric(10,2), status text, tags text[], doc jsonb);
INSERT INTO lab.orders VALUES
  (1, 1, 10.50, 'open', '{a,b}', '{"k": 1}'), (2, 1, 20.00, 'paid', '{c}', '{"k": [1, 2]}'),
  (3, 2, 5.25, 'paid', NULL, NULL), (4, 3, 99.99, 'open', '{}', '{}');
CREATE TABLE lab.parted (id int, ssn text, n int) PARTITION BY RANGE (id);
CREATE TABLE lab.parted_one PARTITION OF lab.parted FOR VALUES FROM (0) TO (100);
INSERT INTO lab.parted VALUES (1, 'Zq7Kx9Wm2Lp4', 11), (2, 'Rd5Gs1Yk8Bv3', 22);
CREATE TABLE lab.made (id int, ssn text, twice text GENERATED ALWAYS AS (reverse(ssn)) STORED, n int);
INSERT INTO lab.made (id, ssn, n) VALUES (1, 'Zq7Kx9Wm2Lp4', 5);
CREATE TABLE lab.free (id int, v text);
INSERT INTO lab.free VALUES (1, 'free'), (2, 'text');
CREATE VIEW lab.v_secret AS SELECT id, name, reverse(ssn) AS x FROM lab.people;
CREATE VIEW lab.v_safe AS SELECT id, name, city FROM lab.people;
CREATE VIEW lab.v_odd AS SELECT ctid AS a, ssn AS b, id AS c FROM lab.people;
CREATE VIEW lab.v_over AS SELECT id AS key, x FROM lab.v_secret;
CREATE MATERIALIZED VIEW lab.m_secret AS SELECT id, ssn AS plain FROM lab.people;
CREATE FUNCTION lab.ssns() RETURNS SETOF text LANGUAGE sql STABLE AS 'SELECT ssn FROM lab.people';
CREATE FUNCTION lab.one_ssn(int) RETURNS text LANGUAGE sql STABLE AS 'SELECT ssn FROM lab.people WHERE id = $1';
CREATE FUNCTION lab.pure_ssn(int) RETURNS text LANGUAGE plpgsql IMMUTABLE AS
  'BEGIN RETURN (SELECT ssn FROM lab.people WHERE id = $1); END';
CREATE FUNCTION public.peek(lab.orders) RETURNS text LANGUAGE sql STABLE AS 'SELECT ssn FROM lab.people WHERE id = $1.person';
-- Named like the server's own, and nearer to the arguments.
CREATE FUNCTION public.initcap(varchar) RETURNS text LANGUAGE sql STABLE AS 'SELECT ssn FROM lab.people WHERE id = 1';
CREATE FUNCTION public.starts(varchar, varchar) RETURNS text LANGUAGE sql STABLE AS 'SELECT ssn FROM lab.people WHERE id = 1';
CREATE OPERATOR public.^@ (leftarg = varchar, rightarg = varchar, function = public.starts);
CREATE FUNCTION lab.keep() RETURNS text LANGUAGE sql AS
  $$SELECT set_config('application_name', ssn, false) FROM lab.people WHERE id = 1$$;
CREATE FUNCTION lab.keep_zone() RETURNS text LANGUAGE sql AS
  $$SELECT set_config('TimeZone', '<' || ssn || '>3', false) FROM lab.people WHERE id = 1$$;
GRANT USAGE ON SCHEMA lab TO PUBLIC;

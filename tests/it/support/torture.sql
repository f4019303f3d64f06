-- Everything a PostgreSQL database can hold that a dump has been known to lose. Run by psql as a superuser; roles
-- :owner and "We ird" exist.
CREATE EXTENSION citext;
CREATE EXTENSION hstore;
CREATE EXTENSION pg_trgm;
COMMENT ON EXTENSION citext IS 'letters of any case';
CREATE SCHEMA app;
CREATE SCHEMA "Schéma mit Leerzeichen";
COMMENT ON SCHEMA app IS 'it''s "quoted"; and \ has a backslash';
SET search_path = app, public;
SELECT :SERVER_VERSION_NUM >= 140000 AS since_14 \gset
\set multirange text
\set most 9
\set least -9
\if :since_14
  \set multirange int4multirange
  \set most Infinity
  \set least -Infinity
\endif

CREATE TYPE mood AS ENUM ('sad', 'ok', 'it''s', 'très content');
CREATE DOMAIN positive AS integer DEFAULT 1 CHECK (VALUE > 0);
CREATE DOMAIN "Odd Domain" AS text NOT NULL CHECK (VALUE <> ';');
CREATE TYPE pair AS (left_part integer, right_part text);
CREATE TYPE span AS RANGE (subtype = float8, subtype_diff = float8mi);
CREATE COLLATION german (provider = icu, locale = 'de-u-co-phonebk');

CREATE FUNCTION double(x integer) RETURNS integer LANGUAGE sql IMMUTABLE AS $$ SELECT x * 2; /* ; */ $$;
CREATE FUNCTION tricky() RETURNS text LANGUAGE plpgsql AS $_$
BEGIN
  -- SET transaction_timeout = 0;
  RETURN $$;
\restrict not a meta command
\.
$$ || E'\\;';
END $_$;
\if :since_14
CREATE FUNCTION standard(a integer, b integer DEFAULT 2) RETURNS integer LANGUAGE sql
BEGIN ATOMIC SELECT CASE WHEN a > b THEN a ELSE b END; SELECT a + b; END;
\endif
CREATE PROCEDURE nothing() LANGUAGE plpgsql AS 'BEGIN NULL; END';
CREATE AGGREGATE product(integer) (sfunc = int4mul, stype = integer, initcond = '1');

CREATE TABLE every_type (
  id bigint GENERATED ALWAYS AS IDENTITY (START WITH 100 INCREMENT BY 7) PRIMARY KEY,
  b boolean, i2 smallint, i4 integer, i8 bigint, f4 real, f8 double precision, n numeric, n2 numeric(20, 5),
  t text, v varchar(20), c char(5), ci citext, by bytea, d date, ti time, tz timetz, ts timestamp, tsz timestamptz,
  iv interval, u uuid, j json, jb jsonb, x xml, a integer[], a2 text[][], h hstore, m mood, dom positive, p pair, r span,
  ir int4range, mr :multirange, ip inet, cd cidr, mac macaddr, pt point, poly polygon, tv tsvector, tq tsquery, bits bit varying, mo money,
  generated text GENERATED ALWAYS AS (t || '!') STORED,
  "GROUP" integer DEFAULT 5, "spaced ""col" text COLLATE german);
INSERT INTO every_type (b, i2, i4, i8, f4, f8, n, n2, t, v, c, ci, by, d, ti, tz, ts, tsz, iv, u, j, jb, x, a, a2, h, m, dom, p, r,
  ir, mr, ip, cd, mac, pt, poly, tv, tq, bits, mo, "spaced ""col") VALUES
 (true, -32768, -2147483648, -9223372036854775808, 'NaN', 'Infinity', 'NaN', 0.00001, E'tab\there\nnew\\line\r\x01', '', 'ab', 'CI', '\x00ff5c0a', 'infinity',
  '24:00:00', '12:00:00+13:45', '-infinity', 'infinity', '-1 year 2 mons -3 days 04:05:06.789', '00000000-0000-0000-0000-000000000001',
  '{"a":1, "a":2, "b": [ ] }', '{"z": 1.10, "a": "\u00e9"}', '<a>é</a>', '{1,NULL,3}', '{{a,"b,c"},{"NULL",NULL}}', 'a=>1,b=>NULL', 'it''s', 7, '(1,"x, y")', '[1.5,2.5)',
  '[1,10)', '{[1,2),[5,9)}', '::1/64', '10.0.0.0/8', '08:00:2b:01:02:03', '(1.5,-0)', '((0,0),(1,1),(1,0))', '''a'':1 ''b c'':2A', 'a & !b', B'10101', '12.34', 'ß'),
 (false, 1, 1, 1, '3.4028235e38', '5e-324', :'most', -99999.99999, '\N', 'NULL', '', '', '', '4713-01-01 BC', '00:00:00.000001', '00:00:00-12', '0044-03-15 12:00:00 BC', '0044-03-15 12:00:00+00 BC',
  '1000 years 13 mons 99999 days 25:59:59.999999', gen_random_uuid(), 'null', 'null', NULL, '{}', '{}', '', 'sad', 1, '(,)', 'empty', 'empty', '{}', '0.0.0.0', '::/0', NULL, NULL, NULL, '', '', B'', NULL, ''),
 (NULL, NULL, NULL, NULL, '1e-45', '2.2250738585072014e-308', :'least', 12345678901234.56789, '\.', E'\\.', NULL, NULL, NULL, '5874897-12-31', NULL, NULL, '294276-12-31 23:59:59.999999', NULL,
  '00:00:00', NULL, NULL, '"\\u0000 is not"', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
INSERT INTO every_type DEFAULT VALUES;

CREATE TABLE "Tabelle; mit ""allem""" ("Spalte ü" text PRIMARY KEY, "select" integer UNIQUE, "semi;colon" text);
INSERT INTO "Tabelle; mit ""allem""" VALUES ('größe', 1, 'a;b'), ('日本語', 2, ''), ('🦀', 3, NULL);
CREATE TABLE "Schéma mit Leerzeichen"."Straße" (id serial PRIMARY KEY, name text);
INSERT INTO "Schéma mit Leerzeichen"."Straße" (name) SELECT 'n' || g FROM generate_series(1, 10) g;
COMMENT ON COLUMN "Schéma mit Leerzeichen"."Straße".name IS E'two\nlines; and a tab\t';

CREATE TABLE no_columns ();
INSERT INTO no_columns DEFAULT VALUES; INSERT INTO no_columns DEFAULT VALUES;
CREATE TABLE only_generated (g integer GENERATED ALWAYS AS (1 + 1) STORED);
INSERT INTO only_generated DEFAULT VALUES; INSERT INTO only_generated DEFAULT VALUES;
CREATE TABLE dropped_column (a integer, gone text, b integer, front integer GENERATED ALWAYS AS (a * 2) STORED);
ALTER TABLE dropped_column DROP COLUMN gone;
INSERT INTO dropped_column (a, b) SELECT g, g * g FROM generate_series(1, 100) g;
CREATE TABLE empty_table (a integer);
CREATE UNLOGGED TABLE unlogged_table (a integer); INSERT INTO unlogged_table VALUES (1), (2);

CREATE TABLE parted (id integer NOT NULL, at date NOT NULL, v text, PRIMARY KEY (id, at)) PARTITION BY RANGE (at);
CREATE TABLE parted_old PARTITION OF parted FOR VALUES FROM (MINVALUE) TO ('2020-01-01');
CREATE TABLE parted_new PARTITION OF parted FOR VALUES FROM ('2020-01-01') TO (MAXVALUE) PARTITION BY HASH (id);
CREATE TABLE parted_new_0 PARTITION OF parted_new FOR VALUES WITH (MODULUS 2, REMAINDER 0);
CREATE TABLE parted_new_1 PARTITION OF parted_new FOR VALUES WITH (MODULUS 2, REMAINDER 1);
CREATE INDEX parted_v ON parted (v);
INSERT INTO parted SELECT g, '2019-12-01'::date + g, 'v' || g FROM generate_series(1, 100) g;
CREATE TABLE parent (id integer, v text); CREATE TABLE child (extra text) INHERITS (parent);
INSERT INTO parent VALUES (1, 'parent'); INSERT INTO child VALUES (2, 'child', 'more');

CREATE TABLE a_first (id integer PRIMARY KEY, b_id integer);
CREATE TABLE b_second (id integer PRIMARY KEY, a_id integer REFERENCES a_first ON DELETE CASCADE, self integer REFERENCES b_second);
ALTER TABLE a_first ADD CONSTRAINT circular FOREIGN KEY (b_id) REFERENCES b_second DEFERRABLE INITIALLY DEFERRED;
COMMENT ON CONSTRAINT circular ON a_first IS 'round and round';
BEGIN; INSERT INTO a_first VALUES (1, 1), (2, 1); INSERT INTO b_second VALUES (1, 1, 1), (2, 2, 1); COMMIT;
ALTER TABLE b_second ADD CONSTRAINT not_yet CHECK (id < 1000) NOT VALID;
CREATE TABLE booked (room integer, during tsrange, EXCLUDE USING gist (during WITH &&));
INSERT INTO booked VALUES (1, '[2020-01-01, 2020-01-02)');

CREATE VIEW plain_view AS SELECT id, t FROM every_type WHERE b;
CREATE VIEW grouped_view AS SELECT id, t FROM every_type GROUP BY id;
CREATE MATERIALIZED VIEW z_base AS SELECT id, v FROM parted; 
CREATE MATERIALIZED VIEW a_on_top AS SELECT count(*) AS many FROM z_base;
CREATE VIEW between AS SELECT many FROM a_on_top;
CREATE MATERIALIZED VIEW "0 topmost" AS SELECT many + 1 AS more FROM between;
CREATE MATERIALIZED VIEW unfilled AS SELECT 1 AS one WITH NO DATA;
CREATE UNIQUE INDEX z_base_id ON z_base (id);
CREATE MATERIALIZED VIEW keyed AS SELECT id, t FROM every_type GROUP BY id;
CREATE INDEX keyed_t ON keyed (t);

CREATE INDEX expression_index ON every_type (app.double(i4)) WHERE i4 > 0;
CREATE INDEX trigram ON every_type USING gin (t gin_trgm_ops);
CREATE STATISTICS wide ON b, i4 FROM every_type;
ALTER TABLE every_type CLUSTER ON every_type_pkey;
ALTER TABLE "Tabelle; mit ""allem""" REPLICA IDENTITY USING INDEX "Tabelle; mit ""allem""_pkey";

CREATE TABLE audit (what text);
CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO app.audit VALUES (TG_OP); RETURN NEW; END $$;
CREATE TRIGGER noted AFTER INSERT ON a_first FOR EACH ROW EXECUTE FUNCTION note();
CREATE TRIGGER always_noted AFTER INSERT ON b_second FOR EACH ROW EXECUTE FUNCTION note();
ALTER TABLE b_second ENABLE ALWAYS TRIGGER always_noted;
CREATE TRIGGER never_noted AFTER INSERT ON b_second FOR EACH ROW EXECUTE FUNCTION note();
ALTER TABLE b_second DISABLE TRIGGER never_noted;
CREATE RULE ruled AS ON INSERT TO empty_table DO ALSO (SELECT 1; SELECT 2);

CREATE TABLE secrets (who text, what text);
ALTER TABLE secrets ENABLE ROW LEVEL SECURITY;
CREATE POLICY own_rows ON secrets TO :owner USING (who = current_user) WITH CHECK (what <> ';');
INSERT INTO secrets VALUES ('a', 'one'), ('b', 'two');

CREATE SEQUENCE called; SELECT nextval('called'), nextval('called');
CREATE SEQUENCE uncalled START WITH 42;
CREATE SEQUENCE descending INCREMENT BY -3 MINVALUE -1000 MAXVALUE -1 CYCLE; SELECT nextval('descending');

SELECT lo_from_bytea(4242, decode(repeat('00ff10', 200000), 'hex'));
SELECT lo_create(4243);
SELECT lo_put(4244, 5000, 'after a hole') FROM (SELECT lo_create(4244)) made;
COMMENT ON LARGE OBJECT 4243 IS 'an empty one; it''s';
ALTER LARGE OBJECT 4242 OWNER TO :owner;
GRANT SELECT ON LARGE OBJECT 4242 TO "We ird" WITH GRANT OPTION;

ALTER TABLE every_type OWNER TO :owner;
ALTER SCHEMA app OWNER TO :owner;
GRANT USAGE ON SCHEMA app TO "We ird";
GRANT SELECT (id, t), UPDATE (t) ON every_type TO "We ird";
GRANT SELECT ON parted TO PUBLIC;
REVOKE ALL ON FUNCTION double(integer) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION double(integer) TO :owner;
ALTER DEFAULT PRIVILEGES FOR ROLE :owner IN SCHEMA app GRANT SELECT ON TABLES TO "We ird";
CREATE PUBLICATION told FOR TABLE a_first, b_second;
CREATE FUNCTION watch() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN RAISE DEBUG 'ddl'; END $$;
CREATE EVENT TRIGGER watching ON ddl_command_end EXECUTE FUNCTION watch();
CREATE FOREIGN DATA WRAPPER hollow;
CREATE SERVER elsewhere FOREIGN DATA WRAPPER hollow;
CREATE FOREIGN TABLE far_away (a integer) SERVER elsewhere;
CREATE USER MAPPING FOR :owner SERVER elsewhere;

CREATE TABLE public.flyway_schema_history (installed_rank integer PRIMARY KEY, version varchar(50), description varchar(200) NOT NULL,
  type varchar(20) NOT NULL, script varchar(1000) NOT NULL, checksum integer, installed_by varchar(100) NOT NULL,
  installed_on timestamp DEFAULT now() NOT NULL, execution_time integer NOT NULL, success boolean NOT NULL);
INSERT INTO public.flyway_schema_history VALUES
  (1, '1.0', 'first', 'SQL', 'V1.0__first.sql', -123, 'me', '2020-01-01', 5, true),
  (2, '1.1.2', 'second', 'SQL', 'V1.1.2__second.sql', 456, 'me', '2020-01-02', 5, true),
  (3, NULL, 'again', 'SQL', 'R__again.sql', 789, 'me', '2020-01-03', 5, true);
CREATE TEMPORARY TABLE passing (a integer);
INSERT INTO passing VALUES (1);

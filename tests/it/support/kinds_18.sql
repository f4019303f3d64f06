-- What came with 18, once plain and once named or defined to mislead whoever looks for words in a statement.
CREATE SCHEMA app; SET search_path = app;
CREATE TABLE computed (a integer, b integer GENERATED ALWAYS AS (a * 2) VIRTUAL, c integer GENERATED ALWAYS AS (a + 1) STORED, d integer GENERATED ALWAYS AS (a + 2));
INSERT INTO computed (a) VALUES (1), (NULL);
CREATE TABLE "computed; x" ("VIRTUAL); x" text, v text GENERATED ALWAYS AS (upper("VIRTUAL); x") || ') STORED;') VIRTUAL NOT NULL);
INSERT INTO "computed; x" VALUES ('a');
CREATE TABLE computed_parts (a integer, b integer GENERATED ALWAYS AS (a * 2)) PARTITION BY LIST (a);
CREATE TABLE computed_rest PARTITION OF computed_parts DEFAULT; INSERT INTO computed_parts VALUES (3);
CREATE TABLE periods (id int4range, during int4range, PRIMARY KEY (id, during WITHOUT OVERLAPS));
CREATE TABLE "periods; x" (id int4range, during int4range, note text, UNIQUE (id, during WITHOUT OVERLAPS),
  CONSTRAINT "PERIOD; x" FOREIGN KEY (id, PERIOD during) REFERENCES periods (id, PERIOD during));
INSERT INTO periods VALUES ('[1,2)', '[1,5)'), ('[1,2)', '[5,9)'); INSERT INTO "periods; x" VALUES ('[1,2)', '[2,8)', 'over both');
CREATE TABLE filled (a integer, b integer CONSTRAINT "NOT VALID; x" NOT NULL, c integer CONSTRAINT named NOT NULL NO INHERIT);
INSERT INTO filled VALUES (NULL, 1, 1); ALTER TABLE filled ADD CONSTRAINT later NOT NULL a NOT VALID;
CREATE TABLE filled_too (CONSTRAINT "OwnName" NOT NULL b) INHERITS (filled); INSERT INTO filled_too VALUES (1, 2, NULL);
CREATE TABLE unenforced_to (id integer PRIMARY KEY);
CREATE TABLE unenforced (a integer CONSTRAINT positive CHECK (a > 0) NOT ENFORCED, b integer CONSTRAINT "CHECK; x" CHECK (b > 0) ENFORCED,
  r integer CONSTRAINT "ENFORCED; x" REFERENCES unenforced_to NOT ENFORCED);
INSERT INTO unenforced VALUES (-1, 1, 99);
CREATE TABLE read_only_parts (a integer NOT NULL, UNIQUE (a)) PARTITION BY RANGE (a);
CREATE TABLE read_only_rest PARTITION OF read_only_parts DEFAULT; INSERT INTO read_only_parts VALUES (1);
CREATE COLLATION plain_builtin (provider = builtin, locale = 'PG_UNICODE_FAST');
CREATE PUBLICATION computed_too FOR TABLE computed WITH (publish_generated_columns = stored);
CREATE PUBLICATION "WITH (publish; x" FOR TABLE computed (a, c);
CREATE TABLE ids (id uuid DEFAULT uuidv7() PRIMARY KEY); INSERT INTO ids DEFAULT VALUES;
CREATE TABLE in_order (id integer PRIMARY KEY, words text); INSERT INTO in_order VALUES (1, 'one');
CREATE INDEX in_order_gin ON in_order USING gin (to_tsvector('simple', words));

-- What only MySQL knows.
SET sql_mode = 'NO_AUTO_VALUE_ON_ZERO';
CREATE TABLE my_indexes (id int PRIMARY KEY, a int, b varchar(20), j json, KEY up_down (a DESC, b), KEY functional ((a * 2 + 1)), KEY text_functional ((lower(b))), KEY multi ((CAST(j->'$.n' AS unsigned ARRAY))), KEY hidden (b) INVISIBLE) COLLATE=utf8mb4_0900_ai_ci;
INSERT INTO my_indexes VALUES (1, 5, 'B', '{"n": [1, 2, 3]}'), (2, NULL, NULL, NULL);
CREATE TABLE my_columns (id int PRIMARY KEY, hidden int INVISIBLE DEFAULT 9, e varchar(36) DEFAULT (uuid()), j json DEFAULT (json_object('a;', 'it''s')), b blob DEFAULT ('x'), srs point NOT NULL SRID 4326, geo geometry SRID 0,
  gh int GENERATED ALWAYS AS (id + 1) STORED INVISIBLE, SPATIAL KEY (srs));
INSERT INTO my_columns (id, hidden, e, srs) VALUES (1, 10, 'e', ST_GeomFromText('POINT(10 20)', 4326)), (2, NULL, NULL, ST_GeomFromText('POINT(-89.5 179.25)', 4326));
SET sql_generate_invisible_primary_key = ON;
CREATE TABLE my_generated_key (v varchar(10));
INSERT INTO my_generated_key VALUES ('a'), ('b'), ('a');
DELETE FROM my_generated_key WHERE v = 'b';
SET sql_generate_invisible_primary_key = OFF;
CREATE TABLE my_json (id int PRIMARY KEY, j json) DEFAULT CHARSET=utf8mb4;
INSERT INTO my_json VALUES (1, '{"a": 1.0, "b": -0.0, "c": 1e-10, "d": 123456789012345678901234567890, "e": "𝄞\\u0000"}'), (2, CAST(TIMESTAMP'2020-01-01 00:00:00.5' AS json)), (3, CAST(x'00ff' AS json)),
  (4, json_object('date', DATE'2020-02-29', 'time', TIME'-10:11:12.000001', 'bit', b'101', 'f', CAST(0.1 AS float))), (5, '[]'), (6, '"x"'), (7, 'true'),
  (8, CAST(0.10 AS json)), (9, CAST(18446744073709551616 AS json)), (10, json_array(CAST(0.000000000000000021 AS decimal(36, 18)), 2.1e-17, 1e-15));
CREATE TABLE my_check (a int, CONSTRAINT unenforced CHECK (a > 5) NOT ENFORCED);
INSERT INTO my_check VALUES (1);
CREATE TABLE my_vector (id int PRIMARY KEY, v vector(3));
INSERT INTO my_vector VALUES (1, TO_VECTOR('[1.5,-0,3e38]')), (2, NULL);
/*!90200 CREATE LIBRARY my_library COMMENT 'one' LANGUAGE JAVASCRIPT AS $$export function twice(n) { return n + n }$$ */;
CREATE SQL SECURITY DEFINER VIEW my_window AS SELECT id, row_number() OVER (ORDER BY id) AS n FROM my_json;

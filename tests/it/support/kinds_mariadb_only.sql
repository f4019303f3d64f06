-- What only MariaDB knows of kinds.
SET sql_mode = 'NO_AUTO_VALUE_ON_ZERO';
-- Sequences.
CREATE SEQUENCE `sequence; "1"` START WITH 10 INCREMENT BY 5 MINVALUE 1 MAXVALUE 1000 CACHE 10 COMMENT='it''s; s'; SELECT NEXTVAL(`sequence; "1"`), NEXTVAL(`sequence; "1"`);
CREATE SEQUENCE s2 START WITH -1 INCREMENT BY -3 MINVALUE -1000 MAXVALUE -1 NOCACHE CYCLE; CREATE SEQUENCE `s``3` START WITH 1 MAXVALUE 2 NOCACHE NOCYCLE ENGINE=Aria; SELECT NEXTVAL(`s``3`), NEXTVAL(`s``3`); CREATE SEQUENCE s4 INCREMENT BY 0 ENGINE=MyISAM;
CREATE TABLE of_sequence (id bigint NOT NULL DEFAULT NEXTVAL(`sequence; "1"`) PRIMARY KEY, b bigint DEFAULT (NEXT VALUE FOR s2), c bigint DEFAULT (PREVIOUS VALUE FOR `s``3`)); INSERT INTO of_sequence (b) VALUES (1);
CREATE TABLE `of sequence` (id bigint DEFAULT (NEXTVAL(s2) + 1)); INSERT INTO `of sequence` VALUES (DEFAULT);

-- Aria, compressed and other options.
CREATE TABLE aria (id int AUTO_INCREMENT PRIMARY KEY, v varchar(10)) ENGINE=Aria TRANSACTIONAL=1 PAGE_CHECKSUM=1 ROW_FORMAT=PAGE; CREATE TABLE `ar"ia` (id int, v text, FULLTEXT KEY (v)) ENGINE=Aria TRANSACTIONAL=0 PAGE_CHECKSUM=1 ROW_FORMAT=DYNAMIC COMMENT='it''s; a'; CREATE TABLE aria_fixed (a int) ENGINE=Aria TRANSACTIONAL=0 PAGE_CHECKSUM=1 ROW_FORMAT=FIXED CHECKSUM=1;
INSERT INTO aria (v) VALUES ('x'), ('y'); INSERT INTO `ar"ia` VALUES (1, 'words'); INSERT INTO aria_fixed VALUES (1);
CREATE TABLE page_compressed (a text) PAGE_COMPRESSED=1; CREATE TABLE `page compressed` (a text) PAGE_COMPRESSED=1 PAGE_COMPRESSION_LEVEL=3; INSERT INTO page_compressed VALUES (REPEAT('x', 10000));
CREATE TABLE compressed (a text COMPRESSED, b varchar(100) COMPRESSED=zlib COMMENT 'it''s', c blob /*!100301 COMPRESSED*/ DEFAULT 'x'); CREATE TABLE `com pressed` (a varbinary(500) COMPRESSED, b longtext COMPRESSED CHARACTER SET utf8mb4); INSERT INTO compressed VALUES (REPEAT('x', 5000), '', x'00'); INSERT INTO `com pressed` VALUES (x'00ff', REPEAT('ä', 5000)), (NULL, NULL);
CREATE TABLE not_encrypted (a int) ENCRYPTED=NO; CREATE TABLE `not encrypted` (a int) ENCRYPTED=NO ENCRYPTION_KEY_ID=1;
CREATE TABLE quoted (a varchar(10) NOT NULL) ENGINE=CSV IETF_QUOTES=YES; CREATE TABLE `quo"ted` (a varchar(10) NOT NULL) ENGINE=CSV IETF_QUOTES=NO; INSERT INTO quoted VALUES ('a"b'); INSERT INTO `quo"ted` VALUES ('a"b');

-- Histories and periods.
CREATE TABLE versioned (id int PRIMARY KEY, v varchar(10)) WITH SYSTEM VERSIONING; CREATE TABLE `ver;sioned` (id int AUTO_INCREMENT PRIMARY KEY, v text CHARACTER SET utf8mb4, w int WITHOUT SYSTEM VERSIONING, g int AS (w + 1) STORED) WITH SYSTEM VERSIONING; CREATE TABLE by_column (a int WITH SYSTEM VERSIONING, b int); CREATE TABLE `aria versioned` (a int) ENGINE=Aria PAGE_CHECKSUM=1 TRANSACTIONAL=1 WITH SYSTEM VERSIONING;
INSERT INTO versioned VALUES (1, 'now'), (2, 'gone'); UPDATE versioned SET v = 'later' WHERE id = 1; DELETE FROM versioned WHERE id = 2; INSERT INTO `ver;sioned` (v, w) VALUES ('ä', 1), ('b', 2); UPDATE `ver;sioned` SET v = 'c' WHERE id = 1; UPDATE `ver;sioned` SET w = 5; DELETE FROM `ver;sioned` WHERE id = 2; INSERT INTO by_column VALUES (1, 1); UPDATE by_column SET a = 2; INSERT INTO `aria versioned` VALUES (1); UPDATE `aria versioned` SET a = 2;
CREATE TABLE explicit (id int PRIMARY KEY, v varchar(10), since timestamp(6) GENERATED ALWAYS AS ROW START, until timestamp(6) GENERATED ALWAYS AS ROW END, PERIOD FOR SYSTEM_TIME (since, until)) WITH SYSTEM VERSIONING; CREATE TABLE `ex plicit` (v int, `row start` timestamp(6) GENERATED ALWAYS AS ROW START INVISIBLE COMMENT 'it''s', `row``end` timestamp(6) GENERATED ALWAYS AS ROW END INVISIBLE, PERIOD FOR SYSTEM_TIME (`row start`, `row``end`), KEY (`row``end`)) WITH SYSTEM VERSIONING;
INSERT INTO explicit (id, v) VALUES (1, 'a'); UPDATE explicit SET v = 'b'; INSERT INTO `ex plicit` (v) VALUES (1); DELETE FROM `ex plicit`; INSERT INTO `ex plicit` (v) VALUES (2);
CREATE TABLE by_system_time (a int) WITH SYSTEM VERSIONING PARTITION BY SYSTEM_TIME (PARTITION `p 0` HISTORY, PARTITION p1 HISTORY COMMENT='x;', PARTITION now CURRENT); CREATE TABLE by_limit (a int) WITH SYSTEM VERSIONING PARTITION BY SYSTEM_TIME LIMIT 1000 (PARTITION p0 HISTORY, PARTITION p1 HISTORY, PARTITION pc CURRENT); CREATE TABLE by_interval (a int) WITH SYSTEM VERSIONING PARTITION BY SYSTEM_TIME INTERVAL 1 MONTH STARTS '2001-01-01 00:00:00' PARTITIONS 4; CREATE TABLE `by interval` (a int, b int) WITH SYSTEM VERSIONING PARTITION BY SYSTEM_TIME INTERVAL 1 YEAR SUBPARTITION BY KEY (b) SUBPARTITIONS 2 (PARTITION p0 HISTORY, PARTITION p1 HISTORY, PARTITION pc CURRENT);
INSERT INTO by_system_time VALUES (1), (2); DELETE FROM by_system_time WHERE a = 2; INSERT INTO by_limit VALUES (1); UPDATE by_limit SET a = 2; UPDATE by_limit SET a = 3; INSERT INTO by_interval VALUES (1); UPDATE by_interval SET a = 2; INSERT INTO `by interval` VALUES (1, 1); UPDATE `by interval` SET a = 2;
CREATE TABLE by_interval_auto (a int) WITH SYSTEM VERSIONING PARTITION BY SYSTEM_TIME INTERVAL 30 YEAR STARTS '2001-01-01 00:00:00' AUTO; INSERT INTO by_interval_auto VALUES (1); UPDATE by_interval_auto SET a = 2;
CREATE TABLE by_limit_auto (a int) WITH SYSTEM VERSIONING PARTITION BY SYSTEM_TIME LIMIT 2000 AUTO; INSERT INTO by_limit_auto VALUES (1); UPDATE by_limit_auto SET a = 2;
CREATE TABLE period (id int, since date, until date, PERIOD FOR validity (since, until), UNIQUE KEY `u u` (id, validity WITHOUT OVERLAPS)); CREATE TABLE `per;iod` (id int NOT NULL, `f rom` datetime(3), `t``o` datetime(3), PERIOD FOR `val id` (`f rom`, `t``o`), PRIMARY KEY (id, `val id` WITHOUT OVERLAPS)) WITH SYSTEM VERSIONING;
INSERT INTO period VALUES (1, '2020-01-01', '2021-01-01'), (1, '2021-01-01', '2022-01-01'); INSERT INTO `per;iod` VALUES (1, '2020-01-01 00:00:00.5', '2021-01-01'); DELETE FROM `per;iod` FOR PORTION OF `val id` FROM '2020-03-01' TO '2020-04-01';

-- Types and indexes of its own.
CREATE TABLE addresses (a uuid DEFAULT uuid(), b inet6, c inet4 DEFAULT '127.0.0.1', KEY (a), KEY (b)); CREATE TABLE `addresses 2` (a uuid PRIMARY KEY, b inet6 NOT NULL DEFAULT '::1', c inet4, UNIQUE KEY (c)); INSERT INTO addresses VALUES ('123e4567-e89b-12d3-a456-426655440000', '::ffff:1.2.3.4', '1.2.3.4'), (NULL, NULL, NULL); INSERT INTO `addresses 2` VALUES ('ffffffff-ffff-7fff-bfff-ffffffffffff', 'fe80::1', '255.255.255.255');
CREATE TABLE ignored (a int, b varchar(3000), c blob, d text, KEY `i i` (a) IGNORED, UNIQUE KEY `hash; ed` (b) USING HASH, UNIQUE KEY (c), UNIQUE KEY two (d, a) COMMENT 'it''s') DEFAULT CHARSET=utf8mb4; CREATE TABLE `ignored 2` (a int, b int, KEY (a, b) IGNORED COMMENT 'x', UNIQUE KEY (b) USING BTREE IGNORED); INSERT INTO ignored VALUES (1, 'ä', 'x', 'y'), (NULL, NULL, NULL, NULL); INSERT INTO `ignored 2` VALUES (1, 2);
CREATE TABLE referenced (p point REF_SYSTEM_ID=101, g geometry REF_SYSTEM_ID=4326 NOT NULL, SPATIAL KEY (g)); CREATE TABLE `referenced 2` (l linestring REF_SYSTEM_ID=4326 COMMENT 'x'); INSERT INTO referenced VALUES (ST_GeomFromText('POINT(1 1)', 101), ST_GeomFromText('POINT(1 1)', 4326));
CREATE TABLE json_checked (j json CHECK (json_valid(j) AND json_length(j) < 5), k longtext CHARACTER SET utf8mb4 COLLATE utf8mb4_bin CHECK (json_valid(k))); INSERT INTO json_checked VALUES ('{"a":1, "a":2, "b": [ ] }', 'null'), (NULL, NULL);
CREATE TABLE listed_default (a int) PARTITION BY LIST (a) (PARTITION p0 VALUES IN (1), PARTITION pd DEFAULT); CREATE TABLE `listed default` (a varchar(5)) PARTITION BY LIST COLUMNS (a) (PARTITION p0 VALUES IN ('it''s'), PARTITION pd DEFAULT COMMENT='d;'); INSERT INTO listed_default VALUES (1), (77); INSERT INTO `listed default` VALUES ('x');

-- Routines of its own.
DELIMITER $$
SET sql_mode = 'ORACLE'$$
CREATE PACKAGE "to""ols" AS
  FUNCTION f(a INT) RETURN INT; -- it's
  PROCEDURE "p;p";
END$$
CREATE PACKAGE BODY "to""ols" AS
  counter INT := 5;
  FUNCTION f(a INT) RETURN INT AS BEGIN RETURN a + counter; END;
  PROCEDURE "p;p" AS BEGIN SELECT 'it''s; ä'; END;
BEGIN counter := 7; END$$
CREATE PACKAGE `select` COMMENT 'it''s; "p"' SQL SECURITY INVOKER AS PROCEDURE p; END$$
CREATE PACKAGE BODY `select` SQL SECURITY INVOKER AS PROCEDURE p AS BEGIN NULL; END; END$$
CREATE PROCEDURE oracle_style(a IN OUT INT, b VARCHAR2) AS c "noted"."what"%TYPE; BEGIN a := a + 1; END$$
CREATE FUNCTION "ora cle"(a INT) RETURN VARCHAR2(10) AS BEGIN <<again>> FOR i IN 1..3 LOOP NULL; END LOOP; RETURN 'x'; END$$
CREATE TRIGGER "oracle trigger" BEFORE INSERT ON "noted" FOR EACH ROW BEGIN :NEW."what" := 'x;'; END$$
CREATE VIEW of_package AS SELECT `to"ols`.f(id) AS n FROM self$$
SET sql_mode = 'NO_AUTO_VALUE_ON_ZERO'$$
CREATE AGGREGATE FUNCTION total (x int) RETURNS int COMMENT 'it''s' BEGIN DECLARE s int DEFAULT 0; DECLARE CONTINUE HANDLER FOR NOT FOUND RETURN s; LOOP FETCH GROUP NEXT ROW; SET s = s + x; END LOOP; END$$
CREATE AGGREGATE FUNCTION `to tal` (x int) RETURNS int DETERMINISTIC BEGIN DECLARE s int DEFAULT 0; DECLARE CONTINUE HANDLER FOR NOT FOUND RETURN s; LOOP FETCH GROUP NEXT ROW; SET s = s + x; END LOOP; END$$
CREATE PROCEDURE typed () BEGIN DECLARE a TYPE OF noted.what; DECLARE b ROW TYPE OF noted; FOR r IN (SELECT n FROM noted) DO SET a = r.n; END FOR; END$$
DELIMITER ;
CREATE VIEW of_history AS SELECT id, v FROM versioned FOR SYSTEM_TIME ALL; CREATE VIEW `of his;tory` AS SELECT v FROM explicit FOR SYSTEM_TIME AS OF TIMESTAMP'2037-01-01 00:00:00'; CREATE VIEW of_sequence_view AS SELECT CASE WHEN id > 1000 THEN NEXTVAL(s2) END AS n FROM self; CREATE VIEW `of se;quence` AS SELECT LASTVAL(`sequence; "1"`) AS l;
CREATE EVENT elsewhere ON SCHEDULE EVERY 1 DAY STARTS '2037-01-01 00:00:00' DISABLE ON SLAVE DO DO 1; CREATE EVENT `else where` ON SCHEDULE AT '2037-01-01 00:00:00' ON COMPLETION PRESERVE DISABLE ON SLAVE DO DO 1;
ANALYZE TABLE parent PERSISTENT FOR ALL; ANALYZE TABLE `ver;sioned` PERSISTENT FOR COLUMNS (v) INDEXES (PRIMARY);
-- Since 11.8.
/*M!110800 CREATE TABLE vectors (id int PRIMARY KEY, v vector(3) NOT NULL, VECTOR INDEX `v v` (v) M=8 DISTANCE=cosine) */;
/*M!110800 CREATE TABLE `vec;tors` (id int PRIMARY KEY, v vector(2) NOT NULL COMMENT 'x', w vector(4), VECTOR KEY (v)) */;
/*M!110800 INSERT INTO vectors VALUES (1, VEC_FromText('[1.5,-0,3e38]')), (2, VEC_FromText('[0,0,1]')) */;
/*M!110800 INSERT INTO `vec;tors` VALUES (1, VEC_FromText('[1,2]'), NULL), (2, VEC_FromText('[2,3]'), VEC_FromText('[1,2,3,4]')) */;
/*M!110800 CREATE SEQUENCE small AS tinyint unsigned START WITH 5 */; /*M!110800 CREATE SEQUENCE `la;rge` AS bigint unsigned START WITH 18446744073709551000 */;
/*M!110800 SELECT NEXTVAL(small), NEXTVAL(`la;rge`) */;
CREATE TRIGGER `to the other kind` AFTER INSERT ON aria_fixed FOR EACH ROW INSERT INTO noted (what) VALUES ('x'); CREATE TRIGGER to_the_other_kind AFTER DELETE ON noted FOR EACH ROW INSERT INTO `a b` (v) VALUES ('y');

-- Everything a MySQL or MariaDB database can hold that a dump has been known to lose, as far as both know it. Run by the server's
-- own client as root in a database of latin1_german2_ci; users torture@localhost and `We ird`@localhost exist.
SET NAMES utf8mb4;
SET time_zone = '+00:00';
SET sql_mode = 'NO_AUTO_VALUE_ON_ZERO';

CREATE TABLE every_type (
  id bigint unsigned NOT NULL AUTO_INCREMENT PRIMARY KEY,
  ti tinyint, tu tinyint unsigned, si smallint, su smallint unsigned zerofill, mi mediumint, mu mediumint unsigned, i int, iu int unsigned, bi bigint, bu bigint unsigned,
  bo boolean, bt1 bit(1), bt8 bit(8), bt64 bit(64), de decimal(65,30), d0 decimal(10,0), du decimal(20,5) unsigned,
  f float, f2 float(10,3), dd double, dd2 double(20,6),
  c char(10), cb char(10) CHARACTER SET latin1 COLLATE latin1_bin, v varchar(200), vl varchar(200) CHARACTER SET latin1, v16 varchar(50) CHARACTER SET utf16, vu varchar(50) CHARACTER SET ucs2,
  bn binary(8), vb varbinary(300), tb tinyblob, b blob, mb mediumblob, lb longblob, tt tinytext, t text CHARACTER SET utf8mb4, mt mediumtext, lt longtext CHARACTER SET utf8mb4,
  en enum('', 'a', 'it''s', 'with,comma', 'größe') CHARACTER SET utf8mb4, se set('x', 'y', 'z;', 'é') CHARACTER SET utf8mb4,
  da date, tm time, tm6 time(6), dt datetime, dt6 datetime(6), ts timestamp NULL, ts6 timestamp(6) NULL, y year,
  j json, g geometry, po point, pl polygon, gc geometrycollection,
  `GROUP` int DEFAULT 5, `spaced ``col` varchar(20) DEFAULT 'it''s; "x" \\ y' COMMENT 'a comment; with ''quotes'' and \\ and \n a line'
) ENGINE=InnoDB AUTO_INCREMENT=1000 DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin COMMENT='everything; it''s all here';

INSERT INTO every_type (id, ti, tu, si, su, mi, mu, i, iu, bi, bu, bo, bt1, bt8, bt64, de, d0, du, f, f2, dd, dd2, c, cb, v, vl, v16, vu, bn, vb, tb, b, mb, lb, tt, t, mt, lt, en, se, da, tm, tm6, dt, dt6, ts, ts6, y, j, g, po, pl, gc, `spaced ``col`) VALUES
 (0, -128, 0, -32768, 0, -8388608, 0, -2147483648, 0, -9223372036854775808, 0, false, b'0', b'0', b'0',
  -99999999999999999999999999999999999.999999999999999999999999999999, -9999999999, 0.00001, -3.4028235e38, 1.234, -1.7976931348623157e308, 0.000001,
  '', '', '', '', '', '', '', '', '', '', '', '', '', '', '', '', '', '', '1000-01-01', '-838:59:59', '-838:59:59', '0000-00-00', '0000-00-00', '1970-01-01 00:00:01', '1970-01-01 00:00:01', 0,
  'null', ST_GeomFromText('POINT(1 2)'), ST_GeomFromText('POINT(-0.5 1e-300)'), ST_GeomFromText('POLYGON((0 0,1 1,1 0,0 0))'), ST_GeomFromText('GEOMETRYCOLLECTION(POINT(1 1),LINESTRING(0 0,5 5))'), ''),
 (1, 127, 255, 32767, 65535, 8388607, 16777215, 2147483647, 4294967295, 9223372036854775807, 18446744073709551615, true, b'1', b'11111111', x'FFFFFFFFFFFFFFFF',
  99999999999999999999999999999999999.999999999999999999999999999999, 9999999999, 123456789012345.12345, 3.4028235e38, 1234567.125, 1.7976931348623157e308, 12345678901234.567,
  'pad  ', 'pad  ', 'tab\tnl\ncr\rnul\0bs\\q\'dq\"z\Zpc\%us\_', x'00FF80E9', '日本語', 'ü', x'0001', x'00275C0A0D1A22FF', x'00', x'00FF', x'DEADBEEF', x'00', '🦀', '🦀 𝄞 日本語 \0 '' \\ ;\n;;\nDELIMITER ;\n', 'NULL', '\\N', 'it''s', 'x,z;', '9999-12-31', '838:59:59', '838:59:58.999999', '9999-12-31 23:59:59', '9999-12-31 23:59:59.999999', '2038-01-19 03:14:07', '2038-01-19 03:14:07.999999', 2155,
  '{"z": 1.10, "a": "\\u00e9 \\"q\\" \\\\ \\n", "big": 18446744073709551615, "e": 1e300, "n": [null, true, {}]}', ST_GeomFromText('LINESTRING(0 0,1 1)', 4326), ST_GeomFromText('POINT(10 20)', 4326), ST_GeomFromText('POLYGON((0 0,0 5,5 5,5 0,0 0),(1 1,1 2,2 2,2 1,1 1))'), NULL, 'ß'),
 (7, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, 1.4e-45, NULL, 5e-324, NULL,
  NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, '0000-00-00', '00:00:00', '-00:00:00.000001', '2020-02-30', '2020-00-15 01:02:03.000001', NULL, NULL, 1901, NULL, NULL, NULL, NULL, NULL, NULL);
-- The extremes that strict modes refuse.
SET sql_mode = 'NO_AUTO_VALUE_ON_ZERO,ALLOW_INVALID_DATES';
INSERT INTO every_type (id, f, dd, dt, da, en, se, vl, tm, ts) VALUES
 (100, 0.1, 0.1, '2020-02-31 00:00:00', '2021-02-30', 0, '', x'E4F6FCDF80', '24:00:00', '2001-03-25 01:30:00'),
 (101, 1e-45, 2.2250738585072014e-308, '0000-00-00 00:00:00', '0000-00-00', 'größe', 'x,y,z;,é', x'00', '-00:00:01', '2001-10-28 00:30:00'),
 (102, -0e0, -0e0, '2000-01-01 00:00:00', '2000-01-00', '', 'é', '', '100:00:00', '2001-10-28 01:30:00'),
 (103, 16777217, 9007199254740993, NULL, NULL, NULL, NULL, NULL, NULL, NULL),
 (18446744073709551614, 3.14159274, 3.141592653589793, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
SET sql_mode = 'NO_AUTO_VALUE_ON_ZERO';
INSERT INTO every_type (id, lb, lt) VALUES (104, REPEAT(x'00FF27', 500000), REPEAT('日''\\🦀', 100000));
ALTER TABLE every_type AUTO_INCREMENT = 5000;

CREATE TABLE `Tabelle; mit "allem" und ``` (`Spalte ü` varchar(100) PRIMARY KEY, `select` int UNIQUE, `semi;colon` text) DEFAULT CHARSET=utf8mb4;
INSERT INTO `Tabelle; mit "allem" und ``` VALUES ('größe', 1, 'a;b'), ('日本語', 2, ''), ('🦀', 3, NULL);
CREATE TABLE `Straße` (id int PRIMARY KEY AUTO_INCREMENT, name varchar(50)) AUTO_INCREMENT=77 DEFAULT CHARSET=latin1 COLLATE=latin1_swedish_ci;
INSERT INTO `Straße` (id, name) VALUES (1, 'n1'), (2, 'n2');

CREATE TABLE generated_columns (front varchar(20) GENERATED ALWAYS AS (concat(a, '!')) VIRTUAL, a varchar(10), b int, s int GENERATED ALWAYS AS (b * 2) STORED COMMENT 'stored', at timestamp DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP,
  d datetime(3) DEFAULT CURRENT_TIMESTAMP(3), KEY (s), KEY front (front));
INSERT INTO generated_columns (a, b, at, d) VALUES ('x', 1, '2020-01-01 00:00:00', '2020-01-01 00:00:00.123'), (NULL, NULL, '2020-06-01 00:00:00', NULL);
CREATE TABLE only_generated (g int GENERATED ALWAYS AS (1 + 1) STORED) ENGINE=InnoDB;
INSERT INTO only_generated () VALUES (), ();
CREATE TABLE generated_parent (id int PRIMARY KEY);
CREATE TABLE generated_key (base int, derived int GENERATED ALWAYS AS (base + 1) STORED, CONSTRAINT on_derived FOREIGN KEY (base) REFERENCES generated_parent (id));
INSERT INTO generated_parent VALUES (1), (2); INSERT INTO generated_key (base) VALUES (1), (2), (NULL);
CREATE TABLE no_key (a int, b varchar(20));
INSERT INTO no_key VALUES (1, 'x'), (1, 'x'), (2, NULL);
CREATE TABLE empty_table (a int NOT NULL DEFAULT 3) COMMENT='';
CREATE TABLE one_column_text (t text NOT NULL, PRIMARY KEY (t(20))) DEFAULT CHARSET=utf8mb4;
CREATE TABLE checked (a int CHECK (a > 0), b int, CONSTRAINT `sum; it's` CHECK (a + b < 100 AND 'it''s' <> ';'));
INSERT INTO checked VALUES (1, 1), (NULL, NULL);
CREATE TABLE indexed (id int PRIMARY KEY, a varchar(300), b text, p point NOT NULL, KEY prefix (a(10)), FULLTEXT KEY words (b), SPATIAL KEY (p), UNIQUE KEY both_ways (id, a(5)) COMMENT 'key; comment') DEFAULT CHARSET=utf8mb4;
INSERT INTO indexed VALUES (1, 'a', 'some words here', ST_GeomFromText('POINT(1 1)')), (2, 'b', 'more words; there', ST_GeomFromText('POINT(2 3)'));
CREATE TABLE my_isam (id int, v varchar(10), KEY (v)) ENGINE=MyISAM;
INSERT INTO my_isam VALUES (1, 'one'), (2, 'two');
CREATE TABLE in_memory (id int, KEY (id) USING HASH) ENGINE=MEMORY;
CREATE TABLE compact (a int, b text) ROW_FORMAT=COMPRESSED KEY_BLOCK_SIZE=8 STATS_PERSISTENT=0;
CREATE TABLE wide_key (a varbinary(20), b varchar(20) CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci, c int, PRIMARY KEY (a, b, c));
INSERT INTO wide_key VALUES (x'00', '', 0), (x'00', 'É', 1), (x'FF', 'e', -1), ('', '', 0);
CREATE TABLE many (id int PRIMARY KEY, v varchar(100), KEY (v));
INSERT INTO many SELECT a.n + 10 * b.n + 100 * c.n + 1000 * d.n, CONCAT('value ', a.n, b.n, c.n, d.n) FROM
  (SELECT 0 n UNION SELECT 1 UNION SELECT 2 UNION SELECT 3 UNION SELECT 4 UNION SELECT 5 UNION SELECT 6 UNION SELECT 7 UNION SELECT 8 UNION SELECT 9) a,
  (SELECT 0 n UNION SELECT 1 UNION SELECT 2 UNION SELECT 3 UNION SELECT 4 UNION SELECT 5 UNION SELECT 6 UNION SELECT 7 UNION SELECT 8 UNION SELECT 9) b,
  (SELECT 0 n UNION SELECT 1 UNION SELECT 2 UNION SELECT 3 UNION SELECT 4 UNION SELECT 5 UNION SELECT 6 UNION SELECT 7 UNION SELECT 8 UNION SELECT 9) c,
  (SELECT 0 n UNION SELECT 1 UNION SELECT 2 UNION SELECT 3 UNION SELECT 4 UNION SELECT 5 UNION SELECT 6 UNION SELECT 7 UNION SELECT 8 UNION SELECT 9) d;

CREATE TABLE parted (id int NOT NULL, at date NOT NULL, v varchar(20), PRIMARY KEY (id, at)) PARTITION BY RANGE (YEAR(at)) SUBPARTITION BY HASH (id) SUBPARTITIONS 2
  (PARTITION old VALUES LESS THAN (2020) COMMENT = 'it''s; old', PARTITION young VALUES LESS THAN MAXVALUE);
INSERT INTO parted VALUES (1, '2019-01-01', 'a'), (2, '2021-01-01', 'b'), (3, '2022-01-01', NULL);
CREATE TABLE parted_list (k varchar(10) CHARACTER SET latin1 NOT NULL) PARTITION BY LIST COLUMNS (k) (PARTITION p1 VALUES IN ('a', 'it''s'), PARTITION p2 VALUES IN ('b'));
INSERT INTO parted_list VALUES ('a'), ('it''s'), ('b');

SET foreign_key_checks = 0;
CREATE TABLE a_first (id int PRIMARY KEY, b_id int, CONSTRAINT circular FOREIGN KEY (b_id) REFERENCES b_second (id) ON UPDATE CASCADE ON DELETE SET NULL);
CREATE TABLE b_second (id int PRIMARY KEY, a_id int, self int, CONSTRAINT forth FOREIGN KEY (a_id) REFERENCES a_first (id), FOREIGN KEY (self) REFERENCES b_second (id));
INSERT INTO a_first VALUES (1, 1), (2, 1), (3, NULL);
INSERT INTO b_second VALUES (1, 1, 1), (2, 2, 1);
SET foreign_key_checks = 1;

CREATE TABLE audit (n int AUTO_INCREMENT PRIMARY KEY, what varchar(100));
DELIMITER ;;
CREATE TRIGGER z_first BEFORE INSERT ON a_first FOR EACH ROW BEGIN
  -- it's a comment; with a quote
  IF NEW.id > 1000 THEN SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'too; big'; END IF;
END;;
CREATE TRIGGER a_second BEFORE INSERT ON a_first FOR EACH ROW FOLLOWS z_first INSERT INTO audit (what) VALUES ('second');;
CREATE DEFINER = `torture`@`localhost` TRIGGER `während "insert"` AFTER INSERT ON b_second FOR EACH ROW INSERT INTO audit (what) VALUES ('it''s ; in');;
SET sql_mode = 'ANSI_QUOTES,NO_BACKSLASH_ESCAPES,NO_AUTO_VALUE_ON_ZERO';;
CREATE TRIGGER "ansi" AFTER DELETE ON b_second FOR EACH ROW INSERT INTO "audit" ("what") VALUES ('back\');;
CREATE PROCEDURE "ansi_procedure" (IN "in;put" int, OUT o varchar(10), INOUT io double) COMMENT 'it''s; a "procedure"' MODIFIES SQL DATA SQL SECURITY INVOKER
BEGIN
  DECLARE "x" varchar(10) DEFAULT 'a\';
  SET o = "x";
  SELECT 1; SELECT "in;put" FROM "audit";
END;;
SET sql_mode = 'NO_AUTO_VALUE_ON_ZERO';;
SET NAMES latin1;;
CREATE FUNCTION doubled (x int) RETURNS int DETERMINISTIC NO SQL RETURN x * 2;;
SET NAMES utf8mb4;;
CREATE DEFINER = `We ird`@`localhost` FUNCTION `größte; "fn"` (a text CHARACTER SET utf8mb4) RETURNS text CHARSET utf8mb4 READS SQL DATA
BEGIN
  /* it's
  DELIMITER ;
  */
  RETURN concat(a, '日本語;', '\\', "dq'");
END;;
CREATE EVENT `nightly; purge` ON SCHEDULE EVERY 1 DAY STARTS '2030-01-01 00:00:00' ON COMPLETION PRESERVE ENABLE COMMENT 'it''s ENABLE; here' DO BEGIN DELETE FROM audit WHERE n < 0; DELETE FROM audit WHERE n < -1; END;;
SET time_zone = '+05:45';;
CREATE DEFINER = `torture`@`localhost` EVENT once ON SCHEDULE AT '2035-05-05 05:05:05' DISABLE DO DELETE FROM audit WHERE n = 0;;
SET time_zone = '+00:00';;
DELIMITER ;

CREATE VIEW z_base_view AS SELECT id, v FROM many WHERE id < 10;
CREATE VIEW a_on_top AS SELECT id, v, doubled(id) AS twice FROM z_base_view;
CREATE ALGORITHM = MERGE DEFINER = `We ird`@`localhost` SQL SECURITY INVOKER VIEW `Ansicht; "ü"` (`Spalte "1"`, `it's`) AS SELECT id, concat(convert(v USING utf8mb4), '; it''s \\ 日本語') FROM z_base_view WHERE id > 1 WITH CASCADED CHECK OPTION;
CREATE ALGORITHM = TEMPTABLE VIEW counted AS SELECT count(*) AS many, max(`Spalte "1"`) AS most FROM `Ansicht; "ü"`;
CREATE VIEW `0 of everything` AS SELECT e.id, e.t, e.bu, e.de FROM every_type e LEFT JOIN a_on_top a ON a.id = e.id;

CREATE TABLE flyway_schema_history (installed_rank int NOT NULL, version varchar(50), description varchar(200) NOT NULL, type varchar(20) NOT NULL, script varchar(1000) NOT NULL,
  checksum int, installed_by varchar(100) NOT NULL, installed_on timestamp NOT NULL DEFAULT CURRENT_TIMESTAMP, execution_time int NOT NULL, success bool NOT NULL,
  PRIMARY KEY (installed_rank), KEY flyway_schema_history_s_idx (success));
INSERT INTO flyway_schema_history VALUES (1, '1.0', 'first', 'SQL', 'V1.0__first.sql', -123, 'me', '2020-01-01', 5, true), (2, '1.1.2', 'second', 'SQL', 'V1.1.2__second.sql', 456, 'me', '2020-01-02', 5, true);
CREATE TEMPORARY TABLE passing (a int);

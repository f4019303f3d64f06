-- Every kind of object that MySQL and MariaDB both know, at least twice each, under names that mislead. Run by the server's own client as root
-- in a database of latin1_german2_ci.
SET NAMES utf8mb4;
SET time_zone = '+00:00';
SET sql_mode = 'NO_AUTO_VALUE_ON_ZERO,NO_ENGINE_SUBSTITUTION';

-- Storage engines, counters with gaps, options of tables.
CREATE TABLE `select` (`from` int unsigned NOT NULL AUTO_INCREMENT PRIMARY KEY COMMENT 'by; "it''s" \\ `b`', `order` varchar(20) COMMENT '') ENGINE=InnoDB AUTO_INCREMENT=500 COMMENT='of; ''words'' \\ "x" ` AUTO_INCREMENT=3';
INSERT INTO `select` VALUES (0, 'none'), (1, 'one'), (7, 'seven'), (4294967290, 'late'); DELETE FROM `select` WHERE `order` = 'late';
CREATE TABLE `innodb with a name of sixty-four characters, which is the mo äöß` (id bigint AUTO_INCREMENT PRIMARY KEY, `a column with a name of sixty-four characters, which is the most` int COMMENT 'x') AUTO_INCREMENT=9223372036854775800;
INSERT INTO `innodb with a name of sixty-four characters, which is the mo äöß` VALUES (-5, 1), (DEFAULT, 2);
CREATE TABLE `a b` (id int AUTO_INCREMENT PRIMARY KEY, v varchar(10), c char(5)) ENGINE=MyISAM AUTO_INCREMENT=20 MAX_ROWS=1000 MIN_ROWS=10 AVG_ROW_LENGTH=50 CHECKSUM=1 DELAY_KEY_WRITE=1 PACK_KEYS=1 ROW_FORMAT=DYNAMIC COMMENT='my; isam';
INSERT INTO `a b` (v) VALUES ('x'), ('y'), ('z'); DELETE FROM `a b` WHERE v <> 'x';
CREATE TABLE `x"y` (g int, n int AUTO_INCREMENT, c char(3), PRIMARY KEY (g, n)) ENGINE=MyISAM ROW_FORMAT=FIXED PACK_KEYS=0;
INSERT INTO `x"y` (g) VALUES (1), (1), (2), (1), (2); DELETE FROM `x"y` WHERE g = 1 AND n = 2;
CREATE TABLE `it's` (id int AUTO_INCREMENT PRIMARY KEY, v varchar(10), KEY (v) USING BTREE, UNIQUE KEY `h``h` (v, id) USING HASH) ENGINE=MEMORY MAX_ROWS=100;
INSERT INTO `it's` (v) VALUES ('a'), (NULL);
CREATE TABLE `mem``ory` (a int, KEY (a), KEY a2 (a) USING HASH) ENGINE=MEMORY; INSERT INTO `mem``ory` VALUES (1), (1);
CREATE TABLE `c,s;v` (a int NOT NULL, b varchar(20) NOT NULL, c datetime(3) NOT NULL) ENGINE=CSV;
INSERT INTO `c,s;v` VALUES (1, 'a,"b"', '2001-01-01 00:00:00.123'), (-1, 'x\ny', '1000-01-01');
CREATE TABLE `表` (`列` text NOT NULL) ENGINE=CSV DEFAULT CHARSET=utf8mb4; INSERT INTO `表` VALUES ('日本; 🦀'), ('');
CREATE TABLE archived (id int AUTO_INCREMENT, v blob, KEY (id)) ENGINE=ARCHIVE; INSERT INTO archived (v) VALUES (x'00ff'), (NULL);
CREATE TABLE `archived too` (v varchar(10) COMMENT 'é') ENGINE=ARCHIVE COMMENT='a; b'; INSERT INTO `archived too` VALUES ('x'), ('x');
CREATE TABLE redundant (a int, b varchar(10)) ROW_FORMAT=REDUNDANT; CREATE TABLE `redundant-2` (a int) ROW_FORMAT=REDUNDANT STATS_PERSISTENT=1 STATS_AUTO_RECALC=0 STATS_SAMPLE_PAGES=7;
CREATE TABLE compact (a int) ROW_FORMAT=COMPACT STATS_PERSISTENT=0; CREATE TABLE `compact.2` (a int) ROW_FORMAT=COMPACT STATS_AUTO_RECALC=1 STATS_SAMPLE_PAGES=3;
CREATE TABLE dynamic (a int) ROW_FORMAT=DYNAMIC; CREATE TABLE `dynamic/2` (a int) ROW_FORMAT=DYNAMIC;
CREATE TABLE squeezed (a int, b text, KEY (a) KEY_BLOCK_SIZE=2) ROW_FORMAT=COMPRESSED KEY_BLOCK_SIZE=4; CREATE TABLE `squeezed #2` (a text) KEY_BLOCK_SIZE=8; INSERT INTO squeezed VALUES (1, REPEAT('x', 20000));

-- Partitions.
CREATE TABLE by_range (id int NOT NULL, `a b` int NOT NULL, PRIMARY KEY (id, `a b`)) PARTITION BY RANGE (id * 2 + `a b`) (PARTITION `p 0` VALUES LESS THAN (10) COMMENT='it''s; p' MAX_ROWS=10 MIN_ROWS=2, PARTITION `select` VALUES LESS THAN MAXVALUE);
CREATE TABLE `by range` (at timestamp NOT NULL) PARTITION BY RANGE (UNIX_TIMESTAMP(at)) (PARTITION p0 VALUES LESS THAN (1000000000), PARTITION `ä` VALUES LESS THAN (2000000000));
INSERT INTO by_range VALUES (1, 1), (100, 5); INSERT INTO `by range` VALUES ('2001-01-01'), ('2020-06-01 12:00:00');
CREATE TABLE by_range_columns (a int, b varchar(10) CHARACTER SET utf8mb4, c date) PARTITION BY RANGE COLUMNS (a, b, c) (PARTITION p0 VALUES LESS THAN (1, 'it''s ä', '2001-01-01'), PARTITION p1 VALUES LESS THAN (5, MAXVALUE, MAXVALUE));
CREATE TABLE by_datetime (at datetime(6)) PARTITION BY RANGE COLUMNS (at) (PARTITION p0 VALUES LESS THAN ('2001-01-01 00:00:00.5'), PARTITION p1 VALUES LESS THAN (MAXVALUE));
INSERT INTO by_range_columns VALUES (1, 'a', '2001-01-01'), (2, NULL, NULL); INSERT INTO by_datetime VALUES (NULL), ('2001-01-01 00:00:00.4'), ('2001-01-01 00:00:00.6');
CREATE TABLE by_list (a int) PARTITION BY LIST (MOD(a, 3)) (PARTITION `p;0` VALUES IN (0, NULL), PARTITION p1 VALUES IN (1, 2));
CREATE TABLE `by list` (a int, b int) PARTITION BY LIST (a) SUBPARTITION BY KEY (b) SUBPARTITIONS 2 (PARTITION p0 VALUES IN (1), PARTITION p1 VALUES IN (2));
INSERT INTO by_list VALUES (NULL), (3), (5); INSERT INTO `by list` VALUES (1, 1), (2, NULL);
CREATE TABLE by_list_columns (a varchar(10), b int) DEFAULT CHARSET=latin1 PARTITION BY LIST COLUMNS (a, b) (PARTITION p0 VALUES IN (('é', 1), ('it''s', 2)), PARTITION p1 VALUES IN ((NULL, NULL)));
CREATE TABLE by_list_dates (d date) PARTITION BY LIST COLUMNS (d) (PARTITION p0 VALUES IN ('2001-01-01', '2001-01-02'), PARTITION p1 VALUES IN (NULL));
INSERT INTO by_list_columns VALUES ('é', 1), ('it''s', 2), (NULL, NULL); INSERT INTO by_list_dates VALUES ('2001-01-02'), (NULL);
CREATE TABLE by_hash (a int) PARTITION BY HASH (a + 1) PARTITIONS 3; CREATE TABLE `by hash` (d date) PARTITION BY HASH (YEAR(d)) (PARTITION `one` ENGINE=InnoDB, PARTITION `two` ENGINE=InnoDB);
INSERT INTO by_hash VALUES (-7), (0), (NULL), (9); INSERT INTO `by hash` VALUES ('2001-01-01'), (NULL);
CREATE TABLE by_linear_hash (a int) PARTITION BY LINEAR HASH (a) PARTITIONS 3; CREATE TABLE `by linear hash` (a bigint) PARTITION BY LINEAR HASH (ABS(a)) PARTITIONS 2; INSERT INTO by_linear_hash VALUES (1), (2), (3);
CREATE TABLE by_key (a varchar(10) PRIMARY KEY, b int) PARTITION BY KEY () PARTITIONS 3; CREATE TABLE `by key` (a int, b char(5)) PARTITION BY KEY ALGORITHM=1 (a, b) PARTITIONS 2; CREATE TABLE by_key_2 (a int) PARTITION BY KEY ALGORITHM=2 (a) PARTITIONS 2;
INSERT INTO by_key VALUES ('a', 1), ('ä', 2); INSERT INTO `by key` VALUES (1, 'x'), (NULL, NULL); INSERT INTO by_key_2 VALUES (5);
CREATE TABLE by_linear_key (a int) PARTITION BY LINEAR KEY (a) PARTITIONS 2; CREATE TABLE `by linear key` (a int, b int) PARTITION BY LINEAR KEY (b) PARTITIONS 3; INSERT INTO by_linear_key VALUES (5), (6);
CREATE TABLE sub_hash (a int, b date) PARTITION BY RANGE (a) SUBPARTITION BY HASH (TO_DAYS(b)) (PARTITION p0 VALUES LESS THAN (5) (SUBPARTITION `s 0` COMMENT='s; 0', SUBPARTITION s1), PARTITION p1 VALUES LESS THAN MAXVALUE (SUBPARTITION s2, SUBPARTITION `s"3`));
CREATE TABLE sub_linear (a int, b int) PARTITION BY RANGE COLUMNS (a) SUBPARTITION BY LINEAR HASH (b) SUBPARTITIONS 2 (PARTITION p0 VALUES LESS THAN (5), PARTITION p1 VALUES LESS THAN (MAXVALUE));
CREATE TABLE sub_key (a int, b int) PARTITION BY RANGE (a) SUBPARTITION BY KEY (a, b) SUBPARTITIONS 2 (PARTITION p0 VALUES LESS THAN (5));
CREATE TABLE sub_linear_key (a int, b int) PARTITION BY LIST (a) SUBPARTITION BY LINEAR KEY ALGORITHM=1 (b) SUBPARTITIONS 2 (PARTITION p0 VALUES IN (5));
INSERT INTO sub_hash VALUES (1, '2001-01-01'), (7, NULL); INSERT INTO sub_linear VALUES (1, 1), (9, 9);

-- Columns: generated, hidden, with defaults.
CREATE TABLE `generated` (`b ``c` int, v int GENERATED ALWAYS AS (`b ``c` + 1) VIRTUAL COMMENT 'v; ''x''', s varchar(30) CHARACTER SET utf8mb4 GENERATED ALWAYS AS (concat('it''s; ä\\', `b ``c`)) STORED, KEY (v), UNIQUE KEY (s));
CREATE TABLE `generated 2` (id int PRIMARY KEY, j json, k int GENERATED ALWAYS AS (json_unquote(json_extract(j, '$.a'))) VIRTUAL INVISIBLE, l int GENERATED ALWAYS AS (id * 2) STORED INVISIBLE, m int GENERATED ALWAYS AS (k + l) VIRTUAL, u int GENERATED ALWAYS AS (id % 7) STORED UNIQUE, KEY (k));
INSERT INTO `generated` (`b ``c`) VALUES (1), (NULL), (-5); INSERT INTO `generated 2` (id, j) VALUES (1, '{"a": 5}'), (2, '{"a": null}'), (3, NULL);
CREATE TABLE hidden (a int, b int INVISIBLE, c varchar(10) INVISIBLE DEFAULT 'it''s'); INSERT INTO hidden (a, b, c) VALUES (1, 2, 'x'), (NULL, NULL, NULL);
CREATE TABLE defaulted (a varchar(40) DEFAULT (concat('a; ', 'it''s', '\\')), b int DEFAULT (1 + 1), c date DEFAULT (curdate()), d text DEFAULT ('text'), j json DEFAULT (json_array(1, 'x')), k int DEFAULT '7', l decimal(5,2) NOT NULL DEFAULT 1.50, m bit(4) DEFAULT b'101', n binary(3) DEFAULT 'abc', o varchar(5) DEFAULT '', p varchar(5) CHARACTER SET utf8mb4 DEFAULT 'ä\\''"', q enum('a', '0') DEFAULT '0', r set('x', 'y') DEFAULT 'x,y', s double DEFAULT 1e10, t time DEFAULT '-01:00:00', u year DEFAULT 2001, w bool DEFAULT true, x varchar(5) DEFAULT NULL, y float DEFAULT -0.5);
CREATE TABLE `defaulted at` (id int PRIMARY KEY, a timestamp NOT NULL DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP, b datetime(6) DEFAULT CURRENT_TIMESTAMP(6) ON UPDATE CURRENT_TIMESTAMP(6), c timestamp NULL DEFAULT NULL, d timestamp(3) NOT NULL DEFAULT '2001-01-01 00:00:00.500', e datetime DEFAULT '0000-00-00', f date DEFAULT '0000-00-00', g datetime(2) DEFAULT '2001-01-01 01:02:03.25', h timestamp NOT NULL DEFAULT '0000-00-00');
INSERT INTO defaulted () VALUES (); INSERT INTO `defaulted at` (id) VALUES (1); INSERT INTO `defaulted at` VALUES (2, '2001-01-01', NULL, NULL, '2001-01-01', NULL, NULL, NULL, '0000-00-00');
CREATE TABLE checked (a int CHECK (a > 0), b varchar(10) CHARACTER SET utf8mb4 CHECK (b <> 'it''s; ä'), CONSTRAINT `sum; it's "x"` CHECK (a + length(b) < 100)); CREATE TABLE `checked 2` (a int, CONSTRAINT `a check with a name of sixty-four characters, which is the mos y` CHECK (a IN (1, 2) OR a IS NULL), CHECK (a BETWEEN -1 AND 10));
INSERT INTO checked VALUES (1, 'x'), (NULL, NULL); INSERT INTO `checked 2` VALUES (1);

-- Types.
CREATE TABLE moments (id int PRIMARY KEY, t0 time, t1 time(1), t2 time(2), t3 time(3), t4 time(4), t5 time(5), t6 time(6), d0 datetime, d1 datetime(1), d2 datetime(2), d3 datetime(3), d4 datetime(4), d5 datetime(5), d6 datetime(6), s0 timestamp NULL, s1 timestamp(1) NULL, s2 timestamp(2) NULL, s3 timestamp(3) NULL, s4 timestamp(4) NULL, s5 timestamp(5) NULL, s6 timestamp(6) NULL, d date, y year);
INSERT INTO moments VALUES (1, '-838:59:59', '-00:00:00.1', '12:00:00.25', '0:0:0.001', '1:1:1.0001', '1:1:1.00001', '838:59:58.999999', '0000-00-00', '2001-02-03 04:05:06.7', '2001-02-03 04:05:06.78', '0000-00-00 00:00:00', '9999-12-31 23:59:59.9999', '1000-01-01 00:00:00.00001', '2001-00-00 00:00:00.000001', '1970-01-01 00:00:01', '2038-01-19 03:14:07.9', '2001-03-25 01:30:00.25', '0000-00-00', '2001-01-01 00:00:00.0001', '2001-01-01 00:00:00.00001', '2001-10-28 01:30:00.000001', '0000-00-00', 0), (2, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, '2001-02-00', 1901), (3, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, '2000-02-29', 2155);
CREATE TABLE numbers (a tinyint(3) unsigned zerofill, b smallint zerofill, c mediumint(9), d int(5) zerofill, e bigint unsigned zerofill, f float unsigned, g float(7,3) zerofill, h double(15,5) unsigned, i decimal(10,2) zerofill, k decimal(65,30), l serial, m bool, n bit, o bit(64), p bit(7), q double zerofill);
INSERT INTO numbers VALUES (5, 6, -7, 8, 9, 1.5, 3.25, 2.12345, 1.5, -0.000000000000000000000000000001, 3, 2, 1, x'8000000000000001', 65, 0.1), (NULL, NULL, NULL, NULL, 18446744073709551615, 3.4e38, NULL, NULL, NULL, NULL, 18446744073709551610, -1, NULL, 0, NULL, 1e-300);
CREATE TABLE members (a enum('', 'a', 'it''s', 'b,c', 'ä', 'x ') CHARACTER SET utf8mb4, b set('', 'x', 'it''s', 'ä', 'x;y') CHARACTER SET utf8mb4, c enum('a', 'B') CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL DEFAULT 'B', d set('1', '2', '3', '4', '5', '6', '7', '8', '9', '10', '11', '12', '13', '14', '15', '16', '17', '18', '19', '20', '21', '22', '23', '24', '25', '26', '27', '28', '29', '30', '31', '32', '33', '34', '35', '36', '37', '38', '39', '40', '41', '42', '43', '44', '45', '46', '47', '48', '49', '50', '51', '52', '53', '54', '55', '56', '57', '58', '59', '60', '61', '62', '63', '64'));
INSERT IGNORE INTO members VALUES ('', '', 'a', '64,1'), (0, 0, 'B', 0), ('it''s', 'x,it''s,ä,x;y', 'B', 18446744073709551615), ('b,c', NULL, 'a', NULL), ('none', 'none', 'a', NULL);
CREATE TABLE documents (id int PRIMARY KEY, j json, k json NOT NULL); INSERT INTO documents VALUES (1, '{"a": [1, 2.50, null, true, "ä🦀\\u0000"]}', '[]'), (2, NULL, '"x"'), (3, '-0.0', '1e100');
CREATE TABLE shapes (a geometry, b point, c linestring, d polygon, e multipoint, f multilinestring, g multipolygon, h geometrycollection);
CREATE TABLE `shapes 2` (p point NOT NULL COMMENT 'p; ''x''', g geometry NOT NULL, SPATIAL KEY `p p` (p) COMMENT 'where', SPATIAL KEY (g)) ENGINE=MyISAM;
INSERT INTO shapes VALUES (ST_GeomFromText('POINT(1 2)', 4326), ST_GeomFromText('POINT(-0 1e-300)'), ST_GeomFromText('LINESTRING(0 0,1 1,2 0)'), ST_GeomFromText('POLYGON((0 0,0 5,5 5,5 0,0 0),(1 1,1 2,2 2,2 1,1 1))'), ST_GeomFromText('MULTIPOINT((0 0),(1 1))'), ST_GeomFromText('MULTILINESTRING((0 0,1 1),(2 2,3 3))', 4326), ST_GeomFromText('MULTIPOLYGON(((0 0,0 1,1 1,0 0)),((5 5,5 6,6 6,5 5)))'), ST_GeomFromText('GEOMETRYCOLLECTION(POINT(1 1),LINESTRING(0 0,5 5),POLYGON((0 0,0 1,1 1,0 0)))')), (NULL, NULL, NULL, NULL, NULL, NULL, NULL, ST_GeomFromText('GEOMETRYCOLLECTION EMPTY'));
INSERT INTO `shapes 2` VALUES (ST_GeomFromText('POINT(1 1)'), ST_GeomFromText('LINESTRING(0 0,9 9)')), (ST_GeomFromText('POINT(1 1)'), ST_GeomFromText('POINT(0 0)'));
CREATE TABLE texts (id int PRIMARY KEY, a char(10) CHARACTER SET ascii, b varchar(10) CHARACTER SET latin1 COLLATE latin1_general_cs, c varchar(10) CHARACTER SET latin2, d varchar(10) CHARACTER SET cp1251, e varchar(10) CHARACTER SET koi8r, f varchar(10) CHARACTER SET greek, g varchar(10) CHARACTER SET hebrew, h varchar(10) CHARACTER SET sjis, i varchar(10) CHARACTER SET cp932, k varchar(10) CHARACTER SET ujis, l varchar(10) CHARACTER SET eucjpms, m varchar(10) CHARACTER SET gbk, n varchar(10) CHARACTER SET gb2312, o varchar(10) CHARACTER SET big5, p varchar(10) CHARACTER SET euckr, q varchar(10) CHARACTER SET tis620, r varchar(10) CHARACTER SET utf16, s varchar(10) CHARACTER SET utf16le, t varchar(10) CHARACTER SET utf32, u varchar(10) CHARACTER SET ucs2, v varchar(10) CHARACTER SET utf8mb3 COLLATE utf8mb3_unicode_ci, w text CHARACTER SET utf8mb4 COLLATE utf8mb4_bin, x varchar(10) CHARACTER SET binary, y nchar(5), z nvarchar(5), aa char(0), bb varbinary(0), cc varchar(5) BINARY, dd long varchar, ee long varbinary, ff tinytext, gg mediumblob) DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_520_ci;
INSERT INTO texts (id, a, b, c, d, e, f, g, h, i, k, l, m, n, o, p, q, r, s, t, u, v, w, x, y, z, aa, bb, cc, dd, ee, ff, gg) VALUES (1, 'a\\', 'é\\''', 'ł', 'я', 'я', 'λ', 'א', 'ソ表\\', '表ソ', '表', '表', '表誠\\', '表', '功\\', '한', 'ก', '🦀', '🦀', '🦀', '表', '表', '🦀;', x'00ff', '表', '表', '', '', 'ä', 'ä', x'00', 'ä', x'00'), (2, '', '', '', '', '', '', '', '', '', '', '', '', '', '', '', '', '', '', '', '', '', '', '', '', '', NULL, NULL, '', '', '', '', '');
CREATE TABLE `of latin2` (a varchar(5), b text COLLATE latin2_bin, c enum('ł')) DEFAULT CHARSET=latin2 COLLATE=latin2_hungarian_ci; INSERT INTO `of latin2` VALUES ('ł', 'ł', 'ł');
CREATE TABLE `of binary` (a varchar(5), b char(3) CHARACTER SET utf8mb4, c text) DEFAULT CHARSET=binary; INSERT INTO `of binary` VALUES (x'ff', 'ä', x'fe');

-- Indexes.
CREATE TABLE indexed (id int, a varchar(300), b text, c blob, d int, e int, PRIMARY KEY (id) COMMENT 'it''s; p', KEY `pre fix` (a(10), b(5)), UNIQUE KEY `un"ique` (c(20)), KEY up_down (d DESC, e), KEY `an index with a name of sixty-four characters, which is the mo z` (e) COMMENT 'i; "x" ''y''', FULLTEXT KEY `wo;rds` (a, b), FULLTEXT KEY words_2 (b) COMMENT 'w') DEFAULT CHARSET=utf8mb4;
CREATE TABLE `indexed 2` (id int, a varchar(50), b varchar(50), p point NOT NULL, q geometry NOT NULL, KEY `select` (b) USING BTREE, UNIQUE KEY (a(3), id), FULLTEXT KEY (a), SPATIAL KEY (p), SPATIAL KEY `q q` (q)) ENGINE=MyISAM DEFAULT CHARSET=utf8mb4;
CREATE TABLE `indexed 3` (id int, PRIMARY KEY (id DESC), KEY `down; down` (id DESC), p point NOT NULL, l linestring NOT NULL, SPATIAL KEY (p), SPATIAL KEY `l;l` (l));
INSERT INTO indexed VALUES (1, 'some words', 'more words', 'x', 1, 2), (2, NULL, NULL, NULL, NULL, NULL); INSERT INTO `indexed 2` VALUES (1, 'words', 'b', ST_GeomFromText('POINT(1 1)'), ST_GeomFromText('POINT(1 1)')); INSERT INTO `indexed 3` VALUES (1, ST_GeomFromText('POINT(1 1)'), ST_GeomFromText('LINESTRING(1 1,2 2)'));

-- Foreign keys.
CREATE TABLE parent (id int PRIMARY KEY, a int NOT NULL, b varchar(10) CHARACTER SET utf8mb4 NOT NULL, UNIQUE KEY (a, b)); INSERT INTO parent VALUES (1, 1, 'ä'), (2, 2, 'b');
CREATE TABLE child (id int PRIMARY KEY, p1 int, p2 int, p3 int, p4 int, p5 int, a int, b varchar(10) CHARACTER SET utf8mb4, CONSTRAINT `restrict; it's` FOREIGN KEY (p1) REFERENCES parent (id) ON DELETE RESTRICT ON UPDATE RESTRICT, CONSTRAINT `cascade "x"` FOREIGN KEY (p2) REFERENCES parent (id) ON DELETE CASCADE ON UPDATE CASCADE, CONSTRAINT nulled FOREIGN KEY (p3) REFERENCES parent (id) ON DELETE SET NULL ON UPDATE SET NULL, CONSTRAINT nothing FOREIGN KEY (p4) REFERENCES parent (id) ON DELETE NO ACTION ON UPDATE NO ACTION, FOREIGN KEY (p5) REFERENCES parent (id), CONSTRAINT composite FOREIGN KEY (a, b) REFERENCES parent (a, b) ON DELETE CASCADE);
CREATE TABLE `a child` (a int, b varchar(10) CHARACTER SET utf8mb4, c int, CONSTRAINT `a foreign key with a name of sixty-four characters, which is mst` FOREIGN KEY `its index` (a, b) REFERENCES parent (a, b) ON UPDATE CASCADE, CONSTRAINT r2 FOREIGN KEY (c) REFERENCES parent (id) ON DELETE SET NULL ON UPDATE CASCADE);
INSERT INTO child VALUES (1, 1, 1, 1, 1, 1, 1, 'ä'), (2, NULL, NULL, NULL, NULL, NULL, NULL, NULL); INSERT INTO `a child` VALUES (2, 'b', 2);
CREATE TABLE self (id int PRIMARY KEY, up int, CONSTRAINT `to self` FOREIGN KEY (up) REFERENCES self (id) ON DELETE CASCADE); INSERT INTO self VALUES (1, 1), (2, 1), (3, NULL);
CREATE TABLE `self 2` (a int, b int, c int, d int, PRIMARY KEY (a, b), FOREIGN KEY (c, d) REFERENCES `self 2` (a, b)); INSERT INTO `self 2` VALUES (1, 1, 1, 1), (2, 2, NULL, 5);
SET foreign_key_checks = 0;
CREATE TABLE circle_a (id int PRIMARY KEY, b int, CONSTRAINT ab FOREIGN KEY (b) REFERENCES circle_b (id)); CREATE TABLE circle_b (id int PRIMARY KEY, c int, CONSTRAINT bc FOREIGN KEY (c) REFERENCES `circle c` (id) ON DELETE CASCADE); CREATE TABLE `circle c` (id int PRIMARY KEY, a int, CONSTRAINT ca FOREIGN KEY (a) REFERENCES circle_a (id) ON UPDATE CASCADE);
INSERT INTO circle_a VALUES (1, 1); INSERT INTO circle_b VALUES (1, 1); INSERT INTO `circle c` VALUES (1, 1);
SET foreign_key_checks = 1;
CREATE TABLE generated_child (a int, g int GENERATED ALWAYS AS (a + 1) STORED, CONSTRAINT of_generated FOREIGN KEY (g) REFERENCES parent (id)); INSERT INTO generated_child (a) VALUES (1), (NULL);
CREATE TABLE `generated child` (a int, g int GENERATED ALWAYS AS (a - 1) STORED, CONSTRAINT `of generated` FOREIGN KEY (g) REFERENCES parent (id) ON DELETE RESTRICT); INSERT INTO `generated child` (a) VALUES (3);

-- Routines.
DELIMITER $$
CREATE FUNCTION `twice; "x"` (n int) RETURNS int DETERMINISTIC NO SQL COMMENT 'it''s; "f"' RETURN n * 2$$
CREATE FUNCTION plain() RETURNS varchar(20) CHARSET utf8mb4 COLLATE utf8mb4_bin NOT DETERMINISTIC CONTAINS SQL SQL SECURITY INVOKER RETURN 'it''s; ä'$$
CREATE FUNCTION `a function with a name of sixty-four characters, which is most ö` (a enum('x', 'it''s'), b set('ä') CHARACTER SET utf8mb4, c json, d decimal(10,3), e varchar(5) CHARACTER SET latin1) RETURNS enum('y', 'it''s') CHARSET utf8mb4 READS SQL DATA
BEGIN DECLARE done int DEFAULT 0; DECLARE x varchar(30) CHARACTER SET utf8mb4; DECLARE cur CURSOR FOR SELECT `order` FROM `select`; DECLARE CONTINUE HANDLER FOR NOT FOUND SET done = 1; OPEN cur; again: LOOP FETCH cur INTO x; IF done THEN LEAVE again; END IF; END LOOP; CLOSE cur; RETURN 'y'; END$$
CREATE FUNCTION shape() RETURNS geometry MODIFIES SQL DATA BEGIN /* ; ' */ RETURN ST_GeomFromText('POINT(1 1)'); END$$
CREATE PROCEDURE `pro``cedure` (IN `in put` int, OUT `o"u` varchar(10) CHARACTER SET utf8mb4, INOUT io datetime(3)) MODIFIES SQL DATA SQL SECURITY INVOKER COMMENT 'it''s; "p"'
BEGIN
  -- it's; "x"
  DECLARE EXIT HANDLER FOR SQLEXCEPTION BEGIN SET `o"u` = 'ä'; END;
  IF `in put` > 1 THEN INSERT INTO `select` (`order`) VALUES ('x;'); ELSE SELECT 1; END IF; # it's
END$$
CREATE PROCEDURE `select` () DETERMINISTIC READS SQL DATA SELECT `from` FROM `select`$$
SET sql_mode = 'ANSI_QUOTES,NO_BACKSLASH_ESCAPES,PIPES_AS_CONCAT'$$
CREATE FUNCTION "an""si" (a int) RETURNS varchar(20) CHARSET latin1 DETERMINISTIC NO SQL RETURN 'back\' || a$$
CREATE PROCEDURE "ansi p" () NO SQL COMMENT 'ansi' SELECT 'a\' || 'b' AS "c;c"$$
SET sql_mode = 'NO_AUTO_VALUE_ON_ZERO', NAMES latin1$$
CREATE PROCEDURE of_latin1 (a varchar(10)) CONTAINS SQL SELECT a, 'plain'$$
SET NAMES cp1251$$
CREATE FUNCTION of_cp1251 () RETURNS varchar(10) DETERMINISTIC RETURN 'plain'$$
SET NAMES utf8mb4 COLLATE utf8mb4_bin$$
CREATE PROCEDURE of_bin (a text) SELECT a = 'x'$$
SET NAMES utf8mb4$$

-- Triggers.
CREATE TABLE noted (n int AUTO_INCREMENT PRIMARY KEY, what varchar(100) CHARACTER SET utf8mb4)$$
CREATE TRIGGER `z; first` BEFORE INSERT ON parent FOR EACH ROW SET NEW.b = concat(NEW.b, 'z')$$
CREATE TRIGGER `a second` BEFORE INSERT ON parent FOR EACH ROW FOLLOWS `z; first` SET NEW.b = concat(NEW.b, 'a')$$
CREATE TRIGGER `m "before" all` BEFORE INSERT ON parent FOR EACH ROW PRECEDES `z; first` SET NEW.b = concat(NEW.b, 'm')$$
CREATE TRIGGER `it's after` AFTER INSERT ON parent FOR EACH ROW INSERT INTO noted (what) VALUES (concat('it''s; ä', NEW.id))$$
CREATE TRIGGER `before update` BEFORE UPDATE ON parent FOR EACH ROW BEGIN IF NEW.id <> OLD.id THEN SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'no; ä'; END IF; END$$
CREATE TRIGGER `a trigger with a name of sixty-four characters, which is the mos` AFTER UPDATE ON parent FOR EACH ROW CALL `select`()$$
CREATE TRIGGER before_delete BEFORE DELETE ON parent FOR EACH ROW DELETE FROM noted WHERE what = OLD.b -- it's the end
$$
CREATE TRIGGER after_delete AFTER DELETE ON parent FOR EACH ROW PRECEDES_NOTHING: BEGIN END$$
SET sql_mode = 'ANSI_QUOTES,NO_BACKSLASH_ESCAPES', NAMES latin1$$
CREATE TRIGGER "ansi" BEFORE UPDATE ON "select" FOR EACH ROW SET NEW."order" = 'back\'$$
SET sql_mode = 'STRICT_ALL_TABLES,NO_ZERO_DATE', NAMES utf8mb4 COLLATE utf8mb4_bin$$
CREATE TRIGGER strict AFTER UPDATE ON `select` FOR EACH ROW INSERT INTO noted (what) VALUES ('ä')$$
CREATE TRIGGER `after insert 2` AFTER INSERT ON noted FOR EACH ROW SET @x = 'ä'$$
CREATE TRIGGER `before delete; 2` BEFORE DELETE ON noted FOR EACH ROW SET @x = 1$$
CREATE TRIGGER after_delete_2 AFTER DELETE ON self FOR EACH ROW SET @x = OLD.id$$
CREATE TRIGGER on_isam BEFORE INSERT ON `a b` FOR EACH ROW SET NEW.v = 'ä'$$
SET sql_mode = 'NO_AUTO_VALUE_ON_ZERO', NAMES utf8mb4$$

-- Events.
CREATE EVENT `ev; "1"` ON SCHEDULE EVERY 1 DAY STARTS '2037-01-01 00:00:00' ENDS '2037-12-31 23:59:59' ON COMPLETION PRESERVE ENABLE COMMENT 'it''s; "e"' DO BEGIN DELETE FROM noted WHERE n < 0; DELETE FROM noted WHERE n < -1; END$$
CREATE EVENT `it's once` ON SCHEDULE AT '2037-05-05 05:05:05' ON COMPLETION NOT PRESERVE DISABLE DO DELETE FROM noted WHERE what = 'ä;'$$
CREATE EVENT once ON SCHEDULE AT '2037-05-05 05:05:05' DO DO 1$$
CREATE EVENT past ON SCHEDULE AT '2001-05-05 05:05:05' ON COMPLETION PRESERVE DISABLE DO DO 1$$
CREATE EVENT `hour_minute` ON SCHEDULE EVERY '1:30' HOUR_MINUTE STARTS '2037-01-01 00:00:00' DISABLE DO DO 1$$
CREATE EVENT quarterly ON SCHEDULE EVERY 2 QUARTER STARTS '2037-01-01 00:00:00' DO CALL `select`()$$
CREATE EVENT `from now on` ON SCHEDULE EVERY 3 WEEK DISABLE DO DO 1$$
SET time_zone = 'SYSTEM'$$
CREATE EVENT of_system ON SCHEDULE EVERY 5 YEAR STARTS '2037-01-01 00:00:00' DO DO 1$$
SET time_zone = '-11:30', sql_mode = 'ANSI_QUOTES', NAMES latin1$$
CREATE EVENT "of ""zone" ON SCHEDULE EVERY 1 MONTH STARTS '2037-01-01 00:00:00' DO INSERT INTO "noted" ("what") VALUES ("what")$$
SET time_zone = '+00:00', sql_mode = 'NO_AUTO_VALUE_ON_ZERO', NAMES utf8mb4$$
DELIMITER ;

-- Views; each before what it reads, by name.
CREATE VIEW z_base AS SELECT id, a, b FROM parent WHERE id < 10;
CREATE ALGORITHM=MERGE SQL SECURITY INVOKER VIEW `m; merged` (`spalte "1"`, `it's`) AS SELECT id, concat(b, '; it''s \\ ä') FROM z_base WHERE id > 1;
CREATE ALGORITHM=MERGE VIEW `merged 2` AS SELECT id AS `a``b` FROM z_base WHERE id > 0 WITH LOCAL CHECK OPTION;
CREATE ALGORITHM=TEMPTABLE VIEW `a counted` AS SELECT count(*) AS `count(*)`, max(`it's`) AS most FROM `m; merged` GROUP BY `spalte "1"`;
CREATE ALGORITHM=TEMPTABLE SQL SECURITY INVOKER VIEW a_united AS SELECT id FROM z_base UNION ALL SELECT a FROM parent UNION SELECT 7;
CREATE ALGORITHM=UNDEFINED VIEW `of function` AS SELECT `twice; "x"`(id) AS n, plain() AS p FROM z_base; CREATE VIEW `of function 2` AS SELECT n FROM `of function` WHERE n > plain();
CREATE VIEW local_checked AS SELECT id, a FROM self JOIN (SELECT 1 AS a) one WHERE id > 0; CREATE VIEW `checked 3` AS SELECT id, up FROM self WHERE up > 0 WITH LOCAL CHECK OPTION; CREATE VIEW `checked 4` AS SELECT id, up FROM `checked 3` WHERE id > 0 WITH CASCADED CHECK OPTION; CREATE VIEW `checked 5` AS SELECT a FROM checked WHERE a > 5 WITH CHECK OPTION;
CREATE VIEW recursive_one AS WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5) SELECT i FROM n; CREATE VIEW `with` AS WITH x AS (SELECT id FROM self) SELECT x.id, row_number() OVER (PARTITION BY id ORDER BY id DESC) AS r FROM x;
CREATE VIEW of_json AS SELECT d.id, x.n FROM documents d, JSON_TABLE(d.j, '$.a[*]' COLUMNS (n varchar(20) PATH '$')) x; CREATE VIEW `of json` AS SELECT x.i, x.n FROM JSON_TABLE('[{"a": "it''s"}]', '$[*]' COLUMNS (i FOR ORDINALITY, n varchar(20) CHARACTER SET utf8mb4 PATH '$.a' DEFAULT '"ä"' ON EMPTY)) x;
SET NAMES latin1;
CREATE VIEW `plain of latin1` AS SELECT 'a' AS a, `order` FROM `select` WHERE `order` LIKE 'a\\_%' ESCAPE '|';
SET NAMES cp1251;
CREATE VIEW plain_of_cp1251 AS SELECT 'b' AS b;
SET NAMES utf8mb4, sql_mode = 'ANSI_QUOTES,PIPES_AS_CONCAT';
CREATE VIEW "an""si view" AS SELECT 'a' || "order" AS "x;y", "from" FROM "select";
SET sql_mode = 'NO_AUTO_VALUE_ON_ZERO';
CREATE TRIGGER `of view` BEFORE INSERT ON noted FOR EACH ROW SET NEW.what = (SELECT max(it.`it's`) FROM `m; merged` it); CREATE TRIGGER into_view AFTER UPDATE ON noted FOR EACH ROW INSERT INTO `checked 3` VALUES (NEW.n, `twice; "x"`(3));

-- What only MariaDB knows.
SET sql_mode = 'NO_AUTO_VALUE_ON_ZERO';
CREATE SEQUENCE called START WITH 10 INCREMENT BY 5 CACHE 10; SELECT NEXTVAL(called), NEXTVAL(called);
CREATE SEQUENCE uncalled START WITH 42 NOCACHE;
CREATE SEQUENCE descending START WITH -1 INCREMENT BY -3 MINVALUE -1000 MAXVALUE -1 NOCACHE CYCLE; SELECT NEXTVAL(descending);
CREATE TABLE ma_sequenced (id bigint NOT NULL DEFAULT NEXTVAL(called) PRIMARY KEY, v varchar(10));
INSERT INTO ma_sequenced (v) VALUES ('x'), ('y');
CREATE TABLE ma_versioned (id int PRIMARY KEY, v varchar(10)) WITH SYSTEM VERSIONING;
INSERT INTO ma_versioned VALUES (1, 'now'), (2, 'gone');
UPDATE ma_versioned SET v = 'later' WHERE id = 1;
DELETE FROM ma_versioned WHERE id = 2;
CREATE TABLE ma_explicit (id int PRIMARY KEY, v varchar(10), w int WITHOUT SYSTEM VERSIONING, since timestamp(6) GENERATED ALWAYS AS ROW START INVISIBLE, until timestamp(6) GENERATED ALWAYS AS ROW END INVISIBLE, PERIOD FOR SYSTEM_TIME (since, until)) WITH SYSTEM VERSIONING;
INSERT INTO ma_explicit (id, v, w) VALUES (1, 'a', 1); UPDATE ma_explicit SET v = 'b';
CREATE TABLE ma_period (id int, since date NOT NULL, until date NOT NULL, PERIOD FOR validity (since, until), UNIQUE (id, validity WITHOUT OVERLAPS));
INSERT INTO ma_period VALUES (1, '2020-01-01', '2021-01-01'), (1, '2021-01-01', '2022-01-01');
CREATE TABLE ma_columns (id int PRIMARY KEY, hidden int INVISIBLE DEFAULT 9, p int AS (id + 1) PERSISTENT INVISIBLE, u uuid DEFAULT uuid(), i6 inet6, comp text COMPRESSED, cb blob DEFAULT 'x', e varchar(20) DEFAULT (concat('a;', 'it''s')), KEY (u) IGNORED);
INSERT INTO ma_columns (id, hidden, u, i6, comp) VALUES (1, 10, '123e4567-e89b-12d3-a456-426655440000', '::1', REPEAT('compress me; ', 100)), (2, NULL, NULL, NULL, '');
CREATE TABLE ma_aria (id int AUTO_INCREMENT PRIMARY KEY, v varchar(10)) ENGINE=Aria TRANSACTIONAL=1;
INSERT INTO ma_aria (v) VALUES ('x');
CREATE TABLE ma_descending (a int, b int, KEY up_down (a DESC, b));
INSERT INTO ma_descending VALUES (1, 2);
CREATE TABLE ma_json (id int PRIMARY KEY, j json CHECK (json_valid(j)));
INSERT INTO ma_json VALUES (1, '{"a":1, "a":2, "b": [ ] }'), (2, NULL);
DELIMITER ;;
SET sql_mode = 'ORACLE';;
CREATE PACKAGE tools AS
  FUNCTION f(a INT) RETURN INT;
  PROCEDURE p;
END;;
CREATE PACKAGE BODY tools AS
  FUNCTION f(a INT) RETURN INT AS BEGIN RETURN a + 1; END;
  PROCEDURE p AS BEGIN SELECT 'it''s;'; END;
END;;
CREATE PROCEDURE oracle_style(a IN OUT INT) AS BEGIN a := a + 1; END;;
SET sql_mode = 'NO_AUTO_VALUE_ON_ZERO';;
CREATE AGGREGATE FUNCTION total (x int) RETURNS int BEGIN DECLARE s int DEFAULT 0; DECLARE CONTINUE HANDLER FOR NOT FOUND RETURN s; LOOP FETCH GROUP NEXT ROW; SET s = s + x; END LOOP; END;;
DELIMITER ;
CREATE VIEW ma_history AS SELECT id, v FROM ma_versioned FOR SYSTEM_TIME ALL;

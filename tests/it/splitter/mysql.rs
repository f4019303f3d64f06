//! MySQL and MariaDB.

use super::{Case, Refused, check, refuse};
use crate::support::mysql::{Server, name_of, on_every_server};

async fn cases(server: &'static Server) {
    let database = server.fresh();
    let name = name_of(&database).to_owned();
    let (only, mark) = if server.is_mariadb() { (MARIADB, "MariaDB") } else { (MYSQL, "MySQL") };
    let all: Vec<&Case> = CASES.iter().chain(only).collect();
    let ask = |sql: &str| server.sql(&name, sql).replace('\t', "|").replace('\n', " ");
    check(&database, &all, &format!("{mark} {}", server.version), ask).await;
}

async fn refused(server: &'static Server) {
    let database = server.fresh();
    let name = name_of(&database).to_owned();
    refuse(&database, REFUSED, |sql| server.sql(&name, sql)).await;
}

on_every_server! {
    shared;
    scripts_that_defeat_splitters: super::cases;
    scripts_that_are_no_sql: super::refused;
}

const CASES: &[Case] = &[
    Case {
        name: "2338 a procedure that is called at once",
        script: "DROP PROCEDURE IF EXISTS p2338;\nDELIMITER $$\n CREATE PROCEDURE p2338()\nBEGIN\n    CREATE TABLE t2338 (a int);\n END$$\nDELIMITER ;\nCALL p2338();\nDROP PROCEDURE IF EXISTS p2338;",
        ask: "SELECT table_name FROM information_schema.tables WHERE table_schema = DATABASE() AND table_name = 't2338'",
        answer: "t2338",
    },
    Case {
        name: "2666 a trigger of a bare IF",
        script: "CREATE TABLE t2666 (id int, api_key varchar(50));\nCREATE TRIGGER r2666 BEFORE INSERT ON t2666 FOR EACH ROW IF new.api_key IS NULL THEN SET new.api_key = 'made;up'; END IF;\nINSERT INTO t2666 (id) VALUES (1);\nDROP TRIGGER r2666;\nDELIMITER #\nCREATE TRIGGER r2666 BEFORE INSERT ON t2666 FOR EACH ROW IF new.api_key IS NULL THEN SET new.api_key = 'again'; END IF#\nDELIMITER ;\nINSERT INTO t2666 (id) VALUES (2);",
        ask: "SELECT id, api_key FROM t2666 ORDER BY id",
        answer: "1|made;up 2|again",
    },
    Case {
        name: "2726 a choice as a statement",
        script: "delimiter $$\ncreate procedure p2726(a int)\nbegin\n  case a\n    when 1 then create table t2726 (one int);\n    when 2 then begin create table t2726 (two int); end;\n    else begin end;\n  end case;\nend$$\ndelimiter ;\ncall p2726(2);",
        ask: "SELECT column_name FROM information_schema.columns WHERE table_schema = DATABASE() AND table_name = 't2726'",
        answer: "two",
    },
    Case {
        name: "2737 ELSEIF",
        script: "drop procedure if exists p2737;\n\ndelimiter $$\ncreate procedure p2737(inout p_a int)\nbegin\n  if p_a = 1 then\n    set p_a = 0;\n  elseif p_a = 2 then\n    set p_a = 3;\n  end if;\nend$$\ndelimiter ;\nSET @a = 2;\nCALL p2737(@a);\nCREATE TABLE t2737 (a int);\nINSERT INTO t2737 VALUES (@a);",
        ask: "SELECT a FROM t2737",
        answer: "3",
    },
    Case {
        name: "2762 a condition in parentheses",
        script: "delimiter $$\ncreate procedure p2762()\nbegin\n  create table t2762 (a int);\n  l: loop\n    if (true) then\n      insert into t2762 values (1);\n    end if;\n    if (1 = 1 or 2 = 3) and (select count(*) from t2762) > 2 then\n      leave l;\n    end if;\n  end loop;\nend$$\n\ndelimiter ;\ncall p2762();",
        ask: "SELECT COUNT(*) FROM t2762",
        answer: "3",
    },
    Case {
        name: "2781 IF as a function",
        script: "delimiter $$\ncreate procedure p2781()\nbegin\n  select if(1, 2, 3) from dual;\nend$$\ndelimiter ;\ncall p2781();\nCREATE TABLE t2781 AS SELECT IF(0, 1, 5) AS a;",
        ask: "SELECT a FROM t2781",
        answer: "5",
    },
    Case {
        name: "2798 IF as a function and twice, without an end",
        script: "CREATE TABLE t2798 (a int, b int);\ndelimiter $$\ncreate procedure p2798()\nbegin\n  insert into t2798 select if(1, 2, 3), if(0, 2, 3) from dual;\nend$$\ncall p2798()",
        ask: "SELECT a, b FROM t2798",
        answer: "2|3",
    },
    Case {
        name: "3152 cursors, loops and named blocks without a delimiter",
        script: "CREATE TABLE t3152 (a int, b int);\nINSERT INTO t3152 VALUES (1, 1), (2, 2);\nCREATE TABLE s3152 (a int, n int);\nCREATE PROCEDURE p3152()\n  BEGIN\n    DECLARE n INT DEFAULT 1;\n    DECLARE one INT;\n    DECLARE done_a, done_b BOOLEAN DEFAULT FALSE;\n    DECLARE c1 CURSOR FOR SELECT DISTINCT(`t3152`.`a`) FROM `t3152` WHERE `t3152`.`b` IS NOT NULL ORDER BY 1;\n    DECLARE CONTINUE HANDLER FOR NOT FOUND SET done_a = TRUE;\n    SELECT MAX(`t3152`.`b`) + 1 FROM `t3152` INTO n;\n    OPEN c1;\n    read_loop1:\n    LOOP FETCH c1 INTO one;\n      IF done_a THEN\n        CLOSE c1;\n        LEAVE read_loop1;\n      END IF;\n      BLOCK1 : BEGIN\n        DECLARE two INT;\n        DECLARE c2 CURSOR FOR SELECT b FROM t3152 WHERE a = one;\n        DECLARE CONTINUE HANDLER FOR NOT FOUND SET done_b = TRUE;\n        OPEN c2;\n        read_loop2:\n        LOOP FETCH c2 INTO two;\n          IF done_b THEN\n            SET done_b = FALSE;\n            CLOSE c2;\n            LEAVE read_loop2;\n          END IF;\n          INSERT INTO s3152 VALUES (two, n);\n          SET n = n + 1;\n        END LOOP read_loop2;\n      END BLOCK1;\n    END LOOP read_loop1;\n  END;\nCALL p3152();",
        ask: "SELECT a, n FROM s3152 ORDER BY n",
        answer: "1|3 2|4",
    },
    Case {
        name: "3444 the delimiter on the line after",
        script: "DELIMITER\n$$\nDROP PROCEDURE IF EXISTS p3444 $$\nCREATE PROCEDURE p3444()\nBEGIN\n    CREATE TABLE t3444 (a int);\n    INSERT INTO t3444 VALUES (7);\nEND $$\nDELIMITER ;\nCALL p3444;\nDROP PROCEDURE p3444;",
        ask: "SELECT a FROM t3444",
        answer: "7",
    },
    Case {
        name: "3511 an empty statement, quotes within quotes",
        script: "-- stored procedures\nDELIMITER $$\n$$\nCREATE DEFINER=`root`@`localhost` PROCEDURE `p3511`(\nIN one VARCHAR(150),\nOUT total INT\n)\nBEGIN\nset @w = CONCAT(\"WHERE a > '\",\"2020-01-01\", \"'\");\ncase when one is not null then\nset @w = CONCAT(@w ,\" AND b = '\",one,\"'\");\nelse\nset @w = CONCAT(@w, ' ');\nEND case;\ncase when total is null then set total = 0; else set total = 1; END case;\nset @s = concat(\"CREATE TABLE t3511 AS SELECT 1 AS n;\n\");\n-- SELECT @s;\nPREPARE stmt FROM @s;\nEXECUTE stmt;\nDEALLOCATE PREPARE stmt;\nEND\n$$\nDELIMITER ;\nCALL p3511('x', @n);",
        ask: "SELECT n FROM t3511",
        answer: "1",
    },
    Case {
        name: "1222 a hash as delimiter",
        script: "CREATE TABLE t1222 (pos int, d date);\ndelimiter #\n\ncreate procedure p1222()\n  begin\n    start transaction;\n      alter table t1222 add ref int;\n      update t1222 set ref = (pos + 1) where d is not null;\n      update t1222 set ref = 0 where d is null;\n    commit;\n  end #\n\ndelimiter ;\nINSERT INTO t1222 VALUES (1, NULL), (2, '2020-01-01'); # the end; of it\nCALL p1222();",
        ask: "SELECT pos, ref FROM t1222 ORDER BY pos",
        answer: "1|0 2|3",
    },
    Case {
        name: "337 the delimiter is changed again and again",
        script: "delimiter ;\n\nCREATE TABLE t337 (a int);\n\ndelimiter //\nINSERT INTO t337 VALUES (1) //\nINSERT INTO t337 VALUES (2); //\ndelimiter $$\nINSERT INTO t337 VALUES (4/2)$$\ndelimiter ;\nDELIMITER ;\nINSERT INTO t337 VALUES (3);",
        ask: "SELECT GROUP_CONCAT(a ORDER BY a) FROM t337",
        answer: "1,2,2,3",
    },
    Case {
        name: "2720 an event with a named block",
        script: "CREATE TABLE t2720 (a int);\nDELIMITER //\nCREATE EVENT e2720\nON SCHEDULE EVERY 1 YEAR STARTS CURRENT_TIMESTAMP() + INTERVAL 1 YEAR\nON COMPLETION PRESERVE\nENABLE\nDO\nl: BEGIN\n    DECLARE x SMALLINT;\n    SELECT s.a FROM t2720 AS s WHERE s.a = 1 INTO x;\n    /*\n     *  a remark;\n     */\n    IF NOT EXISTS (\n        SELECT NULL FROM t2720 AS r WHERE r.a = 2\n    ) THEN\n        INSERT INTO t2720 VALUES (2);\n    END IF;\nEND l//\nDELIMITER ;\nCREATE EVENT f2720 ON SCHEDULE EVERY 1 DAY STARTS '2037-01-01' ON COMPLETION PRESERVE DO DELETE FROM t2720;\nALTER EVENT f2720 DO BEGIN DELETE FROM t2720; DELETE FROM t2720; END;\nINSERT INTO t2720 VALUES (9);",
        ask: "SELECT COUNT(*), (SELECT a FROM t2720) FROM information_schema.events WHERE event_schema = DATABASE()",
        answer: "2|9",
    },
    Case {
        name: "2758 IF EXISTS of a query and of a table",
        script: "DROP PROCEDURE IF EXISTS p2758;\n\nDELIMITER //\nCREATE PROCEDURE p2758()\nBEGIN\nIF EXISTS(\nSELECT *\nFROM INFORMATION_SCHEMA.STATISTICS\nWHERE INDEX_SCHEMA = 'mysql'\n) THEN\nDROP TABLE IF EXISTS x2758;\nCREATE TABLE IF NOT EXISTS t2758 (a int);\nEND IF;\nEND //\nDELIMITER ;\nCALL p2758();\nDROP PROCEDURE p2758;\nINSERT INTO t2758 VALUES (1);",
        ask: "SELECT a FROM t2758",
        answer: "1",
    },
    Case {
        name: "2768 hash comments and variables of the server",
        script: "#-------------- don't; stop ------------------------\nDROP procedure if exists p2768;\nDELIMITER $$\n\nCREATE PROCEDURE p2768()\n  BEGIN\n      IF (@@character_set_database != 'utf8mb5'OR @@collation_database != 'utf8mb5_unicode_ci') THEN\n        CREATE TABLE t2768 (a int);\n      END IF;\n  END$$\n\nDELIMITER ;\n\nCALL p2768();\n #-------------- and \"again ------------------------\nDROP procedure if exists p2768;\nINSERT INTO t2768 VALUES (3);",
        ask: "SELECT a FROM t2768",
        answer: "3",
    },
    Case {
        name: "2772 functions as a dump has them",
        script: "DELIMITER ;;\nCREATE DEFINER=`root`@`localhost` FUNCTION `f2772`(in_str VARCHAR(50)) RETURNS varchar(50) CHARSET latin1\n    DETERMINISTIC\nBEGIN\n    DECLARE l_out       VARCHAR(50);\n    SET in_str = TRIM(in_str);\n    IF (INSTR(in_str, '.') > 0) THEN\n        SET l_out = LEFT(in_str, INSTR(in_str, '.') -1);\n    ELSE\n        SET l_out = LEFT(in_str, 19);\n    END IF;\n\n    RETURN IF(ISNULL(l_out), NULL, l_out);\nEND ;;\nDELIMITER ;",
        ask: "SELECT f2772('ab.cd'), f2772(' x ')",
        answer: "ab|x",
    },
    Case {
        name: "2773 temporary tables within a named body",
        script: "DELIMITER $$\nDROP PROCEDURE IF EXISTS p2773$$\nCREATE PROCEDURE `p2773`(IN n INT,IN startTime VARCHAR(126))\nproc:\nBEGIN\n  DECLARE a,b INT;\n  DECLARE c,d DOUBLE DEFAULT 0.0;\n  DROP TEMPORARY TABLE IF EXISTS tmp2773;\n  CREATE TEMPORARY TABLE IF NOT EXISTS tmp2773 (s VARCHAR(128));\n  IF n IS NULL THEN LEAVE proc; END IF;\n  CREATE TABLE t2773 (n int);\nEND$$\nDELIMITER ;\nCALL p2773(NULL, '');\nCALL p2773(1, '');",
        ask: "SELECT COUNT(*) FROM t2773",
        answer: "0",
    },
    Case {
        name: "2786 the delimiter right after a comment",
        script: "-- -----------------------------------------------------\n-- Functions `one`, `two`\n-- -----------------------------------------------------\nDELIMITER |\n\nCREATE FUNCTION f2786(b BINARY(2))\nRETURNS CHAR(5) DETERMINISTIC\nBEGIN\n DECLARE h CHAR(4);\n SET h = HEX(b);\n RETURN CONCAT(LEFT(h, 2), '-', RIGHT(h, 2));\nEND\n|\n\nCREATE FUNCTION g2786(s CHAR(5))\nRETURNS BINARY(2) DETERMINISTIC\nRETURN UNHEX(CONCAT(LEFT(s, 2), RIGHT(s, 2)))\n|\n\nDELIMITER ;\nCREATE TABLE t2786 (a int);",
        ask: "SELECT f2786(g2786('61-62'))",
        answer: "61-62",
    },
    Case {
        name: "2796 an event that calls",
        script: "-- a schedule\nDELIMITER ;;\n\nCREATE PROCEDURE `p2796` ()\nBEGIN\n    DELETE a FROM t2720 a INNER JOIN t337 b ON (a.a = b.a) WHERE b.a = 99 OR a.a < -1;\n\n    DELETE FROM t2720 WHERE a < -2;\nEND ;;\n\nCREATE EVENT `e2796` ON SCHEDULE EVERY 1 HOUR STARTS '2037-01-01 00:00:00' DO CALL p2796() ;;\n\nDELIMITER ;\nCALL p2796();\nDROP EVENT e2796;",
        ask: "SELECT routine_type FROM information_schema.routines WHERE routine_schema = DATABASE() AND routine_name = 'p2796'",
        answer: "PROCEDURE",
    },
    Case {
        name: "2861 a view of IF and CASE, and a comment that lies",
        script: "-- a view\nCREATE OR REPLACE VIEW v2861 AS\nSELECT\n  IF((1 = 1), 1, 0) as col_1,\n  IF((2 = 2), 2, 0) as col_2,\n  -- END IF\n  CASE\n    WHEN 3 = 3\n    THEN (SELECT 3)\n    ELSE (SELECT 9)\n  END AS col_3\n;\nCREATE TABLE t2861 (a int);",
        ask: "SELECT * FROM v2861",
        answer: "1|2|3",
    },
    Case {
        name: "2924 a choice in ORDER BY",
        script: "CREATE TABLE t2924 (`name` varchar(9));\nINSERT INTO t2924 VALUES (NULL), ('b'), ('a');\nCREATE TABLE s2924 (name varchar(9), n int AUTO_INCREMENT PRIMARY KEY);\nDELIMITER //\nCREATE PROCEDURE p2924(in totals enum('Y','N'))\nBEGIN\n    IF totals = 'Y' THEN\n        INSERT INTO s2924 (name) SELECT * FROM t2924\n        ORDER BY CASE WHEN `name` is null then 1 else 0 end, `name`;\n    ELSE\n        SELECT * from t2924;\n    END IF;\nEND //\nDELIMITER ;\nCALL p2924('Y');",
        ask: "SELECT GROUP_CONCAT(IFNULL(name, '-') ORDER BY n) FROM s2924",
        answer: "a,b,-",
    },
    Case {
        name: "3010 FOR UPDATE, and an IF on one line",
        script: "CREATE TABLE t3010 (id int, produced int, quantity int);\nINSERT INTO t3010 VALUES (1, 1, 2);\nCREATE PROCEDURE `p3010`(\n\tIN `req` INT,\n\tOUT `ret` INT\n)\nBEGIN\n\tDECLARE P INT;\n\tDECLARE T INT;\n\tselect `produced`,`quantity` INTO P,T from `t3010` where `id`=req for update;\n\tupdate `t3010` set `produced`=P+1 where `id`=req;\n\tif p+1=t then SET ret=1;\n\tELSE SET ret=0;\n\tEND if;\nEND;\nCALL p3010(1, @r);",
        ask: "SELECT produced FROM t3010",
        answer: "2",
    },
    Case {
        name: "names that are keywords",
        script: "CREATE TABLE kw (begin int, end int, `case` int, `loop` int, `delimiter` int);\nCREATE PROCEDURE pkw()\nBEGIN\n  INSERT INTO kw (begin, end) VALUES (1, 2);\n  UPDATE kw SET end = 3, kw.begin = 4 WHERE end = 2;\n  SELECT begin, end FROM kw;\n  SELECT kw.end AS `end`, @end, `loop` FROM kw;\nEND;\nSELECT end, begin FROM kw;\nCALL pkw();\nSELECT\ndelimiter FROM kw;",
        ask: "SELECT begin, end FROM kw",
        answer: "4|3",
    },
    Case {
        name: "choices where a block could begin or end",
        script: "CREATE TABLE odd (begin int, end int);\nINSERT INTO odd VALUES (3, 4);\nCREATE TABLE said_odd (n int);\nCREATE PROCEDURE podd()\nBEGIN\n  DECLARE i INT DEFAULT 0;\n  INSERT INTO said_odd SELECT CASE WHEN 1 THEN begin ELSE end END FROM odd;\n  REPEAT SET i = i + 1; UNTIL CASE WHEN i > 2 THEN 1 ELSE 0 END END REPEAT;\n  INSERT INTO said_odd VALUES (i);\n  IF CASE i WHEN 3 THEN 1 END THEN INSERT INTO said_odd VALUES (30); END IF;\nEND;\nCALL podd();\nCREATE TRIGGER IF NOT EXISTS todd BEFORE INSERT ON odd FOR EACH ROW IF CASE WHEN NEW.begin > 5 THEN NEW.end ELSE NULL END THEN SET NEW.end = 99; END IF;\nINSERT INTO odd VALUES (6, 1);",
        ask: "SELECT GROUP_CONCAT(n ORDER BY n), (SELECT MAX(end) FROM odd) FROM said_odd",
        answer: "3,3,30|99",
    },
    Case {
        name: "two dashes without a blank",
        script: "--a remark; as Flyway has it\n--and 'another\nCREATE TABLE dashes AS SELECT 5--3 AS n; --and; 'one more\nINSERT INTO dashes VALUES (1--1); -- the end; of it\n--",
        ask: "SELECT GROUP_CONCAT(n ORDER BY n) FROM dashes",
        answer: "2,8",
    },
    Case {
        name: "strings, names and comments that hold everything",
        script: "CREATE TABLE `odd;``name` (`a;b` varchar(40) COMMENT 'x; y', `/*` varchar(40)) /* ; don't */;\nINSERT INTO `odd;``name` VALUES ('it\\'s; so', \"c\\\";\"\"d\"), ('back\\\\', '--'), ('#', '/*');\nINSERT INTO `odd;``name` VALUES ('$$', 'DELIMITER //'); # '\nCREATE TABLE product AS SELECT 2 */* two */ 3 AS n, 7 /*/ ; /*/ AS m;",
        ask: "SELECT `a;b`, `/*`, n, m FROM `odd;``name`, product ORDER BY BINARY `a;b`",
        answer: "#|/*|6|7 $$|DELIMITER //|6|7 back\\\\|--|6|7 it's; so|c\";\"d|6|7",
    },
    Case {
        name: "comments that are executed",
        script: "/*!40101 SET @old_mode = @@sql_mode */;\nCREATE TABLE exec_c (n int) /*!40100 DEFAULT CHARSET=utf8mb4 */;\n/*!50003 INSERT INTO exec_c VALUES (1) */;\n/*! INSERT INTO exec_c VALUES (2 /*+ no; hint */) */;\n/*!99999 this; is 'no server's */;\nINSERT INTO exec_c VALUES (3 /*! + 10 */);\nDELIMITER ;;\n/*!50003 CREATE*/ /*!50017 DEFINER=`root`@`localhost`*/ /*!50003 TRIGGER exec_t BEFORE INSERT ON exec_c FOR EACH ROW BEGIN SET NEW.n = NEW.n + 100; /* ; */ SET @x = ';;'; END */;;\nDELIMITER ;\nINSERT INTO exec_c VALUES (4);",
        ask: "SELECT GROUP_CONCAT(n ORDER BY n) FROM exec_c",
        answer: "1,2,13,104",
    },
    Case {
        name: "every loop without a delimiter",
        script: "CREATE TABLE loops (what varchar(20));\nCREATE PROCEDURE ploops()\nBEGIN\n  DECLARE i INT DEFAULT 0;\n  DECLARE EXIT HANDLER FOR SQLEXCEPTION BEGIN INSERT INTO loops VALUES ('caught'); END;\n  WHILE i < 2 DO SET i = i + 1; INSERT INTO loops VALUES (REPEAT('w', i)); END WHILE;\n  REPEAT SET i = i - 1; INSERT INTO loops VALUES (CONCAT('r', i)); UNTIL i <= 0 END REPEAT;\n  r: REPEAT SET i = i + 1; UNTIL i > 3 END REPEAT r;\n  INSERT INTO loops VALUES (CASE WHEN i > 3 THEN CASE i WHEN 4 THEN 'four' END ELSE 'other' END);\n  INSERT INTO nowhere VALUES (1);\nEND;\nCALL ploops();\nINSERT INTO loops VALUES ('after');",
        ask: "SELECT GROUP_CONCAT(what ORDER BY what) FROM loops",
        answer: "after,caught,four,r0,r1,w,ww",
    },
    Case {
        name: "line ends of Windows, and a delimiter of letters",
        script: "DELIMITER go\r\nCREATE TABLE crlf (a int)\r\ngo\r\nCREATE PROCEDURE pcrlf()\r\nBEGIN\r\n  -- it's; so\r\n  INSERT INTO crlf VALUES (1);\r\n  INSERT INTO crlf SELECT a + 1 FROM crlf AS gone;\r\nEND\r\ngo\r\nDELIMITER ;\r\nCALL pcrlf();\r\n",
        ask: "SELECT GROUP_CONCAT(a ORDER BY a) FROM crlf",
        answer: "1,2",
    },
    Case {
        name: "a dollar in names beside a delimiter of dollars",
        script: "CREATE TABLE do$lar (a$b int);\nDELIMITER $$\nINSERT INTO do$lar (a$b) VALUES (1)$$\nINSERT INTO do$lar VALUES (2)$$ INSERT INTO do$lar VALUES (3)\n$$\nDELIMITER ;\nINSERT INTO do$lar VALUES (4);",
        ask: "SELECT GROUP_CONCAT(a$b ORDER BY 1) FROM do$lar",
        answer: "1,2,3,4",
    },
];

const MARIADB: &[Case] = &[
    Case {
        name: "3123 a compound statement outside of a program",
        script: "CREATE TABLE t3123 (a int);\nBEGIN NOT ATOMIC IF NOT FALSE THEN\n    INSERT INTO t3123 VALUES (1);\nEND IF;\nEND;\nBEGIN NOT ATOMIC\n  DECLARE x INT DEFAULT 2;\n  IF x > 1 THEN INSERT INTO t3123 VALUES (x); END IF;\nEND;\nIF (SELECT COUNT(*) FROM t3123) = 2 THEN INSERT INTO t3123 VALUES (3); INSERT INTO t3123 VALUES (4); END IF;\nFOR i IN 5..6 DO INSERT INTO t3123 VALUES (i); END FOR;",
        ask: "SELECT GROUP_CONCAT(a ORDER BY a) FROM t3123",
        answer: "1,2,3,4,5,6",
    },
    Case {
        name: "3894 a trigger at the end of the script",
        script: "CREATE TABLE t3894 (id INT auto_increment NOT NULL, tenant INT NOT NULL, CONSTRAINT t3894_PK PRIMARY KEY (id));\nCREATE TABLE u3894 (who varchar(100) NOT NULL, tenant INT NOT NULL);\nINSERT INTO t3894 (tenant) VALUES (7);\n\nCREATE OR REPLACE TRIGGER r3894\n    BEFORE INSERT\n    ON t3894\n    FOR EACH ROW\nBEGIN\n    IF NOT EXISTS(SELECT ut.tenant FROM u3894 ut WHERE ut.tenant = NEW.tenant AND ut.who = @who)\n    THEN\n        SIGNAL SQLSTATE '45000'\n            SET MESSAGE_TEXT = 'Not allowed';\n    END IF;\nEND\n",
        ask: "SELECT (SELECT COUNT(*) FROM t3894), trigger_name FROM information_schema.triggers WHERE trigger_schema = DATABASE() AND trigger_name = 'r3894'",
        answer: "1|r3894",
    },
    Case {
        name: "comments that MariaDB alone executes",
        script: "/*M!999999\\- enable the sandbox mode */ \nCREATE TABLE mexec (n int);\n/*M!100100 INSERT INTO mexec VALUES (1) */;\nINSERT INTO mexec VALUES (2 /*M! + 10 */);",
        ask: "SELECT GROUP_CONCAT(n ORDER BY n) FROM mexec",
        answer: "1,12",
    },
];

const MYSQL: &[Case] = &[Case {
    name: "comments that MariaDB alone executes",
    script: "/*M!999999\\- enable the sandbox mode */ \nCREATE TABLE mexec (n int);\nINSERT INTO mexec VALUES (2 /*M! + 10 */);\n/*M!100100 INSERT INTO mexec VALUES (1) */;",
    ask: "SELECT GROUP_CONCAT(n ORDER BY n) FROM mexec",
    answer: "2",
}];

const REFUSED: &[Refused] = &[
    Refused {
        script: "SELECT 1;\nCREATE PROCEDURE p()\nBEGIN\n  IF 1 THEN SELECT 1;\nEND;\nSELECT 2;",
        line: 2,
        why: "a block of a stored program never ends",
    },
    Refused {
        script: "/* a\n /* nested */\n one */\nSELECT 1;",
        line: 3,
        why: "a comment ends here that began nowhere: MySQL's comments do not nest",
    },
    Refused { script: "SELECT 1;\n/* /* */\n/* SELECT 2;", line: 3, why: "a comment never ends" },
    Refused {
        script: "SELECT 1\nDELIMITER $$\nSELECT 2$$",
        line: 2,
        why: "the delimiter is changed in the middle of a statement",
    },
    Refused { script: "DELIMITER\nSELECT 1;", line: 1, why: "`DELIMITER` is followed by nothing" },
    Refused { script: "SELECT 1\\G", line: 1, why: "a command of the mysql client (a backslash outside quotes) is not SQL" },
    Refused { script: "SELECT 'it''s\n;", line: 1, why: "a string never ends" },
];

//! MySQL and MariaDB: every kind of object that they know, at least twice (under names that mislead), through every way of a restore: it is
//! equal afterwards, by the word of `SHOW CREATE`, of `information_schema` and of every row, or it is told.

use upkeep::config::Database;
use upkeep::engine::{LoadMode, MayRestore};

use crate::support::mysql::{Server, dump, load, name_of, on_every_server};

on_every_server! { shared;
    every_kind_of_object_is_equal_after_every_restore: every_kind;
}

/// The kinds, by words that each of them has in what the server says of it. What is not among them: tables whose rows are elsewhere and
/// temporary ones, which are told or nobody's; what belongs to the server (accounts, tablespaces, plugins, reference systems).
const OF_BOTH: [(&str, &str); 92] = [
    ("table of InnoDB", ") ENGINE=InnoDB"),
    ("table of MyISAM", ") ENGINE=MyISAM"),
    ("table of MEMORY", ") ENGINE=MEMORY"),
    ("table of CSV", ") ENGINE=CSV"),
    ("table of ARCHIVE", ") ENGINE=ARCHIVE"),
    ("row format redundant", "ROW_FORMAT=REDUNDANT"),
    ("row format compact", "ROW_FORMAT=COMPACT"),
    ("row format dynamic", "ROW_FORMAT=DYNAMIC"),
    ("row format compressed", "KEY_BLOCK_SIZE="),
    ("options of MyISAM", "PACK_KEYS="),
    ("most rows", "MAX_ROWS="),
    ("options of statistics", "STATS_SAMPLE_PAGES="),
    ("counter", "AUTO_INCREMENT="),
    ("comment of a table", " COMMENT='"),
    ("comment of a column", " COMMENT '"),
    ("partition by RANGE", "PARTITION BY RANGE "),
    ("partition by RANGE COLUMNS", "RANGE  COLUMNS"),
    ("partition by LIST", "PARTITION BY LIST "),
    ("partition by LIST COLUMNS", "LIST  COLUMNS"),
    ("partition by HASH", "PARTITION BY HASH "),
    ("partition by LINEAR HASH", "PARTITION BY LINEAR HASH "),
    ("partition by KEY", "PARTITION BY KEY "),
    ("partition by KEY of old", "ALGORITHM = 1"),
    ("partition by LINEAR KEY", "PARTITION BY LINEAR KEY "),
    ("subpartition by HASH", "SUBPARTITION BY "),
    ("subpartition by KEY", "SUBPARTITION BY KEY "),
    ("comment of a partition", " COMMENT = '"),
    ("virtual column", "GENERATED ALWAYS AS "),
    ("stored column", " STORED"),
    ("hidden column", "INVISIBLE"),
    ("default by expression", "DEFAULT ("),
    ("default of now", "DEFAULT CURRENT_TIMESTAMP"),
    ("update to now", "ON UPDATE CURRENT_TIMESTAMP"),
    ("moment of zero", "0000-00-00"),
    ("check", " CHECK ("),
    ("bit", " bit("),
    ("enum", " enum("),
    ("set", " set("),
    ("unsigned with zeros", " zerofill"),
    ("moment with a fraction", "(6)"),
    ("document", " json"),
    ("geometry", "` geometry"),
    ("point", "` point"),
    ("linestring", "` linestring"),
    ("collation of a column", " COLLATE "),
    ("character set of a column", "CHARACTER SET "),
    ("index on the beginning", "(10)"),
    ("descending index", "DESC"),
    ("index by HASH", "USING HASH"),
    ("index by BTREE", "USING BTREE"),
    ("fulltext index", "FULLTEXT KEY "),
    ("spatial index", "SPATIAL KEY "),
    ("unique index", "UNIQUE KEY "),
    ("foreign key", " FOREIGN KEY "),
    ("foreign key with CASCADE", "ON DELETE CASCADE"),
    ("foreign key with CASCADE of updates", "ON UPDATE CASCADE"),
    ("foreign key with SET NULL", "ON DELETE SET NULL"),
    ("view", "VIEW `"),
    ("view of no algorithm", "ALGORITHM=UNDEFINED"),
    ("view that is merged", "ALGORITHM=MERGE"),
    ("view that is a table", "ALGORITHM=TEMPTABLE"),
    ("view of the invoker", "SQL SECURITY INVOKER VIEW"),
    ("view of the definer", "SQL SECURITY DEFINER VIEW"),
    ("local check", "WITH LOCAL CHECK OPTION"),
    ("cascaded check", "WITH CASCADED CHECK OPTION"),
    ("view with a recursion or WITH", "AS with "),
    ("view of JSON_TABLE", "JSON_TABLE("),
    ("function", " FUNCTION "),
    ("procedure", " PROCEDURE "),
    ("routine without SQL", "NO SQL"),
    ("routine that reads", "READS SQL DATA"),
    ("routine that writes", "MODIFIES SQL DATA"),
    ("routine of the invoker", "SQL SECURITY INVOKER\\n"),
    ("object of ANSI quotes", "ANSI_QUOTES"),
    ("object of latin1", "\tlatin1\t"),
    ("object of cp1251", "\tcp1251\t"),
    ("trigger before insert", "BEFORE INSERT"),
    ("trigger after insert", "AFTER INSERT"),
    ("trigger before update", "BEFORE UPDATE"),
    ("trigger after update", "AFTER UPDATE"),
    ("trigger before delete", "BEFORE DELETE"),
    ("trigger after delete", "AFTER DELETE"),
    ("event that repeats", " EVERY "),
    ("event of once", " AT '"),
    ("event that is kept", "ON COMPLETION PRESERVE"),
    ("event that is enabled", "PRESERVE ENABLE"),
    ("event that is disabled", "PRESERVE DISABLE"),
    ("event of another server", "PRESERVE DISABLE ON "),
    ("event of a zone", "-11:30"),
    ("name of 64 characters", "sixty-four characters"),
    ("object of another definer", "`@`localhost`"),
    ("name of no Latin letters", "表"),
];

const OF_MARIADB: [(&str, &str); 27] = [
    ("sequence", " SEQUENCE=1"),
    ("sequence that repeats", " cycle "),
    ("default of a sequence", "nextval("),
    ("table of Aria", ") ENGINE=Aria"),
    ("compressed pages", "`PAGE_COMPRESSED`='1'"),
    ("compressed column", "COMPRESSED*/"),
    ("no encryption", "`ENCRYPTED`='NO'"),
    ("quotes of CSV", "`IETF_QUOTES`="),
    ("history", "WITH SYSTEM VERSIONING"),
    ("column without history", "WITHOUT SYSTEM VERSIONING"),
    ("period of a history", "PERIOD FOR SYSTEM_TIME"),
    ("partition by SYSTEM_TIME", "BY SYSTEM_TIME"),
    ("partition by SYSTEM_TIME LIMIT", "BY SYSTEM_TIME LIMIT"),
    ("partition by SYSTEM_TIME INTERVAL", "BY SYSTEM_TIME INTERVAL"),
    ("partition of all others", " DEFAULT "),
    ("period", "PERIOD FOR `"),
    ("index without overlaps", "WITHOUT OVERLAPS"),
    ("uuid", " uuid"),
    ("inet6", " inet6"),
    ("inet4", " inet4"),
    ("ignored index", "IGNORED"),
    ("checked document", "json_valid("),
    ("package", " PACKAGE \""),
    ("package body", "PACKAGE BODY "),
    ("aggregate function", "AGGREGATE FUNCTION "),
    ("object of Oracle's mode", "ORACLE"),
    ("view of a history", "FOR SYSTEM_TIME "),
];

const OF_MYSQL: [(&str, &str); 21] = [
    ("functional index", "` (("),
    ("index of an array", "array)"),
    ("invisible index", "/*!80000 INVISIBLE */"),
    ("fulltext index with a parser", "WITH PARSER `ngram`"),
    ("reference system", "SRID "),
    ("check that is not enforced", "NOT ENFORCED"),
    ("vector", "` vector("),
    ("invisible key of the server's", "`my_row_id`"),
    ("format of a column", "COLUMN_FORMAT "),
    ("storage of a column", "STORAGE "),
    ("size of steps", "AUTOEXTEND_SIZE="),
    ("compressed pages", "COMPRESSION='"),
    ("tablespace", "TABLESPACE `"),
    ("histogram", "number-of-buckets-specified"),
    ("collation of 9.0", "utf8mb4_0900_"),
    ("library", "CREATE LIBRARY "),
    ("routine of a library", "USING ("),
    ("lateral view", "lateral"),
    ("JSON duality view", "DUALITY VIEW"),
    ("attribute of an engine", "_ATTRIBUTE "),
    ("second engine", "SECONDARY_ENGINE="),
];

/// Parts of a server's dictionary that are no part of a database's definition; columns with times and sizes; what the server words anew when
/// it reads its own `SHOW CREATE VIEW`; whose a library is, which is whoever makes it; reference systems of MariaDB, which are told.
const NOT_ITS_OWN: &str = "TABLE_NAME IN ('FILES', 'INDEX_STATISTICS', 'TABLE_STATISTICS') OR TABLE_NAME LIKE '%PRIVILEGES' OR TABLE_NAME LIKE 'ROLE%GRANTS' \
    OR COLUMN_NAME IN ('TABLE_ROWS', 'AVG_ROW_LENGTH', 'DATA_LENGTH', 'MAX_DATA_LENGTH', 'INDEX_LENGTH', 'MAX_INDEX_LENGTH', 'DATA_FREE', \
      'CREATE_TIME', 'UPDATE_TIME', 'CHECK_TIME', 'CARDINALITY', 'CREATED', 'LAST_ALTERED', 'LAST_EXECUTED', \
      'VIEW_DEFINITION', 'WHERE_CLAUSE', 'CREATOR') OR (TABLE_NAME = 'GEOMETRY_COLUMNS' AND COLUMN_NAME = 'SRID')";
const ITS_SCHEMA: &str = "'TABLE_SCHEMA', 'SCHEMA_NAME', 'CONSTRAINT_SCHEMA', 'TRIGGER_SCHEMA', 'ROUTINE_SCHEMA', 'SPECIFIC_SCHEMA', \
    'EVENT_SCHEMA', 'VIEW_SCHEMA', 'LIBRARY_SCHEMA', 'F_TABLE_SCHEMA', 'SEQUENCE_SCHEMA'";

/// Whatever the server's dictionary says of a database: every row of every table of it that has a column for the database.
fn dictionary(server: &Server, name: &str) -> Vec<String> {
    let value =
        "IF(COLUMN_NAME = 'HISTOGRAM', 'JSON_REMOVE(HISTOGRAM, ''$.\"last-updated\"'')', CONCAT('`', COLUMN_NAME, '`'))";
    let list = format!(
        "SET SESSION group_concat_max_len = 1048576; SELECT CONCAT('SELECT ''', TABLE_NAME, ''', ', \
           GROUP_CONCAT({value} ORDER BY ORDINAL_POSITION), ' FROM information_schema.', TABLE_NAME, ' WHERE ', \
           SUBSTRING_INDEX(GROUP_CONCAT(IF(COLUMN_NAME IN ({ITS_SCHEMA}), COLUMN_NAME, NULL) ORDER BY ORDINAL_POSITION), ',', 1), ' = DATABASE();') \
         FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = 'information_schema' AND NOT ({NOT_ITS_OWN}) \
         GROUP BY TABLE_NAME HAVING SUM(COLUMN_NAME IN ({ITS_SCHEMA})) > 0"
    );
    let mut queries = server.sql(name, &list);
    if server.is_mariadb() {
        queries.push_str(
            "SELECT 'column_stats', table_name, column_name, min_value, max_value FROM mysql.column_stats WHERE db_name = DATABASE(); \
             SELECT 'index_stats', table_name, index_name, prefix_arity FROM mysql.index_stats WHERE db_name = DATABASE();",
        );
    }
    let stale = if server.is_mariadb() { "" } else { "SET information_schema_stats_expiry = 0; " };
    let rows = server.sql(name, &format!("{stale}{queries}"));
    let mut rows: Vec<String> = rows.lines().map(|line| line.replace(name, "DB")).collect();
    rows.sort();
    rows.dedup();
    rows
}

/// All that is compared of a database.
#[derive(Debug)]
struct All {
    name: String,
    schema: Vec<String>,
    dictionary: Vec<String>,
    content: Vec<String>,
}

impl All {
    fn of(server: &Server, name: &str) -> Self {
        let lines = |text: String| text.lines().map(|line| line.replace(name, "DB")).collect::<Vec<_>>();
        Self {
            name: name.to_owned(),
            schema: lines(server.schema(name)),
            dictionary: dictionary(server, name),
            content: lines(server.content(name)),
        }
    }

    /// Where a package stands in the text of an archive it stands with its database.
    #[track_caller]
    fn is_that_of(&self, server: &Server, copy: &str, way: &str) {
        let mut copy = Self::of(server, copy);
        if way == "by hand" {
            copy.schema.iter_mut().for_each(|line| *line = line.replace(&self.name, "DB"));
        }
        for (wanted, found) in
            [(&self.schema, &copy.schema), (&self.dictionary, &copy.dictionary), (&self.content, &copy.content)]
        {
            let missing: Vec<&String> = wanted.iter().filter(|line| !found.contains(line)).collect();
            let more: Vec<&String> = found.iter().filter(|line| !wanted.contains(line)).collect();
            assert!(wanted == found, "{way}: missing {missing:#?}, instead {more:#?}");
        }
    }

    fn count(&self, words: &str) -> usize {
        let words = words.to_lowercase();
        self.schema.iter().chain(&self.dictionary).map(|line| line.to_lowercase().matches(&words).count()).sum()
    }
}

/// What belongs to the server and is used by the database of kinds.
struct Used {
    definers: [String; 2],
    tablespace: String,
}

impl Used {
    fn make_definers(&self, server: &Server) {
        for definer in &self.definers {
            let account = format!("'{definer}'@'localhost'");
            server.sql("", &format!("CREATE USER {account}; GRANT SELECT, EXECUTE ON *.* TO {account}"));
        }
    }

    /// Takes all of it from the server, with the databases that use it.
    fn take_away(&self, server: &Server, databases: &[&str]) {
        databases.iter().for_each(|name| _ = server.sql("", &format!("DROP DATABASE `{name}`")));
        self.definers.iter().for_each(|definer| _ = server.sql("", &format!("DROP USER '{definer}'@'localhost'")));
        if !server.is_mariadb() {
            server.sql("", &format!("DROP TABLESPACE `{}`", self.tablespace));
        }
    }
}

/// Whether it has the engine ARCHIVE, which is a plugin of MariaDB's and not with every way to have a server.
fn has_archive(server: &Server) -> bool {
    !server.is_mariadb() || server.try_sql("", "INSTALL PLUGIN IF NOT EXISTS archive SONAME 'ha_archive'").is_ok()
}

/// A database of every kind, whose name is to be quoted.
fn kinds(server: &Server) -> (Database, Used) {
    let plain = server.fresh_name();
    let used = Used { definers: [format!("one of {plain}"), format!("oth;er {plain}")], tablespace: format!("ts; {plain}") };
    let (name, tablespace) = (format!("kinds é-{plain} select"), &used.tablespace);
    used.make_definers(server);
    server.sql("", &format!("CREATE DATABASE `{name}` CHARACTER SET latin1 COLLATE latin1_german2_ci"));
    if server.is_mariadb() {
        let comment = format!("ALTER DATABASE `{name}` COMMENT 'it''s; \"db\"'");
        server.sql("", &comment);
    }
    let of_both = include_str!("support/kinds_mysql.sql");
    match has_archive(server) {
        true => server.sql(&name, of_both),
        false => server.sql(&name, &of_both.replace("ENGINE=ARCHIVE", "ENGINE=MyISAM")),
    };
    match server.is_mariadb() {
        true => server.sql(&name, include_str!("support/kinds_mariadb_only.sql")),
        false => server.sql(&name, include_str!("support/kinds_mysql_only.sql")),
    };
    for (at, definer) in used.definers.iter().enumerate() {
        let of = format!("DEFINER = `{definer}`@`localhost`");
        server.sql(
            &name,
            &format!(
                "CREATE {of} VIEW `0 of {at}` AS SELECT id FROM self; CREATE {of} FUNCTION `0 of {at}`() RETURNS int DETERMINISTIC RETURN {at}; \
                 CREATE {of} PROCEDURE `0 of {at}`() SELECT {at}; CREATE {of} TRIGGER `0 of {at}` BEFORE UPDATE ON self FOR EACH ROW SET @a = {at}; \
                 CREATE {of} EVENT `0 of {at}` ON SCHEDULE EVERY 1 YEAR STARTS '2037-01-01 00:00:00' DO DO {at}"
            ),
        );
    }
    if !server.is_mariadb() {
        server.sql(
            &name,
            &format!(
                "CREATE TABLESPACE `{tablespace}` ADD DATAFILE 'ts_{plain}.ibd'; CREATE TABLE `in one` (a int) TABLESPACE `{tablespace}`; \
                 CREATE TABLE `in one; too` (a int PRIMARY KEY, b text) TABLESPACE `{tablespace}`; \
                 CREATE TABLE in_parts (a int) PARTITION BY HASH (a) (PARTITION p0 TABLESPACE `innodb_file_per_table`, PARTITION p1); \
                 INSERT INTO `in one` VALUES (1); INSERT INTO in_parts VALUES (1), (2)"
            ),
        );
    }
    (server.database(&name), used)
}

async fn every_kind(server: &Server) {
    let (source, used) = kinds(server);
    let name = name_of(&source);
    let all = All::of(server, name);
    let own = if server.is_mariadb() { &OF_MARIADB[..] } else { &OF_MYSQL[..] };
    let archive = has_archive(server);
    for (kind, words) in OF_BOTH.iter().chain(own).filter(|(kind, _)| archive || *kind != "table of ARCHIVE") {
        let count = all.count(words);
        println!("{kind}: {count}");
        assert!(count >= 2, "{kind} is not there twice");
    }
    let dir = tempfile::tempdir().unwrap();
    let sealed = dump(&source, dir.path(), 2).await.unwrap();
    let left: Vec<&str> = sealed.manifest.left_out.iter().map(|left| left.what.as_str()).collect();
    let told = [
        "reference system 4326 of column g of table referenced",
        "reference system 101 of column p of table referenced",
        "reference system 4326 of column l of table referenced 2",
    ];
    assert_eq!(left, if server.is_mariadb() { &told[..] } else { &[] });
    let by_hand = format!("hand {name}");
    server.sql("", &format!("CREATE DATABASE `{by_hand}`"));
    server.restore_by_hand(&sealed.path, &by_hand).unwrap();
    all.is_that_of(server, &by_hand, "by hand");
    let clean = server.database(&format!("clean {name}"));
    let copy = name_of(&clean);
    for (mode, way) in [(LoadMode::Clean, "into an empty database"), (LoadMode::Replace, "beside")] {
        assert_eq!(load(&clean, &sealed, mode).await.unwrap().warnings, Vec::<String>::new(), "{way}");
        all.is_that_of(server, copy, way);
    }
    let as_user = server.database_as(copy, &in_place_user(server, copy));
    let may = upkeep::engine::mysql::may_read(&as_user).await.unwrap().restore;
    assert!(matches!(may, MayRestore::InPlace(_)), "{may:?}");
    let loaded = load(&as_user, &sealed, LoadMode::Replace).await.unwrap();
    assert_eq!(loaded.warnings, Vec::<String>::new());
    all.is_that_of(server, copy, "in place");
    // And where nothing of it is.
    used.take_away(server, &[name, copy, &by_hand]);
    let bare = server.database(&format!("bare {name}"));
    let warnings = load(&bare, &sealed, LoadMode::Clean).await.unwrap().warnings;
    let mut absent: Vec<&String> = used.definers.iter().collect();
    absent.extend((!server.is_mariadb()).then_some(&used.tablespace));
    for what in absent {
        assert!(warnings.iter().any(|warning| warning.contains(what)), "{what}: {warnings:#?}");
    }
    used.make_definers(server);
    let found = All::of(server, name_of(&bare));
    let is_moved = |line: &&String| line.contains("in one");
    let elsewhere: Vec<&String> = all.schema.iter().filter(|line| !found.schema.contains(line)).collect();
    assert!(elsewhere.iter().all(is_moved), "{elsewhere:#?}");
    assert_eq!(found.content, all.content);
    // Other tests may list what the server has.
    server.sql("", &format!("DROP DATABASE `{}`", name_of(&bare)));
}

/// An account that may do all in a database and make none.
fn in_place_user(server: &Server, database: &str) -> String {
    let user = format!("in place of {}", server.fresh_name());
    server.user(&user, database, "ALL");
    let more = if server.is_mariadb() {
        "SET USER, SELECT, RELOAD, PROCESS, BINLOG MONITOR"
    } else {
        "SET_ANY_DEFINER, ALLOW_NONEXISTENT_DEFINER, SYSTEM_USER, SHOW_ROUTINE, BACKUP_ADMIN, RELOAD, PROCESS, REPLICATION CLIENT"
    };
    server.sql(
        "",
        &format!("GRANT {more} ON *.* TO '{user}'@'%'; GRANT ALL ON `{database}`.* TO '{user}'@'%' WITH GRANT OPTION"),
    );
    if !server.is_mariadb() {
        server.sql("", &format!("GRANT SELECT ON mysql.procs_priv TO '{user}'@'%'"));
    }
    user
}

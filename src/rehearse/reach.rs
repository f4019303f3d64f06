//! What of a rehearsal would reach beyond its scratch: statements of scripts, and programs that an archive brings along.
//!
//! Pure, and for the servers that a scratch shares with the real database. Looks at words: what is refused may be harmless, and is then tried on a
//! server of its own.

use crate::config::Location;

/// Without comments, and with what MySQL runs of them (`/*!40000 … */`).
fn without_comments(sql: &str) -> String {
    let (mut kept, mut rest) = (String::new(), sql);
    while let Some((before, behind)) = rest.split_once("/*") {
        kept.push_str(before);
        kept.push(' ');
        rest = behind.strip_prefix('!').unwrap_or_else(|| behind.split_once("*/").map_or("", |(_, rest)| rest));
    }
    kept + rest
}

/// What in a statement reaches beyond the database it runs in, on a server of this kind; `real` is the name of the database that is not to be touched.
pub(super) fn beyond(location: &Location, real: &str, sql: &str) -> Option<String> {
    let words: Vec<String> = without_comments(sql)
        .split(|c: char| !c.is_alphanumeric() && c != '_')
        // The number behind `/*!`, with which MySQL says from which version a comment is a statement.
        .filter(|word| !word.is_empty() && !word.chars().all(|c| c.is_ascii_digit()))
        .map(str::to_uppercase)
        .collect();
    let word = |at: usize| words.get(at).map_or("", String::as_str);
    let (first, second) = (word(0), if word(1) == "OR" { word(2) } else { word(1) });
    let makes = ["CREATE", "ALTER", "DROP", "RENAME"].contains(&first);
    let lower = sql.to_lowercase();
    let has = |wanted: &[&str]| wanted.iter().any(|wanted| words.iter().any(|word| word == wanted));
    let found = match location {
        // The runner refuses by itself what leaves a file.
        Location::Sqlite { .. } => false,
        Location::Postgres { .. } => {
            let server = ["DATABASE", "ROLE", "USER", "GROUP", "TABLESPACE", "SYSTEM", "SUBSCRIPTION", "SERVER"];
            (makes && server.contains(&second))
                || first == "REASSIGN"
                || (["GRANT", "REVOKE"].contains(&first) && (!has(&["ON"]) || has(&["DATABASE", "TABLESPACE"])))
                || (first == "COPY" && has(&["PROGRAM"]))
                // What a block makes is a text of its own.
                || (first == "DO" && has(&["DATABASE", "ROLE", "USER", "TABLESPACE", "SYSTEM", "SUBSCRIPTION"]))
                || ["dblink", "postgres_fdw"].iter().any(|way| lower.contains(way))
        }
        Location::MySql { .. } => {
            let server = ["DATABASE", "SCHEMA", "USER", "ROLE", "SERVER", "TABLESPACE", "INSTANCE", "LOGFILE", "RESOURCE"];
            let always = [
                "USE",
                "GRANT",
                "REVOKE",
                "FLUSH",
                "INSTALL",
                "UNINSTALL",
                "RESET",
                "PURGE",
                "KILL",
                "SHUTDOWN",
                "CHANGE",
                "STOP",
                "PREPARE",
                "EXECUTE",
            ];
            (makes && server.contains(&second))
                || always.contains(&first)
                || (first == "SET"
                    && (["PASSWORD", "ROLE", "DEFAULT"].contains(&second)
                        || has(&["GLOBAL", "PERSIST", "PERSIST_ONLY"])
                        || lower.contains("@@global")
                        || lower.contains("@@persist")))
                || names(&lower, &real.to_lowercase())
        }
    };
    found.then(|| sql.split_whitespace().take(6).collect::<Vec<_>>().join(" "))
}

/// The first of a MySQL database's programs (triggers, routines, events) whose text names something of the database `real`. A restore leaves
/// such texts as they were written, so what fires in the scratch would write there.
pub(super) fn naming<'a>(definitions: &'a [String], real: &str) -> Option<&'a str> {
    let found = definitions.iter().find(|line| {
        let line = line.to_lowercase();
        !line.starts_with("table ") && !line.starts_with("view ") && names(&line, &real.to_lowercase())
    })?;
    found.split('\t').next()
}

/// Whether a text names something of a database, in quotes or without.
fn names(sql: &str, database: &str) -> bool {
    let is_of_a_name = |c: char| c.is_alphanumeric() || c == '_' || c == '$';
    sql.match_indices(database).any(|(at, _)| {
        let before = sql[..at].chars().next_back().is_some_and(is_of_a_name);
        let behind = sql[at + database.len()..].trim_start_matches('`').trim_start();
        !before && behind.starts_with('.')
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_reaches_beyond_its_database_is_found_and_what_does_not_is_let_be() {
        let mysql =
            Location::MySql { host: "h".into(), port: 1, user: "u".into(), database: "s".into(), ssl_mode: "PREFERRED".into() };
        let postgres =
            Location::Postgres { host: "h".into(), port: 1, user: "u".into(), database: "s".into(), sslmode: "prefer".into() };
        for (location, sql, found) in [
            (&mysql, "USE notes", true),
            (&mysql, "/*!40000 USE notes */", true),
            (&mysql, "DROP /*x*/ DATABASE other", true),
            (&mysql, "SET SESSION sort_buffer_size = 1, GLOBAL max_connections = 2", true),
            (&mysql, "PREPARE p FROM @text", true),
            (&postgres, "DO $$ BEGIN CREATE ROLE x; END $$", true),
            (&postgres, "DO $$ BEGIN UPDATE note SET n = 1; END $$", false),
            (&postgres, "GRANT CREATE ON DATABASE notes TO x", true),
            (&postgres, "COPY note TO PROGRAM 'cat'", true),
            (&postgres, "CREATE SUBSCRIPTION s CONNECTION '' PUBLICATION p", true),
            (&mysql, "INSERT INTO notes.note VALUES (1)", true),
            (&mysql, "INSERT INTO `notes` . `note` VALUES (1)", true),
            (&mysql, "DELETE n FROM Notes.note n", true),
            (&mysql, "SET GLOBAL max_connections = 1", true),
            (&mysql, "SET @@global.max_connections = 1", true),
            (&mysql, "CREATE USER a", true),
            (&mysql, "DROP SCHEMA notes", true),
            (&mysql, "GRANT SELECT ON x TO a", true),
            (&mysql, "INSERT INTO note VALUES ('my notes, all')", false),
            (&mysql, "CREATE TABLE notes (a int)", false),
            (&mysql, "SET @a = 1", false),
            (&mysql, "ALTER TABLE note ADD COLUMN use_it int", false),
            (&postgres, "ALTER DATABASE notes SET work_mem = 1", true),
            (&postgres, "ALTER SYSTEM SET work_mem = 1", true),
            (&postgres, "CREATE ROLE a", true),
            (&postgres, "GRANT boss TO a", true),
            (&postgres, "GRANT SELECT ON note TO a", false),
            (&postgres, "CREATE EXTENSION dblink", true),
            (&postgres, "CREATE OR REPLACE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'", false),
            (&postgres, "CREATE TABLE notes.note (a int)", false),
        ] {
            assert_eq!(beyond(location, "notes", sql).is_some(), found, "{sql}");
        }
    }

    #[test]
    fn a_program_that_names_the_real_database_is_found_and_a_table_of_its_name_is_none() {
        let line = |text: &str| text.to_owned();
        let harmless = [
            line("table notes\t`a` int"),
            line("VIEW v\t\tselect `notes`.`a` from `notes`"),
            line("TRIGGER t\t\tset new.a = 1"),
        ];
        assert_eq!(naming(&harmless, "notes"), None);
        let writes =
            [line("TRIGGER t\tMODE\tCREATE TRIGGER t AFTER UPDATE ON n FOR EACH ROW INSERT INTO `Notes` . audit VALUES (1)")];
        assert_eq!(naming(&writes, "notes"), Some("TRIGGER t"));
    }
}

//! Tables of an archive of MySQL or MariaDB, alone.
//!
//! Owns under which name a table is filled: no transaction holds a definition there, so each is made and filled under a name of ours, and
//! all get their own in one statement at the end. Rows alone go into one transaction. Only whole statements are printed.

mod on;

use std::io;

use super::super::EngineError;
use super::super::accounts::without;
use super::super::excerpt::{Name, Out, Part, Wish, find};
use super::super::frames::{frames_of, text};
use super::connect::{literal, quote};
use super::definition::Kind;
use super::load::{heads, statements};
use super::plain::{length_in_quotes, without_quoted};
use super::script::statement;
use super::split::Splitter;
use crate::archive::manifest::FrameKind;

/// What a table is called until all its rows are there, with a number behind it.
const UNFINISHED: &str = "upkeep_unfinished_";

/// Engines whose transactions hold rows back.
const TRANSACTIONAL: [&str; 4] = ["InnoDB", "ROCKSDB", "ndbcluster", "TokuDB"];

/// A table that is printed.
struct Table {
    /// Its place in the manifest.
    place: usize,
    /// Its name.
    plain: String,
    /// Its name, quoted.
    name: String,
    /// The name under which it is made, quoted.
    under: String,
}

/// Prints them.
pub(in super::super) async fn extract(out: &mut Out<'_>, wish: &Wish) -> Result<(), EngineError> {
    let archive = out.archive.clone();
    let manifest = archive.manifest();
    let names: Vec<Name> = manifest.tables.iter().map(|table| (table.schema.clone(), table.name.clone())).collect();
    let mut places = wish.tables.iter().map(|typed| find(&names, typed)).collect::<Result<Vec<usize>, _>>()?;
    places.sort_unstable();
    places.dedup();
    let made = wish.part == Part::Whole;
    let under = |number: usize, name: &str| if made { quote(&format!("{UNFINISHED}{}", number + 1)) } else { quote(name) };
    let of_place = |(number, place): (usize, usize)| {
        let name = names[place].1.as_str();
        Table { place, plain: name.to_owned(), name: quote(name), under: under(number, name) }
    };
    let tables: Vec<Table> = places.into_iter().enumerate().map(of_place).collect();
    out.text(&without(&text(&archive, FrameKind::Header).await?))?;
    let shown: Vec<&str> = tables.iter().map(|table| table.name.as_str()).collect();
    out.text(&format!("-- of this archive only: {}\n\n", crate::text::line(&shown.join(", "))))?;
    let (before, after) = (statements(&archive, FrameKind::PreData).await?, statements(&archive, FrameKind::PostData).await?);
    if made {
        // What broke off before is in the way of the next time.
        let left: Vec<&str> = tables.iter().map(|table| table.under.as_str()).collect();
        out.text(&format!(
            "-- where this broke off before: SET foreign_key_checks = 0; DROP TABLE IF EXISTS {};\n\n",
            left.join(", ")
        ))?;
        define(out, &tables, &before)?;
    } else {
        warn_of_engines(out, &tables, &before)?;
        out.text("START TRANSACTION;\n")?;
    }
    for index in frames_of(&archive, FrameKind::Data) {
        let table = manifest.frames[index].table.and_then(|at| tables.iter().find(|table| table.place == at as usize));
        if let Some(table) = table {
            rows(out, index, table)?;
        }
    }
    if made {
        finish(out, &tables, &names, &after, &statements(&archive, FrameKind::Sequences).await?)?;
    } else {
        out.text("COMMIT;\n")?;
    }
    for sql in statements(&archive, FrameKind::Trailer).await? {
        if sql.starts_with("SET SESSION ") && sql.contains(" = @upkeep_") {
            out.text(&format!("{sql};\n"))?;
        }
    }
    Ok(())
}

/// A statement about the table, under the name that the table has until the end.
fn renamed(sql: &str, head: &str, table: &Table) -> Option<String> {
    let behind = sql.strip_prefix(head)?.strip_prefix(&table.name)?;
    behind.starts_with([' ', '\n']).then(|| format!("{head}{}{behind}", table.under))
}

/// Makes the tables.
fn define(out: &mut Out<'_>, tables: &[Table], before: &[String]) -> Result<(), EngineError> {
    for table in tables {
        for sql in before {
            let Some(own) = ["CREATE TABLE ", "ALTER TABLE "].iter().find_map(|head| renamed(sql, head, table)) else {
                continue;
            };
            let mut printed = String::new();
            statement(&mut printed, &own)?;
            out.text(&printed)?;
            for other in referred(sql).into_iter().filter(|other| !tables.iter().any(|table| table.name == *other)) {
                out.note(&format!("table {} refers to {other}, which is not printed", table.name))?;
            }
        }
    }
    Ok(())
}

/// The tables that a definition's foreign keys refer to, quoted.
fn referred(sql: &str) -> Vec<String> {
    const WORDS: &str = " REFERENCES ";
    let plain = without_quoted(sql);
    let names = plain.match_indices(WORDS).map(|(at, _)| {
        let name = &sql[at + WORDS.len()..];
        name[..length_in_quotes(name)].to_owned()
    });
    let mut names: Vec<String> = names.collect();
    names.sort();
    names.dedup();
    names
}

/// Says which tables keep rows that no transaction holds back.
fn warn_of_engines(out: &mut Out<'_>, tables: &[Table], before: &[String]) -> Result<(), EngineError> {
    for table in tables {
        let definition = before.iter().find(|sql| renamed(sql, "CREATE TABLE ", table).is_some());
        let engine = definition.and_then(|sql| {
            let at = without_quoted(sql).rfind(") ENGINE=")? + ") ENGINE=".len();
            sql[at..].split_whitespace().next().map(str::to_owned)
        });
        if let Some(engine) = engine.filter(|engine| !TRANSACTIONAL.contains(&engine.as_str())) {
            out.note(&format!(
                "table {} is of {engine}, which has no transactions: rows that came stay, whatever breaks after them",
                table.name
            ))?;
        }
    }
    Ok(())
}

/// Prints one frame of rows, statement by statement.
fn rows(out: &mut Out<'_>, index: usize, table: &Table) -> Result<(), EngineError> {
    let head = format!("INSERT INTO {} ", table.name);
    let under = format!("INSERT INTO {} ", table.under);
    let archive = out.archive.clone();
    let mut splitter = Splitter::new();
    let mut failed = None;
    let print = |out: &mut Out<'_>, statement: Vec<u8>| -> Result<(), EngineError> {
        let behind = statement.strip_prefix(head.as_bytes());
        let behind =
            behind.ok_or_else(|| EngineError::Unfit(format!("frame {index} holds more than rows of table {}", table.name)))?;
        out.text(&under)?;
        out.bytes(behind)?;
        out.text(";\n")
    };
    let read = archive.read_frame(index, &mut |piece| {
        for statement in splitter.push(piece) {
            if let Err(error) = print(out, statement) {
                failed = Some(error);
                return Err(io::ErrorKind::Other.into());
            }
        }
        Ok(())
    });
    if let Some(error) = failed {
        return Err(error);
    }
    read?;
    splitter.finish().into_iter().try_for_each(|statement| print(out, statement))
}

/// Builds what waited for the rows, and gives the tables their names.
fn finish(out: &mut Out<'_>, tables: &[Table], all: &[Name], after: &[String], counters: &[String]) -> Result<(), EngineError> {
    for table in tables {
        for sql in after.iter().chain(counters).filter_map(|sql| renamed(sql, "ALTER TABLE ", table)) {
            out.text(&format!("{sql};\n"))?;
        }
        for sql in after {
            let is_on = |name: &str| on::is_on(sql, name, &table.plain, all);
            if let Some((Kind::Trigger, name)) = heads::made_by(sql).filter(|(_, name)| is_on(name)) {
                out.note(&format!("left out: trigger {name} of table {}", table.name))?;
            }
        }
    }
    let names: Vec<String> = tables.iter().map(|table| format!("{} TO {}", table.under, table.name)).collect();
    // Nothing is there by its own name before this. The client runs what it has when its input ends, be it half of a statement: half of a
    // list of names would be a whole one, half of a string is none.
    let rename = literal(&format!("RENAME TABLE {}", names.join(", ")));
    out.text(&format!(
        "SET @upkeep_end = {rename};\nPREPARE upkeep_end FROM @upkeep_end;\nEXECUTE upkeep_end;\nDEALLOCATE PREPARE upkeep_end;\n"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_statement_goes_to_the_name_of_ours_and_to_no_table_whose_name_begins_alike() {
        let table = Table { place: 0, plain: "note".to_owned(), name: quote("note"), under: quote("upkeep_unfinished_1") };
        let renamed = |sql: &str, head: &str| renamed(sql, head, &table);
        assert_eq!(
            renamed("CREATE TABLE `note` (\n  `a` int\n)", "CREATE TABLE ").as_deref(),
            Some("CREATE TABLE `upkeep_unfinished_1` (\n  `a` int\n)")
        );
        assert_eq!(
            renamed("ALTER TABLE `note`\n  ADD KEY `k` (`a`)", "ALTER TABLE ").as_deref(),
            Some("ALTER TABLE `upkeep_unfinished_1`\n  ADD KEY `k` (`a`)")
        );
        assert_eq!(renamed("CREATE TABLE `note``s` (\n  `a` int\n)", "CREATE TABLE "), None);
        assert_eq!(renamed("CREATE TABLE `notes` (\n  `a` int\n)", "CREATE TABLE "), None);
    }

    #[test]
    fn tables_that_are_referred_to_are_those_outside_of_quotes() {
        let sql = "CREATE TABLE `t` (\n  `a` int COMMENT 'it REFERENCES `x`',\n  CONSTRAINT `k` FOREIGN KEY (`a`) REFERENCES `We``ird` (`id`)\n)";
        assert_eq!(referred(sql), ["`We``ird`"]);
    }
}

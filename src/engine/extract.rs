//! Tables out of an archive, alone, as SQL that the stock client runs: their definitions, as far as they can be had alone, and their rows.
//!
//! Owns what is told where something breaks in the middle. Invariant: whoever runs what was printed has the tables whole or has none of
//! them: what makes them count comes last, and only when every frame was found right. Held by `tests/it/extract.rs`.

pub use super::excerpt::{Part, Take, Wish};

use super::excerpt::{Name, Out, find};
use super::{EngineError, mysql, postgres, sqlite};
use crate::archive::Archive;
use crate::text;

/// Prints tables of an archive, and gives what a person should know of them. Blocking.
///
/// # Errors
/// When a table is not in the archive, before anything is printed. When the archive is not what was sealed, or nobody takes what is
/// printed: then what was printed ends in a statement that fails.
pub async fn extract<'a>(archive: &Archive, wish: &Wish, take: &'a mut Take<'a>) -> Result<Vec<String>, EngineError> {
    demand_its_rows(archive, wish)?;
    let mut out = Out::new(archive, take);
    let flavour = archive.manifest().server.flavour.clone();
    let done = match flavour.as_str() {
        "postgresql" => postgres::extract(&mut out, wish).await,
        "mysql" | "mariadb" => mysql::extract(&mut out, wish).await,
        "sqlite" => sqlite::extract(&mut out, wish).await,
        other => Err(EngineError::Unfit(format!("it is of a database of an unknown kind, `{other}`"))),
    };
    match done.and_then(|()| out.end()) {
        Ok(()) => Ok(out.notes),
        Err(error) => {
            if out.begun {
                // Whoever takes nothing any more has the failure of this command instead.
                let end = broken_off(&flavour, out.in_frame);
                out.text(&end).and_then(|()| out.end()).ok();
            }
            Err(error)
        }
    }
}

/// Refuses a table whose rows the configuration left out: an empty one would be taken for what it was.
fn demand_its_rows(archive: &Archive, wish: &Wish) -> Result<(), EngineError> {
    let named = |table: &str| match archive.manifest().server.flavour.as_str() {
        "postgresql" => table.split_once('.').map_or_else(Name::default, |(schema, name)| (schema.to_owned(), name.to_owned())),
        _ => (String::new(), table.to_owned()),
    };
    let left_out: Vec<Name> = archive.manifest().without_rows().map(named).collect();
    let wished = wish.tables.iter().find_map(|typed| find(&left_out, typed).ok());
    match wished {
        None => Ok(()),
        Some(at) => Err(EngineError::NoSuchTable {
            what: format!(
                "the rows of table `{}` are not in the archive: `without_rows` left them out when it was taken",
                text::line(&left_out[at].1)
            ),
            hint: "an archive that an upgrade or a restore took has every row: `upkeep list`".to_owned(),
        }),
    }
}

/// What a client stops at that runs what was printed so far, and that leaves it nothing of it.
fn broken_off(flavour: &str, in_frame: bool) -> String {
    const WHY: &str = "upkeep: this broke off, not all rows are here and nothing is kept";
    match flavour {
        "postgresql" => {
            let end = if in_frame { "\n\\.\n" } else { "" };
            format!("{end}\nDO $upkeep$BEGIN RAISE EXCEPTION '{WHY}'; END$upkeep$;\nROLLBACK;\n")
        }
        "sqlite" => "\nSELECT upkeep_broke_off_and_not_all_rows_are_here();\n".to_owned(),
        _ => format!("\nSIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = '{WHY}';\n"),
    }
}

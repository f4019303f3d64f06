//! Which definitions do not read back as an archive has them, for the message that says that some do not.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::super::EngineError;
use super::connect::{Place, quote};
use super::counter::without_counter;
use super::definer::by_rule;
use super::definition::{Definition, Kind};
use super::load::{self, named};
use super::schema::Schema;
use super::unqualify::{self, call_packages_of};
use crate::archive::Archive;
use crate::archive::manifest::FrameKind;
use crate::config::Definers;

/// The objects that are in the database and not so in the archive, or in it and not so in the database: `view v`, each once.
pub(super) async fn differing(place: &Place, archive: &Arc<Archive>) -> Result<Vec<String>, EngineError> {
    let mut session = place.connect().await?;
    let schema = Schema::read(&mut session).await;
    session.close().await;
    let schema = schema?;
    let mut statements = Vec::new();
    for kind in [FrameKind::PreData, FrameKind::PostData, FrameKind::Trailer] {
        statements.extend(load::statements(archive, kind).await?);
    }
    Ok(compared(&schema.objects, &statements))
}

fn compared(objects: &[Definition], statements: &[String]) -> Vec<String> {
    // A table of which a part is made later stands in no statement as it is.
    let in_parts = |name: &str| statements.iter().any(|sql| sql.starts_with(&format!("ALTER TABLE {}\n", quote(name))));
    let makes = |sql: &&String| sql.starts_with("CREATE ") && !sql.starts_with("CREATE TABLE ");
    let archived: BTreeSet<String> = statements.iter().map(|sql| plain(sql)).collect();
    let there: BTreeSet<String> = objects.iter().map(|object| plain(&object.sql)).collect();
    let mut names = BTreeSet::new();
    for object in objects.iter().filter(|object| !archived.contains(&plain(&object.sql))) {
        if object.kind != Kind::Table || !in_parts(&object.name) {
            names.insert(format!("{} {}", object.kind.word().to_lowercase(), object.name));
        }
    }
    names.extend(statements.iter().filter(makes).filter(|sql| !there.contains(&plain(sql))).map(|sql| named(sql)));
    names.into_iter().collect()
}

/// A definition without what may differ.
fn plain(sql: &str) -> String {
    // An archive may have been written without definers.
    let sql = by_rule(&Definers::Strip, sql);
    match sql.starts_with("CREATE TABLE ") {
        true => without_counter(&sql),
        false => call_packages_of(&sql, unqualify::HERE, |_| true),
    }
}

#[cfg(test)]
mod tests {
    use super::super::definition::Context;
    use super::*;

    #[test]
    fn what_differs_is_named_from_both_sides() {
        let object = |kind, name: &str, sql: &str| Definition {
            kind,
            name: name.to_owned(),
            sql: sql.to_owned(),
            context: Context::default(),
            broken: None,
        };
        let there = [
            object(Kind::Table, "t", "CREATE TABLE `t` (\n  `a` int\n) ENGINE=InnoDB AUTO_INCREMENT=7"),
            object(Kind::Table, "cut", "CREATE TABLE `cut` (\n  `a` int,\n  KEY (`a`)\n)"),
            object(Kind::Table, "beside", "CREATE TABLE `beside` (\n  `a` int\n)"),
            object(Kind::View, "v", "CREATE ALGORITHM=MERGE DEFINER=`b`@`%` SQL SECURITY DEFINER VIEW `v` AS select 2"),
            object(Kind::View, "given", "CREATE ALGORITHM=MERGE DEFINER=`b`@`%` SQL SECURITY DEFINER VIEW `given` AS select 3"),
            object(Kind::Procedure, "p", "CREATE DEFINER=`b`@`%` PROCEDURE `p`()\nSELECT 1"),
        ];
        let archived = [
            "CREATE TABLE `t` (\n  `a` int\n) ENGINE=InnoDB AUTO_INCREMENT=3",
            "CREATE TABLE `cut` (\n  `a` int\n)",
            "ALTER TABLE `cut`\n  ADD KEY (`a`)",
            "CREATE ALGORITHM=MERGE DEFINER=`a`@`%` SQL SECURITY DEFINER VIEW `v` AS select 1",
            "CREATE ALGORITHM=MERGE DEFINER=`a`@`%` SQL SECURITY DEFINER VIEW `given` AS select 3",
            "CREATE PROCEDURE `p`()\nSELECT 1",
            "CREATE DEFINER=`a`@`%` EVENT `e` ON SCHEDULE AT '2020-01-01' DO DO 1",
        ];
        assert_eq!(compared(&there, &archived.map(str::to_owned)), ["event e", "table beside", "view v"]);
    }
}

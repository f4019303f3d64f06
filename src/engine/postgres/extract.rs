//! Tables of an archive of PostgreSQL, alone.
//!
//! Owns which statements of the schema are theirs. What needs something that is not printed is left out, by name; a table itself that does
//! is printed all the same, and what it needs is said. Everything stands in one transaction, so a stream that ends too early leaves nothing;
//! and `psql` is told to stop at the first error, for it would take the rows behind a refused `COPY` for statements.

mod sequences;
mod subject;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use subject::{Name, Subject, Use};

use super::super::EngineError;
use super::super::accounts::without;
use super::super::excerpt::{Out, Part, Wish, find, qualified};
use super::super::frames::text;
use super::connect::{literal, quote};
use super::grammar::Statement;
use super::guard;
use super::large_objects;
use super::split::{Chunk, Splitter, statements_of};
use crate::archive::manifest::{FrameKind, Manifest};

/// What `psql` is told before all else: rows are somebody's words, and where a `COPY` is refused it would run them. Behind `\restrict` it
/// would not hear it.
const STOP: &str = "\\set ON_ERROR_STOP on\n";

/// Prints them.
pub(in super::super) async fn extract(out: &mut Out<'_>, wish: &Wish) -> Result<(), EngineError> {
    let archive = out.archive.clone();
    let manifest = archive.manifest();
    let before = statements_of(&text(&archive, FrameKind::PreData).await?);
    let chosen = Chosen::of(manifest, &wish.tables, &before)?;
    let header = without(&text(&archive, FrameKind::Header).await?);
    out.text(STOP)?;
    out.text(&header)?;
    let names: Vec<String> = chosen.relations.iter().map(qualified).collect();
    out.text(&format!("-- of this archive only: {}\n\n", crate::text::line(&names.join(", "))))?;
    if wish.part == Part::Whole && manifest.data_only {
        out.note("the archive has no schema: the rows alone are printed, for tables that are there")?;
    }
    name_heirs(out, &chosen, &before)?;
    out.text("BEGIN;\n\n")?;
    let made = wish.part == Part::Whole && !manifest.data_only;
    if made {
        define(out, &chosen, &before)?;
    }
    for (index, frame) in manifest.frames.iter().enumerate().filter(|(_, frame)| frame.kind == FrameKind::Data) {
        if frame.table.is_some_and(|table| chosen.tables.contains(&(table as usize))) {
            out.frame(index)?;
        }
    }
    let counters = statements_of(&text(&archive, FrameKind::Sequences).await?);
    count_on(out, &chosen, made, &counters)?;
    if made {
        build(out, &chosen, &statements_of(&text(&archive, FrameKind::PostData).await?))?;
    }
    // Nothing counts before this.
    out.text("\nCOMMIT;\n")?;
    out.text(&for_psql(&text(&archive, FrameKind::Trailer).await?))
}

/// What is printed.
struct Chosen {
    /// Places of tables in the manifest.
    tables: BTreeSet<usize>,
    /// The tables, and those that are partitioned.
    relations: BTreeSet<Name>,
    /// Sequences that are a column's own.
    sequences: BTreeSet<Name>,
    /// Everything that the tables' definitions name.
    named: BTreeSet<Name>,
    /// Schemas that the archive knows of.
    schemas: BTreeSet<String>,
}

impl Chosen {
    fn of(manifest: &Manifest, typed: &[String], before: &[String]) -> Result<Self, EngineError> {
        let of_table = |table: &crate::archive::manifest::Table| (table.schema.clone(), table.name.clone());
        let rows: HashMap<Name, usize> = manifest
            .tables
            .iter()
            .enumerate()
            .filter(|(_, table)| !large_objects::is_it(&table.schema, &table.name))
            .map(|(place, table)| (of_table(table), place))
            .collect();
        let partitions = partitions(before);
        let mut names: Vec<Name> = rows.keys().chain(partitions.keys()).cloned().collect();
        names.sort();
        names.dedup();
        let mut relations = BTreeSet::new();
        let mut open: Vec<Name> = Vec::new();
        for typed in typed {
            open.push(names[find(&names, typed)?].clone());
        }
        while let Some(name) = open.pop() {
            open.extend(partitions.get(&name).into_iter().flatten().cloned());
            relations.insert(name);
        }
        let named = before.iter().flat_map(|sql| {
            let inner = bare(sql);
            let statement = Statement::of(&inner);
            let is_ours = subject::relation(&statement).is_some_and(|name| relations.contains(&name));
            if is_ours { subject::names_in(&statement) } else { Vec::new() }
        });
        let named = named.map(|(name, _)| name).collect();
        let made = before.iter().filter_map(|sql| subject::schema(&Statement::of(&bare(sql))));
        let schemas = made.chain(names.iter().map(|(schema, _)| schema.clone())).chain(["public".to_owned()]).collect();
        let tables = relations.iter().filter_map(|name| rows.get(name).copied()).collect();
        let sequences = before.iter().filter_map(|sql| subject::own_sequence(&Statement::of(&bare(sql))));
        let sequences = sequences.filter(|(_, table)| relations.contains(table)).map(|(sequence, _)| sequence).collect();
        Ok(Self { tables, relations, sequences, named, schemas })
    }

    fn has(&self, name: &Name) -> bool {
        self.relations.contains(name) || self.sequences.contains(name)
    }

    /// What a statement names beside what is printed.
    fn lacks(&self, statement: &Statement<'_>) -> Vec<String> {
        let is_lacking = |(name, how): &(Name, Use)| match how {
            // No table is called.
            Use::Called => true,
            Use::Named => !self.has(name),
            Use::Column => self.schemas.contains(&name.0) && !self.has(name),
        };
        let mut names: Vec<String> =
            subject::names_in(statement).iter().filter(|one| is_lacking(one)).map(|(name, _)| qualified(name)).collect();
        names.dedup();
        names
    }
}

/// Partitioned tables with their partitions.
fn partitions(before: &[String]) -> BTreeMap<Name, Vec<Name>> {
    let mut found: BTreeMap<Name, Vec<Name>> = BTreeMap::new();
    for sql in before.iter().filter(|sql| sql.contains("ATTACH PARTITION")) {
        if let Some((table, partition)) = subject::partition(&Statement::of(&bare(sql))) {
            found.entry(table).or_default().push(partition);
        }
    }
    found
}

/// A statement without the block it stands in.
fn bare(sql: &str) -> String {
    let inner = guard::inner(sql);
    // What is behind it in its block comes along.
    if inner.len() == sql.len() { sql.to_owned() } else { statements_of(inner).into_iter().next().unwrap_or_default() }
}

/// Prints what makes the tables.
fn define(out: &mut Out<'_>, chosen: &Chosen, before: &[String]) -> Result<(), EngineError> {
    let schemas: BTreeSet<&String> = chosen.relations.iter().map(|(schema, _)| schema).collect();
    for schema in schemas {
        let (name, asked) = (quote(schema), literal(&quote(schema)));
        out.text(&format!(
            "DO {tag}BEGIN IF pg_catalog.to_regnamespace({asked}) IS NULL THEN CREATE SCHEMA {name}; END IF; END{tag};\n",
            tag = guard::tag_for(&[&name, &asked])
        ))?;
    }
    // Where a table is to be, and as what it is stored, is said before it, for all that follow.
    let (mut settings, mut said) = (BTreeMap::new(), BTreeMap::new());
    let mut lacks = BTreeSet::new();
    for sql in before {
        let inner = bare(sql);
        let statement = Statement::of(&inner);
        if let Some(setting) = subject::default_setting(&statement) {
            settings.insert(setting.to_owned(), sql.clone());
        }
        if !subject::relation(&statement).is_some_and(|name| chosen.has(&name)) {
            continue;
        }
        for (name, set) in &settings {
            if said.insert(name.clone(), set.clone()).as_ref() != Some(set) {
                out.text(&format!("{set}\n"))?;
            }
        }
        lacks.extend(chosen.lacks(&statement));
        out.text(&format!("{sql}\n"))?;
    }
    out.text("\n")?;
    if !lacks.is_empty() {
        let lacks: Vec<String> = lacks.into_iter().collect();
        out.note(&format!("needed in the database that it is run in, and not printed: {}", lacks.join(", ")))?;
    }
    Ok(())
}

/// Names tables that inherit from one that is printed: whoever asked the source for its rows had theirs, too.
fn name_heirs(out: &mut Out<'_>, chosen: &Chosen, before: &[String]) -> Result<(), EngineError> {
    for sql in before.iter().filter(|sql| sql.contains("INHERITS")) {
        let inner = bare(sql);
        let statement = Statement::of(&inner);
        let Some(heir) = subject::relation(&statement).filter(|name| !chosen.relations.contains(name)) else { continue };
        if let Some(table) = subject::inherited(&statement).iter().find(|name| chosen.relations.contains(*name)) {
            let (heir, table) = (qualified(&heir), qualified(table));
            out.note(&format!("table {heir} inherits from {table}, and its rows are not printed: name it, too"))?;
        }
    }
    Ok(())
}

/// Prints where the tables' sequences stand. One that is there already is only set forward: numbers that it gave are not given again.
fn count_on(out: &mut Out<'_>, chosen: &Chosen, made: bool, counters: &[String]) -> Result<(), EngineError> {
    for sql in counters {
        let Some(name) = subject::set_sequence(sql) else { continue };
        if made && chosen.sequences.contains(&name) {
            out.text(&format!("{sql}\n"))?;
        } else if !made && (chosen.sequences.contains(&name) || chosen.named.contains(&name)) {
            match sequences::forward(sql, &name) {
                Some(block) => out.text(&block)?,
                None => out.note(&format!("sequence {} is not set: set it by hand", qualified(&name)))?,
            }
        }
    }
    if out.archive.manifest().data_only && !counters.is_empty() {
        out.note(
            "the archive has no schema and does not say which sequences are these tables' own: where a column counts by one, set it \
             afterwards: SELECT setval(pg_get_serial_sequence('TABLE', 'COLUMN'), max(COLUMN)) FROM TABLE",
        )?;
    }
    Ok(())
}

/// Prints what is built on the tables, as far as it needs nothing else.
fn build(out: &mut Out<'_>, chosen: &Chosen, after: &[String]) -> Result<(), EngineError> {
    let mut made: BTreeSet<Name> = BTreeSet::new();
    let mut settings = BTreeMap::new();
    for sql in after {
        let inner = bare(sql);
        let statement = Statement::of(&inner);
        if let Some(setting) = subject::default_setting(&statement) {
            settings.insert(setting.to_owned(), sql.clone());
            continue;
        }
        let Some(subject) = subject::of(&statement) else { continue };
        let is_wanted = match &subject {
            Subject::Relation(name) => chosen.has(name),
            Subject::Made { table, .. } => chosen.has(table),
            Subject::Of { objects } => objects.iter().all(|name| made.contains(name)),
            Subject::OnTable { table, object } => chosen.has(table) && made.contains(&(table.0.clone(), object.clone())),
        };
        if !is_wanted {
            continue;
        }
        if let Subject::Made { table, object, what } = &subject {
            let lacks = chosen.lacks(&statement);
            if !lacks.is_empty() {
                let table = qualified(table);
                out.note(&format!("left out: {what} {object} of table {table}: it needs {}", lacks.join(", ")))?;
                continue;
            }
            made.insert((table.0.clone(), object.clone()));
        }
        for set in std::mem::take(&mut settings).into_values() {
            out.text(&format!("{set}\n"))?;
        }
        out.text(&format!("{sql}\n"))?;
    }
    Ok(())
}

/// The lines of the archive's end that `psql` alone reads.
fn for_psql(trailer: &str) -> String {
    let mut splitter = Splitter::new();
    let mut chunks = splitter.push(trailer.as_bytes());
    chunks.extend(splitter.finish());
    let lines = chunks.into_iter().filter_map(|chunk| match chunk {
        Chunk::Meta(line) => Some(line),
        _ => None,
    });
    lines.collect()
}

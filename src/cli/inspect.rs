//! `upkeep inspect`: what an archive says of itself. Needs no daemon, no catalogue and no database.

use std::path::{Path, PathBuf};

use super::elsewhere::Elsewhere;
use super::table::{self, Side, Table};
use super::terminal::{Terminal, Tone};
use super::{Stop, World, human, owner, session};
use crate::archive::{Archive, Manifest};
use crate::config::Config;
use crate::config::load::Secrets;
use crate::failure::{Class, Failure};
use crate::files::{self, Seen};
use crate::ids::Label;
use crate::store::place::ENCRYPTED;
use crate::text;

/// Show what is in an archive: release, migrations, tables and row counts, and of which moment it is.
///
/// A file is read where it is, without configuration, daemon, catalogue or database. A label is looked for in the
/// configured directories.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// An archive's file or label.
    #[arg(value_name = "FILE|LABEL")]
    archive: String,
    #[command(flatten)]
    elsewhere: Elsewhere,
    /// Print what upkeep was told of the target when the archive was taken, as TOML for another host, without passwords and commands.
    #[arg(long)]
    configuration: bool,
}

pub(super) async fn run(arguments: Arguments, world: &World) -> Result<(), Stop> {
    let archive = match &arguments.elsewhere.at {
        None => Archive::open(&find(&arguments.archive, world).await?)?,
        Some(at) => {
            let label = Label::parse(&arguments.archive).map_err(|error| Failure::new(Class::Usage, error.to_string()))?;
            let (place, world) = &at.known(arguments.elsewhere.owner.as_ref(), None, world).await?;
            let (there, identity) = arguments.elsewhere.reach(place, world).await?;
            let opened = crate::offsite::open(&there.place, &label, None, identity.as_ref()).await;
            there.state.close().await;
            opened?
        }
    };
    if arguments.configuration {
        return configuration(archive.manifest(), world);
    }
    let (path, is_json) = (archive.path().to_owned(), world.terminal.is_json());
    let (manifest, has_files) = (archive.manifest().clone(), archive.manifest().files.is_some());
    let seen = match has_files && !is_json {
        true => tokio::task::spawn_blocking(move || files::list(&archive)).await.unwrap_or_else(|_| Ok(Vec::new()))?,
        false => Vec::new(),
    };
    world.terminal.show(&manifest, |manifest| text(manifest, &path, world.terminal) + &files_text(&seen, world.terminal))
}

fn configuration(manifest: &Manifest, world: &World) -> Result<(), Stop> {
    match &manifest.configuration {
        Some(configuration) => world.terminal.show(configuration, |text| text::printable(text).trim_end().to_owned()),
        None => {
            let failure = Failure::new(Class::NoInput, format!("archive {} says nothing of the configuration", manifest.label));
            Err(failure.hint("it is from an upkeep before that was kept").into())
        }
    }
}

/// More than these are counted.
const SHOWN: usize = 1000;

fn files_text(seen: &[Seen], terminal: Terminal) -> String {
    if seen.is_empty() {
        return String::new();
    }
    let mut table = Table::new(&[("file", Side::Left), ("bytes", Side::Right), ("mode", Side::Left), ("owner", Side::Left)]);
    for file in seen.iter().take(SHOWN) {
        let to = file.to.as_ref().map(|to| format!(" -> {to}")).unwrap_or_default();
        let name = text::line(&format!("{}{to}", file.path)).into_owned();
        table.plain([name, human::size(file.size), format!("{:04o}", file.mode), format!("{}:{}", file.uid, file.gid)]);
    }
    let rest = seen.len().saturating_sub(SHOWN);
    let more = if rest > 0 { format!("\n  and {rest} more: `upkeep extract LABEL --files | tar -tv`") } else { String::new() };
    let table = table.render(terminal).lines().map(|line| format!("  {line}")).collect::<Vec<_>>().join("\n");
    format!("\n\n{table}{more}")
}

/// The file of what was typed: a path if there is one, else the label in a configured directory.
pub(super) async fn find(typed: &str, world: &World) -> Result<PathBuf, Stop> {
    let path = Path::new(typed);
    if path.is_file() {
        return Ok(path.to_owned());
    }
    if typed.contains('/') {
        return Err(Failure::new(Class::NoInput, format!("there is no archive file {typed}"))
            .hint("archives and their files are listed by `upkeep list --json`")
            .into());
    }
    let config = session::config(world, Secrets::Leave)?;
    owner::hand_over(&config, world).await?;
    let label = Label::parse(typed).map_err(|error| Failure::new(Class::Usage, error.to_string()))?;
    Ok(by_label(&config, &label)?)
}

/// Looks for `LABEL.*` in every target's directory.
fn by_label(config: &Config, label: &Label) -> Result<PathBuf, Failure> {
    let directories: Vec<&Path> = config.targets.values().map(|target| target.backup.directory.as_path()).collect();
    let prefix = format!("{label}.");
    let files = directories.iter().filter_map(|directory| std::fs::read_dir(directory).ok()).flatten().flatten();
    let mut found = files.map(|entry| entry.path()).filter(|path| {
        path.file_name()
            .is_some_and(|name| name.to_str().is_some_and(|name| name.starts_with(&prefix) && name.ends_with(".zst")))
    });
    found.next().ok_or_else(|| {
        let looked: Vec<String> = directories.iter().map(|directory| directory.display().to_string()).collect();
        Failure::new(Class::NoInput, format!("there is no archive `{label}`"))
            .hint(format!("looked into {}", looked.join(", ")))
            .hint("labels are listed by `upkeep list`")
    })
}

/// Where what is said begins.
const INDENT: usize = 15;

fn text(manifest: &Manifest, path: &Path, terminal: Terminal) -> String {
    let mut lines = vec![terminal.paint(Tone::Strong, manifest.label.as_str())];
    let mut line = |name: &str, text: String| {
        // A path and a command are to be copied: the terminal breaks them without a mark.
        let text = match (name, terminal.columns()) {
            ("file" | "by hand", _) | (_, None) => text::line(&text).into_owned(),
            (_, Some(columns)) => table::wrapped(&text::line(&text), columns, INDENT),
        };
        lines.push(format!("  {} {text}", terminal.paint(Tone::Quiet, &format!("{name:<12}"))))
    };
    line("file", path.display().to_string());
    line("target", format!("{}, {}", manifest.target, manifest.kind));
    if let Some(note) = &manifest.note {
        line("note", note.clone());
    }
    let took = human::span(std::time::Duration::from_millis(manifest.duration_ms));
    line("taken", format!("{} UTC, in {took}, by {}", human::moment(manifest.taken_at), manifest.tool));
    line("server", format!("{} {}, {}", manifest.server.flavour, manifest.server.version, manifest.server.database));
    match &manifest.release {
        Some(release) => line("release", format!("{} (by {})", release.version, release.probe)),
        None => line("release", "none".to_owned()),
    }
    line("shape", shape_words(manifest));
    line("consistency", manifest.consistency.technique.clone());
    let (raw, stored) = (human::size(manifest.raw_bytes), human::size(manifest.stored_bytes));
    line("content", format!("{}, {raw}, stored as {stored} (zstd {})", human::many(manifest.rows(), "row"), manifest.level));
    if manifest.data_only {
        line("data only", "no schema inside: restores only into a database of the same shape".to_owned());
    }
    if let Some(files) = &manifest.files {
        let what = format!(
            "{}, {}: `upkeep restore {} {} --files DIR`",
            human::many(files.entries, "file"),
            human::size(files.bytes),
            manifest.target,
            manifest.label
        );
        line("files", what);
    }
    manifest.left_out.iter().for_each(|left| line("left out", format!("{}: {}", left.what, left.why)));
    line("by hand", by_hand(manifest, path));
    let mut tables =
        Table::new(&[("table", Side::Left), ("rows", Side::Right), ("bytes", Side::Right), ("checksum", Side::Left)]);
    for table in &manifest.tables {
        tables.plain([table.qualified(), human::count(table.rows), human::size(table.bytes), table.checksum.clone()]);
    }
    lines.push(String::new());
    lines.extend(tables.render(terminal).lines().map(|line| format!("  {line}")));
    lines.join("\n")
}

fn shape_words(manifest: &Manifest) -> String {
    let histories = manifest.shape.histories.iter().map(|history| {
        let head = history.head().unwrap_or("no version");
        format!("{} at {head} ({} in {})", history.tool, human::many(history.applied.len() as u64, "migration"), history.table)
    });
    let histories: Vec<String> = histories.collect();
    if histories.is_empty() { "no migration history".to_owned() } else { histories.join("; ") }
}

/// The command that restores it without upkeep.
fn by_hand(manifest: &Manifest, path: &Path) -> String {
    let path = path.display();
    let unpack = match path.to_string().ends_with(ENCRYPTED) {
        true => format!("age -d -i IDENTITY {path} | zstd -dc"),
        false => format!("zstd -dc {path}"),
    };
    let into = if manifest.data_only { "A-DATABASE-OF-THE-SAME-SHAPE" } else { "NEWDB" };
    match manifest.server.flavour.as_str() {
        "mysql" | "mariadb" => format!("{unpack} | mysql --comments --binary-mode {into}"),
        "sqlite" => format!("{unpack} > {}", manifest.server.database.rsplit('/').next().unwrap_or("restored.db")),
        _ => format!("{unpack} | psql -v ON_ERROR_STOP=1 {into}"),
    }
}

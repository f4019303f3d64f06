//! `pg_dump` of the server's major: finding it, running it, streaming what it writes.
//!
//! The schema sections are the one thing the vendor's tool is the only right source of. It reads in our snapshot, so that
//! schema and rows belong together. Never given a password in argv. With thousands of tables most of a small backup's time is its reading
//! of the catalogue, so it reads once, and `pg_restore` beside it prints each section of that, byte for byte what `pg_dump` would.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::super::EngineError;
use super::connect::Place;
use super::locks;
use super::said::is_about_locks;
use crate::process::{Command, Finished, ProcessError};

/// `pg_dump --version` answers at once; a hung file system should not hold a backup for ever.
const VERSION_WITHIN: Duration = Duration::from_secs(10);
/// A schema of a hundred thousand objects takes minutes; longer is a hang.
const SECTION_WITHIN: Duration = Duration::from_secs(30 * 60);

/// A schema that is longer is not kept in memory: `pg_dump` reads it once for each section.
const KEPT_BYTES: usize = 32 * 1024 * 1024;

/// The parts of a schema, in their order.
const SECTIONS: [&str; 2] = ["pre-data", "post-data"];

/// A `pg_dump` that was asked for its version.
#[derive(Debug, Clone)]
pub(super) struct Client {
    argv: Vec<String>,
    /// The `pg_restore` beside it, where that is of the same major.
    restore: Option<Vec<String>>,
    major: u32,
}

/// What takes a section of the schema, piece by piece.
pub(super) type Take<'a> = &'a mut (dyn FnMut(&[u8]) + Send);

/// What `pg_dump` is to read, and of which moment.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reading<'a> {
    pub(super) place: &'a Place,
    pub(super) snapshot: &'a str,
    pub(super) encoding: &'a str,
    /// How long it waits for a table's lock.
    pub(super) lock_wait: Duration,
}

impl Client {
    /// The first `pg_dump` of this major on the host, or `None`. `configured` directories come first; one inside an unpacked
    /// root works too.
    pub(super) async fn find(major: u32, configured: &[PathBuf]) -> Option<Self> {
        for path in candidates(major, configured) {
            let argv = launch(&path);
            if says(&argv).await == Some(major) {
                let restore = launch(&path.with_file_name("pg_restore"));
                let restore = (says(&restore).await == Some(major)).then_some(restore);
                return Some(Self { argv, restore, major });
            }
        }
        None
    }

    /// Writes the two sections of the schema to `take`. What it warns of comes back: it may leave something out and call that a success.
    pub(super) async fn schema(&self, reading: Reading<'_>, take: [Take<'_>; 2]) -> Result<Vec<String>, EngineError> {
        if let Some(restore) = &self.restore {
            let mut contents = Vec::new();
            let mut keep = |piece: &[u8]| {
                if contents.len() <= KEPT_BYTES {
                    contents.extend_from_slice(piece);
                }
            };
            let told = self.dump(reading, &["--format=custom", "--compress=0"], &mut keep).await?;
            if contents.len() <= KEPT_BYTES {
                return print(restore, contents, take).await.map(|()| told);
            }
        }
        let mut told = Vec::new();
        for (section, take) in SECTIONS.into_iter().zip(take) {
            told.extend(self.dump(reading, &[&format!("--section={section}")], take).await?);
        }
        Ok(told)
    }

    /// Runs it.
    async fn dump(&self, reading: Reading<'_>, how: &[&str], take: Take<'_>) -> Result<Vec<String>, EngineError> {
        let Reading { place, snapshot, encoding, lock_wait } = reading;
        let mut argv = self.argv.clone();
        argv.push("--schema-only".to_owned());
        argv.extend(how.iter().map(|&word| word.to_owned()));
        argv.extend([
            format!("--snapshot={snapshot}"),
            format!("--encoding={encoding}"),
            format!("--lock-wait-timeout={}", lock_wait.as_millis()),
            "--no-password".to_owned(),
        ]);
        let mut command = Command::new(&argv, SECTION_WITHIN);
        command.environment = place.environment(self.major);
        // Its own words, whatever the host speaks: warnings are told from the rest by how they begin.
        command.environment.insert("LC_ALL".to_owned(), "C".to_owned());
        // It sets the server's bound for locks off, and keeps its own for tables alone: a view is waited for without an end.
        let finished = locks::unless_kept(place, command.run_into(take)).await??;
        if finished.success() {
            let warnings = finished.stderr.lines().filter_map(|line| line.strip_prefix("pg_dump: warning: "));
            return Ok(warnings.map(str::to_owned).collect());
        }
        if is_about_locks(finished.said()) {
            return Err(EngineError::NoLocks { doing: "read the schema with pg_dump".to_owned(), is: None, wanted: None });
        }
        Err(failed("pg_dump", &finished))
    }
}

/// Prints the sections of what `pg_dump` read.
async fn print(restore: &[String], contents: Vec<u8>, take: [Take<'_>; 2]) -> Result<(), EngineError> {
    let mut command = Command::new(restore, SECTION_WITHIN);
    command.environment.insert("LC_ALL".to_owned(), "C".to_owned());
    command.input = contents;
    for (section, take) in SECTIONS.into_iter().zip(take) {
        command.argv = restore.to_vec();
        command.argv.extend([format!("--section={section}"), "--file=-".to_owned()]);
        let finished = command.run_into(take).await?;
        if !finished.success() {
            return Err(failed("pg_restore", &finished));
        }
    }
    Ok(())
}

fn failed(program: &str, finished: &Finished) -> EngineError {
    // Its last line only repeats the query.
    let line = finished.said().lines().find(|line| line.contains(": error: "));
    let last_line = line.unwrap_or(finished.last_line()).trim().to_owned();
    ProcessError::Failed { program: program.to_owned(), code: finished.code, last_line }.into()
}

/// The major a program says it is.
async fn says(argv: &[String]) -> Option<u32> {
    let mut argv = argv.to_vec();
    argv.push("--version".to_owned());
    let finished = Command::new(&argv, VERSION_WITHIN).run().await.ok().filter(|finished| finished.success())?;
    // "pg_dump (PostgreSQL) 15.18 (Debian …)", "pg_dump (PostgreSQL) 19devel"
    let version = finished.stdout.split_whitespace().nth(2)?.to_owned();
    version.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

/// Where a `pg_dump` of this major may be: the configured places first, then Debian's and PGDG's, then `PATH`.
fn candidates(major: u32, configured: &[PathBuf]) -> Vec<PathBuf> {
    let usual = [format!("/usr/lib/postgresql/{major}/bin"), format!("/usr/pgsql-{major}/bin")].map(PathBuf::from);
    let path = std::env::var_os("PATH").unwrap_or_default();
    let dirs = configured.iter().cloned().chain(usual).chain(std::env::split_paths(&path));
    dirs.map(|dir| dir.join("pg_dump")).filter(|path| path.is_file()).collect()
}

/// How a program is started: as it is, or, inside an unpacked root, with that root's own loader and libraries.
fn launch(path: &Path) -> Vec<String> {
    let program = path.to_string_lossy().into_owned();
    let Some((root, _)) = program.split_once("/usr/lib/postgresql/").filter(|(root, _)| !root.is_empty()) else {
        return vec![program];
    };
    let triple = format!("{}-linux-gnu", std::env::consts::ARCH);
    let loaders = ["lib64/ld-linux-x86-64.so.2", "usr/lib64/ld-linux-x86-64.so.2", "lib/ld-linux-aarch64.so.1"];
    let Some(loader) = loaders.iter().map(|loader| Path::new(root).join(loader)).find(|loader| loader.exists()) else {
        return vec![program];
    };
    let libraries = format!("{root}/usr/lib/{triple}:{root}/lib/{triple}:{root}/usr/lib/{triple}/systemd");
    vec![loader.display().to_string(), "--library-path".to_owned(), libraries, program]
}

//! `pg_dump` of the server's major: finding it, running it, streaming what it writes.
//!
//! The schema sections are the one thing the vendor's tool is the only right source of. It reads in our snapshot, so that
//! schema and rows belong together. Never given a password in argv.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::super::EngineError;
use super::connect::Place;
use super::said::is_about_locks;
use crate::process::{Command, ProcessError};

/// `pg_dump --version` answers at once; a hung file system should not hold a backup for ever.
const VERSION_WITHIN: Duration = Duration::from_secs(10);
/// A schema of a hundred thousand objects takes minutes; longer is a hang.
const SECTION_WITHIN: Duration = Duration::from_secs(30 * 60);

/// A `pg_dump` that was asked for its version.
#[derive(Debug, Clone)]
pub(super) struct Client {
    argv: Vec<String>,
    major: u32,
}

impl Client {
    /// The first `pg_dump` of this major on the host, or `None`. `configured` directories come first; one inside an unpacked
    /// root works too.
    pub(super) async fn find(major: u32, configured: &[PathBuf]) -> Option<Self> {
        for path in candidates(major, configured) {
            let client = Self { argv: launch(&path), major };
            if client.says().await == Some(major) {
                return Some(client);
            }
        }
        None
    }

    /// The major it says it is.
    async fn says(&self) -> Option<u32> {
        let mut argv = self.argv.clone();
        argv.push("--version".to_owned());
        let finished = Command::new(&argv, VERSION_WITHIN).run().await.ok().filter(|finished| finished.success())?;
        // "pg_dump (PostgreSQL) 15.18 (Debian …)", "pg_dump (PostgreSQL) 19devel"
        let version = finished.stdout.split_whitespace().nth(2)?.to_owned();
        version.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
    }

    /// Writes one section (`pre-data`, `post-data`) of the schema, as of `snapshot`, to `take`. What it warns of comes back: it may
    /// leave something out and call that a success.
    pub(super) async fn section(
        &self,
        place: &Place,
        section: &str,
        snapshot: &str,
        encoding: &str,
        lock_wait: Duration,
        take: &mut (dyn FnMut(&[u8]) + Send),
    ) -> Result<Vec<String>, EngineError> {
        let mut argv = self.argv.clone();
        argv.extend([
            "--schema-only".to_owned(),
            format!("--section={section}"),
            format!("--snapshot={snapshot}"),
            format!("--encoding={encoding}"),
            format!("--lock-wait-timeout={}", lock_wait.as_millis()),
            "--no-password".to_owned(),
        ]);
        let mut command = Command::new(&argv, SECTION_WITHIN);
        command.environment = place.environment(self.major);
        // Its own words, whatever the host speaks: warnings are told from the rest by how they begin.
        command.environment.insert("LC_ALL".to_owned(), "C".to_owned());
        let finished = command.run_into(take).await?;
        if finished.success() {
            let warnings = finished.stderr.lines().filter_map(|line| line.strip_prefix("pg_dump: warning: "));
            return Ok(warnings.map(str::to_owned).collect());
        }
        let doing = format!("read the schema with pg_dump --section={section}");
        if is_about_locks(finished.said()) {
            return Err(EngineError::NoLocks { doing, is: None, wanted: None });
        }
        // Its last line only repeats the query.
        let line = finished.said().lines().find(|line| line.contains(": error: "));
        let last_line = line.unwrap_or(finished.last_line()).trim().to_owned();
        Err(ProcessError::Failed { program: format!("pg_dump --section={section}"), code: finished.code, last_line }.into())
    }
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

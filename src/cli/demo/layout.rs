//! What the demo puts on disk: a configuration, releases of the notes server, and a page for the curious.

use std::path::{Path, PathBuf};

use crate::context::LOCK;
use crate::durable::{self, DurableError, Lock};
use crate::failure::{Class, Failure};

/// Marks a directory as a demo's own: only such a one is made anew.
const MARK: &str = ".upkeep-demo";

/// The longest path a Unix socket may have is 107 bytes; a longer one goes into the temporary directory.
const LONGEST_SOCKET_PATH: usize = 100;

/// A release of the notes server.
#[derive(Debug, Clone, Copy)]
pub(super) struct Release {
    pub(super) version: &'static str,
    /// Its own migration scripts; those of the releases before it are in it too.
    scripts: &'static [(&'static str, &'static str)],
    broken: bool,
}

const V1: (&str, &str) = (
    "V1__notes.sql",
    "CREATE TABLE note (\n    id      INTEGER PRIMARY KEY,\n    text    TEXT NOT NULL,\n    written TEXT NOT NULL DEFAULT (datetime('now'))\n);\n",
);
const V2: (&str, &str) = (
    "V2__tags.sql",
    "ALTER TABLE note ADD COLUMN tag TEXT NOT NULL DEFAULT 'untagged';\nCREATE INDEX note_by_tag ON note (tag);\n",
);

/// In the order of the story.
pub(super) const RELEASES: [Release; 4] = [
    Release { version: "1.0.0", scripts: &[V1], broken: false },
    Release { version: "1.1.0", scripts: &[V1, V2], broken: false },
    Release {
        version: "1.2.0",
        scripts: &[
            V1,
            V2,
            ("V3__colours.sql", "ALTER TABLE note ADD COLUMN colour TEXT;\nUPDATE note SET colour = 'blue';\n"),
            (
                "V4__authors.sql",
                "CREATE TABLE author (id INTEGER PRIMARY KEY);\nUPDATE nobody SET name = 'a table that is not there';\n",
            ),
        ],
        broken: false,
    },
    Release {
        version: "1.3.0",
        scripts: &[V1, V2, ("V3__stars.sql", "ALTER TABLE note ADD COLUMN stars INTEGER NOT NULL DEFAULT 0;\n")],
        broken: true,
    },
];

/// Refuses a directory that holds something else than an earlier demo, or one that still runs.
pub(super) fn is_ours_to_make(root: &Path) -> Result<(), Failure> {
    let occupied = std::fs::read_dir(root).is_ok_and(|mut entries| entries.next().is_some());
    if occupied && !root.join(MARK).exists() {
        return Err(Failure::new(Class::CannotCreate, format!("{} is not empty and is not an earlier demo's", root.display()))
            .safe("nothing in it was touched")
            .hint("choose another place: `upkeep demo --dir DIR`"));
    }
    let Some(holder) = Lock::holder(&root.join("state").join(LOCK)) else { return Ok(()) };
    // It would go on in the new demo's files, with what it knows of the old one's.
    Err(Failure::new(Class::TempFail, format!("an earlier demo still runs in {}: {holder}", root.display()))
        .safe("nothing in it was touched")
        .hint("end it with `kill` and that pid, then try again; or choose another place: `upkeep demo --dir DIR`"))
}

/// Makes the directory, anew when it is an earlier demo's.
pub(super) fn prepare(root: &Path) -> Result<(), Failure> {
    if root.join(MARK).exists() {
        let removed = std::fs::remove_dir_all(root);
        removed.map_err(|error| {
            Failure::new(Class::CannotCreate, format!("cannot remove the earlier demo in {}: {error}", root.display()))
        })?;
    }
    durable::make_dir(root)?;
    Ok(durable::write(&root.join(MARK), b"made by `upkeep demo`, which makes this directory anew each time\n")?)
}

/// Where the demo's socket is.
pub(super) fn socket(root: &Path) -> PathBuf {
    let path = root.join("upkeep.sock");
    if path.as_os_str().len() <= LONGEST_SOCKET_PATH {
        return path;
    }
    std::env::temp_dir().join(format!("upkeep-demo-{}", std::process::id())).join("upkeep.sock")
}

/// Lays a release out beside the others. Nothing points at it yet.
pub(super) fn unpack(root: &Path, release: Release) -> Result<PathBuf, DurableError> {
    let directory = root.join("releases").join(release.version);
    durable::make_dir(&directory.join("migrations"))?;
    for (name, text) in release.scripts {
        durable::write(&directory.join("migrations").join(name), text.as_bytes())?;
    }
    if release.broken {
        durable::write(&directory.join("broken"), b"a notes server started from here is never healthy\n")?;
    }
    durable::write(&directory.join("VERSION"), format!("{}\n", release.version).as_bytes())?;
    Ok(directory)
}

/// What a package update or a deployment does: the new release beside the old one, then the link swapped.
pub(super) fn install(root: &Path, release: Release) -> Result<(), DurableError> {
    unpack(root, release)?;
    durable::swap_symlink(&root.join("current"), &Path::new("releases").join(release.version))
}

/// Writes the configuration and the page for the curious; gives the configuration's path.
pub(super) fn write(root: &Path, program: &Path, port: u16) -> Result<PathBuf, DurableError> {
    let config = root.join("upkeep.toml");
    durable::write(&config, configuration(root, program, port).as_bytes())?;
    durable::write(&root.join("README.txt"), readme(root, program).as_bytes())?;
    Ok(config)
}

/// A text as TOML writes it.
fn quoted(text: impl std::fmt::Display) -> String {
    toml::Value::String(text.to_string()).to_string()
}

fn configuration(root: &Path, program: &Path, port: u16) -> String {
    let at = |name: &str| quoted(root.join(name).display());
    let control = |verb: &str| {
        let words = [program.display().to_string(), "demo-server".into(), "--root".into(), root.display().to_string()];
        let words = words.into_iter().chain(["--port".into(), port.to_string(), verb.into()]).map(quoted);
        format!("[{}]", words.collect::<Vec<_>>().join(", "))
    };
    format!(
        "# Made by `upkeep demo`. Times are short so that the story is; a real configuration leaves most of this out.\n\
         [daemon]\nstate_dir = {state}\npoll = \"500ms\"\n\n\
         [control]\nsocket = {socket}\noperators = [\"root\", \"{uid}\"]\n\n\
         [targets.notes.database]\nurl = {url}\n\n\
         [targets.notes.backup]\ndirectory = {archives}\nschedule = \"*/2 * * * * *\"\n\n\
         [targets.notes.retention]\nkeep_last = 100\n\n\
         [targets.notes.release]\npath = {current}\nversion = [{{ symlink = true }}, {{ file = \"VERSION\" }}]\nsettle = \"300ms\"\n\n\
         [targets.notes.migrations]\nlocations = [\"migrations\"]\n\n\
         [targets.notes.service]\nstart = {start}\nstop = {stop}\nstatus = {status}\n\
         health = [{{ http = \"http://127.0.0.1:{port}/health\" }}]\nhealthy_for = \"1s\"\ndeadline = \"4s\"\n",
        state = at("state"),
        socket = quoted(socket(root).display()),
        uid = rustix::process::geteuid().as_raw(),
        url = quoted(
            format!("sqlite://{}", root.join("notes.db").display())
                .replace('%', "%25")
                .replace(' ', "%20")
                .replace('?', "%3F")
                .replace('#', "%23")
        ),
        archives = at("archives"),
        current = at("current"),
        start = control("start"),
        stop = control("stop"),
        status = control("status"),
    )
}

fn readme(root: &Path, program: &Path) -> String {
    let upkeep = format!("{} --config {}", program.display(), root.join("upkeep.toml").display());
    format!(
        "What `upkeep demo` left here, for looking around\n\
         ================================================\n\n\
         notes.db       the notes server's SQLite database\n\
         releases/      its releases; `current` points at the one installed\n\
         archives/      backups: each a plain zstd file (zstd -dc ARCHIVE > copy.db)\n\
         state/         upkeep's own state: journal, catalogue, kept migration scripts\n\
         upkeep.toml    the configuration\n\
         daemon.log     what the daemon said\n\
         server.log     what the notes server said\n\n\
         Nothing runs any more. These work without the daemon:\n\n\
         \x20 {upkeep} status\n\
         \x20 {upkeep} list\n\
         \x20 {upkeep} events\n\
         \x20 {upkeep} verify --all\n\
         \x20 {upkeep} inspect LABEL\n\
         \x20 {upkeep} diff LABEL LABEL\n\
         \x20 {upkeep} plan notes\n\
         \x20 {upkeep} restore notes --dry-run --replace\n\
         \x20 {upkeep} prune notes --dry-run\n\n\
         And this lets it live again; swap `current` to another release and watch:\n\n\
         \x20 {upkeep} daemon\n\
         \x20 {upkeep} status --watch\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_demo_that_still_runs_is_not_removed() {
        let dir = tempfile::tempdir().unwrap();
        prepare(dir.path()).unwrap();
        let state = dir.path().join("state");
        durable::make_dir(&state).unwrap();
        let daemon = Lock::take(&state.join(LOCK), "upkeep daemon, pid 12").unwrap();
        let refused = is_ours_to_make(dir.path()).unwrap_err().to_string();
        assert!(refused.contains("an earlier demo still runs in") && refused.contains("pid 12"), "{refused}");
        drop(daemon);
        is_ours_to_make(dir.path()).unwrap();
        prepare(dir.path()).unwrap();
        assert!(!state.exists());
    }
}

//! The real Flyway, in a JVM of its own that serves all comparisons with one of its versions.
//!
//! `tests/run` puts the jars into `flyway/current` and `flyway/older` of its cache and says where in `TEST_FLYWAY`. Without
//! them (or without Java) a test is skipped loudly; with `CI` or `REQUIRE_SERVERS` set that is a failure.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

/// Which Flyway.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Version {
    /// The current major.
    Current,
    /// One that still takes older servers.
    Older,
}

impl Version {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Current => "current",
            Self::Older => "older",
        }
    }

    /// Where its jars are.
    fn jars(self) -> Option<PathBuf> {
        let cache = std::env::var_os("TEST_FLYWAY").map(PathBuf::from);
        let dir = cache.unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join(".cache/flyway")).join(self.name());
        dir.is_dir().then_some(dir)
    }

    /// Flyway's own number, from its jar's name.
    pub(crate) fn number(self) -> String {
        let names = std::fs::read_dir(self.jars().unwrap()).unwrap().map(|entry| entry.unwrap().file_name());
        let names = names.filter_map(|name| name.to_str().map(str::to_owned));
        let number = |name: String| Some(name.strip_prefix("flyway-core-")?.strip_suffix(".jar")?.to_owned());
        names.filter_map(number).next().unwrap_or_else(|| "of no number".to_owned())
    }
}

/// A running Flyway. Ends with its standard input, and so with this process.
#[derive(Debug)]
pub(crate) struct Flyway {
    stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
    _child: Child,
}

/// Flyway's settings under its own names, without `flyway.`.
pub(crate) type Settings = Vec<(String, String)>;

/// What Flyway answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Answer {
    /// Lines of fields.
    pub(crate) rows: Vec<Vec<String>>,
    /// What `look` says is wrong, pending scripts included.
    pub(crate) strict: Vec<Vec<String>>,
    /// What it says is wrong, pending scripts passed over.
    pub(crate) pending: Vec<Vec<String>>,
    /// Its message when it failed.
    pub(crate) failed: Option<String>,
}

/// The shared Flyway of a version; `None` (said loudly) where there is none. It answers one after the other; between two
/// requests of one test those of others may come.
pub(crate) fn flyway(version: Version) -> Option<&'static Shared> {
    static CURRENT: OnceLock<Option<Shared>> = OnceLock::new();
    static OLDER: OnceLock<Option<Shared>> = OnceLock::new();
    let cell = match version {
        Version::Current => &CURRENT,
        Version::Older => &OLDER,
    };
    let started = cell.get_or_init(|| Flyway::start(version).map(|flyway| Shared(Mutex::new(flyway))));
    if started.is_none() {
        super::skipped(&format!("no Flyway ({}) or no Java; tests/run fetches it", version.name()), super::SERVERS);
    }
    started.as_ref()
}

/// A JVM of the current major for those who measure moments: whoever has it has it alone.
pub(crate) fn alone() -> Option<MutexGuard<'static, Flyway>> {
    static ALONE: OnceLock<Option<Mutex<Flyway>>> = OnceLock::new();
    flyway(Version::Current)?;
    let started = ALONE.get_or_init(|| Flyway::start(Version::Current).map(Mutex::new)).as_ref();
    started.map(|flyway| flyway.lock().unwrap_or_else(PoisonError::into_inner))
}

/// One JVM for all tests.
#[derive(Debug)]
pub(crate) struct Shared(Mutex<Flyway>);

impl Shared {
    /// Asks and waits for the answer.
    pub(crate) fn ask(&self, verb: &str, settings: &Settings) -> Answer {
        // A comparison that failed leaves the JVM as it was: answers are read whole.
        self.0.lock().unwrap_or_else(PoisonError::into_inner).ask(verb, settings)
    }
}

impl Flyway {
    fn start(version: Version) -> Option<Self> {
        let jars = version.jars()?;
        let driver = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/flyway/Driver.java");
        let log = std::fs::File::create(std::env::temp_dir().join(format!("upk-flyway-{}.log", std::process::id()))).unwrap();
        let mut command = Command::new("java");
        command.args(["-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Xmx512m", "-cp"]);
        command.arg(format!("{}/*", jars.display())).arg(driver);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(log).spawn().ok()?;
        let (stdin, stdout) = (child.stdin.take()?, BufReader::new(child.stdout.take()?));
        Some(Self { stdin, stdout, _child: child })
    }

    pub(crate) fn ask(&mut self, verb: &str, settings: &Settings) -> Answer {
        let fields = settings.iter().map(|(key, value)| format!("\tflyway.{key}={}", escape(value)));
        let line = format!("{verb}{}\n", fields.collect::<String>());
        self.stdin.write_all(line.as_bytes()).unwrap();
        self.stdin.flush().unwrap();
        let mut answer = Answer { rows: Vec::new(), strict: Vec::new(), pending: Vec::new(), failed: None };
        loop {
            let mut line = String::new();
            assert_ne!(self.stdout.read_line(&mut line).unwrap(), 0, "Flyway's JVM ended at {verb}");
            let mut fields = line.trim_end_matches('\n').split('\t').map(unescape);
            match fields.next().as_deref() {
                Some("row") => answer.rows.push(fields.collect()),
                Some("strict") => answer.strict.push(fields.collect()),
                Some("pending") => answer.pending.push(fields.collect()),
                Some("ok") => return answer,
                Some("failed") => return Answer { failed: Some(fields.collect()), ..answer },
                other => panic!("Flyway's driver said {other:?}"),
            }
        }
    }
}

fn escape(text: &str) -> String {
    text.replace('\\', "\\\\").replace('\t', "\\t").replace('\n', "\\n")
}

fn unescape(text: &str) -> String {
    text.replace("\\n", "\n").replace("\\t", "\t").replace("\\\\", "\\")
}

//! Named points at which a test may kill the process or fail an operation.
//!
//! In release builds every function here does nothing. In debug builds six environment variables drive it:
//! `UPKEEP_FAULT_TRACE=FILE` appends the name of each point passed, one a line, so that the code itself provides the list a
//! test walks; `UPKEEP_FAULT_KILL=N` ends the process with SIGKILL when the N-th point (from 1) is passed;
//! `UPKEEP_FAULT_TERM=NAME` sends it a SIGTERM, as a supervisor does, the first time the point of that name is passed;
//! `UPKEEP_FAULT_FAIL=NAME` makes every [`check`] of that name fail with "no space left on device" (ENOSPC);
//! `UPKEEP_FAULT_HOLD=NAME:FIFO` waits, the first time the point of that name is passed, until somebody has opened the FIFO for
//! writing and closed it again; with `*` for the name, at every point that is passed. `UPKEEP_FAULT_PANIC=NAME` has every [`aside`] of
//! that name panic.
//!
//! Put a point on each side of every durable step: `point("backup.sealed")`. A new point is covered by the crash tests
//! by itself, for they walk what the trace shows.

/// Passes a point.
#[inline(always)]
pub fn point(name: &str) {
    if cfg!(debug_assertions) {
        armed::point(name);
    }
}

/// Fails with ENOSPC when a test armed this name.
///
/// # Errors
/// Only in a debug build with `UPKEEP_FAULT_FAIL` naming the point.
#[inline(always)]
pub fn check(name: &str) -> std::io::Result<()> {
    if cfg!(debug_assertions) { armed::check(name) } else { Ok(()) }
}

/// Passes a point beside the durable steps, in work that is not walked: it may be held up or panic, and is neither traced nor
/// counted, for when it is passed is not the same in two runs.
#[inline(always)]
pub fn aside(name: &str) {
    if cfg!(debug_assertions) {
        armed::aside(name);
    }
}

mod armed {
    use std::io::{self, Write};
    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

    static PASSED: AtomicU64 = AtomicU64::new(0);
    /// Instead of a point's name: each, each time.
    const EVERY: &str = "*";
    static WAS_HELD: AtomicBool = AtomicBool::new(false);
    static WAS_TOLD: AtomicBool = AtomicBool::new(false);

    struct Armed {
        trace: Option<String>,
        kill: Option<u64>,
        term: Option<String>,
        fail: Option<String>,
        hold: Option<(String, String)>,
        panic: Option<String>,
    }

    fn armed() -> &'static Armed {
        static ARMED: OnceLock<Armed> = OnceLock::new();
        ARMED.get_or_init(|| Armed {
            trace: std::env::var("UPKEEP_FAULT_TRACE").ok(),
            kill: std::env::var("UPKEEP_FAULT_KILL").ok().and_then(|n| n.parse().ok()),
            term: std::env::var("UPKEEP_FAULT_TERM").ok(),
            fail: std::env::var("UPKEEP_FAULT_FAIL").ok(),
            panic: std::env::var("UPKEEP_FAULT_PANIC").ok(),
            hold: std::env::var("UPKEEP_FAULT_HOLD").ok().and_then(|hold| {
                let (name, fifo) = hold.split_once(':')?;
                Some((name.to_owned(), fifo.to_owned()))
            }),
        })
    }

    /// Passes a point that is neither traced nor counted.
    pub(super) fn aside(name: &str) {
        let armed = armed();
        let held = armed.hold.as_ref().filter(|(held, _)| held == name);
        if let Some((_, fifo)) = held.filter(|_| !WAS_HELD.swap(true, Ordering::SeqCst)) {
            wait_at(fifo);
        }
        if armed.panic.as_deref() == Some(name) {
            std::panic::resume_unwind(Box::new("a panic that a test asked for"));
        }
    }

    /// Waits until somebody has opened a FIFO and closed it again.
    fn wait_at(fifo: &str) {
        // Nothing is written: the end of the file is the word to go on. One that cannot be read fails the test by itself.
        let wait = || drop(std::fs::read(fifo));
        let flavor = tokio::runtime::Handle::try_current().map(|runtime| runtime.runtime_flavor());
        match flavor {
            // Whoever else is to run on this thread is handed to another: what answers others must not be held up with us.
            Ok(tokio::runtime::RuntimeFlavor::MultiThread) => tokio::task::block_in_place(wait),
            _ => wait(),
        }
    }

    /// Passes a point: traced, held up, and deadly when it is the one armed.
    pub(super) fn point(name: &str) {
        let armed = armed();
        let number = PASSED.fetch_add(1, Ordering::SeqCst) + 1;
        if let Some(path) = &armed.trace {
            let file = std::fs::OpenOptions::new().create(true).append(true).open(path);
            // A trace that cannot be written fails the test that reads it; nothing here depends on it.
            if let Ok(mut file) = file {
                file.write_all(format!("{name}\n").as_bytes()).ok();
            }
        }
        // After the trace, so that whoever is asked to let go can read where.
        let held =
            armed.hold.as_ref().filter(|(held, _)| held == EVERY || (held == name && !WAS_HELD.swap(true, Ordering::SeqCst)));
        if let Some((_, fifo)) = held {
            wait_at(fifo);
        }
        let ourselves = rustix::process::getpid();
        if armed.kill == Some(number) {
            rustix::process::kill_process(ourselves, rustix::process::Signal::KILL).ok();
        }
        if armed.term.as_deref() == Some(name) && !WAS_TOLD.swap(true, Ordering::SeqCst) {
            rustix::process::kill_process(ourselves, rustix::process::Signal::TERM).ok();
        }
    }

    /// Fails with ENOSPC when a test armed this name; also passes the point of that name.
    pub(super) fn check(name: &str) -> io::Result<()> {
        point(name);
        if armed().fail.as_deref() == Some(name) {
            return Err(io::Error::from_raw_os_error(rustix::io::Errno::NOSPC.raw_os_error()));
        }
        Ok(())
    }
}

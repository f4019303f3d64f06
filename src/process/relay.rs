//! Going on as another user, who gets pipes of ours and never our terminal.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::process::Stdio;

use tokio::sync::mpsc::UnboundedReceiver;

use super::{ProcessError, Taker, User, drain, environment};

/// Runs `argv` as `user` to its end, and answers with its exit code.
///
/// It gets the few variables that every program has and `more`, no input, and two pipes for what it prints; it is in a session
/// of its own, so that no terminal of ours is its terminal: whoever is that user could type into it otherwise. Each signal that
/// `signals` brings is passed on as TERM; when we die, it is told by TERM too.
///
/// # Errors
/// When it cannot be started or talked to.
pub async fn relay(
    user: &User,
    argv: &[String],
    more: BTreeMap<OsString, OsString>,
    signals: &mut UnboundedReceiver<()>,
    [out, err]: [Taker<'_>; 2],
) -> Result<u8, ProcessError> {
    let program = argv.first().cloned().unwrap_or_default();
    let wrapped = user.wrapped(argv, &["--pdeathsig=TERM"]);
    let (first, rest) = wrapped.split_first().ok_or(ProcessError::Empty)?;
    let mut command = tokio::process::Command::new(first);
    command.args(rest).env_clear().envs(environment::kept(Some(user))).envs(more).current_dir("/");
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().map_err(|source| ProcessError::Start { program: first.clone(), source })?;
    let pid = child.id().and_then(|pid| i32::try_from(pid).ok()).and_then(rustix::process::Pid::from_raw);
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    let mut talk = Box::pin(async {
        let (out, err) = tokio::join!(drain(stdout, out), drain(stderr, err));
        let status = child.wait().await;
        out.and(err).and(status)
    });
    loop {
        tokio::select! {
            status = &mut talk => {
                let status = status.map_err(|source| ProcessError::Talk { program, source })?;
                let code = status.code().or_else(|| std::os::unix::process::ExitStatusExt::signal(&status).map(|signal| 128 + signal));
                return Ok(code.and_then(|code| u8::try_from(code).ok()).unwrap_or(u8::MAX));
            }
            Some(()) = signals.recv() => {
                if let Some(pid) = pid {
                    // Already gone is what we want.
                    rustix::process::kill_process(pid, rustix::process::Signal::TERM).ok();
                }
            }
        }
    }
}

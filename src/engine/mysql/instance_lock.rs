//! `LOCK INSTANCE FOR BACKUP` of MySQL: nobody changes a definition, in whatever database of the server.
//!
//! A dump needs it from the moment of its snapshots until it has read every definition. From then on its workers hold the tables, and
//! what is no table has been read, so that the rest of the dump keeps nobody waiting who works on something else.
//!
//! A statement that waits for this lock holds the server's global lock already, which `FLUSH TABLES WITH READ LOCK` waits for. So
//! whoever wants both takes the global one first; the other way round each would wait for the other until a bound ends it.

use super::super::EngineError;
use super::connect::Session;
use super::privileges::Grants;

/// How long a lock that stops others is waited for, in seconds: whoever comes after us waits as long.
pub(super) const LOCK_WAIT_SECONDS: u32 = 3;

/// What gives it back.
const UNLOCK: &str = "UNLOCK INSTANCE";

/// The lock of one dump, on the session that reads the definitions.
#[derive(Debug)]
pub(super) struct InstanceLock {
    /// The statement that takes it, where the server has it and the account may.
    lock: Option<&'static str>,
    held: bool,
}

impl InstanceLock {
    /// Not taken yet.
    pub(super) fn of(leader: &Session, grants: &Grants) -> Self {
        let allowed = |_: &&str| grants.allow_everywhere("BACKUP_ADMIN");
        Self { lock: leader.version.instance_lock().filter(allowed), held: false }
    }

    /// Takes it, if it is to be had soon. A dump is exact without it as well: what changes meanwhile is seen, and it begins anew.
    pub(super) async fn take(&mut self, leader: &mut Session) -> Result<(), EngineError> {
        let Some(lock) = self.lock.filter(|_| !self.held) else { return Ok(()) };
        let bounded = format!("SET SESSION lock_wait_timeout = {LOCK_WAIT_SECONDS}; {lock}");
        match leader.run("lock out schema changes", &bounded).await {
            Ok(()) => self.held = true,
            Err(EngineError::InUse { .. }) => {
                tracing::debug!("a schema change is under way: the dump goes on without {lock}");
                self.lock = None;
            }
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// Gives it back; for the manifest, that it was held.
    pub(super) async fn give_back(&mut self, leader: &mut Session) -> Result<Option<String>, EngineError> {
        if !std::mem::take(&mut self.held) {
            return Ok(None);
        }
        leader.run("let schema changes go on", UNLOCK).await?;
        Ok(self.lock.map(|lock| format!("{lock}, until the definitions were read")))
    }
}

//! Those who only pass: a look at a database, or a client that has said goodbye, is listed by its server for a moment.

use std::time::Duration;

/// How often, and how many times, it is looked whether somebody has gone: two seconds are more than a look at a database takes, and
/// little beside a restore.
const MOMENT: Duration = Duration::from_millis(100);
const MOMENTS: u32 = 20;

/// How long those who only pass are waited for.
#[derive(Debug, Default)]
pub(crate) struct Patience {
    spent: u32,
}

impl Patience {
    /// Waits a moment, after which it is worth looking again; false when whoever is still there does not only pass.
    pub(crate) async fn lasts(&mut self) -> bool {
        if self.spent == MOMENTS {
            return false;
        }
        self.spent += 1;
        tokio::time::sleep(MOMENT).await;
        true
    }
}

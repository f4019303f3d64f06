//! The world as the driver sees it: each call has its effect on it, fails, or never returns.

use std::time::Duration;

use super::*;
use crate::upgrade::hands::InParts;

impl Hands for World {
    async fn record(&self, event: &Event) -> Result<(), UpgradeError> {
        self.call("record", |inner| inner.journal.push(event.clone())).await.unwrap();
        Ok(())
    }

    async fn pause(&self, pause: Duration) {
        self.inner().pauses.push(pause);
    }

    async fn release(&self) -> Result<ReleaseAt, Failed> {
        self.call("release", |inner| inner.installed.clone()).await
    }

    async fn service(&self) -> ServiceState {
        let state = |inner: &mut Inner| if inner.server.is_some() { ServiceState::Running } else { ServiceState::Stopped };
        self.call("service", state).await.unwrap()
    }

    async fn stop(&self) -> Result<(), Failed> {
        self.call("stop", |inner| inner.server = None).await
    }

    async fn start(&self) -> Result<(), Failed> {
        let name = format!("start:{}", self.installed());
        let start = |inner: &mut Inner| {
            let knows = inner.plan.applies == Applies::Nobody || inner.db.migrations <= known(inner.installed.version.as_str());
            if !knows {
                inner.wrong.push(format!("{} was started on a database that it does not know", inner.installed.version));
            }
            if inner.plan.applies == Applies::Server && inner.db.migrations < known(inner.installed.version.as_str()) {
                inner.is_archived();
            }
            inner.start();
        };
        self.call(&name, start).await
    }

    async fn healthy(&self) -> Result<InParts<String>, Failed> {
        let name = format!("healthy:{}", self.server().unwrap_or_default());
        let running = self.call(&name, |inner| inner.server.is_some()).await?;
        let down = Failed::new(Class::Unavailable, "down");
        if running { Ok(InParts { what: "healthy".to_owned(), between: None }) } else { Err(down) }
    }

    async fn shape(&self) -> Result<Shape, Failed> {
        self.call("look", |inner| shape(&inner.db)).await
    }

    async fn outlast(&self, tool: Option<&Tool>, _step: Step) -> Result<(), Failed> {
        let Some(tool) = tool else { return Ok(()) };
        let lives = self.call("outlast", |inner| inner.tool).await?;
        match lives {
            Some(_) => Err(Failed::new(Class::Unavailable, format!("{tool} lives"))),
            None => Ok(()),
        }
    }

    async fn look(&self) -> Result<Look, Failed> {
        let look = |inner: &mut Inner| {
            let knows = if inner.plan.applies == Applies::Nobody {
                inner.db.migrations
            } else {
                known(inner.installed.version.as_str())
            };
            let names = |from: usize, to: usize| (from + 1..=to).map(|number| format!("V{number}")).collect();
            let scripts = Scripts {
                failed: if inner.db.half { vec!["V3".to_owned()] } else { Vec::new() },
                pending: names(inner.db.migrations + usize::from(inner.db.half), knows),
                ahead: names(knows, inner.db.migrations),
                ..Scripts::default()
            };
            Look { shape: shape(&inner.db), scripts: Some(scripts) }
        };
        // Scripts are read from the release: of one that cannot be read there are none.
        self.release().await?;
        self.call("look", look).await
    }

    async fn find_archive(&self, kind: Kind) -> Result<Option<Label>, Failed> {
        let find =
            |inner: &mut Inner| inner.archives.iter().rev().find(|(of, _, _)| *of == kind).map(|(_, label, _)| label.clone());
        self.call(&format!("find:{kind}"), find).await
    }

    async fn archive(&self, kind: Kind) -> Result<InParts<Label>, Failed> {
        let what = self.call(&format!("archive:{kind}"), |inner| inner.take(kind)).await?;
        Ok(InParts { what, between: None })
    }

    async fn compare(&self, label: &Label) -> Result<Compared, Failed> {
        let compare = |inner: &mut Inner| match inner.archives.iter().any(|(_, of, db)| of == label && *db == inner.db) {
            true => Compared::Same,
            false => Compared::Differs("others".to_owned()),
        };
        self.call("compare", compare).await
    }

    async fn ahead_of(&self, earlier: &ReleaseAt) -> Result<Vec<String>, Failed> {
        let version = earlier.version.clone();
        let ahead = move |inner: &mut Inner| match inner.plan.applies {
            Applies::Nobody => Vec::new(),
            _ => (known(version.as_str()) + 1..=inner.db.migrations).map(|number| format!("V{number}")).collect(),
        };
        self.call("ahead", ahead).await
    }

    async fn outcome_known(&self, _tool: &Tool) -> Result<bool, Failed> {
        Ok(self.inner().outcome_known)
    }

    async fn ready(&self) -> Result<(), Failed> {
        self.call("ready", |_| ()).await
    }

    async fn handed_over(&self) {
        if !self.inner().handed {
            std::future::pending().await
        }
    }

    async fn migrate(&self, begun: Option<&Tool>) -> Result<Migrated, Failed> {
        self.inner().begun = begun.cloned();
        let half = || Failed { partial: true, ..Failed::new(Class::Data, "it stopped half-way") };
        if begun.is_some() && self.inner().outcome_known {
            let whole = self.call("judge", |inner| (inner.db.migrations, inner.db.half) == (known("2.0"), false)).await?;
            return if whole { Ok(Migrated { said: "applied".to_owned(), applied: None }) } else { Err(half()) };
        }
        let (before, applies) = (self.db().migrations, self.plan().applies);
        if (self.db().migrations, self.db().half) == (1, false) {
            self.inner().is_archived();
        }
        if applies == Applies::Tool {
            let handed = self.inner().handed;
            self.record(&if handed { handed_over() } else { spawned() }).await.unwrap();
        }
        for (call, done) in [("migrate", (2, false)), ("migrate-half", (2, true)), ("migrate-second", (3, false))] {
            if (self.db().migrations, self.db().half) < done {
                let failed = |failed| if call == "migrate-second" { Failed { partial: true, ..failed } } else { failed };
                self.call(call, Inner::migrate_on).await.map_err(failed)?;
            }
        }
        let applied = (applies == Applies::Upkeep).then(|| self.db().migrations - before);
        Ok(Migrated { said: "applied".to_owned(), applied })
    }

    async fn restore(&self, label: &Label, kept: Option<&Label>) -> Result<String, Failed> {
        // In one call: under the fence nobody writes.
        let restore = |inner: &mut Inner| {
            let find = |wanted: &Label| inner.archives.iter().find(|(_, of, _)| of == wanted).cloned().unwrap();
            let (wanted, kept) = (find(label), kept.map(find));
            if kept.as_ref().is_none_or(|kept| kept.2 != inner.db) {
                inner.take(kept.map_or(Kind::FailedState, |kept| kept.0));
            }
            inner.db = wanted.2;
            format!("restored {label}")
        };
        if self.call("fence", |inner| inner.server.is_some()).await? {
            return Err(Failed::new(Class::TempFail, "the database is in use"));
        }
        self.call("restore", restore).await
    }

    async fn point_back(&self, to: &ReleaseAt) -> Result<(), Failed> {
        let point = |inner: &mut Inner| {
            inner.installed = to.clone();
            inner.faults.retain(|fault| fault.call != "release");
        };
        self.call("point-back", point).await
    }

    async fn hold(&self, version: &Version, _reason: &str) -> Result<(), Failed> {
        let hold = |inner: &mut Inner| {
            inner.holds.retain(|held| held != version.as_str());
            inner.holds.push(version.to_string());
        };
        self.call("hold", hold).await
    }

    async fn leave_note(&self, _archive: &Label) {}
}

fn spawned() -> Event {
    let process = crate::process::Identity { pid: 4711, began: 1, boot: "b".to_owned() };
    Event::Spawned { step: Step::Migrate, process }
}

fn handed_over() -> Event {
    let run = ToolRun { unit: "upkeep-migrate-notes.service".to_owned(), before: "a".to_owned() };
    Event::Handed { step: Step::Migrate, run }
}

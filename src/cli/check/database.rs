//! The database: whether it answers, what the account may do, and whether an archive of it fits back.

use std::path::PathBuf;

use super::super::human;
use super::{Findings, Found};
use crate::archive::manifest::Server;
use crate::config::{Location, Target};
use crate::durable;
use crate::engine::{self, Engine, EngineError, MayRestore};
use crate::failure::{Class, Failure};

/// Reaches the database and sizes it; gives its size in bytes.
pub(super) async fn look(target: &Target, findings: &mut Findings) -> Option<u64> {
    let engine = Engine::of(&target.database);
    let histories: Vec<String> = target.migrations.iter().map(|migrations| migrations.table.clone()).collect();
    let asked = async { Ok((engine.identify().await?, engine.survey(&histories).await?)) };
    let (server, survey) = match asked.await {
        Ok(answer) => answer,
        Err(error) => {
            let error: EngineError = error;
            findings.add(Some(target), "database", Err(Failure::of(&error)));
            return None;
        }
    };
    if !survey.exists {
        let failure = Failure::new(Class::NoInput, format!("{} does not exist", target.database.location));
        let failure = failure.hint(format!("check `url` in `[targets.{}.database]`", target.name));
        findings.add(Some(target), "database", Err(failure));
        return None;
    }
    let tables = human::many(survey.tables.len() as u64, "table");
    let found = format!("{} {}, {tables}, {}", server.flavour, server.version, human::size(survey.bytes));
    findings.add(Some(target), "database", Ok(found));
    if let Some(found) = connection(target).await {
        findings.add(Some(target), "connection", found);
    }
    match target.database.location {
        Location::Sqlite { .. } => findings.add(Some(target), "privileges", sqlite(&engine, target).await),
        Location::Postgres { .. } => postgres(&engine, &server, target, findings).await,
        Location::MySql { .. } => mysql(target, findings).await,
    }
    Some(survey.bytes)
}

/// Whether others can hear what is said to the server.
async fn connection(target: &Target) -> Option<Found> {
    let (host, setting) = match &target.database.location {
        Location::Sqlite { .. } => return None,
        Location::Postgres { host, .. } => (host, "sslmode=verify-full"),
        Location::MySql { host, .. } => (host, "ssl-mode=VERIFY_IDENTITY"),
    };
    Some(match Engine::worth(&target.database).await {
        Ok(Some(worth)) => Found::good(worth),
        Ok(None) if host.starts_with('/') => Found::good("over a Unix socket"),
        Ok(None) if super::super::setup::near(host) => Found::good("without TLS, on this host"),
        Ok(None) => Found::advice(
            Failure::new(Class::Config, format!("without TLS: anyone between this host and {host} can read every row"))
                .hint(format!("enable TLS at the server and set {setting} in `url` in `[targets.T.database]`")),
        ),
        Err(error) => Found::problem(Failure::of(&error)),
    })
}

/// Whether a restore could take the file's place and leave it its server's.
async fn sqlite(engine: &Engine, target: &Target) -> Found {
    match engine.may_replace().await {
        Ok(_) => Found::good("a restore may take the file's place, and leave it its owner's"),
        Err(error) => not_replaced(&error, target),
    }
}

/// What keeps a restore from taking the database's place.
fn not_replaced(error: &EngineError, target: &Target) -> Found {
    let failure = Failure::of(error).safe("archives are still taken");
    // Who only backs up restores as somebody else; an upgrade must be able to go back by itself.
    if target.migrations.is_some() || target.service.is_some() { Found::problem(failure) } else { Found::advice(failure) }
}

async fn postgres(engine: &Engine, server: &Server, target: &Target, findings: &mut Findings) {
    findings.add(Some(target), "pg_dump", pg_dump(engine, server, target).await);
    let all = engine::postgres::can_read_all(&target.database).await;
    let all = all.map(|()| "every row can be read".to_owned()).map_err(|error| Failure::of(&error));
    findings.add(Some(target), "privileges", all);
    if let Ok(hidden) = engine::postgres::hidden(&target.database).await {
        for left in hidden {
            let failure = Failure::new(Class::NoPermission, format!("not in the archives: {}: {}", left.what, left.why));
            let hint = "let upkeep connect as a superuser, or note down how it was made";
            findings.add(Some(target), "privileges", Found::advice(failure.hint(hint)));
        }
    }
    match engine::postgres::kept_by_extensions(&target.database).await {
        Ok(kept) => {
            for left in kept {
                let failure = Failure::new(Class::Data, format!("not in the archives: {}: {}", left.what, left.why));
                findings.add(Some(target), "extensions", Found::advice(failure));
            }
        }
        Err(error) => findings.add(Some(target), "extensions", Found::advice(Failure::of(&error))),
    }
    match engine::postgres::missing_on_standby(&target.database).await {
        Ok(None) => {}
        Ok(Some(unlogged)) => return findings.add(Some(target), "standby", standby(&unlogged, target)),
        Err(error) => return findings.add(Some(target), "standby", Err(Failure::of(&error))),
    }
    let may = match engine::postgres::may_restore(&target.database).await {
        Ok(may) => may_restore(may, "a superuser", "over one connection: slower", target),
        Err(error) => Found::problem(Failure::of(&error)),
    };
    findings.add(Some(target), "privileges", may);
}

/// What a hot standby is good for.
fn standby(unlogged: &[String], target: &Target) -> Found {
    let what = "the server is a hot standby: archives are taken of it, and nothing is restored, migrated or upgraded there";
    let without = match unlogged {
        [] => String::new(),
        names => format!("; it has no rows of unlogged tables, and no archive of it has: {}", names.join(", ")),
    };
    let failure = Failure::new(Class::Unavailable, format!("{what}{without}"));
    let failure = failure.hint("to restore or upgrade, name the primary server in `[targets.T.database]`");
    // Who only backs up may do so.
    if target.migrations.is_some() || target.service.is_some() { Found::problem(failure) } else { Found::advice(failure) }
}

/// Which way a restore may go.
fn may_restore(may: MayRestore, who: &str, in_place: &str, target: &Target) -> Found {
    match may {
        MayRestore::Beside => Found::good("a restore may be made beside the database and take its place"),
        MayRestore::InPlace(grant) => Found::advice(
            Failure::new(Class::NoPermission, format!("a restore rewrites the database where it stands, {in_place}"))
                .hint(format!("to restore beside it, as {who}: {grant}")),
        ),
        MayRestore::Not(grant) => {
            let failure = Failure::new(
                Class::NoPermission,
                "this account may not restore: it may not replace everything in the database",
            );
            let failure = failure.hint(format!("as {who}: {grant}"));
            // Who only backs up restores as somebody else; an upgrade must be able to go back by itself.
            if target.migrations.is_some() { Found::problem(failure) } else { Found::advice(failure) }
        }
    }
}

async fn mysql(target: &Target, findings: &mut Findings) {
    if let Err(error) = Engine::of(&target.database).may_replace().await {
        findings.add(Some(target), "restore", not_replaced(&error, target));
    }
    let may = match engine::mysql::may_read(&target.database).await {
        Ok(may) => may,
        Err(error) => return findings.add(Some(target), "privileges", Err(Failure::of(&error))),
    };
    let found = match may.routines {
        None => Found::good("everything can be read"),
        Some(grant) => Found::advice(
            Failure::new(Class::NoPermission, "procedures and functions of other accounts are hidden, and not in the archive")
                .hint(format!("as an administrator: {grant}")),
        ),
    };
    findings.add(Some(target), "privileges", found);
    for refused in may.refused {
        findings.add(Some(target), "backup", Err(Failure::of(&refused)));
    }
    for left in may.obstacles {
        let failure = Failure::new(Class::Data, format!("no restore brings back {}", left.what));
        findings.add(Some(target), "restore", Found::advice(failure.safe("everything else is restored").hint(left.why)));
    }
    let found = match may.lock {
        None => Found::good(format!("read as of one moment: {}", may.moment)),
        Some(grant) => Found::advice(
            Failure::new(
                Class::NoPermission,
                "consistent, but over one connection only: this account may not take the lock that several connections need",
            )
            .hint(format!("for several connections, as an administrator: {grant}")),
        ),
    };
    findings.add(Some(target), "locks", found);
    let found = match may.sessions {
        None => Found::good("sees whether others use the database"),
        Some(grant) => {
            let what = "this account cannot see other accounts' sessions, so nobody can tell whether the database is in use";
            let failure = Failure::new(Class::NoPermission, what);
            let safe =
                "a restore still loses no rows: it shuts writers out and archives what they have written in the meantime";
            Found::advice(failure.safe(safe).hint(format!("to be warned beforehand, as an administrator: {grant}")))
        }
    };
    findings.add(Some(target), "sessions", found);
    let in_place = "and what cuts it short leaves it half-way until it is run again";
    findings.add(Some(target), "privileges", may_restore(may.restore, "an administrator", in_place, target));
}

async fn pg_dump(engine: &Engine, server: &Server, target: &Target) -> Result<String, Failure> {
    engine.can_dump_schema(server).await.map_err(|error| {
        Failure::of(&error)
            .safe("archives are taken, but without the schema: they restore only into a database of the same shape")
            .hint(format!("or say where it is: `client_bindir` in `[targets.{}.database]`", target.name))
    })?;
    Ok(format!("one for PostgreSQL {} is here", server.version))
}

/// Whether a restore fits where the server keeps its data: until it has taken its place, old and new content are both there.
pub(super) async fn room_to_restore(target: &Target, size: u64) -> Found {
    let (near, told) = match &target.database.location {
        Location::Sqlite { path } => (true, Ok(path.parent().map(PathBuf::from))),
        Location::Postgres { host, .. } => {
            (super::super::setup::near(host), engine::postgres::data_directory(&target.database).await)
        }
        Location::MySql { host, .. } => {
            (super::super::setup::near(host), engine::mysql::data_directory(&target.database).await)
        }
    };
    let usual = match &target.database.location {
        Location::MySql { .. } => "/var/lib/mysql",
        Location::Postgres { .. } | Location::Sqlite { .. } => "/var/lib/postgresql",
    };
    if !near {
        return Found::good(format!("needs up to {} on the database server, which is another host", human::size(size)));
    }
    // Its insides are the server's alone; the file system is that of the nearest directory we may look at.
    let directory = told.ok().flatten().unwrap_or_else(|| usual.into());
    let Some(directory) = directory.ancestors().find(|above| above.exists()) else {
        return Found::good(format!("needs up to {}", human::size(size)));
    };
    match durable::free_bytes(directory) {
        Ok(free) if free < size => Found::problem(
            Failure::new(
                Class::CannotCreate,
                format!("needs up to {}, and {} has {} free", human::size(size), directory.display(), human::size(free)),
            )
            .safe("archives can still be taken")
            .hint("make room where the database server keeps its data"),
        ),
        Ok(free) => {
            Found::good(format!("needs up to {}; {} has {} free", human::size(size), directory.display(), human::size(free)))
        }
        Err(error) => Found::problem(Failure::of(&error)),
    }
}

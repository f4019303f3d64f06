//! One target's sections, turned into checked types.

use std::path::{Component, Path, PathBuf};
use std::time::Duration;

use config::{Value, ValueKind};

use super::{Environment, Secrets, location, offsite, values};
use crate::config::raw::Node;
use crate::config::{
    Backup, BeforeUpgrade, Callbacks, Database, Definers, Drills, Health, Location, Migrations, OnFailure, Probe, Product,
    Reference, Rehearsals, Release, Runner, Service, ServiceControl, TablePattern, Target, Upgrade, Window, WithoutDaemon,
    forbidden, secrets,
};
use crate::ids::TargetName;
use crate::retention::Policy;
use crate::schedule::Schedule;

/// A cron run may be this late (jitter, a long dump) before the target counts as overdue.
const GRACE: Duration = Duration::from_secs(2 * 3600);

/// Gaps between runs are measured from here on: any moment serves, and a fixed one makes the same file mean the same.
const GAP_SAMPLE_FROM: chrono::DateTime<chrono::Utc> = chrono::DateTime::UNIX_EPOCH;

/// How many runs are looked at to find the longest gap: covers a week of a schedule that names its days.
const GAP_SAMPLE_RUNS: usize = 50;

pub(super) fn read(
    name: &str,
    node: Node<'_>,
    state_dir: &Path,
    environment: &Environment,
    secrets: Secrets,
    (targets, places): (&Node<'_>, &[String]),
) -> Option<Target> {
    let checked = TargetName::parse(name).map_err(|error| targets.wrong(name, error.to_string())).ok();
    let profile = node.text("profile").unwrap_or_default();
    let product = node.word("product", &Product::ALL);
    let database = database(&node.table("database"), environment, secrets);
    let backup_node = node.table("backup");
    let zone = backup_node.parsed("timezone", values::zone).unwrap_or_default();
    let backup = backup(&backup_node, zone, || state_dir.join("archives").join(name));
    if database.as_ref().is_some_and(|database| matches!(database.location, Location::Sqlite { .. }))
        && !backup.without_rows.is_empty()
    {
        backup_node.wrong("without_rows", "an archive of SQLite is an image of the whole file: no rows can be left out of it");
    }
    let drill = drills(&node.table("drill"), zone, (database.as_ref(), secrets), environment);
    let rehearse = rehearsals(&node.table("rehearse"), zone);
    let retention = retention(&node.table("retention"), zone);
    let offsite = offsite::copies(&node.table("offsite"), places, backup.max_age);
    let release = release(&node.table("release"));
    let migrations = migrations(&node.table("migrations"), release.is_some(), state_dir);
    let service = service(&node.table("service"));
    let upgrade = upgrade(&node.table("upgrade"), zone);
    never(&node, product, release.as_ref(), migrations.as_ref(), service.as_ref());
    never_rehearsed(&node, product, &rehearse);
    node.close();
    Some(Target {
        name: checked?,
        profile,
        product,
        database: database?,
        backup,
        drill,
        rehearse,
        retention,
        offsite,
        release,
        migrations,
        service,
        upgrade,
    })
}

/// What of the commands no product's tool may ever be told.
fn never(
    node: &Node<'_>,
    product: Option<Product>,
    release: Option<&Release>,
    migrations: Option<&Migrations>,
    service: Option<&Service>,
) {
    let mut commands: Vec<(&str, &str, Vec<String>)> = Vec::new();
    if let Some(Runner::Command { argv, environment, .. }) = migrations.map(|migrations| &migrations.runner) {
        commands.push(("migrations", "command", argv.clone()));
        // What a script may put into its command.
        let with = |value: &String| [argv.as_slice(), std::slice::from_ref(value)].concat();
        let values = environment
            .values()
            .filter(|value| forbidden(product, argv).is_none() && forbidden(product, &with(value)).is_some());
        commands.extend(values.map(|value| ("migrations", "environment", with(value))));
    }
    if let Some(release) = release {
        commands.extend(release.revert.clone().map(|argv| ("release", "revert", argv)));
        let probes = release.probes.iter().filter_map(|probe| if let Probe::Command(argv) = probe { Some(argv) } else { None });
        commands.extend(probes.map(|argv| ("release", "version", argv.clone())));
    }
    if let Some(service) = service {
        if let ServiceControl::Commands { start, stop, status } = &service.control {
            let all = [("start", start), ("stop", stop), ("status", status)];
            commands.extend(all.map(|(key, argv)| ("service", key, argv.clone())));
        }
        let checks =
            service.health.iter().filter_map(|check| if let Health::Command(argv) = check { Some(argv) } else { None });
        commands.extend(checks.map(|argv| ("service", "health", argv.clone())));
    }
    for (section, key, words) in commands {
        if let Some(word) = forbidden(product, &words) {
            let why = format!(
                "contains `{word}`, with which OpenMetadata's tool runs old migrations again or empties the database; upkeep never runs it"
            );
            node.table(section).wrong(key, why);
        }
    }
}

fn database(node: &Node<'_>, environment: &Environment, secrets: Secrets) -> Option<Database> {
    let url = node.text("url");
    if !node.has("url") {
        node.wrong(
            "url",
            "is missing; write sqlite:///srv/app/app.db, postgres://user@host:5432/database or mysql://user@host:3306/database",
        );
    }
    let parsed =
        url.and_then(|url| location::parse_url(&url, environment).map_err(|error| node.wrong("url", error.to_string())).ok());
    let sources: Vec<&str> = secrets::SOURCES.into_iter().filter(|source| node.has(source)).collect();
    let in_url = parsed.as_ref().is_some_and(|database| database.password.is_some());
    if sources.len() + usize::from(in_url) > 1 {
        let all = if in_url { [&["url"], sources.as_slice()].concat() } else { sources.clone() };
        node.wrong(sources[0], format!("the password has more than one source: {}; keep one", all.join(", ")));
    }
    if parsed.as_ref().is_some_and(|database| matches!(database.location, Location::Sqlite { .. })) && !sources.is_empty() {
        node.wrong(sources[0], "a SQLite file has no password");
    }
    let password_variable = node.text("password_env");
    let named = match secrets {
        Secrets::Read => secrets::read(node, environment),
        Secrets::Leave => {
            secrets::SOURCES.iter().for_each(|source| drop(node.text(source)));
            None
        }
    };
    let client_bindir = node.paths("client_bindir");
    if parsed.as_ref().is_some_and(|database| matches!(database.location, Location::Sqlite { .. })) && node.has("client_bindir")
    {
        node.wrong("client_bindir", "no client program is run for a SQLite file");
    }
    let definers = node.parsed("definers", values::definers);
    if parsed.as_ref().is_some_and(|database| !matches!(database.location, Location::MySql { .. })) && node.has("definers") {
        node.wrong("definers", "only MySQL and MariaDB have them");
    }
    node.close();
    let mut parsed = parsed?;
    if secrets == Secrets::Read {
        secrets::tls_of_clients(&mut parsed, environment);
    }
    let Database { location, password, tls, .. } = parsed;
    let ours = |location: &Location| secrets::of_clients(location, environment);
    let kept = || (secrets == Secrets::Read).then(|| ours(&location)).flatten();
    let password = password.or(named).or_else(kept);
    let definers = definers.unwrap_or(Definers::Keep);
    Some(Database { location, password, password_variable, client_bindir, definers, tls })
}

fn scheduled(node: &Node<'_>, zone: chrono_tz::Tz) -> Option<Schedule> {
    let schedule = node.parsed("schedule", |text| match text {
        "none" => Ok(None),
        text => values::schedule(text, zone).map(Some),
    });
    schedule.flatten()
}

/// When something is due, and how old the last of it may be: by itself the longest gap of the schedule and some hours, by which what
/// failed for what passes has had its second try.
fn when(node: &Node<'_>, zone: chrono_tz::Tz) -> (Option<Schedule>, Option<Duration>) {
    let schedule = scheduled(node, zone);
    let max_age = match node.has("max_age") {
        true => {
            node.parsed("max_age", |text| if text == "none" { Ok(None) } else { super::duration(text).map(Some) }).flatten()
        }
        false => schedule.as_ref().and_then(longest_gap).map(|gap| gap + GRACE),
    };
    (schedule, max_age)
}

fn backup(node: &Node<'_>, zone: chrono_tz::Tz, directory: impl FnOnce() -> PathBuf) -> Backup {
    let (schedule, max_age) = when(node, zone);
    let backup = Backup {
        directory: node.path("directory").unwrap_or_else(directory),
        schedule,
        catch_up: node.flag("catch_up").unwrap_or_default(),
        jitter: node.duration("jitter").unwrap_or_default(),
        max_age,
        level: node.whole("level", 1..=19).unwrap_or_default(),
        jobs: node.whole("jobs", 0..=64).unwrap_or_default(),
        without_rows: without_rows(node),
        files: files(node),
        files_limit: node.parsed("files_limit", values::size).unwrap_or_default(),
    };
    node.value("max_age");
    node.close();
    backup
}

fn files(node: &Node<'_>) -> Vec<PathBuf> {
    let files = node.paths("files");
    for path in &files {
        let is_odd = |part: Component<'_>| matches!(part, Component::ParentDir);
        if path.components().any(is_odd) || path.to_string_lossy().contains("**") || path.components().count() < 2 {
            let what = format!("`{}` is a path from the root to one file or directory; a * stands in one name", path.display());
            node.wrong("files", what);
        }
    }
    files
}

fn without_rows(node: &Node<'_>) -> Vec<TablePattern> {
    let texts = node.texts("without_rows").unwrap_or_default();
    let read = |text: &String| TablePattern::parse(text).map_err(|what| node.wrong("without_rows", what)).ok();
    texts.iter().filter_map(read).collect()
}

fn drills(
    node: &Node<'_>,
    zone: chrono_tz::Tz,
    (own, secrets): (Option<&Database>, Secrets),
    environment: &Environment,
) -> Drills {
    let (schedule, max_age) = when(node, zone);
    node.value("max_age");
    let scratch = node.parsed("scratch", |url| {
        let parsed = match (secrets, own) {
            (Secrets::Read, Some(own)) => location::parse_url_beside(url, own, environment),
            _ => location::parse_url(url, environment),
        };
        let parsed = parsed.map_err(|error| error.to_string())?;
        let same = |own: &Database| std::mem::discriminant(&own.location) == std::mem::discriminant(&parsed.location);
        match parsed.location {
            Location::Sqlite { .. } => {
                Err("an archive of a SQLite file is tried in the state directory: leave this out".to_owned())
            }
            _ if own.is_some_and(|own| !same(own)) => Err("must be a server of the target's own engine".to_owned()),
            _ => Ok(parsed),
        }
    });
    node.close();
    Drills { schedule, scratch, max_age }
}

/// What in a command or variable is replaced by where the scratch is, and says which one.
const WHICH: [&str; 2] = ["{database}", "{path}"];

fn rehearsals(node: &Node<'_>, zone: chrono_tz::Tz) -> Rehearsals {
    let schedule = scheduled(node, zone);
    // `true` and `false` without quotes, as they are written everywhere else, and one word beside them.
    let before_upgrade = match node.value("before_upgrade").map(|value| &value.kind) {
        None | Some(ValueKind::Boolean(false)) => BeforeUpgrade::No,
        Some(ValueKind::Boolean(true)) => BeforeUpgrade::Yes,
        Some(ValueKind::String(word)) if word == "required" => BeforeUpgrade::Required,
        Some(_) => {
            node.wrong("before_upgrade", "must be true, false or \"required\"");
            BeforeUpgrade::No
        }
    };
    let (environment, command) = (node.map("environment"), node.argv("command"));
    let mut words = environment.values().chain(command.iter().flatten());
    if (node.has("environment") || node.has("command")) && !words.any(|word| WHICH.iter().any(|which| word.contains(which))) {
        let key = if node.has("environment") { "environment" } else { "command" };
        node.wrong(
            key,
            "says nowhere which database is meant: `{database}`, or `{path}` of a SQLite file, is replaced by the scratch's",
        );
    }
    if command.iter().flatten().any(|word| word.contains("{password}")) {
        node.wrong("command", "others see the arguments of a program: hand `{password}` over in `environment`");
    }
    let words = [("none", Reference::No), ("note", Reference::Note), ("fail", Reference::Fail)];
    let reference = node.word("reference", &words).unwrap_or_default();
    node.close();
    Rehearsals { schedule, before_upgrade, environment, command, reference }
}

/// What no product's tool may be told in a rehearsal either.
fn never_rehearsed(node: &Node<'_>, product: Option<Product>, rehearse: &Rehearsals) {
    let argv = rehearse.command.clone().unwrap_or_default();
    let all: Vec<String> = argv.into_iter().chain(rehearse.environment.values().cloned()).collect();
    if let Some(word) = forbidden(product, &all) {
        node.table("rehearse").wrong("command", format!("contains `{word}`, which upkeep never has OpenMetadata's tool do"));
    }
}

/// The longest time between two runs, as far as [`GAP_SAMPLE_RUNS`] of them show.
fn longest_gap(schedule: &Schedule) -> Option<Duration> {
    let mut runs = std::iter::successors(schedule.next_after(GAP_SAMPLE_FROM), |run| schedule.next_after(*run));
    let mut last = runs.next()?;
    let gaps = runs.take(GAP_SAMPLE_RUNS).map(|run| (run - std::mem::replace(&mut last, run)).to_std().unwrap_or_default());
    gaps.max()
}

fn retention(node: &Node<'_>, zone: chrono_tz::Tz) -> Policy {
    let count = |key: &str| node.whole(key, 0..=100_000).unwrap_or_default();
    let policy = Policy {
        keep_last: count("keep_last"),
        keep_hourly: count("keep_hourly"),
        keep_daily: count("keep_daily"),
        keep_weekly: count("keep_weekly"),
        keep_monthly: count("keep_monthly"),
        keep_yearly: count("keep_yearly"),
        keep_within: node.duration("keep_within").filter(|span| !span.is_zero()),
        keep_per_version: count("keep_per_version"),
        minimum: node.whole("minimum", 1..=100_000).unwrap_or_default(),
        zone,
    };
    node.close();
    policy
}

fn release(node: &Node<'_>) -> Option<Release> {
    if !node.present() {
        return None;
    }
    if !node.has("path") {
        node.wrong("path", "is missing: the directory of the release, or the symlink that is swapped");
    }
    let probes = probes(node);
    let revert = node.argv("revert");
    if revert.as_ref().is_some_and(|argv| !argv.iter().any(|word| word.contains("{version}"))) {
        node.wrong("revert", "does not contain {version}, so it cannot know which one to put back");
    }
    let release = Release {
        path: node.path("path").unwrap_or_default(),
        probes,
        settle: node.duration("settle").unwrap_or_default(),
        revert,
    };
    node.close();
    Some(release)
}

/// `version`: one table of probes, or a list of them. All given must agree.
fn probes(node: &Node<'_>) -> Vec<Probe> {
    let Some(value) = node.value("version") else {
        node.wrong("version", "is missing: { symlink = true }, { file = \"VERSION\" }, { glob = \"libs/app-*.jar\" }, { command = […] } or { dpkg = \"PACKAGE\" }");
        return Vec::new();
    };
    let tables = tables_of(node, "version", value);
    let probes: Vec<Probe> = tables.iter().flat_map(probes_of).collect();
    if probes.is_empty() && !tables.is_empty() {
        node.wrong("version", "names no way to read the version");
    }
    probes
}

fn probes_of(node: &Node<'_>) -> Vec<Probe> {
    let glob = node.parsed("glob", |text| match text.matches('*').count() {
        1 => Ok(Probe::Glob(text.to_owned())),
        _ => Err(format!("`{text}` must hold one *, where the version stands")),
    });
    let jar = node.parsed("jar", |text| match text.matches('*').count() {
        1 => Ok(text.to_owned()),
        _ => Err(format!("`{text}` must hold one *, where the version stands")),
    });
    let inside = node.text("inside");
    if inside.is_some() && !node.has("jar") {
        node.wrong("inside", "is a file inside of `jar`, and there is none");
    }
    let jar = jar.map(|pattern| Probe::Jar { pattern, inside });
    let file = node.text("file").map(|file| Probe::File(PathBuf::from(file)));
    let symlink = node.flag("symlink").filter(|&wanted| wanted).map(|_| Probe::Symlink);
    let command = node.argv("command").map(Probe::Command);
    let dpkg = node.text("dpkg").map(Probe::Dpkg);
    node.close();
    [glob, jar, file, symlink, command, dpkg].into_iter().flatten().collect()
}

/// A value that is one table or a list of tables.
fn tables_of<'a>(node: &Node<'a>, key: &str, value: &'a Value) -> Vec<Node<'a>> {
    match &value.kind {
        ValueKind::Table(_) => vec![node.table(key)],
        ValueKind::Array(items) => {
            let items = items.iter().enumerate();
            let tables = items.filter_map(|(index, item)| match &item.kind {
                ValueKind::Table(table) => Some(node.item(node.key(&format!("{key}[{index}]")), table)),
                _ => {
                    node.wrong(key, format!("item {index} must be a table, {{ … }}"));
                    None
                }
            });
            tables.collect()
        }
        _ => {
            node.wrong(key, "must be a table, { … }, or a list of them");
            Vec::new()
        }
    }
}

fn migrations(node: &Node<'_>, has_release: bool, state_dir: &Path) -> Option<Migrations> {
    if !node.present() {
        return None;
    }
    let locations = node.texts("locations").unwrap_or_default();
    if !has_release && locations.iter().any(|location| !location.starts_with('/')) {
        node.wrong("locations", "are relative to the release, and this target has no [release]; write whole paths");
    }
    let migrations = Migrations {
        runner: runner(node),
        locations,
        table: node.text("table").unwrap_or_default(),
        schema: node.text("schema").unwrap_or_default(),
        prefix: node.text("prefix").unwrap_or_default(),
        repeatable_prefix: node.text("repeatable_prefix").unwrap_or_default(),
        separator: node.text("separator").unwrap_or_default(),
        suffixes: node.texts("suffixes").unwrap_or_default(),
        placeholders: node.map("placeholders"),
        placeholder_replacement: node.flag("placeholder_replacement").unwrap_or_default(),
        out_of_order: node.flag("out_of_order").unwrap_or_default(),
        baseline_on_migrate: node.text("baseline_on_migrate"),
        target: node.text("target").filter(|target| target != "latest"),
        ignore_patterns: patterns(node),
        mixed: node.flag("mixed").unwrap_or_default(),
        callbacks: node.word("callbacks", &[("run", Callbacks::Run), ("refuse", Callbacks::Refuse)]).unwrap_or(Callbacks::Run),
        encoding: node.text("encoding").unwrap_or_default(),
        create_schemas: node.flag("create_schemas").unwrap_or_default(),
        kept: Some(state_dir.join("scripts")),
    };
    if migrations.prefix == migrations.repeatable_prefix {
        node.wrong("repeatable_prefix", format!("is the same as `prefix`, `{}`", migrations.prefix));
    }
    node.close();
    Some(migrations)
}

/// Flyway's `ignoreMigrationPatterns`, each looked at here so that a typing error does not silently ignore nothing.
fn patterns(node: &Node<'_>) -> Vec<String> {
    let patterns = node.texts("ignore_patterns").unwrap_or_default();
    let known = |pattern: &String| {
        pattern.split_once(':').is_some_and(|(kind, state)| {
            ["*", "repeatable", "versioned"].contains(&kind)
                && ["*", "missing", "pending", "ignored", "future"].contains(&state)
        })
    };
    for pattern in patterns.iter().filter(|pattern| !known(pattern)) {
        node.wrong(
            "ignore_patterns",
            format!(
                "`{pattern}` is none: before the colon stands *, repeatable or versioned, behind it *, missing, pending, ignored or future"
            ),
        );
    }
    patterns
}

fn runner(node: &Node<'_>) -> Runner {
    let words = [("flyway", "flyway"), ("command", "command"), ("on-start", "on-start")];
    let word = node.word("runner", &words).unwrap_or("flyway");
    let argv = node.argv("command");
    let directory = node.path("directory");
    let environment = node.map("environment");
    let environment_file = node.path("environment_file");
    let deadline = node.duration("deadline").unwrap_or_default();
    let user = user(node);
    if word != "command" {
        for key in ["command", "directory", "environment", "environment_file", "user"].into_iter().filter(|key| node.has(key)) {
            node.wrong(key, format!("belongs to runner = \"command\", and the runner is \"{word}\""));
        }
    }
    match word {
        "command" => {
            if !node.has("command") {
                node.wrong("command", "is missing: the vendor's tool with its arguments, [\"…\"]");
            }
            let argv = argv.unwrap_or_default();
            if user.is_some() && argv.first().is_some_and(|program| program.starts_with(UNIT_PREFIXES)) {
                node.wrong(
                    "command",
                    "begins with a character that means something else to systemd; write the program's whole path",
                );
            }
            Runner::Command { argv, directory, environment, environment_file, deadline, user }
        }
        "on-start" => Runner::OnStart,
        _ => Runner::Flyway,
    }
}

/// What systemd reads before a program as its own words; as part of a path they are none.
const UNIT_PREFIXES: [char; 6] = ['@', '-', ':', '+', '!', '|'];

/// A user of the host, by name or number, as the unit of the vendor's tool names it.
fn user(node: &Node<'_>) -> Option<String> {
    let fits = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '_' | '-' | '.');
    node.parsed("user", |text| match !text.is_empty() && !text.starts_with(['-', '.']) && text.chars().all(fits) {
        true => Ok(text.to_owned()),
        false => Err(format!("`{text}` is not a user's name")),
    })
}

fn service(node: &Node<'_>) -> Option<Service> {
    if !node.present() {
        return None;
    }
    let checks = node.value("health").map(|value| tables_of(node, "health", value)).unwrap_or_default();
    let health = checks.iter().filter_map(|check| {
        let read = values::health(check);
        if read.is_none() && !["http", "tcp", "command"].iter().any(|key| check.has(key)) {
            node.wrong("health", "each check is { http = \"…\" }, { tcp = \"…\" } or { command = […] }");
        }
        read
    });
    let service = Service {
        health: health.collect(),
        control: service_control(node),
        healthy_for: node.duration("healthy_for").unwrap_or_default(),
        deadline: node.duration("deadline").unwrap_or_default(),
    };
    if service.healthy_for >= service.deadline && node.has("deadline") {
        node.wrong("healthy_for", "is not shorter than `deadline`, so the server could never become healthy in time");
    }
    node.close();
    Some(service)
}

/// The whole name of a unit, as systemctl(1) completes it.
fn unit_name(text: &str) -> Result<String, String> {
    const KINDS: [&str; 8] = [".service", ".target", ".socket", ".slice", ".scope", ".mount", ".path", ".timer"];
    if text.is_empty() || text.contains(|letter: char| !letter.is_ascii_alphanumeric() && !":-_.\\@".contains(letter)) {
        return Err(format!("`{text}` is not a unit's name; write it as notes.service"));
    }
    let whole = KINDS.iter().any(|kind| text.ends_with(kind));
    Ok(if whole { text.to_owned() } else { format!("{text}.service") })
}

fn service_control(node: &Node<'_>) -> ServiceControl {
    let unit = node.parsed("unit", unit_name);
    let (start, stop, status) = (node.argv("start"), node.argv("stop"), node.argv("status"));
    let given: Vec<&str> = ["start", "stop", "status"].into_iter().filter(|key| node.has(key)).collect();
    match (node.has("unit"), given.len()) {
        (true, 0) | (false, 3) => {}
        (true, _) => {
            node.wrong(given[0], "stands beside `unit`: the server is controlled by its unit or by commands, not by both")
        }
        (false, 0) => node.wrong("unit", "is missing: unit = \"notes.service\", or start, stop and status commands"),
        (false, _) => {
            let missing = ["start", "stop", "status"].into_iter().find(|key| !node.has(key)).unwrap_or("status");
            node.wrong(missing, "is missing: start, stop and status go together");
        }
    }
    match unit {
        Some(unit) => ServiceControl::Unit(unit),
        None => ServiceControl::Commands {
            start: start.unwrap_or_default(),
            stop: stop.unwrap_or_default(),
            status: status.unwrap_or_default(),
        },
    }
}

fn upgrade(node: &Node<'_>, zone: chrono_tz::Tz) -> Upgrade {
    let window = node.parsed("window", |text| match text {
        "none" => Ok(None),
        text => values::window(text).map(|(from, to)| Some(Window { from, to, zone })),
    });
    let upgrade = Upgrade {
        auto: node.flag("auto").unwrap_or_default(),
        window: window.flatten(),
        on_failure: node
            .word("on_failure", &[("rollback", OnFailure::Rollback), ("hold", OnFailure::Hold)])
            .unwrap_or(OnFailure::Hold),
        attempts: node.whole("attempts", 1..=100).unwrap_or_default(),
        without_daemon: node
            .word("without_daemon", &[("refuse", WithoutDaemon::Refuse), ("pass", WithoutDaemon::Pass)])
            .unwrap_or(WithoutDaemon::Refuse),
    };
    node.close();
    upgrade
}

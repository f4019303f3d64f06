//! Windows in which the promise could break, each found by reading the code as an enemy would: a crash between two steps,
//! a person or a server that acts meanwhile, a mark that says too little.

use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::Stdio;

use upkeep::config::{Database, Location};
use upkeep::engine::LoadMode;
use upkeep::ids::Label;
use upkeep::process::Identity;
use upkeep::progress::Progress;
use upkeep::restore::{self, Mode, Replace, RestoreRequest, ServerState, Unfinished, Which};

use crate::support::env::{Env, execute, noon, texts};
use crate::support::wait::until;
use crate::support::world::{Db, World, text};

fn ok(world: &World, arguments: &[&str]) {
    let output = world.run(arguments);
    assert!(output.status.success(), "{arguments:?}: {}", text(&output));
}

/// Runs a command that must fail, and gives its exit code and its words.
#[track_caller]
fn fails(world: &World, arguments: &[&str]) -> (i32, String) {
    let output = world.run(arguments);
    assert!(!output.status.success(), "{arguments:?} went well: {}", text(&output));
    (output.status.code().unwrap_or(-1), text(&output))
}

fn serving_1_0() -> World {
    let world = World::new(Db::Sqlite);
    ok(&world, &["backup", "notes"]);
    world.start_server();
    world
}

/// An upgrade to a release that never gets healthy, which asks a person.
fn stuck() -> World {
    let world = serving_1_0();
    world.write_config("on_failure = \"hold\"\n");
    world.install("1.3.0");
    let (_, words) = fails(&world, &["upgrade", "notes"]);
    assert!(words.contains("needs a person"), "{words}");
    world
}

fn recovery_note(world: &World) -> PathBuf {
    world.root().join("archives/RECOVERY-notes.txt")
}

/// Puts another `status` command into the configuration: the server is down the first time somebody asks, and runs from then on.
fn starts_when_nobody_looks(world: &World) {
    let root = world.root();
    let root = root.display();
    let config = std::fs::read_to_string(world.config()).unwrap();
    let lines = config.lines().map(|line| match line.starts_with("status = ") {
        true => format!("status = [\"sh\", \"-c\", \"cd {root}; test -e run/asked && exit 0; touch run/asked; exit 3\"]"),
        false => line.to_owned(),
    });
    std::fs::write(world.config(), lines.collect::<Vec<_>>().join("\n")).unwrap();
}

#[test]
fn an_adoption_that_a_crash_cut_short_is_in_nobodys_way() {
    let world = World::new(Db::Sqlite);
    world.keep();
    let trace = world.root().join("trace");
    world.command(&["backup", "notes"]).env("UPKEEP_FAULT_TRACE", &trace).output().unwrap();
    let points = std::fs::read_to_string(&trace).unwrap();
    let number = 1 + points.lines().position(|point| point == "journal.after.planned").expect("it adopts");
    world.reset();
    let killed = world.command(&["backup", "notes"]).env("UPKEEP_FAULT_KILL", number.to_string()).output().unwrap();
    assert_eq!(killed.status.code(), None, "{}", text(&killed));
    world.start_server();
    ok(&world, &["gate", "notes"]);
    world.install("1.1.0");
    ok(&world, &["upgrade", "notes"]);
    assert_eq!(world.whole_version(), "1.1.0");
}

#[test]
fn what_a_person_accepts_is_the_good_release_and_the_note_goes() {
    let world = stuck();
    assert!(recovery_note(&world).exists());
    let answer = world.json(&["upgrade", "notes", "--accept"]);
    assert_eq!(answer["outcome"], "accepted", "{answer}");
    assert!(!recovery_note(&world).exists(), "it said that upkeep is in the middle of an upgrade");
}

#[test]
fn the_way_back_by_hand_that_a_stuck_upgrade_names_is_open() {
    let world = stuck();
    let archives = world.json(&["list", "notes"]);
    let before = archives.as_array().unwrap().iter().find(|archive| archive["kind"] == "pre-upgrade").unwrap();
    let label = before["label"].as_str().unwrap();
    let (code, words) = fails(&world, &["unpin", label]);
    assert!(code == 75 && words.contains("is the way back of upgrade"), "{words}");
    ok(&world, &["restore", "notes", label, "--replace", "--stop-server"]);
    assert_eq!(world.whole_version(), "1.0.0");
    ok(&world, &["upgrade", "notes", "--accept"]);
    ok(&world, &["unpin", label]);
}

#[test]
fn giving_a_stuck_upgrade_up_is_what_was_asked_for_and_no_failure() {
    let world = stuck();
    let answer = world.json(&["upgrade", "notes", "--abort"]);
    assert_eq!((answer["outcome"].as_str(), world.whole_version()), (Some("rolled-back"), "1.0.0"), "{answer}");
}

#[test]
fn a_restore_that_is_refused_anyway_does_not_stop_the_server_first() {
    let world = serving_1_0();
    let (code, words) = fails(&world, &["restore", "notes", "--stop-server"]);
    assert!(code == 65 && words.contains("--replace"), "{words}");
    assert_eq!(world.serving().as_deref(), Some("1.0.0"));
    let (_, words) = fails(&world, &["restore", "notes", "--replace"]);
    assert!(words.contains("add `--stop-server`"), "{words}");
}

/// Started is not healthy: who waits for the restore is told, with the data as it should be.
#[test]
fn a_server_that_is_not_healthy_after_a_restore_is_told() {
    let world = serving_1_0();
    // Long enough for a stop on a busy machine, short enough to be waited for.
    let config = std::fs::read_to_string(world.config()).unwrap().replace("deadline = \"200ms\"", "deadline = \"3s\"");
    std::fs::write(world.config(), config.replace("!= releases/1.3.0", "!= releases/1.0.0")).unwrap();
    let (code, words) = fails(&world, &["restore", "notes", "--replace", "--stop-server"]);
    assert!(code == 69 && words.contains("is restored, and its server is not up"), "{words}");
    assert!(words.contains("was not healthy") && words.contains("every row is as in"), "{words}");
    assert_eq!(world.whole_version(), "1.0.0");
    let config = config.replace("deadline = \"3s\"", "deadline = \"60s\"");
    std::fs::write(world.config(), &config).unwrap();
    let said = text(&world.run(&["restore", "notes", "--replace", "--stop-server"]));
    assert!(said.contains("server: started: "), "{said}");
    assert_eq!(world.serving().as_deref(), Some("1.0.0"));

    // Whoever starts it once more before it is healthy passes the gate: what was restored is whole, and it is the same release.
    let gate = format!("{} --config {} gate notes && kill -0", env!("CARGO_BIN_EXE_upkeep"), world.config().display());
    std::fs::write(world.config(), config.replace("&& kill -0", &format!("&& {gate}"))).unwrap();
    let daemon = world.daemon();
    let job = daemon.job("/v1/targets/notes/restore", "{\"replace\": true, \"stop_server\": true}");
    assert_eq!(job["state"], "ok", "{job:#}");
    daemon.stop_and_tell();
}

#[test]
fn the_first_migration_makes_a_sqlite_file_and_no_later_one_hides_its_loss() {
    let world = World::new(Db::Sqlite);
    for gone in ["state", "archives", "notes.db"] {
        let path = world.root().join(gone);
        if path.is_dir() { std::fs::remove_dir_all(path).unwrap() } else { std::fs::remove_file(path).unwrap() }
    }
    ok(&world, &["migrate", "apply", "notes"]);
    assert_eq!(world.ask("SELECT count(*) FROM flyway_schema_history"), "1");
    ok(&world, &["backup", "notes"]);
    std::fs::remove_file(world.root().join("notes.db")).unwrap();
    let (code, words) = fails(&world, &["migrate", "apply", "notes"]);
    assert!(code == 66 && !world.root().join("notes.db").exists(), "{words}");
}

#[test]
fn a_restore_that_was_cut_short_is_in_the_status() {
    let world = serving_1_0();
    let label = world.json(&["list", "notes"])[0]["label"].as_str().unwrap().to_owned();
    half_full(&world, &label, LoadMode::Replace);
    let problems = world.json(&["status", "notes"])["targets"][0]["problems"].to_string();
    assert!(problems.contains("cut short") && problems.contains(&format!("upkeep restore notes {label}")), "{problems}");
    // The database is whole: whoever needs the server more than the restore may start it.
    ok(&world, &["gate", "notes"]);
}

/// The mark of a restore that did not end.
fn half_full(world: &World, label: &str, mode: LoadMode) {
    let mark = Unfinished {
        label: Label::parse(label).unwrap(),
        location: Location::Sqlite { path: world.root().join("notes.db") }.to_string(),
        of: None,
        mode,
        begun_at: noon(),
        safety: None,
    };
    std::fs::write(world.root().join("state/restore-notes.json"), serde_json::to_vec(&mark).unwrap()).unwrap();
}

#[test]
fn nothing_is_built_on_a_database_that_a_restore_left_half_full() {
    let world = serving_1_0();
    let label = world.json(&["list", "notes"])[0]["label"].as_str().unwrap().to_owned();
    half_full(&world, &label, LoadMode::Clean);
    let (_, words) = fails(&world, &["gate", "notes"]);
    assert!(words.contains("half-way") && words.contains("upkeep restore notes"), "{words}");
    world.install("1.1.0");
    let (_, words) = fails(&world, &["upgrade", "notes"]);
    assert!(words.contains("half-way"), "{words}");
    let archives = world.json(&["list", "notes"]);
    let (_, words) = fails(&world, &["backup", "notes"]);
    assert!(words.contains("half-way") && words.contains(&format!("upkeep restore notes {label}")), "{words}");
    assert_eq!(world.json(&["list", "notes"]), archives);
    assert_eq!(world.whole_version(), "1.0.0");
    // Ended, it is in nobody's way any more.
    ok(&world, &["restore", "notes", "--stop-server"]);
    ok(&world, &["upgrade", "notes"]);
    assert_eq!(world.whole_version(), "1.1.0");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restore_elsewhere_does_not_forget_the_one_that_stopped_half_way_here() {
    let env = Env::sqlite().await;
    execute(&env.database(), "CREATE TABLE notes (id INTEGER PRIMARY KEY, text TEXT); INSERT INTO notes (text) VALUES ('a')")
        .await;
    let request = upkeep::backup::BackupRequest {
        kind: upkeep::archive::manifest::Kind::Manual,
        note: None,
        pin: None,
        release: None,
        told_by: None,
    };
    let entry = upkeep::backup::backup(&env.ctx, &env.target, &request, &Progress::default()).await.unwrap();
    let state_dir = &env.ctx.config.daemon.state_dir;
    let mark = Unfinished {
        label: entry.label.clone(),
        location: env.target.database.location.to_string(),
        of: None,
        mode: LoadMode::Clean,
        begun_at: noon(),
        safety: None,
    };
    std::fs::write(state_dir.join("restore-notes.json"), serde_json::to_vec(&mark).unwrap()).unwrap();
    let elsewhere = env.dir.path().join("elsewhere.db");
    let into = Database { location: Location::Sqlite { path: elsewhere.clone() }, ..env.target.database.clone() };
    // By its name: the clock here stands, and the archive is of the host's own moment.
    let which = Which::Label(entry.label.clone());
    let request = RestoreRequest {
        which,
        place: None,
        owner: None,
        identity: None,
        into: Some(into),
        home: None,
        replace: Replace::Refuse,
        installed: None,
    };
    restore::restore(&env.ctx, &env.target, &request, ServerState::Stopped, Mode::Run, &Progress::default()).await.unwrap();
    assert_eq!(texts(&elsewhere, "SELECT text FROM notes").await, ["a"]);
    assert_eq!(restore::unfinished(state_dir, &env.target.name).unwrap(), Some(mark));
}

#[test]
fn a_permission_to_start_that_a_crash_left_opens_the_gate_for_nobody() {
    let world = serving_1_0();
    let left_by = |process: &Identity| {
        std::fs::create_dir_all(world.root().join("state/gate")).unwrap();
        std::fs::write(world.root().join("state/gate/notes"), serde_json::to_vec(process).unwrap()).unwrap();
    };
    world.install("1.2.0");
    left_by(&Identity::ours().unwrap());
    assert_eq!(world.json(&["gate", "notes"])["why"], "upkeep itself starts the server", "we live, and granted it");
    let mut dead = std::process::Command::new("true").spawn().unwrap();
    let process = Identity::of(dead.id()).unwrap();
    dead.wait().unwrap();
    left_by(&process);
    let (_, words) = fails(&world, &["gate", "notes"]);
    assert!(!words.contains("upkeep itself starts the server"), "{words}");
}

/// A vendor's tool that says when it begins and when it has done its work, and ends when it may.
fn with_a_tool() -> World {
    let world = serving_1_0();
    world.install("1.1.0");
    world.keep();
    ok(&world, &["upgrade", "notes"]);
    let columns = "version, description, type, script, checksum, installed_by, execution_time, success";
    let row = world.ask("SELECT version || '|' || checksum FROM flyway_schema_history WHERE version = '2'");
    let checksum = row.split_once('|').unwrap().1.to_owned();
    world.reset();
    let sql = std::fs::read_to_string(world.root().join("releases/1.1.0/migrations/V2__star.sql")).unwrap();
    let sql = format!(
        "BEGIN; {sql} INSERT INTO flyway_schema_history (installed_rank, {columns}) \
         VALUES (2, '2', 'star', 'SQL', 'V2__star.sql', {checksum}, 'tool', 1, 1); COMMIT;"
    );
    std::fs::write(world.root().join("tool.sql"), sql).unwrap();
    let root = world.root();
    let script = "echo run >> run/tool; while ! test -e run/tool-may-end; do sleep 0.02; done; \
                  sqlite3 notes.db < tool.sql && echo done >> run/tool";
    let config = std::fs::read_to_string(world.config()).unwrap();
    let command = format!("runner = \"command\"\ncommand = [\"sh\", \"-c\", \"cd {}; {script}\"]", root.display());
    std::fs::write(world.config(), config.replace("runner = \"flyway\"", &command)).unwrap();
    world.keep();
    world
}

/// Killed while the vendor's tool runs, upkeep waits for it, and does not run it a second time beside it.
#[test]
fn a_migration_tool_that_outlives_us_is_waited_for() {
    let world = with_a_tool();
    let ran = || std::fs::read_to_string(world.root().join("run/tool")).unwrap_or_default();
    let let_end = || std::fs::write(world.root().join("run/tool-may-end"), "").unwrap();
    let trace = world.root().join("trace");
    let_end();
    let whole = world.command(&["upgrade", "notes"]).env("UPKEEP_FAULT_TRACE", &trace).output().unwrap();
    assert!(whole.status.success(), "{}", text(&whole));
    let points = std::fs::read_to_string(&trace).unwrap();
    let number_of = |name: &str| (1 + points.lines().position(|point| point == name).expect(name)).to_string();

    world.reset();
    let upgrade = |point| world.command(&["upgrade", "notes"]).env("UPKEEP_FAULT_KILL", number_of(point)).output().unwrap();
    let killed = upgrade("process.let_go");
    assert_eq!(killed.status.code(), None, "{}", text(&killed));
    until("the tool runs", || ran() == "run\n");
    let mut next = world.command(&["upgrade", "notes"]).stderr(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
    let mut words = BufReader::new(next.stderr.take().unwrap());
    let mut heard = String::new();
    while !heard.contains("waiting for the migration tool") {
        assert!(words.read_line(&mut heard).unwrap() > 0, "it does not wait: {heard}");
    }
    assert_eq!((ran().as_str(), world.whole_version()), ("run\n", "1.0.0"), "nothing was begun beside it");
    assert_eq!(world.json(&["status", "notes"])["targets"][0]["upgrade"]["step"], "migrate");
    let_end();
    std::io::copy(&mut words, &mut std::io::sink()).unwrap();
    assert!(next.wait().unwrap().success());
    assert_eq!((ran().as_str(), world.whole_version()), ("run\ndone\n", "1.1.0"), "it ran once, and that was enough");
    assert_eq!(world.serving().as_deref(), Some("1.1.0"));

    // Killed before it was let go, it has done nothing and does nothing any more.
    world.reset();
    let killed = upgrade("journal.after.spawned.migrate");
    assert_eq!(killed.status.code(), None, "{}", text(&killed));
    let_end();
    ok(&world, &["upgrade", "notes"]);
    assert_eq!((ran().as_str(), world.whole_version()), ("run\ndone\n", "1.1.0"));
}

/// A tool that never ends is no reason to wait for ever: a person is told who it is.
#[test]
fn a_migration_tool_that_never_ends_is_named_to_a_person() {
    let world = with_a_tool();
    let config = std::fs::read_to_string(world.config()).unwrap();
    std::fs::write(world.config(), config.replace("locations = [", "deadline = \"1s\"\nlocations = [")).unwrap();
    let trace = world.root().join("trace");
    // It is killed at its deadline here, by the run that began it.
    let (_, words) = fails(&world, &["upgrade", "notes"]);
    assert!(words.contains("did not end within 1 s"), "{words}");
    world.reset();
    std::fs::write(world.config(), config.replace("locations = [", "deadline = \"1s\"\nlocations = [")).unwrap();
    world.command(&["upgrade", "notes"]).env("UPKEEP_FAULT_TRACE", &trace).output().unwrap();
    let points = std::fs::read_to_string(&trace).unwrap();
    let number = 1 + points.lines().position(|point| point == "process.let_go").unwrap();
    world.reset();
    std::fs::write(world.config(), config.replace("locations = [", "deadline = \"1s\"\nlocations = [")).unwrap();
    world.command(&["upgrade", "notes"]).env("UPKEEP_FAULT_KILL", number.to_string()).output().unwrap();
    until("the tool runs", || world.root().join("run/tool").exists());
    fails(&world, &["upgrade", "notes"]);
    let upgrade = world.json(&["status", "notes"])["targets"][0]["upgrade"].clone();
    assert_eq!(upgrade["phase"], "stuck", "{upgrade}");
    let kill = upgrade["next_steps"][0].as_str().unwrap().to_owned();
    let pid = kill.split("kill -- -").nth(1).and_then(|rest| rest.split('`').next()).unwrap().to_owned();
    assert_eq!(world.whole_version(), "1.0.0");
    let killed = std::process::Command::new("kill").args(["-KILL", "--", &format!("-{pid}")]).status().unwrap();
    assert!(killed.success(), "{kill}");
    ok_or_rolled_back(&world, &["upgrade", "notes", "--abort"]);
    assert_eq!((world.whole_version(), world.serving().as_deref()), ("1.0.0", Some("1.0.0")));
}

/// Giving an upgrade up ends well for the database, and as a failure of the upgrade.
fn ok_or_rolled_back(world: &World, arguments: &[&str]) {
    let output = world.run(arguments);
    assert!(output.status.success() || text(&output).contains("was rolled back"), "{}", text(&output));
}

#[test]
fn a_server_that_starts_during_the_safety_archive_keeps_its_database() {
    let world = serving_1_0();
    world.sql("UPDATE note SET body = 'changed'");
    starts_when_nobody_looks(&world);
    let (code, words) = fails(&world, &["restore", "notes", "--replace"]);
    assert!(code == 75 && words.contains("is running"), "{words}");
    assert_eq!(world.ask("SELECT body FROM note LIMIT 1"), "changed");
}

#[test]
fn a_server_that_starts_during_the_archive_is_not_migrated_under_its_feet() {
    let world = serving_1_0();
    world.install("1.1.0");
    starts_when_nobody_looks(&world);
    let (code, words) = fails(&world, &["migrate", "apply", "notes"]);
    assert!(code == 75 && words.contains("is running"), "{words}");
    assert_eq!(world.whole_version(), "1.0.0");
}

/// Whatever the address: the database of a target is guarded as that target's, and what was in it is kept as that target's.
#[test]
fn a_restore_into_a_targets_database_by_another_name_is_one_into_that_target() {
    let world = serving_1_0();
    let root = world.root().to_owned();
    std::os::unix::fs::symlink("notes.db", root.join("link.db")).unwrap();
    std::fs::copy(root.join("notes.db"), root.join("copy.db")).unwrap();
    std::os::unix::fs::symlink("copy.db", root.join("to-copy.db")).unwrap();
    let at = root.display();
    world.write_config(&format!(
        "[targets.copy.database]\nurl = \"sqlite://{at}/copy.db\"\n[targets.copy.backup]\ndirectory = \"{at}/copies\"\n[targets.copy.service]\n\
         start = [\"true\"]\nstop = [\"true\"]\nstatus = [\"sh\", \"-c\", \"test -e {at}/run/copy-runs || exit 3\"]\n"
    ));
    let into = |name: &str| format!("sqlite://{at}/{name}");
    for name in ["notes.db", "link.db"] {
        let (code, words) = fails(&world, &["restore", "notes", "--into", &into(name), "--replace"]);
        assert!(code == 75 && words.contains("the server of target notes is running"), "{name}: {words}");
    }
    std::fs::hard_link(root.join("notes.db"), root.join("hard.db")).unwrap();
    let (code, words) = fails(&world, &["restore", "notes", "--into", &into("hard.db"), "--replace"]);
    assert!(code == 65 && words.contains("the server of target notes is running") && words.contains("has 2 names"), "{words}");
    std::fs::remove_file(root.join("hard.db")).unwrap();
    std::fs::write(root.join("run/copy-runs"), "").unwrap();
    let (code, words) = fails(&world, &["restore", "notes", "--into", &into("to-copy.db"), "--replace"]);
    assert!(code == 75 && words.contains("the server of target copy is running"), "{words}");
    std::fs::remove_file(root.join("run/copy-runs")).unwrap();
    ok(&world, &["restore", "notes", "--into", &into("to-copy.db"), "--replace"]);
    let kept = world.json(&["list", "copy"]);
    assert!(kept[0]["kind"] == "pre-restore" && kept[0]["target"] == "copy", "{kept}");
    assert!(kept[0]["release"].is_null(), "it is of none of the other target's releases: {kept}");
    assert!(root.join("to-copy.db").is_symlink(), "the database itself was replaced, and not the link");
    // Nobody's here, it is guarded by nobody.
    ok(&world, &["restore", "notes", "--into", &into("elsewhere.db")]);
}

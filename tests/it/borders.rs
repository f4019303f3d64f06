//! Borders of power: what a weaker user owns is planted beforehand, and every command that root types is run on it. Users are numbers that
//! nobody has: 4711 is the server's, 4712 the daemon's.

use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use super::support::engines::Db;
use super::support::world::{World, text};

const NOTES: u32 = 4711;
const UPKEEP: u32 = 4712;

/// What root may type that looks at a target.
const COMMANDS: &[&[&str]] = &[
    &["status"],
    &["check"],
    &["gate", "notes", "--look"],
    &["plan", "notes"],
    &["list"],
    &["migrate", "info", "notes"],
    &["verify", "--all"],
    &["restore", "notes", "--dry-run"],
    &["backup", "notes"],
    &["prune", "notes", "--dry-run"],
    &["events"],
];

fn root() -> bool {
    let root = rustix::process::geteuid().is_root();
    if !root {
        crate::support::skipped("only root has weaker users", crate::support::ROOT);
    }
    root
}

fn give(path: &Path, user: u32) {
    if path.is_dir() && !path.is_symlink() {
        for entry in std::fs::read_dir(path).unwrap() {
            give(&entry.unwrap().path(), user);
        }
    }
    std::os::unix::fs::lchown(path, Some(user), Some(user)).unwrap();
}

fn set_mode(path: &Path, mode: u32) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

fn script(path: &Path, text: &str, owner: u32, mode: u32) {
    std::fs::write(path, text).unwrap();
    chown(path, Some(owner), Some(owner)).unwrap();
    set_mode(path, mode);
}

/// A world of which others may pass the directories, with a place where anybody may leave word.
fn open_world() -> World {
    let world = World::new(Db::Sqlite);
    for path in [world.root().parent().unwrap().to_owned(), world.root()] {
        set_mode(&path, 0o755);
    }
    std::fs::create_dir(world.root().join("word")).unwrap();
    set_mode(&world.root().join("word"), 0o777);
    world
}

/// The world's configuration with something else in it.
fn reword(world: &World, from: &str, to: &str) {
    let text = std::fs::read_to_string(world.config()).unwrap();
    assert!(text.contains(from), "{text}");
    std::fs::write(world.config(), text.replace(from, to)).unwrap();
}

/// A probe that leaves word of who it is, what terminal it has and what it was told.
fn probe(world: &World) -> String {
    let word = world.root().join("word/ran");
    format!(
        "#!/bin/sh\n{{ echo \"user $(id -u)\"; (: </dev/tty) 2>/dev/null && echo tty; for fd in 0 1 2; do [ -t $fd ] && echo tty; done; \
         env; }} >>{word}\necho 1.0.0\n",
        word = word.display()
    )
}

fn word(world: &World) -> String {
    std::fs::read_to_string(world.root().join("word/ran")).unwrap_or_default()
}

/// Runs `upkeep` on a terminal of its own, with things in the environment that are nobody else's business.
fn on_a_terminal(world: &World, program: &Path, arguments: &[&str]) -> Output {
    let config = world.config();
    let words = [&[program.to_str().unwrap(), "--config", config.to_str().unwrap()], arguments].concat();
    let quoted: Vec<String> = words.iter().map(|word| format!("'{word}'")).collect();
    let mut command = Command::new("timeout");
    command.args(["60", "script", "-qec", &quoted.join(" "), "/dev/null"]).env("TERM", "xterm");
    command.env("NOTES_PASSWORD", "geheim").env("NOTIFY_SOCKET", "/nowhere").env("CREDENTIALS_DIRECTORY", "/nowhere");
    command.env("LISTEN_FDS", "1").env("SSH_AUTH_SOCK", "/nowhere").env("PYTHONPATH", "/nowhere");
    command.stdin(std::process::Stdio::null()).output().unwrap()
}

#[test]
fn what_a_weaker_user_decides_about_runs_as_he_without_our_terminal_and_secrets() {
    if !root() {
        return;
    }
    let world = open_world();
    reword(&world, "version = { file = \"VERSION\" }", "version = { command = [\"./version\"] }");
    let release = world.root().join("releases/1.0.0");
    script(&release.join("version"), &probe(&world), NOTES, 0o755);
    give(&release, NOTES);
    let upkeep = PathBuf::from(env!("CARGO_BIN_EXE_upkeep"));
    for arguments in COMMANDS {
        on_a_terminal(&world, &upkeep, arguments);
    }
    let daemon = world.daemon();
    daemon.stop();
    // What the service is started, stopped, asked and found healthy by, and what stands for a vendor's tool, gets no more.
    let config = std::fs::read_to_string(world.config()).unwrap();
    let leaves = format!("env >> {}; ", world.root().join("word/ran").display());
    let tool = "runner = \"command\"\ncommand = [\"sh\", \"-c\", \"env >> word/ran\"]\ndirectory = ";
    let config = config.replace("\"sh\", \"-c\", \"", &format!("\"sh\", \"-c\", \"{leaves}"));
    let config = config.replace("runner = \"flyway\"", &format!("{tool}\"{}\"", world.root().display()));
    std::fs::write(world.config(), config).unwrap();
    let before = word(&world).len();
    let next = world.root().join("releases/1.1.0");
    script(&next.join("version"), &probe(&world).replace("echo 1.0.0", "echo 1.1.0"), NOTES, 0o755);
    give(&next, NOTES);
    world.install("1.1.0");
    on_a_terminal(&world, &upkeep, &["upgrade", "notes"]);
    assert!(word(&world)[before..].matches("\nPATH=").count() >= 5, "start, stop, status, health and tool: {}", word(&world));
    let said = word(&world);
    let users: Vec<&str> = said.lines().filter(|line| line.starts_with("user ")).collect();
    assert!(users.len() > COMMANDS.len() / 2 && users.iter().all(|user| *user == "user 4711"), "{users:?}");
    assert!(!said.lines().any(|line| line == "tty"), "{said}");
    let known =
        ["PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "LANGUAGE", "TZ", "TMPDIR", "PWD", "OLDPWD", "SHLVL", "_", "user"];
    for name in said.lines().map(|line| line.split(['=', ' ']).next().unwrap()) {
        assert!(known.contains(&name) || name.starts_with("LC_"), "{name} in {said}");
    }
    // Whatever else names what he owns: an argument, what a shell is told, a link.
    let elsewhere = world.root().join("current/version");
    for command in [
        format!("[\"{}\"]", elsewhere.display()),
        format!("[\"sh\", \"{}\"]", elsewhere.display()),
        format!("[\"sh\", \"-c\", \"exec {}\"]", elsewhere.display()),
        format!("[\"env\", \"X=1\", \"{}\"]", elsewhere.display()),
    ] {
        std::fs::remove_file(world.root().join("word/ran")).ok();
        world.write_config("");
        reword(&world, "version = { file = \"VERSION\" }", &format!("version = {{ command = {command} }}"));
        world.run(&["status"]);
        assert!(word(&world).starts_with("user 4711"), "{command}: {}", word(&world));
    }
    // What everybody may change runs as nobody.
    std::fs::remove_file(world.root().join("word/ran")).ok();
    give(&release, 0);
    set_mode(&release.join("version"), 0o777);
    let refused = text(&world.run(&["check"]));
    assert!(refused.contains("is not run as root: what it does is decided by everybody"), "{refused}");
    assert_eq!(word(&world), "");
}

#[test]
fn root_goes_on_as_the_daemons_user_without_a_terminal_and_ends_as_he_does() {
    if !root() {
        return;
    }
    let world = open_world();
    let program = world.root().join("upkeep");
    std::fs::copy(env!("CARGO_BIN_EXE_upkeep"), &program).unwrap();
    reword(&world, "version = { file = \"VERSION\" }", "version = { command = [\"./version\"] }");
    script(&world.root().join("releases/1.0.0/version"), &probe(&world), NOTES, 0o755);
    // A SQLite file's directory must be writable for its log.
    for name in ["data", "archives"] {
        std::fs::create_dir_all(world.root().join(name)).unwrap();
    }
    std::fs::copy(world.root().join("notes.db"), world.root().join("data/notes.db")).unwrap();
    reword(&world, "notes.db", "data/notes.db");
    for name in ["state", "archives", "run", "data"] {
        give(&world.root().join(name), UPKEEP);
    }
    for arguments in COMMANDS {
        let output = on_a_terminal(&world, &program, arguments);
        assert_ne!(output.status.code(), Some(124), "{arguments:?} hangs: {}", text(&output));
    }
    let said = word(&world);
    let users: Vec<&str> = said.lines().filter(|line| line.starts_with("user ")).collect();
    assert!(users.len() > COMMANDS.len() / 2 && users.iter().all(|user| *user == "user 4712"), "{users:?}");
    assert!(!said.lines().any(|line| line == "tty") && !said.contains("geheim"), "{said}");
    for name in ["state", "archives"] {
        for entry in std::fs::read_dir(world.root().join(name)).unwrap() {
            let entry = entry.unwrap();
            assert_eq!(entry.metadata().unwrap().uid(), UPKEEP, "{}", entry.path().display());
        }
    }
    let archives = std::fs::read_dir(world.root().join("archives")).unwrap().count();
    assert!(archives > 0, "the backup was taken");
    let missing = on_a_terminal(&world, &program, &["verify", "notes-9"]);
    assert_eq!(missing.status.code(), Some(66), "{}", text(&missing));
    let shown = text(&on_a_terminal(&world, &program, &["status"]));
    assert!(shown.contains("last good"), "{shown}");
}

#[test]
fn a_configuration_that_somebody_else_could_change_is_not_read() {
    if !root() {
        return;
    }
    let world = open_world();
    let config = world.config();
    for plant in [&(|| chown(&config, Some(NOTES), Some(NOTES)).unwrap()) as &dyn Fn(), &|| set_mode(&config, 0o666), &|| {
        set_mode(&world.root(), 0o777)
    }] {
        plant();
        for arguments in COMMANDS.iter().chain(&[&["setup", "--print"][..]]) {
            let output = world.run(arguments);
            assert_eq!(output.status.code(), Some(78), "{arguments:?}: {}", text(&output));
            assert!(text(&output).contains("could change it"), "{}", text(&output));
        }
        chown(&config, Some(0), Some(0)).unwrap();
        set_mode(&config, 0o644);
        set_mode(&world.root(), 0o755);
    }
    assert!(world.run(&["list"]).status.success());
}

/// What it is, and how it is put there.
type Plant = (&'static str, Box<dyn Fn(&Path)>);

/// What a release's owner may put in place of one of its files, and the secret that may never be seen.
fn plants(world: &World) -> Vec<Plant> {
    let secret = world.root().join("secret");
    script(&secret, "geheim-4711\n", 0, 0o600);
    let hard = secret.clone();
    vec![
        ("a link to a secret", Box::new(move |path| symlink(&secret, path).unwrap())),
        ("a second name of a secret", Box::new(move |path| std::fs::hard_link(&hard, path).unwrap())),
        ("a FIFO", Box::new(|path| assert!(Command::new("mkfifo").arg(path).status().unwrap().success()))),
        ("a link to an endless device", Box::new(|path| symlink("/dev/zero", path).unwrap())),
        ("a directory", Box::new(|path| std::fs::create_dir(path).unwrap())),
        ("an endless file", Box::new(|path| std::fs::File::create(path).unwrap().set_len(1 << 40).unwrap())),
    ]
}

#[test]
fn nothing_planted_in_a_release_is_printed_or_waited_for() {
    if !root() {
        return;
    }
    let world = open_world();
    for (name, file) in [("VERSION", "releases/1.0.0/VERSION"), ("script", "releases/1.0.0/migrations/V2__more.sql")] {
        let path = world.root().join(file);
        for (what, plant) in plants(&world) {
            std::fs::remove_file(&path).ok();
            plant(&path);
            give(&world.root().join("releases"), NOTES);
            chown(world.root().join("secret"), Some(0), Some(0)).unwrap();
            for arguments in COMMANDS {
                let mut command = Command::new("timeout");
                // 1 GiB is what the whole of it has on a host; a thread's stack and reserve are addresses and no memory.
                command.args(["-s", "KILL", "30", "prlimit", "--data=1073741824", "--"]).arg(env!("CARGO_BIN_EXE_upkeep"));
                let output = command.arg("--config").arg(world.config()).args(*arguments).output().unwrap();
                let said = text(&output);
                assert!(
                    output.status.code().is_some_and(|code| code < 100),
                    "{name} is {what}, {arguments:?}: {:?} {said}",
                    output.status
                );
                assert!(!said.contains("geheim"), "{name} is {what}, {arguments:?}: {said}");
            }
            if path.is_dir() { std::fs::remove_dir(&path).unwrap() } else { std::fs::remove_file(&path).unwrap() }
        }
        std::fs::write(world.root().join("releases/1.0.0/VERSION"), "1.0.0\n").unwrap();
    }
    // A link that stays inside is his to set.
    std::fs::remove_file(world.root().join("releases/1.0.0/VERSION")).unwrap();
    std::fs::write(world.root().join("releases/1.0.0/REAL"), "1.0.0\n").unwrap();
    symlink("REAL", world.root().join("releases/1.0.0/VERSION")).unwrap();
    assert!(text(&world.run(&["status"])).contains("1.0.0 in "));
}

#[test]
fn strange_things_among_the_archives_stop_nothing() {
    let world = World::new(Db::Sqlite);
    assert!(world.run(&["backup", "notes"]).status.success());
    let archives = world.root().join("archives");
    let label = world.json(&["list"])[0]["label"].as_str().unwrap().to_owned();
    std::fs::create_dir(archives.join(".x.tmp")).unwrap();
    std::fs::create_dir(archives.join("notes-7.sqlite.zst")).unwrap();
    symlink("/dev/zero", archives.join("notes-8.sqlite.zst")).unwrap();
    symlink("/dev/zero", archives.join(format!(".{label}.pin.json"))).unwrap();
    for name in [".y.tmp", ".notes-6.pin.json", "notes-9.sqlite.zst", ".notes-9.sqlite.zst.tmp"] {
        assert!(Command::new("mkfifo").arg(archives.join(name)).status().unwrap().success());
    }
    for arguments in [&["backup", "notes"][..], &["prune", "notes"], &["list"], &["verify", "--target", "notes"], &["status"]] {
        let mut command = Command::new("timeout");
        command
            .args(["-s", "KILL", "30"])
            .arg(env!("CARGO_BIN_EXE_upkeep"))
            .arg("--config")
            .arg(world.config())
            .args(arguments);
        let output = command.output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {:?} {}", output.status, text(&output));
    }
    let said = text(&world.run(&["check"]));
    assert!(said.contains("is not a file"), "{said}");
    let listed = world.json(&["list"]);
    let first = listed.as_array().unwrap().iter().find(|entry| entry["label"] == label.as_str()).unwrap();
    assert!(first["pinned"].as_str().unwrap().contains("cannot be read"), "{first}");
    // Nor do they make the daemon deaf to whoever stops it.
    let daemon = world.daemon();
    for verb in ["backup", "prune"] {
        assert_eq!(daemon.job(&format!("/v1/targets/notes/{verb}"), "")["state"], "ok", "{verb}");
    }
    daemon.stop_and_tell();
    for name in [".x.tmp", ".y.tmp", "notes-7.sqlite.zst", "notes-9.sqlite.zst"] {
        assert!(archives.join(name).symlink_metadata().is_ok(), "{name} was left alone");
    }
}

#[test]
fn the_longest_names_are_archived_listed_verified_and_restored() {
    let world = World::new(Db::Sqlite);
    let (name, version) = ("t".repeat(64), format!("1.0.0-{}", "r".repeat(116)));
    let config = std::fs::read_to_string(world.config()).unwrap();
    std::fs::write(world.config(), config.replace("[targets.notes.", &format!("[targets.{name}."))).unwrap();
    std::fs::write(world.root().join("releases/1.0.0/VERSION"), &version).unwrap();
    for arguments in [
        &["backup", &name, "--pin"][..],
        &["backup", &name],
        &["list", &name],
        &["verify", "--target", &name],
        &["restore", &name, "--replace"],
        &["prune", &name],
        &["status", &name],
    ] {
        let output = world.run(arguments);
        assert!(output.status.success(), "{arguments:?}: {}", text(&output));
    }
    assert_eq!(world.json(&["list", &name])[0]["verdict"], "whole");
    assert!(world.json(&["list", &name]).as_array().unwrap().iter().any(|entry| entry["release"] == version.as_str()));
}

#[test]
fn what_others_wrote_acts_on_no_terminal_and_in_no_log() {
    let world = World::new(Db::Sqlite);
    let nasty = "\u{1b}[2J\u{1b}]0;owned\u{7}\u{9b}31m\u{202e}gpj\r\u{8}end";
    let clean = |what: &str, said: &str| {
        let acts = said.chars().find(|letter| upkeep::text::acts(*letter) && *letter != '\n' && *letter != '\t');
        assert_eq!(acts, None, "{what}: {said:?}");
    };
    assert!(world.run(&["backup", "notes", "--note", nasty, "--pin"]).status.success());
    assert!(world.run(&["hold", "notes", "--reason", nasty]).status.success());
    std::fs::write(world.root().join("releases/1.0.0/VERSION"), nasty).unwrap();
    let label = world.json(&["list"])[0]["label"].as_str().unwrap().to_owned();
    let daemon = world.daemon();
    for arguments in [&["status"][..], &["list"], &["inspect", &label], &["events"], &["check"], &["plan", "notes"]] {
        clean(&format!("{arguments:?} through the daemon"), &text(&world.run(arguments)));
    }
    daemon.stop();
    for arguments in
        [&["status"][..], &["list"], &["inspect", &label], &["events"], &["check"], &["plan", "notes"], &["backup", "notes"]]
    {
        clean(&format!("{arguments:?}"), &text(&world.run(arguments)));
    }
    let listed = world.json(&["list"]);
    assert!(listed.as_array().unwrap().iter().any(|entry| entry["note"] == nasty), "JSON says what was written: {listed}");
}

//! The command line from outside: its help, its exit codes, its output, with the real binary.

use std::process::Stdio;

use upkeep::failure::Class;

use crate::support::upkeep::Upkeep;

const NOTES: &str = "
[targets.notes.database]
url = \"sqlite://{dir}/notes.db\"
[targets.notes.backup]
directory = \"{dir}/archives\"
";

fn notes() -> Upkeep {
    let upkeep = Upkeep::with(NOTES);
    upkeep.sqlite(
        "notes.db",
        "CREATE TABLE note (id INTEGER PRIMARY KEY, text TEXT); INSERT INTO note (text) VALUES ('a'), ('b'), ('c');",
    );
    upkeep
}

/// The names of the commands that a command's help lists.
fn commands_of(help: &str) -> Vec<String> {
    let below = help.lines().skip_while(|line| *line != "Commands:").skip(1).take_while(|line| !line.is_empty());
    let names = below.filter(|line| line.starts_with("  ") && !line.starts_with("   "));
    names.filter_map(|line| line.split_whitespace().next()).filter(|name| *name != "help").map(str::to_owned).collect()
}

#[test]
fn the_whole_help_is_as_written_down() {
    let upkeep = Upkeep::new();
    let mut text = String::new();
    let mut waiting = vec![Vec::<String>::new()];
    while let Some(path) = waiting.pop() {
        let words: Vec<&str> = path.iter().map(String::as_str).chain(["--help"]).collect();
        let help = upkeep.ok(&words);
        text.push_str(&format!("$ upkeep {}\n{help}\n", words.join(" ")));
        let below = commands_of(&help).into_iter().rev();
        waiting.extend(below.map(|name| path.iter().cloned().chain([name]).collect()));
    }
    assert!(!text.contains("demo-server"), "hidden commands stay hidden");
    let mut settings = insta::Settings::clone_current();
    settings.set_omit_expression(true);
    settings.set_prepend_module_to_snapshot(false);
    settings.bind(|| insta::assert_snapshot!("help", text));
}

#[test]
fn the_help_has_the_table_of_exit_codes() {
    let help = Upkeep::new().ok(&["--help"]);
    for class in Class::ALL {
        assert!(help.contains(&format!("  {}  {}", class.code(), class.meaning())), "{class:?} is missing");
    }
}

#[test]
fn transcripts() {
    trycmd::TestCases::new().case("tests/cli/*.trycmd").env("NO_COLOR", "1");
}

#[test]
fn every_shell_gets_completions_with_every_command() {
    let upkeep = Upkeep::new();
    let commands = commands_of(&upkeep.ok(&["--help"]));
    assert!(commands.len() > 20, "{commands:?}");
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = upkeep.ok(&["completions", shell]);
        for command in &commands {
            assert!(script.contains(command.as_str()), "{shell} does not know {command}");
        }
    }
}

/// The script that bash gets, asked as bash asks it.
#[test]
fn names_of_targets_and_archives_are_completed() {
    let upkeep = notes();
    let label = upkeep.json(&["backup", "notes"])["label"].as_str().unwrap().to_owned();
    std::fs::write(upkeep.path("completions.bash"), upkeep.ok(&["completions", "bash"])).unwrap();
    let program = env!("CARGO_BIN_EXE_upkeep");
    let completed = |line: &str| {
        let words = line.replace("upkeep ", &format!("{program} "));
        let script = format!(
            "source completions.bash; COMP_WORDS=({words}); COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1)); \
             _upkeep_named upkeep \"${{COMP_WORDS[COMP_CWORD]}}\" x; printf '%s\\n' \"${{COMPREPLY[@]}}\""
        );
        let mut bash = std::process::Command::new("bash");
        bash.args(["-c", &script]).current_dir(upkeep.root()).env("UPKEEP_CONFIG", upkeep.path("upkeep.toml"));
        String::from_utf8(bash.output().unwrap().stdout).unwrap()
    };
    let has = |line: &str, name: &str| completed(line).lines().any(|word| word == name);
    assert!(has("upkeep backup \"\"", "notes") && has("upkeep backup no", "notes"), "{}", completed("upkeep backup no"));
    assert!(!has("upkeep backup \"\"", &label) && !has("upkeep backup x", "notes"));
    assert!(has("upkeep restore notes \"\"", &label) && has("upkeep verify no", &label) && has("upkeep verify no", "notes"));
    assert!(has("upkeep unpin notes-", &label) && !has("upkeep unpin no", "notes"));
    assert!(has("upkeep diff no", &label) && has("upkeep migrate info \"\"", "notes") && !has("upkeep migrate \"\"", "notes"));
}

/// A terminal of zsh's own, in which what it offers behind each line is shown, up to a mark.
const ZSH: &str = r#"
zmodload zsh/zpty
zpty -b it "env TERM=dumb COLUMNS=200 zsh -f -i"
asked() { zpty -w it "$1"; zpty -r it said $'*\n*END*' }
asked "PS1=; PROMPT_EOL_MARK=; fpath=($PWD \$fpath); autoload -Uz compinit; compinit -u -D; LISTMAX=1000
press() { zle list-choices; zle -R; zle -I; BUFFER=; print E''ND }
zle -N press; bindkey '^I' press; print E''ND"
for line; do
    zpty -n -w it "$line"$'\t'
    zpty -r it said '*END*'
    print -r -- "${said//$'\r'/}"
done
"#;

/// What zsh and fish really offer.
#[test]
fn zsh_and_fish_complete_commands_targets_and_labels() {
    let upkeep = notes();
    let label = upkeep.json(&["backup", "notes"])["label"].as_str().unwrap().to_owned();
    upkeep.file("_upkeep", &upkeep.ok(&["completions", "zsh"]));
    upkeep.file("upkeep.fish", &upkeep.ok(&["completions", "fish"]));
    upkeep.file("complete.zsh", ZSH);
    let program = std::path::Path::new(env!("CARGO_BIN_EXE_upkeep"));
    let path = format!("{}:{}", program.parent().unwrap().display(), std::env::var("PATH").unwrap());
    let lines = [
        ("upkeep ", "release-hold", true),
        ("upkeep ", "demo-server", false),
        ("upkeep backup ", "notes", true),
        ("upkeep backup ", &label, false),
        ("upkeep migrate info no", "notes", true),
        ("upkeep restore notes ", &label, true),
        ("upkeep diff ", &label, true),
        ("upkeep unpin ", &label, true),
        ("upkeep cancel ", "notes", true),
        ("upkeep cancel ", &label, false),
        ("upkeep verify ", &label, true),
    ];
    for shell in ["zsh", "fish"] {
        let mut command = std::process::Command::new(shell);
        match shell {
            "zsh" => command.args(["-f", "complete.zsh"]),
            _ => command.args(["-c", "source upkeep.fish; for line in $argv; complete -C\"$line\"; echo END; end"]),
        };
        command.args(lines.map(|(line, ..)| line)).current_dir(upkeep.root()).env("HOME", upkeep.root()).env("PATH", &path);
        let Ok(output) = command.env("UPKEEP_CONFIG", upkeep.path("upkeep.toml")).output() else {
            assert!(shell == "fish" || std::env::var_os("REQUIRE_SERVERS").is_none(), "{shell} is not installed");
            continue;
        };
        let said = String::from_utf8(output.stdout).unwrap();
        let answers: Vec<&str> = said.split("END").collect();
        assert_eq!(answers.len(), lines.len() + 1, "{shell}: {said}");
        for ((line, name, offered), answer) in lines.into_iter().zip(answers) {
            assert_eq!(answer.contains(name), offered, "{shell}: {line}: {answer}");
        }
    }
}

#[test]
fn every_command_has_a_manual_page() {
    let upkeep = Upkeep::new();
    upkeep.ok(&["man", "pages"]);
    for command in commands_of(&upkeep.ok(&["--help"])) {
        let page = std::fs::read_to_string(upkeep.path(&format!("pages/upkeep-{command}.1"))).unwrap();
        assert!(page.contains(".SH SYNOPSIS"), "{command}");
    }
    assert!(std::fs::read_to_string(upkeep.path("pages/upkeep.1")).unwrap().contains("Exit codes"));
}

#[test]
fn a_closed_pipe_is_no_failure() {
    let upkeep = Upkeep::new();
    let mut child = upkeep.command(&["completions", "bash"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // Nobody reads: the script is longer than a pipe holds, so the write must fail.
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), String::from_utf8_lossy(&output.stderr).as_ref()), (Some(0), ""));
}

#[test]
fn with_json_exactly_one_object_is_printed() {
    let upkeep = notes();
    for (arguments, code) in [
        (&["backup", "notes"][..], 0),
        (&["list"], 0),
        (&["status"], 0),
        (&["verify", "--all"], 0),
        (&["plan", "notes"], 0),
        (&["events"], 0),
        (&["check"], 0),
        (&["prune", "notes", "--dry-run"], 0),
        (&["restore", "notes", "--replace", "--dry-run"], 0),
        (&["backup", "nobody"], 66),
        (&["inspect", "nothing"], 66),
        (&["bakcup"], 64),
        (&["restore", "notes", "--at", "yesterday"], 64),
        (&["restore", "notes"], 65),
    ] {
        let ran = upkeep.run(&[&["--json"], arguments].concat());
        assert_eq!(ran.code, code, "{arguments:?}: {ran:?}");
        let object: serde_json::Value =
            serde_json::from_str(&ran.stdout).unwrap_or_else(|error| panic!("{arguments:?}: {error}: {ran:?}"));
        assert_eq!(ran.stderr, "", "{arguments:?}");
        if code != 0 {
            assert_eq!(object["code"], code, "{arguments:?}");
            assert!(object["message"].as_str().is_some_and(|message| !message.is_empty()), "{arguments:?}");
        }
    }
}

#[test]
fn a_backup_and_back_without_a_daemon() {
    let upkeep = notes();
    let first = upkeep.json(&["backup", "notes", "--note", "before", "--pin"]);
    let label = first["label"].as_str().unwrap().to_owned();
    assert_eq!((&first["rows"], &first["verdict"]), (&3.into(), &"whole".into()));
    assert!(upkeep.ok(&["list", "notes"]).contains(&label));
    upkeep.sqlite("notes.db", "INSERT INTO note (text) VALUES ('d'); DELETE FROM note WHERE text = 'a';");
    upkeep.sqlite("notes.db", "INSERT INTO note (text) VALUES ('e');");
    let second = upkeep.json(&["backup", "notes"])["label"].as_str().unwrap().to_owned();
    let difference = upkeep.json(&["diff", &label, &second]);
    assert_eq!(difference["tables"][0]["change"], "grew");
    assert!(upkeep.ok(&["diff", &label, &second]).contains("+1"));
    let refused = upkeep.run(&["restore", "notes", &label]);
    assert!(refused.code == 65 && refused.stderr.contains("--replace"), "{refused:?}");
    upkeep.ok(&["restore", "notes", &label, "--replace"]);
    let third = upkeep.json(&["backup", "notes"])["label"].as_str().unwrap().to_owned();
    let difference = upkeep.json(&["diff", &label, &third]);
    assert_eq!(difference["tables"], serde_json::json!([]));
    let kept = upkeep.json(&["prune", "notes", "--dry-run"]);
    let pinned = kept["verdicts"].as_array().unwrap().iter().find(|one| one["label"] == label.as_str()).unwrap();
    assert!(pinned["reasons"][0].as_str().unwrap().starts_with("pinned"), "{pinned}");
}

#[test]
fn an_archive_says_what_it_is_without_anything_else() {
    let upkeep = notes();
    let label = upkeep.json(&["backup", "notes"])["label"].as_str().unwrap().to_owned();
    let file = upkeep.path(&format!("archives/{label}.sqlite.zst"));
    std::fs::remove_dir_all(upkeep.path("state")).unwrap();
    std::fs::remove_file(upkeep.path("notes.db")).unwrap();
    let by_label = upkeep.ok(&["inspect", &label]);
    assert!(by_label.contains("note ") && by_label.contains("by hand"), "{by_label}");
    std::fs::remove_file(upkeep.path("upkeep.toml")).unwrap();
    assert_eq!(upkeep.ok(&["inspect", file.to_str().unwrap()]), by_label);
    assert_eq!(upkeep.json(&["inspect", file.to_str().unwrap()])["tables"][0]["rows"], 3);
}

#[test]
fn with_a_daemon_the_same_commands_go_through_its_socket() {
    let upkeep = notes();
    let _daemon = upkeep.daemon();
    let label = upkeep.json(&["backup", "notes"])["label"].as_str().unwrap().to_owned();
    assert!(upkeep.ok(&["list"]).contains(&label));
    assert!(upkeep.ok(&["events"]).contains(&label), "the daemon did it");
    let verified = upkeep.ok(&["verify", &label]);
    assert!(verified.contains("every byte"), "{verified}");
    let status = upkeep.json(&["status"]);
    assert_eq!((&status["state"], &status["targets"][0]["last_good"]["label"]), (&"running".into(), &label.as_str().into()));
    let refused = upkeep.run(&["restore", "notes"]);
    assert_eq!(refused.code, 65, "the daemon's refusal keeps its class: {refused:?}");
}

#[test]
fn check_names_what_is_good_and_what_is_not() {
    let upkeep = notes();
    let good = upkeep.ok(&["check"]);
    assert!(good.contains("all is well") && good.contains("notes.db") || good.contains("sqlite"), "{good}");
    upkeep.configure(&format!("{NOTES}[targets.notes.release]\npath = \"{{dir}}/current\"\nversion = {{ symlink = true }}\n"));
    let ran = upkeep.run(&["check"]);
    assert!(ran.code == 66 && ran.stdout.contains("does not exist") && ran.stdout.contains("hint:"), "{ran:?}");
    assert_eq!(upkeep.json(&["check"])["problems"], 1);

    // Who migrates without us is not asked for our scripts: neither where there are none nor where they are of another tool.
    upkeep.file("current/VERSION", "1.0");
    upkeep.file("current/changelog/db.changelog-master.xml", "<databaseChangeLog/>");
    let none = "hint: leave them out: `locations = []` in `[targets.notes.migrations]`";
    for (runner, locations, words) in [
        ("runner = \"on-start\"", "", "no history of them in the database; no `locations` say what should be there"),
        ("runner = \"on-start\"", "locations = [\"gone\"]", "does not exist in this release"),
        ("runner = \"on-start\"", "locations = [\"changelog\"]", "none of the files there is a migration of Flyway's"),
        (
            "runner = \"command\"\ncommand = [\"true\"]",
            "",
            "no history of them in the database; no `locations` say what should be there",
        ),
        ("runner = \"command\"\ncommand = [\"true\"]", "locations = [\"gone\"]", "does not exist in this release"),
        (
            "runner = \"command\"\ncommand = [\"true\"]",
            "locations = [\"changelog\"]",
            "none of the files there is a migration of Flyway's",
        ),
    ] {
        upkeep.configure(&format!(
            "{NOTES}[targets.notes.release]\npath = \"{{dir}}/current\"\nversion = {{ file = \"VERSION\" }}\n\
             [targets.notes.migrations]\n{runner}\n{locations}\n"
        ));
        let ran = upkeep.run(&["check"]);
        assert!(ran.code == 0 && ran.stdout.contains(words), "{runner} {locations}: {ran:?}");
        assert_eq!(ran.stdout.contains(none), !locations.is_empty(), "{runner} {locations}: {ran:?}");
        assert!(
            !ran.stdout.contains("runner = \"command\""),
            "{runner} {locations}: it is not told to take another runner: {ran:?}"
        );
    }
    // Whose own scripts they are is told.
    upkeep.configure(&format!(
        "{NOTES}[targets.notes.release]\npath = \"{{dir}}/current\"\nversion = {{ file = \"VERSION\" }}\n\
         [targets.notes.migrations]\nlocations = [\"gone\"]\n"
    ));
    let ran = upkeep.run(&["check"]);
    assert!(ran.code == 66 && ran.stdout.contains("gone"), "{ran:?}");
}

#[test]
fn check_sees_a_clock_that_has_gone_back() {
    let upkeep = notes();
    upkeep.ok(&["backup", "notes"]);
    assert!(upkeep.ok(&["check"]).contains("all is well"));
    let event = "INSERT INTO event (at, kind, message, body_json) VALUES (strftime('%Y-%m-%dT%H:%M:%SZ', 'now', '+3 days'), 'test', 'x', 'null')";
    upkeep.sqlite("state/state.db", event);
    let ran = upkeep.run(&["check"]);
    assert!(ran.code == 71 && ran.stdout.contains("but the newest event is from "), "{ran:?}");
    assert!(ran.stdout.contains("nothing is deleted for its age while the clock is behind"), "{ran:?}");
}

#[test]
fn check_goes_on_where_a_password_cannot_be_read_and_names_one_in_the_open() {
    use std::os::unix::fs::PermissionsExt as _;
    let mode = |path: &std::path::Path, mode| std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    let upkeep = notes();
    let shop = "[targets.shop.database]\nurl = \"postgres://shop@127.0.0.1:1/shop\"\npassword_file = \"{dir}/shop.password\"\n";
    upkeep.configure(&format!("{NOTES}{shop}"));
    upkeep.file("shop.password", "geheim");
    mode(&upkeep.path("shop.password"), 0o644);
    let ran = upkeep.run(&["check"]);
    assert!(ran.code == 78 && ran.stdout.contains("shop.password is open to everybody"), "{ran:?}");
    assert!(ran.stdout.contains("✓ notes          database"), "the others are looked at all the same: {ran:?}");

    upkeep.configure(&format!("{NOTES}{}", shop.replace("shop@", "shop:geheim@").replace("password_file", "#")));
    mode(&upkeep.path("upkeep.toml"), 0o644);
    let ran = upkeep.run(&["check"]);
    assert!(ran.stdout.contains("everybody on this host can read a password") && !ran.stdout.contains("geheim"), "{ran:?}");
    mode(&upkeep.path("upkeep.toml"), 0o640);
    assert!(!upkeep.run(&["check"]).stdout.contains("everybody on this host can read a password"));
}

#[test]
fn the_demo_comes_true() {
    let upkeep = Upkeep::new();
    let ran = upkeep.run(&["demo"]);
    assert_eq!(ran.code, 0, "{}{}", ran.stdout, ran.stderr);
    assert!(!ran.stdout.contains('✗') && ran.stdout.matches('✓').count() > 15, "{}", ran.stdout);
    // It stays for looking around, and nothing of it runs any more.
    let config = upkeep.path("upkeep-demo/upkeep.toml");
    let listed = upkeep.ok(&["--config", config.to_str().unwrap(), "list"]);
    assert!(listed.contains("failed-state") && listed.contains("pre-upgrade") && listed.contains("pre-restore"), "{listed}");
    assert!(!upkeep.path("upkeep-demo/server.pid").exists());
    assert!(upkeep.ok(&["--config", config.to_str().unwrap(), "status"]).contains("no daemon is running"));
    // A directory that is not a demo's is left alone.
    upkeep.file("mine/precious", "x");
    let refused = upkeep.run(&["demo", "--dir", "mine"]);
    assert!(refused.code == 73 && upkeep.path("mine/precious").exists(), "{refused:?}");
}

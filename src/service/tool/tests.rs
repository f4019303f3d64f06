use super::*;
use crate::config::load::{self, Secrets};
use crate::ids::TargetName;

fn target(migrations: &str) -> Target {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("upkeep.toml");
    let text = format!(
        "[targets.notes]\ndatabase.url = \"sqlite:///srv/notes/notes.db\"\n\
         release = {{ path = \"/srv/notes/current\", version = {{ symlink = true }} }}\n\
         [targets.notes.migrations]\nrunner = \"command\"\n{migrations}\n"
    );
    crate::durable::write(&path, text.as_bytes()).unwrap();
    let config = load::load_with(&path, &load::Environment::new(), Secrets::Leave).unwrap();
    config.targets[&TargetName::parse("notes").unwrap()].clone()
}

#[test]
fn the_unit_is_the_configuration_in_words_that_systemd_reads_back() {
    let (name, text) = unit(&target(
        "command = ['bin/migrate', 'a b', '\"$HOME\\100%\"']\nuser = 'notes'\nenvironment = { LANG = 'C 50%' }\nenvironment_file = '/etc/notes 50%.env'\ndeadline = '2h'",
    ))
    .unwrap();
    assert_eq!(name, "upkeep-migrate-notes.service");
    let line = |name: &str| text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('=')).unwrap().to_owned();
    assert_eq!(line("ExecStart"), r#""/srv/notes/current/bin/migrate" "a b" "\"$$HOME\\100%%\"""#);
    assert_eq!(line("Environment"), r#""LANG=C 50%%""#);
    assert_eq!(line("EnvironmentFile"), "/etc/notes 50%%.env");
    assert_eq!(line("User"), "notes");
    assert_eq!(line("WorkingDirectory"), "/srv/notes/current");
    assert_eq!(line("TimeoutStartSec"), "7200s");
    assert_eq!(line("StandardOutput"), "truncate:/var/log/upkeep/migrate-notes.log");
}

#[test]
fn without_a_user_there_is_no_unit() {
    assert_eq!(unit(&target("command = ['/usr/bin/migrate']")), None);
}

#[test]
fn a_bare_name_and_a_whole_path_stay_what_they_are() {
    for word in ["migrate", "/usr/bin/migrate"] {
        let (_, text) = unit(&target(&format!("command = ['{word}']\nuser = 'notes'\ndirectory = '/srv'"))).unwrap();
        assert!(text.contains(&format!("ExecStart=\"{word}\"\n")), "{text}");
        assert!(text.contains("WorkingDirectory=/srv\n"), "{text}");
    }
}

#[test]
fn what_systemctl_prints_is_understood() {
    let ended = |well, how: &str| Doing::Ended { well, how: how.to_owned() };
    let cases = [
        ("ActiveState=inactive\nSubState=dead\nResult=success\nInvocationID=\n", Doing::Idle),
        ("ActiveState=activating\nSubState=start\nResult=success\nInvocationID=a\n", Doing::Running),
        ("ActiveState=deactivating\nSubState=stop-sigterm\nResult=timeout\nInvocationID=a\n", Doing::Running),
        ("ActiveState=active\nSubState=exited\nResult=success\nInvocationID=a\n", ended(true, "exit code 0")),
        (
            "ActiveState=failed\nResult=exit-code\nExecMainCode=1\nExecMainStatus=3\nInvocationID=a\n",
            ended(false, "exit code 3"),
        ),
        ("ActiveState=failed\nResult=signal\nExecMainCode=2\nExecMainStatus=9\nInvocationID=a\n", ended(false, "signal 9")),
        (
            "ActiveState=failed\nResult=timeout\nExecMainCode=2\nExecMainStatus=15\nInvocationID=a\n",
            ended(false, "no end within its deadline, and was killed"),
        ),
    ];
    for (stdout, doing) in cases {
        let shown = Finished { code: Some(0), stdout: stdout.to_owned(), stderr: String::new() };
        assert_eq!(state(&shown).doing, doing, "{stdout}");
    }
}

#[test]
fn only_another_invocation_than_the_one_before_is_ours() {
    let run = |before: &str| ToolRun { unit: "u.service".to_owned(), before: before.to_owned() };
    let seen = |invocation: &str| ToolState { invocation: invocation.to_owned(), doing: Doing::Idle };
    assert!(seen("b").is_of(&run("a")) && seen("b").is_of(&run("")));
    assert!(!seen("a").is_of(&run("a")), "it never began");
    assert!(!seen("").is_of(&run("a")), "the boot it belonged to is over");
}

use std::collections::BTreeMap;

use super::*;
use crate::config::load::{self, DEFAULT_PATH};

const TWO: &str = r#"
[targets.notes]
database.url = "sqlite:///srv/notes/notes.db"
[targets.shop]
database.url = "postgres://shop@db.example/shop"
backup.directory = "/var/backups/shop"
release.path = "/opt/shop"
release.version = { dpkg = "shop" }
service.unit = "shop.service"
"#;

fn config(text: &str) -> Config {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("upkeep.toml");
    durable::write(&path, text.as_bytes()).unwrap();
    load::load_with(&path, &load::Environment::new(), Secrets::Leave).unwrap()
}

#[test]
fn the_rule_names_exactly_the_configured_units() {
    let files = files(&config(TWO), Path::new(DEFAULT_PATH));
    let rule = &files[Path::new(POLKIT)];
    assert!(rule.contains(r#"["shop.service"].indexOf(action.lookup("unit"))"#), "{rule}");
    assert!(rule.contains(r#"subject.user == "upkeep""#), "{rule}");
    let gate = &files[Path::new("etc/systemd/system/shop.service.d/50-upkeep-gate.conf")];
    assert!(gate.contains("ExecCondition=+/usr/bin/upkeep gate shop\n"), "{gate}");
    let daemon = &files[Path::new("etc/systemd/system/upkeepd.service.d/50-upkeep-setup.conf")];
    let wanted = "[Service]\nReadWritePaths=\"-/srv/notes\"\nReadWritePaths=\"-/var/backups/shop\"\nIPAddressAllow=any\n";
    assert!(daemon.ends_with(wanted), "{daemon}");
    let nas = "[offsite.nas]\nkind = \"directory\"\npath = \"/mnt/nas\"\nowner = \"db1\"\n";
    let with_a_place = super::files(&config(&format!("{TWO}{nas}")), Path::new(DEFAULT_PATH));
    let daemon = &with_a_place[Path::new("etc/systemd/system/upkeepd.service.d/50-upkeep-setup.conf")];
    assert!(daemon.contains("ReadWritePaths=\"-/mnt/nas\"\n"), "{daemon}");
    assert!(rule.contains(r#"["start", "stop", "reset-failed"].indexOf(action.lookup("verb"))"#), "{rule}");
    assert_eq!(files.len(), 4);
}

#[test]
fn a_rule_is_for_the_unit_that_is_meant_whatever_its_name_holds() {
    let escaped = r#"service.unit = 'a\x2db@c.service'"#;
    let files = files(&config(&TWO.replace(r#"service.unit = "shop.service""#, escaped)), Path::new(DEFAULT_PATH));
    let rule = &files[Path::new(POLKIT)];
    assert!(rule.contains(r#"["a\u005cx2db@c.service"].indexOf"#), "{rule}");
    assert!(files.contains_key(Path::new(r"etc/systemd/system/a\x2db@c.service.d/50-upkeep-gate.conf")));
}

#[test]
fn a_target_that_is_only_backed_up_needs_no_rights() {
    let plain = "[targets.notes]\ndatabase.url = \"postgres://notes@localhost/notes\"\n";
    assert_eq!(files(&config(plain), Path::new(DEFAULT_PATH)), BTreeMap::new());
}

#[test]
fn a_tool_that_runs_as_a_user_has_a_unit_that_the_daemon_may_begin() {
    let text = format!(
        "{TWO}migrations = {{ runner = \"command\", command = [\"bin/migrate\"], user = \"shop\", locations = [\"sql\"] }}\n"
    );
    let files = files(&config(&text), Path::new(DEFAULT_PATH));
    let rule = &files[Path::new(POLKIT)];
    assert!(rule.contains(r#"["shop.service", "upkeep-migrate-shop.service"].indexOf(action.lookup("unit"))"#), "{rule}");
    let unit = &files[Path::new("etc/systemd/system/upkeep-migrate-shop.service")];
    assert!(unit.contains("User=shop\n") && unit.contains("ExecStart=\"/opt/shop/bin/migrate\"\n"), "{unit}");
    let needrestart = &files[Path::new(NEEDRESTART)];
    assert!(
        needrestart.contains("push(@{$nrconf{blacklist_rc}}, qr(^upkeep\\-migrate\\-shop\\.service$));\n"),
        "{needrestart}"
    );
    // Without it, it is taken away again.
    let root = tempfile::tempdir().unwrap();
    write(&root.path().join("etc/systemd/system/upkeep-migrate-shop.service"), unit).unwrap();
    assert_eq!(ours(root.path()), [PathBuf::from("etc/systemd/system/upkeep-migrate-shop.service")]);
}

/// What an older `setup` left, or root made by hand, below the daemon's own directory: told, with the command, and never "as it should be".
#[test]
fn a_directory_of_roots_in_the_daemons_way_is_told() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let place = tempfile::tempdir().unwrap();
    let chown = |path: &str| std::os::unix::fs::chown(place.path().join(path), Some(4711), Some(4711)).unwrap();
    fs::set_permissions(place.path(), fs::Permissions::from_mode(0o755)).unwrap();
    fs::create_dir_all(place.path().join("state/archives")).unwrap();
    chown("state");
    let archives = place.path().join("state/archives/notes");
    let refused = make(Path::new("/"), &archives, [4711, 4711]).unwrap_err();
    let Stop::Failure(failure) = refused else { panic!("no failure") };
    let hint = format!("give it to the daemon: `chown -R upkeep: {}`", archives.parent().unwrap().display());
    assert_eq!(failure.hints, [hint]);
    chown("state/archives");
    assert_eq!(make(Path::new("/"), &archives, [4711, 4711]).unwrap(), None, "he makes it himself");
}

#[test]
fn only_files_of_ours_are_replaced_or_removed() {
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join(POLKIT);
    assert!(write(&path, &format!("// {HEADER}\none\n")).unwrap().is_some());
    assert_eq!(write(&path, &format!("// {HEADER}\none\n")).unwrap(), None, "nothing to do");
    assert_eq!(path.metadata().unwrap().mode() & 0o777, 0o644, "polkit reads it as a user of its own");
    assert_eq!(ours(root.path()), [PathBuf::from(POLKIT)]);
    durable::write(&path, b"an operator's own\n").unwrap();
    assert!(write(&path, "ours").is_err());
    assert_eq!(ours(root.path()), Vec::<PathBuf>::new());
}

#[test]
#[expect(clippy::disallowed_methods, reason = "Perl is what needrestart reads it with")]
fn needrestart_is_kept_from_a_server_that_the_gate_would_hold() {
    let text = TWO.replace("shop.service", "shop@1.service");
    let files = files(&config(&text), Path::new("/etc/it's/upkeep.toml"));
    let said = &files[Path::new(NEEDRESTART)];
    assert!(said.contains("qr(^shop\\@1\\.service$)}"), "{said}");
    assert!(said.contains("/usr/bin/upkeep --config /etc/it\\'s/upkeep.toml gate --look shop"), "{said}");
    // Debian always has one; elsewhere `tests/host/run` has the real needrestart.
    if let Ok(perl) = std::process::Command::new("perl").args(["-c", "-e", said]).output() {
        assert!(perl.status.success(), "{}", String::from_utf8_lossy(&perl.stderr));
    }
}

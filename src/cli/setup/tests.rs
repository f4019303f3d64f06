use super::*;
use crate::config::load;

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
    assert_eq!(files.len(), 3);
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
    // Without it, it is taken away again.
    let root = tempfile::tempdir().unwrap();
    write(&root.path().join("etc/systemd/system/upkeep-migrate-shop.service"), unit).unwrap();
    assert_eq!(ours(root.path()), [PathBuf::from("etc/systemd/system/upkeep-migrate-shop.service")]);
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

use super::*;
use crate::config::load::{self, Secrets};

#[test]
fn a_server_lies_where_its_command_line_says() {
    let exec = |argv: &str| format!("{{ path=/x ; argv[]={argv} ; ignore_errors=no ; start_time=[n/a] }}");
    for (argv, expect) in [
        ("/usr/bin/python3 /usr/lib/sample/server.py", Some("/usr/lib/sample")),
        ("/opt/openmetadata/bin/openmetadata.sh start", Some("/opt/openmetadata")),
        ("/usr/bin/java -jar /srv/app/current/app.jar", Some("/srv/app")),
        ("/usr/sbin/sshd -D", None),
        ("/usr/lib/postgresql/15/bin/postgres -D /var/lib/postgresql", None),
        ("/lib/systemd/systemd-logind", None),
        ("/usr/lib/jvm/java-17/bin/java -jar /opt/shop/shop.jar", Some("/opt/shop")),
        ("/opt/lonely", None),
    ] {
        assert_eq!(home(&exec(argv)), expect.map(PathBuf::from), "{argv}");
    }
}

#[test]
fn what_it_proposes_is_a_configuration() {
    let server = |unit: &str| Server { unit: unit.to_owned(), path: "/opt/app".into(), ..Server::default() };
    let found = Found {
        servers: vec![
            Server { package: Some("shop".to_owned()), scripts: vec!["db/migration".to_owned()], ..server("shop.service") },
            Server { version_file: true, ..server("notes.service") },
            server("wiki.service"),
        ],
        listeners: vec![Listener { scheme: "postgres", socket: "/run/postgresql".into(), port: 5433 }],
    };
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("found.toml");
    durable::write(&path, text(&found).as_bytes()).unwrap();
    let config = load::load_with(&path, &load::Environment::new(), Secrets::Leave).unwrap();
    let shop = &config.targets[&TargetName::parse("shop").unwrap()];
    assert_eq!(shop.database.location.to_string(), "postgres://shop@127.0.0.1:5433/shop");
    assert_eq!(shop.migrations.as_ref().unwrap().locations, ["db/migration"]);
    assert!(!shop.upgrade.auto, "nothing is upgraded before a person has looked");
    assert_eq!(config.targets.len(), 3);
}

#[test]
fn scripts_are_found_where_they_lie() {
    let dir = tempfile::tempdir().unwrap();
    for file in ["db/migration/V1__one.sql", "db/migration/R__view.sql", "docs/V1_notes.txt", "sql/V2__two.sql"] {
        let path = dir.path().join(file);
        durable::make_dir(path.parent().unwrap()).unwrap();
        durable::write(&path, b"").unwrap();
    }
    assert_eq!(scripts(dir.path()), ["db/migration", "sql"]);
}

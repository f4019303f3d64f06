use super::*;
use crate::config::load::{self, Secrets};

#[test]
fn what_it_proposes_is_a_configuration() {
    let server = |unit: &str| Server { unit: unit.to_owned(), path: "/opt/app".into(), ..Server::default() };
    let found = Found {
        servers: vec![
            Server { package: Some("shop".to_owned()), scripts: vec!["db/migration".to_owned()], ..server("shop.service") },
            Server { version_file: true, ..server("notes.service") },
            Server { database: Some(Location::Sqlite { path: "/opt/app/wiki.db".into() }), ..server("wiki.service") },
        ],
        idle: vec!["/opt/other".into()],
        listeners: vec![Listener { scheme: "postgres", socket: Some("/run/postgresql".into()), port: 5433 }],
    };
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("found.toml");
    durable::write(&path, text(&found).as_bytes()).unwrap();
    let config = load::load_with(&path, &load::Environment::new(), Secrets::Leave).unwrap();
    let shop = &config.targets[&TargetName::parse("shop").unwrap()];
    assert_eq!(shop.database.location.to_string(), "postgres://shop@127.0.0.1:5433/shop");
    assert_eq!(shop.migrations.as_ref().unwrap().locations, ["db/migration"]);
    assert!(!shop.upgrade.auto, "nothing is upgraded before a person has looked");
    let wiki = &config.targets[&TargetName::parse("wiki").unwrap()];
    assert_eq!(wiki.database.location.to_string(), "sqlite:///opt/app/wiki.db");
    assert_eq!(config.targets.len(), 3);
}

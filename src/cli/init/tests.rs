use super::*;
use crate::config::load::{self, Secrets};

const SAFE: &str = "postgres://app@db:5432/safe?sslmode=verify-full&sslrootcert=/etc/ssl/db.pem";

fn address(url: &str, lost: &[&str]) -> Address {
    Address { url: url.to_owned(), lost: lost.iter().map(|lost| (*lost).to_owned()).collect() }
}

#[test]
fn what_it_proposes_is_a_configuration() {
    let server = |unit: &str| Server { unit: unit.to_owned(), path: "/opt/app".into(), ..Server::default() };
    let found = Found {
        servers: vec![
            Server { package: Some("shop".to_owned()), scripts: vec!["db/migration".to_owned()], ..server("shop.service") },
            Server { version_file: true, ..server("notes.service") },
            Server { database: Some(address("sqlite:///opt/app/wiki.db", &[])), ..server("wiki.service") },
            Server { database: Some(address(SAFE, &["ssl=\ntrue"])), ..server("safe.service") },
        ],
        idle: vec!["/opt/other".into()],
        listeners: vec![Listener { scheme: "postgres", socket: Some("/run/postgresql".into()), port: 5433 }],
    };
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("found.toml");
    durable::write(&path, proposal(&found).as_bytes()).unwrap();
    let config = load::load_with(&path, &load::Environment::new(), Secrets::Leave).unwrap();
    let shop = &config.targets[&TargetName::parse("shop").unwrap()];
    assert_eq!(shop.database.location.to_string(), "postgres://shop@127.0.0.1:5433/shop");
    assert_eq!(shop.migrations.as_ref().unwrap().locations, ["db/migration"]);
    assert!(!shop.upgrade.auto, "nothing is upgraded before a person has looked");
    let wiki = &config.targets[&TargetName::parse("wiki").unwrap()];
    assert_eq!(wiki.database.location.to_string(), "sqlite:///opt/app/wiki.db");
    let safe = &config.targets[&TargetName::parse("safe").unwrap()];
    assert_eq!(safe.database.url(), SAFE, "the application's demands on its connection are kept");
    assert!(proposal(&found).contains("\n# The application says ssl=\\u000atrue as well"), "{}", proposal(&found));
    assert_eq!(config.targets.len(), 4);
}

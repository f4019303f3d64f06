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

#[test]
fn a_product_that_is_known_is_proposed_by_its_profile() {
    let server = Server {
        unit: "openmetadata.service".to_owned(),
        path: "/opt/openmetadata".into(),
        product: Some("openmetadata"),
        user: Some("om".to_owned()),
        environment_file: Some("/etc/openmetadata.env".into()),
        database: Some(address("mysql://om@localhost:3306/openmetadata_db", &["trustCertificateKeyStoreUrl=file:k"])),
        ..Server::default()
    };
    let read = |server: &Server| {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("found.toml");
        durable::write(&path, proposal(&Found { servers: vec![server.clone()], ..Found::default() }).as_bytes()).unwrap();
        load::load_with(&path, &load::Environment::new(), Secrets::Leave).unwrap().targets.into_values().next().unwrap()
    };
    let target = read(&server);
    assert_eq!((target.product.map(|product| product.name()), target.profile.as_str()), (Some("openmetadata"), "openmetadata"));
    assert_eq!(target.database.location.to_string(), "mysql://om@localhost:3306/openmetadata_db");
    assert!(!target.upgrade.auto && target.release.is_some() && !target.service.as_ref().unwrap().health.is_empty());
    let runner = &target.migrations.as_ref().unwrap().runner;
    let crate::config::Runner::Command { environment_file, user, .. } = runner else { panic!("{runner:?}") };
    assert_eq!((environment_file.as_deref(), user.as_deref()), (Some(Path::new("/etc/openmetadata.env")), Some("om")));
    let told = proposal(&Found { servers: vec![server.clone()], ..Found::default() });
    assert!(told.contains("openmetadata_db\"\n# The application says trustCertificateKeyStoreUrl=file:k as well"), "{told}");
    // What was not found is left to write, and the rest stands.
    read(&Server { user: None, environment_file: None, database: None, ..server });
}

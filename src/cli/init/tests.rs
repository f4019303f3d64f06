use super::listen::Listener;
use super::*;
use crate::config::address::Address;
use crate::engine::census::{Census, Held};

const SAFE: &str = "postgres://app@db:5432/safe?sslmode=verify-full&sslrootcert=/etc/ssl/db.pem";

fn address(url: &str, lost: &[&str]) -> Address {
    Address { url: url.to_owned(), lost: lost.iter().map(|lost| (*lost).to_owned()).collect() }
}

fn runner() -> Runner {
    Runner { name: "upkeep".to_owned(), known: true, root: true, uid: 0 }
}

fn proposed(found: &Found) -> Proposal {
    let place =
        steps::Place { path: "/etc/upkeep/x".into(), beside: "/etc/upkeep".into(), head: Vec::new(), command: "upkeep".into() };
    proposal(found, &runner(), &place)
}

fn text_of(found: &Found) -> String {
    let proposal = proposed(found);
    is_as_meant(&proposal).unwrap_or_else(|error| panic!("{error:?}"));
    proposal.text
}

#[track_caller]
fn read(found: &Found) -> crate::config::Config {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("found.toml");
    durable::write(&path, text_of(found).as_bytes()).unwrap();
    load::load_with(&path, &load::Environment::new(), Secrets::Leave).unwrap_or_else(|error| panic!("{error:?}"))
}

fn unseen(listener: Listener) -> Known {
    Known { listener, version: None, census: None, unseen: Some("nobody\nanswers".to_owned()) }
}

fn holding(listener: Listener, version: &str, local: Option<&str>, names: &[&str]) -> Known {
    let databases = names.iter().map(|name| Held { name: (*name).to_owned(), bytes: Some(1000), ..Held::default() }).collect();
    let (version, local) = (version.to_owned(), local.map(str::to_owned));
    let census = Census { version: version.clone(), number: 170_000, local, databases, ..Census::default() };
    Known { listener, version: Some(version), census: Some(census), unseen: None }
}

#[test]
fn every_database_that_is_found_is_a_target_and_none_twice() {
    let postgres = |port| Listener::at("postgres", Some("/run/postgresql".into()), port);
    let url = "postgres://shop@127.0.0.1:5432/shop";
    let many: Vec<String> = (0..12).map(|number| format!("db{number:02}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    let found = Found {
        servers: vec![Server {
            unit: "shop.service".to_owned(),
            path: "/opt/shop".into(),
            database: Some(address(url, &[])),
            ..Server::default()
        }],
        listeners: vec![
            holding(postgres(5432), "17.2", Some("peer"), &["shop", "Wiki \"new\"", "--"]),
            holding(postgres(5433), "15.14", Some("peer"), &["shop", "shop-5433"]),
            holding(
                Listener::at("mysql", Some("/run/mysqld/mysqld.sock".into()), 3306),
                "11.8.3-MariaDB",
                Some("unix_socket"),
                &many,
            ),
            unseen(Listener::at("mysql", None, 3307)),
        ],
        files: vec!["/srv/app/My Notes.db".into()],
        urls: vec![("mysql://app@db:3306/shop".to_owned(), "shop".to_owned())],
        ..Found::default()
    };
    let config = read(&found);
    let guessed = Found {
        servers: vec![Server { database: None, ..found.servers[0].clone() }],
        ..Found { listeners: vec![holding(postgres(5432), "17.2", Some("peer"), &["shop", "wiki"])], ..Found::default() }
    };
    let names: Vec<String> = read(&guessed).targets.into_keys().map(|name| name.to_string()).collect();
    assert_eq!(names, ["shop", "wiki"], "what is guessed of a service is not proposed twice");
    let at = |name: &str| config.targets[&TargetName::parse(name).unwrap()].database.url();
    assert_eq!(at("shop"), url, "the service's own, and what the server has of that name is the same database");
    assert_eq!(at("wiki--new-"), "postgres:///Wiki%20%22new%22?host=/run/postgresql&port=5432&user=upkeep");
    assert_eq!(at("database"), "postgres:///--?host=/run/postgresql&port=5432&user=upkeep");
    assert_eq!(at("shop-5433"), "postgres:///shop?host=/run/postgresql&port=5433&user=upkeep");
    assert_eq!(at("shop-5433-5433"), "postgres:///shop-5433?host=/run/postgresql&port=5433&user=upkeep");
    assert_eq!(at("db09"), "mysql:///db09?socket=/run/mysqld/mysqld.sock&user=upkeep");
    assert_eq!(at("my-notes"), "sqlite:///srv/app/My%20Notes.db");
    assert_eq!(at("shop-2"), "mysql://app@db:3306/shop");
    assert_eq!(config.targets.len(), 5 + 10 + 2);
    let proposal = proposed(&found);
    let told = &proposal.text;
    for said in [
        "# PostgreSQL 17.2 in /run/postgresql, port 5432.\n# Looked after by another target: shop.",
        "# MariaDB 11.8.3 at /run/mysqld/mysqld.sock: not proposed, because 10 are enough to begin with: db10, db11.",
        "# MySQL or MariaDB at port 3307.",
        "# its databases could not be listed: nobody\\u000aanswers. List them with `mysql -h 127.0.0.1 -P 3307 -u root -p -e 'SHOW DATABASES'`, \
         then name one in place of DATABASE: `upkeep init /etc/upkeep/conf.d/DATABASE.toml --database mysql://127.0.0.1:3307/DATABASE`",
    ] {
        assert!(told.contains(said), "{said}: {told}");
    }
    assert_eq!((proposal.accounts.len(), proposal.notes.len(), proposal.unlisted.len()), (3, 1, 1), "{:?}", proposal.notes);
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
        listeners: vec![unseen(Listener::at("postgres", Some("/run/postgresql".into()), 5433))],
        ..Found::default()
    };
    let config = read(&found);
    let shop = &config.targets[&TargetName::parse("shop").unwrap()];
    assert_eq!(shop.database.location.to_string(), "postgres://shop@127.0.0.1:5433/shop");
    assert_eq!(shop.migrations.as_ref().unwrap().locations, ["db/migration"]);
    assert!(!shop.upgrade.auto, "nothing is upgraded before a person has looked");
    let wiki = &config.targets[&TargetName::parse("wiki").unwrap()];
    assert_eq!(wiki.database.location.to_string(), "sqlite:///opt/app/wiki.db");
    let safe = &config.targets[&TargetName::parse("safe").unwrap()];
    assert_eq!(safe.database.url(), SAFE, "the application's demands on its connection are kept");
    let told = text_of(&found);
    assert!(told.contains("\n# The application says ssl=\\u000atrue as well"), "{told}");
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
    let alone = |server: &Server| Found { servers: vec![server.clone()], ..Found::default() };
    let read = |server: &Server| super::tests::read(&alone(server)).targets.into_values().next().unwrap();
    let target = read(&server);
    assert_eq!((target.product.map(|product| product.name()), target.profile.as_str()), (Some("openmetadata"), "openmetadata"));
    assert_eq!(target.database.location.to_string(), "mysql://om@localhost:3306/openmetadata_db");
    assert!(!target.upgrade.auto && target.release.is_some() && !target.service.as_ref().unwrap().health.is_empty());
    let runner = &target.migrations.as_ref().unwrap().runner;
    let crate::config::Runner::Command { environment_file, user, .. } = runner else { panic!("{runner:?}") };
    assert_eq!((environment_file.as_deref(), user.as_deref()), (Some(Path::new("/etc/openmetadata.env")), Some("om")));
    let told = text_of(&alone(&server));
    assert!(told.contains("openmetadata_db\"\n# The application says trustCertificateKeyStoreUrl=file:k as well"), "{told}");
    // What was not found is left to write, and the rest stands.
    read(&Server { user: None, environment_file: None, database: None, ..server });
}

#[test]
fn a_text_that_says_more_than_is_meant_is_written_nowhere() {
    let target = TargetName::parse("shop").unwrap();
    let meant = "[targets.shop.database]\nurl = \"sqlite:///a\"\n".to_owned();
    let of = |text: String| is_as_meant(&Proposal { text, targets: vec![target.clone()], ..Proposal::default() });
    of(meant.clone()).unwrap();
    for more in [
        "[targets.wiki.migrations]\nrunner = \"command\"\n",
        "[alarms]\nwebhook = \"http://x\"\n",
        "[targets.shop.database]\n",
        "\"\n",
    ] {
        let refused = of(format!("{meant}{more}")).unwrap_err();
        assert!(refused.to_string().contains("something else than is meant"), "{more}: {refused}");
    }
    of(String::new()).unwrap_err();
}

//! MySQL and MariaDB: what a server would not have made today, and made once, is restored all the same.

use sqlx::Connection as _;
use upkeep::archive::Archive;
use upkeep::config::{Database, Location, Secret};
use upkeep::engine::{Engine, LoadMode};
use upkeep::failure::{Class, Explain as _};

use crate::mysql_backup::same;
use crate::support::mysql::{Server, Which, dump, load, name_of, networked_server, said};

/// Settings of a whole server, which others' tests would feel.
#[rstest::rstest]
#[case::mariadb(Which::MariaDb)]
#[case::newer_mariadb(Which::NewerMariaDb)]
#[case::mysql(Which::MySql)]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_server_is_set_to_is_passed_by_or_known_before(#[case] which: Which) {
    let Some((server, _mortal, port)) = networked_server(which) else { return };
    made_once(server).await;
    read_only(server).await;
    turned_away(server).await;
    limited(server).await;
    demands_tls(server, port).await;
}

/// What today's settings refuse is restored.
async fn made_once(server: &Server) {
    let (source, by_hand, by_upkeep) = (server.fresh(), server.fresh(), server.fresh());
    let name = name_of(&source);
    let wide = (0..33).map(|n| format!("c{n} char(255)")).collect::<Vec<_>>().join(", ");
    server.sql(name, "CREATE TABLE keyless (a int); INSERT INTO keyless VALUES (1)");
    if server.is_mariadb() {
        server.sql(
            name,
            "SET check_constraint_checks = 0; CREATE TABLE checked (a int CHECK (a > 0)); INSERT INTO checked VALUES (-1)",
        );
    } else {
        server.sql("", "SET GLOBAL sql_require_primary_key = ON");
    }
    let dir = tempfile::tempdir().unwrap();
    let sealed = dump(&source, dir.path(), 1).await.unwrap();
    server.restore_by_hand(&sealed.path, name_of(&by_hand)).unwrap();
    // What an ordinary account may not switch off is not in an archive's own text.
    let keyless = if server.is_mariadb() { "" } else { "SET sql_require_primary_key = OFF;" };
    server.sql(
        name,
        &format!(
            "SET innodb_strict_mode = OFF; SET sql_mode = ''; {keyless} \
             CREATE TABLE wide ({wide}) CHARACTER SET latin1 ROW_FORMAT=COMPACT"
        ),
    );
    if !server.is_mariadb() {
        server.sql(
            name,
            "SET restrict_fk_on_non_standard_key = OFF, sql_require_primary_key = OFF; CREATE TABLE parent (a int, KEY (a)); \
             CREATE TABLE child (a int, CONSTRAINT loose FOREIGN KEY (a) REFERENCES parent (a))",
        );
    }
    let sealed = dump(&source, dir.path(), 1).await.unwrap();
    let loaded = load(&by_upkeep, &sealed, LoadMode::Clean).await;
    if !server.is_mariadb() {
        server.sql("", "SET GLOBAL sql_require_primary_key = OFF");
    }
    assert_eq!(loaded.unwrap().warnings, Vec::<String>::new());
    same(server, name, name_of(&by_upkeep));
}

/// What is said is what the server does, whichever privilege an account has.
async fn read_only(server: &Server) {
    let source = server.fresh();
    let name = name_of(&source);
    server.sql(name, "CREATE TABLE t (a int); INSERT INTO t VALUES (1)");
    let dir = tempfile::tempdir().unwrap();
    let archive = Archive::open(&dump(&source, dir.path(), 1).await.unwrap().path).unwrap();
    let privileges = ["USAGE", "SUPER", if server.is_mariadb() { "READ_ONLY ADMIN" } else { "CONNECTION_ADMIN" }];
    let users = [0, 1, 2].map(|which| format!("writer{which}_{name}"));
    for (user, privilege) in users.iter().zip(privileges) {
        server.user(user, name, "ALL");
        server.sql("", &format!("GRANT {privilege} ON *.* TO '{user}'@'%'"));
    }
    server.sql("", "SET GLOBAL read_only = ON");
    let mut told = Vec::new();
    for user in &users {
        let mut session = server.connect_as(name, user).await;
        let writes = sqlx::raw_sql("INSERT INTO t VALUES (2)").execute(&mut session).await.is_ok();
        told.push((writes, Engine::of(&server.database_as(name, user)).objections(&archive).await));
    }
    server.sql("", "SET GLOBAL read_only = OFF");
    for ((writes, objections), privilege) in told.into_iter().zip(privileges) {
        let objects = objections.unwrap().iter().any(|objection| objection.contains("read-only"));
        assert_eq!(objects, !writes, "{privilege}");
        assert!(writes || privilege != privileges[2], "{privilege}");
    }
}

/// What a server is set to, until this goes.
struct Set<'a> {
    server: &'a Server,
    back: String,
}

impl<'a> Set<'a> {
    fn to(server: &'a Server, name: &str, value: &str) -> Self {
        let usual = server.sql("", &format!("SELECT QUOTE(@@GLOBAL.{name})"));
        server.sql("", &format!("SET GLOBAL {name} = {value}"));
        // A number is set without quotes.
        let inner = usual.trim_matches('\'');
        let usual = if inner.parse::<u64>().is_ok() { inner } else { &usual };
        Self { server, back: format!("SET GLOBAL {name} = {usual}") }
    }
}

impl Drop for Set<'_> {
    fn drop(&mut self) {
        self.server.sql("", &self.back);
    }
}

/// A server that is full passes, and is tried again; one that ends every session is for whoever runs it.
async fn turned_away(server: &Server) {
    let source = server.fresh();
    let (name, user) = (name_of(&source), format!("many_{}", name_of(&source)));
    server.user(&user, name, "ALL");
    let account = server.database_as(name, &user);
    let dir = tempfile::tempdir().unwrap();
    // MariaDB has room for ten at least; whoever may do everything has a place of his own.
    let few = Set::to(server, "max_connections", "10");
    let options = sqlx::mysql::MySqlConnectOptions::new().socket(&server.socket).username(&user).database(name);
    let options = options.ssl_mode(sqlx::mysql::MySqlSslMode::Disabled);
    let (mut held, mut full) = (Vec::new(), None);
    // A place of somebody who is just leaving is taken as well.
    for _ in 0..100 {
        while let Ok(one) = sqlx::mysql::MySqlConnection::connect_with(&options).await {
            held.push(one);
        }
        let (looked, dumped) = (Engine::of(&account).identify().await, dump(&account, dir.path(), 1).await);
        if let (Err(looked), Err(dumped)) = (looked, dumped) {
            full = Some((looked, dumped));
            break;
        }
    }
    held.clear();
    drop(few);
    let ending = Set::to(server, "init_connect", "'SELECT nowhere'");
    let ended = Engine::of(&account).identify().await;
    drop(ending);
    let (looked, dumped) = full.unwrap();
    for error in [looked, dumped] {
        assert!(error.class() == Class::TempFail && error.transient(), "{error:?}");
        let said = said(error);
        assert!(said.contains("no free connection") && said.contains("max_connections"), "{said}");
    }
    let ended = ended.unwrap_err();
    assert!(ended.class() == Class::Unavailable && !ended.transient(), "{ended:?}");
    let said = said(ended);
    assert!(said.contains("init_connect") && said.contains("CONNECTION"), "{said}");
}

/// An account with as many sessions as it may have gets one again when others have ended.
async fn limited(server: &Server) {
    let source = server.fresh();
    let (name, user) = (name_of(&source), format!("few_{}", name_of(&source)));
    server.user(&user, name, "ALL");
    server.sql("", &format!("ALTER USER '{user}'@'%' WITH MAX_USER_CONNECTIONS 1"));
    let _only = server.connect_as(name, &user).await;
    let error = Engine::of(&server.database_as(name, &user)).identify().await.unwrap_err();
    assert!(error.class() == Class::TempFail && error.transient(), "{error:?}");
    let said = said(error);
    assert!(said.contains("used up its limit") && said.contains(&format!("ALTER USER '{user}'@'%' WITH MAX_USER")), "{said}");
}

/// A server that wants TLS of whoever comes over the network says so, and lets in who does what is said.
async fn demands_tls(server: &Server, port: u16) {
    let source = server.fresh();
    let (name, user) = (name_of(&source), format!("far_{}", name_of(&source)));
    // By both names: a server may have nobody of its own at `localhost`, who would be taken for him.
    for host in ["%", "localhost"] {
        let account = format!("'{user}'@'{host}'");
        server.sql("", &format!("CREATE USER {account} IDENTIFIED BY 'secret'; GRANT ALL ON `{name}`.* TO {account}"));
    }
    let _secure = Set::to(server, "require_secure_transport", "ON");
    let by = |mode: &str| {
        let ssl_mode = mode.to_owned();
        let location =
            Location::MySql { host: "127.0.0.1".to_owned(), port, user: user.clone(), database: name.to_owned(), ssl_mode };
        Engine::of(&Database { password: Some(Secret::new("secret".to_owned())), ..Database::at(location) })
    };
    let error = by("DISABLED").identify().await.unwrap_err();
    assert_eq!(error.class(), Class::NoPermission, "{error:?}");
    let said = said(error);
    // An older MariaDB refuses him as it refuses who has another password.
    assert!(said.contains("ssl-mode=REQUIRED"), "{said}");
    assert!(said.contains("only TLS connections") || server.which == Which::MariaDb, "{said}");
    by("REQUIRED").identify().await.unwrap();
}

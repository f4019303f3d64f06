//! Connections under TLS, against real servers: whom each mode lets in, what is said where it lets nobody in, and what somebody hears who
//! stands in between.

use std::path::PathBuf;
use std::sync::Arc;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio_rustls::rustls;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use upkeep::config::{Database, Health, HttpUrl, Identity, Location, Roots, Secret, Tls};
use upkeep::engine::{Engine, EngineError, LoadMode};
use upkeep::failure::Failure;
use upkeep::migrate;
use upkeep::progress::Progress;

use crate::support::certificates::Certificates;
use crate::support::mysql::{self, Server, Which, on_every_server};
use crate::support::postgres::{self, Cluster, tls_clusters};
use crate::support::scripts::{put, settings};
use crate::support::tap::{Tap, To};

const PASSWORD: &str = "no ear may hear this";
const ROW: &str = "and no eye see this row";

/// How one connects: mode, whom it trusts, the name of the server.
type Way<'a> = (&'a str, Option<&'a str>, &'a str);

/// A database behind a tap.
struct Behind {
    database: Database,
    certificates: Certificates,
    tap: Tap,
    /// Whether it is shown that without TLS all is heard: once for each engine will do.
    hears: bool,
}

impl Behind {
    /// As a user connects that way.
    fn by(&self, user: &str, (mode, roots, host): Way<'_>) -> Database {
        let mut database = self.database.clone();
        match &mut database.location {
            Location::Postgres { host: at, port, user: who, sslmode, .. } => {
                (*at, *port, *who, *sslmode) = (host.to_owned(), self.tap.port, user.to_owned(), mode.to_owned());
            }
            Location::MySql { host: at, port, user: who, ssl_mode, .. } => {
                (*at, *port, *who, *ssl_mode) = (host.to_owned(), self.tap.port, user.to_owned(), mode.to_owned());
            }
            Location::Sqlite { .. } => unreachable!(),
        }
        database.password = Some(Secret::new(PASSWORD.to_owned()));
        let roots = roots.map(|name| Roots::File(self.certificates.file(&format!("{name}.pem"))));
        database.tls = Tls { roots, identity: None, in_url: true };
        database
    }

    fn identity(&self, certificate: &str, key: &str) -> Option<Identity> {
        let file = |name: &str| self.certificates.file(name);
        Some(Identity { certificate: file(&format!("{certificate}.pem")), key: file(&format!("{key}.key")) })
    }

    /// What each way leads to: a part of what the connection is worth, or of what is said (cause and next step).
    async fn are(&self, user: &str, ways: &[(Way<'_>, Result<&str, &[&str]>)]) {
        for (way, expected) in ways {
            is(&self.by(user, *way), *expected, &format!("{user} {way:?}")).await;
        }
    }
}

/// In clear.
const CLEAR: Result<&str, &[&str]> = Ok("");

async fn is(database: &Database, expected: Result<&str, &[&str]>, what: &str) {
    match (Engine::worth(database).await.map_err(said), expected) {
        (Ok(worth), Ok(part)) => {
            let worth = worth.unwrap_or_default();
            assert!(worth.contains(part) && worth.is_empty() == part.is_empty(), "{what}: {worth:?}");
        }
        (Err(said), Err(parts)) => {
            assert!(parts.iter().all(|part| said.contains(part)), "{what}: {said}");
            assert!(!said.contains(PASSWORD), "{said}");
        }
        (found, expected) => panic!("{what}: {found:?}, and not {expected:?}"),
    }
}

fn said(error: EngineError) -> String {
    let failure = Failure::from(error);
    format!("{failure} {:?} {:?}", failure.causes, failure.hints)
}

/// An archive, a migration and a restore, all that way; what was heard of password and row.
async fn everything(behind: &Behind, way: Way<'_>, user: &str, fresh: &Database) -> Vec<bool> {
    let source = behind.by(user, way);
    let mut target = source.clone();
    match (&mut target.location, &fresh.location) {
        (Location::Postgres { database, .. }, Location::Postgres { database: name, .. })
        | (Location::MySql { database, .. }, Location::MySql { database: name, .. }) => database.clone_from(name),
        _ => unreachable!(),
    }
    let home = tempfile::tempdir().unwrap();
    put(home.path(), "sql/V1__one.sql", "CREATE TABLE made (a varchar(100)); INSERT INTO made VALUES ('made by a script');");
    let mut migrations = settings();
    migrations.baseline_on_migrate = Some("0".to_owned());
    migrate::apply(&source, &migrations, home.path(), &Progress::default()).await.map_err(|error| error.to_string()).unwrap();
    let sealed = mysql::dump(&source, home.path(), 2).await.unwrap();
    let loaded = postgres::load(&target, &sealed, LoadMode::Replace).await.unwrap();
    assert_eq!(loaded.rows, 4, "{way:?}");
    behind.tap.heard(&[PASSWORD, ROW, "made by a script"])
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgresql_lets_in_whom_libpqs_modes_let_in() {
    for (at, cluster) in tls_clusters().into_iter().enumerate() {
        let home = tempfile::tempdir().unwrap();
        let certificates = Certificates::make(home.path());
        for (place, name) in [("server.crt", "server.pem"), ("server.key", "server.key"), ("root.crt", "ca.pem")] {
            cluster.replace(place, &certificates.file(name));
        }
        cluster.psql("postgres", "ALTER SYSTEM SET ssl = on");
        cluster.psql("postgres", "ALTER SYSTEM SET ssl_ca_file = 'root.crt'");
        cluster.admit(
            "local all all trust\nhostssl all demands all password\nhostnossl all refuses all trust\nhostssl all visitor all cert\n\
             host all clear all password\nhost all scram all scram-sha-256\n",
        );
        let database = cluster.fresh();
        let name = postgres::name_of(&database).to_owned();
        for role in ["demands", "refuses", "visitor", "clear", "scram"] {
            cluster.psql("postgres", &format!("CREATE ROLE {role} SUPERUSER LOGIN PASSWORD '{PASSWORD}'"));
        }
        cluster.psql(&name, &format!("CREATE TABLE t (a text); INSERT INTO t VALUES ('{ROW}')"));
        let tap = Tap::before(To::Tcp(cluster.tcp.unwrap()));
        postgresql(cluster, &Behind { database, certificates, tap, hears: at == 0 }).await;
    }
}

async fn postgresql(cluster: &Cluster, behind: &Behind) {
    let unverified: Result<&str, &[&str]> = Ok("certificate not verified");
    let chain: Result<&str, &[&str]> = Ok("from a trusted CA");
    let issuer: &[&str] = &["the certificate of localhost is refused", "A test's authority", "which is not in", "sslrootcert"];
    behind
        .are(
            "scram",
            &[
                (("disable", None, "localhost"), CLEAR),
                (("allow", None, "localhost"), CLEAR),
                (("prefer", None, "localhost"), unverified),
                (("require", None, "127.0.0.1"), unverified),
                (("require", Some("ca"), "127.0.0.1"), chain),
                (("require", Some("other"), "localhost"), Err(issuer)),
                (("verify-ca", Some("ca"), "127.0.0.1"), chain),
                (("verify-ca", Some("other"), "localhost"), Err(issuer)),
                (("verify-full", Some("ca"), "localhost"), Ok("TLS 1.3, certificate verified for localhost")),
                (
                    ("verify-full", Some("ca"), "127.0.0.1"),
                    Err(&["the certificate of 127.0.0.1 is refused: it is for localhost", "sslmode=verify-ca"]),
                ),
                (("verify-full", Some("other"), "localhost"), Err(issuer)),
                (
                    ("verify-full", None, "localhost"),
                    Err(&["A test's authority", "which is not in this host's list of trusted CAs"]),
                ),
                (("verify-full", Some("nothing"), "localhost"), Err(&["cannot read", "nothing.pem", "`sslrootcert`"])),
            ],
        )
        .await;
    // Who may come only so: the server's word for it, and the way out.
    let hidden: &[&str] = &["pg_hba.conf", "sslmode=require"];
    behind.are("demands", &[(("disable", None, "localhost"), Err(hidden)), (("allow", None, "localhost"), unverified)]).await;
    behind.are("demands", &[(("prefer", None, "localhost"), unverified), (("require", None, "localhost"), unverified)]).await;
    behind
        .are("refuses", &[(("prefer", None, "localhost"), CLEAR), (("require", None, "localhost"), Err(&["pg_hba.conf"]))])
        .await;
    behind.are("visitor", &[(("require", None, "localhost"), Err(&["client certificate", "sslcert"]))]).await;
    for (certificate, key, expected) in [
        ("client", "client", Ok("TLS 1.3")),
        ("client", "server", Err(&["does not belong to the certificate", "`sslkey`"][..])),
        ("own", "own", Err(&["localhost refuses our certificate", "`sslcert` and `sslkey`"][..])),
        ("server", "server", Err(&["certificate authentication failed"][..])),
    ] {
        let mut database = behind.by("visitor", ("verify-full", Some("ca"), "localhost"));
        database.tls.identity = behind.identity(certificate, key);
        is(&database, expected, certificate).await;
    }
    a_key_is_its_owners(behind).await;
    for (certificate, ways) in [
        (
            "expired",
            vec![
                (("require", None, "localhost"), unverified),
                (("verify-ca", Some("ca"), "localhost"), Err(&["it expired at 2021-01-01 00:00:00 UTC"][..])),
                (("prefer", Some("ca"), "localhost"), CLEAR),
            ],
        ),
        // As the server's own manual has one made: the certificate is its own root, and its name is its subject.
        (
            "own",
            vec![
                (("verify-full", Some("own"), "localhost"), Ok("verified for localhost")),
                (("verify-full", Some("own"), "127.0.0.1"), Err(&["it is for localhost"][..])),
                (("verify-ca", Some("ca"), "localhost"), Err(&["it is self-signed (`localhost`)"][..])),
            ],
        ),
    ] {
        cluster.replace("server.crt", &behind.certificates.file(&format!("{certificate}.pem")));
        cluster.replace("server.key", &behind.certificates.file(&format!("{certificate}.key")));
        cluster.reload();
        behind.are("scram", &ways).await;
    }
    behind.tap.heard(&[]);
    let way = ("verify-full", Some("own"), "localhost");
    assert_eq!(everything(behind, way, "clear", &cluster.fresh()).await, [false; 3], "{}", cluster.major);
    if behind.hears {
        cluster.psql(postgres::name_of(&behind.database), "DROP TABLE made, flyway_schema_history");
        assert_eq!(everything(behind, ("disable", None, "localhost"), "clear", &cluster.fresh()).await, [true; 3]);
    }
    cluster.psql("postgres", "ALTER SYSTEM SET ssl = off");
    cluster.reload();
    let off: &[&str] = &["localhost does not offer TLS, and `sslmode=require` requires it", "ssl = on"];
    behind.are("scram", &[(("require", None, "localhost"), Err(off)), (("prefer", None, "localhost"), CLEAR)]).await;
    assert_eq!(behind.tap.heard(&[PASSWORD]), [false], "not even asked for");
}

async fn a_key_is_its_owners(behind: &Behind) {
    use std::os::unix::fs::PermissionsExt as _;
    let mut database = behind.by("visitor", ("verify-full", Some("ca"), "localhost"));
    database.tls.identity = behind.identity("client", "client");
    let key = behind.certificates.file("client.key");
    let mode = |mode: u32| std::fs::set_permissions(&key, std::fs::Permissions::from_mode(mode)).unwrap();
    mode(0o644);
    is(&database, Err(&["can be read by others (mode 0644)", "chmod"]), "open").await;
    mode(0o600);
}

async fn mysql_modes(server: &Server) {
    let database = server.fresh();
    let name = mysql::name_of(&database).to_owned();
    server.sql(&name, &format!("CREATE TABLE t (a varchar(100)); INSERT INTO t VALUES ('{ROW}')"));
    let (certificates, tap) = (server.certificates(), Tap::before(To::Unix(server.socket.clone())));
    let behind = Behind { database, certificates, tap, hears: server.which != Which::NewerMariaDb };
    let user = |kind: &str, demands: &str| {
        let user = format!("{kind}_{name}");
        server.sql(
            "",
            &format!("CREATE USER '{user}'@'%' IDENTIFIED BY '{PASSWORD}' {demands}; GRANT ALL ON *.* TO '{user}'@'%'"),
        );
        user
    };
    let (plain, ssl, x509) = (user("plain", ""), user("ssl", "REQUIRE SSL"), user("x509", "REQUIRE X509"));
    let unverified: Result<&str, &[&str]> = Ok("certificate not verified");
    let issuer: &[&str] = &["the certificate of localhost is refused", "A test's authority", "which is not in", "ssl-ca"];
    behind
        .are(
            &plain,
            &[
                (("PREFERRED", None, "localhost"), unverified),
                // MySQL remembers the password by now.
                (("DISABLED", None, "localhost"), CLEAR),
                (("REQUIRED", None, "127.0.0.1"), unverified),
                (("VERIFY_CA", Some("ca"), "127.0.0.1"), Ok("from a trusted CA")),
                (("VERIFY_CA", Some("other"), "localhost"), Err(issuer)),
                (("VERIFY_IDENTITY", Some("ca"), "localhost"), Ok("certificate verified for localhost")),
                (
                    ("VERIFY_IDENTITY", Some("ca"), "127.0.0.1"),
                    Err(&["127.0.0.1 is refused: it is for localhost", "ssl-mode=VERIFY_CA"]),
                ),
                (("VERIFY_IDENTITY", None, "localhost"), Err(&["which is not in this host's list of trusted CAs"])),
            ],
        )
        .await;
    let refused: &[&str] = &["refuses user", "ssl-mode=REQUIRED", "ssl-cert and ssl-key"];
    behind.are(&ssl, &[(("DISABLED", None, "localhost"), Err(refused)), (("PREFERRED", None, "localhost"), unverified)]).await;
    behind.are(&x509, &[(("REQUIRED", None, "localhost"), Err(refused))]).await;
    let mut database = behind.by(&x509, ("VERIFY_CA", Some("ca"), "localhost"));
    database.tls.identity = behind.identity("client", "client");
    is(&database, Ok("TLS 1."), "a certificate of ours").await;
    // Over the server's socket, which an account may not trust.
    let mut socket = behind.by(&ssl, ("PREFERRED", None, "localhost"));
    for (mode, expected) in
        [("PREFERRED", Err(refused)), ("REQUIRED", unverified), ("VERIFY_IDENTITY", Ok("verified for localhost"))]
    {
        if let Location::MySql { host, ssl_mode, .. } = &mut socket.location {
            (*host, *ssl_mode) = (server.socket.display().to_string(), mode.to_owned());
        }
        socket.tls.roots = Some(Roots::File(behind.certificates.file("ca.pem")));
        is(&socket, expected, mode).await;
    }
    if server.is_mariadb() {
        // MySQL takes none whose time is over.
        server.presents(&behind.certificates, "expired");
        let over: &[&str] = &["it expired at 2021-01-01 00:00:00 UTC"];
        let ways = [(("VERIFY_CA", Some("ca"), "localhost"), Err(over)), (("REQUIRED", None, "localhost"), unverified)];
        behind.are(&plain, &ways).await;
        server.presents(&behind.certificates, "server");
    }
    behind.tap.heard(&[]);
    // MySQL has then forgotten the password, which is said in full.
    server.sql("", "FLUSH PRIVILEGES");
    let way = ("VERIFY_IDENTITY", Some("ca"), "localhost");
    assert_eq!(everything(&behind, way, &plain, &server.fresh()).await, [false; 3], "{}", server.version);
    if behind.hears {
        server.sql(&name, "DROP TABLE made, flyway_schema_history");
        assert_eq!(everything(&behind, ("DISABLED", None, "localhost"), &plain, &server.fresh()).await, [false, true, true]);
    }
    behind.tap.strip(true);
    let off: &[&str] = &["localhost does not offer TLS, and `ssl-mode=REQUIRED` requires it", "ssl-mode=PREFERRED"];
    behind.are(&plain, &[(("REQUIRED", None, "localhost"), Err(off)), (("PREFERRED", None, "localhost"), CLEAR)]).await;
    behind.tap.heard(&[]);
    // The driver would take it for a greeting, and answer it in clear.
    let strange: &[&str] = &["it greets with 0x0b"];
    behind.tap.greet_with(11);
    for mode in ["PREFERRED", "REQUIRED", "VERIFY_IDENTITY"] {
        behind.are(&plain, &[((mode, Some("ca"), "localhost"), Err(strange))]).await;
    }
    assert_eq!(behind.tap.heard(&[&plain]), [false], "nobody says who he is");
    server.sql("", &format!("DROP USER '{plain}'@'%', '{ssl}'@'%', '{x509}'@'%'"));
}

on_every_server! { shared;
    lets_in_whom_the_clients_modes_let_in: mysql_modes;
}

/// A server of HTTP under TLS that answers everybody alike.
async fn web(certificates: &Certificates, name: &str) -> u16 {
    let chain = CertificateDer::pem_file_iter(certificates.file(&format!("{name}.pem"))).unwrap();
    let key = PrivateKeyDer::from_pem_file(certificates.file(&format!("{name}.key"))).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let config = config.with_no_client_auth().with_single_cert(chain.map(Result::unwrap).collect(), key).unwrap();
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let Ok(mut client) = acceptor.accept(client).await else { continue };
            let mut head = Vec::new();
            while !head.windows(4).any(|end| end == b"\r\n\r\n") && client.read_buf(&mut head).await.is_ok_and(|read| read > 0)
            {
            }
            let asked = String::from_utf8_lossy(&head);
            let code = if asked.contains(&format!(" HTTP/1.1\r\nHost: localhost:{port}\r\n")) { 204 } else { 421 };
            client.write_all(format!("HTTP/1.1 {code} so\r\nContent-Length: 0\r\n\r\n").as_bytes()).await.ok();
            client.shutdown().await.ok();
        }
    });
    port
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn health_webhook_and_ping_are_asked_over_https() {
    let home = tempfile::tempdir().unwrap();
    let certificates = Certificates::make(&home.path().join("certificates"));
    let ca = |name: &str| -> Option<PathBuf> { Some(certificates.file(&format!("{name}.pem"))) };
    let (good, over) = (web(&certificates, "server").await, web(&certificates, "expired").await);
    let of_old = web(&certificates, "of-old").await;
    // An old CA beside one that signed nothing here.
    let both = ["old.pem", "other.pem"].map(|name| std::fs::read_to_string(certificates.file(name)).unwrap()).concat();
    std::fs::write(certificates.file("both.pem"), both).unwrap();
    for (port, host, roots, expected) in [
        (good, "localhost", ca("ca"), Ok("204")),
        (good, "localhost", ca("server"), Ok("204")),
        (good, "localhost", ca("other"), Err("it is issued by `A test's authority`, which is not in")),
        (good, "localhost", None, Err("which is not in this host's list of trusted CAs")),
        (good, "127.0.0.1", ca("ca"), Err("it is for localhost")),
        (over, "localhost", ca("ca"), Err("it expired")),
        (of_old, "localhost", ca("old"), Err("its CA `An old authority`, in ")),
        (of_old, "localhost", ca("both"), Err("is valid from 2020-01-01 00:00:00 UTC until 2021-01-01 00:00:00 UTC")),
        // Trusted as it is, whoever signed it.
        (of_old, "localhost", ca("of-old"), Ok("204")),
        (good, "localhost", ca("missing"), Err("`ca_file`")),
    ] {
        let url = HttpUrl::new(format!("https://u:hunter2@{host}:{port}/hunter3?token=hunter4")).trusting(roots);
        for (what, answer) in [
            ("health", upkeep::service::ask(&Health::Http(url.clone())).await),
            ("webhook", upkeep::service::post(&url, "{}").await),
            ("ping", upkeep::service::ping(&url).await),
        ] {
            let text = answer.clone().unwrap_or_else(|error| error);
            let part = expected.unwrap_or_else(|part| part);
            assert!(answer.is_ok() == expected.is_ok() && text.contains(part), "{what} {host}: {answer:?}");
            assert!(!text.contains("hunter2") && !text.contains("hunter4"), "{text}");
        }
    }
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = silent.local_addr().unwrap().port();
    tokio::spawn(async move {
        let (mut client, _) = silent.accept().await.unwrap();
        client.write_all(b"HTTP/1.1 400 no TLS here\r\n\r\n").await.ok();
    });
    let error = upkeep::service::ping(&HttpUrl::new(format!("https://localhost:{port}/"))).await.unwrap_err();
    assert!(error.contains("cannot set up TLS with") && error.contains("the right port"), "{error}");
}

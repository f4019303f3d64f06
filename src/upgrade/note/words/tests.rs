use super::*;
use crate::config::{Identity, Roots};

fn facts(location: Location, bindir: &[PathBuf]) -> Facts<'_> {
    Facts {
        what: "upgrade notes from 1.0 to 2.0".to_owned(),
        rollback: false,
        id: "notes-2.0-20261129T210000Z".to_owned(),
        target: "notes".to_owned(),
        archive: "/a b/notes-1.0'x.sqlite.zst".into(),
        sha256: Some("ab".repeat(32)),
        manifest: None,
        location,
        tls: Tls::default(),
        client_bindir: bindir,
        asks_password: true,
        server: Server::Commands {
            start: vec!["start it".to_owned()],
            stop: vec!["sh".to_owned(), "-c".to_owned(), "kill $(cat pid)".to_owned()],
        },
        release: Release::Link { link: "/srv/cur rent".into(), to: "/srv/1.0".into() },
    }
}

fn commands(note: &str) -> Vec<&str> {
    note.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).collect()
}

#[test]
fn every_name_is_quoted_and_the_server_is_stopped_by_the_command_that_stops_it() {
    let location = Location::Sqlite { path: "/srv/my notes/it's.db".into() };
    let text = text(&facts(location, &[]));
    let commands = commands(&text);
    assert!(commands.contains(&r"sh -c 'kill $(cat pid)'"), "{text}");
    assert!(commands.contains(&r"zstd -tq '/a b/notes-1.0'\''x.sqlite.zst'"), "{text}");
    assert!(commands.contains(&"ln -sfnT -- /srv/1.0 '/srv/cur rent'"), "{text}");
    assert_eq!(commands.last(), Some(&"'start it'"), "{text}");
    let at =
        |what: &str| commands.iter().position(|command| command.contains(what)).unwrap_or_else(|| panic!("{what}: {text}"));
    let order = [
        at("kill $(cat pid)"),
        at("zstd -tq"),
        at("sha256sum"),
        at("-wal"),
        at("zstd -dcq"),
        at("mv --backup=numbered -T"),
        at("ln -sfnT"),
        at("--accept"),
        at("start it"),
    ];
    assert!(order.is_sorted(), "{text}");
}

#[test]
fn names_of_databases_are_quoted_for_the_shell_for_the_client_and_for_sql() {
    let odd = r#"a'b"c`d=e"#.to_owned();
    let postgres =
        Location::Postgres { host: "h".into(), port: 5432, user: "u'".into(), database: odd.clone(), sslmode: "prefer".into() };
    let note = text(&facts(postgres, &[]));
    assert!(note.contains(r#"dbname='\''a\'\''b"c`d=e'\''"#) || note.contains(r#"user='\''u\'\'''\''"#), "{note}");
    assert!(note.contains(r#"datname = '\''a'\'''\''b"c`d=e'\''"#), "{note}");
    let mysql = Location::MySql {
        host: "/run/my sql.sock".into(),
        port: 0,
        user: "u".into(),
        database: odd,
        ssl_mode: "PREFERRED".into(),
    };
    let note = text(&facts(mysql, &[]));
    assert!(note.contains("--socket='/run/my sql.sock'") && note.contains(r#"`a'\''b"c``d=e`"#), "{note}");
}

#[test]
fn what_a_name_has_of_control_characters_ends_no_comment() {
    let mut facts = facts(Location::Sqlite { path: "/n.db".into() }, &[]);
    facts.what = "upgrade\u{1b}[2J\rrm -rf /".to_owned();
    let text = text(&facts);
    assert!(text.lines().next().unwrap().ends_with("upgrade?[2J?rm -rf /"), "{text}");
}

/// Whoever goes the way back by hand connects no less safely.
#[test]
fn the_clients_are_told_of_tls_what_upkeep_is_told() {
    let (user, database) = ("u".to_owned(), "d".to_owned());
    let tls = Tls {
        roots: Some(Roots::File("/etc/a b/ca.pem".into())),
        identity: Some(Identity { certificate: "/c.pem".into(), key: "/k.pem".into() }),
        in_url: true,
    };
    let at = Location::Postgres {
        host: "db".into(),
        port: 5432,
        user: user.clone(),
        database: database.clone(),
        sslmode: "verify-full".into(),
    };
    let note = text(&Facts { tls: tls.clone(), ..facts(at, &[]) });
    let whole = r"sslmode='\''verify-full'\'' sslrootcert='\''/etc/a b/ca.pem'\'' sslcert='\''/c.pem'\'' sslkey='\''/k.pem'\''";
    assert!(note.contains(whole), "{note}");
    let mysql = |mode: &str| Location::MySql {
        host: "db".into(),
        port: 3306,
        user: user.clone(),
        database: database.clone(),
        ssl_mode: mode.to_owned(),
    };
    let note = text(&Facts { tls, ..facts(mysql("VERIFY_CA"), &[]) });
    assert!(note.contains("--ssl-mode=VERIFY_CA --ssl-ca='/etc/a b/ca.pem' --ssl-cert=/c.pem --ssl-key=/k.pem"), "{note}");
    assert!(!text(&facts(mysql("PREFERRED"), &[])).contains("--ssl"));
}

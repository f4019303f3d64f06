//! The database that a server was told of, as our configuration writes it.
//!
//! Owns reading URLs as applications write them (JDBC, libraries' own parameters) and what of them is kept: where the database is and how its connection is
//! secured. Whatever of TLS cannot be kept is named, so that nobody takes a proposal for as safe as the application is. Never keeps a password. Pure.

use std::collections::BTreeMap;

use url::Url;

use super::load::{Environment, parse_url};

/// A database, and what its URL says of TLS that is not in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    /// As our configuration writes it, without a password.
    pub url: String,
    /// Parameters that could not be kept.
    pub lost: Vec<String>,
}

/// The first database that is named in a word of the command line or a variable.
#[must_use]
pub fn of(words: &[String], variables: &BTreeMap<String, String>, environment: &Environment) -> Option<Address> {
    // `--db=URL` and `-Ddb=URL` as well as the URL alone, which may have an `=` of its own.
    let values = words.iter().flat_map(|word| [Some(word.as_str()), word.split_once('=').map(|(_, value)| value)]).flatten();
    values.chain(variables.values().map(String::as_str)).find_map(|value| read(value, variables, environment))
}

/// The database that a URL names, as an application writes it; none where it names none of ours.
#[must_use]
pub fn read(value: &str, variables: &BTreeMap<String, String>, environment: &Environment) -> Option<Address> {
    let text = value.strip_prefix("jdbc:").unwrap_or(value);
    let postgres = ["postgres://", "postgresql://"].iter().any(|scheme| text.starts_with(scheme));
    if !postgres && !["mysql://", "mariadb://", "sqlite:///"].iter().any(|scheme| text.starts_with(scheme)) {
        return None;
    }
    let mut url = Url::parse(text).ok()?;
    let mut said: Vec<(String, String)> =
        url.query_pairs().map(|(key, value)| (key.into_owned(), value.into_owned())).collect();
    if postgres && text == value {
        // What libpq goes by, each where the URL does not say it; JDBC's driver knows none of them.
        let is_silent = |key: &str| !said.iter().any(|(said, _)| said == key);
        let of = |(variable, key): (&str, &str)| Some((key.to_owned(), variables.get(variable)?.clone()));
        let more: Vec<_> = LIBPQ.into_iter().filter(|(_, key)| is_silent(key)).filter_map(of).collect();
        said.extend(more);
    }
    let (mut kept, mut lost) = (Vec::new(), Vec::new());
    for (key, value) in said {
        match if postgres { of_postgres(&key, &value) } else { of_mysql(&key, &value) } {
            Some(pair) => kept.push(pair),
            None if of_tls(&key) && !harmless(&key, &value) => lost.push(named(&key, &value)),
            None => {}
        }
    }
    let kept = with_one_mode(kept);
    // What it says of TLS may not fit together, or need what we do not have. What is given up first does least harm: our own certificate,
    // then whom the server's must be from, and how safe the connection is last of all.
    let whole: &[&[&str]] = &[&[], &OURS, &THEIRS, &[OURS[0], OURS[1], OURS[2], OURS[3], THEIRS[0], THEIRS[1]], &ALL];
    whole.iter().find_map(|given_up| {
        let (left, rest): (Vec<_>, Vec<_>) = kept.iter().cloned().partition(|(key, _)| !given_up.contains(key));
        url.set_query(None);
        if !left.is_empty() {
            url.query_pairs_mut().extend_pairs(&left);
        }
        let database = parse_url(url.as_str(), environment).ok()?;
        let lost = lost.iter().cloned().chain(rest.iter().map(|(key, value)| named(key, value))).collect();
        Some(Address { url: database.url(), lost })
    })
}

/// Parameters of ours for a certificate of our own, for whom the server's must be from, and all about TLS.
const OURS: [&str; 4] = ["sslcert", "sslkey", "ssl-cert", "ssl-key"];
const THEIRS: [&str; 2] = ["sslrootcert", "ssl-ca"];
const ALL: [&str; 8] = [OURS[0], OURS[1], OURS[2], OURS[3], THEIRS[0], THEIRS[1], "sslmode", "ssl-mode"];

/// Drivers of MySQL have older parameters beside `sslMode`: the strictest of what is said counts.
fn with_one_mode(kept: Vec<(&'static str, String)>) -> Vec<(&'static str, String)> {
    const BY_STRICTNESS: [&str; 5] = ["DISABLED", "PREFERRED", "REQUIRED", "VERIFY_CA", "VERIFY_IDENTITY"];
    let rank = |value: &str| BY_STRICTNESS.iter().position(|mode| mode.eq_ignore_ascii_case(value));
    let (modes, mut rest): (Vec<_>, Vec<_>) = kept.into_iter().partition(|(key, _)| *key == "ssl-mode");
    rest.extend(modes.into_iter().max_by_key(|(_, value)| rank(value)));
    rest
}

/// A parameter for people. The password of a store of keys is nobody's to read.
fn named(key: &str, value: &str) -> String {
    if key.to_ascii_lowercase().contains("pass") { format!("{key}=***") } else { format!("{key}={value}") }
}

/// The variables of libpq, and the parameters that they stand for.
const LIBPQ: [(&str, &str); 5] = [
    ("PGSSLMODE", "sslmode"),
    ("PGSSLROOTCERT", "sslrootcert"),
    ("PGSSLCERT", "sslcert"),
    ("PGSSLKEY", "sslkey"),
    ("PGCHANNELBINDING", "channel_binding"),
];

/// Whether a parameter is about how the connection is secured.
fn of_tls(key: &str) -> bool {
    let key = key.to_ascii_lowercase();
    ["ssl", "tls", "trust", "certificate", "keystore", "channel"].iter().any(|word| key.contains(word))
}

/// Whether a value asks for nothing.
fn harmless(key: &str, value: &str) -> bool {
    let wished = key.to_ascii_lowercase().contains("channel") && value == "prefer";
    wished || matches!(value.to_ascii_lowercase().as_str(), "" | "false" | "0" | "disable" | "disabled")
}

/// A parameter of PostgreSQL's drivers, as ours.
fn of_postgres(key: &str, value: &str) -> Option<(&'static str, String)> {
    let key = match key {
        "host" => "host",
        "port" => "port",
        "user" => "user",
        "sslmode" => "sslmode",
        "sslrootcert" => "sslrootcert",
        // JDBC's own forms of a key are no PEM.
        "sslcert" => "sslcert",
        "sslkey" if !value.ends_with(".pk8") && !value.ends_with(".p12") => "sslkey",
        _ => return None,
    };
    Some((key, value.to_owned()))
}

/// A parameter of MySQL's and MariaDB's drivers, as ours: they spell the same things in half a dozen ways.
fn of_mysql(key: &str, value: &str) -> Option<(&'static str, String)> {
    let plain: String = key.to_ascii_lowercase().chars().filter(char::is_ascii_alphanumeric).collect();
    let pair = match (plain.as_str(), value.to_ascii_lowercase().as_str()) {
        ("user", _) => ("user", value),
        ("socket" | "unixsocket" | "localsocket", _) => ("socket", value),
        ("sslmode", "trust" | "require") => ("ssl-mode", "REQUIRED"),
        ("sslmode", "disable") => ("ssl-mode", "DISABLED"),
        ("sslmode", "verify-ca") => ("ssl-mode", "VERIFY_CA"),
        ("sslmode", "verify-full") => ("ssl-mode", "VERIFY_IDENTITY"),
        ("sslmode", _) => ("ssl-mode", value),
        ("requiressl", "true" | "1") => ("ssl-mode", "REQUIRED"),
        ("sslca" | "serversslcert" | "sslrootcert", _) => ("ssl-ca", value),
        ("sslcert" | "clientsslcert", _) => ("ssl-cert", value),
        ("sslkey" | "clientsslkey", _) => ("ssl-key", value),
        _ => return None,
    };
    Some((pair.0, pair.1.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(value: &str, url: &str, lost: &[&str]) {
        let found = read(value, &BTreeMap::new(), &Environment::new()).unwrap_or_else(|| panic!("no database in {value}"));
        assert_eq!(
            (found.url.as_str(), found.lost.iter().map(String::as_str).collect::<Vec<_>>()),
            (url, lost.to_vec()),
            "{value}"
        );
        // What is proposed is read as it is written.
        let again = parse_url(&found.url, &Environment::new()).unwrap_or_else(|error| panic!("{}: {error}", found.url));
        assert_eq!(again.url(), found.url);
    }

    #[test]
    fn what_the_application_says_of_tls_is_kept_as_we_write_it() {
        let full = "postgres://app@db:5432/shop?sslmode=verify-full&sslrootcert=/etc/ssl/db.pem";
        check("postgresql://app:geheim@db/shop?sslmode=verify-full&sslrootcert=/etc/ssl/db.pem", full, &[]);
        check(
            "jdbc:postgresql://db/shop?user=app&password=geheim&sslmode=verify-full&sslrootcert=/etc/ssl/db.pem&currentSchema=x",
            full,
            &[],
        );
        check("postgres://app@db/shop", "postgres://app@db:5432/shop", &[]);
        check(
            "postgres://app@db/shop?sslrootcert=system",
            "postgres://app@db:5432/shop?sslmode=verify-full&sslrootcert=system",
            &[],
        );
        check(
            "postgres://app@db/shop?sslmode=require&sslcert=/c.pem&sslkey=/k.pem",
            "postgres://app@db:5432/shop?sslmode=require&sslcert=/c.pem&sslkey=/k.pem",
            &[],
        );
        check(
            "postgres:///shop?host=/run/postgresql&port=5433&user=app&sslmode=disable",
            "postgres:///shop?host=/run/postgresql&port=5433&user=app&sslmode=disable",
            &[],
        );
        let identity = "mysql://app@db:3306/shop?ssl-mode=VERIFY_IDENTITY&ssl-ca=/etc/ssl/db.pem";
        for spelt in [
            "mysql://app:geheim@db/shop?ssl-mode=verify_identity&ssl-ca=/etc/ssl/db.pem",
            "jdbc:mysql://db:3306/shop?user=app&sslMode=VERIFY_IDENTITY&ssl_ca=/etc/ssl/db.pem&serverTimezone=UTC",
            "jdbc:mariadb://db/shop?user=app&sslMode=verify-full&serverSslCert=/etc/ssl/db.pem",
        ] {
            check(spelt, identity, &[]);
        }
        check("mysql://app@db/shop?sslMode=trust", "mysql://app@db:3306/shop?ssl-mode=REQUIRED", &[]);
        check("mysql://app@db/shop?useSSL=false", "mysql://app@db:3306/shop", &[]);
        check("sqlite:///opt/app/app.db", "sqlite:///opt/app/app.db", &[]);
    }

    #[test]
    fn its_database_is_the_one_it_was_told() {
        let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
        let none = BTreeMap::new();
        let said = |argv: &[&str], variables: &BTreeMap<String, String>| {
            of(&words(argv), variables, &Environment::new()).map(|found| found.url)
        };
        assert_eq!(
            said(&["app", "--db=postgres://app:geheim@db:5433/shop"], &none).as_deref(),
            Some("postgres://app@db:5433/shop")
        );
        let variable = BTreeMap::from([("DATABASE_URL".to_owned(), "mysql://app:geheim@127.0.0.1/shop".to_owned())]);
        assert_eq!(said(&["app"], &variable).as_deref(), Some("mysql://app@127.0.0.1:3306/shop"));
        assert_eq!(said(&["app", "http://127.0.0.1:8080/"], &none), None);
    }

    #[test]
    fn what_cannot_be_kept_is_named() {
        check("jdbc:postgresql://db/shop?user=app&ssl=true", "postgres://app@db:5432/shop", &["ssl=true"]);
        // It keeps nobody out, and our configuration says so.
        check(
            "postgres://app@db/shop?sslmode=prefer&sslrootcert=/ca.pem",
            "postgres://app@db:5432/shop?sslmode=prefer",
            &["sslrootcert=/ca.pem"],
        );
        check(
            "postgres://app@db/shop?sslmode=verify-ca&sslrootcert=ca.pem",
            "postgres://app@db:5432/shop",
            &["sslmode=verify-ca", "sslrootcert=ca.pem"],
        );
        let full = "postgres://app@db:5432/shop?sslmode=verify-full&sslrootcert=/ca.pem";
        check(&format!("{full}&channel_binding=require"), full, &["channel_binding=require"]);
        check(&format!("{full}&channel_binding=prefer"), full, &[]);
        // JDBC's own form of a key: what the server must show is kept all the same.
        check(
            "jdbc:postgresql://db/shop?user=app&sslmode=verify-full&sslrootcert=/ca.pem&sslcert=/c.pem&sslkey=/c.pk8",
            full,
            &["sslkey=/c.pk8", "sslcert=/c.pem"],
        );
        check(
            "mysql://app@db/shop?ssl-mode=REQUIRED&ssl-ca=/ca.pem",
            "mysql://app@db:3306/shop?ssl-mode=REQUIRED",
            &["ssl-ca=/ca.pem"],
        );
        check(
            "jdbc:mariadb://db/shop?user=app&sslMode=trust&keyStore=/k.p12",
            "mysql://app@db:3306/shop?ssl-mode=REQUIRED",
            &["keyStore=/k.p12"],
        );
        for old in ["requireSSL=true&sslMode=VERIFY_IDENTITY", "sslMode=VERIFY_IDENTITY&requireSSL=true"] {
            check(&format!("jdbc:mysql://db/shop?user=app&{old}"), "mysql://app@db:3306/shop?ssl-mode=VERIFY_IDENTITY", &[]);
        }
        check(
            "jdbc:mysql://db/shop?user=app&trustCertificateKeyStoreUrl=file:/store.jks&trustCertificateKeyStorePassword=geheim&requireSSL=true",
            "mysql://app@db:3306/shop?ssl-mode=REQUIRED",
            &["trustCertificateKeyStoreUrl=file:/store.jks", "trustCertificateKeyStorePassword=***"],
        );
    }

    #[test]
    fn what_libpq_reads_from_the_environment_counts_where_the_url_is_silent() {
        let variables = BTreeMap::from(
            [("PGSSLMODE", "verify-full"), ("PGSSLROOTCERT", "/ca.pem"), ("DATABASE_URL", "postgres://app@db/shop")]
                .map(|(name, value)| (name.to_owned(), value.to_owned())),
        );
        let found = of(&[], &variables, &Environment::new()).unwrap();
        assert_eq!(found.url, "postgres://app@db:5432/shop?sslmode=verify-full&sslrootcert=/ca.pem");
        for word in ["--db=", "", "-Ddb="].map(|before| format!("{before}postgres://app@db/shop?sslmode=require")) {
            let words = ["app".to_owned(), word];
            // Each by itself, as libpq has it.
            let found = of(&words, &variables, &Environment::new()).unwrap();
            assert_eq!(found.url, "postgres://app@db:5432/shop?sslmode=require&sslrootcert=/ca.pem");
        }
    }

    #[test]
    fn nothing_in_a_name_leaves_its_place() {
        check("postgres://a%0Ab:geheim@db/sh%22op%25%3F%23", "postgres://a%0Ab@db:5432/sh%22op%25%3F%23", &[]);
        check("mysql://app@[::1]:3307/shop", "mysql://app@[::1]:3307/shop", &[]);
        assert_eq!(read("http://127.0.0.1:8080/", &BTreeMap::new(), &Environment::new()), None);
        assert_eq!(read("postgres://db", &BTreeMap::new(), &Environment::new()), None);
    }
}

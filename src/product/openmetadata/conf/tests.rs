use super::*;

const SHIPPED: &str = "server:\n  url: nothing\ndatabase:\n  # the name of your JDBC driver\n  driverClass: ${DB_DRIVER_CLASS:-com.mysql.cj.jdbc.Driver}\n\
  \x20 user: ${DB_USER:-openmetadata_user}\n  password: ${DB_USER_PASSWORD:-openmetadata_password}\n  properties:\n    url: not this\n\
  \x20 url: jdbc:${DB_SCHEME:-mysql}://${DB_HOST:-localhost}:${DB_PORT:-3306}/${OM_DATABASE:-openmetadata_db}?${DB_PARAMS:-allowPublicKeyRetrieval=true&useSSL=false&serverTimezone=UTC}\n\
migrationConfiguration:\n  nativePath: \"./bootstrap/sql/migrations/native\"\n  extensionPath: \"\"\n";

fn variables(text: &str) -> BTreeMap<String, String> {
    text.split_whitespace()
        .filter_map(|word| word.split_once('='))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

#[test]
fn the_database_is_named_as_the_server_reads_it() {
    let cases = [
        ("", Ok("mysql://openmetadata_user@localhost:3306/openmetadata_db")),
        (
            "DB_SCHEME=postgresql DB_HOST=db1 DB_PORT=5433 OM_DATABASE=om DB_USER=om DB_PARAMS=sslmode=verify-full",
            Ok("postgres://om@db1:5433/om?sslmode=verify-full"),
        ),
        (
            "DB_PARAMS=useSSL=true&requireSSL=true DB_USER=a@b",
            Ok("mysql://a%40b@localhost:3306/openmetadata_db?ssl-mode=REQUIRED"),
        ),
        // A CA that is not named in the URL is the driver's own: what we could not connect with is no part of where the database is.
        ("DB_PARAMS=sslMode=VERIFY_CA", Ok("mysql://openmetadata_user@localhost:3306/openmetadata_db")),
        (
            "DB_PARAMS=requireSSL=true&sslMode=VERIFY_IDENTITY",
            Ok("mysql://openmetadata_user@localhost:3306/openmetadata_db?ssl-mode=VERIFY_IDENTITY"),
        ),
        ("DB_SCHEME=oracle", Err("`oracle`")),
        ("DB_HOST=a:1,b", Err("several servers")),
        ("DB_SCHEME=mysql:loadbalance", Err("several servers")),
    ];
    for (given, expect) in cases {
        let found = named_in(SHIPPED, &variables(given));
        match expect {
            Ok(url) => assert_eq!(found.as_deref(), Ok(url), "{given}"),
            Err(words) => assert!(found.as_ref().is_err_and(|why| why.contains(words)), "{given}: {found:?}"),
        }
    }
    assert!(named_in("database:\n  url: ${URL}\n", &BTreeMap::new()).unwrap_err().contains("without a value"));
    assert!(named_in("other:\n  url: a\n", &BTreeMap::new()).unwrap_err().contains("is not in"));
}

#[test]
fn variables_stand_in_defaults_of_others() {
    let given = variables("B=b");
    for (text, expect) in [
        ("x${A:-${B:-c}}y${C:-}z", "xbyz"),
        ("${A:-${C:-d}}", "d"),
        ("${A}", "${A}"),
        ("${A:-{}}", "{}"),
        ("${A", "${A"),
        ("$B and {B}", "$B and {B}"),
        ("${A:-${A:-${", "${A:-${A:-${"),
    ] {
        assert_eq!(put_in(text, &given, DEPTH), expect, "{text}");
    }
    // However long or deep somebody writes it.
    assert_eq!(put_in(&"${a}".repeat(2000), &given, DEPTH).len(), 8000);
    assert!(put_in(&"${A:-".repeat(2000), &given, DEPTH).contains("${A:-"));
}

#[test]
fn a_start_script_s_variables_are_those_with_plain_values() {
    let found =
        assignments("# DB_USER=no\nexport DB_USER=om\nDB_HOST='h 1'\nA=\"b\"\nB=$A\nC=`id`\nif x; then D=1; fi\nE=\"$F\"\n");
    let found: Vec<(&str, &str)> = found.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    assert_eq!(found, [("A", "b"), ("DB_HOST", "h 1"), ("DB_USER", "om")]);
}

#[test]
fn migrations_are_where_the_configuration_says() {
    let dir = tempfile::tempdir().unwrap();
    let none = BTreeMap::new();
    let read = |variables: &BTreeMap<String, String>| migration_paths(dir.path(), variables);
    assert_eq!(read(&none), Ok(MigrationPaths::default()));
    let put = |text: &str| crate::durable::write(&dir.path().join(CONF), text.as_bytes()).unwrap();
    crate::durable::make_dir(&dir.path().join("conf")).unwrap();
    put(SHIPPED);
    let native = Some("bootstrap/sql/migrations/native".to_owned());
    assert_eq!(read(&none), Ok(MigrationPaths { native: native.clone(), extension: None }));
    let extended = SHIPPED
        .replace("extensionPath: \"\"", "extensionPath: ${EXT:-\"\"}")
        .replace("Configuration:", "Configuration: # where");
    put(&extended);
    assert_eq!(read(&none), Ok(MigrationPaths { native: native.clone(), extension: None }));
    let given = Ok(MigrationPaths { native, extension: Some("ext".to_owned()) });
    assert_eq!(read(&variables("EXT=./ext/")), given, "as the tool gets it");
    // What is there and cannot be read or understood is never taken for what is shipped.
    put(&SHIPPED.replace("migrationConfiguration:\n", "migrationConfiguration: { extensionPath: ext }\nx:\n"));
    assert!(read(&none).unwrap_err().contains("is not written as it is shipped"));
    put(&SHIPPED.replace("extensionPath: \"\"", "extensionPath: ${EXT}"));
    assert!(read(&none).unwrap_err().contains("has a variable without a value"));
    std::fs::remove_file(dir.path().join(CONF)).unwrap();
    crate::durable::make_dir(&dir.path().join(CONF)).unwrap();
    assert!(read(&none).unwrap_err().contains("cannot read"));
}

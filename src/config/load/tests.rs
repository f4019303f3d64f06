use std::os::unix::fs::PermissionsExt;

use rstest::rstest;

use super::*;
use crate::config::{Definers, Health, HttpUrl, Location, OnFailure, Principal, Probe, Roots, Runner, Secret, ServiceControl};

mod products;

/// A directory with the named files in it; the first is the main one.
fn files(files: &[(&str, &str)]) -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = dir.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::File::create(&path).and_then(|mut file| std::io::Write::write_all(&mut file, text.as_bytes())).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
    }
    let main = dir.path().join(files[0].0);
    (dir, main)
}

fn environment(pairs: &[(&str, &str)]) -> Environment {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn good(text: &str) -> Config {
    let (_dir, path) = files(&[("upkeep.toml", text)]);
    load(&path, &Environment::new()).unwrap_or_else(|problems| panic!("{}", problem_lines(&problems).join("\n")))
}

fn problem_lines(problems: &ConfigProblems) -> Vec<String> {
    problems.problems().map(Problem::to_string).collect()
}

/// The problems of a file below `[targets.notes]`, without the directory of the test.
fn problems_of(text: &str) -> Vec<String> {
    let (dir, path) = files(&[("upkeep.toml", text)]);
    let problems = load(&path, &Environment::new()).expect_err("must be refused");
    let prefix = format!("{}/", dir.path().display());
    problem_lines(&problems).into_iter().map(|line| line.replace(&prefix, "")).collect()
}

const LEAST: &str = "[targets.notes.database]\nurl = \"sqlite:///srv/notes/notes.db\"\n";

#[test]
fn the_least_is_enough() {
    let config = good(LEAST);
    let target = config.targets.values().next().unwrap();
    assert_eq!(target.name.as_str(), "notes");
    assert_eq!(target.database.location, Location::Sqlite { path: "/srv/notes/notes.db".into() });
    assert_eq!(target.backup.directory, Path::new("/var/lib/upkeep/archives/notes"));
    assert!(target.backup.schedule.is_none() && target.backup.max_age.is_none());
    assert!(target.release.is_none() && target.migrations.is_none() && target.service.is_none());
    assert!(target.upgrade.auto);
    assert_eq!(target.upgrade.on_failure, OnFailure::Rollback);
    assert_eq!(config.control.operators, [Principal::User("root".to_owned())]);
}

#[test]
fn client_programs_are_in_one_directory_or_in_several() {
    let url = "[targets.notes.database]\nurl = \"postgres://notes@127.0.0.1/notes\"\n";
    for (value, expect) in [("\"/opt/pg/bin\"", &["/opt/pg/bin"][..]), ("[\"/a\", \"/b\"]", &["/a", "/b"]), ("[]", &[])] {
        let config = good(&format!("{url}client_bindir = {value}\n"));
        let found = &config.targets.values().next().unwrap().database.client_bindir;
        assert_eq!(found, &expect.iter().map(PathBuf::from).collect::<Vec<_>>(), "{value}");
    }
    let [relative] = &problems_of(&format!("{url}client_bindir = \"bin\"\n"))[..] else { panic!("one problem") };
    assert!(relative.contains("client_bindir") && relative.contains("whole path"), "{relative}");
    let [sqlite] = &problems_of(&format!("{LEAST}client_bindir = \"/opt/bin\"\n"))[..] else { panic!("one problem") };
    assert!(sqlite.contains("no client program is run for a SQLite file"), "{sqlite}");
}

#[test]
fn definers_are_kept_stripped_or_an_account_s() {
    let url = "[targets.notes.database]\nurl = \"mysql://notes@127.0.0.1/notes\"\n";
    let account = |user: &str, host: &str| Definers::Rewrite { user: user.to_owned(), host: host.to_owned() };
    for (line, expect) in [
        ("", Definers::Keep),
        ("definers = \"keep\"", Definers::Keep),
        ("definers = \"strip\"", Definers::Strip),
        ("definers = \"app@localhost\"", account("app", "localhost")),
        ("definers = \"'a@b'@'%'\"", account("a@b", "%")),
    ] {
        let config = good(&format!("{url}{line}\n"));
        assert_eq!(config.targets.values().next().unwrap().database.definers, expect, "{line}");
    }
    for wrong in ["stripp", "@localhost", "app@"] {
        let [problem] = &problems_of(&format!("{url}definers = \"{wrong}\"\n"))[..] else { panic!("one problem") };
        assert!(problem.contains(&format!("`{wrong}` is neither keep nor strip nor an account")), "{problem}");
    }
    let [sqlite] = &problems_of(&format!("{LEAST}definers = \"strip\"\n"))[..] else { panic!("one problem") };
    assert!(sqlite.contains("only MySQL and MariaDB have them"), "{sqlite}");
}

#[test]
fn everything_shipped_loads() {
    let credentials = tempfile::tempdir().unwrap();
    let password = credentials.path().join("orders.password");
    std::fs::File::create(&password).and_then(|mut file| std::io::Write::write_all(&mut file, b"s3cret\n")).unwrap();
    let environment = environment(&[("CREDENTIALS_DIRECTORY", &credentials.path().display().to_string())]);
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("config");
    let mut seen = 0;
    for dir in [root.clone(), root.join("examples")] {
        for entry in std::fs::read_dir(dir).unwrap().map(Result::unwrap).filter(|entry| entry.path().is_file()) {
            let name = entry.file_name().into_string().unwrap();
            // The defaults are a layer, not a configuration: every load above reads them.
            if name != "defaults.toml" {
                load(&entry.path(), &environment).unwrap_or_else(|problems| panic!("{:#?}", problem_lines(&problems)));
                seen += 1;
            }
        }
    }
    assert!(seen >= 4, "only {seen} files");
}

#[test]
fn a_profile_is_a_layer_for_targets_that_want_its_sections() {
    let config = good(&format!(
        "{LEAST}[targets.notes.release]\npath = \"/srv/notes/current\"\nversion = {{ symlink = true }}\n[targets.notes.migrations]\n"
    ));
    let migrations = config.targets.values().next().unwrap().migrations.as_ref().unwrap();
    assert_eq!(migrations.runner, Runner::Flyway);
    assert_eq!(migrations.locations, ["migrations"]);
    assert_eq!((migrations.prefix.as_str(), migrations.separator.as_str()), ("V", "__"));
    assert_eq!(migrations.table, "flyway_schema_history");
}

#[test]
fn a_profiles_locations_are_for_its_own_runner() {
    let locations = |migrations: &str| {
        let release = "[targets.notes.release]\npath = \"/srv/notes/current\"\nversion = { symlink = true }\n";
        let config = good(&format!("{LEAST}{release}[targets.notes.migrations]\n{migrations}\n"));
        config.targets.values().next().unwrap().migrations.as_ref().unwrap().locations.clone()
    };
    assert_eq!(locations("runner = \"flyway\""), ["migrations"]);
    assert_eq!(locations("runner = \"on-start\""), [""; 0]);
    assert_eq!(locations("runner = \"command\"\ncommand = [\"bin/migrate\"]"), [""; 0]);
    assert_eq!(locations("runner = \"on-start\"\nlocations = [\"sql\"]"), ["sql"], "what is written counts");
    assert_eq!(locations("locations = []"), [""; 0]);
}

#[test]
fn the_annotated_file_says_the_true_defaults() {
    let text = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("config/upkeep.toml")).unwrap();
    // `#key = value` is a default, `# key = value` is an example of something that is off.
    let set = |line: &str| {
        line.strip_prefix('#').filter(|rest| rest.starts_with(|c: char| c.is_ascii_lowercase())).unwrap_or(line).to_owned()
    };
    let uncommented: Vec<String> = text.lines().map(set).collect();
    assert!(uncommented.iter().zip(text.lines()).filter(|(a, b)| a != b).count() > 20);
    assert_eq!(format!("{:#?}", good(&text)), format!("{:#?}", good(&uncommented.join("\n"))));
    let defaults: toml::Table =
        toml::from_str(&std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("config/defaults.toml")).unwrap())
            .unwrap();
    let sections = defaults["target"].as_table().unwrap().iter().filter_map(|(_, value)| value.as_table());
    for (key, value) in sections.flatten() {
        assert!(text.contains(&format!("{key} = {value}")), "config/upkeep.toml does not say `{key} = {value}`");
    }
}

#[test]
fn the_whole_of_a_target() {
    let config = good(include_str!("../../../config/examples/notes-sqlite.toml"));
    let target = config.targets.values().next().unwrap();
    assert_eq!(target.release.as_ref().unwrap().probes, [Probe::Symlink, Probe::File("VERSION".into())]);
    let service = target.service.as_ref().unwrap();
    assert_eq!(service.control, ServiceControl::Unit("notes.service".to_owned()));
    assert_eq!(service.health, [Health::Http(HttpUrl::new("http://127.0.0.1:8080/health"))]);
    assert_eq!(target.upgrade.window.unwrap().zone, chrono_tz::Europe::Berlin);
    assert_eq!(target.retention.zone, chrono_tz::Europe::Berlin);
    assert_eq!(config.control.operators, [Principal::User("root".to_owned()), Principal::Group("upkeep".to_owned())]);
}

#[test]
fn layers_stand_above_each_other() {
    let main = format!("{LEAST}[targets.notes.backup]\nlevel = 5\njobs = 5\njitter = \"5s\"\n");
    let (dir, path) = files(&[
        ("upkeep.toml", &main),
        ("conf.d/10.toml", "[targets.notes.backup]\nlevel = 10\njobs = 10\n"),
        ("conf.d/20.toml", "[targets.notes.backup]\nlevel = 11\n"),
        ("conf.d/20.toml.bak", "[nonsense"),
    ]);
    let environment = environment(&[
        ("UPKEEP__TARGETS__NOTES__BACKUP__LEVEL", "12"),
        ("UPKEEP__CONTROL__OBSERVERS", "[\"group:adm\"]"),
        ("UPKEEP__DAEMON__STATE_DIR", "/tmp/upkeep"),
        ("UPKEEP_FAULT_TRACE", "not ours"),
    ]);
    let config = load(&path, &environment).unwrap();
    let backup = &config.targets.values().next().unwrap().backup;
    assert_eq!((backup.level, backup.jobs, backup.jitter.as_secs()), (12, 10, 5));
    assert_eq!(config.control.observers, [Principal::Group("adm".to_owned())]);
    assert_eq!(backup.directory, Path::new("/tmp/upkeep/archives/notes"));
    drop(dir);
}

#[test]
fn a_problem_is_said_of_the_layer_that_made_it() {
    let (dir, path) = files(&[
        ("upkeep.toml", &format!("{LEAST}[targets.notes.backup]\nlevel = 5\n")),
        ("conf.d/10.toml", "[targets.notes.backup]\nschedul = \"x\"\n"),
    ]);
    let problems = load(&path, &environment(&[("UPKEEP__TARGETS__NOTES__BACKUP__LEVEL", "99")])).unwrap_err();
    let prefix = format!("{}/", dir.path().display());
    let lines: Vec<String> = problem_lines(&problems).into_iter().map(|line| line.replace(&prefix, "")).collect();
    assert_eq!(
        lines,
        [
            "UPKEEP__TARGETS__NOTES__BACKUP__LEVEL: targets.notes.backup.level: 99 is out of range: 1 to 19",
            "conf.d/10.toml: targets.notes.backup.schedul: unknown key (did you mean `schedule`?)",
        ]
    );
}

#[test]
fn all_problems_at_once() {
    let text = r#"
[daemon]
poll = 60
state_dir = "var/lib"
[control]
operators = ["ro ot", "grup:adm"]
colour = "blue"
[targets.Notes.database]
url = "sqlite:///n.db"
[targets.notes]
profile = "generick"
[targets.notes.database]
url = "postgres://u:hunter2@h/db?sslmod=require"
[targets.notes.backup]
schedule = "61 2 * * *"
timezone = "Europe/Berlim"
catch_up = "yes"
max_age = "26 hours"
[targets.notes.release]
path = "current"
[targets.notes.service]
unit = "notes.service"
start = ["x"]
health = [{ http = "ftp://h/", ca_file = "/ca" }, { tcp = "h:1", ca_file = "/ca" }, {}]
[targets.notes.upgrade]
window = "1-5"
on_failure = "rolback"
attempts = 0
"#;
    let lines = problems_of(text);
    insta::assert_snapshot!(lines.join("\n"));
    assert!(!lines.join("\n").contains("hunter2"));
}

#[test]
fn files_that_cannot_be_read_or_parsed() {
    let check = |text: &str, wanted: &str| {
        let lines = problems_of(text);
        assert!(lines.len() == 1 && lines[0].starts_with(wanted), "{lines:?}");
    };
    check("[targets\n", "upkeep.toml: line 1: not TOML: ");
    check("[daemon]\npoll = 10s\n", "upkeep.toml: line 2: not TOML: ");
    check("", "upkeep.toml: targets: no target is configured");
    let alarms = "[targets.a.database]\nurl = \"sqlite:///a\"\n[alarms]\nca_file = \"/ca\"\nwebhook = ";
    check(&format!("{alarms}\"http://h/\"\n"), "upkeep.toml: alarms.ca_file: is only for a `webhook`");
    good(&format!("{alarms}\"HTTPS://h/\"\n"));
    let problems = load(Path::new("/nonexistent/upkeep.toml"), &Environment::new()).unwrap_err();
    let failure = crate::failure::Failure::of(&problems);
    assert_eq!((failure.code, failure.causes.len()), (78, 1));
    assert!(failure.causes[0].starts_with("/nonexistent/upkeep.toml: there is no such file"), "{failure:?}");
}

#[test]
fn durations() {
    for (text, ms) in
        [("10m", 600_000), ("26h", 93_600_000), ("7d", 604_800_000), ("500ms", 500), ("1h30m", 5_400_000), ("0s", 0)]
    {
        assert_eq!(duration(text).unwrap().as_millis(), ms, "{text}");
    }
    for text in ["", "10", "m", "10 m", "10x", "-1s", "1.5h", "99999999999999999999w", "10M"] {
        assert!(duration(text).is_err(), "{text}");
    }
}

#[test]
fn overdue_follows_the_schedule() {
    for (schedule, hours) in [("30 2 * * *", 26), ("0 */6 * * *", 8), ("0 5 * * 0", 7 * 24 + 2), ("0 3 * * 1-5", 3 * 24 + 2)] {
        let config = good(&format!("{LEAST}[targets.notes.backup]\nschedule = \"{schedule}\"\n"));
        let age = config.targets.values().next().unwrap().backup.max_age.unwrap();
        assert_eq!(age.as_secs() / 3600, hours, "{schedule}");
    }
    let config = good(&format!("{LEAST}[targets.notes.backup]\nschedule = \"30 2 * * *\"\nmax_age = \"none\"\n"));
    assert!(config.targets.values().next().unwrap().backup.max_age.is_none());
}

#[test]
fn places_and_what_goes_there() {
    let nas = "[offsite.nas]\nkind = \"directory\"\npath = \"/mnt/nas\"\n";
    let config = good(&format!("{LEAST}{nas}owner = \"db1\"\n[targets.notes.offsite]\nto = [\"nas\"]\n"));
    let place = config.offsite.values().next().unwrap();
    let path = PathBuf::from("/mnt/nas");
    assert_eq!((place.name.as_str(), place.owner.as_str()), ("nas", "db1"));
    assert_eq!(place.kind, crate::config::OffsiteKind::Directory { path, allow_same_device: false });
    let copies = &config.targets.values().next().unwrap().offsite;
    assert_eq!((copies.to.len(), copies.kinds.len(), copies.max_age), (1, 3, Some(std::time::Duration::from_secs(50 * 3600))));
    let scheduled = "[targets.notes.backup]\nschedule = \"30 2 * * *\"\n";
    let config = good(&format!("{LEAST}{scheduled}{nas}owner = \"db1\"\nreread = \"none\"\n"));
    assert_eq!(config.offsite.values().next().unwrap().reread, None);
    assert_eq!(
        config.targets.values().next().unwrap().offsite.max_age,
        Some(std::time::Duration::from_secs(50 * 3600)),
        "26h and a day"
    );
    for (text, wanted) in [
        (
            "[offsite.2nas]\nkind = \"directory\"\npath = \"/m\"\nowner = \"a\"\n",
            "offsite.2nas: a place's name begins with a letter",
        ),
        ("[offsite.now]\nkind = \"directory\"\npath = \"/m\"\nowner = \"a\"\n", "nobody takes it for a moment"),
        ("[offsite.nas]\nkind = \"directory\"\nowner = \"a\"\n", "offsite.nas.path: is missing"),
        ("[offsite.nas]\npath = \"/m\"\nowner = \"a\"\n", "offsite.nas.kind: is missing"),
        ("[offsite.nas]\nkind = \"directry\"\npath = \"/m\"\nowner = \"a\"\n", "did you mean"),
        ("[offsite.nas]\nkind = \"directory\"\npath = \"m\"\nowner = \"a\"\n", "write the whole path"),
        ("[offsite.nas]\nkind = \"directory\"\npath = \"/m\"\nowner = \"../a\"\n", "cannot be a name for an owner"),
        ("[offsite.nas]\nkind = \"directory\"\npath = \"/m\"\nowner = \"a\"\nreread = \"5m\"\n", "shorter than 1h"),
        ("[offsite.nas]\nkind = \"directory\"\npath = \"/m\"\nowner = \"a\"\nurl = \"x\"\n", "unknown key"),
        ("[targets.notes.offsite]\nto = [\"nas\"]\n", "there is no place `nas`"),
        (
            "[offsite.v]\nurl = \"az://account/container\"\nregion = \"r\"\nowner = \"a\"\ncredentials_file = \"/k\"\n",
            "Azure Blob Storage is not served",
        ),
        (
            "[offsite.v]\nurl = \"gs://bucket\"\nregion = \"r\"\nowner = \"a\"\ncredentials_file = \"/k\"\n",
            "Google Cloud Storage is not served",
        ),
        (
            "[offsite.v]\nurl = \"s3://k:s@bucket\"\nregion = \"r\"\nowner = \"a\"\ncredentials_file = \"/k\"\n",
            "keys stand in `credentials_file`",
        ),
        (
            "[offsite.v]\nurl = \"s3://bucket/a//b\"\nregion = \"r\"\nowner = \"a\"\ncredentials_file = \"/k\"\n",
            "between single slashes",
        ),
        ("[offsite.v]\nurl = \"s3://Bucket\"\nregion = \"r\"\nowner = \"a\"\ncredentials_file = \"/k\"\n", "names no bucket"),
        ("[offsite.v]\nurl = \"s3://bucket\"\nowner = \"a\"\ncredentials_file = \"/k\"\n", "offsite.v.region: is missing"),
        ("[offsite.v]\nurl = \"s3://bucket\"\nregion = \"r\"\nowner = \"a\"\n", "no key of a bucket is asked of the machine"),
        (
            "[offsite.v]\nurl = \"s3://bucket\"\nregion = \"r\"\nowner = \"a\"\ncredentials_file = \"/k\"\ncredentials_env = \"K\"\n",
            "one source too many",
        ),
        (
            "[offsite.v]\nurl = \"s3://bucket\"\nendpoint = \"http://nas.lan:9000\"\nowner = \"a\"\ncredentials_file = \"/k\"\n",
            "in clear over the network",
        ),
        (
            "[offsite.v]\nurl = \"s3://bucket\"\nendpoint = \"http://localhost:9000\"\nproxy = \"http://proxy.lan:3128\"\nowner = \"a\"\ncredentials_file = \"/k\"\n",
            "in clear over the network",
        ),
        (
            "[offsite.v]\nurl = \"s3://bucket\"\nregion = \"r\"\nowner = \"a\"\ncredentials_file = \"/k\"\npath = \"/m\"\n",
            "unknown key",
        ),
        ("[offsite.nas]\nkind = \"directory\"\npath = \"/var/lib/upkeep/nas\"\nowner = \"a\"\n", "lie in each other"),
        ("[offsite.nas]\nkind = \"directory\"\npath = \"/var/lib\"\nowner = \"a\"\n", "lie in each other"),
    ] {
        let [line] = &problems_of(&format!("{LEAST}{text}"))[..] else { panic!("one problem: {text}") };
        assert!(line.contains(wanted), "{line}");
    }
    for (line, wanted) in [
        ("to = [\"nass\"]", "there is no place `nass` (did you mean"),
        ("to = [\"nas\", \"nas\"]", "names `nas` twice"),
        ("to = [\"nas\"]\nkinds = [\"nightly\"]", "`nightly` is no kind of archive"),
    ] {
        let text = format!("{LEAST}{nas}owner = \"db1\"\n[targets.notes.offsite]\n{line}\n");
        let [found] = &problems_of(&text)[..] else { panic!("one problem: {line}") };
        assert!(found.contains(wanted), "{found}");
    }
}

/// Keys that copies are encrypted to are read whole or not at all: nothing goes in clear because one of them cannot be read.
#[test]
fn keys_of_places_are_read_or_refused_by_name() {
    let key = "age1ga6472r2nczhntwpfm4m60xz2rwqndfscjugzlm9ujp4grafucyqnvq022";
    let ssh = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIKdc2WYOV5xtvHB8aPWQD9RRL+jm4MZbazorTIg60Msy";
    let place =
        |keys: &str| format!("{LEAST}[offsite.nas]\nkind = \"directory\"\npath = \"/m\"\nowner = \"a\"\nencrypt_to = {keys}\n");
    let config = good(&place(&format!("[\"{key}\", \"{ssh} operator@desk\"]")));
    let named: Vec<String> = config.offsite.values().flat_map(|place| &place.encrypt_to).map(ToString::to_string).collect();
    assert_eq!(named, [key, ssh]);
    for (keys, wanted) in [
        ("[]".to_owned(), "names nobody: copies would go in clear"),
        (format!("\"{key}\""), "offsite.nas.encrypt_to"),
        (format!("[\"{key}\", \"{key}\"]"), "twice"),
        (format!("[\"{key}\", \"\"]"), "is no public key"),
        (format!("[\"{}\"]", key.replace("qnvq", "qnvz")), "cannot be read"),
        ("[\"ssh-rsa AAAA\"]".to_owned(), "of the kind ssh-rsa"),
        ("[\"AGE-SECRET-KEY-1QQQQ\"]".to_owned(), "holds an identity"),
        (format!("[{}]", format!("\"{key}\",").repeat(9)), "more than 8"),
    ] {
        let [line] = &problems_of(&place(&keys))[..] else { panic!("one problem: {keys}: {:?}", problems_of(&place(&keys))) };
        assert!(line.contains(wanted) && !line.contains("QQQQ"), "{keys}: {line}");
    }
}

#[test]
fn database_urls() {
    let home = environment(&[("USER", "me")]);
    for (url, shown) in [
        ("sqlite:///srv/my%20notes.db", "sqlite:///srv/my notes.db"),
        ("postgres://u@h/db", "postgres://u@h:5432/db"),
        ("postgresql://u:p%40ss@h:5433/db?sslmode=allow", "postgres://u@h:5433/db"),
        ("postgres:///db?host=/run/pg", "postgres:///db?host=/run/pg&port=5432&user=me"),
        ("postgres:///db?host=/run/pg&port=5433&user=app", "postgres:///db?host=/run/pg&port=5433&user=app"),
        ("postgres://u@[::1]/db", "postgres://u@::1:5432/db"),
        ("postgres:///db", "postgres:///db?host=/var/run/postgresql&port=5432&user=me"),
        ("mysql://u@h/db", "mysql://u@h:3306/db"),
        ("mariadb://u:p%40ss@h:3307/db?ssl-mode=preferred", "mysql://u@h:3307/db"),
        ("mysql:///db", "mysql:///db?socket=/var/run/mysqld/mysqld.sock&user=me"),
        ("mysql:///db?socket=/run/my.sock&user=app", "mysql:///db?socket=/run/my.sock&user=app"),
    ] {
        let database = parse_url(url, &home).unwrap_or_else(|error| panic!("{url}: {error}"));
        assert_eq!(database.location.to_string(), shown);
    }
    let database = parse_url("postgres://u:p%40ss@h/db", &home).unwrap();
    assert_eq!(database.password.as_ref().unwrap().reveal(), "p@ss");
    assert!(!format!("{database:?} {}", database.location).contains("p@ss"));
    for (url, why) in [
        ("notes.db", "not a URL"),
        ("sqlite://notes.db", "three slashes"),
        ("sqlite:notes.db", "three slashes"),
        ("mysql://u@h", "names no database"),
        ("mysql://u:secret@h/db?ssl-mode=on", "`on` is not an ssl-mode"),
        ("mariadb://u:secret@h/db?sockte=x", "did you mean `socket`"),
        ("postgers://u@h/db", "did you mean `postgres`"),
        ("postgres://u@h", "names no database"),
        ("postgres://u:secret@h/db?sslmode=on", "`on` is not an sslmode"),
        ("postgres://u:secret@h/db?sslmode=verify-ca", "needs the CA: `sslrootcert="),
        ("postgres://u:secret@h/db?sslmode=require&sslrootcert=system", "needs sslmode=verify-full instead of require"),
        ("postgres://u:secret@h/db?sslmode=require&sslrootcert=ca.pem", "`sslrootcert` must be an absolute path"),
        ("postgres://u:secret@h/db?sslrootcert=/ca", "keeps nobody out under sslmode=prefer"),
        ("postgres://u:secret@h/db?sslmode=allow&sslrootcert=/ca", "set sslmode=verify-ca, or verify-full"),
        ("postgres://u:secret@h/db?sslcert=/c", "`sslcert` needs `sslkey`"),
        ("postgres://u:secret@h/db?sslkey=/k", "`sslkey` needs `sslcert`"),
        ("postgres://u:secret@h/db?channel_binding=require", "SCRAM-SHA-256-PLUS, which upkeep does not support"),
        ("postgres://u:secret@h/db?sslrootcrt=/ca", "did you mean `sslrootcert`"),
        ("mariadb://u:secret@h/db?ssl-mode=verify_ca", "needs the CA: `ssl-ca="),
        ("mysql://u:secret@h/db?ssl-mode=REQUIRED&ssl-ca=/ca", "does not use ssl-ca: set ssl-mode=VERIFY_CA"),
        ("mysql://u:secret@h/db?ssl-key=/k", "`ssl-key` needs `ssl-cert`"),
        ("postgres://u:secret@h/db?hots=x", "did you mean `host`"),
        ("postgres://u:secr%zzet@h/db", "two hex digits"),
    ] {
        let error = parse_url(url, &home).expect_err(url).to_string();
        assert!(error.contains(why) && !error.contains("secr"), "{url}: {error}");
    }
}

#[test]
fn what_a_url_says_of_tls() {
    let home = environment(&[("USER", "me")]);
    let said = |url: &str| {
        let database = parse_url(url, &home).unwrap_or_else(|error| panic!("{url}: {error}"));
        let (Location::Postgres { sslmode: mode, .. } | Location::MySql { ssl_mode: mode, .. }) = &database.location else {
            panic!("{url}")
        };
        let roots = match &database.tls.roots {
            None => String::new(),
            Some(Roots::System) => " system".to_owned(),
            Some(Roots::File(path)) => format!(" {}", path.display()),
        };
        let key = database.tls.identity.map(|pair| format!(" {} {}", pair.certificate.display(), pair.key.display()));
        format!("{mode}{roots}{}", key.unwrap_or_default())
    };
    for (url, expected) in [
        ("postgres://u@h/db", "prefer"),
        ("postgres://u@h/db?sslmode=require", "require"),
        ("postgres://u@h/db?sslmode=require&sslrootcert=/ca", "require /ca"),
        ("postgres://u@h/db?sslrootcert=system", "verify-full system"),
        ("postgres://u@h/db?sslmode=verify-full", "verify-full"),
        ("postgres://u@h/db?sslmode=verify-ca&sslrootcert=%2Fa%20b&sslcert=/c&sslkey=/k", "verify-ca /a b /c /k"),
        ("postgres:///db?host=/run/pg&channel_binding=prefer", "prefer"),
        ("mysql://u@h/db", "PREFERRED"),
        ("mysql://u@h/db?ssl-mode=required", "REQUIRED"),
        ("mysql://u@h/db?ssl-ca=/ca", "VERIFY_CA /ca"),
        ("mysql://u@h/db?ssl-mode=VERIFY_IDENTITY", "VERIFY_IDENTITY"),
        ("mariadb://u@h/db?ssl-mode=VERIFY_IDENTITY&ssl-ca=/ca&ssl-cert=/c&ssl-key=/k", "VERIFY_IDENTITY /ca /c /k"),
    ] {
        assert_eq!(said(url), expected, "{url}");
    }
    // The same server is spoken to as safely; another one says for itself.
    let beside = parse_url("postgres://u@h/db?sslmode=verify-full&sslrootcert=/ca", &home).unwrap();
    let other = |url: &str| parse_url_beside(url, &beside, &home).unwrap();
    let mode = |database: &crate::config::Database| match &database.location {
        Location::Postgres { sslmode, .. } => (sslmode.clone(), database.tls.roots.is_some()),
        _ => panic!(),
    };
    assert_eq!(mode(&other("postgres://v@h/db2")), ("verify-full".to_owned(), true));
    assert_eq!(mode(&other("postgres://u@h/db2?sslmode=prefer")), ("prefer".to_owned(), false));
    assert_eq!(mode(&other("postgres://u@h2/db2")), ("prefer".to_owned(), false));
}

#[test]
fn passwords_from_every_source() {
    let (dir, path) =
        files(&[("upkeep.toml", "# below"), ("pw", "from file\n"), ("credential", "from credential"), ("pgpass", "")]);
    let at = |name: &str| dir.path().join(name).display().to_string();
    let write = |name: &str, text: &str, mode: u32| {
        std::fs::File::create(at(name)).and_then(|mut file| std::io::Write::write_all(&mut file, text.as_bytes())).unwrap();
        std::fs::set_permissions(at(name), std::fs::Permissions::from_mode(mode)).unwrap();
    };
    let vars = environment(&[
        ("PW", "from variable"),
        ("CREDENTIALS_DIRECTORY", &dir.path().display().to_string()),
        ("PGPASSFILE", &at("pgpass")),
    ]);
    let read = |lines: &str, secrets: Secrets| {
        write("upkeep.toml", &format!("[targets.notes.database]\nurl = \"postgres://app@h/db\"\n{lines}\n"), 0o640);
        let config = load_with(&path, &vars, secrets)?;
        let database = config.targets.into_values().next().unwrap().database;
        Ok::<_, ConfigProblems>(database.password.map(|secret| secret.reveal().to_owned()))
    };
    let file = format!("password_file = \"{}\"", at("pw"));
    assert_eq!(read(&file, Secrets::Read).unwrap().as_deref(), Some("from file"));
    assert_eq!(read(&file, Secrets::Leave).unwrap(), None);
    assert_eq!(read("password_env = \"PW\"", Secrets::Read).unwrap().as_deref(), Some("from variable"));
    assert_eq!(read("password_credential = \"credential\"", Secrets::Read).unwrap().as_deref(), Some("from credential"));
    assert_eq!(read("", Secrets::Read).unwrap(), None);
    write("pgpass", "# comment\nother:*:*:*:no\nh:5432:db:app:a\\:b\\\\c:d\n", 0o600);
    assert_eq!(read("", Secrets::Read).unwrap().as_deref(), Some("a:b\\c:d"));
    write("pgpass", "*:*:*:*:open to all\n", 0o644);
    assert_eq!(read("", Secrets::Read).unwrap(), None);
    let refused = |lines: &str, why: &str| {
        let text = problem_lines(&read(lines, Secrets::Read).unwrap_err()).join("\n");
        assert!(text.contains(why) && !text.contains("from "), "{text}");
    };
    refused("password_env = \"NOT_SET\"", "NOT_SET is not set");
    refused(&format!("{file}\npassword_env = \"PW\""), "more than one source: password_file, password_env");
    refused("password_file = \"/nonexistent\"", "there is no file /nonexistent");
    write("pw", "from file", 0o644);
    refused(&file, "open to everybody");
    write("pw", "\n", 0o600);
    refused(&file, "is empty");
}

#[rstest]
#[case::same_account("mysql://app@h/other", Some("its own"))]
#[case::same_account_with_one_of_its_own("mysql://app:given@h/other", Some("given"))]
#[case::other_user("mysql://root@h/other", None)]
#[case::other_host("mysql://app@elsewhere/other", None)]
#[case::other_engine("postgres://app@h:3306/other", None)]
fn a_database_beside_another_has_its_password_for_the_same_account(#[case] url: &str, #[case] expected: Option<&str>) {
    let none = Environment::default();
    let beside = parse_url("mysql://app:its%20own@h/shop", &none).unwrap();
    let database = parse_url_beside(url, &beside, &none).unwrap();
    assert_eq!(database.password.as_ref().map(Secret::reveal), expected);
}

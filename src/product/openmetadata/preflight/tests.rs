use super::*;

/// Answers as `name=text`, and `name` alone for a question that failed.
fn told(text: &str) -> Told {
    let answers = text.split(';').map(str::trim).filter(|answer| !answer.is_empty());
    let answers = answers.map(|answer| match answer.split_once('=') {
        Some((name, text)) => (&*name.to_owned().leak(), Some(text.to_owned())),
        None => (&*answer.to_owned().leak(), None),
    });
    answers.collect()
}

fn in_words(remarks: &[Remark]) -> Vec<String> {
    remarks.iter().map(|remark| format!("{:?} {} | {}", remark.weight, remark.what, remark.hint)).collect()
}

#[test]
fn what_the_servers_say_is_told_with_its_fix() {
    let release = |text: &str| Version::parse(text).unwrap();
    let well = "version=8.0.42; md5=0cc1; charset=utf8mb4; logs=; workflows=; sort_buffer=20971520; invisible_keys=0";
    assert_eq!(of_mysql(&told(well), "om", &release("1.12.0")), []);
    for (answers, version, words) in [
        ("version=11.8.3-MariaDB-1; md5=0cc1", "1.12.0", &["Problem the server is MariaDB"][..]),
        ("version=9.7.0; md5", "1.4.5", &["Problem MySQL 9.7.0 has no MD5()"]),
        ("version=9.7.0; md5=0cc1", "1.12.0", &["Problem MySQL 9.7.0 has no MD5()"]),
        ("version=9.7.0; md5", "1.2.0", &[]),
        ("version=8.4.6; md5=0cc1", "1.12.0", &[]),
        ("charset=latin1", "1.12.0", &["ALTER DATABASE `o``m` CHARACTER SET utf8mb4"]),
        (
            "logs=SERVER_CHANGE_LOG,SERVER_MIGRATION_SQL_LOGS",
            "1.12.0",
            &["ALTER TABLE `o``m`.`SERVER_MIGRATION_SQL_LOGS` CONVERT"],
        ),
        ("workflows=49", "1.12.0", &["Advice 49 tables of the workflow engine"]),
        ("sort_buffer=262144", "1.12.0", &["Advice sort_buffer_size is 262144"]),
        ("invisible_keys=1", "1.12.0", &["sql_generate_invisible_primary_key = OFF"]),
        ("invisible_keys", "1.12.0", &[]),
    ] {
        let found = in_words(&of_mysql(&told(answers), "o`m", &release(version)));
        assert!(
            found.len() == words.len() && found.iter().zip(words).all(|(line, words)| line.contains(words)),
            "{answers}: {found:?}"
        );
    }
    assert_eq!(of_postgres(&told("encoding=UTF8; work_mem=20971520; not_installed=; not_available="), &release("1.12.0")), []);
    for (answers, version, words) in [
        ("encoding=SQL_ASCII", "1.2.0", &["Problem the database's encoding is SQL_ASCII"][..]),
        ("work_mem=4194304", "1.2.0", &["Advice work_mem is 4096 kB"]),
        (
            "not_installed=pg_trgm pgcrypto; not_available=",
            "1.2.0",
            &["Advice the database does not have the extension pgcrypto"],
        ),
        (
            "not_installed=pg_trgm pgcrypto; not_available=pg_trgm",
            "1.11.0",
            &["Problem the extension pg_trgm is not installed", "CREATE EXTENSION pgcrypto;"],
        ),
        ("replicated=public.a, public.b", "1.2.0", &["in which a migration can change no row: public.a, public.b"]),
    ] {
        let found = in_words(&of_postgres(&told(answers), &release(version)));
        assert!(
            found.len() == words.len() && found.iter().zip(words).all(|(line, words)| line.contains(words)),
            "{answers}: {found:?}"
        );
    }
}

#[test]
fn another_database_than_the_archived_one_is_told() {
    let ours = |url: &str| crate::config::load::parse_url(url, &BTreeMap::new()).unwrap();
    let (none, advice, problem) = (None, Some(Weight::Advice), Some(Weight::Problem));
    for (theirs, url, weight) in [
        ("mysql://om@localhost:3306/om", "mysql://upkeep@127.0.0.1/om", none),
        ("mysql://localhost:3306/om", "mysql://upkeep@127.0.0.1/om", none),
        ("mysql://om@localhost:3306/om", "mysql:///om?socket=/run/mysqld/mysqld.sock&user=upkeep", none),
        ("postgres://om@DB1:5432/om", "postgres://upkeep@db1/om", none),
        ("postgres://om@10.0.0.7:5432/om", "postgres://upkeep@db1/om", advice),
        ("nonsense://om", "postgres://upkeep@db1/om", advice),
        ("postgres://om@db1:5432/om", "postgres:///om?host=/var/run/postgresql&user=om", problem),
        ("mysql://om@db1:3306/om", "mysql://om@127.0.0.1/om", problem),
        ("mysql://om@localhost:3306/om", "mysql://om@127.0.0.1/om2", problem),
        ("mysql://om@localhost:3307/om", "mysql://om@127.0.0.1/om", problem),
        ("postgres://om@localhost:5432/om", "mysql://om@127.0.0.1/om", problem),
    ] {
        assert_eq!(other_database(theirs, &ours(url)).map(|(weight, _)| weight), weight, "{theirs} {url}");
        assert_eq!(blocked_elsewhere(theirs, &ours(url)).is_some(), weight == problem, "{theirs} {url}");
    }
}

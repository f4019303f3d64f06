use super::*;
use crate::durable;

#[test]
fn a_server_lies_where_its_command_line_says() {
    let exec = |argv: &str| format!("{{ path=/x ; argv[]={argv} ; ignore_errors=no ; start_time=[n/a] }}");
    for (argv, expect) in [
        ("/usr/bin/python3 /usr/lib/sample/server.py", Some("/usr/lib/sample")),
        ("/opt/openmetadata/bin/openmetadata.sh start", Some("/opt/openmetadata")),
        ("/usr/bin/java -jar /srv/app/current/app.jar", Some("/srv/app")),
        ("/usr/bin/java -Dapp.home=/opt/shop/current shop.Main", Some("/opt/shop")),
        ("/usr/bin/java -cp /usr/share/java/a.jar:/opt/shop/lib/shop.jar shop.Main", Some("/usr/share/java, /opt/shop")),
        ("/usr/sbin/sshd -D", None),
        ("/usr/lib/postgresql/15/bin/postgres -D /var/lib/postgresql", None),
        ("/lib/systemd/systemd-logind", None),
        ("/usr/lib/jvm/java-17/bin/java -jar /opt/shop/shop.jar", Some("/opt/shop")),
        ("/opt/lonely", None),
    ] {
        let exec = exec(argv);
        let found: Vec<String> = arguments(&exec).into_iter().flat_map(homes).map(|path| path.display().to_string()).collect();
        assert_eq!(found.join(", "), expect.unwrap_or_default(), "{argv}");
    }
}

#[test]
fn scripts_are_found_where_they_lie() {
    let dir = tempfile::tempdir().unwrap();
    for file in ["db/migration/V1__one.sql", "db/migration/R__view.sql", "docs/V1_notes.txt", "sql/V2__two.sql"] {
        let path = dir.path().join(file);
        durable::make_dir(path.parent().unwrap()).unwrap();
        durable::write(&path, b"").unwrap();
    }
    assert_eq!(scripts(dir.path()), ["db/migration", "sql"]);
}

//! Upgrades of a MySQL or MariaDB database whose third statement fails: no transaction takes back the first two.

use upkeep::archive::manifest::Kind;
use upkeep::config::OnFailure;
use upkeep::upgrade::{self, Asked, Ended, Settle};

use super::host::{Host, V1};
use crate::support::mysql::{Server, name_of, on_every_server};

const BAD: &str = "ALTER TABLE notes ADD COLUMN colour varchar(20);\nUPDATE notes SET colour = 'red';\n\
                   ALTER TABLE nowhere ADD COLUMN size int;\nUPDATE notes SET colour = CONCAT(colour, size);\n";

fn rows(server: &Server, host: &Host) -> String {
    server.sql(name_of(&host.target.database), "SELECT * FROM notes ORDER BY id").replace('\t', "|").replace('\n', " ")
}

fn tables(server: &Server, host: &Host) -> String {
    let sql = "SELECT table_name FROM information_schema.tables WHERE table_schema = DATABASE() ORDER BY BINARY table_name";
    server.sql(name_of(&host.target.database), sql).replace('\n', " ")
}

async fn resumed(server: &'static Server) {
    let mut host = Box::pin(Host::mysql(server)).await;
    host.target.upgrade.on_failure = OnFailure::Hold;
    host.install("2.0", &[V1, ("V2__colour.sql", BAD)]);
    let Ended::Stuck { why, next_steps } = host.upgrade().await else { panic!("not stuck") };
    assert!(why.starts_with("step migrate failed: V2__colour.sql line 3 (statement 3) failed"), "{why}");
    assert!(next_steps.iter().any(|step| step.starts_with("fix the script")), "{next_steps:?}");
    assert_eq!((rows(server, &host).as_str(), host.serving().await), ("1|first|red 2|second|red", None));
    // What had run is not to be changed: it stays stuck, and nothing ran.
    host.put("app-2.0/sql/V2__colour.sql", &BAD.replace("'red'", "'blue'").replace("nowhere", "notes"));
    upgrade::settle(&host.env.ctx, &host.target, Settle::Resume, "root").await.unwrap();
    let Ended::Stuck { why, .. } = host.drive().await else { panic!("not stuck") };
    assert!(why.contains("line 2: statement 2 had run and was changed since"), "{why}");
    host.put("app-2.0/sql/V2__colour.sql", &BAD.replace("nowhere ADD COLUMN size int", "notes ADD COLUMN size int DEFAULT 5"));
    upgrade::settle(&host.env.ctx, &host.target, Settle::Resume, "root").await.unwrap();
    assert_eq!(host.drive().await, Ended::Committed);
    assert_eq!(rows(server, &host), "1|first|red5|5 2|second|red5|5");
    assert_eq!((tables(server, &host).as_str(), host.serving().await), ("flyway_schema_history notes", Some("2.0".to_owned())));
    assert_eq!(host.decision(Asked::ByDaemon).await, "nothing: 2.0 is installed and in step with its database");
}

async fn rolled_back(server: &'static Server) {
    let host = Box::pin(Host::mysql(server)).await;
    let before = (rows(server, &host), tables(server, &host));
    host.install("2.0", &[V1, ("V2__colour.sql", BAD)]);
    let Ended::RolledBack { why, next_steps } = host.upgrade().await else { panic!("not rolled back") };
    assert!(why.starts_with("step migrate failed: V2__colour.sql line 3") && next_steps.is_empty(), "{why}, {next_steps:?}");
    assert_eq!(
        (rows(server, &host), tables(server, &host)),
        before,
        "nothing of it is left, the journal of statements neither"
    );
    assert_eq!(host.serving().await, Some("1.0".to_owned()));
    assert_eq!((host.archives(Kind::PreUpgrade).await.len(), host.archives(Kind::FailedState).await.len()), (1, 1));
    host.point("1.0");
    assert_eq!(host.decision(Asked::ByDaemon).await, "nothing: 1.0 is installed and in step with its database");
}

on_every_server! {
    shared;
    a_mended_script_goes_on_at_the_statement_that_failed: super::resumed;
    half_a_migration_is_put_back_from_the_archive: super::rolled_back;
}

//! MySQL and MariaDB: what an account may see is what the server makes of its grants, and nothing is left out without a word.

use upkeep::engine::EngineError;

use crate::mysql_backup::text_of;
use crate::support::mysql::{Server, dump, name_of, on_every_server};

on_every_server! { shared;
    a_narrow_grant_hides_what_a_wide_one_would_show: narrow;
    a_role_adds_to_what_an_account_may_see: role;
}

const OBJECTS: &str = "CREATE TABLE t (a int); CREATE TRIGGER seen BEFORE INSERT ON t FOR EACH ROW SET NEW.a = 1; \
    CREATE EVENT later ON SCHEDULE EVERY 1 YEAR STARTS '2037-01-01 00:00:00' DO SET @x = 1";

/// The name's own grant is the one that counts, though a pattern gives more.
async fn narrow(server: &Server) {
    let source = server.fresh();
    let (name, user) = (name_of(&source), format!("narrow_{}", name_of(&source)));
    server.sql(name, OBJECTS);
    server.user(&user, name, "SELECT, SHOW VIEW");
    let (all_but_last, _) = name.split_at(name.len() - 1);
    server.sql("", &format!("GRANT SELECT, SHOW VIEW, TRIGGER, EVENT, LOCK TABLES ON `{all_but_last}%`.* TO '{user}'@'%'"));
    let (account, dir) = (server.database_as(name, &user), tempfile::tempdir().unwrap());
    let EngineError::Privilege { grant, .. } = dump(&account, dir.path(), 1).await.unwrap_err() else { panic!("no privilege") };
    assert_eq!(grant, format!("GRANT TRIGGER, EVENT ON `{name}`.* TO '{user}'@'%';"));
    server.sql("", &grant);
    let text = text_of(&dump(&account, dir.path(), 1).await.unwrap().path);
    assert!(text.contains("TRIGGER `seen`") || text.contains("TRIGGER seen"), "{text}");
    assert!(text.contains("EVENT `later`"), "{text}");
}

async fn role(server: &Server) {
    let source = server.fresh();
    let (name, user) = (name_of(&source), format!("led_{}", name_of(&source)));
    server.sql(name, OBJECTS);
    server.user(&user, name, "SELECT, SHOW VIEW");
    let whose = if server.is_mariadb() { "FOR" } else { "TO" };
    server.sql(
        "",
        &format!(
            "CREATE ROLE role_{user}; GRANT TRIGGER, EVENT ON `{name}`.* TO role_{user}; GRANT role_{user} TO '{user}'@'%'; \
             SET DEFAULT ROLE role_{user} {whose} '{user}'@'%'"
        ),
    );
    let (account, dir) = (server.database_as(name, &user), tempfile::tempdir().unwrap());
    let text = text_of(&dump(&account, dir.path(), 1).await.unwrap().path);
    assert!(text.contains("seen") && text.contains("EVENT `later`"), "{text}");
}

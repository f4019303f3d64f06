//! MySQL and MariaDB: what an account may see is what the server makes of its grants, and nothing is left out without a word.

use upkeep::engine::{EngineError, LoadMode, MayRestore};

use crate::mysql_backup::text_of;
use crate::support::mysql::{Server, dump, load, name_of, on_every_server};

on_every_server! { shared;
    a_narrow_grant_hides_what_a_wide_one_would_show: narrow;
    a_role_adds_to_what_an_account_may_see: role;
    the_documented_grants_are_enough: documentation;
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

/// The statements between two marks of the documentation, for a user and a database of a test's own.
fn documented(mark: &str, user: &str, name: &str) -> String {
    let page = include_str!("../../docs/mysql.md");
    let (_, rest) = page.split_once(&format!("<!-- grants:{mark} -->\n```sql\n")).unwrap();
    let (statements, _) = rest.split_once("```").unwrap();
    let kept = statements.lines().filter(|line| !line.starts_with("CREATE USER")).collect::<Vec<_>>().join("\n");
    kept.replace("'upkeep'@'localhost'", &format!("'{user}'@'%'")).replace("`shop", &format!("`{name}"))
}

/// What the documentation has an administrator grant is enough to take everything, and to put it back as it was.
async fn documentation(server: &Server) {
    let source = server.torture();
    let (name, user) = (name_of(&source), format!("told_{}", name_of(&source)));
    let flavour = if server.is_mariadb() { "mariadb" } else { "mysql" };
    server.user(&user, name, "");
    server.sql("", &documented(&format!("backup:{flavour}"), &user, name));
    let (account, dir) = (server.database_as(name, &user), tempfile::tempdir().unwrap());
    let may = upkeep::engine::mysql::may_read(&account).await.unwrap();
    assert_eq!((may.routines, may.lock), (None, None), "{}", may.moment);
    let sealed = dump(&account, dir.path(), 2).await.unwrap();
    load(&account, &sealed, LoadMode::Replace).await.unwrap_err();
    let MayRestore::Not(restore) = may.restore else { panic!("{:?}", may.restore) };
    server.sql("", &restore);
    let MayRestore::InPlace(beside) = upkeep::engine::mysql::may_read(&account).await.unwrap().restore else {
        panic!("not in place")
    };
    let sealed = dump(&account, dir.path(), 2).await.unwrap();
    let before = (server.schema(name), server.content(name));
    assert_eq!(sealed.manifest.tables, dump(&source, dir.path(), 2).await.unwrap().manifest.tables);
    server.sql("", &documented(&format!("restore:{flavour}"), &user, name));
    let may = upkeep::engine::mysql::may_read(&account).await.unwrap();
    assert_eq!(may.restore, MayRestore::Beside);
    let told = documented(&format!("restore:{flavour}"), &user, name);
    assert!(told.contains(&restore) && told.contains(&beside), "{restore} {beside}");
    server.sql(name, "CREATE TABLE more (a int)");
    let loaded = match load(&account, &sealed, LoadMode::Replace).await {
        // What 11.4.5 wants for a default that asks a sequence is found out while the old content has its place, and is enough.
        Err(EngineError::Privilege { grant, .. }) if server.version == "11.4.5" => {
            assert_eq!(server.sql(name, "SHOW TABLES LIKE 'more'"), "more");
            server.sql("", &grant);
            load(&account, &sealed, LoadMode::Replace).await
        }
        loaded => loaded,
    };
    assert_eq!(loaded.unwrap().warnings, Vec::<String>::new());
    assert_eq!((server.schema(name), server.content(name)), before);
}

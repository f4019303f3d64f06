//! MySQL and MariaDB servers that keep names in lower case (`lower_case_table_names = 1`), which they do from their first day on.

use upkeep::archive::Archive;
use upkeep::engine::{Engine, EngineError, LoadMode};

use crate::mysql_backup::same;
use crate::support::mysql::{Server, Which, dump, folding_server, load, name_of, said, server};

/// Tables, a view, a trigger and a foreign key by names of both cases.
const MIXED: &str = "CREATE TABLE Customers (Id int PRIMARY KEY, Name varchar(20)); INSERT INTO Customers VALUES (1, 'One'), (2, 'Two'); \
    CREATE TABLE orderLines (id int AUTO_INCREMENT PRIMARY KEY, customer int, CONSTRAINT OfWhom FOREIGN KEY (customer) REFERENCES Customers (Id)); \
    INSERT INTO orderLines (customer) VALUES (1), (2); CREATE VIEW Both_Sides AS SELECT c.Name FROM Customers c JOIN orderLines o ON o.customer = c.Id; \
    CREATE TRIGGER Upper BEFORE INSERT ON Customers FOR EACH ROW SET NEW.Name = UPPER(NEW.Name); \
    CREATE PROCEDURE CountThem() SELECT count(*) FROM OrderLINES";

async fn everything(which: Which) {
    let (Some(plain), Some(folding)) = (server(which), folding_server(which)) else { return };
    let (_plain, _folding) = (plain.shared().await, folding.alone().await);
    among_themselves(folding).await;
    from_one_that_tells_them_apart(plain, folding).await;
    two_that_are_one(plain, folding).await;
}

async fn among_themselves(server: &Server) {
    server.sql("", "CREATE DATABASE Shop; CREATE DATABASE Copy_of_Shop");
    server.sql("Shop", MIXED);
    let (shop, copy) = (server.database("Shop"), server.database("Copy_of_Shop"));
    let dir = tempfile::tempdir().unwrap();
    let sealed = dump(&shop, dir.path(), 2).await.unwrap();
    for mode in [LoadMode::Clean, LoadMode::Replace, LoadMode::DataOnly] {
        let loaded = load(&copy, &sealed, mode).await.unwrap();
        assert_eq!((loaded.rows, loaded.warnings), (4, Vec::new()), "{mode:?}");
        same(server, "shop", "copy_of_shop");
        assert!(Engine::of(&copy).shape(&[]).await.unwrap().same_as(&sealed.manifest.shape));
    }
    // A session on it is seen whatever the case in which the configuration names it.
    let user = server.connect("SHOP").await;
    let error = load(&shop, &sealed, LoadMode::Replace).await.unwrap_err();
    assert!(matches!(error, EngineError::InUse { .. }), "{error:?}");
    sqlx::Connection::close(user).await.unwrap();
    load(&shop, &sealed, LoadMode::Replace).await.unwrap();
    let again = dump(&shop, dir.path(), 1).await.unwrap();
    assert_eq!((again.manifest.tables, again.manifest.shape), (sealed.manifest.tables, sealed.manifest.shape));
}

async fn from_one_that_tells_them_apart(plain: &Server, folding: &Server) {
    let source = plain.fresh();
    plain.sql(name_of(&source), MIXED.split(" CREATE PROCEDURE").next().unwrap());
    let dir = tempfile::tempdir().unwrap();
    let sealed = dump(&source, dir.path(), 2).await.unwrap();
    let target = folding.database("Taken_Over");
    for mode in [LoadMode::Clean, LoadMode::Replace] {
        assert_eq!(load(&target, &sealed, mode).await.unwrap().rows, 4, "{mode:?}");
        assert_eq!(folding.sql("taken_over", "SELECT group_concat(Name ORDER BY 1) FROM BOTH_SIDES"), "One,Two");
        assert_eq!(
            folding.sql("taken_over", "SHOW TABLES").split_whitespace().collect::<Vec<_>>(),
            ["both_sides", "customers", "orderlines"]
        );
    }
}

async fn two_that_are_one(plain: &Server, folding: &Server) {
    let dir = tempfile::tempdir().unwrap();
    let target = folding.fresh();
    folding.sql(name_of(&target), "CREATE TABLE mine AS SELECT 1 AS a");
    let before = (folding.schema(name_of(&target)), folding.content(name_of(&target)));
    for (sql, both) in [
        ("CREATE TABLE Note (a int); CREATE TABLE note (a int)", ["Note", "note"]),
        ("CREATE TABLE note (a int); CREATE VIEW NOTE AS SELECT 1 AS a", ["note", "NOTE"]),
    ] {
        let source = plain.fresh();
        plain.sql(name_of(&source), sql);
        let sealed = dump(&source, dir.path(), 1).await.unwrap();
        let objections = Engine::of(&target).objections(&Archive::open(&sealed.path).unwrap()).await.unwrap();
        let [objection] = &objections[..] else { panic!("one objection: {objections:?}") };
        assert!(both.iter().all(|name| objection.contains(name)), "{objection}");
        for mode in [LoadMode::Replace, LoadMode::DataOnly, LoadMode::Clean] {
            let error = load(&target, &sealed, mode).await.unwrap_err();
            assert!(matches!(error, EngineError::Unfit(_)) && said(error).contains("one name"), "{mode:?}");
            assert_eq!((folding.schema(name_of(&target)), folding.content(name_of(&target))), before, "{mode:?}");
            assert_eq!(folding.databases(name_of(&target)), name_of(&target), "{mode:?}");
        }
        // Where they are told apart nothing is said against it.
        assert_eq!(Engine::of(&source).objections(&Archive::open(&sealed.path).unwrap()).await.unwrap(), Vec::<String>::new());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn names_in_lower_case_on_mysql() {
    everything(Which::MySql).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn names_in_lower_case_on_mariadb() {
    everything(Which::MariaDb).await;
}

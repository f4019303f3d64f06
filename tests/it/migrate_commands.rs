//! Flyway's verbs as a person types them and as a program asks for them over the socket: the same answers, on every engine.

use serde_json::{Value, json};

use crate::support::daemon::Running;
use crate::support::engines::{Db, Home, on_every_engine};
use crate::support::upkeep::Upkeep;

/// A target with scripts and a database of its own.
struct Place {
    upkeep: Upkeep,
    home: Home,
    daemon: Option<Running>,
}

impl Place {
    fn new(db: Db, by_socket: bool) -> Self {
        let upkeep = Upkeep::new();
        let home = Home::new(db, &upkeep.path("notes.db"));
        home.create();
        let keys = home.keys();
        upkeep.configure(&format!(
            "[targets.notes.database]\n{keys}\n[targets.notes.migrations]\nlocations = [\"{{dir}}/sql\"]\n\
             [targets.notes.migrations.placeholders]\nname = \"note\"\n"
        ));
        upkeep.file("sql/V1__init.sql", "CREATE TABLE ${name} (id int PRIMARY KEY);");
        upkeep.file("sql/deep/V2__more.sql", "INSERT INTO note VALUES (1);\nINSERT INTO note VALUES (2);");
        upkeep.file("sql/V3__half.sql", "INSERT INTO note VALUES (3);\nINSERT INTO nowhere\n  VALUES (1);");
        upkeep.file("sql/U2__more.sql", "DELETE FROM note WHERE id = 2;");
        upkeep.file("sql/R__view.sql", "DROP VIEW IF EXISTS v; CREATE VIEW v AS SELECT id FROM note;");
        let daemon = by_socket.then(|| Running::start(&upkeep));
        Self { upkeep, home, daemon }
    }

    /// A text without the database's name, which a file has none of.
    fn named(&self, text: &str) -> String {
        if self.home.name.is_empty() { text.to_owned() } else { text.replace(&self.home.name, "NAME") }
    }

    /// What comes of a verb: its result or its failure, without what differs from run to run.
    fn ask(&self, verb: &str, ask: &Value) -> Value {
        let mut answer = match &self.daemon {
            Some(daemon) => {
                let mut body = ask.clone();
                body["verb"] = json!(verb);
                let job = daemon.job("/v1/targets/notes/migrate", &body.to_string());
                if job["state"] == "ok" { job["result"].clone() } else { job["failure"].clone() }
            }
            None => {
                let mut arguments = vec!["migrate".to_owned(), verb.to_owned(), "notes".to_owned()];
                match (verb, ask["version"].as_str()) {
                    ("apply", Some(version)) => arguments.extend(["--to".to_owned(), version.to_owned()]),
                    (_, Some(version)) => arguments.push(version.to_owned()),
                    _ => {}
                }
                for pick in ask["cherry_pick"].as_array().into_iter().flatten() {
                    arguments.extend(["--cherry-pick".to_owned(), pick.as_str().unwrap().to_owned()]);
                }
                if ask["dry_run"] == true {
                    arguments.push("--dry-run".to_owned());
                }
                let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
                self.upkeep.json(&arguments)
            }
        };
        if let Some(fields) = answer.as_object_mut() {
            if verb != "info" && verb != "validate" && ask["dry_run"] != true && fields.get("class").is_none() {
                // A repair of a history that needs none keeps nothing, nor does a baseline, which adds a row to it.
                let repaired = fields.values().filter_map(Value::as_array).any(|list| !list.is_empty());
                let nothing = verb == "baseline" || verb == "repair" && !repaired;
                assert_eq!(
                    fields.get("label").is_some_and(Value::is_string),
                    !nothing,
                    "an archive was taken first: {fields:?}"
                );
            }
            // A database's name is in the message too, on servers.
            if let Some(Value::String(message)) = fields.get_mut("message") {
                *message = self.named(message);
            }
            if let Some(Value::Array(causes)) = fields.get_mut("causes") {
                causes.iter_mut().for_each(|cause| *cause = json!(self.named(cause.as_str().unwrap())));
            }
            for field in ["label", "safe", "hints", "table"] {
                fields.remove(field);
            }
            for list in ["applied", "entries"] {
                for one in fields.get_mut(list).and_then(Value::as_array_mut).into_iter().flatten() {
                    let one = one.as_object_mut().unwrap();
                    one.remove("execution_ms");
                    one.remove("installed_on");
                }
            }
        }
        answer
    }
}

fn scripts(answer: &Value) -> Vec<&str> {
    let applied = answer["applied"].as_array().unwrap_or_else(|| panic!("{answer}"));
    applied.iter().map(|script| script["script"].as_str().unwrap()).collect()
}

/// It failed, with these words.
#[track_caller]
fn says(answer: &Value, words: &str) {
    assert!(answer["message"].as_str().is_some_and(|message| message.contains(words)), "{answer} does not say {words}");
}

fn states(info: &Value) -> String {
    let entries = info["entries"].as_array().unwrap_or_else(|| panic!("{info}"));
    let state = |entry: &Value| {
        let name = entry["version"].as_str().or(entry["description"].as_str()).unwrap();
        format!("{name} {}", entry["state"].as_str().unwrap())
    };
    entries.iter().map(state).collect::<Vec<_>>().join(", ")
}

/// Every verb in turn; gives all the answers.
fn walk(place: &Place) -> Vec<Value> {
    let all = std::cell::RefCell::new(Vec::new());
    let ask = |verb: &str, what: Value| {
        let answer = place.ask(verb, &what);
        all.borrow_mut().push(json!({ "verb": verb, "answer": answer }));
        answer
    };
    let plain = || json!({});
    let info = ask("info", plain());
    assert_eq!(states(&info), "1 Pending, 2 Pending, 3 Pending, view Pending");
    let would = ask("apply", json!({ "dry_run": true }));
    assert_eq!(would["would_run"][1]["statements"][1]["line"], 2, "{would}");
    assert_eq!(would["would_run"][0]["statements"][0]["sql"], "CREATE TABLE note (id int PRIMARY KEY)", "{would}");
    assert_eq!(scripts(&ask("apply", json!({ "version": "1" }))), ["V1__init.sql", "R__view.sql"]);
    says(&ask("apply", json!({ "cherry_pick": ["3"] })), "2 would stay behind");
    assert_eq!(scripts(&ask("apply", json!({ "cherry_pick": ["2"] }))), ["deep/V2__more.sql"]);
    says(&ask("apply", plain()), "V3__half.sql line 2 (statement 2) failed");
    ask("repair", plain());
    assert_eq!(place.home.ask("SELECT COUNT(*) FROM note"), "2");
    place.upkeep.file("sql/V3__half.sql", "INSERT INTO note VALUES (3);");
    assert_eq!(scripts(&ask("apply", plain())), ["V3__half.sql"]);
    assert_eq!(place.home.ask("SELECT COUNT(*) FROM v"), "3");
    says(&ask("undo", plain()), "no undo script for 3");
    place.upkeep.file("sql/U3__half.sql", "DELETE FROM note WHERE id = 3;");
    assert_eq!(scripts(&ask("undo", json!({ "version": "1" }))), ["U3__half.sql", "U2__more.sql"]);
    assert_eq!(place.home.ask("SELECT COUNT(*) FROM v"), "1");
    says(&ask("baseline", json!({ "version": "7" })), "cannot set a baseline");
    place.upkeep.file("sql/V1__init.sql", "CREATE TABLE ${name} (id bigint PRIMARY KEY);");
    says(&ask("validate", plain()), "V1__init.sql was changed after it was applied as 1");
    ask("repair", plain());
    let info = ask("validate", plain());
    assert_eq!(info["head"], "1", "{info}");
    all.into_inner()
}

fn verbs(db: Db) {
    let typed = walk(&Place::new(db, false));
    let mut asked = Place::new(db, true);
    assert_eq!(walk(&asked), typed, "{db}");
    // What failed was told to whoever asked, and is in the log of whoever did it.
    asked.daemon.take().unwrap().stop_and_tell();
    let bare = Place::new(db, false);
    bare.home.sql("CREATE TABLE old (id int)");
    says(&bare.ask("apply", &json!({})), "objects but no migration history");
    assert_eq!(bare.ask("baseline", &json!({ "version": "2" })), json!({ "baseline": "2" }));
    assert_eq!(
        states(&bare.ask("info", &json!({}))),
        "1 Below Baseline, 2 Ignored (Baseline), 2 Baseline, 3 Pending, view Pending"
    );
}

on_every_engine! {
    the_verbs_by_command_and_over_the_socket: super::verbs;
}

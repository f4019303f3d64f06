//! Migration scripts for the tests.

use std::collections::BTreeMap;
use std::path::Path;

use upkeep::config::{Callbacks, Migrations, Runner};

/// Flyway's defaults, with scripts in `sql`.
pub(crate) fn settings() -> Migrations {
    Migrations {
        runner: Runner::Flyway,
        locations: vec!["sql".to_owned()],
        table: "flyway_schema_history".to_owned(),
        schema: String::new(),
        prefix: "V".to_owned(),
        repeatable_prefix: "R".to_owned(),
        separator: "__".to_owned(),
        suffixes: vec![".sql".to_owned()],
        placeholders: BTreeMap::new(),
        placeholder_replacement: true,
        out_of_order: false,
        baseline_on_migrate: None,
        target: None,
        ignore_patterns: Vec::new(),
        mixed: false,
        callbacks: Callbacks::Run,
        encoding: "UTF-8".to_owned(),
        create_schemas: true,
        kept: None,
    }
}

/// Puts a file below a directory.
pub(crate) fn put(root: &Path, path: &str, text: &str) {
    let path = root.join(path);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::File::create(&path).and_then(|mut file| std::io::Write::write_all(&mut file, text.as_bytes())).unwrap();
}

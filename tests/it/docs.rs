//! Documents that move with the code: links lead somewhere, tables equal the code's own, the README's transcript runs.

use std::path::Path;

use upkeep::failure::Class;

use crate::support::world::{Db, World, text};

const DOCUMENTS: &[&str] = &[
    "README.md",
    "ARCHITECTURE.md",
    "CONTRIBUTING.md",
    "docs/format.md",
    "docs/api.md",
    "docs/upgrades.md",
    "docs/migrations.md",
    "docs/restore-by-hand.md",
];

fn read(path: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn between<'a>(document: &'a str, name: &str) -> &'a str {
    let (begin, end) = (format!("<!-- {name}:begin -->\n"), format!("<!-- {name}:end -->"));
    let start = document.find(&begin).unwrap_or_else(|| panic!("no {begin}")) + begin.len();
    &document[start..start + document[start..].find(&end).unwrap_or_else(|| panic!("no {end}"))]
}

#[test]
fn links_lead_to_files_that_exist() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for document in DOCUMENTS {
        let text = read(document);
        let dir = root.join(document).parent().unwrap().to_owned();
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let file = link.split('#').next().unwrap_or("");
            if !file.is_empty() && !file.contains("://") {
                assert!(dir.join(file).exists(), "{document}: {link} leads nowhere");
            }
        }
    }
}

#[test]
fn architecture_names_files_that_exist() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for name in read("ARCHITECTURE.md").split('`').skip(1).step_by(2) {
        let is_path = name.contains('/') && !name.contains(' ') && !name.starts_with('/') && !name.starts_with("GET");
        if is_path {
            let found = root.join(name).exists() || root.join("src").join(name).exists();
            assert!(found, "ARCHITECTURE.md names {name}, which does not exist");
        }
    }
}

#[test]
fn readme_has_the_codes_of_the_code() {
    let mut table = String::from("| code | meaning |\n|---|---|\n| 0 | success |\n");
    for class in Class::ALL {
        table.push_str(&format!("| {} | {} |\n", class.code(), class.meaning()));
    }
    assert_eq!(between(&read("README.md"), "exit-codes"), table);
}

/// Every command of the README's transcript runs in order on a small host and ends well, and each line it shows that holds
/// no number, time or label is really printed.
#[test]
fn the_readme_transcript_runs() {
    let readme = read("README.md");
    let transcript = between(&readme, "transcript");
    let world = World::new(Db::Sqlite);
    let mut printed = String::new();
    let mut commands = 0;
    for line in transcript.lines() {
        if let Some(command) = line.strip_prefix("$ upkeep ") {
            let words: Vec<&str> = command.split_whitespace().collect();
            let output = world.run(&words);
            assert!(output.status.success(), "{command}: {}", text(&output));
            printed = String::from_utf8_lossy(&output.stdout).into_owned();
            commands += 1;
        } else if !line.starts_with("```") && !line.trim().is_empty() && !line.contains(|c: char| c.is_ascii_digit()) {
            let wanted: Vec<&str> = line.split_whitespace().collect();
            let found = printed.lines().any(|got| got.split_whitespace().collect::<Vec<_>>() == wanted);
            assert!(found, "the README shows `{line}`, but upkeep prints:\n{printed}");
        }
    }
    assert!(commands >= 3, "the README's transcript has only {commands} commands");
}

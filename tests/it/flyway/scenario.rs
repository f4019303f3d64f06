//! The table of scenarios, `tests/flyway/scenarios.txt`: what a line means.

/// One scenario.
#[derive(Debug, Clone)]
pub(super) struct Scenario {
    pub(super) name: String,
    /// The engines it is for; all when empty.
    pub(super) engines: Vec<String>,
    /// The Flyway it is not for.
    pub(super) not: String,
    pub(super) steps: Vec<Step>,
}

/// One line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Step {
    /// A script is there from now on, or has another text.
    Put(String, String),
    /// The same in ISO-8859-1.
    PutLatin(String, String),
    /// It is gone.
    Remove(String),
    /// A setting, under Flyway's name.
    Set(String, String),
    /// Somebody else changes the database.
    Sql(String),
    /// What Flyway or upkeep does.
    Act(Act),
}

/// An action, and whether it ends well.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Act {
    pub(super) verb: String,
    pub(super) argument: String,
    pub(super) fails: bool,
}

impl Act {
    /// What the free Flyway does not do is done by upkeep in every order.
    pub(super) fn ours_alone(&self) -> bool {
        matches!(self.verb.as_str(), "undo" | "cherry-pick")
    }
}

impl Scenario {
    pub(super) fn is_for(&self, engine: &str, flyway: &str) -> bool {
        let engine_fits = self.engines.is_empty() || self.engines.iter().any(|known| known == engine);
        engine_fits && self.not != flyway
    }

    /// How many actions may be either tool's.
    pub(super) fn actions(&self) -> u32 {
        let shared = |step: &&Step| matches!(step, Step::Act(act) if !act.ours_alone());
        u32::try_from(self.steps.iter().filter(shared).count()).unwrap()
    }
}

/// Reads the table.
pub(super) fn scenarios() -> Vec<Scenario> {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/flyway/scenarios.txt");
    let text = std::fs::read_to_string(path).unwrap();
    let mut scenarios: Vec<Scenario> = Vec::new();
    for (number, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty() && !line.starts_with('#')) {
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        if word == "scenario" {
            scenarios.push(Scenario { name: rest.to_owned(), engines: Vec::new(), not: String::new(), steps: Vec::new() });
            continue;
        }
        let scenario = scenarios.last_mut().unwrap_or_else(|| panic!("line {} stands before any scenario", number + 1));
        let (first, second) = rest.split_once(' ').unwrap_or((rest, ""));
        let unescaped =
            |text: &str| text.replace("\\n", "\n").replace("\\r", "\r").replace("\\t", "\t").replace("\\b", "\u{feff}");
        let fails = word.ends_with('!');
        scenario.steps.push(match word.trim_end_matches('!') {
            "on" => {
                scenario.engines = rest.split(' ').map(str::to_owned).collect();
                continue;
            }
            "not" => {
                scenario.not = rest.to_owned();
                continue;
            }
            "put" => Step::Put(first.to_owned(), unescaped(second)),
            "put-latin" => Step::PutLatin(first.to_owned(), unescaped(second)),
            "remove" => Step::Remove(rest.to_owned()),
            "set" => Step::Set(first.to_owned(), unescaped(second)),
            "sql" => Step::Sql(rest.to_owned()),
            verb @ ("migrate" | "baseline" | "repair" | "undo" | "cherry-pick") => {
                Step::Act(Act { verb: verb.to_owned(), argument: rest.to_owned(), fails })
            }
            other => panic!("line {}: `{other}` is no step", number + 1),
        });
    }
    scenarios
}

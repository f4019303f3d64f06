//! Which relations and functions the texts of functions name.
//!
//! Pure. Each text is cut into words once, and what a name reaches is found once, for there may be a thousand of each, one for each of a
//! thousand tenants. Held by `order/tests.rs`.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::rc::Rc;

use super::{Facts, Function, Name};

/// What functions read, by lower-case names of relations.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Reads<'a> {
    /// Relations that have rows.
    pub(super) relations: BTreeSet<&'a str>,
    /// Whether that may not be all.
    pub(super) unknown: bool,
}

/// What texts name themselves.
#[derive(Debug, Default)]
struct Direct<'a> {
    reads: Reads<'a>,
    functions: BTreeSet<&'a str>,
}

impl<'a> Direct<'a> {
    fn add(&mut self, other: &Direct<'a>) {
        self.reads.add(&other.reads);
        self.functions.extend(&other.functions);
    }
}

impl<'a> Reads<'a> {
    fn add(&mut self, other: &Reads<'a>) {
        self.relations.extend(&other.relations);
        self.unknown |= other.unknown;
    }
}

/// Names to be found in texts.
#[derive(Debug, Default)]
struct Names<'a> {
    /// Those that are a word, by themselves.
    words: BTreeMap<&'a str, &'a str>,
    others: Vec<&'a str>,
}

impl<'a> Names<'a> {
    fn of(names: impl Iterator<Item = &'a str>) -> Self {
        let mut found = Self::default();
        for name in names {
            if name.chars().all(is_letter) {
                found.words.insert(name, name);
            } else {
                found.others.push(name);
            }
        }
        found
    }

    /// Those that stand in a text, which was cut into these words.
    fn within(&self, text: &str, words: &BTreeSet<&str>) -> BTreeSet<&'a str> {
        let plain = words.iter().filter_map(|word| self.words.get(word).copied());
        plain.chain(self.others.iter().copied().filter(|name| stands_in(name, text))).collect()
    }
}

/// What all functions name, found as it is asked for.
pub(super) struct Mentions<'a> {
    facts: &'a Facts,
    relations: Names<'a>,
    /// Of each name whether something of it has rows, and whether something of it has none.
    rows: BTreeMap<&'a str, (bool, bool)>,
    functions: Names<'a>,
    /// The functions of each name, which a text does not tell apart.
    by_name: BTreeMap<&'a str, Vec<&'a Function>>,
    direct: HashMap<&'a str, Rc<Direct<'a>>>,
    known: HashMap<Vec<i64>, Reads<'a>>,
}

impl<'a> Mentions<'a> {
    pub(super) fn of(facts: &'a Facts) -> Self {
        let mut by_name = BTreeMap::<&str, Vec<&Function>>::new();
        for function in facts.functions.values() {
            by_name.entry(&function.name).or_default().push(function);
        }
        Self {
            facts,
            relations: Names::of(facts.relations.keys().map(String::as_str)),
            rows: facts.relations.iter().map(|(name, all)| (name.as_str(), has_rows(all))).collect(),
            functions: Names::of(by_name.keys().copied()),
            by_name,
            direct: HashMap::new(),
            known: HashMap::new(),
        }
    }

    /// What these functions read, and those that they name.
    pub(super) fn reads(&mut self, functions: &[i64]) -> Reads<'a> {
        if let Some(known) = self.known.get(functions) {
            return known.clone();
        }
        let facts = self.facts;
        let mut all = Direct::default();
        for function in functions.iter().filter_map(|oid| facts.functions.get(oid)) {
            all.add(&self.named_in(function));
        }
        let (mut seen, mut open): (BTreeSet<&str>, Vec<&str>) = (BTreeSet::new(), all.functions.iter().copied().collect());
        while let Some(name) = open.pop() {
            if seen.insert(name) {
                let direct = self.of_name(name);
                all.reads.add(&direct.reads);
                open.extend(&direct.functions);
            }
        }
        self.known.insert(functions.to_vec(), all.reads.clone());
        all.reads
    }

    /// What the functions of a name say.
    fn of_name(&mut self, name: &'a str) -> Rc<Direct<'a>> {
        if let Some(known) = self.direct.get(name) {
            return Rc::clone(known);
        }
        let mut all = Direct::default();
        for function in self.by_name.get(name).into_iter().flatten() {
            all.add(&self.named_in(function));
        }
        let all = Rc::new(all);
        self.direct.insert(name, Rc::clone(&all));
        all
    }

    /// What a function's text says.
    fn named_in(&self, function: &Function) -> Direct<'a> {
        let mut direct = Direct::default();
        if function.harmless {
            return direct;
        }
        let Some(text) = &function.text else {
            direct.reads.unknown = true;
            return direct;
        };
        // A statement that is put together says nothing; nor does a name in escapes.
        direct.reads.unknown = ["execute", "_to_xml", "u&\"", "dblink"].iter().any(|word| text.contains(word));
        let words: BTreeSet<&str> = text.split(|c| !is_letter(c)).collect();
        for name in self.relations.within(text, &words) {
            let (with, without) = self.rows[name];
            direct.reads.unknown |= without;
            if with {
                direct.reads.relations.insert(name);
            }
        }
        direct.functions = self.functions.within(text, &words);
        direct
    }
}

fn has_rows(all: &[(Name, bool)]) -> (bool, bool) {
    (all.iter().any(|(_, has_rows)| *has_rows), all.iter().any(|(_, has_rows)| !has_rows))
}

/// Whether it is part of a plain name.
fn is_letter(c: char) -> bool {
    c.is_alphanumeric() || c == '_' || c == '$'
}

/// Whether a name stands in a text as a whole, and not as a part of a longer one.
pub(super) fn stands_in(name: &str, text: &str) -> bool {
    // A quote is doubled or escaped in a text: then any doubt counts.
    if name.contains(['"', '\'', '\\']) {
        return true;
    }
    let ends = |c: Option<char>| !c.is_some_and(is_letter);
    text.match_indices(name).any(|(at, _)| ends(text[..at].chars().next_back()) && ends(text[at + name.len()..].chars().next()))
}

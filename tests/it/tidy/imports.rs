//! Who imports whom, read from the sources: `use` trees with all their groups, and paths written out in the code.

use std::collections::{BTreeMap, BTreeSet};

/// A module by its path below the crate: `["engine", "mysql", "load"]`.
pub(super) type Module = Vec<String>;

/// Every import of every module, resolved to the module it reaches.
pub(super) fn graph(modules: &BTreeMap<Module, String>) -> BTreeMap<Module, BTreeSet<Module>> {
    let known: BTreeSet<&Module> = modules.keys().collect();
    let imports = |module: &Module, text: &str| {
        let reached = paths(text).into_iter().filter_map(|path| resolved(module, &path, &known));
        reached.filter(|reached| reached != module).collect::<BTreeSet<_>>()
    };
    modules.iter().map(|(module, text)| (module.clone(), imports(module, text))).collect()
}

/// Every path that a text names: in `use`, one for each leaf of its tree, and written out. Remarks and quoted text are none.
fn paths(text: &str) -> Vec<String> {
    let code: Vec<&str> = text.lines().filter(|line| !line.trim_start().starts_with("//")).collect();
    let code = code.join("\n");
    let mut paths = Vec::new();
    let mut rest = String::new();
    let mut pieces = code.split("use ");
    rest.push_str(pieces.next().unwrap_or_default());
    for piece in pieces {
        let before = rest.trim_end_matches(' ').chars().next_back();
        match piece.split_once(';') {
            // At the beginning of a line, or behind `pub` and its place.
            Some((tree, after)) if before.is_none_or(|c| matches!(c, '\n' | ')' | '{') || rest.trim_end().ends_with("pub")) => {
                paths.extend(leaves(&tree.split_whitespace().collect::<Vec<_>>().join(" ")));
                rest.push_str(after);
            }
            _ => rest.push_str(piece),
        }
    }
    let word = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':';
    paths.extend(rest.split(|c| !word(c)).filter(|path| path.contains("::")).map(str::to_owned));
    paths
}

/// The leaves of a `use` tree: `a::{b, c::{d, e}}` has three.
pub(super) fn leaves(tree: &str) -> Vec<String> {
    let Some((stem, group)) = tree.split_once('{') else {
        return vec![tree.split(" as ").next().unwrap_or_default().trim().to_owned()];
    };
    let group = group.rsplit_once('}').map_or(group, |(group, _)| group);
    let (mut depth, mut found, mut leaf) = (0, Vec::new(), String::new());
    for c in group.chars().chain([',']) {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                if !leaf.trim().is_empty() {
                    found.extend(leaves(leaf.trim()).into_iter().map(|leaf| format!("{}{leaf}", stem.trim())));
                }
                leaf.clear();
                continue;
            }
            _ => {}
        }
        leaf.push(c);
    }
    found
}

/// The module that a path in `module` reaches; none for other crates and for names.
fn resolved(module: &Module, path: &str, known: &BTreeSet<&Module>) -> Option<Module> {
    let mut parts = path.split("::").peekable();
    let mut at = module.clone();
    match parts.peek().copied()? {
        "crate" => {
            at.clear();
            parts.next();
        }
        "self" => drop(parts.next()),
        "super" => {
            while parts.next_if_eq(&"super").is_some() {
                at.pop();
            }
        }
        // A module of its own, by its bare name.
        name => {
            let child = [&at[..], &[name.to_owned()]].concat();
            known.contains(&child).then_some(())?;
        }
    }
    for part in parts {
        let next = [&at[..], &[part.to_owned()]].concat();
        if !known.contains(&next) {
            break;
        }
        at = next;
    }
    (!at.is_empty()).then_some(at)
}

/// Circles of rooms that stand beside each other, each with the place it is in (of the crate itself: nothing). A room is a module with all below it; that a module
/// and the one it stands in know each other is no circle.
pub(super) fn circles(graph: &BTreeMap<Module, BTreeSet<Module>>) -> BTreeSet<(String, BTreeSet<String>)> {
    let mut places: BTreeMap<Module, BTreeMap<String, BTreeSet<String>>> = BTreeMap::new();
    for (from, reached) in graph {
        for to in reached {
            let shared = from.iter().zip(to).take_while(|(a, b)| a == b).count();
            if let (Some(a), Some(b)) = (from.get(shared), to.get(shared)) {
                let place = places.entry(from[..shared].to_vec()).or_default();
                place.entry(a.clone()).or_default().insert(b.clone());
            }
        }
    }
    let mut found = BTreeSet::new();
    for (place, rooms) in &places {
        let reach: BTreeMap<&String, BTreeSet<&String>> = rooms.keys().map(|room| (room, reach(room, rooms))).collect();
        for (room, reached) in reach.iter().filter(|(room, reached)| reached.contains(**room)) {
            let circle = reached.iter().filter(|other| reach.get(**other).is_some_and(|back| back.contains(*room)));
            found.insert((place.join("::"), circle.map(|name| (*name).clone()).collect()));
        }
    }
    found
}

/// Every room that can be reached from one.
fn reach<'a>(from: &String, rooms: &'a BTreeMap<String, BTreeSet<String>>) -> BTreeSet<&'a String> {
    let mut found = BTreeSet::new();
    let mut open: Vec<&String> = rooms.get(from).into_iter().flatten().collect();
    while let Some(room) = open.pop() {
        if found.insert(room) {
            open.extend(rooms.get(room).into_iter().flatten());
        }
    }
    found
}

#[test]
fn a_circle_is_seen_however_the_import_is_written() {
    assert_eq!(leaves("crate::{a, b::{c, d::E as F}}"), ["crate::a", "crate::b::c", "crate::b::d::E"]);
    let house = |a: &str, b: &str| {
        let modules = [("a", a), ("b", b), ("b::c", ""), ("d", "use crate::a::X;")];
        let modules = modules.map(|(path, text)| (path.split("::").map(str::to_owned).collect(), text.to_owned()));
        circles(&graph(&modules.into()))
    };
    let circle = BTreeSet::from([(String::new(), BTreeSet::from(["a".to_owned(), "b".to_owned()]))]);
    assert_eq!(house("use crate::b::Y;\n", "use crate::a::X;\n"), circle);
    assert_eq!(house("use crate::{b, d2};\n", "pub(crate) use super::a;\n"), circle);
    assert_eq!(house("fn f() { crate::b::c::g() }\n", "use crate::{\n    a::X,\n};\n"), circle);
    assert_eq!(house("use crate::b;\n", "use crate::b::c;\n// crate::a is a remark\n"), BTreeSet::new());
}

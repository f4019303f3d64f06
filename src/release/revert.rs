//! Whether a revert command can work at all, by the programs that it names.
//!
//! Pure. What only looks like a program (a directory of that name, a word that is printed) is none: a command that works is not refused for
//! it. What is not seen here fails when it is run, and says so itself.

use std::path::Path;

/// Programs that change the host's packages. While a package's script waits at the gate one of them is at work, and holds its lock.
const MANAGERS: [&str; 13] =
    ["apt", "apt-get", "aptitude", "dpkg", "dnf", "microdnf", "yum", "rpm", "zypper", "pacman", "apk", "snap", "flatpak"];

/// Programs by which one becomes somebody else, and which run what their arguments name.
const BECOMING: [&str; 6] = ["sudo", "doas", "su", "runuser", "pkexec", "setpriv"];

/// Programs that run another one, which their arguments name.
const WRAPPERS: [&str; 6] = ["env", "nice", "ionice", "nohup", "setsid", "timeout"];

const SHELLS: [&str; 3] = ["sh", "bash", "dash"];

/// Options of wrappers whose value is a word of its own.
const WITH_VALUE: [&str; 8] = ["-u", "-n", "-c", "-s", "-k", "-C", "-p", "-g"];

/// Words of a shell that another command follows.
const BEFORE_COMMANDS: [&str; 14] =
    ["if", "then", "elif", "else", "while", "until", "do", "!", "{", "time", "exec", "command", "builtin", "eval"];

/// The program of a command that this user cannot have work: a package manager, or one by which a user who is not root becomes another.
pub(super) fn hopeless(argv: &[String], user: u32) -> Option<&str> {
    let argv: Vec<&str> = argv.iter().map(String::as_str).collect();
    let is_hopeless = |program: &&str| {
        let name = base(program);
        MANAGERS.contains(&name) || (user != 0 && BECOMING.contains(&name))
    };
    programs(&argv).into_iter().find(is_hopeless)
}

/// The words of a command that name a program to be run.
fn programs<'a>(argv: &[&'a str]) -> Vec<&'a str> {
    let Some((program, rest)) = argv.split_first() else { return Vec::new() };
    let (name, mut found) = (base(program), vec![*program]);
    if SHELLS.contains(&name) {
        let is_flag = |word: &&str| word.starts_with('-') && !word.starts_with("--") && word.ends_with('c');
        let script = rest.iter().skip_while(|word| !is_flag(word)).skip(1).find(|word| !word.starts_with('-'));
        found.extend(script.into_iter().flat_map(|script| in_script(script)));
    } else if WRAPPERS.contains(&name) || BECOMING.contains(&name) {
        found.extend(programs(&without_options(rest)));
    }
    found
}

/// What follows the options, settings and durations of a wrapper.
fn without_options<'a>(mut words: &[&'a str]) -> Vec<&'a str> {
    while let Some((word, rest)) = words.split_first() {
        let is_before = word.starts_with('-') || word.contains('=') || word.starts_with(|first: char| first.is_ascii_digit());
        if !is_before {
            break;
        }
        words = if WITH_VALUE.contains(word) { rest.get(1..).unwrap_or_default() } else { rest };
    }
    words.to_vec()
}

fn in_script(script: &str) -> Vec<&str> {
    let is_set =
        |word: &str| word.split_once('=').is_some_and(|(name, _)| name.chars().all(|c| c.is_alphanumeric() || c == '_'));
    let mut found = Vec::new();
    for command in commands(script) {
        let words: Vec<&str> = command.split_whitespace().map(|word| word.trim_matches(['\'', '"'])).collect();
        let from = words.iter().position(|word| !BEFORE_COMMANDS.contains(word) && !is_set(word));
        found.extend(programs(from.and_then(|from| words.get(from..)).unwrap_or_default()));
    }
    found
}

/// The commands of a script: what stands between its separators, but for those in quotes.
fn commands(script: &str) -> Vec<&str> {
    let (mut quote, mut from, mut found) = (None, 0, Vec::new());
    for (at, c) in script.char_indices() {
        match (quote, c) {
            (Some(open), c) if open == c => quote = None,
            (None, '\'' | '"') => quote = Some(c),
            (None, ';' | '&' | '|' | '(' | ')' | '`' | '\n') => {
                found.extend(script.get(from..at));
                from = at + c.len_utf8();
            }
            _ => {}
        }
    }
    found.extend(script.get(from..));
    found
}

fn base(program: &str) -> &str {
    Path::new(program).file_name().and_then(|name| name.to_str()).unwrap_or_default()
}

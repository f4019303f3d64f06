//! `upkeep completions SHELL` and `upkeep man DIR`: both made from the command line's own description.

use std::path::PathBuf;

use super::{Stop, World};
use crate::durable;
use crate::failure::{Class, Failure};

/// Print completions for a shell.
///
/// bash: upkeep completions bash > /usr/share/bash-completion/completions/upkeep
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The shell.
    shell: clap_complete::Shell,
}

/// Write the manual pages into a directory.
#[derive(Debug, clap::Args)]
pub(super) struct ManArguments {
    /// The directory, made when missing (/usr/share/man/man1).
    #[arg(value_name = "DIR")]
    directory: PathBuf,
}

pub(super) fn run(arguments: &Arguments, world: &World) -> Result<(), Stop> {
    use clap_complete::Shell;
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut shown(), "upkeep", &mut script);
    let script = String::from_utf8_lossy(&script).into_owned();
    let (targets, labels) = (takes(&TARGETS), takes(&LABELS));
    world.terminal.print(&match arguments.shell {
        Shell::Bash => bash(&script, &targets, &labels),
        Shell::Fish => fish(&script, &targets, &labels),
        Shell::Zsh => zsh(&script),
        _ => script,
    })
}

/// The command line without what is nobody's to type. What is generated of it would show that in zsh and fish.
fn shown() -> clap::Command {
    let all = super::description();
    let commands: Vec<_> = all.get_subcommands().filter(|command| !command.is_hide_set()).cloned().collect();
    clap::Command::new("upkeep").args(all.get_arguments().cloned().collect::<Vec<_>>()).subcommands(commands)
}

/// The arguments that are a target's name, and those that are an archive's label.
const TARGETS: [&str; 3] = ["target", "what", "job"];
const LABELS: [&str; 5] = ["label", "archive", "what", "from", "to"];

/// The commands that take one of these, by the last word before it (`backup`, and of `migrate info` the `info`).
fn takes(names: &[&str]) -> Vec<String> {
    let takes =
        |command: &&clap::Command| command.get_positionals().any(|argument| names.contains(&argument.get_id().as_str()));
    let of = |command: &clap::Command| {
        let below = command.get_subcommands().filter(takes).map(|below| below.get_name().to_owned());
        below.chain(takes(&command).then(|| command.get_name().to_owned())).collect::<Vec<_>>()
    };
    shown().get_subcommands().flat_map(of).collect()
}

/// What is generated knows options and commands; names are asked for where one of these commands stands.
fn bash(script: &str, targets: &[String], labels: &[String]) -> String {
    let script = script.replace("complete -F _upkeep -o", "complete -F _upkeep_named -o");
    format!(
        r#"_upkeep_named() {{
    _upkeep "$@"
    local word kinds="" at="${{COMP_WORDS[COMP_CWORD]}}"
    [[ ${{at}} == -* ]] && return 0
    for word in "${{COMP_WORDS[@]:1:COMP_CWORD-1}}"; do
        case "${{word}}" in {}) kinds="${{kinds}} --targets" ;; esac
        case "${{word}}" in {}) kinds="${{kinds}} --labels" ;; esac
    done
    [[ -n ${{kinds}} ]] && COMPREPLY+=( $(compgen -W "$("${{COMP_WORDS[0]}}" names ${{kinds}} 2>/dev/null)" -- "${{at}}") )
    return 0
}}

{script}"#,
        targets.join("|"),
        labels.join("|")
    )
}

fn fish(script: &str, targets: &[String], labels: &[String]) -> String {
    let line = |commands: &[String], kind: &str| {
        let seen = commands.join(" ");
        format!("complete -c upkeep -n \"__fish_seen_subcommand_from {seen}\" -f -a \"(upkeep names --{kind} 2>/dev/null)\"\n")
    };
    format!("{script}{}{}", line(targets, "targets"), line(labels, "labels"))
}

/// In zsh each argument names what completes it.
fn zsh(script: &str) -> String {
    let named = |line: &str| {
        let is = |names: &[&str]| names.iter().any(|name| line.contains(&format!(":{name} -- ")));
        let kind = match (is(&TARGETS), is(&LABELS)) {
            (true, true) => "both",
            (true, false) => "targets",
            (false, true) => "labels",
            (false, false) => return line.to_owned(),
        };
        line.replace(":_default'", &format!(":_upkeep_{kind}'"))
    };
    let lines: Vec<String> = script.lines().map(named).collect();
    let function = |kind: &str, flags: &str| {
        format!(
            "_upkeep_{kind}() {{ local -a names; names=(${{(f)\"$(upkeep names {flags} 2>/dev/null)\"}}); compadd -a names }}\n"
        )
    };
    let functions = [function("targets", "--targets"), function("labels", "--labels"), function("both", "--targets --labels")];
    let (head, rest) = lines.split_first().map(|(head, rest)| (head.clone(), rest.join("\n"))).unwrap_or_default();
    format!("{head}\n\n{}{rest}\n", functions.concat())
}

pub(super) fn man(arguments: &ManArguments, world: &World) -> Result<(), Stop> {
    durable::make_dir(&arguments.directory)?;
    let mut root = super::description().disable_help_subcommand(true);
    root.build();
    let mut written = Vec::new();
    page(&root, "upkeep", arguments, &mut written)?;
    world.terminal.show(&serde_json::json!({ "pages": written }), |_| {
        format!("{} pages in {}", written.len(), arguments.directory.display())
    })
}

/// A page for the command and one for each below it, `upkeep-migrate-info.1`.
fn page(command: &clap::Command, name: &str, arguments: &ManArguments, written: &mut Vec<PathBuf>) -> Result<(), Stop> {
    let mut text = Vec::new();
    let manual = clap_mangen::Man::new(command.clone()).title(name.to_owned());
    manual.render(&mut text).map_err(|error| Failure::new(Class::Software, format!("cannot render {name}(1): {error}")))?;
    let path = arguments.directory.join(format!("{name}.1"));
    durable::write(&path, &text)?;
    written.push(path);
    for below in command.get_subcommands().filter(|below| !below.is_hide_set()) {
        page(below, &format!("{name}-{}", below.get_name()), arguments, written)?;
    }
    Ok(())
}

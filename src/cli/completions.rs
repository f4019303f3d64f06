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
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut super::description(), "upkeep", &mut script);
    world.terminal.print(&String::from_utf8_lossy(&script))
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

//! `docs/cli.md`, generated from the definition of the command line.

use clap::{Command, CommandFactory};

use crate::cli::Cli;
use crate::text::add;

const INTRODUCTION: &str = "# The command line

Generated from `crates/cli`; a test compares. To write it again:
`HOLDFAST_BLESS=1 cargo test --release -p holdfast-cli reference`.
";

/// The whole document: the help of every command, in the order in which the tool lists them.
pub(crate) fn markdown() -> String {
    let mut out = INTRODUCTION.to_owned();
    let mut root = Cli::command();
    // Writes the full names and the global options into the subcommands.
    root.build();
    chapter(&mut out, root);
    out
}

fn chapter(out: &mut String, mut command: Command) {
    let name = command
        .get_bin_name()
        .unwrap_or_else(|| command.get_name())
        .to_owned();
    let help = command.render_long_help().to_string();
    add(out, format_args!("\n## `{name}`\n\n```text\n"));
    for line in help.trim_end().lines() {
        out.push_str(line.trim_end());
        out.push('\n');
    }
    out.push_str("```\n");
    for subcommand in command.get_subcommands() {
        if subcommand.get_name() != "help" && !subcommand.is_hide_set() {
            chapter(out, subcommand.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reference_document_is_fresh() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/cli.md");
        let fresh = markdown();
        if std::env::var_os("HOLDFAST_BLESS").is_some() {
            std::fs::write(path, &fresh).unwrap();
        }
        let kept = std::fs::read_to_string(path).unwrap();
        assert!(
            kept == fresh,
            "docs/cli.md is stale: run with HOLDFAST_BLESS=1"
        );
    }

    #[test]
    fn every_command_has_a_chapter() {
        let text = markdown();
        for name in [
            "serve",
            "format",
            "dev kill",
            "topic create",
            "produce",
            "consume",
            "config explain",
            "cluster describe",
            "cluster admit",
            "plan",
            "doctor",
            "verify",
            "recover describe",
            "recover plan",
            "recover apply",
            "completion",
        ] {
            assert!(text.contains(&format!("## `holdfast {name}`")), "{name}");
        }
    }
}

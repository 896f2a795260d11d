//! `holdfast completion`: the completions of a shell.

use clap::{Args, CommandFactory, ValueEnum};
use clap_complete::Shell;

use crate::cli::Cli;
use crate::output;
use crate::session::Reach;

/// Print the completions for a shell.
#[derive(Args, Debug)]
pub(crate) struct Completion {
    /// The shell; `source <(holdfast completion bash)` makes them work at once
    #[arg(value_enum)]
    shell: Kind,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Kind {
    Bash,
    Zsh,
    Fish,
}

/// Prints the script.
pub(crate) fn run(completion: &Completion, reach: &Reach) -> anyhow::Result<()> {
    let script = script(completion.shell);
    if reach.is_json() {
        return reach.print(&serde_json::json!({ "script": script }));
    }
    output::print(&script)?;
    Ok(())
}

fn script(kind: Kind) -> String {
    let shell = match kind {
        Kind::Bash => Shell::Bash,
        Kind::Zsh => Shell::Zsh,
        Kind::Fish => Shell::Fish,
    };
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "holdfast", &mut script);
    String::from_utf8_lossy(&script).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_shell_knows_the_commands() {
        for kind in [Kind::Bash, Kind::Zsh, Kind::Fish] {
            let script = script(kind);
            assert!(
                script.contains("cut-off") && script.contains("doctor"),
                "{kind:?}"
            );
        }
    }
}

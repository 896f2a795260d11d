//! How the tool ends: exit codes, and errors as one sentence or one JSON object.

use std::ffi::OsString;
use std::io;
use std::process::ExitCode;

use holdfast_client::Error as ClientError;
use serde::Serialize;

use crate::output::{self, Format, Paint};

/// What the exit codes mean, for the help of the tool.
pub(crate) const CODES: &str = "\
Exit codes:
  0  done
  1  it failed; the message says why
  2  the command line is wrong
  3  `doctor` found something to mend, or `plan` something to do
  4  no broker answered at the bootstrap addresses
  130  interrupted twice";

/// It failed.
const FAILED: u8 = 1;
/// The command line is wrong.
const USAGE: u8 = 2;
/// `doctor` or `plan` found something.
pub(crate) const FINDINGS: u8 = 3;
/// Nobody answered.
const UNREACHABLE: u8 = 4;

/// No broker answered at the addresses given.
#[derive(Debug)]
pub(crate) struct Unreachable {
    addresses: String,
    /// The last address's trouble.
    reason: String,
    /// How to give others.
    way_out: &'static str,
}

impl Unreachable {
    /// Nobody answered where clients begin.
    pub(crate) fn clients(bootstrap: &str, reason: &ClientError) -> Self {
        Self {
            addresses: bootstrap.to_owned(),
            reason: reason.to_string(),
            way_out: "--bootstrap or HOLDFAST_BOOTSTRAP",
        }
    }

    /// Nobody answered where brokers serve the admin API.
    pub(crate) fn admin(addresses: String, reason: String) -> Self {
        Self {
            addresses,
            reason,
            way_out: "--admin or HOLDFAST_ADMIN",
        }
    }

    /// Nobody answered where brokers listen for each other.
    pub(crate) fn rpc(addresses: String, reason: String) -> Self {
        Self {
            addresses,
            reason,
            way_out: "--rpc",
        }
    }

    fn message(&self) -> String {
        let Self {
            addresses, reason, ..
        } = self;
        format!("no broker answers at {addresses}: {reason}")
    }

    fn hint(&self) -> String {
        let way_out = self.way_out;
        format!("is one running there? give another address with {way_out}")
    }
}

impl std::fmt::Display for Unreachable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}; {}", self.message(), self.hint())
    }
}

impl std::error::Error for Unreachable {}

/// What a program is told of a failure.
#[derive(Debug, PartialEq, Eq, Serialize)]
struct Failure {
    message: String,
    /// What to do about it, where that is known beside the message.
    hint: Option<String>,
    exit_code: u8,
}

impl Failure {
    fn of(error: &anyhow::Error) -> Self {
        if let Some(unreachable) = error.downcast_ref::<Unreachable>() {
            return Self {
                message: unreachable.message(),
                hint: Some(unreachable.hint()),
                exit_code: UNREACHABLE,
            };
        }
        Self {
            message: format!("{error:#}"),
            hint: None,
            exit_code: FAILED,
        }
    }

    /// The first paragraph says what is wrong, the others how it would be right.
    fn of_command_line(text: &str) -> Self {
        let text = text.strip_prefix("error: ").unwrap_or(text).trim();
        let (message, hint) = text.split_once("\n\n").unwrap_or((text, ""));
        Self {
            message: message.to_owned(),
            hint: Some(hint.trim().to_owned()).filter(|hint| !hint.is_empty()),
            exit_code: USAGE,
        }
    }

    fn document(&self) -> String {
        serde_json::json!({ "error": self }).to_string()
    }
}

/// Answers a command line that asks for help, or that cannot be understood.
pub(crate) fn refuse(error: &clap::Error) -> ExitCode {
    if !error.use_stderr() {
        // Help. Nobody is left to be told that nobody reads it.
        let _unread = error.print();
        return ExitCode::SUCCESS;
    }
    if asks_for_json(std::env::args_os()) {
        output::note(&Failure::of_command_line(&error.render().to_string()).document());
    } else {
        let _unread = error.print();
    }
    ExitCode::from(USAGE)
}

/// Whether a command line asks for JSON, also one that cannot be understood as a whole.
fn asks_for_json(arguments: impl IntoIterator<Item = OsString>) -> bool {
    let mut names_format = false;
    for argument in arguments {
        let in_one = ["-ojson", "-o=json", "--output=json"].map(OsString::from);
        let of_yaml = ["-oyaml", "-o=yaml", "--output=yaml"].map(OsString::from);
        let after = names_format && (argument == "json" || argument == "yaml");
        if in_one.contains(&argument) || of_yaml.contains(&argument) || after {
            return true;
        }
        names_format = argument == "-o" || argument == "--output";
    }
    false
}

/// Writes an error for a person or a program and says how the process ends.
pub(crate) fn report(error: &anyhow::Error, format: Format) -> ExitCode {
    // `holdfast consume t | head` ends like that: nobody is left to be told.
    if error
        .downcast_ref::<io::Error>()
        .is_some_and(|e| e.kind() == io::ErrorKind::BrokenPipe)
    {
        return ExitCode::SUCCESS;
    }
    let failure = Failure::of(error);
    output::note(&match format {
        Format::Text => format!("{} {error:#}", Paint::of_stderr().red("error:")),
        Format::Json | Format::Yaml => failure.document(),
    });
    ExitCode::from(failure.exit_code)
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::cli::Cli;

    fn unreachable() -> anyhow::Error {
        let reason = ClientError::Connect {
            address: "localhost:1".to_owned(),
            reason: "refused".to_owned(),
        };
        anyhow::Error::new(Unreachable::clients("localhost:1", &reason))
    }

    #[test]
    fn an_unreachable_cluster_is_named_with_the_way_out() {
        let error = unreachable();
        assert_eq!(
            format!("{error:#}"),
            "no broker answers at localhost:1: cannot connect to localhost:1: refused; is one \
             running there? give another address with --bootstrap or HOLDFAST_BOOTSTRAP"
        );
        for format in [Format::Text, Format::Json] {
            assert_eq!(report(&error, format), ExitCode::from(UNREACHABLE));
            let other = anyhow::anyhow!("no");
            assert_eq!(report(&other, format), ExitCode::from(FAILED));
        }
    }

    #[test]
    fn a_program_gets_the_message_the_hint_and_the_exit_code() {
        let document = |failure: &Failure| -> serde_json::Value {
            serde_json::from_str(&failure.document()).unwrap()
        };
        // What was going on when it happened hides neither the kind nor the hint.
        let error = unreachable().context("deleting t");
        assert_eq!(
            document(&Failure::of(&error)),
            serde_json::json!({ "error": {
                "message": "no broker answers at localhost:1: cannot connect to localhost:1: refused",
                "hint": "is one running there? give another address with --bootstrap or \
                         HOLDFAST_BOOTSTRAP",
                "exit_code": 4,
            }})
        );
        let error = anyhow::anyhow!("why").context("what");
        assert_eq!(
            document(&Failure::of(&error)),
            serde_json::json!({ "error": {
                "message": "what: why", "hint": null, "exit_code": 1,
            }})
        );
    }

    #[test]
    fn a_wrong_command_line_is_told_in_json_where_it_asks_for_json() {
        let asks = |line: &str| asks_for_json(line.split(' ').map(OsString::from));
        assert!(asks("holdfast topic -o json"));
        assert!(asks("holdfast topic --output=json"));
        assert!(!asks("holdfast topic -o text json"));
        let wrong = Cli::try_parse_from(["holdfast", "topic", "lst", "-o", "json"]).unwrap_err();
        let failure = Failure::of_command_line(&wrong.render().to_string());
        assert_eq!(failure.exit_code, 2);
        assert!(failure.message.contains("'lst'"), "{failure:?}");
        assert!(!failure.message.contains("Usage"), "{failure:?}");
        let hint = failure.hint.unwrap();
        assert!(hint.contains("Usage: holdfast topic"), "{hint}");
    }

    #[test]
    fn a_reader_that_went_away_is_no_failure() {
        let error = anyhow::Error::new(io::Error::from(io::ErrorKind::BrokenPipe));
        assert_eq!(report(&error, Format::Json), ExitCode::SUCCESS);
    }
}

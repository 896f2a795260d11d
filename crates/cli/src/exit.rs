//! How the tool ends: exit codes, and errors as one sentence.

use std::io;
use std::process::ExitCode;

use holdfast_client::Error as ClientError;

use crate::output::{self, Paint};

/// What the exit codes mean, for the help of the tool.
pub(crate) const CODES: &str = "\
Exit codes:
  0  done
  1  it failed; the message says why
  2  the command line is wrong
  3  `doctor` found something to mend
  4  no broker answered at the bootstrap addresses
  130  interrupted twice";

/// It failed.
const FAILED: u8 = 1;
/// `doctor` found something.
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

    /// Nobody answered where brokers listen for each other.
    pub(crate) fn rpc(addresses: String, reason: String) -> Self {
        Self {
            addresses,
            reason,
            way_out: "--rpc",
        }
    }
}

impl std::fmt::Display for Unreachable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "no broker answers at {}: {}; is one running there? give another address with {}",
            self.addresses, self.reason, self.way_out
        )
    }
}

impl std::error::Error for Unreachable {}

/// Writes an error for a person and says how the process ends.
pub(crate) fn report(error: &anyhow::Error) -> ExitCode {
    // `holdfast consume t | head` ends like that: nobody is left to be told.
    if error
        .downcast_ref::<io::Error>()
        .is_some_and(|e| e.kind() == io::ErrorKind::BrokenPipe)
    {
        return ExitCode::SUCCESS;
    }
    let paint = Paint::of_stderr();
    output::note(&format!("{} {error:#}", paint.red("error:")));
    let unreachable = error.downcast_ref::<Unreachable>().is_some();
    ExitCode::from(if unreachable { UNREACHABLE } else { FAILED })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unreachable_cluster_is_named_with_the_way_out() {
        let reason = ClientError::Connect {
            address: "localhost:1".to_owned(),
            reason: "refused".to_owned(),
        };
        let error = anyhow::Error::new(Unreachable::clients("localhost:1", &reason));
        assert_eq!(
            format!("{error:#}"),
            "no broker answers at localhost:1: cannot connect to localhost:1: refused; is one \
             running there? give another address with --bootstrap or HOLDFAST_BOOTSTRAP"
        );
        assert_eq!(report(&error), ExitCode::from(UNREACHABLE));
        assert_eq!(report(&anyhow::anyhow!("no")), ExitCode::from(FAILED));
    }

    #[test]
    fn a_reader_that_went_away_is_no_failure() {
        let error = anyhow::Error::new(io::Error::from(io::ErrorKind::BrokenPipe));
        assert_eq!(report(&error), ExitCode::SUCCESS);
    }
}

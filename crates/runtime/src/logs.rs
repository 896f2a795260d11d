//! The log of the process: text for people or JSON for machines, on standard error, with levels
//! that can change while it runs; and the panic hook that writes into it.

use std::io::IsTerminal;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer, Registry, reload};

/// How a log line looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// One line for a human, coloured on a terminal unless `NO_COLOR` is set.
    #[default]
    Text,
    /// One JSON object per line.
    Json,
}

impl FromStr for Format {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        match text {
            "text" => Ok(Self::Text),
            "json" => Ok(Self::Json),
            _ => Err(Error::Format {
                text: text.to_owned(),
            }),
        }
    }
}

/// What went wrong with the log.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The filter has a syntax error.
    #[error("log filter {filter:?} is not valid: {reason}")]
    Filter {
        /// The filter as given.
        filter: String,
        /// What the parser says.
        reason: String,
    },
    /// Not a format.
    #[error("log format {text:?} is neither text nor json")]
    Format {
        /// The format as given.
        text: String,
    },
    /// The process has a logger already.
    #[error("the log is already initialised")]
    Initialised,
}

/// Changes the levels of the running log. Cheap to clone.
#[derive(Clone, Debug)]
pub struct LogLevels {
    handle: reload::Handle<EnvFilter, Registry>,
}

impl LogLevels {
    /// Replaces the filter, in the syntax `info,holdfast_store=debug`.
    ///
    /// # Errors
    /// [`Error::Filter`] when it cannot be parsed; the old filter then stays.
    pub fn set(&self, filter: &str) -> Result<(), Error> {
        let parsed = parse(filter)?;
        self.handle.reload(parsed).map_err(|error| Error::Filter {
            filter: filter.to_owned(),
            reason: error.to_string(),
        })
    }

    /// The filter in force.
    pub fn get(&self) -> String {
        self.handle
            .with_current(ToString::to_string)
            .unwrap_or_default()
    }
}

/// Starts the log and the panic hook of this process; once only.
///
/// # Errors
/// When the filter cannot be parsed, or a logger runs already.
pub fn init(format: Format, filter: &str) -> Result<LogLevels, Error> {
    let (filter, handle) = reload::Layer::new(parse(filter)?);
    let base = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    let layer = match format {
        Format::Text => base.with_ansi(is_coloured()).boxed(),
        Format::Json => base.json().flatten_event(true).boxed(),
    };
    tracing_subscriber::registry()
        .with(filter)
        .with(layer)
        .try_init()
        .map_err(|_taken| Error::Initialised)?;
    install_panic_hook();
    Ok(LogLevels { handle })
}

/// Colour only where a person looks and did not ask for none.
fn is_coloured() -> bool {
    let refused = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    !refused && std::io::stderr().is_terminal()
}

fn parse(filter: &str) -> Result<EnvFilter, Error> {
    EnvFilter::try_new(filter).map_err(|error| Error::Filter {
        filter: filter.to_owned(),
        reason: error.to_string(),
    })
}

/// Writes each panic into the log, with its place and its backtrace (if `RUST_BACKTRACE` asks for
/// one), instead of bare lines that a JSON reader cannot parse.
fn install_panic_hook() {
    std::panic::set_hook(Box::new(|panic| {
        let place = panic
            .location()
            .map(ToString::to_string)
            .unwrap_or_default();
        let thread = std::thread::current()
            .name()
            .unwrap_or("unnamed")
            .to_owned();
        let backtrace = std::backtrace::Backtrace::capture();
        let message = panic.payload_as_str().unwrap_or("a panic without text");
        tracing::error!(place, thread, %backtrace, "panic: {message}");
    }));
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The logger is global, so the checks run in a process of their own: this binary, started
    /// again.
    #[test]
    fn a_bad_filter_is_an_error_and_changes_nothing() {
        if std::env::var_os("HOLDFAST_TEST_VICTIM").is_none() {
            let output = std::process::Command::new(std::env::current_exe().unwrap())
                .args([
                    "--exact",
                    "logs::tests::a_bad_filter_is_an_error_and_changes_nothing",
                ])
                .env("HOLDFAST_TEST_VICTIM", "1")
                .output()
                .unwrap();
            let log = String::from_utf8(output.stderr).unwrap();
            assert!(output.status.success(), "{log}");
            assert!(
                log.lines()
                    .any(|l| l.starts_with('{') && l.contains("panic: boom")),
                "{log}"
            );
            return;
        }
        let levels = init(Format::Json, "info").unwrap();
        assert!(matches!(levels.set("a=b=c"), Err(Error::Filter { .. })));
        assert_eq!(levels.get(), "info");
        assert!(!tracing::enabled!(tracing::Level::DEBUG));
        levels.set("debug").unwrap();
        assert!(tracing::enabled!(tracing::Level::DEBUG));
        assert!(matches!(
            init(Format::Text, "info"),
            Err(Error::Initialised)
        ));
        assert!(std::thread::spawn(|| panic!("boom")).join().is_err());
    }

    #[test]
    fn formats_have_names() {
        assert_eq!("json".parse::<Format>().unwrap(), Format::Json);
        assert_eq!(
            "xml".parse::<Format>().unwrap_err().to_string(),
            "log format \"xml\" is neither text nor json"
        );
    }
}

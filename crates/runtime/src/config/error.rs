//! Why a configuration is not accepted.

use std::path::PathBuf;

/// Why a configuration is not accepted; each message says where and what to do.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file cannot be read.
    #[error("cannot read the configuration {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// The file is larger than any configuration.
    #[error("the configuration {} has more than {limit} bytes", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// The most that is read.
        limit: u64,
    },
    /// The file is neither TOML nor properties by its name.
    #[error("{} ends neither in .toml nor in .properties", path.display())]
    Kind {
        /// The file.
        path: PathBuf,
    },
    /// The file breaks the syntax of its kind.
    #[error("{}: {reason}", path.display())]
    Syntax {
        /// The file.
        path: PathBuf,
        /// What and where.
        reason: String,
    },
    /// Nobody knows the key.
    #[error("unknown key {key} in {origin}{}", hint(nearest.as_deref()))]
    UnknownKey {
        /// The key as written.
        key: String,
        /// The file, the environment, or the flags.
        origin: String,
        /// A known key that looks like it.
        nearest: Option<String>,
    },
    /// The value of a key is not acceptable.
    #[error("{key} in {origin}: {reason}")]
    Value {
        /// The key as written.
        key: String,
        /// The file, the environment, or the flags.
        origin: String,
        /// Why not.
        reason: String,
    },
    /// The key asks for something that is not offered, and silence would be dangerous.
    #[error("{key}={value} in {origin} is refused: {text}")]
    Refused {
        /// The key.
        key: String,
        /// The value as written.
        value: String,
        /// The file, the environment, or the flags.
        origin: String,
        /// Why, and what to do instead.
        text: &'static str,
    },
    /// The values do not fit together.
    #[error("the configuration contradicts itself: {reason}")]
    Contradiction {
        /// Which values, and why.
        reason: String,
    },
}

fn hint(nearest: Option<&str>) -> String {
    nearest.map_or_else(String::new, |key| format!("; did you mean {key}?"))
}

//! Explains a Kafka `.properties` file key by key, for `holdfast config explain FILE`.

use std::path::Path;

use super::keys::{self, Answer};
use super::{Config, Error, load, properties};

/// What happens to one key of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explanation {
    /// The key as written.
    pub key: String,
    /// The value as written.
    pub value: String,
    /// What happens to it.
    pub verdict: Verdict,
    /// What it sets, or why it sets nothing and what to use instead.
    pub text: String,
}

/// What happens to a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It sets what the text says.
    Honoured,
    /// It asks for what is in force anyway.
    AlreadySo,
    /// It has no effect; the text says why.
    Notice,
    /// The broker does not start with it.
    Refused,
    /// Nobody knows the key, and the broker does not start with it.
    Unknown,
}

/// Explains every key of a `.properties` file, in its order, errors included.
///
/// # Errors
/// Only when the file cannot be read or is not in this syntax.
pub fn explain(path: &Path) -> Result<Vec<Explanation>, Error> {
    let text = load::read(path)?;
    let pairs = properties::parse(&text).map_err(|reason| Error::Syntax {
        path: path.to_owned(),
        reason,
    })?;
    let mut scratch = Config::default();
    // The listeners first, because others name them.
    for (_, value) in pairs.iter().filter(|(key, _)| key == "listeners") {
        if let Some((_, key)) = keys::by_name("listeners")
            && let Answer::Honoured(setting) = key.answer
            && (setting.apply)(&mut scratch, value).is_err()
        {
            break;
        }
    }
    Ok(pairs
        .into_iter()
        .map(|(key, value)| explain_one(&mut scratch, key, value))
        .collect())
}

fn explain_one(scratch: &mut Config, key: String, value: String) -> Explanation {
    let Some((_, known)) = keys::by_name(&key) else {
        let text = keys::nearest_name(&key).map_or_else(
            || "unknown key".to_owned(),
            |n| format!("unknown key; did you mean {n}?"),
        );
        return Explanation {
            key,
            value,
            verdict: Verdict::Unknown,
            text,
        };
    };
    let text = known.text.to_owned();
    let (verdict, text) = match known.answer {
        Answer::Honoured(setting) => match (setting.apply)(scratch, value.trim()) {
            Ok(()) => (Verdict::Honoured, text),
            Err(reason) => (Verdict::Refused, reason),
        },
        Answer::Notice => (Verdict::Notice, text),
        Answer::Only(only) if value.trim().eq_ignore_ascii_case(only) => (Verdict::AlreadySo, text),
        Answer::Refused if value.trim().is_empty() => (Verdict::AlreadySo, text),
        Answer::Only(_) | Answer::Refused => (Verdict::Refused, text),
    };
    Explanation {
        key,
        value,
        verdict,
        text,
    }
}

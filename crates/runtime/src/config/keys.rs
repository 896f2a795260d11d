//! The table of keys: what each key of Kafka's broker configuration, and each of ours, means here.

use super::Config;
use super::nearest::nearest;

mod answered;
mod groups;
mod honoured;

/// The one TOML path that is not a single value.
pub(super) const LISTENERS_PATH: &str = "listeners";

/// How a key is set: reads the text into the configuration, or says why not.
pub(super) type Apply = fn(&mut Config, &str) -> Result<(), String>;

/// One key and what it means.
#[derive(Clone, Copy, Debug)]
pub struct Key {
    /// Kafka's name, or one of ours that begins with `holdfast.`. A name that ends with `*` stands
    /// for every key that begins like it.
    pub name: &'static str,
    /// What happens to it.
    pub answer: Answer,
    /// For a honoured key what it sets, else why it is not needed and what to use instead.
    pub text: &'static str,
}

/// What happens to a key.
#[derive(Clone, Copy, Debug)]
pub enum Answer {
    /// It sets a value of the configuration.
    Honoured(Setting),
    /// It has no effect, and the operator is told why.
    Notice,
    /// Only this value is possible, and it is in force already; any other is refused.
    Only(&'static str),
    /// It is refused, whatever its value: silence would be dangerous.
    Refused,
}

/// Where a honoured key goes.
#[derive(Clone, Copy, Debug)]
pub struct Setting {
    /// The dotted path in our TOML file; empty if only Kafka's syntax has it.
    pub toml: &'static str,
    pub(super) apply: Apply,
}

impl Key {
    /// The environment variable of the key: `HOLDFAST_` and the name in capitals.
    pub fn env(&self) -> String {
        let name = self.name.strip_prefix("holdfast.").unwrap_or(self.name);
        format!("HOLDFAST_{}", name.to_ascii_uppercase().replace('.', "_"))
    }

    fn matches(&self, name: &str) -> bool {
        match self.name.strip_suffix('*') {
            Some(prefix) => name.starts_with(prefix),
            None => self.name == name,
        }
    }
}

/// Every key, in the order in which a source applies them: of two that set one value the later
/// wins, as Kafka's `log.retention.ms` wins over `.minutes` and `.hours`.
pub fn all() -> impl Iterator<Item = &'static Key> {
    honoured::KEYS
        .iter()
        .chain(groups::KEYS)
        .chain(answered::KEYS)
}

/// The key of a name in Kafka's syntax, with its place in the order.
pub(super) fn by_name(name: &str) -> Option<(usize, &'static Key)> {
    all().enumerate().find(|(_, key)| key.matches(name))
}

/// The key of a path in our TOML file, with its place in the order. Of the keys that set one path
/// the first counts: it is the one in the unit of the path.
pub(super) fn by_path(path: &str) -> Option<(usize, &'static Key)> {
    all().enumerate().find(|(_, key)| key.path() == Some(path))
}

/// The key of an environment variable, with its place in the order.
pub(super) fn by_env(variable: &str) -> Option<(usize, &'static Key)> {
    all()
        .enumerate()
        .find(|(_, key)| !key.name.ends_with('*') && key.env() == variable)
}

impl Key {
    /// The path in our TOML file, for a honoured key that has one.
    pub fn path(&self) -> Option<&'static str> {
        match self.answer {
            Answer::Honoured(setting) if !setting.toml.is_empty() => Some(setting.toml),
            Answer::Honoured(_) | Answer::Notice | Answer::Only(_) | Answer::Refused => None,
        }
    }
}

/// A known name in Kafka's syntax that looks like this one.
pub(super) fn nearest_name(name: &str) -> Option<&'static str> {
    nearest(name, all().map(|key| key.name))
}

/// A known TOML path that looks like this one, or the path that a name in Kafka's syntax has.
pub(super) fn nearest_path(path: &str) -> Option<&'static str> {
    let translated = by_name(path).and_then(|(_, key)| key.path());
    translated.or_else(|| nearest(path, all().filter_map(Key::path).chain([LISTENERS_PATH])))
}

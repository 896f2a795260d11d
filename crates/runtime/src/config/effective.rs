//! The configuration in force, key by key, for `DescribeConfigs`.

use super::keys::{self, Answer, Key};
use super::{Config, Listener};

/// What the values of a key are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ValueKind {
    /// true or false.
    Boolean,
    /// A whole number.
    Number,
    /// Text.
    Text,
    /// Words with commas between them.
    List,
}

/// One key of Kafka's syntax with its value in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EffectiveKey {
    /// The key.
    pub name: &'static str,
    /// The value; none where it is unset.
    pub value: Option<String>,
    /// The value without any configuration.
    pub default: Option<String>,
    /// What the values are.
    pub kind: ValueKind,
    /// What it sets, or why only this value is possible.
    pub text: &'static str,
}

impl Config {
    /// Every key that sets a value of its own, or that has one possible value, in the order of the
    /// table.
    pub fn effective(&self) -> Vec<EffectiveKey> {
        let tree = |config: &Self| {
            toml::Value::try_from(config).expect("a configuration holds only what TOML can say")
        };
        let (mine, defaults) = (tree(self), tree(&Self::default()));
        keys::all()
            .filter_map(|key| self.entry(key, &mine, &defaults))
            .collect()
    }

    fn entry(
        &self,
        key: &'static Key,
        mine: &toml::Value,
        defaults: &toml::Value,
    ) -> Option<EffectiveKey> {
        let entry = |value, default, kind| EffectiveKey {
            name: key.name,
            value,
            default,
            kind,
            text: key.text,
        };
        match (key.answer, key.name) {
            (Answer::Honoured(_), "listeners") => {
                let default = vec![Listener::default()];
                let both = [joined(&self.listeners), joined(&default)].map(Some);
                let [value, default] = both;
                Some(entry(value, default, ValueKind::List))
            }
            (Answer::Honoured(_), "advertised.listeners") => {
                let value = self
                    .listeners
                    .iter()
                    .map(|listener| format!("{}://{}", listener.name, listener.advertised()));
                Some(entry(
                    Some(value.collect::<Vec<_>>().join(",")),
                    None,
                    ValueKind::List,
                ))
            }
            (Answer::Honoured(_), _) => {
                let path = key.path()?;
                let (value, default) = (at(mine, path), at(defaults, path));
                let kind = match value.or(default) {
                    Some(toml::Value::Boolean(_)) => ValueKind::Boolean,
                    Some(toml::Value::Integer(_)) => ValueKind::Number,
                    _ => ValueKind::Text,
                };
                Some(entry(value.map(plain), default.map(plain), kind))
            }
            (Answer::Only(value), name) if !name.ends_with('*') => {
                let kind = match value {
                    "true" | "false" => ValueKind::Boolean,
                    _ if value.parse::<i64>().is_ok() => ValueKind::Number,
                    _ => ValueKind::Text,
                };
                Some(entry(Some(value.to_owned()), Some(value.to_owned()), kind))
            }
            (Answer::Only(_) | Answer::Notice | Answer::Refused, _) => None,
        }
    }
}

fn joined(listeners: &[Listener]) -> String {
    listeners
        .iter()
        .map(Listener::to_string)
        .collect::<Vec<_>>()
        .join(",")
}

fn at<'a>(tree: &'a toml::Value, path: &str) -> Option<&'a toml::Value> {
    path.split('.')
        .try_fold(tree, |value, part| value.get(part))
}

fn plain(value: &toml::Value) -> String {
    match value {
        toml::Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::Sources;
    use super::*;

    fn find(entries: &[EffectiveKey], name: &str) -> EffectiveKey {
        entries
            .iter()
            .find(|entry| entry.name == name)
            .unwrap()
            .clone()
    }

    #[test]
    fn what_was_set_shows_beside_its_default() {
        let flags = [
            ("broker.rack", "a"),
            ("log.retention.ms", "5"),
            ("auto.create.topics.enable", "true"),
            ("listeners", "CLIENT://0.0.0.0:19092"),
            ("advertised.listeners", "CLIENT://b0.example:19092"),
        ];
        let flags = flags
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .into();
        let loaded = Config::load(&Sources {
            flags,
            ..Sources::default()
        })
        .unwrap();
        let entries = loaded.config.effective();
        let rack = find(&entries, "broker.rack");
        assert_eq!((rack.value.as_deref(), rack.default), (Some("a"), None));
        let retention = find(&entries, "log.retention.ms");
        assert_eq!(retention.value.as_deref(), Some("5"));
        assert_eq!(retention.default.as_deref(), Some("604800000"));
        assert_eq!(retention.kind, ValueKind::Number);
        assert_eq!(
            find(&entries, "auto.create.topics.enable").kind,
            ValueKind::Boolean
        );
        let advertised = find(&entries, "advertised.listeners").value;
        assert_eq!(advertised.as_deref(), Some("CLIENT://b0.example:19092"));
        assert!(find(&entries, "listeners").value.unwrap().contains("19092"));
    }

    #[test]
    fn no_key_occurs_twice_and_none_is_a_pattern() {
        let entries = Config::default().effective();
        assert!(entries.len() > 20);
        for (index, entry) in entries.iter().enumerate() {
            assert!(!entry.name.ends_with('*'), "{}", entry.name);
            assert!(
                entries[..index]
                    .iter()
                    .all(|other| other.name != entry.name),
                "{}",
                entry.name
            );
        }
    }
}

//! Our TOML file as pairs of dotted paths and text, so that one table of keys checks every source.

use super::listener::LISTENERS;
use super::properties::Pair;
use super::{Listener, keys};

/// What a TOML file says.
#[derive(Debug)]
pub(super) struct TomlFile {
    /// Every value but the listeners, by its dotted path.
    pub(super) pairs: Vec<Pair>,
    /// The listeners, if the file has any.
    pub(super) listeners: Option<Vec<Listener>>,
}

/// Reads a file's text.
pub(super) fn parse(text: &str) -> Result<TomlFile, String> {
    let mut table: toml::Table = text.parse().map_err(|e: toml::de::Error| e.to_string())?;
    let listeners = table
        .remove(keys::LISTENERS_PATH)
        .map(listeners)
        .transpose()?;
    let mut pairs = Vec::new();
    flatten("", table, &mut pairs)?;
    Ok(TomlFile { pairs, listeners })
}

fn listeners(value: toml::Value) -> Result<Vec<Listener>, String> {
    let listeners: Vec<Listener> = value
        .try_into()
        .map_err(|e: toml::de::Error| format!("listeners: {}", e.message()))?;
    if listeners.is_empty() || listeners.len() > LISTENERS {
        return Err(format!("listeners: there must be 1 to {LISTENERS}"));
    }
    Ok(listeners)
}

/// The parser bounds the nesting of tables, so the recursion is bounded too.
fn flatten(prefix: &str, table: toml::Table, pairs: &mut Vec<Pair>) -> Result<(), String> {
    for (key, value) in table {
        let path = if prefix.is_empty() {
            key
        } else {
            format!("{prefix}.{key}")
        };
        let text = match value {
            toml::Value::Table(inner) => {
                flatten(&path, inner, pairs)?;
                continue;
            }
            toml::Value::String(text) => text,
            toml::Value::Integer(number) => number.to_string(),
            toml::Value::Boolean(flag) => flag.to_string(),
            toml::Value::Float(_) | toml::Value::Datetime(_) | toml::Value::Array(_) => {
                return Err(format!(
                    "{path}: a text, a whole number or true/false is expected"
                ));
            }
        };
        pairs.push((path, text));
    }
    Ok(())
}

//! `docs/configuration.md`, generated from the table of keys.

use std::fmt::Write;

use super::keys::{self, Answer, Key};
use super::{Config, Listener};

const INTRODUCTION: &str = "# Configuration

Generated from `crates/runtime/src/config/keys`; a test compares. To write it again:
`HOLDFAST_BLESS=1 cargo test --release -p holdfast-runtime reference`.

A broker reads files, in TOML (`holdfast.toml`) or in Kafka's syntax (`server.properties`), then
the environment, then flags (`--set key=value`, with a key or a TOML path); the later wins. In Kafka's
syntax `${env:NAME}` stands for the value of an environment variable. An
unknown key in a file or a flag is an error that names the nearest known one; an unknown variable
`HOLDFAST_...` is only reported, because Kubernetes sets some by itself.
`holdfast config explain FILE` says of every key of a Kafka file what happens to it.
";

/// The whole document.
pub fn markdown() -> String {
    let defaults = toml::Value::try_from(Config::default())
        .expect("a configuration holds only what TOML can say");
    let mut out = INTRODUCTION.to_owned();
    out += "\n## Keys that set something\n\n\
            | Key | TOML | Environment | Default | Meaning |\n|-|-|-|-|-|\n";
    for key in keys::all() {
        if let Answer::Honoured(_) = key.answer {
            row(
                &mut out,
                &[
                    &code(key.name),
                    &key.path().map_or_else(String::new, code),
                    &code(&key.env()),
                    &default_of(key, &defaults),
                    key.text,
                ],
            );
        }
    }
    out += "\n## Keys with one possible value\n\n\
            Another value keeps the broker from starting.\n\n\
            | Key | Value | Why |\n|-|-|-|\n";
    for key in keys::all() {
        if let Answer::Only(value) = key.answer {
            row(&mut out, &[&code(key.name), &code(value), key.text]);
        }
    }
    out += "\n## Keys that are refused\n\n| Key | Why |\n|-|-|\n";
    rows(&mut out, |answer| matches!(answer, Answer::Refused));
    out += "\n## Keys without effect\n\n\
            Accepted, so that a Kafka file works as it is; `holdfast serve` logs the answer.\n\n\
            | Key | Answer |\n|-|-|\n";
    rows(&mut out, |answer| matches!(answer, Answer::Notice));
    out
}

fn rows(out: &mut String, wanted: fn(Answer) -> bool) {
    for key in keys::all().filter(|key| wanted(key.answer)) {
        row(out, &[&code(key.name), key.text]);
    }
}

fn row(out: &mut String, cells: &[&str]) {
    let _infallible = writeln!(out, "| {} |", cells.join(" | "));
}

fn code(text: &str) -> String {
    if text.is_empty() {
        String::new()
    } else {
        format!("`{text}`")
    }
}

/// The default of the value that a key sets, in the key's own unit where it has a path.
fn default_of(key: &Key, defaults: &toml::Value) -> String {
    if key.name == "listeners" {
        return code(&Listener::default().to_string());
    }
    let Some(path) = key.path() else {
        return String::new();
    };
    let mut value = Some(defaults);
    for part in path.split('.') {
        value = value.and_then(|v| v.get(part));
    }
    match value {
        None => "unset".to_owned(),
        Some(toml::Value::String(text)) => code(text),
        Some(other) => code(&other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reference_document_is_fresh() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/configuration.md");
        let fresh = markdown();
        if std::env::var_os("HOLDFAST_BLESS").is_some() {
            std::fs::write(path, &fresh).unwrap();
        }
        let kept = std::fs::read_to_string(path).unwrap();
        assert!(
            kept == fresh,
            "docs/configuration.md is stale: run with HOLDFAST_BLESS=1"
        );
    }
}

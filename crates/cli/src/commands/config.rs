//! `holdfast config`: shows and changes settings, and explains a Kafka configuration file.

use std::path::PathBuf;
use std::str::FromStr;

use clap::{Args, Subcommand};
use holdfast_client::admin::{ConfigChange, ConfigEntry, Resource};
use holdfast_runtime::config::{self, Explanation, Verdict};
use serde::Serialize;

use crate::output::{self, Paint, Table};
use crate::session::Reach;
use crate::text::assignment;

/// What to do with settings.
#[derive(Debug, Subcommand)]
pub(crate) enum Config {
    /// Show the settings of a topic, a broker or the cluster
    Describe(Describe),
    /// Set settings, all or none
    Set(Set),
    /// Put settings back to their defaults, all or none
    Unset(Unset),
    /// Say of every key of a Kafka configuration file what happens to it here
    Explain(Explain),
}

/// What to show.
#[derive(Args, Debug)]
pub(crate) struct Describe {
    /// topic:NAME, broker:ID or cluster
    target: Target,
    /// Only what somebody set
    #[arg(long)]
    changed: bool,
}

/// What to set.
#[derive(Args, Debug)]
pub(crate) struct Set {
    /// topic:NAME, broker:ID or cluster
    target: Target,
    /// The settings, as retention.ms=3600000
    #[arg(required = true, value_name = "NAME=VALUE", value_parser = assignment)]
    values: Vec<(String, String)>,
    /// Only say whether they would be accepted
    #[arg(long)]
    dry_run: bool,
}

/// What to unset.
#[derive(Args, Debug)]
pub(crate) struct Unset {
    /// topic:NAME, broker:ID or cluster
    target: Target,
    /// The settings
    #[arg(required = true)]
    names: Vec<String>,
    /// Only say whether it would be accepted
    #[arg(long)]
    dry_run: bool,
}

/// The file to explain.
#[derive(Args, Debug)]
pub(crate) struct Explain {
    /// A file in Kafka's syntax, as server.properties
    file: PathBuf,
}

/// What has settings, as the command line writes it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Target(Resource);

impl FromStr for Target {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || "expected topic:NAME, broker:ID or cluster".to_owned();
        match text.split_once(':') {
            None if text == "cluster" => Ok(Self(Resource::Cluster)),
            Some(("topic", name)) if !name.is_empty() => Ok(Self(Resource::Topic(name.to_owned()))),
            Some(("broker", id)) => match id.parse::<i32>() {
                Ok(id) if id >= 0 => Ok(Self(Resource::Broker(id))),
                _ => Err(wrong()),
            },
            _ => Err(wrong()),
        }
    }
}

impl Target {
    /// As it was typed.
    fn text(&self) -> String {
        match &self.0 {
            Resource::Topic(name) => format!("topic:{name}"),
            Resource::Broker(id) => format!("broker:{id}"),
            Resource::Cluster => "cluster".to_owned(),
        }
    }
}

#[derive(Serialize)]
struct Shown<'a> {
    name: &'a str,
    value: Option<&'a str>,
    default: bool,
    read_only: bool,
    sensitive: bool,
    documentation: &'a str,
}

/// A change as it is printed.
#[derive(Serialize)]
struct Changed<'a> {
    target: String,
    settings: Vec<&'a str>,
    dry_run: bool,
}

#[derive(Serialize)]
struct Explained<'a> {
    key: &'a str,
    value: &'a str,
    verdict: &'static str,
    text: &'a str,
}

/// Does what a command that needs the cluster asks for.
pub(crate) async fn run(config: Config, reach: &Reach) -> anyhow::Result<()> {
    match config {
        Config::Describe(describe) => show(&describe, reach).await,
        Config::Set(set) => {
            let changes = set.values.into_iter().map(|(n, v)| ConfigChange::Set(n, v));
            change(&set.target, changes.collect(), set.dry_run, reach).await
        }
        Config::Unset(unset) => {
            let changes = unset.names.into_iter().map(ConfigChange::Delete);
            change(&unset.target, changes.collect(), unset.dry_run, reach).await
        }
        Config::Explain(file) => explain(&file, reach),
    }
}

async fn show(describe: &Describe, reach: &Reach) -> anyhow::Result<()> {
    let mut entries = reach
        .admin()
        .await?
        .describe_configs(&describe.target.0)
        .await?;
    entries.retain(|entry| !describe.changed || !entry.is_default);
    entries.sort_by(|a, b| a.name.cmp(&b.name));
    if reach.is_json() {
        let shown: Vec<Shown<'_>> = entries.iter().map(shown).collect();
        return reach.print(&shown);
    }
    let mut table = Table::new(&["NAME", "VALUE", "SOURCE"]);
    for entry in &entries {
        let value = if entry.sensitive {
            Some("(hidden)")
        } else {
            entry.value.as_deref()
        };
        let mut source = if entry.is_default { "default" } else { "set" }.to_owned();
        if entry.read_only {
            source.push_str(", cannot be changed");
        }
        let value = value.unwrap_or_default().to_owned();
        table.row(vec![entry.name.clone(), value, source]);
    }
    output::print(&table.render())?;
    Ok(())
}

fn shown(entry: &ConfigEntry) -> Shown<'_> {
    Shown {
        name: &entry.name,
        value: entry.value.as_deref(),
        default: entry.is_default,
        read_only: entry.read_only,
        sensitive: entry.sensitive,
        documentation: &entry.documentation,
    }
}

async fn change(
    target: &Target,
    changes: Vec<ConfigChange>,
    dry_run: bool,
    reach: &Reach,
) -> anyhow::Result<()> {
    let admin = reach.admin().await?;
    admin.alter_configs(&target.0, &changes, dry_run).await?;
    let done = if dry_run {
        "would be accepted"
    } else {
        "changed"
    };
    let line = format!("{} settings: {done}", changes.len());
    reach.tell(&changed(target, &changes, dry_run), &line)
}

fn changed<'a>(target: &Target, changes: &'a [ConfigChange], dry_run: bool) -> Changed<'a> {
    let name = |change: &'a ConfigChange| match change {
        ConfigChange::Set(name, _)
        | ConfigChange::Delete(name)
        | ConfigChange::Append(name, _)
        | ConfigChange::Subtract(name, _) => name.as_str(),
    };
    Changed {
        target: target.text(),
        settings: changes.iter().map(name).collect(),
        dry_run,
    }
}

/// Explains a file; needs no cluster.
pub(crate) fn explain(explain: &Explain, reach: &Reach) -> anyhow::Result<()> {
    let explanations = config::explain(&explain.file)?;
    if reach.is_json() {
        let rows: Vec<Explained<'_>> = explanations
            .iter()
            .map(|e| Explained {
                key: &e.key,
                value: &e.value,
                verdict: word(e.verdict),
                text: &e.text,
            })
            .collect();
        reach.print(&rows)?;
    } else {
        let paint = Paint::of_stdout();
        let lines: Vec<String> = explanations.iter().map(|e| line(e, paint)).collect();
        output::print(&lines.concat())?;
    }
    let refused = explanations
        .iter()
        .filter(|e| matches!(e.verdict, Verdict::Refused | Verdict::Unknown))
        .count();
    anyhow::ensure!(
        refused == 0,
        "a broker would not start with this file: {refused} of its keys are refused or unknown"
    );
    Ok(())
}

fn word(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Honoured => "honoured",
        Verdict::AlreadySo => "already-so",
        Verdict::Notice => "no-effect",
        Verdict::Refused => "refused",
        Verdict::Unknown => "unknown",
    }
}

fn line(explanation: &Explanation, paint: Paint) -> String {
    let word = format!("{:<10}", word(explanation.verdict));
    let word = match explanation.verdict {
        Verdict::Honoured | Verdict::AlreadySo => paint.green(&word),
        Verdict::Notice => paint.yellow(&word),
        Verdict::Refused | Verdict::Unknown => paint.red(&word),
    };
    let Explanation {
        key, value, text, ..
    } = explanation;
    format!("{word}  {key}={value}\n            {text}\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_are_topics_brokers_or_the_cluster() {
        let target = |text: &str| text.parse::<Target>().map(|t| t.0);
        assert_eq!(target("topic:a"), Ok(Resource::Topic("a".to_owned())));
        assert_eq!(target("broker:3"), Ok(Resource::Broker(3)));
        assert_eq!(target("cluster"), Ok(Resource::Cluster));
        for wrong in ["", "a", "topic:", "broker:x", "broker:-1", "cluster:1"] {
            target(wrong).unwrap_err();
        }
        for typed in ["topic:a", "broker:3", "cluster"] {
            assert_eq!(typed.parse::<Target>().unwrap().text(), typed);
        }
    }

    #[test]
    fn a_program_reads_which_settings_were_changed() {
        let target: Target = "topic:a".parse().unwrap();
        let changes = [
            ConfigChange::Set("retention.ms".to_owned(), "5".to_owned()),
            ConfigChange::Delete("segment.ms".to_owned()),
        ];
        assert_eq!(
            serde_json::to_value(changed(&target, &changes, true)).unwrap(),
            serde_json::json!({
                "target": "topic:a",
                "settings": ["retention.ms", "segment.ms"],
                "dry_run": true,
            })
        );
    }

    #[test]
    fn a_file_with_a_refused_key_is_explained_and_fails() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("server.properties");
        std::fs::write(&file, "num.network.threads=8\nno.such.key=1\n").unwrap();
        let rows = config::explain(&file).unwrap();
        let lines: Vec<&str> = rows.iter().map(|e| word(e.verdict)).collect();
        assert_eq!(lines, ["honoured", "unknown"]);
    }
}

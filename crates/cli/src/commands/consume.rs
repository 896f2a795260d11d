//! `holdfast consume`: prints the records of a topic.

use std::io::{self, Write};
use std::time::Duration;

use clap::{Args, ValueEnum};
use holdfast_client::{
    Client, ConsumedRecord, Consumer, ConsumerOptions, Error, GroupConsumer, Start,
};
use serde_json::json;

use crate::output;
use crate::progress::Progress;
use crate::session::{self, Reach};
use crate::text::{Moment, hexadecimal, moment, readable};

/// How long one look for records may wait before the end of the topic is considered.
const WAIT: Duration = Duration::from_millis(500);

/// Print the records of a topic: those that come from now on, if nothing else is said. Ends with
/// Ctrl-C.
#[derive(Args, Debug)]
pub(crate) struct Consume {
    /// The topic
    topic: String,
    /// Only this partition; may be given many times
    #[arg(long, short = 'p', value_parser = clap::value_parser!(i32).range(0..))]
    partition: Vec<i32>,
    /// From the first record that is there
    #[arg(long, short = 'f', group = "start")]
    from_beginning: bool,
    /// From this offset in each partition
    #[arg(long, group = "start", value_parser = clap::value_parser!(i64).range(0..))]
    offset: Option<i64>,
    /// From the first record of that time: 10m, 2h, 7d ago, 2026-01-31T12:00:00Z, or milliseconds
    /// since 1970
    #[arg(long, group = "start", value_name = "TIME", value_parser = moment)]
    since: Option<Moment>,
    /// As a member of this group: reads what the group assigns it, begins where the group has committed
    /// (else at the end, or with --from-beginning at the first record), and commits what it printed
    #[arg(long, short = 'g', value_name = "GROUP", conflicts_with_all = ["partition", "offset", "since"])]
    group: Option<String>,
    /// Stop after so many records
    #[arg(long, short = 'n', value_name = "RECORDS")]
    max: Option<u64>,
    /// Stop at the end of the topic
    #[arg(long, short = 'e')]
    exit_at_end: bool,
    /// How records are printed; `-o json` means json
    #[arg(long, value_enum, default_value = "text")]
    format: FormatName,
    /// With text or hex: partition, offset, timestamp, headers and key before each value
    #[arg(long, short = 'v')]
    verbose: bool,
    /// Say once a second how far it is
    #[arg(long)]
    progress: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum FormatName {
    /// Values as they are, one a line
    Text,
    /// One JSON object a line; what is no text is written in hexadecimal
    Json,
    /// Values in hexadecimal digits, one a line
    Hex,
}

/// Prints until something ends it.
pub(crate) async fn run(consume: Consume, reach: &Reach) -> anyhow::Result<()> {
    let client = reach.client().await?;
    let mut source = match &consume.group {
        Some(group) => Source::Group(Box::new(member(&consume, client, group))),
        None => Source::Partitions(Box::new(open(&consume, client).await?)),
    };
    let interrupted = session::interrupted()?;
    let mut count = 0;
    let printed = tokio::select! {
        printed = print_all(&consume, reach, &mut source, &mut count) => printed,
        () = interrupted => Ok(()),
    };
    source.close().await?;
    printed?;
    output::note(&format!("{count} records"));
    Ok(())
}

/// Where records come from.
enum Source {
    Partitions(Box<Consumer>),
    Group(Box<GroupConsumer>),
}

impl Source {
    async fn poll(&mut self) -> Result<Vec<ConsumedRecord>, Error> {
        match self {
            Self::Partitions(consumer) => consumer.poll(WAIT).await,
            Self::Group(member) => member.poll(WAIT).await,
        }
    }

    fn is_caught_up(&self) -> bool {
        match self {
            Self::Partitions(consumer) => consumer.is_caught_up(),
            Self::Group(member) => member.is_caught_up(),
        }
    }

    /// These were not printed after all.
    fn unread(&mut self, records: &[ConsumedRecord]) {
        match self {
            Self::Partitions(_) => {}
            Self::Group(member) => member.unread(records),
        }
    }

    /// What was printed is done.
    async fn commit(&mut self) -> Result<(), Error> {
        match self {
            Self::Partitions(_) => Ok(()),
            Self::Group(member) => member.commit().await,
        }
    }

    async fn close(self) -> Result<(), Error> {
        match self {
            Self::Partitions(_) => Ok(()),
            Self::Group(member) => member.close().await,
        }
    }
}

fn member(consume: &Consume, client: Client, group: &str) -> GroupConsumer {
    let start = if consume.from_beginning {
        Start::Earliest
    } else {
        Start::Latest
    };
    let options = ConsumerOptions {
        reset: Some(start),
        ..ConsumerOptions::default()
    };
    let topics = vec![consume.topic.clone()];
    GroupConsumer::new(client, options, group, topics, start)
}

async fn open(consume: &Consume, client: Client) -> anyhow::Result<Consumer> {
    let start = if consume.from_beginning {
        Start::Earliest
    } else if let Some(offset) = consume.offset {
        Start::Offset(offset)
    } else if let Some(moment) = consume.since {
        Start::Timestamp(moment.at(client.options().clock.wall_ms()))
    } else {
        Start::Latest
    };
    let reset = match start {
        Start::Earliest | Start::Timestamp(_) => Some(Start::Earliest),
        Start::Latest => Some(Start::Latest),
        // Who asks for an offset wants to hear that it is not there.
        Start::Offset(_) => None,
    };
    let known = client.topic(&consume.topic).await?;
    let wanted: Vec<i32> = if consume.partition.is_empty() {
        known.partitions.keys().copied().collect()
    } else {
        consume.partition.clone()
    };
    if let Some(missing) = wanted.iter().find(|p| !known.partitions.contains_key(p)) {
        anyhow::bail!(
            "{} has {} partitions, numbered from 0: there is no {missing}",
            consume.topic,
            known.partitions.len()
        );
    }
    let options = ConsumerOptions {
        reset,
        ..ConsumerOptions::default()
    };
    let assignment = wanted
        .into_iter()
        .map(|p| (consume.topic.clone(), p, start));
    Ok(Consumer::new(client, options, assignment)?)
}

async fn print_all(
    consume: &Consume,
    reach: &Reach,
    source: &mut Source,
    count: &mut u64,
) -> anyhow::Result<()> {
    let format = if reach.is_json() {
        FormatName::Json
    } else {
        consume.format
    };
    let mut progress = Progress::new(consume.progress);
    loop {
        if consume.max.is_some_and(|max| *count >= max) {
            return Ok(());
        }
        let records = source.poll().await?;
        let left = consume.max.map_or(u64::MAX, |max| max - *count);
        let mut out = io::BufWriter::new(io::stdout().lock());
        let most = usize::try_from(left).unwrap_or(usize::MAX);
        let (printed, spare) = records.split_at(records.len().min(most));
        for record in printed {
            write_record(&mut out, record, format, consume.verbose)?;
            *count += 1;
        }
        source.unread(spare);
        out.flush()?;
        drop(out);
        source.commit().await?;
        progress.at(*count, "records");
        if consume.exit_at_end && source.is_caught_up() {
            return Ok(());
        }
    }
}

fn write_record(
    out: &mut impl Write,
    record: &ConsumedRecord,
    format: FormatName,
    verbose: bool,
) -> anyhow::Result<()> {
    if format == FormatName::Json {
        // As an I/O error, so that a reader that went away is recognised.
        serde_json::to_writer(&mut *out, &as_json(record)).map_err(io::Error::from)?;
        out.write_all(b"\n")?;
        return Ok(());
    }
    if verbose {
        let show = |bytes: &[u8]| match format {
            FormatName::Hex => hexadecimal(bytes),
            FormatName::Text | FormatName::Json => readable(bytes),
        };
        let key = record
            .key
            .as_deref()
            .map_or_else(|| "(none)".to_owned(), &show);
        write!(
            out,
            "{}:{}\t{}\t",
            record.partition, record.offset, record.timestamp
        )?;
        for (name, value) in &record.headers {
            let value = value.as_deref().map_or_else(|| "(none)".to_owned(), &show);
            write!(out, "{}={value} ", readable(name))?;
        }
        write!(out, "\t{key}\t")?;
    }
    let value = record.value.as_deref().unwrap_or_default();
    match format {
        FormatName::Hex => out.write_all(hexadecimal(value).as_bytes())?,
        FormatName::Text | FormatName::Json => out.write_all(value)?,
    }
    out.write_all(b"\n")?;
    Ok(())
}

fn as_json(record: &ConsumedRecord) -> serde_json::Value {
    // An object instead of a text: a reader can tell digits from text that looks like them.
    let bytes = |bytes: &[u8]| match std::str::from_utf8(bytes) {
        Ok(text) => json!(text),
        Err(_binary) => json!({ "hex": hexadecimal(bytes) }),
    };
    let optional = |value: Option<&[u8]>| value.map_or(serde_json::Value::Null, bytes);
    let headers: Vec<serde_json::Value> = record
        .headers
        .iter()
        .map(|(name, value)| json!({ "name": readable(name), "value": optional(value.as_deref()) }))
        .collect();
    json!({
        "topic": record.topic,
        "partition": record.partition,
        "offset": record.offset,
        "timestamp": record.timestamp,
        "key": optional(record.key.as_deref()),
        "value": optional(record.value.as_deref()),
        "headers": headers,
    })
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn written(record: &ConsumedRecord, format: FormatName, verbose: bool) -> String {
        let mut out = Vec::new();
        write_record(&mut out, record, format, verbose).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn records_are_printed_in_each_format() {
        let record = ConsumedRecord {
            topic: "t".to_owned(),
            partition: 1,
            offset: 7,
            timestamp: 9,
            key: None,
            value: Some(Bytes::from_static(b"hi")),
            headers: vec![(Bytes::from_static(b"h"), Some(Bytes::from_static(&[0xff])))],
        };
        assert_eq!(written(&record, FormatName::Text, false), "hi\n");
        assert_eq!(written(&record, FormatName::Hex, false), "6869\n");
        assert_eq!(
            written(&record, FormatName::Text, true),
            "1:7\t9\th=\\xff \t(none)\thi\n"
        );
        let value: serde_json::Value =
            serde_json::from_str(&written(&record, FormatName::Json, false)).unwrap();
        assert_eq!(value["value"], "hi");
        assert_eq!(value["key"], serde_json::Value::Null);
        assert_eq!(value["headers"][0]["value"]["hex"], "ff");
    }
}

//! Compares the log with the ledgers: nothing lost, nothing twice, nothing out of order, no wrong
//! byte.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use anyhow::{Context, ensure};
use holdfast_client::{Client, ConsumedRecord, Consumer, ConsumerOptions, Start};
use holdfast_model::{Clock, SystemClock};

use super::{Entries, Recipe};

/// Examples of what is wrong that a verdict holds.
const EXAMPLES: usize = 20;

/// How long reading may make no progress.
const STANDSTILL: Duration = Duration::from_mins(1);

/// What an audit found.
#[derive(Debug, Default)]
pub struct Verdict {
    /// Records that some producer was told are kept.
    pub acknowledged: usize,
    /// Records that are in the log.
    pub found: usize,
    /// Acknowledged, and not in the log.
    pub lost: usize,
    /// In the log more than once.
    pub duplicated: usize,
    /// In the log after a record that its producer wrote later, or at an offset out of line.
    pub reordered: usize,
    /// Not the bytes that were written, or not where they were acknowledged.
    pub wrong: usize,
    /// Records that a client gave up; they may be in the log or not.
    pub failed: usize,
    /// Some of what is wrong.
    pub examples: Vec<String>,
}

impl Verdict {
    /// Nothing is wrong.
    ///
    /// # Errors
    /// Something is; with all counts.
    pub fn ensure_clean(&self) -> anyhow::Result<()> {
        let sum = self.lost + self.duplicated + self.reordered + self.wrong;
        ensure!(
            sum == 0,
            "the log does not keep what was acknowledged: {self:#?}"
        );
        ensure!(self.acknowledged > 0, "nothing was acknowledged");
        Ok(())
    }

    fn note(&mut self, what: String) {
        if self.examples.len() < EXAMPLES {
            self.examples.push(what);
        }
    }
}

/// What one producer wrote to one partition, as the log has it.
#[derive(Debug, Default)]
struct Found {
    /// Offset and checksum by sequence.
    at: HashMap<u64, (i64, u32)>,
    highest: Option<u64>,
}

/// Reads a whole topic and compares it with the ledgers of all its producers.
///
/// # Errors
/// The topic cannot be read to its end.
pub async fn audit(
    client: &Client,
    topic: &str,
    ledgers: &[(Recipe, Entries)],
) -> anyhow::Result<Verdict> {
    let mut verdict = Verdict::default();
    let mut found: BTreeMap<(String, i32), Found> = BTreeMap::new();
    let mut ends: BTreeMap<i32, i64> = BTreeMap::new();
    let options = ConsumerOptions::default();
    let mut consumer = Consumer::of_topic(client.clone(), options, topic, Start::Earliest).await?;
    let clock = SystemClock::new();
    let mut last = clock.monotonic();
    while !consumer.is_caught_up() {
        let records = consumer.poll(Duration::from_secs(1)).await?;
        if !records.is_empty() {
            last = clock.monotonic();
        }
        ensure!(
            clock.monotonic().since(last) < STANDSTILL,
            "the topic cannot be read to its end"
        );
        for record in &records {
            take(record, &mut ends, &mut found, &mut verdict);
        }
    }
    for (recipe, entries) in ledgers {
        compare(recipe, entries, &found, &mut verdict);
    }
    Ok(verdict)
}

fn take(
    record: &ConsumedRecord,
    ends: &mut BTreeMap<i32, i64>,
    found: &mut BTreeMap<(String, i32), Found>,
    verdict: &mut Verdict,
) {
    verdict.found += 1;
    let (partition, offset) = (record.partition, record.offset);
    // Nothing but the producers' records is in the log, and no record is without offset.
    let expected = ends.insert(partition, offset + 1).unwrap_or(0);
    if offset != expected {
        verdict.reordered += 1;
        verdict.note(format!(
            "partition {partition}: offset {offset} follows {expected} - 1"
        ));
    }
    let read = read(
        record.value.as_deref().unwrap_or_default(),
        record.key.as_deref(),
    );
    let (name, written_to, sequence, crc) = match read {
        Ok(read) => read,
        Err(error) => {
            verdict.wrong += 1;
            verdict.note(format!("partition {partition} offset {offset}: {error:#}"));
            return;
        }
    };
    if written_to != partition {
        verdict.wrong += 1;
        verdict.note(format!(
            "{name} {written_to} {sequence} is in partition {partition}"
        ));
        return;
    }
    let place = format!("{name} {partition} {sequence} at {offset}");
    let found = found.entry((name, partition)).or_default();
    if let Some((first, _)) = found.at.insert(sequence, (offset, crc)) {
        verdict.duplicated += 1;
        verdict.note(format!("{place} is at {first} too"));
    } else if found.highest.is_some_and(|highest| sequence < highest) {
        verdict.reordered += 1;
        verdict.note(format!("{place} follows {:?}", found.highest));
    }
    found.highest = found.highest.max(Some(sequence));
}

/// Reads who wrote a value, to which partition, as which one; and its checksum.
fn read(value: &[u8], key: Option<&[u8]>) -> anyhow::Result<(String, i32, u64, u32)> {
    let (body, crc) = value.split_last_chunk::<4>().context("too short")?;
    let crc = u32::from_be_bytes(*crc);
    ensure!(checksum(body) == crc, "damaged");
    let mut words = body
        .splitn(4, |byte| *byte == b' ')
        .map(std::str::from_utf8);
    let mut word = || words.next().context("too few words");
    let name = word()??.to_owned();
    let (partition, sequence): (i32, u64) = (word()??.parse()?, word()??.parse()?);
    let expected = format!("{name}-{}", sequence % 100);
    ensure!(
        key == Some(expected.as_bytes()),
        "a key that is not {expected}"
    );
    Ok((name, partition, sequence, crc))
}

fn compare(
    recipe: &Recipe,
    entries: &Entries,
    found: &BTreeMap<(String, i32), Found>,
    verdict: &mut Verdict,
) {
    let nothing = Found::default();
    verdict.failed += entries.failed.len();
    for (partition, acks) in &entries.acks {
        let found = found
            .get(&(recipe.name.clone(), *partition))
            .unwrap_or(&nothing);
        for ack in acks {
            verdict.acknowledged += 1;
            let place = format!("{} {partition} {}", recipe.name, ack.sequence);
            match found.at.get(&ack.sequence) {
                None => {
                    verdict.lost += 1;
                    verdict.note(format!("{place}, told {}, is not there", ack.offset));
                }
                Some((offset, crc)) if *crc != ack.crc || ![*offset, -1].contains(&ack.offset) => {
                    verdict.wrong += 1;
                    verdict.note(format!("{place}, told {}, is at {offset}", ack.offset));
                }
                Some(_) => {}
            }
        }
    }
}

/// CRC-32 as zlib computes it, so that the writer needs nothing but Python.
fn checksum(bytes: &[u8]) -> u32 {
    const TABLE: [u32; 256] = table();
    let step = |crc: u32, byte: &u8| {
        let index = (crc ^ u32::from(*byte)) & 0xff;
        TABLE[index as usize] ^ (crc >> 8)
    };
    !bytes.iter().fold(!0, step)
}

const fn table() -> [u32; 256] {
    let mut table = [0; 256];
    let mut index = 0;
    while index < 256 {
        let mut value = index as u32;
        let mut bit = 0;
        while bit < 8 {
            value = if value & 1 == 1 {
                0xedb8_8320 ^ (value >> 1)
            } else {
                value >> 1
            };
            bit += 1;
        }
        table[index] = value;
        index += 1;
    }
    table
}

#[cfg(test)]
mod tests {
    use super::super::Ack;
    use super::*;

    fn value(name: &str, partition: i32, sequence: u64) -> Vec<u8> {
        let mut body = format!("{name} {partition} {sequence} filler").into_bytes();
        let crc = checksum(&body);
        body.extend(crc.to_be_bytes());
        body
    }

    fn record(offset: i64, sequence: u64) -> ConsumedRecord {
        ConsumedRecord {
            topic: "t".to_owned(),
            partition: 0,
            offset,
            timestamp: 0,
            key: Some(format!("p-{sequence}").into_bytes().into()),
            value: Some(value("p", 0, sequence).into()),
            headers: Vec::new(),
        }
    }

    fn judge(log: &[ConsumedRecord], acknowledged: u64) -> Verdict {
        let (mut verdict, mut found, mut ends) =
            (Verdict::default(), BTreeMap::new(), BTreeMap::new());
        for record in log {
            take(record, &mut ends, &mut found, &mut verdict);
        }
        let recipe = Recipe {
            name: "p".to_owned(),
            bootstrap: String::new(),
            topic: "t".to_owned(),
            partitions: 1,
            rate: 1,
            codec: "none",
        };
        let mut entries = Entries::default();
        for sequence in 0..acknowledged {
            let body = value("p", 0, sequence);
            let ack = Ack {
                sequence,
                offset: sequence as i64,
                crc: checksum(&body[..body.len() - 4]),
                sent_ms: 0,
                acked_ms: 0,
            };
            entries.acks.entry(0).or_default().push(ack);
        }
        compare(&recipe, &entries, &found, &mut verdict);
        verdict
    }

    #[test]
    fn an_unharmed_log_is_clean_and_each_harm_is_seen() {
        assert_eq!(checksum(b"123456789"), 0xcbf4_3926);
        let log: Vec<ConsumedRecord> = (0..4).map(|n| record(n, n as u64)).collect();
        // The last one was not acknowledged: it may be there.
        judge(&log, 3).ensure_clean().unwrap();
        assert_eq!(judge(&log[..2], 3).lost, 1);
        let twice = judge(&[record(0, 0), record(1, 1), record(2, 1)], 2);
        // The second copy is not where the record was acknowledged.
        assert_eq!((twice.duplicated, twice.wrong, twice.lost), (1, 1, 0));
        let swapped = judge(&[record(0, 1), record(1, 0)], 0);
        assert_eq!(swapped.reordered, 1);
        let mut damaged = log;
        let mut bytes = value("p", 0, 2);
        bytes[7] ^= 1;
        damaged[2].value = Some(bytes.into());
        let damaged = judge(&damaged, 3);
        assert_eq!((damaged.wrong, damaged.lost), (1, 1));
        assert_eq!(judge(&[record(0, 0), record(2, 1)], 1).reordered, 1);
        assert!(judge(&[], 0).ensure_clean().is_err());
    }
}

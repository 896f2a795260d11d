//! What one producer was told, read from the lines that it writes.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use anyhow::{Context, bail};

/// The most bytes that are read at once.
const READ_BYTES: u64 = 64 << 20;

/// An acknowledgement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ack {
    /// The record's number in its partition, as its producer counts.
    pub sequence: u64,
    /// The offset it was told; -1 where the client does not know.
    pub offset: i64,
    /// The checksum of the value.
    pub crc: u32,
    /// When it was handed to the client, in milliseconds since 1970.
    pub sent_ms: i64,
    /// When the client reported it, likewise.
    pub acked_ms: i64,
}

/// Everything that one producer was told so far.
#[derive(Debug, Default)]
pub struct Entries {
    /// By partition, in the order of the reports.
    pub acks: BTreeMap<i32, Vec<Ack>>,
    /// Records that the client gave up, with the reason.
    pub failed: Vec<String>,
    /// Errors after which the client does nothing more.
    pub fatal: Vec<String>,
    /// How many were written to each partition; known at the end.
    pub written: BTreeMap<i32, u64>,
    read: u64,
    unfinished: String,
}

impl Entries {
    /// How many records of a partition are acknowledged.
    pub fn acknowledged(&self, partition: i32) -> usize {
        self.acks.get(&partition).map_or(0, Vec::len)
    }

    /// How many records are acknowledged.
    pub fn total(&self) -> usize {
        self.acks.values().map(Vec::len).sum()
    }

    /// Reads what was added to the file.
    ///
    /// # Errors
    /// The file cannot be read, or a line is not what a ledger says.
    pub(super) fn read_on(&mut self, path: &Path) -> anyhow::Result<()> {
        let mut file = File::open(path)?;
        std::io::Seek::seek(&mut file, std::io::SeekFrom::Start(self.read))?;
        let read = file.take(READ_BYTES).read_to_string(&mut self.unfinished)?;
        self.read += read as u64;
        let text = std::mem::take(&mut self.unfinished);
        let whole = text.rfind('\n').map_or(0, |end| end + 1);
        for line in text[..whole].lines() {
            self.take(line)
                .with_context(|| format!("a line of the ledger: {line}"))?;
        }
        text[whole..].clone_into(&mut self.unfinished);
        Ok(())
    }

    fn take(&mut self, line: &str) -> anyhow::Result<()> {
        let (kind, rest) = line.split_once(' ').context("no words")?;
        match kind {
            "A" => {
                let mut words = rest.split(' ');
                let mut word = || words.next().context("too short");
                let partition = word()?.parse()?;
                let ack = Ack {
                    sequence: word()?.parse()?,
                    offset: word()?.parse()?,
                    crc: word()?.parse()?,
                    sent_ms: word()?.parse()?,
                    acked_ms: word()?.parse()?,
                };
                self.acks.entry(partition).or_default().push(ack);
            }
            "E" => self.failed.push(rest.to_owned()),
            "F" => self.fatal.push(rest.to_owned()),
            "S" => {
                let (partition, count) = rest.split_once(' ').context("too short")?;
                self.written.insert(partition.parse()?, count.parse()?);
            }
            _ => bail!("an unknown kind"),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_read_once_it_is_whole() {
        let path = std::env::temp_dir().join(format!("holdfast-entry-{}", std::process::id()));
        let mut entries = Entries::default();
        std::fs::write(&path, "A 1 0 10 77 5 6\nA 1 1 1").unwrap();
        entries.read_on(&path).unwrap();
        assert_eq!(entries.acknowledged(1), 1);
        std::fs::write(&path, "A 1 0 10 77 5 6\nA 1 1 11 78 6 9\nS 1 2\nF over\n").unwrap();
        entries.read_on(&path).unwrap();
        let ack = Ack {
            sequence: 1,
            offset: 11,
            crc: 78,
            sent_ms: 6,
            acked_ms: 9,
        };
        assert_eq!(entries.acks[&1][1], ack);
        assert_eq!((entries.written[&1], entries.fatal.len()), (2, 1));
        std::fs::write(
            &path,
            "A 1 0 10 77 5 6\nA 1 1 11 78 6 9\nS 1 2\nF over\nA x\n",
        )
        .unwrap();
        assert!(entries.read_on(&path).is_err());
        std::fs::remove_file(&path).unwrap();
    }
}

//! Records out of fragments. Only the beginning of a record is kept: that is where its claim stands.

use super::fragment::{Fragment, Part};
use crate::claim::{CLAIM_BYTES, Claim};

/// Sequence number and count, which open every write batch.
const BATCH_HEADER_BYTES: usize = 12;

/// The tag of log data in a write batch.
const LOG_DATA_TAG: u8 = 3;

/// What is kept of a record: the batch's header, tag, length and claim.
const HEAD_BYTES: usize = BATCH_HEADER_BYTES + 2 + CLAIM_BYTES;

/// What a fragment completed, and what it broke off.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Step {
    /// Where a record or fragment begins that makes no sense, and why.
    pub(super) bad: Option<(u64, &'static str)>,
    /// A whole record.
    pub(super) record: Option<Record>,
}

/// A whole record; without a claim it is none of our groups.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Record {
    pub(super) position: u64,
    pub(super) claim: Option<Claim>,
}

/// A record on its way.
#[derive(Debug, Default)]
pub(super) struct Assembly {
    open: Option<Open>,
}

#[derive(Debug)]
struct Open {
    position: u64,
    head: Vec<u8>,
}

impl Open {
    fn new(position: u64, payload: &[u8]) -> Self {
        let mut open = Self {
            position,
            head: Vec::with_capacity(HEAD_BYTES),
        };
        open.extend(payload);
        open
    }

    fn extend(&mut self, payload: &[u8]) {
        let missing = HEAD_BYTES.saturating_sub(self.head.len());
        self.head.extend(payload.iter().take(missing));
    }

    fn finish(&self) -> Record {
        Record {
            position: self.position,
            claim: claim_of(&self.head),
        }
    }
}

impl Assembly {
    /// Takes the next fragment of the file.
    pub(super) fn take(&mut self, fragment: &Fragment<'_>) -> Step {
        let Fragment {
            position,
            part,
            payload,
        } = *fragment;
        match part {
            Part::Other => Step::default(),
            Part::Bad(reason) => {
                let begun = self.open.take().map_or(position, |open| open.position);
                Step {
                    bad: Some((begun, reason)),
                    record: None,
                }
            }
            Part::Full | Part::First => {
                let bad = self
                    .open
                    .take()
                    .map(|open| (open.position, "record is unfinished"));
                let open = Open::new(position, payload);
                let record = (part == Part::Full).then(|| open.finish());
                if record.is_none() {
                    self.open = Some(open);
                }
                Step { bad, record }
            }
            Part::Middle | Part::Last => {
                let Some(open) = &mut self.open else {
                    return Step {
                        bad: Some((position, "record has no beginning")),
                        record: None,
                    };
                };
                open.extend(payload);
                if part == Part::Middle {
                    return Step::default();
                }
                Step {
                    bad: None,
                    record: self.open.take().map(|open| open.finish()),
                }
            }
        }
    }

    /// Where a record began that the file does not finish.
    pub(super) fn unfinished(&self) -> Option<(u64, &'static str)> {
        self.open
            .as_ref()
            .map(|open| (open.position, "record is cut"))
    }
}

fn claim_of(head: &[u8]) -> Option<Claim> {
    let (tag, rest) = head.get(BATCH_HEADER_BYTES..)?.split_first()?;
    let (length, rest) = rest.split_first()?;
    if *tag != LOG_DATA_TAG || usize::from(*length) != CLAIM_BYTES {
        return None;
    }
    Claim::decode(rest.get(..CLAIM_BYTES)?)
}

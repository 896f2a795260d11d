//! What every client has: a life, pauses, and a question that it waits for the answer of.

use crate::Time;

/// The life of a client.
#[derive(Debug, Default)]
pub(super) struct Life {
    /// It has lived so often.
    pub(super) number: u64,
    pub(super) alive: bool,
    /// It does nothing until then.
    pub(super) paused_until: Time,
    /// The question that it waits for, and until when.
    asked: Option<(u64, Time)>,
    next_ask: u64,
}

/// What a client may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Turn {
    Nothing,
    /// It may ask.
    Free,
    /// It may ask, and does not know what became of what it asked last.
    GivenUp,
}

impl Life {
    /// The life after this one.
    pub(super) fn next(&self) -> Self {
        Self {
            number: self.number + 1,
            alive: true,
            ..Self::default()
        }
    }

    pub(super) fn turn(&mut self, now: Time) -> Turn {
        if !self.alive || now < self.paused_until {
            return Turn::Nothing;
        }
        match self.asked {
            None => Turn::Free,
            Some((_, until)) if now < until => Turn::Nothing,
            Some(_) => {
                self.asked = None;
                Turn::GivenUp
            }
        }
    }

    /// The number of a new question.
    pub(super) fn ask(&mut self, until: Time) -> u64 {
        self.next_ask += 1;
        self.asked = Some((self.next_ask, until));
        self.next_ask
    }

    /// Whether it waits for this answer; then no more.
    pub(super) fn hears(&mut self, number: u64) -> bool {
        let waits = self.alive && self.asked.is_some_and(|(asked, _)| asked == number);
        if waits {
            self.asked = None;
        }
        waits
    }

    /// It asks nothing until then.
    pub(super) fn rest(&mut self, until: Time) {
        self.asked = Some((0, until));
    }
}

/// Reads on everywhere: what is to be committed. Every offset is used once, in the whole world.
pub(super) fn read_on(positions: &mut [(i32, i64)], next_offset: &mut i64) -> Vec<(i32, i64)> {
    let rows = positions.iter_mut().map(|(partition, position)| {
        *next_offset += 1;
        *position = *next_offset;
        (*partition, *position)
    });
    rows.collect()
}

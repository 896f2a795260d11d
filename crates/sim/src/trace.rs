//! What happened, in words, for a person and for the comparison of two runs.

use std::collections::VecDeque;

use crate::Time;

/// Lines kept for the report of a failure.
const KEPT: usize = 400;

/// Where the lines of a run go. A quiet trace costs nothing: the texts are never made.
#[derive(Debug)]
pub struct Trace {
    mode: Mode,
    hash: u64,
    lines: VecDeque<String>,
}

/// How much a trace keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Nothing: for many seeds.
    Quiet,
    /// The hash of all lines and the last few hundred of them.
    Last,
    /// Every line.
    Full,
}

impl Trace {
    /// A trace without lines.
    pub fn new(mode: Mode) -> Self {
        Self {
            mode,
            hash: 0xcbf2_9ce4_8422_2325,
            lines: VecDeque::new(),
        }
    }

    /// Adds a line.
    pub fn log(&mut self, now: Time, line: impl FnOnce() -> String) {
        if self.mode == Mode::Quiet {
            return;
        }
        let text = format!("{:>4}.{:06} {}", now / 1_000_000, now % 1_000_000, line());
        // FNV-1a: the hash must not depend on the standard library's version.
        for byte in text.bytes() {
            self.hash = (self.hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
        if self.mode == Mode::Last && self.lines.len() == KEPT {
            self.lines.pop_front();
        }
        self.lines.push_back(text);
    }

    /// The hash of every line so far.
    pub fn hash(&self) -> u64 {
        self.hash
    }

    /// The lines that were kept.
    pub fn into_lines(self) -> Vec<String> {
        self.lines.into()
    }
}

//! A log as far as the protocol sees it: which epoch each batch is of.

/// The most batches that a log of the model holds.
pub const MOST: usize = 4;

/// A batch. Its place in the log and its epoch are its name; two leaderships of one epoch, which no
/// rule allows, would give one name to two batches, and `life` tells them apart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Batch {
    /// The leader epoch it was appended in.
    pub epoch: u8,
    /// Which process of the leader appended it; always 0 as long as an epoch is of one process.
    pub life: u8,
}

/// The batches of one replica, from offset 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Log {
    len: u8,
    // What is beyond `len` is always the default: equal logs are equal.
    batches: [Batch; MOST],
}

impl Log {
    /// The log end.
    pub fn len(&self) -> u8 {
        self.len
    }

    /// Whether there is no batch.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The batch at an offset below the log end.
    pub fn at(&self, offset: u8) -> Batch {
        self.batches[usize::from(offset)]
    }

    /// The epoch of the last batch before an offset; 0 if there is none.
    pub fn epoch_before(&self, offset: u8) -> u8 {
        offset.checked_sub(1).map_or(0, |last| self.at(last).epoch)
    }

    /// Where an epoch's leadership began, if this is the log of its leader.
    pub fn start_of(&self, epoch: u8) -> u8 {
        let older = (0..self.len).take_while(|offset| self.at(*offset).epoch < epoch);
        older.count() as u8
    }

    /// Appends a batch; the caller sees to it that there is room.
    pub fn push(&mut self, batch: Batch) {
        self.batches[usize::from(self.len)] = batch;
        self.len += 1;
    }

    /// Drops everything from an offset on.
    pub fn cut(&mut self, to: u8) {
        for offset in to..self.len {
            self.batches[usize::from(offset)] = Batch::default();
        }
        self.len = self.len.min(to);
    }

    /// The first batches of it.
    #[must_use]
    pub fn first(&self, count: u8) -> Self {
        let mut log = *self;
        log.cut(count);
        log
    }

    /// Whether all batches of another log are the first of this one.
    pub fn begins_with(&self, other: &Self) -> bool {
        self.len >= other.len && self.first(other.len) == *other
    }

    /// Up to where two logs agree, as leader and follower find out: for each epoch that begins at the
    /// same offset in both, up to the smaller of its two ends. Only epochs are looked at.
    pub fn agreement(&self, other: &Self) -> u8 {
        let ends = |log: &Self, start: u8| {
            let epoch = log.at(start).epoch;
            (start..log.len)
                .take_while(|offset| log.at(*offset).epoch == epoch)
                .last()
                .map_or(start, |last| last + 1)
        };
        let begins = |log: &Self, offset: u8| log.epoch_before(offset) != log.at(offset).epoch;
        (0..self.len.min(other.len))
            .filter(|at| self.at(*at).epoch == other.at(*at).epoch)
            .filter(|at| begins(self, *at) && begins(other, *at))
            .map(|at| ends(self, at).min(ends(other, at)))
            .max()
            .unwrap_or(0)
    }
}

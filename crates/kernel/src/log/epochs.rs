//! Where each leader epoch begins in a log, and how two logs compare.

use holdfast_model::{EpochStart, LeaderEpoch, Offset, limits};

/// The epochs of a log, ascending in epoch and start.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EpochHistory {
    starts: Vec<EpochStart>,
}

/// How a follower's log compares with its leader's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Agreement {
    /// Both hold the same batches up to this offset; the follower goes on from there.
    UpTo(Offset),
    /// They have no batch in common that both still know: the follower starts anew at the leader's
    /// log start.
    Nothing,
}

impl EpochHistory {
    /// A history as stored.
    pub fn from_starts(starts: Vec<EpochStart>) -> Self {
        Self { starts }
    }

    /// The epochs and where they begin.
    pub fn starts(&self) -> &[EpochStart] {
        &self.starts
    }

    /// The newest epochs, as many as a handshake carries.
    pub fn recent(&self) -> &[EpochStart] {
        let from = self.starts.len().saturating_sub(limits::HANDSHAKE_EPOCHS);
        &self.starts[from..]
    }

    /// The epoch of the last batch.
    pub fn last(&self) -> LeaderEpoch {
        self.starts
            .last()
            .map_or(LeaderEpoch::UNKNOWN, |entry| entry.epoch)
    }

    /// Takes note of a batch of an epoch.
    pub fn note(&mut self, epoch: LeaderEpoch, start: Offset) {
        if self.starts.last().is_none_or(|last| epoch > last.epoch) {
            self.starts.push(EpochStart { epoch, start });
        }
    }

    /// Forgets what begins at or after an offset.
    pub fn truncate(&mut self, to: Offset) {
        self.starts.retain(|entry| entry.start < to);
    }

    /// Forgets epochs that end at or before the log start; the first that remains keeps its start.
    pub fn advance_start(&mut self, log_start: Offset) {
        let keep_from = self
            .starts
            .iter()
            .skip(1)
            .take_while(|e| e.start <= log_start)
            .count();
        self.starts.drain(..keep_from);
    }

    /// The largest epoch not above the one asked for, and where it ends: what
    /// `OffsetForLeaderEpoch` answers. An epoch older than all that are held ended before the first
    /// of them. None if it never was: below zero, or newer than the newest known, `newest`.
    pub fn end_of(
        &self,
        epoch: LeaderEpoch,
        newest: LeaderEpoch,
        log_end: Offset,
    ) -> Option<(LeaderEpoch, Offset)> {
        if epoch < LeaderEpoch(0) || epoch > newest {
            return None;
        }
        let Some(index) = self.starts.iter().rposition(|entry| entry.epoch <= epoch) else {
            let first = self.starts.first().map(|first| first.start);
            return Some((epoch, first.unwrap_or(log_end)));
        };
        let end = self
            .starts
            .get(index + 1)
            .map_or(log_end, |next| next.start);
        Some((self.starts[index].epoch, end))
    }

    /// The epoch of the batch at an offset.
    pub fn epoch_at(&self, offset: Offset) -> LeaderEpoch {
        self.starts
            .iter()
            .rev()
            .find(|entry| entry.start <= offset)
            .map_or(LeaderEpoch::UNKNOWN, |entry| entry.epoch)
    }

    /// Compares this log, a leader's, with a follower's.
    ///
    /// One (epoch, offset) names one batch for ever, and a batch is appended only after the one
    /// that precedes it at the leader. So two logs that share a batch share everything before it,
    /// and where both have batches of one epoch in one range they agree up to the smaller end.
    pub fn agreement(
        &self,
        mine: LogRange,
        theirs: &[EpochStart],
        their_range: LogRange,
    ) -> Agreement {
        if their_range.start == their_range.end {
            let inside = mine.start <= their_range.end && their_range.end <= mine.end;
            return if inside {
                Agreement::UpTo(their_range.end)
            } else {
                Agreement::Nothing
            };
        }
        // A log starts at or below a high watermark, and every leader holds what was below one: what
        // the follower dropped is agreed, even if nothing that it still holds is.
        let covers_start = mine.start <= their_range.start && their_range.start <= mine.end;
        let mut agreed = covers_start.then_some(their_range.start);
        for (epoch, start, end) in ranges(theirs, their_range) {
            let Some((_, my_start, my_end)) =
                ranges(&self.starts, mine).find(|(candidate, _, _)| *candidate == epoch)
            else {
                continue;
            };
            if start.max(my_start) < end.min(my_end) {
                agreed = agreed.max(Some(end.min(my_end)));
            }
        }
        agreed.map_or(Agreement::Nothing, Agreement::UpTo)
    }
}

/// The part of a partition that a log holds: from its first offset to its end, exclusive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogRange {
    /// First offset held.
    pub start: Offset,
    /// The offset after the last one held.
    pub end: Offset,
}

fn ranges(
    starts: &[EpochStart],
    log: LogRange,
) -> impl Iterator<Item = (LeaderEpoch, Offset, Offset)> + '_ {
    starts.iter().enumerate().map(move |(index, entry)| {
        let end = starts.get(index + 1).map_or(log.end, |next| next.start);
        (entry.epoch, entry.start.max(log.start), end)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn history(entries: &[(i32, i64)]) -> EpochHistory {
        EpochHistory::from_starts(
            entries
                .iter()
                .map(|(epoch, start)| EpochStart {
                    epoch: LeaderEpoch(*epoch),
                    start: Offset(*start),
                })
                .collect(),
        )
    }

    fn range(start: i64, end: i64) -> LogRange {
        LogRange {
            start: Offset(start),
            end: Offset(end),
        }
    }

    #[test]
    fn logs_agree_up_to_the_smaller_end_of_the_last_common_epoch() {
        let leader = history(&[(1, 0), (3, 50), (5, 80)]);
        let follower = history(&[(1, 0), (3, 50), (4, 70)]);
        let agreed = leader.agreement(range(0, 100), follower.starts(), range(0, 90));
        assert_eq!(agreed, Agreement::UpTo(Offset(70)));
        let shorter = history(&[(1, 0), (3, 50)]);
        let agreed = leader.agreement(range(0, 100), shorter.starts(), range(0, 60));
        assert_eq!(agreed, Agreement::UpTo(Offset(60)));
    }

    #[test]
    fn an_empty_follower_goes_on_from_where_it_is() {
        let leader = history(&[(1, 0)]);
        assert_eq!(
            leader.agreement(range(0, 9), &[], range(0, 0)),
            Agreement::UpTo(Offset(0))
        );
        assert_eq!(
            leader.agreement(range(5, 9), &[], range(0, 0)),
            Agreement::Nothing
        );
        assert_eq!(
            leader.agreement(range(0, 9), &[], range(20, 20)),
            Agreement::Nothing
        );
    }

    #[test]
    fn retention_on_one_side_does_not_hide_agreement() {
        let leader = history(&[(2, 0), (3, 50)]);
        let follower = history(&[(2, 0)]);
        let agreed = leader.agreement(range(30, 90), follower.starts(), range(0, 40));
        assert_eq!(agreed, Agreement::UpTo(Offset(40)));
        assert_eq!(
            leader.agreement(range(60, 90), follower.starts(), range(0, 40)),
            Agreement::Nothing
        );
    }

    #[test]
    fn the_end_of_an_epoch_is_the_start_of_the_next() {
        let log = history(&[(1, 0), (3, 50)]);
        let end_of = |log: &EpochHistory, epoch| {
            let end = log.end_of(LeaderEpoch(epoch), LeaderEpoch(9), Offset(80));
            end.map(|(epoch, end)| (epoch.0, end.0))
        };
        assert_eq!(end_of(&log, 2), Some((1, 50)));
        assert_eq!(end_of(&log, 9), Some((3, 80)));
        assert_eq!(end_of(&log, 10), None, "nobody led it yet");
        assert_eq!(end_of(&log, -1), None);
        assert_eq!(end_of(&log, 0), Some((0, 0)), "older than all that is held");
        assert_eq!(end_of(&EpochHistory::default(), 0), Some((0, 80)));
    }

    #[test]
    fn the_log_start_drops_only_epochs_that_ended() {
        let mut log = history(&[(1, 0), (3, 50), (4, 60)]);
        log.advance_start(Offset(55));
        assert_eq!(log.starts()[0].epoch, LeaderEpoch(3));
        assert_eq!(log.starts()[0].start, Offset(50));
        log.advance_start(Offset(60));
        assert_eq!(log.starts().len(), 1);
    }
}

//! The log of a coordinator's partition stays small: what counts is written again at its end, then
//! the log begins there.
//!
//! In this order: note the end, wait for every write before it, write page by page, wait for the last
//! page, move the log start. Whoever takes over in between finds a log that says the same from its
//! start as from the note.

use holdfast_model::Offset;

use super::{Cursor, Shard, Write, WriteId};

/// A log smaller than this is left alone, in bytes.
pub const REWRITING_FLOOR: u64 = 4 << 20;

/// A log is rewritten once it has grown to so many times what counted last.
const TIMES: u64 = 3;

/// Records of one page.
const PAGE: usize = 1_000;

/// How far the rewriting is, and what the log holds.
#[derive(Debug)]
pub struct Rewriting {
    stage: Stage,
    /// A log smaller than this is left alone.
    floor: u64,
    /// Bytes of the log.
    bytes: u64,
    /// Bytes of what counted when it was written last.
    live: u64,
    /// Whether it is never done: there are records that this version does not know.
    never: bool,
}

#[derive(Debug)]
enum Stage {
    Idle,
    /// Writes from before the note are under way.
    Waiting {
        start: Offset,
        after: WriteId,
    },
    /// Pages are written, one at a time. None: the last one is.
    Paging {
        start: Offset,
        cursor: Option<Cursor>,
        page_under_way: bool,
        written: u64,
    },
}

impl Rewriting {
    /// For a log of so many bytes; `never` if it holds records that this version does not know.
    pub fn new(bytes: u64, never: bool, floor: u64) -> Self {
        Self {
            stage: Stage::Idle,
            floor,
            bytes,
            live: 0,
            never,
        }
    }

    /// The log has grown.
    pub fn appended(&mut self, bytes: u64) {
        self.bytes += bytes;
    }

    /// Notes the end of the log, if it has become long.
    pub fn begin_if_due(&mut self, shard: &Shard, log_end: Offset) {
        let due = self.bytes > self.floor.max(self.live.saturating_mul(TIMES));
        if matches!(self.stage, Stage::Idle) && due && !self.never {
            self.stage = Stage::Waiting {
                start: log_end,
                after: shard.newest_write(),
            };
        }
    }

    /// Whether there is something to do at once.
    pub fn goes_on(&self, shard: &Shard) -> bool {
        match &self.stage {
            Stage::Idle => false,
            Stage::Waiting { after, .. } => shard.is_settled(*after),
            Stage::Paging { page_under_way, .. } => !page_under_way,
        }
    }

    /// The next page, if it is time. It must be appended before anything else is.
    pub fn page(&mut self, shard: &Shard) -> Option<Write> {
        if let Stage::Waiting { start, after } = self.stage
            && shard.is_settled(after)
        {
            self.stage = Stage::Paging {
                start,
                cursor: Some(Cursor::default()),
                page_under_way: false,
                written: 0,
            };
        }
        let Stage::Paging {
            cursor,
            page_under_way: false,
            ..
        } = &mut self.stage
        else {
            return None;
        };
        // What could not be written would be left behind: not now.
        if shard.has_unwritten_changes() {
            self.give_up();
            return None;
        }
        let (records, next) = shard.page(cursor.as_ref()?, PAGE);
        *cursor = next;
        let id = WriteId::default();
        (!records.is_empty()).then_some(Write { id, records })
    }

    /// A page is appended.
    pub fn page_appended(&mut self, bytes: u64) {
        if let Stage::Paging {
            page_under_way,
            written,
            ..
        } = &mut self.stage
        {
            *page_under_way = true;
            *written += bytes;
        }
    }

    /// The page under way is committed.
    pub fn page_committed(&mut self) {
        if let Stage::Paging { page_under_way, .. } = &mut self.stage {
            *page_under_way = false;
        }
    }

    /// It could not be written: the log stays as it is, and is looked at again once it has grown.
    pub fn give_up(&mut self) {
        self.stage = Stage::Idle;
        self.live = self.bytes / TIMES + self.floor;
    }

    /// Where the log may begin, once the last page is committed.
    pub fn finished(&mut self) -> Option<Offset> {
        let Stage::Paging {
            start,
            cursor: None,
            page_under_way: false,
            written,
        } = self.stage
        else {
            return None;
        };
        self.stage = Stage::Idle;
        // What came between the pages counts as written twice: the next one is due a little early.
        self.bytes = written;
        self.live = written;
        Some(start)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use holdfast_model::{Monotonic, TopicId};

    use super::super::{CommittedOffset, GroupOptions, Loader, Now, Planted, Record};
    use super::*;

    const FLOOR: u64 = REWRITING_FLOOR;

    fn shard(groups: usize) -> Shard {
        let mut loader = Loader::default();
        for index in 0..groups {
            loader.apply(Record::Offset {
                group: Arc::from(format!("g{index}")),
                topic: Arc::from("t"),
                partition: 0,
                value: Some(CommittedOffset {
                    offset: 1,
                    leader_epoch: -1,
                    metadata: Arc::from(""),
                    committed_ms: 1,
                    expires_ms: None,
                    topic_id: TopicId(uuid::Uuid::nil()),
                }),
            });
        }
        let now = Now {
            monotonic: Monotonic(1),
            wall_ms: 1,
        };
        loader.finish(GroupOptions::default(), now, Planted::None)
    }

    #[test]
    fn the_log_begins_at_the_note_once_every_page_is_committed() {
        let shard = shard(PAGE + 1);
        let mut rewriting = Rewriting::new(FLOOR, false, FLOOR);
        rewriting.begin_if_due(&shard, Offset(70));
        assert!(!rewriting.goes_on(&shard), "it is not long yet");
        rewriting.appended(1);
        rewriting.begin_if_due(&shard, Offset(77));
        for expected in [PAGE, 1] {
            assert!(rewriting.goes_on(&shard));
            assert_eq!(rewriting.finished(), None);
            let page = rewriting.page(&shard).expect("a page");
            assert_eq!(page.records.len(), expected);
            rewriting.page_appended(100);
            assert!(rewriting.page(&shard).is_none(), "one page at a time");
            assert_eq!(rewriting.finished(), None);
            rewriting.page_committed();
        }
        assert_eq!(rewriting.finished(), Some(Offset(77)));
        rewriting.begin_if_due(&shard, Offset(80));
        assert!(!rewriting.goes_on(&shard));
    }

    #[test]
    fn a_log_without_anything_that_counts_becomes_empty() {
        let shard = shard(0);
        let mut rewriting = Rewriting::new(FLOOR + 1, false, FLOOR);
        rewriting.begin_if_due(&shard, Offset(9));
        assert!(rewriting.page(&shard).is_none());
        assert_eq!(rewriting.finished(), Some(Offset(9)));
    }

    #[test]
    fn records_of_another_version_are_never_left_behind() {
        let mut rewriting = Rewriting::new(FLOOR * 9, true, FLOOR);
        let shard = shard(1);
        rewriting.begin_if_due(&shard, Offset(9));
        assert!(!rewriting.goes_on(&shard));
    }
}

//! Everything that counts, as records: so that the log may begin here.
//!
//! The caller notes where the log ends and the newest write, waits until that write is committed,
//! then appends what this gives, page by page. What is under way when its page is made was written
//! after the note, so that its own record stays; it is left out, or an older value would follow a
//! newer one. Once the last page is committed, the log may begin at the note.

use std::ops::Bound;
use std::sync::Arc;

use super::super::{GroupId, Planted, Record};
use super::{Group, Shard};

/// Where the next page begins.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cursor {
    group: Option<GroupId>,
    /// The first offset of that group; none for its members.
    offset: Option<(Arc<str>, i32)>,
}

impl Cursor {
    fn at(group: &GroupId, offset: Option<(Arc<str>, i32)>) -> Self {
        Self {
            group: Some(Arc::clone(group)),
            offset,
        }
    }
}

impl Shard {
    /// The next page, of `most` records, and where the one after it begins; none at the end.
    pub fn page(&self, from: &Cursor, most: usize) -> (Vec<Record>, Option<Cursor>) {
        let start = from
            .group
            .as_ref()
            .map_or(Bound::Unbounded, Bound::Included);
        let mut records = Vec::new();
        for (id, group) in self.groups.range::<GroupId, _>((start, Bound::Unbounded)) {
            let resumed = from.group.as_ref() == Some(id);
            let after = from.offset.as_ref().filter(|_| resumed);
            for (key, record) in self.rows(id, group, after) {
                if records.len() >= most.max(1) {
                    return (records, Some(key));
                }
                records.push(record);
            }
        }
        (records, None)
    }

    /// The records of a group, each with the cursor that begins at it.
    fn rows<'a>(
        &self,
        id: &'a GroupId,
        group: &'a Group,
        from: Option<&'a (Arc<str>, i32)>,
    ) -> impl Iterator<Item = (Cursor, Record)> + 'a {
        let careless = self.planted == Planted::RewriteOverPending;
        let settled = group.unstored == 0 || careless;
        let stored = group.stored.as_ref().filter(|_| settled && from.is_none());
        let members = stored.map(|value| {
            let record = Record::Group {
                group: Arc::clone(id),
                value: Some(Arc::clone(value)),
            };
            (Cursor::at(id, None), record)
        });
        let offsets = group
            .offsets
            .iter()
            .filter_map(move |(topic, partition, value)| {
                let before =
                    from.is_some_and(|(first, index)| (topic, partition) < (first, *index));
                if before || (group.offsets.is_unwritten(topic, partition) && !careless) {
                    return None;
                }
                let record = Record::Offset {
                    group: Arc::clone(id),
                    topic: Arc::clone(topic),
                    partition,
                    value: Some(value.clone()),
                };
                Some((Cursor::at(id, Some((Arc::clone(topic), partition))), record))
            });
        members.into_iter().chain(offsets)
    }
}

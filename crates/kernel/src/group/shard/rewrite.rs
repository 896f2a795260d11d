//! Everything that counts, as records: so that the log may begin here.
//!
//! The caller notes where the log ends and the newest write, waits until that write is committed,
//! then appends what this gives, page by page. What is under way when its page is made was written
//! after the note, so that its own record stays; it is left out, or an older value would follow a
//! newer one. Once the last page is committed, the log may begin at the note.

use std::ops::Bound;
use std::sync::Arc;

use super::super::{GroupId, ModernKey, Planted, Record};
use super::{Group, Shard};

/// Where the next page begins.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cursor {
    group: Option<GroupId>,
    /// The first record of that group.
    place: Place,
}

/// A record of a group; they are written in this order.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
enum Place {
    /// Its members, if they are of the classic protocol.
    #[default]
    Members,
    /// A part of it, if they are of the consumer protocol.
    Modern(ModernKey),
    /// An offset.
    Offset(Arc<str>, i32),
}

impl Cursor {
    fn at(group: &GroupId, place: Place) -> Self {
        Self {
            group: Some(Arc::clone(group)),
            place,
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
            let from = Some(&from.place).filter(|_| resumed);
            for (place, record) in self.rows(id, group, from) {
                if records.len() >= most.max(1) {
                    return (records, Some(Cursor::at(id, place)));
                }
                records.push(record);
            }
        }
        (records, None)
    }

    /// The records of a group from a place on, each with its place.
    fn rows<'a>(
        &self,
        id: &'a GroupId,
        group: &'a Group,
        from: Option<&'a Place>,
    ) -> impl Iterator<Item = (Place, Record)> + 'a {
        let careless = self.planted == Planted::RewriteOverPending;
        let settled = group.unstored == 0 || careless;
        let stored = group.stored.as_ref().filter(|_| settled);
        let members = stored.map(|value| {
            let record = Record::Group {
                group: Arc::clone(id),
                value: Some(Arc::clone(value)),
            };
            (Place::Members, record)
        });
        let modern = group.members.modern();
        let parts = group.keys.present().filter_map(move |key| {
            let value = modern?.value(key)?;
            if group.keys.is_unwritten(key) && !careless {
                return None;
            }
            let record = Record::Modern {
                group: Arc::clone(id),
                key: key.clone(),
                value: Some(value),
            };
            Some((Place::Modern(key.clone()), record))
        });
        let offsets = group
            .offsets
            .iter()
            .filter_map(move |(topic, partition, value)| {
                if group.offsets.is_unwritten(topic, partition) && !careless {
                    return None;
                }
                let record = Record::Offset {
                    group: Arc::clone(id),
                    topic: Arc::clone(topic),
                    partition,
                    value: Some(value.clone()),
                };
                Some((Place::Offset(Arc::clone(topic), partition), record))
            });
        let all = members.into_iter().chain(parts).chain(offsets);
        all.filter(move |(place, _)| from.is_none_or(|from| place >= from))
    }
}

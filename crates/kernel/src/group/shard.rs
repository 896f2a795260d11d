//! The groups of one partition of `__consumer_offsets`.

mod commit;
mod keys;
mod members;
mod migrate;
mod modern;
mod remove;
mod rewrite;
mod show;
mod written;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use holdfast_model::{ErrorCode, Monotonic};

use super::classic::{Now, Steps, Store};
use super::load::Loaded;
use super::membership::Membership;
use super::modern::ModernGroup;
use super::{
    Answer, ClassicGroup, Effects, GroupId, GroupOptions, GroupValue, JoinAnswer, ModernKey,
    OffsetRow, OffsetTable, Planted, Record, Ticket, Write, WriteId,
};

use keys::KeyLog;
use modern::{Told, refuse_told};

pub use rewrite::Cursor;

/// The groups of one partition, under one leadership.
#[derive(Debug)]
pub struct Shard {
    options: GroupOptions,
    planted: Planted,
    groups: BTreeMap<GroupId, Group>,
    /// When groups must be looked at; each group is here at most once.
    deadlines: BTreeSet<(Monotonic, GroupId)>,
    /// Writes under way, in the order of the log.
    pending: BTreeMap<WriteId, Pending>,
    next_write: u64,
    /// When answers stop to wait for their writes.
    patience: BTreeSet<(Monotonic, WriteId)>,
}

/// One group.
#[derive(Debug)]
pub(super) struct Group {
    members: Membership,
    offsets: OffsetTable,
    /// What the log says of its members, if they are of the classic protocol.
    stored: Option<Arc<GroupValue>>,
    /// How many records of its members are under way.
    unstored: u32,
    /// What the log says of its members, if they are of the consumer protocol.
    keys: KeyLog,
    /// The newest write of those.
    last_write: WriteId,
    deadline: Option<Monotonic>,
}

/// A write under way.
#[derive(Debug)]
struct Pending {
    group: GroupId,
    /// Who waits for it; none once it was told that it takes long.
    ticket: Option<Ticket>,
    patience: Option<Monotonic>,
    /// Answers to members of groups of the consumer protocol that wait for it.
    told: Vec<Told>,
    then: Then,
}

/// What a write does once it is committed.
#[derive(Debug)]
enum Then {
    /// Offsets change; with `forget`, the group's members are gone from the log too.
    Offsets {
        rows: Vec<OffsetRow>,
        forget: bool,
        keys: Vec<ModernKey>,
    },
    /// The log says this of members of the consumer protocol, and of those of the classic one.
    Modern {
        keys: Vec<ModernKey>,
        classic: Classic,
    },
    /// The log says this of the members.
    Members {
        value: Arc<GroupValue>,
        what: Members,
    },
}

/// What the log says of members of the classic protocol after a write of the other's.
#[derive(Debug)]
enum Classic {
    /// What it said before.
    Same,
    /// Nothing.
    Gone,
    /// This.
    Is(Arc<GroupValue>),
}

/// Why a group's members were written.
#[derive(Debug)]
enum Members {
    Assignment(i32),
    Emptied,
    Replaced(Box<JoinAnswer>),
}

impl Group {
    fn empty(now: Now, planted: Planted) -> Self {
        let options = GroupOptions::default();
        Self::loaded(Loaded::default(), &options, now, planted)
    }

    pub(super) fn loaded(
        loaded: Loaded,
        options: &GroupOptions,
        now: Now,
        planted: Planted,
    ) -> Self {
        let Loaded {
            value: stored,
            modern,
            offsets,
        } = loaded;
        let members = match (
            ModernGroup::of_stored(&modern, now, options, planted),
            &stored,
        ) {
            (Some(group), _) => Membership::Modern(group),
            (None, Some(value)) => {
                Membership::Classic(ClassicGroup::of_stored(value, now, planted))
            }
            (None, None) => Membership::Classic(ClassicGroup::new(now.wall_ms, planted)),
        };
        Self {
            members,
            offsets,
            stored,
            unstored: 0,
            keys: KeyLog::found(modern.into_keys()),
            last_write: WriteId::default(),
            deadline: None,
        }
    }

    /// Whether nothing is left of it, neither here nor in the log.
    fn is_gone(&self) -> bool {
        self.members.is_unused()
            && self.stored.is_none()
            && self.unstored == 0
            && self.keys.is_empty()
            && self.offsets.is_empty()
            && self.offsets.is_settled()
    }
}

impl Shard {
    /// A shard without groups.
    pub fn new(options: GroupOptions, planted: Planted) -> Self {
        Self {
            options,
            planted,
            groups: BTreeMap::new(),
            deadlines: BTreeSet::new(),
            pending: BTreeMap::new(),
            next_write: 0,
            patience: BTreeSet::new(),
        }
    }

    /// How many groups there are.
    pub fn len(&self) -> usize {
        self.groups.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.groups.is_empty()
    }

    /// How many writes are under way.
    pub fn writes_under_way(&self) -> usize {
        self.pending.len()
    }

    /// The newest write that was handed out.
    pub fn newest_write(&self) -> WriteId {
        WriteId(self.next_write)
    }

    /// Whether every write up to this one has taken effect.
    pub fn is_settled(&self, up_to: WriteId) -> bool {
        self.pending
            .keys()
            .next()
            .is_none_or(|first| *first > up_to)
    }

    pub(super) fn put(&mut self, id: &GroupId, group: Group, now: Now) {
        self.groups.insert(Arc::clone(id), group);
        self.after(id, now, Steps::default(), &mut Effects::default());
    }

    /// When something happens by itself.
    pub fn next_deadline(&self) -> Option<Monotonic> {
        let groups = self.deadlines.first().map(|(deadline, _)| *deadline);
        let writes = self.patience.first().map(|(deadline, _)| *deadline);
        groups.into_iter().chain(writes).min()
    }

    /// Ends what is over.
    pub fn tick(&mut self, now: Now, effects: &mut Effects) {
        while let Some((deadline, id)) = self.deadlines.first().cloned() {
            if deadline > now.monotonic {
                break;
            }
            let mut steps = Steps::default();
            if let Some(group) = self.groups.get_mut(&id) {
                group.members.tick(now, &self.options, &mut steps);
            }
            self.deadlines.remove(&(deadline, Arc::clone(&id)));
            if let Some(group) = self.groups.get_mut(&id) {
                group.deadline = None;
            }
            self.flush(&id, now, effects);
            self.after(&id, now, steps, effects);
        }
        self.lose_patience(now, effects);
    }

    fn lose_patience(&mut self, now: Now, effects: &mut Effects) {
        while let Some((deadline, write)) = self.patience.first().copied() {
            if deadline > now.monotonic {
                break;
            }
            self.patience.pop_first();
            let Some(pending) = self.pending.get_mut(&write) else {
                continue;
            };
            pending.patience = None;
            let told = std::mem::take(&mut pending.told);
            refuse_told(
                told,
                ErrorCode::CoordinatorNotAvailable,
                &mut effects.answers,
            );
            if let Some(ticket) = pending.ticket.take() {
                // It may be committed yet; whoever asks again is told then.
                let answer = Answer::Done(ErrorCode::CoordinatorNotAvailable);
                effects.answers.push((ticket, answer));
            }
        }
    }

    /// Answers everybody that somebody else coordinates now. Nothing else may be asked of a shard
    /// that resigned.
    pub fn resign(self) -> Vec<(Ticket, Answer)> {
        let code = ErrorCode::NotCoordinator;
        let mut answers = Vec::new();
        for group in self.groups.into_values() {
            let mut steps = Steps::default();
            group.members.give_up(code, &mut steps);
            answers.extend(steps.answers);
        }
        for pending in self.pending.into_values() {
            refuse_told(pending.told, code, &mut answers);
            if let Some(ticket) = pending.ticket {
                answers.push((ticket, refusal(&pending.then, code)));
            }
        }
        answers
    }

    /// The group with a name, made if there is none.
    fn group_or_new(&mut self, id: &GroupId, now: Now) -> Result<&mut Group, ErrorCode> {
        if !self.groups.contains_key(id) && self.groups.len() >= self.options.max_groups {
            return Err(ErrorCode::CoordinatorNotAvailable);
        }
        let planted = self.planted;
        let group = self.groups.entry(Arc::clone(id));
        Ok(group.or_insert_with(|| Group::empty(now, planted)))
    }

    /// After something happened to a group: what it wants written, its next deadline, its end.
    fn after(&mut self, id: &GroupId, now: Now, steps: Steps, effects: &mut Effects) {
        effects.answers.extend(steps.answers);
        for store in steps.stores {
            self.store(id, now, store, effects);
        }
        let Some(group) = self.groups.get_mut(id) else {
            return;
        };
        let next = group.members.next_deadline();
        if next != group.deadline {
            if let Some(before) = group.deadline {
                self.deadlines.remove(&(before, Arc::clone(id)));
            }
            if let Some(next) = next {
                self.deadlines.insert((next, Arc::clone(id)));
            }
            group.deadline = next;
        }
        if group.is_gone() {
            self.groups.remove(id);
        }
    }

    fn store(&mut self, id: &GroupId, now: Now, store: Store, effects: &mut Effects) {
        let (ticket, value, what) = match store {
            Store::Assignment { generation, value } => {
                (None, value, Members::Assignment(generation))
            }
            Store::Emptied(value) => (None, value, Members::Emptied),
            Store::Replaced {
                ticket,
                answer,
                value,
            } => (Some(ticket), value, Members::Replaced(answer)),
        };
        if let Some(group) = self.groups.get_mut(id) {
            group.unstored += 1;
        }
        let value = Arc::new(value);
        let record = Record::Group {
            group: Arc::clone(id),
            value: Some(Arc::clone(&value)),
        };
        let then = Then::Members { value, what };
        self.write(id, now, ticket, vec![record], then, effects);
    }

    fn write(
        &mut self,
        id: &GroupId,
        now: Now,
        ticket: Option<Ticket>,
        records: Vec<Record>,
        then: Then,
        effects: &mut Effects,
    ) -> WriteId {
        self.next_write += 1;
        let write = WriteId(self.next_write);
        // A JoinGroup that waits is answered by its write or by the end of this shard.
        let patient = matches!(then, Then::Members { .. });
        let patience = ticket
            .filter(|_| !patient)
            .map(|_| now.monotonic.plus(self.options.commit_timeout));
        if let Some(deadline) = patience {
            self.patience.insert((deadline, write));
        }
        let pending = Pending {
            group: Arc::clone(id),
            ticket,
            patience,
            told: Vec::new(),
            then,
        };
        self.pending.insert(write, pending);
        effects.writes.push(Write { id: write, records });
        write
    }
}

/// What somebody who waits for a write is told if it comes to nothing.
fn refusal(then: &Then, code: ErrorCode) -> Answer {
    match then {
        Then::Members {
            what: Members::Replaced(answer),
            ..
        } => Answer::Join(JoinAnswer::refused(code, &answer.member)),
        Then::Members { .. } | Then::Offsets { .. } | Then::Modern { .. } => Answer::Done(code),
    }
}

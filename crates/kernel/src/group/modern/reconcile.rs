//! One member moves towards its target: it gives up first, and gets what others gave up.

use std::collections::BTreeSet;

use holdfast_model::TopicId;

use super::Partitions;

/// How far a member is on its way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum MemberState {
    /// It has what it was to have in its epoch.
    #[default]
    Stable,
    /// It was told to give partitions up, and has not said yet that it did.
    Unrevoked,
    /// It waits for partitions that others have not given up yet.
    Unreleased,
}

/// Where a member is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Current {
    /// The epoch that it knows, or is told with the next answer; -2 while a static member is away.
    pub epoch: i32,
    /// The epoch before: it may still speak from there, if the answer was lost.
    pub previous_epoch: i32,
    /// How far it is.
    pub state: MemberState,
    /// What it is to read.
    pub assigned: Partitions,
    /// What it has to give up; nobody else may read that yet.
    pub revoking: Partitions,
}

impl Current {
    /// Everything that nobody else may read.
    pub(super) fn holds(&self) -> impl Iterator<Item = (TopicId, i32)> {
        each(&self.assigned).chain(each(&self.revoking))
    }

    /// Whether it has arrived at a target.
    pub(super) fn has_arrived(&self, target_epoch: i32) -> bool {
        self.state == MemberState::Stable && self.epoch == target_epoch
    }

    fn with_epoch(&mut self, epoch: i32) {
        if epoch != self.epoch {
            self.previous_epoch = self.epoch;
            self.epoch = epoch;
        }
    }
}

/// Every partition.
pub(super) fn each(partitions: &Partitions) -> impl Iterator<Item = (TopicId, i32)> {
    partitions
        .iter()
        .flat_map(|(topic, set)| set.iter().map(move |partition| (*topic, *partition)))
}

/// Whether all of `part` is in `whole`.
pub(super) fn is_subset(part: &Partitions, whole: &Partitions) -> bool {
    let nothing = BTreeSet::new();
    part.iter()
        .all(|(topic, set)| set.is_subset(whole.get(topic).unwrap_or(&nothing)))
}

/// Whether some partition is in both.
pub(super) fn share_any(one: &Partitions, other: &Partitions) -> bool {
    one.iter().any(|(topic, set)| {
        other
            .get(topic)
            .is_some_and(|others| !set.is_disjoint(others))
    })
}

/// Where a member is next. `owned` is what it says that it reads, if it says so; `is_free` whether
/// nobody has a partition.
pub(super) fn reconcile(
    current: &Current,
    target: &Partitions,
    target_epoch: i32,
    owned: Option<&Partitions>,
    is_free: impl Fn(TopicId, i32) -> bool,
) -> Current {
    let still_has = |revoking: &Partitions| owned.is_none_or(|owned| share_any(owned, revoking));
    let epoch = match current.state {
        MemberState::Stable if current.epoch == target_epoch => return current.clone(),
        MemberState::Unrevoked if still_has(&current.revoking) => return current.clone(),
        // It has given up what it had to.
        MemberState::Unrevoked => current.epoch + 1,
        MemberState::Stable | MemberState::Unreleased => current.epoch,
    };
    let mut next = Current {
        assigned: Partitions::new(),
        revoking: Partitions::new(),
        ..current.clone()
    };
    for (topic, set) in &current.assigned {
        for partition in set {
            let stays = target.get(topic).is_some_and(|set| set.contains(partition));
            let kind = if stays {
                &mut next.assigned
            } else {
                &mut next.revoking
            };
            kind.entry(*topic).or_default().insert(*partition);
        }
    }
    if !next.revoking.is_empty() && still_has(&next.revoking) {
        next.state = MemberState::Unrevoked;
        next.with_epoch(epoch.min(target_epoch));
        return next;
    }
    next.revoking.clear();
    next.state = MemberState::Stable;
    next.with_epoch(target_epoch);
    for (topic, partition) in each(target) {
        let has = next.assigned.get(&topic);
        if has.is_some_and(|set| set.contains(&partition)) {
            continue;
        }
        let was_mine = current.assigned.get(&topic);
        let was_mine = was_mine.is_some_and(|set| set.contains(&partition));
        if was_mine || is_free(topic, partition) {
            next.assigned.entry(topic).or_default().insert(partition);
        } else {
            next.state = MemberState::Unreleased;
        }
    }
    next
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    const TOPIC: TopicId = TopicId(Uuid::from_u128(1));

    fn some(partitions: &[i32]) -> Partitions {
        if partitions.is_empty() {
            return Partitions::new();
        }
        Partitions::from([(TOPIC, partitions.iter().copied().collect())])
    }

    fn at(epoch: i32, assigned: &[i32]) -> Current {
        Current {
            epoch,
            previous_epoch: epoch - 1,
            state: MemberState::Stable,
            assigned: some(assigned),
            revoking: Partitions::new(),
        }
    }

    #[test]
    fn a_member_gives_up_before_its_epoch_moves_on() {
        let before = at(3, &[0, 1, 2]);
        let target = some(&[1, 3]);
        let told = reconcile(&before, &target, 5, None, |_, _| true);
        assert_eq!(told.state, MemberState::Unrevoked);
        assert_eq!(told.epoch, 3);
        assert_eq!(
            (&told.assigned, &told.revoking),
            (&some(&[1]), &some(&[0, 2]))
        );
        // It says nothing of what it has, or has not finished.
        assert_eq!(reconcile(&told, &target, 5, None, |_, _| true), told);
        let owned = some(&[1, 2]);
        assert_eq!(
            reconcile(&told, &target, 5, Some(&owned), |_, _| true),
            told
        );
        let owned = some(&[1]);
        let done = reconcile(&told, &target, 5, Some(&owned), |_, _| true);
        assert_eq!((done.epoch, done.previous_epoch), (5, 3));
        assert_eq!(done.state, MemberState::Stable);
        assert_eq!(done.assigned, some(&[1, 3]));
    }

    #[test]
    fn a_member_waits_for_what_others_have() {
        let before = at(1, &[]);
        let target = some(&[0, 1]);
        let waits = reconcile(&before, &target, 2, None, |_, partition| partition == 1);
        assert_eq!(waits.state, MemberState::Unreleased);
        assert_eq!((waits.epoch, &waits.assigned), (2, &some(&[1])));
        let done = reconcile(&waits, &target, 2, None, |_, _| true);
        assert_eq!((done.state, &done.assigned), (MemberState::Stable, &target));
    }

    #[test]
    fn a_member_that_must_give_up_again_does_so_in_the_epoch_after() {
        let told = reconcile(&at(1, &[0, 1, 2]), &some(&[0, 1]), 2, None, |_, _| true);
        let owned = some(&[0, 1]);
        let again = reconcile(&told, &some(&[0]), 9, Some(&owned), |_, _| true);
        assert_eq!(again.state, MemberState::Unrevoked);
        assert_eq!((again.epoch, again.previous_epoch), (2, 1));
        assert_eq!(again.revoking, some(&[1]));
    }

    #[test]
    fn what_a_member_does_not_have_any_more_it_need_not_give_up() {
        let owned = some(&[0]);
        let next = reconcile(&at(1, &[0, 1]), &some(&[0]), 2, Some(&owned), |_, _| true);
        assert_eq!((next.state, next.epoch), (MemberState::Stable, 2));
    }
}

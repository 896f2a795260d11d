//! Groups that go from one protocol to the other while something else goes wrong.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use holdfast_model::{ErrorCode, consumer_protocol};

use super::super::super::{Effects, LEFT, ModernKey, ModernValue, Record};
use super::super::client::{client, partitions};
use super::super::rig::{Rig, text};
use super::{classic_pair, metadata, old, share, upgraded};

impl Rig {
    /// What is appended and not committed is refused.
    fn refuse_log(&mut self, code: ErrorCode) {
        let writes = std::mem::take(&mut self.under_way);
        let mut effects = Effects::default();
        for write in writes {
            self.shard.refused(self.now, write.id, code, &mut effects);
        }
        self.settle(effects);
    }
}

#[test]
fn a_join_that_is_refused_leaves_the_group_as_it_was() {
    let mut rig = Rig::new();
    let mut pair = classic_pair(&mut rig, false);
    let written = rig.log.len();
    let cluster = rig.cluster.clone();
    // The id of another member cannot begin again.
    let mut zombie = client(&pair[0].id());
    zombie.epoch = 0;
    let code = rig.refused(&cluster, &zombie.request());
    assert_ne!(code, ErrorCode::None);
    assert!(rig.shard.describe("g").is_some());
    assert_eq!(rig.log.len(), written);
    for one in &mut pair {
        assert_eq!(one.beat(&mut rig), ErrorCode::None);
        assert_eq!(one.sync(&mut rig), ErrorCode::None);
    }
}

#[test]
fn an_id_that_was_handed_out_and_never_used_keeps_nobody_out() {
    let mut rig = Rig::new();
    let request = rig.request(None);
    let ticket = rig.join(request);
    assert_eq!(rig.joined(ticket).code, ErrorCode::MemberIdRequired);
    let cluster = rig.cluster.clone();
    let mut new = client("new");
    rig.beat(&cluster, &mut new);
    assert_eq!(new.owned.len(), 4);
}

#[test]
fn what_a_member_left_behind_is_read_when_the_group_does_not_go_back_after_all() {
    let mut rig = Rig::new();
    let mut one = old();
    one.instance = Some(text("one"));
    let request = one.join_request(&rig);
    let ticket = rig.join(request);
    rig.pass(Duration::from_secs(7));
    one.id = Some(Arc::clone(&rig.joined(ticket).member));
    let all = consumer_protocol::encode_share(1, &share(&BTreeSet::from([0, 1, 2, 3])));
    rig.sync_with(&one.id(), 1, vec![(one.id(), Arc::from(&all[..]))]);
    one.generation = 1;
    let cluster = rig.cluster.clone();
    let mut new = client("new");
    rig.beat(&cluster, &mut new);
    let code = rig.heartbeat_as(&one.id(), Some("one"), 1);
    assert_eq!(code, ErrorCode::RebalanceInProgress);
    let mut request = one.join_request(&rig);
    request.member = Some(one.id());
    request.protocols[0].metadata = metadata(&BTreeSet::new());
    let ticket = rig.join(request);
    assert_eq!(rig.joined(ticket).code, ErrorCode::None);
    rig.beat(&cluster, &mut new);
    assert_eq!(new.owned.len(), 2);
    // It leaves, and nobody of the classic protocol says a word before the other one is another.
    new.epoch = LEFT;
    rig.beat_with(&cluster, &new.request());
    let mut other = client("other");
    other.instance = one.instance.clone();
    for _ in 0..3 {
        rig.beat(&cluster, &mut other);
    }
    assert_eq!(other.owned.len(), 4, "{other:?}");
}

#[test]
fn a_group_whose_way_back_was_refused_is_never_nothing_in_the_log() {
    let (mut rig, mut pair, mut new) = upgraded(false);
    let cluster = rig.cluster.clone();
    new.epoch = LEFT;
    rig.beat_with(&cluster, &new.request());
    rig.prompt = false;
    assert_eq!(pair[0].beat(&mut rig), ErrorCode::RebalanceInProgress);
    rig.refuse_log(ErrorCode::CoordinatorNotAvailable);
    rig.prompt = true;
    // Whatever happens next writes it again.
    let request = pair[1].join_request(&rig);
    rig.join(request);
    let is_group = |record: &&Record| matches!(record, Record::Group { value: Some(_), .. });
    let said = rig.log.iter().rev().find(is_group);
    assert!(
        matches!(said, Some(Record::Group { value: Some(value), .. }) if value.members.len() == 2)
    );
    rig.fail_over();
    assert_eq!(rig.shard.describe("g").unwrap().members.len(), 2);
    assert_eq!(pair[0].beat(&mut rig), ErrorCode::RebalanceInProgress);
}

#[test]
fn what_could_not_be_written_is_not_told_by_a_sync() {
    let (mut rig, mut pair, mut new) = upgraded(false);
    let cluster = rig.cluster.clone();
    // Everything of the one that leaves is free.
    new.epoch = LEFT;
    let mut third = client("third");
    rig.beat(&cluster, &mut third);
    rig.beat_with(&cluster, &new.request());
    assert_eq!(pair[0].beat(&mut rig), ErrorCode::RebalanceInProgress);
    rig.prompt = false;
    let request = pair[0].join_request(&rig);
    rig.join(request);
    rig.refuse_log(ErrorCode::CoordinatorNotAvailable);
    let generation = rig.shard.describe_modern("g").unwrap().epoch;
    let ticket = rig.sync(&pair[0].id(), generation, &[]);
    assert!(!rig.answers.contains_key(&ticket), "it is not committed");
    rig.commit_log();
    rig.prompt = true;
    assert!(rig.answers.contains_key(&ticket));
}

#[test]
fn what_no_group_can_keep_is_refused() {
    let mut rig = Rig::new();
    let mut pair = classic_pair(&mut rig, false);
    let mut request = pair[0].join_request(&rig);
    let one = request.protocols[0].clone();
    request.protocols = (0..101)
        .map(|number| super::Protocol {
            name: text(&format!("{number}")),
            ..one.clone()
        })
        .collect();
    let ticket = rig.join(request);
    assert_eq!(rig.joined(ticket).code, ErrorCode::InvalidRequest);
    let mut request = pair[0].join_request(&rig);
    request.protocols[0].metadata = vec![0; 5 << 20].into();
    let ticket = rig.join(request);
    assert_eq!(rig.joined(ticket).code, ErrorCode::InvalidRequest);
    assert_eq!(pair[0].beat(&mut rig), ErrorCode::None);
    let cluster = rig.cluster.clone();
    let mut long = client("new").request();
    long.topics = Some(vec![text(&"x".repeat(5 << 20))]);
    assert_eq!(rig.refused(&cluster, &long), ErrorCode::InvalidRequest);
}

#[test]
fn what_is_too_long_to_be_written_is_no_matter_of_the_member() {
    let (mut rig, _, _) = upgraded(false);
    let cluster = rig.cluster.clone();
    rig.prompt = false;
    let ticket = rig.beat_with(&cluster, &client("another").request());
    rig.refuse_log(ErrorCode::InvalidCommitOffsetSize);
    assert_eq!(rig.told(ticket).code, ErrorCode::UnknownServerError);
}

#[test]
fn a_group_that_says_more_of_itself_than_one_write_holds_stays_as_it_is() {
    let mut rig = Rig::new();
    let mut pair = classic_pair(&mut rig, false);
    let mut tickets = Vec::new();
    for one in &mut pair {
        let mut request = one.join_request(&rig);
        let mut said = request.protocols[0].metadata.to_vec();
        // With its name of five bytes, as much as a member may say.
        said.resize((4 << 20) - 5, 0);
        request.protocols[0].metadata = said.into();
        tickets.push(rig.join(request));
    }
    let leader = Arc::clone(&rig.joined(tickets[0]).leader);
    let shares = pair.each_ref().map(|one| {
        let nothing = consumer_protocol::encode_share(1, &share(&BTreeSet::new()));
        (one.id(), Arc::from(&nothing[..]))
    });
    rig.sync_with(&leader, 2, shares.to_vec());
    let cluster = rig.cluster.clone();
    let ticket = rig.beat_with(&cluster, &client("new").request());
    let answer = rig.told(ticket);
    assert_eq!(answer.code, ErrorCode::GroupIdNotFound);
    assert!(answer.message.unwrap().contains("too much for one write"));
    assert!(rig.shard.describe("g").is_some());
}

#[test]
fn a_log_that_gives_one_partition_to_two_is_read_and_gives_it_to_one() {
    let (mut rig, pair, _) = upgraded(false);
    let is_of = |record: &&Record, id| matches!(record, Record::Modern { key: ModernKey::Current(of), .. } if *of == id);
    let last = rig
        .log
        .iter()
        .rev()
        .find(|record| is_of(record, pair[0].id()));
    let Some(Record::Modern {
        group,
        key,
        value: Some(ModernValue::Current(current)),
    }) = last.cloned()
    else {
        panic!("{last:?}");
    };
    let mut greedy = current;
    greedy.assigned = partitions(&BTreeSet::from([0, 1, 2, 3]));
    rig.log.push(Record::Modern {
        group,
        key,
        value: Some(ModernValue::Current(greedy)),
    });
    rig.fail_over();
    let described = rig.shard.describe_modern("g").unwrap();
    let held = described
        .members
        .iter()
        .flat_map(|one| one.assigned.values().flatten());
    let mut held: Vec<i32> = held.copied().collect();
    held.sort_unstable();
    assert_eq!(held, [0, 1, 2, 3]);
}

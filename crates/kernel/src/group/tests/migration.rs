//! Groups that go from one protocol to the other while they have members.

mod edges;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use holdfast_model::{ErrorCode, MigrationPolicy, consumer_protocol};

use super::super::{GroupOptions, GroupState, JoinAnswer, LEFT, MemberId, Protocol};
use super::client::{Client, client};
use super::rig::{REBALANCE, Rig, row, text};

/// A consumer of the classic protocol that does as it is told.
struct Old {
    id: Option<MemberId>,
    instance: Option<Arc<str>>,
    generation: i32,
    owned: BTreeSet<i32>,
    /// It gives up nothing before it must, and says what it has.
    cooperative: bool,
}

fn old() -> Old {
    Old {
        id: None,
        instance: None,
        generation: -1,
        owned: BTreeSet::new(),
        cooperative: false,
    }
}

fn share(partitions: &BTreeSet<i32>) -> consumer_protocol::Share {
    let partitions = partitions.iter().copied().collect();
    consumer_protocol::Share::from([("orders".to_owned(), partitions)])
}

/// Version 1 of a subscription: version 0, and a share without its version and without its end.
fn metadata(owned: &BTreeSet<i32>) -> Arc<[u8]> {
    let mut bytes = consumer_protocol::subscription(&["orders".to_owned()]).to_vec();
    bytes[1] = 1;
    let share = consumer_protocol::encode_share(0, &share(owned));
    bytes.extend(&share[2..share.len() - 4]);
    bytes.into()
}

impl Old {
    fn id(&self) -> MemberId {
        self.id.clone().unwrap()
    }

    fn join_request(&mut self, rig: &Rig) -> super::super::JoinRequest {
        if !self.cooperative {
            self.owned.clear();
        }
        let protocol = Protocol {
            name: text("range"),
            metadata: metadata(&self.owned),
            topics: Arc::from([text("orders")]),
        };
        super::super::JoinRequest {
            instance: self.instance.clone(),
            protocols: vec![protocol],
            ..rig.request(self.id.as_ref())
        }
    }

    /// Joins a group of the consumer protocol, which answers at once, and asks what to read.
    fn join(&mut self, rig: &mut Rig) -> JoinAnswer {
        let request = self.join_request(rig);
        let ticket = rig.join(request);
        let mut answer = rig.joined(ticket).clone();
        if answer.code == ErrorCode::MemberIdRequired {
            self.id = Some(Arc::clone(&answer.member));
            let request = self.join_request(rig);
            let ticket = rig.join(request);
            answer = rig.joined(ticket).clone();
        }
        assert_eq!(answer.code, ErrorCode::None);
        self.id = Some(Arc::clone(&answer.member));
        self.generation = answer.generation;
        answer
    }

    fn sync(&mut self, rig: &mut Rig) -> ErrorCode {
        let ticket = rig.sync(&self.id(), self.generation, &[]);
        let answer = rig.synced(ticket).clone();
        if answer.code == ErrorCode::None {
            let share = consumer_protocol::decode_share(&answer.assignment).unwrap();
            self.owned = share.into_values().flatten().collect();
        }
        answer.code
    }

    fn beat(&self, rig: &mut Rig) -> ErrorCode {
        rig.heartbeat(&self.id(), self.generation)
    }

    /// What a client does between two polls.
    fn poll(&mut self, rig: &mut Rig) {
        let before = self.owned.clone();
        match self.beat(rig) {
            ErrorCode::None => return,
            ErrorCode::RebalanceInProgress => {}
            code => panic!("{code:?}"),
        }
        self.join(rig);
        let code = self.sync(rig);
        assert!(matches!(
            code,
            ErrorCode::None | ErrorCode::RebalanceInProgress
        ));
        if !before.is_subset(&self.owned) && self.cooperative {
            // It gave something up, and says so.
            self.join(rig);
            self.sync(rig);
        }
    }
}

/// A group of the classic protocol whose two members read the four partitions.
fn classic_pair(rig: &mut Rig, cooperative: bool) -> [Old; 2] {
    let mut pair = [(); 2].map(|()| Old {
        cooperative,
        ..old()
    });
    let mut tickets = Vec::new();
    for one in &mut pair {
        let request = one.join_request(rig);
        let ticket = rig.join(request);
        one.id = Some(Arc::clone(&rig.joined(ticket).member));
        let request = one.join_request(rig);
        tickets.push(rig.join(request));
    }
    rig.pass(Duration::from_secs(7));
    let leader = Arc::clone(&rig.joined(tickets[0]).leader);
    let shares = [BTreeSet::from([0, 1]), BTreeSet::from([2, 3])];
    let bytes = shares.each_ref().map(|one| {
        let bytes = consumer_protocol::encode_share(1, &share(one));
        // The rig speaks in text; these bytes are all below 128 but for the end.
        Arc::<[u8]>::from(&bytes[..])
    });
    let ids = pair.each_ref().map(Old::id);
    let assignments = [
        (Arc::clone(&ids[0]), Arc::clone(&bytes[0])),
        (Arc::clone(&ids[1]), Arc::clone(&bytes[1])),
    ];
    for one in &mut pair {
        one.generation = 1;
        if one.id() != leader {
            rig.sync(&one.id(), 1, &[]);
        }
    }
    rig.sync_with(&leader, 1, assignments.to_vec());
    for one in &mut pair {
        assert_eq!(one.sync(rig), ErrorCode::None);
        assert_eq!(one.owned.len(), 2);
        assert_eq!(one.beat(rig), ErrorCode::None);
    }
    pair
}

fn disjoint(olds: &[Old], news: &[Client]) -> Vec<i32> {
    let olds = olds.iter().map(|one| &one.owned);
    let all = olds.chain(news.iter().map(|one| &one.owned));
    let mut all: Vec<i32> = all.flatten().copied().collect();
    all.sort_unstable();
    let count = all.len();
    all.dedup();
    assert_eq!(all.len(), count, "two read one partition");
    all
}

fn upgraded(cooperative: bool) -> (Rig, [Old; 2], Client) {
    let mut rig = Rig::new();
    let mut pair = classic_pair(&mut rig, cooperative);
    let cluster = rig.cluster.clone();
    let mut new = client("new");
    rig.beat(&cluster, &mut new);
    assert!(new.owned.is_empty(), "nobody has given anything up");
    assert_eq!(rig.state(), GroupState::Reconciling);
    for _ in 0..4 {
        for one in &mut pair {
            one.poll(&mut rig);
        }
        rig.beat(&cluster, &mut new);
        disjoint(&pair, std::slice::from_ref(&new));
    }
    assert_eq!(disjoint(&pair, std::slice::from_ref(&new)), [0, 1, 2, 3]);
    assert_eq!(rig.state(), GroupState::Stable);
    assert!(!new.owned.is_empty());
    (rig, pair, new)
}

#[test]
fn the_first_member_of_the_other_protocol_takes_the_group_over_and_nobody_reads_twice() {
    for cooperative in [false, true] {
        let (rig, pair, _) = upgraded(cooperative);
        let described = rig.shard.describe_modern("g").unwrap();
        let classic = described
            .members
            .iter()
            .filter(|one| one.value.classic.is_some());
        assert_eq!(classic.count(), 2);
        // Whoever keeps what it had has read on all the time.
        if cooperative {
            assert!(pair.iter().any(|one| one.owned.len() == 2));
        }
        assert!(rig.shard.describe("g").is_none());
    }
}

#[test]
fn committed_offsets_outlive_the_change_and_only_the_present_generation_commits() {
    let mut rig = Rig::new();
    let pair = classic_pair(&mut rig, false);
    let done = rig.commit(&pair[0].id(), 1, vec![row(0, 5)]);
    assert_eq!(rig.done(done), Some(ErrorCode::None));
    let cluster = rig.cluster.clone();
    let mut new = client("new");
    rig.beat(&cluster, &mut new);
    assert_eq!(rig.offset(0), Some(5));
    // What it read of what it is about to give up.
    let done = rig.commit(&pair[0].id(), 1, vec![row(0, 6)]);
    assert_eq!(rig.done(done), Some(ErrorCode::None));
    let zombie = rig.commit(&pair[0].id(), 0, vec![row(0, 7)]);
    assert_eq!(rig.done(zombie), Some(ErrorCode::IllegalGeneration));
    assert_eq!(rig.offset(0), Some(6));
}

#[test]
fn when_the_last_member_of_the_consumer_protocol_is_gone_the_group_is_classic_again() {
    let (mut rig, mut pair, mut new) = upgraded(false);
    let cluster = rig.cluster.clone();
    new.epoch = LEFT;
    rig.beat_with(&cluster, &new.request());
    let generation = pair[0].generation;
    assert_eq!(pair[0].beat(&mut rig), ErrorCode::RebalanceInProgress);
    let described = rig.shard.describe("g").unwrap();
    assert_eq!(described.state, GroupState::PreparingRebalance);
    assert_eq!(described.members.len(), 2);
    let mut tickets = Vec::new();
    for one in &mut pair {
        let request = one.join_request(&rig);
        tickets.push(rig.join(request));
    }
    for ticket in tickets {
        let answer = rig.joined(ticket);
        assert_eq!(
            (answer.code, answer.generation),
            (ErrorCode::None, generation + 1)
        );
    }
}

#[test]
fn the_log_knows_who_speaks_which_protocol() {
    let (mut rig, mut pair, mut new) = upgraded(false);
    rig.fail_over();
    let cluster = rig.cluster.clone();
    for one in &mut pair {
        assert_eq!(one.beat(&mut rig), ErrorCode::None);
        assert_eq!(one.sync(&mut rig), ErrorCode::None);
    }
    rig.beat(&cluster, &mut new);
    assert_eq!(disjoint(&pair, std::slice::from_ref(&new)), [0, 1, 2, 3]);
    new.epoch = LEFT;
    rig.beat_with(&cluster, &new.request());
    assert_eq!(pair[0].beat(&mut rig), ErrorCode::RebalanceInProgress);
    // Nothing of the other protocol is left in the log, and everybody has to join for the next coordinator too.
    rig.fail_over();
    assert!(rig.shard.describe_modern("g").is_none());
    assert_eq!(rig.shard.describe("g").unwrap().members.len(), 2);
    for one in &pair {
        assert_eq!(one.beat(&mut rig), ErrorCode::RebalanceInProgress);
    }
}

#[test]
fn whoever_waits_in_a_group_that_goes_over_is_told_to_join_again() {
    let mut rig = Rig::new();
    let mut pair = classic_pair(&mut rig, false);
    let request = pair[0].join_request(&rig);
    let waits = rig.join(request);
    assert!(!rig.answers.contains_key(&waits));
    let cluster = rig.cluster.clone();
    rig.beat(&cluster, &mut client("new"));
    let answer = rig.joined(waits);
    assert_eq!(answer.code, ErrorCode::RebalanceInProgress);
    assert_eq!(answer.member, pair[0].id());
    assert_eq!(pair[0].join(&mut rig).code, ErrorCode::None);
}

#[test]
fn a_member_that_does_not_join_again_in_time_is_removed() {
    let mut rig = Rig::new();
    let mut pair = classic_pair(&mut rig, false);
    let cluster = rig.cluster.clone();
    let mut new = client("new");
    rig.beat(&cluster, &mut new);
    assert_eq!(pair[0].beat(&mut rig), ErrorCode::RebalanceInProgress);
    pair[1].poll(&mut rig);
    let step = Duration::from_secs(5);
    for _ in 0..(REBALANCE.as_secs() / step.as_secs()) {
        rig.pass(step);
        // It lives, and does not do as it is told.
        pair[0].beat(&mut rig);
        pair[1].poll(&mut rig);
        rig.beat(&cluster, &mut new);
    }
    assert_eq!(pair[0].beat(&mut rig), ErrorCode::UnknownMemberId);
    for _ in 0..3 {
        rig.beat(&cluster, &mut new);
        pair[1].poll(&mut rig);
    }
    let left = std::slice::from_ref(&pair[1]);
    assert_eq!(disjoint(left, &[new]), [0, 1, 2, 3]);
}

#[test]
fn a_static_member_comes_back_with_the_other_protocol_at_once() {
    let mut rig = Rig::new();
    let mut one = Old {
        instance: Some(text("one")),
        ..old()
    };
    let request = one.join_request(&rig);
    let ticket = rig.join(request);
    rig.pass(Duration::from_secs(7));
    one.id = Some(Arc::clone(&rig.joined(ticket).member));
    let bytes = consumer_protocol::encode_share(1, &share(&BTreeSet::from([0, 1, 2, 3])));
    rig.sync_with(&one.id(), 1, vec![(one.id(), Arc::from(&bytes[..]))]);
    let cluster = rig.cluster.clone();
    let mut new = client("new");
    new.instance = one.instance.clone();
    rig.beat(&cluster, &mut new);
    assert_eq!(new.owned.len(), 4);
    let code = rig.heartbeat_as(&one.id(), Some("one"), 1);
    assert_eq!(code, ErrorCode::FencedInstanceId);
    // And back: the group is one of the classic protocol with the next word.
    one.id = None;
    let answer = one.join(&mut rig);
    assert_ne!(answer.member, new.id);
    let code = rig.heartbeat_as(&one.id(), Some("one"), one.generation);
    assert_eq!(code, ErrorCode::RebalanceInProgress);
    assert!(rig.shard.describe("g").is_some());
}

#[test]
fn a_group_that_cannot_go_over_stays_as_it_is() {
    let refused = |rig: &mut Rig| {
        let cluster = rig.cluster.clone();
        let ticket = rig.beat_with(&cluster, &client("new").request());
        let answer = rig.told(ticket);
        assert_eq!(answer.code, ErrorCode::GroupIdNotFound);
        assert!(rig.shard.describe("g").is_some());
        answer.message.unwrap().to_string()
    };
    // Its members are no consumers at all: the rig's own members say it in text.
    let mut rig = Rig::new();
    let (leader, _) = rig.pair();
    assert!(refused(&mut rig).contains("malformed"));
    assert_eq!(rig.heartbeat(&leader, 1), ErrorCode::None);
    // Two of them read one partition, as their own assignor wanted.
    let mut rig = Rig::new();
    let pair = classic_pair(&mut rig, false);
    let mut pair = pair;
    let tickets: Vec<_> = pair
        .iter_mut()
        .map(|one| {
            let request = one.join_request(&rig);
            rig.join(request)
        })
        .collect();
    let leader = Arc::clone(&rig.joined(tickets[0]).leader);
    let bytes = consumer_protocol::encode_share(1, &share(&BTreeSet::from([0])));
    let same: Vec<_> = pair
        .iter()
        .map(|one| (one.id(), Arc::from(&bytes[..])))
        .collect();
    rig.sync_with(&leader, 2, same);
    assert!(refused(&mut rig).contains("same partitions"));
    // Nobody wants it.
    let mut rig = Rig::with(GroupOptions {
        migration: MigrationPolicy::Downgrade,
        ..GroupOptions::default()
    });
    let pair = classic_pair(&mut rig, false);
    assert!(refused(&mut rig).contains("not a consumer group"));
    assert_eq!(pair[0].beat(&mut rig), ErrorCode::None);
}

#[test]
fn a_group_that_may_not_go_back_gives_what_is_free_to_those_who_are_left() {
    let mut rig = Rig::with(GroupOptions {
        migration: MigrationPolicy::Upgrade,
        ..GroupOptions::default()
    });
    let mut pair = classic_pair(&mut rig, false);
    let cluster = rig.cluster.clone();
    let mut new = client("new");
    rig.beat(&cluster, &mut new);
    for _ in 0..4 {
        for one in &mut pair {
            one.poll(&mut rig);
        }
        rig.beat(&cluster, &mut new);
    }
    new.epoch = LEFT;
    rig.beat_with(&cluster, &new.request());
    for _ in 0..4 {
        for one in &mut pair {
            one.poll(&mut rig);
        }
    }
    assert_eq!(disjoint(&pair, &[]), [0, 1, 2, 3]);
    assert!(rig.shard.describe_modern("g").is_some());
    let left = rig.leave(&[&pair[0].id(), &text("nobody")]);
    assert_eq!(left, [ErrorCode::None, ErrorCode::UnknownMemberId]);
    for _ in 0..3 {
        pair[1].poll(&mut rig);
    }
    assert_eq!(pair[1].owned.len(), 4);
}

#[test]
fn members_of_other_kinds_and_foreign_ids_are_refused() {
    let (mut rig, mut pair, new) = upgraded(false);
    let mut request = pair[0].join_request(&rig);
    request.protocol_type = text("connect");
    let ticket = rig.join(request);
    assert_eq!(
        rig.joined(ticket).code,
        ErrorCode::InconsistentGroupProtocol
    );
    let mut request = pair[0].join_request(&rig);
    request.protocols[0].name = text("unheard of");
    let ticket = rig.join(request);
    assert_eq!(
        rig.joined(ticket).code,
        ErrorCode::InconsistentGroupProtocol
    );
    let mut request = pair[0].join_request(&rig);
    request.protocols[0].metadata = Arc::from([1, 2, 3]);
    let ticket = rig.join(request);
    assert_eq!(
        rig.joined(ticket).code,
        ErrorCode::InconsistentGroupProtocol
    );
    let mut request = pair[0].join_request(&rig);
    request.member = Some(Arc::clone(&new.id));
    let ticket = rig.join(request);
    assert_eq!(rig.joined(ticket).code, ErrorCode::UnknownMemberId);
    assert_eq!(
        rig.heartbeat(&new.id, new.epoch),
        ErrorCode::UnknownMemberId
    );
    let ticket = rig.sync(&pair[0].id(), pair[0].generation + 1, &[]);
    assert_eq!(rig.synced(ticket).code, ErrorCode::IllegalGeneration);
}

//! Groups of the consumer protocol.

use std::time::Duration;

use holdfast_model::{ErrorCode, TopicId};
use uuid::Uuid;

use super::super::{
    Effects, GroupState, HeartbeatRequest, LEFT, LEFT_FOR_A_WHILE, MemberState, Partitions,
};
use super::client::{client, owned, partitions};
use super::cluster::{Cluster, ORDERS};
use super::rig::{Rig, row, text};

#[test]
fn a_member_gets_what_another_one_has_given_up_and_not_before() {
    let (mut rig, cluster) = (Rig::new(), Cluster::new(4));
    let (mut a, mut b) = (client("a"), client("b"));
    rig.beat(&cluster, &mut a);
    assert_eq!((a.epoch, a.owned.len()), (1, 4));
    rig.beat(&cluster, &mut b);
    assert_eq!((b.epoch, b.owned.len()), (2, 0));
    assert_eq!(rig.state(), GroupState::Reconciling);
    // The first one hears that it keeps two, and says nothing of having given up the others yet.
    let before = a.clone();
    rig.beat(&cluster, &mut a);
    assert_eq!((a.epoch, a.owned.len()), (1, 2));
    rig.beat(&cluster, &mut b);
    assert_eq!(b.owned.len(), 0);
    let still_reads = HeartbeatRequest {
        owned: before.request().owned,
        ..a.request()
    };
    let ticket = rig.beat_with(&cluster, &still_reads);
    assert_eq!(rig.told(ticket).epoch, 1);
    rig.beat(&cluster, &mut b);
    assert_eq!(b.owned.len(), 0);
    // Now it does.
    rig.beat(&cluster, &mut a);
    assert_eq!(a.epoch, 2);
    rig.beat(&cluster, &mut b);
    assert_eq!(b.owned.len(), 2);
    assert!(a.owned.is_disjoint(&b.owned));
    assert_eq!(rig.state(), GroupState::Stable);
}

#[test]
fn whoever_missed_an_answer_hears_what_to_read_with_its_next_heartbeat() {
    let (mut rig, cluster) = (Rig::new(), Cluster::new(4));
    let (mut a, mut b) = (client("a"), client("b"));
    rig.beat(&cluster, &mut a);
    rig.beat(&cluster, &mut b);
    // It never read any of it, gets fewer, and does not hear so.
    a.owned.clear();
    rig.beat_with(&cluster, &a.request());
    rig.beat(&cluster, &mut b);
    assert_eq!(b.owned.len(), 2);
    rig.beat(&cluster, &mut a);
    assert_eq!((a.epoch, a.owned.len()), (2, 2));
    assert!(a.owned.is_disjoint(&b.owned));
}

#[test]
fn what_an_answer_says_is_committed_first() {
    let (mut rig, cluster) = (Rig::new(), Cluster::new(2));
    rig.prompt = false;
    let mut a = client("a");
    let join = rig.beat_with(&cluster, &a.request());
    assert!(!rig.answers.contains_key(&join));
    // Asked again, it is the same answer, and waits too.
    let again = rig.beat_with(&cluster, &a.request());
    assert!(!rig.answers.contains_key(&again));
    rig.commit_log();
    assert_eq!(rig.told(join), rig.told(again));
    a.hear(&rig.told(join));
    let idle = rig.beat_with(&cluster, &a.request());
    assert_eq!(rig.told(idle).assignment, None);
}

#[test]
fn what_could_not_be_written_is_written_with_the_next_heartbeat() {
    let (mut rig, cluster) = (Rig::new(), Cluster::new(2));
    rig.prompt = false;
    let mut a = client("a");
    let join = rig.beat_with(&cluster, &a.request());
    let write = rig.under_way.pop().unwrap();
    let mut effects = Effects::default();
    let code = ErrorCode::CoordinatorNotAvailable;
    rig.shard.refused(rig.now, write.id, code, &mut effects);
    rig.settle(effects);
    assert_eq!(rig.told(join).code, code);
    assert!(rig.under_way.is_empty(), "it is not tried at once");
    rig.prompt = true;
    rig.beat(&cluster, &mut a);
    assert_eq!(a.owned.len(), 2);
    rig.fail_over();
    rig.beat(&cluster, &mut a);
    assert_eq!((a.epoch, rig.state()), (1, GroupState::Stable));
}

#[test]
fn a_new_coordinator_goes_on_where_the_old_one_was() {
    let (mut rig, cluster) = (Rig::new(), Cluster::new(6));
    let mut clients = [client("a"), client("b"), client("c")];
    rig.settle_group(&cluster, &mut clients);
    let before = owned(&clients);
    let described = rig.shard.describe_modern("g");
    rig.fail_over();
    assert_eq!(rig.shard.describe_modern("g"), described);
    rig.settle_group(&cluster, &mut clients);
    assert_eq!(owned(&clients), before);
    // In the midst of a hand-over too.
    let mut late = client("d");
    rig.beat(&cluster, &mut late);
    rig.beat(&cluster, &mut clients[0]);
    rig.fail_over();
    let mut all = clients.to_vec();
    all.push(late);
    rig.settle_group(&cluster, &mut all);
    let total: usize = all.iter().map(|client| client.owned.len()).sum();
    assert_eq!(total, 6);
}

#[test]
fn epochs_fence() {
    let (mut rig, cluster) = (Rig::new(), Cluster::new(4));
    let mut clients = [client("a"), client("b")];
    rig.settle_group(&cluster, &mut clients);
    let a = clients[0].clone();
    let with = |epoch| HeartbeatRequest {
        epoch,
        ..a.request()
    };
    assert_eq!(
        rig.refused(&cluster, &with(a.epoch + 1)),
        ErrorCode::FencedMemberEpoch
    );
    // From the epoch before, if it reads nothing but its own: the answer was lost.
    let previous = a.epoch - 1;
    let ticket = rig.beat_with(&cluster, &with(previous));
    assert_eq!(rig.told(ticket).epoch, a.epoch);
    let mut more = with(previous);
    more.owned = Some(partitions(&(0..4).collect()));
    assert_eq!(rig.refused(&cluster, &more), ErrorCode::FencedMemberEpoch);
    let unknown = HeartbeatRequest {
        member: text("x"),
        ..a.request()
    };
    assert_eq!(rig.refused(&cluster, &unknown), ErrorCode::UnknownMemberId);
    let commits = |rig: &mut Rig, member: &str, epoch| {
        let ticket = rig.commit(member, epoch, vec![row(0, 1)]);
        rig.done(ticket).unwrap()
    };
    assert_eq!(commits(&mut rig, "a", a.epoch), ErrorCode::None);
    assert_eq!(
        commits(&mut rig, "a", previous),
        ErrorCode::StaleMemberEpoch
    );
    assert_eq!(commits(&mut rig, "x", a.epoch), ErrorCode::UnknownMemberId);
    assert_eq!(commits(&mut rig, "", -1), ErrorCode::UnknownMemberId);
    let fetch = |rig: &Rig, member, epoch| rig.shard.check_fetch("g", member, epoch);
    assert_eq!(fetch(&rig, "", -1), Ok(()));
    assert_eq!(fetch(&rig, "a", a.epoch), Ok(()));
    assert_eq!(fetch(&rig, "a", previous), Err(ErrorCode::StaleMemberEpoch));
    assert_eq!(fetch(&rig, "x", 1), Err(ErrorCode::UnknownMemberId));
}

#[test]
fn a_join_that_comes_again_late_takes_nothing_from_its_member() {
    let (mut rig, cluster) = (Rig::new(), Cluster::new(4));
    let (mut a, mut b) = (client("a"), client("b"));
    let join = a.request();
    rig.beat(&cluster, &mut a);
    assert_eq!(a.owned.len(), 4);
    rig.beat(&cluster, &mut b);
    // It says that it owns nothing, as it did before it was told of anything.
    rig.beat_with(&cluster, &join);
    rig.beat(&cluster, &mut b);
    rig.beat(&cluster, &mut b);
    assert!(b.owned.is_empty(), "two read {:?}", b.owned);
    // It knows nothing of that, and is asked to give up half.
    let mut clients = [a, b];
    rig.settle_group(&cluster, &mut clients);
    let [a, b] = clients;
    assert_eq!((a.owned.len(), b.owned.len()), (2, 2));
    assert!(a.owned.is_disjoint(&b.owned));
}

#[test]
fn what_comes_on_a_connection_left_for_a_newer_one_takes_nothing_from_its_member() {
    let (mut rig, cluster) = (Rig::new(), Cluster::new(4));
    let (mut a, mut b) = (client("a"), client("b"));
    rig.beat(&cluster, &mut a);
    // It reads nothing yet, in its present epoch, and asks again on another connection.
    let early = HeartbeatRequest {
        owned: Some(Partitions::new()),
        ..a.request()
    };
    let on_another = HeartbeatRequest {
        connection: 2,
        ..a.request()
    };
    rig.beat_with(&cluster, &on_another);
    rig.beat(&cluster, &mut b);
    rig.beat_with(&cluster, &on_another);
    // However often.
    rig.beat_with(&cluster, &early);
    rig.beat_with(&cluster, &early);
    rig.beat(&cluster, &mut b);
    assert!(b.owned.is_empty(), "two read {:?}", b.owned);
    // The same on its present connection is how a member gives up.
    let now = HeartbeatRequest {
        connection: 2,
        ..early
    };
    rig.beat_with(&cluster, &now);
    rig.beat(&cluster, &mut b);
    assert_eq!(b.owned.len(), 2);
}

#[test]
fn who_is_silent_or_keeps_what_it_was_to_give_up_is_out() {
    let (mut rig, cluster) = (Rig::new(), Cluster::new(4));
    let (mut a, mut b) = (client("a"), client("b"));
    rig.beat(&cluster, &mut a);
    rig.beat(&cluster, &mut b);
    let holds = a.clone();
    rig.beat(&cluster, &mut a);
    // It beats, and gives nothing up.
    for _ in 0..7 {
        rig.pass(Duration::from_secs(10));
        let request = HeartbeatRequest {
            epoch: a.epoch,
            owned: holds.request().owned,
            ..a.request()
        };
        rig.beat_with(&cluster, &request);
        rig.beat(&cluster, &mut b);
    }
    assert_eq!(
        rig.refused(&cluster, &a.request()),
        ErrorCode::UnknownMemberId
    );
    rig.beat(&cluster, &mut b);
    assert_eq!(b.owned.len(), 4);
    rig.pass(Duration::from_secs(46));
    assert_eq!(rig.state(), GroupState::Empty);
    rig.fail_over();
    assert_eq!(rig.state(), GroupState::Empty);
}

#[test]
fn a_static_member_is_missed_only_after_its_session() {
    let (mut rig, cluster) = (Rig::new(), Cluster::new(4));
    let (mut a, mut b) = (client("a"), client("b"));
    a.instance = Some(text("first"));
    rig.settle_group(&cluster, std::slice::from_mut(&mut a));
    let mut thief = client("t");
    thief.instance.clone_from(&a.instance);
    assert_eq!(
        rig.refused(&cluster, &thief.request()),
        ErrorCode::UnreleasedInstanceId
    );
    let away = HeartbeatRequest {
        epoch: LEFT_FOR_A_WHILE,
        ..a.request()
    };
    let ticket = rig.beat_with(&cluster, &away);
    assert_eq!(rig.told(ticket).epoch, LEFT_FOR_A_WHILE);
    rig.beat(&cluster, &mut b);
    assert_eq!(b.owned.len(), 0, "it keeps what it had");
    // It is back under another id.
    let mut back = client("a2");
    back.instance.clone_from(&a.instance);
    let mut both = [back, b];
    rig.settle_group(&cluster, &mut both);
    assert_eq!(owned(&both).concat().len(), 4);
    assert_eq!(
        rig.refused(&cluster, &a.request()),
        ErrorCode::FencedInstanceId
    );
    // This time it stays away.
    let away = HeartbeatRequest {
        epoch: LEFT_FOR_A_WHILE,
        ..both[0].request()
    };
    rig.beat_with(&cluster, &away);
    for _ in 0..5 {
        rig.pass(Duration::from_secs(10));
        rig.beat(&cluster, &mut both[1]);
    }
    rig.beat(&cluster, &mut both[1]);
    assert_eq!(both[1].owned.len(), 4);
}

#[test]
fn a_member_that_leaves_is_not_waited_for() {
    let (mut rig, cluster) = (Rig::new(), Cluster::new(4));
    let mut clients = [client("a"), client("b")];
    rig.settle_group(&cluster, &mut clients);
    let leaves = HeartbeatRequest {
        epoch: LEFT,
        ..clients[0].request()
    };
    let ticket = rig.beat_with(&cluster, &leaves);
    assert_eq!(rig.told(ticket).epoch, LEFT);
    rig.settle_group(&cluster, &mut clients[1..]);
    assert_eq!(clients[1].owned.len(), 4);
    assert_eq!(rig.refused(&cluster, &leaves), ErrorCode::UnknownMemberId);
}

#[test]
fn more_partitions_and_topics_that_match_are_given_out() {
    let (mut rig, mut cluster) = (Rig::new(), Cluster::new(2));
    let mut a = client("a");
    a.regex = Some(text("ord.*|pay[a-z]+"));
    rig.beat(&cluster, &mut a);
    assert_eq!(a.owned.len(), 2);
    cluster.put("orders", 7, 5);
    rig.pass(Duration::from_secs(1));
    rig.beat(&cluster, &mut a);
    assert_eq!(a.owned.len(), 5);
    for (id, name) in [(8, "payments"), (9, "repay"), (10, "__consumer_offsets")] {
        cluster.put(name, id, 3);
    }
    rig.pass(Duration::from_secs(1));
    let ticket = rig.beat_with(&cluster, &a.request());
    let assignment = rig.told(ticket).assignment.unwrap();
    let ids: Vec<TopicId> = assignment.keys().copied().collect();
    assert_eq!(ids, [ORDERS, TopicId(Uuid::from_u128(8))]);
    assert!(rig.shard.reads("g", "payments") && !rig.shard.reads("g", "repay"));
    let bad = HeartbeatRequest {
        regex: Some(text("(")),
        ..a.request()
    };
    assert_eq!(
        rig.refused(&cluster, &bad),
        ErrorCode::InvalidRegularExpression
    );
    let bad = HeartbeatRequest {
        assignor: Some(text("sticky")),
        ..a.request()
    };
    assert_eq!(rig.refused(&cluster, &bad), ErrorCode::UnsupportedAssignor);
}

#[test]
fn a_new_coordinator_knows_the_patterns() {
    let (mut rig, mut cluster) = (Rig::new(), Cluster::new(2));
    let mut a = client("a");
    a.regex = Some(text("ord.*|pay[a-z]+"));
    rig.beat(&cluster, &mut a);
    rig.fail_over();
    cluster.put("payments", 8, 3);
    rig.pass(Duration::from_secs(1));
    let ticket = rig.beat_with(&cluster, &a.request());
    let assignment = rig.told(ticket).assignment.unwrap();
    let ids: Vec<TopicId> = assignment.keys().copied().collect();
    assert_eq!(ids, [ORDERS, TopicId(Uuid::from_u128(8))]);
}

#[test]
fn whoever_missed_two_epochs_begins_anew() {
    let (mut rig, cluster) = (Rig::new(), Cluster::new(6));
    let mut clients = [client("a"), client("b"), client("c")];
    rig.settle_group(&cluster, &mut clients[..1]);
    let first = clients[0].epoch;
    rig.settle_group(&cluster, &mut clients[..2]);
    rig.settle_group(&cluster, &mut clients);
    let late = HeartbeatRequest {
        epoch: first,
        ..clients[0].request()
    };
    assert!(clients[0].epoch > first + 1);
    assert_eq!(rig.refused(&cluster, &late), ErrorCode::FencedMemberEpoch);
}

#[test]
fn who_left_is_gone_from_the_log_although_that_could_not_be_written_at_first() {
    let (mut rig, cluster) = (Rig::new(), Cluster::new(4));
    let mut clients = [client("a"), client("b")];
    rig.settle_group(&cluster, &mut clients);
    let leaves = HeartbeatRequest {
        epoch: LEFT,
        ..clients[1].request()
    };
    rig.prompt = false;
    rig.beat_with(&cluster, &leaves);
    let write = rig.under_way.pop().unwrap();
    let mut effects = Effects::default();
    let code = ErrorCode::CoordinatorNotAvailable;
    rig.shard.refused(rig.now, write.id, code, &mut effects);
    rig.settle(effects);
    rig.prompt = true;
    rig.settle_group(&cluster, &mut clients[..1]);
    rig.fail_over();
    let members = rig.shard.describe_modern("g").unwrap().members;
    assert_eq!(members.len(), 1);
    assert_eq!(clients[0].owned.len(), 4);
}

#[test]
fn a_static_member_that_leaves_for_a_while_has_given_up_what_it_was_told_to() {
    let (mut rig, cluster) = (Rig::new(), Cluster::new(4));
    let (mut a, mut b) = (client("a"), client("b"));
    a.instance = Some(text("first"));
    rig.beat(&cluster, &mut a);
    rig.beat(&cluster, &mut b);
    let still_reads = a.request();
    rig.beat_with(&cluster, &still_reads);
    rig.beat(&cluster, &mut b);
    assert_eq!(b.owned.len(), 0, "a was told, and has not said that it did");
    let away = HeartbeatRequest {
        epoch: LEFT_FOR_A_WHILE,
        ..a.request()
    };
    rig.beat_with(&cluster, &away);
    rig.beat(&cluster, &mut b);
    assert_eq!(b.owned.len(), 2);
}

#[test]
fn a_full_group_lets_nobody_in() {
    let (mut rig, cluster) = (Rig::new(), Cluster::new(4));
    for number in 0..Rig::MODERN_MAX_SIZE {
        rig.beat(&cluster, &mut client(&format!("m{number}")));
    }
    let one_more = client("x").request();
    let refused = rig.refused(&cluster, &one_more);
    assert_eq!(refused, ErrorCode::GroupMaxSizeReached);
}

#[test]
fn a_group_without_members_can_be_of_the_other_protocol_next() {
    let (mut rig, cluster) = (Rig::new(), Cluster::new(2));
    let mut a = client("a");
    rig.beat(&cluster, &mut a);
    let request = rig.request(None);
    let ticket = rig.join(request);
    assert_eq!(
        rig.joined(ticket).code,
        ErrorCode::InconsistentGroupProtocol
    );
    assert_eq!(rig.heartbeat("a", 1), ErrorCode::UnknownMemberId);
    let leaves = HeartbeatRequest {
        epoch: LEFT,
        ..a.request()
    };
    rig.beat_with(&cluster, &leaves);
    let (leader, _) = rig.pair();
    assert_eq!(
        rig.refused(&cluster, &client("b").request()),
        ErrorCode::GroupIdNotFound
    );
    rig.fail_over();
    assert_eq!(rig.shard.describe("g").unwrap().members.len(), 2);
    assert!(rig.shard.describe_modern("g").is_none());
    // Two epochs were before: generations go on counting.
    assert_eq!(rig.heartbeat(&leader, 3), ErrorCode::None);
    rig.pass(Duration::from_secs(11));
    let mut b = client("b");
    rig.beat(&cluster, &mut b);
    rig.fail_over();
    assert!(rig.shard.describe("g").is_none());
    rig.beat(&cluster, &mut b);
    assert_eq!(b.owned.len(), 2);
}

#[test]
fn a_deleted_group_leaves_nothing_in_the_log() {
    let (mut rig, cluster) = (Rig::new(), Cluster::new(2));
    let mut a = client("a");
    rig.beat(&cluster, &mut a);
    rig.commit("a", a.epoch, vec![row(0, 5)]);
    let delete = |rig: &mut Rig| {
        let ticket = rig.ticket();
        let mut effects = Effects::default();
        rig.shard
            .delete(rig.now, &Rig::group(), ticket, &mut effects);
        rig.settle(effects);
        rig.done(ticket)
    };
    assert_eq!(delete(&mut rig), Some(ErrorCode::NonEmptyGroup));
    let leaves = HeartbeatRequest {
        epoch: LEFT,
        ..a.request()
    };
    rig.beat_with(&cluster, &leaves);
    assert_eq!(delete(&mut rig), Some(ErrorCode::None));
    assert!(rig.shard.is_empty());
    rig.fail_over();
    assert!(rig.shard.is_empty());
}

#[test]
fn a_log_that_begins_at_a_rewriting_has_the_whole_group() {
    let (mut rig, cluster) = (Rig::new(), Cluster::new(9));
    let mut clients = [client("a"), client("b"), client("c")];
    rig.settle_group(&cluster, &mut clients);
    rig.commit("a", clients[0].epoch, vec![row(0, 5), row(1, 6)]);
    let described = rig.shard.describe_modern("g");
    for most in [1, 2, 100] {
        super::rewriting::rewrite(&mut rig, most, |_| {});
        assert_eq!(rig.log.len(), 2 + 3 * 3 + 2);
        rig.fail_over();
        assert_eq!(rig.shard.describe_modern("g"), described, "{most} a page");
    }
}

#[test]
fn a_member_whose_state_is_stored_moves_on_from_there() {
    let (mut rig, cluster) = (Rig::new(), Cluster::new(4));
    let (mut a, mut b) = (client("a"), client("b"));
    rig.beat(&cluster, &mut a);
    rig.beat(&cluster, &mut b);
    rig.beat(&cluster, &mut a);
    let states = rig.shard.member_states("g");
    assert_eq!(states, [MemberState::Unrevoked, MemberState::Unreleased]);
    rig.fail_over();
    assert_eq!(rig.shard.member_states("g"), states);
    // Its time to give up begins anew, and ends.
    rig.pass(Duration::from_secs(44));
    rig.beat(&cluster, &mut b);
    rig.pass(Duration::from_secs(2));
    rig.beat(&cluster, &mut b);
    assert_eq!(b.owned.len(), 4);
}

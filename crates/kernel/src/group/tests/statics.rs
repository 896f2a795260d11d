use std::sync::Arc;
use std::time::Duration;

use holdfast_model::ErrorCode;

use super::super::{JoinRequest, LeavingMember, MemberId};
use super::rig::{Rig, protocol, text};

fn named(rig: &mut Rig, name: &str, member: Option<&MemberId>) -> JoinRequest {
    let mut request = rig.request(member);
    request.instance = Some(text(name));
    request
}

/// A stable group of one static member.
fn settled(rig: &mut Rig) -> MemberId {
    let request = named(rig, "static", None);
    let ticket = rig.join(request);
    rig.pass(Duration::from_secs(7));
    let id = Arc::clone(&rig.joined(ticket).member);
    rig.sync(&id, 1, &[(&id, "all")]);
    id
}

#[test]
fn a_static_member_that_restarts_makes_no_rebalance_and_fences_its_former_self() {
    let mut rig = Rig::new();
    let before = settled(&mut rig);
    let request = named(&mut rig, "static", None);
    let ticket = rig.join(request);
    let answer = rig.joined(ticket).clone();
    assert_eq!((answer.code, answer.generation), (ErrorCode::None, 1));
    assert!(answer.skip_assignment);
    assert_ne!(answer.member, before);
    let sync = rig.sync(&answer.member, 1, &[]);
    assert_eq!(&*rig.synced(sync).assignment, b"all");
    let code = rig.heartbeat_as(&before, Some("static"), 1);
    assert_eq!(code, ErrorCode::FencedInstanceId);
    // The log knows the new id.
    rig.fail_over();
    assert_eq!(rig.heartbeat(&answer.member, 1), ErrorCode::None);
}

#[test]
fn an_older_client_that_led_is_told_that_its_former_self_does() {
    let mut rig = Rig::new();
    let before = settled(&mut rig);
    let mut request = named(&mut rig, "static", None);
    request.skips_assignment = false;
    let ticket = rig.join(request);
    let answer = rig.joined(ticket);
    assert_eq!((&answer.leader, answer.members.len()), (&before, 0));
}

#[test]
fn a_static_member_that_comes_back_with_another_preference_makes_a_rebalance() {
    let mut rig = Rig::new();
    let both = |first, second| vec![protocol(first, &["orders"]), protocol(second, &["orders"])];
    let mut request = named(&mut rig, "static", None);
    request.protocols = both("range", "sticky");
    let ticket = rig.join(request);
    rig.pass(Duration::from_secs(7));
    let id = Arc::clone(&rig.joined(ticket).member);
    rig.sync(&id, 1, &[(&id, "all")]);
    for (first, second, generation) in [("range", "sticky", 1), ("sticky", "range", 2)] {
        let mut request = named(&mut rig, "static", None);
        request.protocols = both(first, second);
        let ticket = rig.join(request);
        let answer = rig.joined(ticket);
        assert_eq!(answer.generation, generation);
        assert_eq!(answer.protocol.as_deref(), Some(first));
    }
}

#[test]
fn a_static_member_does_not_come_back_with_what_its_group_does_not_know() {
    let mut rig = Rig::new();
    settled(&mut rig);
    let mut request = named(&mut rig, "static", None);
    request.protocols = vec![protocol("sticky", &["orders"])];
    // Alone in its group; but it is a member already.
    let ticket = rig.join(request);
    assert_eq!(
        rig.joined(ticket).code,
        ErrorCode::InconsistentGroupProtocol
    );
}

#[test]
fn a_static_member_leaves_by_its_name() {
    let mut rig = Rig::new();
    settled(&mut rig);
    let leaving = [LeavingMember {
        member: text(""),
        instance: Some(text("static")),
    }];
    let mut effects = super::super::Effects::default();
    let answer = rig
        .shard
        .leave(rig.now, &Rig::group(), &leaving, &rig.cluster, &mut effects);
    rig.settle(effects);
    assert_eq!(answer.members, [ErrorCode::None]);
    assert!(rig.shard.describe("g").unwrap().members.is_empty());
}

//! The leader's side.

use super::*;

/// A leader with a streaming follower on each broker named, whose log is as given and synced.
fn streaming(view: &PartitionView, own: ReplicaLog, followers: &[(i32, ReplicaLog)]) -> Leader {
    let mut leads = leader(own, view);
    for (broker, log) in followers {
        let mut follows = follower(*broker, log.clone());
        converse(&mut leads, &mut follows, *broker, 1).expect("a start");
    }
    leads
}

fn acked(broker: i32, end: i64) -> Acked {
    Acked {
        session: SessionId(1),
        leader_epoch: LeaderEpoch(6),
        replica: replica(broker),
        broker_epoch: registration(broker),
        log_end: Offset(end),
        synced_end: Offset(end),
        log_start: Offset(0),
    }
}

fn members(proposal: &IsrProposal) -> Vec<i32> {
    proposal
        .isr
        .iter()
        .map(|member| member.replica.broker.0)
        .collect()
}

#[test]
fn the_high_watermark_is_the_smallest_synced_end_of_the_isr() {
    let shown = view(6, 1, &[0, 1, 2]);
    let mut leads = streaming(
        &shown,
        log(&[(1, 9)]),
        &[(1, ReplicaLog::empty()), (2, ReplicaLog::empty())],
    );
    assert!(
        !leads.on_acked(&acked(1, 90), Monotonic(0)),
        "2 has nothing yet"
    );
    assert!(leads.on_acked(&acked(2, 40), Monotonic(0)));
    assert_eq!(leads.high_watermark(), Offset(40));
}

#[test]
fn schedule_7_an_acknowledgement_counts_only_if_all_that_it_names_is_current() {
    let shown = view(6, 1, &[0, 1]);
    let mut leads = streaming(&shown, log(&[(1, 9)]), &[(1, ReplicaLog::empty())]);
    let good = acked(1, 90);
    let stale = [
        Acked {
            leader_epoch: LeaderEpoch(5),
            ..good
        },
        Acked {
            session: SessionId(2),
            ..good
        },
        Acked {
            broker_epoch: BrokerEpoch(99),
            ..good
        },
        Acked {
            replica: ReplicaId {
                incarnation: Incarnation(9),
                ..replica(1)
            },
            ..good
        },
        Acked {
            log_end: Offset(100),
            synced_end: Offset(100),
            ..good
        },
    ];
    for message in stale {
        assert!(!leads.on_acked(&message, Monotonic(0)), "{message:?}");
    }
    assert!(leads.on_acked(&good, Monotonic(0)));
}

#[test]
fn schedule_5_members_are_counted_in_the_committed_isr_and_waited_for_in_the_maximal_one() {
    let mut leads = streaming(&view(6, 1, &[0]), log(&[(1, 9)]), &[(1, log(&[(1, 9)]))]);
    let proposal = leads.propose(Monotonic(0)).expect("1 may join");
    assert_eq!(members(&proposal), [0, 1]);
    assert!(!leads.on_acked(&acked(1, 90), Monotonic(0)));
    assert!(!leads.has_min_isr(), "the growth is not committed");
    assert_eq!(leads.high_watermark(), Offset(0));
    assert!(
        leads.propose(Monotonic(0)).is_none(),
        "one change at a time"
    );
    assert!(leads.on_view(&view(6, 2, &[0, 1])));
    assert_eq!(
        (leads.high_watermark(), leads.pending()),
        (Offset(90), None)
    );
}

#[test]
fn schedule_5_a_fenced_member_is_not_counted_and_still_holds_the_high_watermark() {
    let shown = view(6, 1, &[0, 1, 2]);
    let mut leads = streaming(
        &shown,
        log(&[(1, 9)]),
        &[(1, ReplicaLog::empty()), (2, ReplicaLog::empty())],
    );
    let mut fenced = shown;
    fenced.replicas[2].countable = false;
    leads.on_view(&fenced);
    assert!(leads.has_min_isr());
    assert!(
        !leads.on_acked(&acked(1, 90), Monotonic(0)),
        "2 may be unfenced and elected"
    );
    assert!(
        leads.on_view(&view(6, 2, &[0, 1])),
        "the commit that excludes it"
    );
    assert_eq!(leads.high_watermark(), Offset(90));
}

#[test]
fn schedule_3_a_follower_below_the_epochs_start_does_not_join() {
    // The new leader knows high watermark 30 only; its epoch starts at 60.
    let mut own = log(&[(1, 6)]);
    own.learn_high_watermark(Offset(30));
    let mut leads = streaming(&view(6, 1, &[0]), own, &[(1, log(&[(1, 4)]))]);
    assert!(leads.propose(Monotonic(0)).is_none());
    leads.on_acked(&acked(1, 60), Monotonic(0));
    assert!(leads.propose(Monotonic(0)).is_some());
}

#[test]
fn a_wish_refused_for_good_is_settled_by_one_that_the_controller_can_take() {
    // 1 restarted while the controller did not hear this leader: it is still in the ISR, fenced.
    let shown = view(6, 1, &[0, 1]);
    let mut leads = streaming(&shown, log(&[(1, 3)]), &[(2, log(&[(1, 3)]))]);
    let first = leads.propose(Monotonic(0)).expect("2 may join");
    assert_eq!(members(&first), [0, 1, 2]);
    let mut restarted = shown;
    restarted.replicas[1].broker_epoch = BrokerEpoch(50);
    restarted.replicas[1].countable = false;
    leads.on_view(&restarted);
    leads.on_refused_proposal();
    let next = leads
        .pending()
        .expect("something must settle the first wish");
    assert_eq!(next.partition_epoch, first.partition_epoch);
    assert_eq!(
        members(next),
        [0],
        "a fenced process that is new there is refused for ever"
    );
}

#[test]
fn a_member_that_restarted_and_was_not_taken_out_joins_anew_once_it_has_caught_up() {
    // 1 restarted while a new controller had not heard this leader yet: it stayed in the ISR under
    // its earlier registration, where no election counts it as one that ran through.
    let mut shown = view(6, 1, &[0, 1]);
    shown.replicas[1].broker_epoch = BrokerEpoch(50);
    shown.replicas[1].restarted = true;
    let mut leads = leader(log(&[(1, 9)]), &shown);
    let empty = ReplicaLog::empty();
    let mut again = Follower::new(replica(1), BrokerEpoch(50), empty, Planted::None);
    converse(&mut leads, &mut again, 1, 1).expect("a conversation");
    assert!(leads.propose(Monotonic(0)).is_none(), "it has nothing yet");
    let mut caught_up = acked(1, 90);
    caught_up.broker_epoch = BrokerEpoch(50);
    leads.on_acked(&caught_up, Monotonic(0));
    let proposal = leads.propose(Monotonic(0)).expect("1 joins anew");
    assert_eq!(members(&proposal), [0, 1]);
    assert_eq!(proposal.isr[1].broker_epoch, BrokerEpoch(50));
    // Once agreed on, nothing is left to wish.
    let mut settled = shown;
    settled.partition_epoch = PartitionEpoch(2);
    settled.replicas[1].restarted = false;
    leads.on_view(&settled);
    assert!(leads.propose(Monotonic(0)).is_none());
}

#[test]
fn a_change_in_flight_is_settled_by_a_newer_record_and_by_nothing_else() {
    let shown = view(6, 1, &[0, 1]);
    let mut leads = streaming(
        &shown,
        log(&[(1, 3)]),
        &[(1, log(&[(1, 3)])), (2, log(&[(1, 3)]))],
    );
    leads.on_acked(&acked(1, 30), Monotonic(0));
    leads.propose(Monotonic(0)).expect("2 may join");
    leads.on_refused_proposal();
    leads.on_view(&shown);
    assert!(leads.pending().is_some());
    leads.append(batch(0, 10, 0), limits(), Monotonic(0));
    leads.on_synced(Offset(40));
    leads.on_acked(&acked(1, 40), Monotonic(0));
    assert_eq!(
        leads.high_watermark(),
        Offset(30),
        "2 may be a member by now"
    );
    leads.on_view(&view(6, 2, &[0, 1]));
    assert_eq!(
        (leads.pending(), leads.high_watermark()),
        (None, Offset(40))
    );
}

#[test]
fn a_member_that_lags_is_proposed_for_removal_and_holds_the_high_watermark_until_then() {
    let shown = view(6, 1, &[0, 1, 2]);
    let mut leads = streaming(&shown, log(&[(1, 3)]), &[(1, log(&[(1, 3)]))]);
    let late = Monotonic(2_000_000_000);
    leads.on_acked(&acked(1, 30), late);
    let proposal = leads.propose(late).expect("2 was never heard");
    assert_eq!(
        (members(&proposal), leads.high_watermark()),
        (vec![0, 1], Offset(0))
    );
}

#[test]
fn schedule_13_records_are_deleted_once_every_member_has_synced_the_new_start() {
    let shown = view(6, 1, &[0, 1]);
    let mut leads = streaming(&shown, log(&[(1, 9)]), &[(1, ReplicaLog::empty())]);
    leads.on_acked(&acked(1, 90), Monotonic(0));
    leads.log_mut().advance_start(Offset(50));
    let of_one = Acked {
        log_start: Offset(50),
        ..acked(1, 90)
    };
    leads.on_acked(&of_one, Monotonic(0));
    assert_eq!(
        leads.low_watermark(),
        Offset(0),
        "the leader's own disk may forget"
    );
    leads.log_mut().start_synced(Offset(50));
    assert_eq!(leads.low_watermark(), Offset(50));
}

/// Appends a batch of ten at a moment; the leader's own sync is up to the test.
fn append(leads: &mut Leader, at: Monotonic) {
    let end = leads.log().log_end().0;
    leads.append(batch(end, 10, 6), limits(), at);
}

#[test]
fn a_leader_whose_own_disk_stands_still_gives_way_to_a_follower_that_keeps_pace() {
    let ms = |n: u64| Monotonic(n * 1_000_000);
    let shown = view(6, 1, &[0, 1, 2]);
    let mut leads = streaming(
        &shown,
        ReplicaLog::empty(),
        &[(1, ReplicaLog::empty()), (2, ReplicaLog::empty())],
    );
    append(&mut leads, ms(0));
    leads.on_synced(Offset(10));
    // Idle for a minute, then the disk stands still: that alone is no lag yet.
    append(&mut leads, ms(60_000));
    leads.on_acked(&acked(1, 20), ms(60_001));
    assert!(!leads.should_resign(ms(60_001)));
    assert!(!leads.should_resign(ms(61_500)));
    leads.on_acked(&acked(1, 20), ms(61_400));
    assert!(leads.should_resign(ms(61_501)));
    leads.on_synced(Offset(20));
    assert!(!leads.should_resign(ms(61_502)));
}

#[test]
fn who_has_everything_is_caught_up_as_long_as_its_broker_is_heard() {
    let ms = |n: u64| Monotonic(n * 1_000_000);
    let shown = view(6, 1, &[0, 1, 2]);
    let empty = ReplicaLog::empty;
    let mut leads = streaming(&shown, empty(), &[(1, empty()), (2, empty())]);
    append(&mut leads, ms(0));
    leads.on_synced(Offset(10));
    for follower in [1, 2] {
        leads.on_acked(&acked(follower, 10), ms(1));
    }
    let heard = |one, two| {
        std::collections::BTreeMap::from([(BrokerId(1), ms(one)), (BrokerId(2), ms(two))])
    };
    // A minute without records: the first broker was heard a moment ago, the second half a minute ago.
    leads.on_heard(&heard(60_000, 30_000));
    let left = leads.propose(ms(60_100)).expect("one of them lags");
    assert_eq!(members(&left), [0, 1]);
    // What was heard later and told earlier does not make it lag.
    leads.on_heard(&heard(10_000, 10_000));
    assert_eq!(
        leads.follower(BrokerId(1)).unwrap().last_caught_up,
        ms(60_000)
    );
    // Being heard is not enough for who lacks records.
    append(&mut leads, ms(60_200));
    leads.on_heard(&heard(60_300, 60_300));
    assert_eq!(
        leads.follower(BrokerId(1)).unwrap().last_caught_up,
        ms(60_000)
    );
}

#[test]
fn a_leader_stays_where_every_disk_stands_still() {
    let ms = |n: u64| Monotonic(n * 1_000_000);
    let shown = view(6, 1, &[0, 1, 2]);
    let mut leads = streaming(
        &shown,
        ReplicaLog::empty(),
        &[(1, ReplicaLog::empty()), (2, ReplicaLog::empty())],
    );
    append(&mut leads, ms(10));
    assert!(!leads.should_resign(ms(9_000)));
}

#[test]
fn a_follower_that_begins_anew_counts_for_nothing_until_it_has_begun() {
    let shown = view(6, 1, &[0, 2]);
    // Everything that the leader had was deleted; the follower holds less than that.
    let mut own = log(&[(1, 9)]);
    own.learn_high_watermark(Offset(90));
    own.advance_start(Offset(90));
    let mut leads = leader(own, &shown);
    let mut follows = follower(1, log(&[(1, 3)]));
    let action = converse(&mut leads, &mut follows, 1, 1);
    assert!(matches!(
        action,
        Ok(StartAction::Reset { at: Offset(90), .. })
    ));
    assert_eq!(leads.propose(Monotonic(0)), None, "it still ends at 30");
    leads.on_acked(&acked(1, 90), Monotonic(0));
    let proposal = leads.propose(Monotonic(0)).expect("it has begun");
    assert_eq!(members(&proposal), [0, 2, 1]);
}

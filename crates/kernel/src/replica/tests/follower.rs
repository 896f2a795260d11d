//! The follower's side.

use holdfast_model::LogCheckpoint;

use super::*;

fn checkpoint(at: Offset) -> LogCheckpoint {
    LogCheckpoint {
        log_start: at,
        log_end: at,
        high_watermark: at,
        ..LogCheckpoint::default()
    }
}

#[test]
fn schedule_7_a_truncation_lowers_both_ends_at_once_and_appends_wait_for_it() {
    let mut leads = leader(log(&[(1, 8), (5, 2)]), &view(6, 1, &[0, 1]));
    let mut follows = follower(1, log(&[(1, 8), (4, 2)]));
    let action = converse(&mut leads, &mut follows, 1, 1).expect("a start");
    assert_eq!(action, StartAction::Truncate { to: Offset(80) });
    assert_eq!(
        (follows.log().log_end(), follows.log().synced_end()),
        (Offset(80), Offset(80))
    );
    let header = leads.header(BrokerId(1), Offset(80)).expect("streaming");
    let early = follows.on_append(&header, &[batch(80, 10, 5)], limits());
    assert_eq!(early, Err(RefusedReason::NoSession));
    assert_eq!(
        follows.on_synced(Offset(100)),
        None,
        "a sync asked for before the cut"
    );
    assert_eq!(follows.log().synced_end(), Offset(80));
}

#[test]
fn an_epoch_that_comes_during_a_cut_does_not_make_anybody_forget_the_cut() {
    let mut leads = leader(log(&[(1, 8), (5, 2)]), &view(6, 1, &[0, 1]));
    let mut follows = follower(1, log(&[(1, 8), (4, 2)]));
    converse(&mut leads, &mut follows, 1, 1).expect("a start");
    follows.fence(LeaderEpoch(7));
    assert!(
        follows.is_cutting(),
        "the producers in memory are still those of the longer log"
    );
    let early = follows.on_open(LeaderEpoch(7), SessionId(1));
    assert_eq!(early, Err(RefusedReason::NoSession));
    follows.cut(log(&[(1, 8)]));
    assert_eq!(follows.acked(), None, "the conversation is over");
    assert!(follows.on_open(LeaderEpoch(7), SessionId(2)).is_ok());
}

#[test]
fn an_open_that_arrives_twice_does_not_cut_to_where_the_log_stood_long_ago() {
    let mut leads = leader(log(&[(1, 3)]), &view(6, 1, &[0, 1]));
    let mut follows = follower(1, ReplicaLog::empty());
    let epoch = leads.open(BrokerId(1), SessionId(4)).expect("a replica");
    let opened = follows.on_open(epoch, SessionId(4)).expect("opened");
    let start = leads.on_opened(&opened, Monotonic(0)).expect("a start");
    follows.on_start(&start).expect("goes on");
    let header = leads.header(BrokerId(1), Offset(0)).expect("streaming");
    let batches: Vec<_> = (0..3).map(|i| batch(i * 10, 10, 1)).collect();
    follows
        .on_append(&header, &batches, limits())
        .expect("appended");
    follows.on_synced(Offset(30)).expect("acknowledged");
    let copy = follows.on_open(epoch, SessionId(4));
    assert_eq!(copy, Err(RefusedReason::NoSession));
    let late = follows.on_open(epoch, SessionId(3));
    assert_eq!(late, Err(RefusedReason::NoSession));
    assert!(follows.on_start(&start).is_err());
    assert_eq!(follows.log().log_end(), Offset(30));
    assert!(follows.acked().is_some(), "the conversation goes on");
}

#[test]
fn a_start_meant_for_the_process_before_does_not_cut_the_log_of_the_one_after() {
    let mut leads = leader(log(&[(1, 3)]), &view(6, 1, &[0, 1]));
    let mut before = follower(1, ReplicaLog::empty());
    let epoch = leads.open(BrokerId(1), SessionId(4)).expect("a replica");
    let opened = before.on_open(epoch, SessionId(4)).expect("opened");
    let start = leads.on_opened(&opened, Monotonic(0)).expect("a start");
    // The process copied three batches, was killed, and is registered anew; a copy of Open reached
    // it first.
    let mut after = Follower::new(replica(1), BrokerEpoch(50), log(&[(1, 3)]), Planted::None);
    after.on_open(epoch, SessionId(4)).expect("opened");
    assert_eq!(after.on_start(&start), Err(RefusedReason::NoSession));
    assert_eq!(after.log().log_end(), Offset(30));
}

#[test]
fn schedule_10_nothing_below_the_known_high_watermark_is_given_up() {
    let mut leads = leader(log(&[(1, 3)]), &view(6, 1, &[0, 1]));
    let mut known = log(&[(1, 5)]);
    known.learn_high_watermark(Offset(40));
    let mut follows = follower(1, known);
    let refused = converse(&mut leads, &mut follows, 1, 1);
    assert_eq!(
        refused,
        Err(RefusedReason::BelowKnownHighWatermark(Offset(40)))
    );
    assert_eq!(follows.log().log_end(), Offset(50), "the data stays");
}

#[test]
fn a_follower_whose_whole_log_differs_agrees_up_to_its_log_start_and_goes_on() {
    // Everything before 50 was committed and deleted; what it holds since then is nobody's.
    let mut left = log(&[(1, 5), (4, 2)]);
    left.learn_high_watermark(Offset(50));
    left.advance_start(Offset(50));
    let mut follows = follower(1, left);
    let mut leads = leader(log(&[(1, 5), (5, 1)]), &view(6, 1, &[0, 1]));
    let action = converse(&mut leads, &mut follows, 1, 1).expect("not an alarm");
    assert_eq!(action, StartAction::Truncate { to: Offset(50) });
}

#[test]
fn records_deleted_up_to_the_middle_of_a_batch_do_not_keep_a_new_replica_out() {
    let mut held = log(&[(1, 5)]);
    held.learn_high_watermark(Offset(50));
    held.advance_start(Offset(33));
    let mut leads = leader(held, &view(6, 1, &[0, 1]));
    let mut follows = follower(1, ReplicaLog::empty());
    let action = converse(&mut leads, &mut follows, 1, 1).expect("a start");
    let StartAction::Reset { at, .. } = action else {
        panic!("{action:?}")
    };
    assert_eq!(at, Offset(33));
    follows.cut(ReplicaLog::restore(&checkpoint(at), &[], limits()));
    let header = leads.header(BrokerId(1), at).expect("streaming");
    let batches = [batch(30, 10, 1), batch(40, 10, 1)];
    follows
        .on_append(&header, &batches, limits())
        .expect("the batch that holds the log start");
    assert_eq!(
        (follows.log().log_start(), follows.log().log_end()),
        (Offset(33), Offset(50))
    );
    let restored = ReplicaLog::restore(&checkpoint(at), &batches, limits());
    assert_eq!(restored.log_end(), Offset(50));
    assert_eq!(restored.epochs(), follows.log().epochs());
}

#[test]
fn schedule_13_a_replica_that_starts_anew_receives_the_producers_of_what_it_will_not_see() {
    let mut held = log(&[(1, 5)]);
    held.learn_high_watermark(Offset(50));
    held.advance_start(Offset(30));
    let mut leads = leader(held, &view(6, 1, &[0, 1]));
    let mut follows = follower(1, ReplicaLog::empty());
    let action = converse(&mut leads, &mut follows, 1, 1).expect("a start");
    let StartAction::Reset { at, producers } = action else {
        panic!("{action:?}")
    };
    let checkpoint = LogCheckpoint {
        producers,
        ..checkpoint(at)
    };
    let entries = [batch(30, 10, 1), batch(40, 10, 1)];
    let rebuilt = ReplicaLog::restore(&checkpoint, &entries, limits());
    assert_eq!(rebuilt.producers(), leads.log().producers());
}

#[test]
fn an_older_leader_is_refused_and_told_of_the_newer_epoch() {
    let mut follows = follower(1, ReplicaLog::empty());
    follows
        .on_open(LeaderEpoch(6), SessionId(1))
        .expect("opened");
    let older = follows.on_open(LeaderEpoch(5), SessionId(9));
    assert_eq!(older, Err(RefusedReason::Fenced(LeaderEpoch(6))));
}

#[test]
fn a_replica_that_accepted_a_newer_leader_does_not_lead_by_an_older_view() {
    let mut held = log(&[(1, 1)]);
    let shown = view(6, 1, &[0, 1]);
    assert!(shown.leads(BrokerId(0), registration(0), &held));
    assert!(
        !shown.leads(BrokerId(0), BrokerEpoch(3), &held),
        "another process start"
    );
    held.accept_epoch(LeaderEpoch(7));
    assert!(!shown.leads(BrokerId(0), registration(0), &held));
}

#[test]
#[should_panic(expected = "INV-LOG-CONTIGUOUS")]
fn a_log_never_takes_a_batch_of_an_older_epoch_after_one_of_a_newer() {
    let mut held = log(&[(6, 1)]);
    held.append(&batch(10, 10, 5), limits());
}

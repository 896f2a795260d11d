//! Ways to lose an acknowledged record, step by step (`docs/replication.md`, section 6, has the numbers).
//! Each is played with the kernel as it is, which loses nothing and goes on afterwards; and with a bug
//! planted that it was made for, which must be caught in this very run.

use holdfast_kernel::planted::Planted;
use holdfast_model::Offset;
use holdfast_sim::{CLIENTS, CONTROLLER, Kind, Report, Script, quiet};

const SECOND: u64 = 1_000_000;

fn played(schedule: fn(&mut Script), planted: Planted) -> Report {
    let mut script = Script::new(planted);
    schedule(&mut script);
    script.finish()
}

/// Plays a schedule without a bug, and with each that it must catch.
fn plays(schedule: fn(&mut Script), bugs: &[Planted]) {
    quiet();
    let report = played(schedule, Planted::None);
    assert_eq!(report.violation, None, "{}", report.lines.join("\n"));
    assert!(report.committed > 10 && report.acknowledged > 5, "{report}");
    for bug in bugs {
        let report = played(schedule, *bug);
        let found = report
            .violation
            .unwrap_or_else(|| panic!("{bug:?} is not caught:\n{}", report.lines.join("\n")));
        assert!(
            found.invariant.starts_with("INV-"),
            "{bug:?}: {found:?}\n{}",
            report.lines.join("\n")
        );
    }
}

/// The leader pushes a batch that its followers sync and it does not; it loses its power, and is back
/// before anybody missed it.
#[test]
fn schedule_1_a_leader_that_restarts_at_once_does_not_lead_its_epoch_again() {
    plays(
        |script| {
            let (leader, one, other) = script.cast();
            script.hold_syncs(leader);
            script.wait("both followers synced what the leader did not", |script| {
                let reached = script.disk_end(leader);
                script.disk_end(one) > reached && script.disk_end(other) > reached
            });
            script.cut_power(leader);
            script.release();
            script.start(leader);
            script.run(3 * SECOND);
        },
        &[Planted::EpochUsedAgain],
    );
}

/// Two disks of three are wiped and formatted: whatever was written on them, they are nobody until a
/// person admits them.
#[test]
fn schedule_2_disks_that_were_formatted_again_wait_for_admission() {
    plays(
        |script| {
            let (leader, one, other) = script.cast();
            // One after the other: a disk is lost while another member of the ISR is intact.
            for node in [one, other] {
                script.wipe(node);
                script.start(node);
                script.run(2 * SECOND);
                script.must(|script| !script.is_registered(node));
            }
            script.must(|script| script.isr() == [leader]);
            let committed = script.committed();
            script.run(3 * SECOND);
            script.must(|script| script.committed() == committed);
            for node in [one, other] {
                script.admit(node);
            }
        },
        &[],
    );
}

/// The new leader knows an old high watermark; a follower that reached it, and not what was committed
/// beyond, must not join.
#[test]
fn schedule_3_nobody_joins_below_the_epochs_start() {
    plays(
        |script| {
            let (leader, one, other) = script.cast();
            script.hold(leader, other, Kind::Append);
            script.wait("the one who hears nothing is out", |script| {
                !script.isr().contains(&other)
            });
            // What is committed from now on, the next leader holds and does not know to be committed.
            let before = script.committed();
            script.hold(leader, one, Kind::Append);
            script.run(SECOND / 10);
            script.must(|script| script.committed() > before);
            script.kill(leader);
            script.lose();
            script.wait("the other in-sync replica leads", |script| {
                script.leads() == Some(one)
            });
            script.hold(one, other, Kind::Append);
            script.run(2 * SECOND);
        },
        &[Planted::JoinBelowEpochStart],
    );
}

/// A disk is wiped and admitted under the id that is still in the ISR; everybody else stops.
#[test]
fn schedule_4_an_empty_disk_is_not_the_one_that_was_in_sync() {
    plays(
        |script| {
            let (leader, one, other) = script.cast();
            // Nobody has missed it yet.
            script.wipe(one);
            script.admit(one);
            script.start(one);
            script.wait("the new disk is registered", |script| {
                script.is_registered(one)
            });
            script.kill(leader);
            script.kill(other);
            script.run(3 * SECOND);
            script.start(leader);
            script.start(other);
            script.run(SECOND);
        },
        &[Planted::WipedDiskStaysInIsr],
    );
}

/// The ISR is the leader alone, below the minimum, and a growth that would reach it is in flight.
#[test]
fn schedule_5_a_growth_in_flight_does_not_count_towards_the_minimum() {
    plays(
        |script| {
            let (leader, one, other) = script.cast();
            script.kill(one);
            script.wait("one is out", |script| !script.isr().contains(&one));
            script.kill(other);
            script.wait("the leader is alone", |script| script.isr() == [leader]);
            script.must(|script| !script.eligible().is_empty());
            let committed = script.committed();
            script.hold(leader, CONTROLLER, Kind::Ask);
            script.start(one);
            script.run(2 * SECOND);
            script.must(|script| script.committed() == committed);
            script.kill(leader);
            script.start(other);
            script.run(3 * SECOND);
        },
        &[Planted::PendingIsrCounted],
    );
}

/// The minimum is lowered while others may still lead that were in sync when it was higher.
#[test]
fn schedule_6_a_lower_minimum_ends_who_was_eligible_under_the_higher() {
    plays(
        |script| {
            let (leader, one, other) = script.cast();
            script.kill(one);
            script.kill(other);
            script.wait("the leader is alone", |script| script.isr() == [leader]);
            script.must(|script| !script.eligible().is_empty());
            script.set_minimum(1);
            script.wait("the minimum is one", |script| script.minimum() == 1);
            let committed = script.committed();
            script.run(SECOND);
            script.must(|script| script.committed() > committed);
            script.kill(leader);
            script.start(one);
            script.start(other);
            script.run(3 * SECOND);
        },
        &[Planted::MinimumLoweredAlone],
    );
}

/// A follower synced more than the next leader has, cuts it off, and takes other batches in its place,
/// which it has not synced when its power is cut.
#[test]
fn schedule_7_what_was_cut_off_does_not_count_as_synced() {
    plays(
        |script| {
            let (leader, one, other) = script.cast();
            script.hold(leader, one, Kind::Append);
            script.wait("one follower is ahead of the other", |script| {
                script.disk_end(other).0 > script.disk_end(one).0 + 8
            });
            let synced = script.disk_end(other);
            script.kill(leader);
            script.lose();
            script.hold(one, other, Kind::Append);
            script.wait("the shorter log leads", |script| {
                script.leads() == Some(one)
            });
            script.wait("the longer log is cut", |script| {
                script.disk_end(other) < synced
            });
            script.release();
            script.hold_syncs(other);
            script.wait("it took other batches", |script| {
                script.log_end(other) >= synced
            });
            script.run(SECOND / 10);
            script.cut_power(other);
            script.release();
            script.start(other);
            script.run(SECOND);
        },
        &[Planted::SyncedOutlivesTruncation],
    );
}

/// A producer waits for a batch that only the leader has; the leadership goes, and comes back to the same
/// process, whose high watermark passes the offset.
#[test]
fn schedule_8_who_waited_in_an_older_epoch_is_not_answered_in_a_newer() {
    plays(
        |script| {
            let (leader, one, other) = script.cast();
            script.hold(leader, one, Kind::Append);
            script.hold(leader, other, Kind::Append);
            script.run(SECOND / 20);
            script.resign(leader);
            script.wait("another one leads", |script| {
                script.leads().is_some_and(|node| node != leader)
            });
            script.lose();
            script.wait("it leads again", |script| script.leads() == Some(leader));
            script.run(SECOND);
        },
        &[Planted::WaiterByOffset],
    );
}

/// Every member restarted, and of one the disk has lost the end of its log.
#[test]
fn schedule_9_a_log_that_was_cut_at_its_end_is_not_elected() {
    plays(
        |script| {
            let (leader, one, other) = script.cast();
            for node in [leader, one, other] {
                script.cut_power(node);
            }
            // To the controller that notices, nobody ran through.
            script.change_controller();
            // The one that an election by order would take.
            script.lose_tail(leader, 10);
            for node in [leader, one, other] {
                script.start(node);
            }
            script.run(3 * SECOND);
        },
        &[Planted::ReportsIgnored],
    );
}

/// A follower synced what is committed and never heard that it is; then it restarts.
#[test]
fn schedule_10_nothing_is_cut_because_it_was_not_known_to_be_committed() {
    plays(
        |script| {
            let (leader, one, _) = script.cast();
            let known = script.high_watermark(one);
            script.wait("it has more than it knows to be committed", |script| {
                script.disk_end(one) > known
            });
            script.hold(leader, one, Kind::Append);
            script.run(SECOND / 20);
            script.kill(one);
            script.lose();
            script.start(one);
            script.run(SECOND);
        },
        &[Planted::TruncateToHighWatermark],
    );
}

/// A batch is stored and its answer lost; the log start passes it; the client sends it again.
#[test]
fn schedule_13_a_retry_of_what_was_deleted_is_still_a_retry() {
    plays(
        |script| {
            let (leader, ..) = script.cast();
            script.hold(leader, CLIENTS, Kind::Produced);
            script.run(SECOND / 20);
            let stored = script.log_end(leader);
            script.wait("it is committed", |script| {
                script.high_watermark(leader) >= stored
            });
            script.delete_records();
            script.wait("the log start passed it", |script| {
                script.log_start(leader) >= stored
            });
            script.lose();
            script.run(2 * SECOND);
        },
        &[Planted::ProducersGoWithTheStart],
    );
}

/// A volume is set back to a snapshot of an earlier life.
#[test]
fn schedule_15_a_disk_that_was_set_back_is_a_stranger() {
    plays(
        |script| {
            let (_, one, _) = script.cast();
            let copy = script.copy_disk(one);
            script.cut_power(one);
            script.start(one);
            script.wait("the later start is known", |script| {
                script.is_registered(one)
            });
            script.run(SECOND);
            script.set_back(one, copy);
            script.start(one);
            script.run(2 * SECOND);
            script.must(|script| !script.is_registered(one));
        },
        &[],
    );
}

/// An acknowledgement outlives the disk that it was given for.
#[test]
fn an_acknowledgement_of_an_older_conversation_counts_for_nothing() {
    plays(
        |script| {
            let (leader, one, other) = script.cast();
            // Nothing is committed meanwhile that the late acknowledgement would not reach.
            script.hold(one, leader, Kind::Acked);
            script.hold(other, leader, Kind::Acked);
            script.run(SECOND / 20);
            script.wipe(one);
            script.admit(one);
            script.hold(leader, one, Kind::Append);
            script.start(one);
            script.wait("the new disk is registered", |script| {
                script.is_registered(one)
            });
            script.run(SECOND / 10);
            script.release_from(one, Kind::Acked);
            script.run(SECOND);
        },
        &[Planted::AckOfAnyConversation],
    );
}

/// A follower left the ISR and caught up, and the wish to take it back is held up on its way.
fn wish_is_held(script: &mut Script, leader: usize, follower: usize) {
    script.hold(leader, follower, Kind::Append);
    script.wait("it is out", |script| !script.isr().contains(&follower));
    script.hold(leader, CONTROLLER, Kind::Ask);
    script.release_from(leader, Kind::Append);
    script.wait("its return is wished", |script| script.held(Kind::Ask) > 0);
}

/// A wish names a disk that is gone when it arrives, and another one is registered under its broker.
#[test]
fn a_wish_for_a_disk_that_is_gone_takes_in_nobody_else() {
    plays(
        |script| {
            let (leader, one, _) = script.cast();
            wish_is_held(script, leader, one);
            script.wipe(one);
            script.admit(one);
            script.hold(leader, one, Kind::Append);
            script.start(one);
            script.wait("the new disk is registered", |script| {
                script.is_registered(one) && !script.is_fenced(one)
            });
            script.release_from(leader, Kind::Ask);
            script.run(SECOND);
        },
        &[Planted::JoinOfStaleRegistration],
    );
}

/// A wish is refused because its member is fenced; an earlier copy of it arrives when it is not any more.
#[test]
fn a_wish_that_was_refused_may_still_be_committed() {
    plays(
        |script| {
            let (leader, one, _) = script.cast();
            wish_is_held(script, leader, one);
            script.hold(leader, one, Kind::Append);
            script.pause(one, SECOND);
            script.wait("it is fenced", |script| script.is_fenced(one));
            // Copies that are sent from now on arrive, and are refused.
            script.let_pass(leader, Kind::Ask);
            script.wait("it is back", |script| !script.is_fenced(one));
            script.release_from(leader, Kind::Ask);
            script.run(SECOND);
        },
        &[Planted::WishSettledByRefusal],
    );
}

/// A retry comes while its original is not yet synced everywhere.
#[test]
fn a_retry_is_not_answered_before_its_original_is_safe() {
    plays(
        |script| {
            let (_, one, _) = script.cast();
            let before = script.committed();
            script.hold_syncs(one);
            // Longer than a client waits, shorter than a member may lag.
            script.run(SECOND / 2);
            script.must(|script| script.committed() < before + 8);
            script.release();
            script.run(SECOND);
        },
        &[Planted::DuplicateAnsweredEarly],
    );
}

/// What a script waits for is real: logs grow, and what is held back stays away.
#[test]
fn a_message_that_is_held_back_does_not_arrive() {
    quiet();
    let mut script = Script::new(Planted::None);
    let (leader, one, other) = script.cast();
    script.hold(leader, one, Kind::Append);
    let (stays, goes) = (script.log_end(one), script.log_end(other));
    script.run(SECOND / 5);
    assert!(stays > Offset(0) && script.log_end(one).0 <= stays.0 + 8);
    assert!(script.log_end(other) > goes);
    assert_eq!(script.finish().violation, None);
}

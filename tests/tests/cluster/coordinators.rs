//! Coordinators of groups end while offsets are committed and their logs are rewritten: at random, and at each of
//! their steps.

use std::time::Duration;

use holdfast_model::{Clock, SystemClock};
use holdfast_tests::chance::Chance;
use holdfast_tests::cluster::BROKERS;
use holdfast_tests::patience::{PATIENCE, until};

use crate::commits::{Ledger, OFFSETS, TOPIC};

const KILLS: usize = 10;

/// The steps of a coordinator, in their order, and the highest number of times that it goes on at each.
const STEPS: [(&str, usize); 7] = [
    ("offsets-packed", 200),
    ("offsets-appended", 200),
    ("offsets-committed", 200),
    ("offsets-answered", 200),
    // A log is rewritten about once in a thousand requests.
    ("offsets-page-appended", 2),
    ("offsets-rewritten", 2),
    ("offsets-start-moved", 2),
];

/// How often brokers end at each step.
const DEATHS: usize = 4;

/// How long a coordinator stands still in the midst of a request, and how long all of its process.
const STILL: Duration = Duration::from_mins(1);
const PAUSED: Duration = Duration::from_secs(4);

#[tokio::test]
async fn no_answered_commit_is_lost_or_moved_back_by_coordinators_that_die() {
    let mut chance = Chance::from_environment().unwrap();
    println!("HOLDFAST_SEED={}", chance.seed());
    let mut ledger = Ledger::start("coordinators").await;
    ledger.progress().await;
    for kill in 0..KILLS {
        tokio::time::sleep(chance.millis(100..2500)).await;
        let coordinator = ledger.coordinator().await;
        let all = chance.percent(20);
        println!("kill {kill}: the coordinator {coordinator}, and everybody: {all}");
        let broken: Vec<usize> = if all {
            (0..BROKERS).collect()
        } else {
            vec![coordinator]
        };
        for broker in &broken {
            ledger.cluster.kill(*broker).unwrap();
        }
        if !all {
            ledger.progress().await;
            ledger.check().await;
        }
        for broker in &broken {
            ledger.cluster.start_broker(*broker).unwrap();
        }
        ledger.progress().await;
        ledger.check().await;
        ledger.cluster.wait_in_sync(TOPIC, PATIENCE).await.unwrap();
        ledger
            .cluster
            .wait_in_sync(OFFSETS, PATIENCE)
            .await
            .unwrap();
    }
    ledger.was_rewritten().await;
    ledger.finish().await;
}

/// Whichever broker coordinates ends at one step after the other, and its successors too.
#[tokio::test]
async fn no_answered_commit_is_lost_or_moved_back_whatever_step_the_coordinator_dies_at() {
    let mut chance = Chance::from_environment().unwrap();
    println!("HOLDFAST_SEED={}", chance.seed());
    let mut ledger = Ledger::start("coordinator-steps").await;
    ledger.progress().await;
    let clock = SystemClock::new();
    for (step, most) in STEPS {
        let mut point = || format!("{step}:die:{}", 1 + chance.one_of(most));
        start_all(&mut ledger, |_| Some(point()));
        let begun = clock.monotonic();
        let mut deaths = 0;
        while deaths < DEATHS {
            let waited = clock.monotonic().since(begun);
            assert!(waited < 2 * PATIENCE, "{step}: {deaths} deaths");
            for broker in 0..BROKERS {
                if ledger.cluster.died_as_asked(broker).unwrap() {
                    deaths += 1;
                    ledger.cluster.set_test_point(broker, Some(&point()));
                    ledger.cluster.start_broker(broker).unwrap();
                }
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        start_all(&mut ledger, |_| None);
        ledger.progress().await;
        ledger.check().await;
        println!("{step}: {deaths} deaths");
    }
    ledger.was_rewritten().await;
    ledger.finish().await;
}

/// Every broker is killed, if it runs, and starts with a point of its own.
fn start_all(ledger: &mut Ledger, mut point: impl FnMut(usize) -> Option<String>) {
    for broker in 0..BROKERS {
        // One that has ended already is as good as killed.
        if !ledger.cluster.died_as_asked(broker).unwrap() {
            ledger.cluster.kill(broker).unwrap();
        }
        ledger
            .cluster
            .set_test_point(broker, point(broker).as_deref());
    }
    for broker in 0..BROKERS {
        ledger.cluster.start_broker(broker).unwrap();
    }
}

/// A coordinator stands still between taking a request and writing what comes of it. Meanwhile its broker loses the
/// leadership, another one coordinates, and the leadership comes back: what it writes when it goes on is
/// of a leadership that is over, however much this broker leads again.
#[tokio::test]
async fn a_commit_that_began_under_a_leadership_before_the_last_changes_nothing() {
    let mut ledger = Ledger::start("coordinator-returns").await;
    ledger.progress().await;
    ledger
        .cluster
        .wait_in_sync(OFFSETS, PATIENCE)
        .await
        .unwrap();
    let first = ledger.coordinator().await;
    let still = STILL.as_millis();
    // All others come back without a point, so that they never stand still.
    start_all(&mut ledger, |broker| {
        (broker == first).then(|| format!("offsets-packed:wait-{still}:100"))
    });
    wait_for_coordinator(&ledger, first).await;
    stands_still(&ledger).await;
    let clock = SystemClock::new();
    let begun = clock.monotonic();
    ledger.cluster.pause(first).unwrap();
    tokio::time::sleep(PAUSED).await;
    ledger.progress().await;
    let second = ledger.coordinator().await;
    assert_ne!(second, first);
    ledger.cluster.resume(first).unwrap();
    ledger.check().await;
    wait_for_coordinator(&ledger, first).await;
    ledger.progress().await;
    ledger.check().await;
    let waited = clock.monotonic().since(begun);
    println!("the coordinator leads again after {waited:.1?}");
    assert!(waited < STILL, "it goes on before it leads again");
    tokio::time::sleep(STILL.saturating_sub(waited)).await;
    ledger.progress().await;
    // The next coordinator knows what the log says.
    ledger.cluster.kill(first).unwrap();
    ledger.progress().await;
    ledger.check().await;
    ledger.cluster.start_broker(first).unwrap();
    ledger.progress().await;
    ledger.cluster.wait_in_sync(TOPIC, PATIENCE).await.unwrap();
    ledger.finish().await;
}

#[tokio::test]
async fn no_commit_is_answered_while_only_one_replica_is_there() {
    let mut ledger = Ledger::start("coordinator-alone").await;
    ledger.progress().await;
    let coordinator = ledger.coordinator().await;
    for broker in (0..BROKERS).filter(|broker| *broker != coordinator) {
        ledger.cluster.kill(broker).unwrap();
    }
    // What was under way may have been synced by others before they ended.
    tokio::time::sleep(Duration::from_secs(1)).await;
    let before = ledger.answered();
    tokio::time::sleep(PAUSED).await;
    assert_eq!(ledger.answered(), before);
    for broker in (0..BROKERS).filter(|broker| *broker != coordinator) {
        ledger.cluster.start_broker(broker).unwrap();
    }
    ledger.progress().await;
    ledger.check().await;
    ledger.finish().await;
}

/// The leadership goes back to whoever is preferred some time after its return.
async fn wait_for_coordinator(ledger: &Ledger, broker: usize) {
    let asked = async || match ledger.coordinator().await {
        found if found == broker => Ok(()),
        found => Err(format!("it is broker {found}")),
    };
    until("the preferred coordinator", asked).await.unwrap();
}

async fn stands_still(ledger: &Ledger) {
    let asked = async || {
        let before = ledger.answered();
        tokio::time::sleep(Duration::from_millis(500)).await;
        if ledger.answered() == before {
            Ok(())
        } else {
            Err("requests are answered".to_owned())
        }
    };
    until("a coordinator that stands still", asked)
        .await
        .unwrap();
}

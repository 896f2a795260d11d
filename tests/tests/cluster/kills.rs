//! Brokers are killed at random.

use holdfast_tests::chance::Chance;
use holdfast_tests::cluster::{BROKERS, Storage};

use crate::load::Load;

const KILLS: usize = 20;

#[tokio::test]
async fn twenty_kills_of_random_brokers_lose_nothing() {
    let mut chance = Chance::from_environment().unwrap();
    println!("HOLDFAST_SEED={}", chance.seed());
    let mut load = Load::start("kills", Storage::Directory).await;
    for kill in 0..KILLS {
        // Mostly a cluster that is whole again; else one that lost a member a moment ago.
        let whole = chance.percent(70);
        if whole {
            load.in_sync().await;
        }
        tokio::time::sleep(chance.millis(200..2000)).await;
        let broker = chance.one_of(BROKERS);
        println!("kill {kill}: broker {broker}, whole: {whole}");
        load.cluster.kill(broker).unwrap();
        if whole {
            // The two that are left go on by themselves.
            load.progress().await;
        }
        tokio::time::sleep(chance.millis(0..1500)).await;
        load.cluster.start_broker(broker).unwrap();
        load.progress().await;
    }
    load.finish().await;
}

//! Brokers are stopped as an operator stops them, and come back.

use holdfast_tests::chance::Chance;
use holdfast_tests::cluster::{BROKERS, Storage};

use crate::load::Load;

const STOPS: usize = 4;

/// What applications see of it is nothing: no error reaches them, and nothing is lost.
#[tokio::test]
async fn four_graceful_stops_of_random_brokers_lose_nothing_and_fail_nothing() {
    let mut chance = Chance::from_environment().unwrap();
    println!("HOLDFAST_SEED={}", chance.seed());
    let mut load = Load::start("stops", Storage::Directory).await;
    for stop in 0..STOPS {
        load.in_sync().await;
        tokio::time::sleep(chance.millis(0..500)).await;
        let broker = chance.one_of(BROKERS);
        println!("stop {stop}: broker {broker}");
        load.cluster.stop(broker).await.unwrap();
        // The two that are left go on by themselves.
        load.progress().await;
        load.cluster.start_broker(broker).unwrap();
        load.cluster.wait_ready().await.unwrap();
    }
    load.finish().await;
}

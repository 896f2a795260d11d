//! The power fails everywhere at once.

use holdfast_tests::chance::Chance;
use holdfast_tests::cluster::{BROKERS, Storage};
use holdfast_tests::power;

use crate::load::Load;

const CUTS: usize = 5;

#[tokio::test]
async fn five_power_cuts_of_all_brokers_lose_nothing() {
    if let Err(reason) = power::available() {
        assert!(
            std::env::var("CI").as_deref() != Ok("true"),
            "power cannot be cut here, and CI must: {reason:#}"
        );
        println!("SKIPPED: no power was cut: {reason:#}");
        return;
    }
    let mut chance = Chance::from_environment().unwrap();
    println!("HOLDFAST_SEED={}", chance.seed());
    let mut load = Load::start("power", Storage::Image).await;
    for cut in 0..CUTS {
        tokio::time::sleep(chance.millis(1000..4000)).await;
        println!("power cut {cut}");
        load.cluster.cut_power().unwrap();
        for broker in 0..BROKERS {
            load.cluster.start_broker(broker).unwrap();
        }
        load.cluster.wait_ready().await.unwrap();
        load.progress().await;
    }
    load.finish().await;
}

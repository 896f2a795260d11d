//! Brokers stand still for a while and then go on as if nothing had happened.

use holdfast_tests::chance::Chance;
use holdfast_tests::cluster::{BROKERS, Storage};

use crate::load::Load;

const PAUSES: usize = 5;

#[tokio::test]
async fn five_pauses_of_random_brokers_lose_nothing() {
    let mut chance = Chance::from_environment().unwrap();
    println!("HOLDFAST_SEED={}", chance.seed());
    let mut load = Load::start("pauses", Storage::Directory).await;
    for pause in 0..PAUSES {
        load.in_sync().await;
        let broker = chance.one_of(BROKERS);
        let length = chance.millis(3000..8000);
        println!("pause {pause}: broker {broker} for {length:?}");
        load.cluster.pause(broker).unwrap();
        tokio::time::sleep(length).await;
        load.cluster.resume(broker).unwrap();
        load.progress().await;
    }
    load.finish().await;
}

//! How long a start takes does not depend on how much there is.

use std::sync::Arc;

use holdfast_model::{Clock as _, LogCheckpoint, Offset, SystemClock};
use holdfast_store::Op;

use crate::rig::{Rig, append, create, options, partition};

/// Opens a copy without closing the first store: what a kill leaves.
#[test]
fn two_thousand_partitions_open_quickly() {
    let dir = tempfile::tempdir().unwrap();
    let mut rig = Rig::open(dir.path()).unwrap();
    let mut last = 0;
    for number in 0..2000 {
        last = rig.submit(create(number)).unwrap();
    }
    for round in 0..20 {
        for number in 0..2000 {
            let (_, op) = append(number, round * 5, 5, 2000);
            last = loop {
                match rig.submit(op.clone()) {
                    Ok(token) => break token,
                    Err(holdfast_store::Error::Overloaded { .. }) => std::thread::yield_now(),
                    Err(other) => panic!("{other}"),
                }
            };
        }
        if round == 17 {
            for number in 0..2000 {
                let at = Offset(90);
                let checkpoint = LogCheckpoint {
                    log_end: at,
                    high_watermark: at,
                    ..LogCheckpoint::default()
                };
                let checkpoint = Box::new(checkpoint);
                last = rig
                    .submit(Op::PutCheckpoint {
                        partition: partition(number),
                        checkpoint,
                    })
                    .unwrap();
            }
        }
    }
    rig.wait(last);
    drop(rig);
    let clock = SystemClock::new();
    let before = clock.monotonic();
    let sink = Arc::new(crate::rig::Waiter::default());
    let (store, recovered) = holdfast_store::LogStore::open(options(dir.path(), sink)).unwrap();
    let took = clock.monotonic().since(before);
    println!(
        "opened 2,000 partitions, {} bytes, in {took:?}",
        store.disk_bytes().unwrap()
    );
    assert_eq!(recovered.len(), 2000);
    assert!(
        recovered
            .iter()
            .all(|one| one.entries.len() == 2 && one.log_end == Offset(100))
    );
    assert!(took.as_secs() < 10, "{took:?}");
}

/// The start after kill -9 at the size that the product promises: 8 GiB in 2,000 partitions. Fills
/// the directory on its first run and kills itself; on the next it opens what is there.
#[test]
#[ignore = "writes 8 GiB; run it twice with HOLDFAST_OPEN_DIR set"]
fn eight_gibibytes_open_quickly() {
    let Ok(dir) = std::env::var("HOLDFAST_OPEN_DIR") else {
        return;
    };
    let dir = std::path::Path::new(&dir);
    if dir.join("log-0").exists() {
        let clock = SystemClock::new();
        let sink = Arc::new(crate::rig::Waiter::default());
        let large = holdfast_store::Options {
            memory_bytes: 256 << 20,
            ..options(dir, sink)
        };
        let (store, recovered) = holdfast_store::LogStore::open(large).unwrap();
        let took = clock.monotonic();
        let bytes = store.disk_bytes().unwrap();
        println!(
            "opened {} partitions, {bytes} bytes, in {took:?}",
            recovered.len()
        );
        return;
    }
    let large = |options| holdfast_store::Options {
        memory_bytes: 256 << 20,
        ..options
    };
    let mut rig = Rig::open_with(dir, large).unwrap();
    let mut last = 0;
    for number in 0..2000 {
        last = rig.submit(create(number)).unwrap();
    }
    for round in 0..256 {
        for number in 0..2000 {
            let (_, op) = append(number, round * 5, 5, 16_384);
            while let Err(holdfast_store::Error::Overloaded { .. }) = rig.submit(op.clone()) {
                std::thread::yield_now();
            }
            if round % 16 == 15 {
                let at = Offset(round * 5 + 5);
                let checkpoint = LogCheckpoint {
                    log_end: at,
                    high_watermark: at,
                    ..LogCheckpoint::default()
                };
                let checkpoint = Box::new(checkpoint);
                last = rig
                    .submit(Op::PutCheckpoint {
                        partition: partition(number),
                        checkpoint,
                    })
                    .unwrap();
            }
        }
    }
    rig.wait(last);
    std::process::abort();
}

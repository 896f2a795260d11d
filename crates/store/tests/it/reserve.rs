//! A disk that fills up.

use std::time::Duration;

use holdfast_model::Offset;
use holdfast_store::{Class, Error, Op, ReserveOptions};

use crate::rig::{Rig, append, partition};

const QUOTA: u64 = 24 << 20;

#[test]
fn appends_end_at_the_reserve_while_deletions_go_on_and_bring_them_back() {
    let dir = tempfile::tempdir().unwrap();
    let reserve = ReserveOptions {
        reserve_bytes: 4 << 20,
        headroom_bytes: 64 << 10,
        quota_bytes: Some(QUOTA),
    };
    let mut rig = Rig::open_with(dir.path(), |options| holdfast_store::Options {
        reserve,
        ..options
    })
    .unwrap();
    rig.create(0);
    let mut base = 0;
    let refused = loop {
        let (_, op) = append(0, base * 5, 5, 60_000);
        match rig.submit(op) {
            Ok(token) => assert_eq!(rig.wait(token).end, Offset(base * 5 + 5)),
            Err(error) => break error,
        }
        base += 1;
        assert!(base < 1000, "nothing was ever refused");
    };
    assert!(matches!(refused, Error::DiskReserve { .. }), "{refused}");
    assert_eq!(refused.class(), Class::Retry);
    assert!(rig.store.is_at_reserve());
    // What is there can be read, and what frees space is admitted.
    let read = rig
        .store
        .read(partition(0), Offset(0), Offset(base * 5), 1)
        .unwrap();
    assert_eq!(read.len(), 1);
    let offset = Offset(base * 5);
    rig.run(Op::PutHighWatermark {
        partition: partition(0),
        offset,
    });
    rig.run(Op::AdvanceLogStart {
        partition: partition(0),
        offset,
    });
    for _ in 0..600 {
        if !rig.store.is_at_reserve() {
            rig.append(0, base * 5, 5, 100);
            return;
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    panic!(
        "no space came back: {} bytes",
        rig.store.disk_bytes().unwrap()
    );
}

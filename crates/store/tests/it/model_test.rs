//! Random operations and reopenings against the model.

use proptest::prelude::*;
use rand::{SeedableRng as _, rngs::StdRng};

use crate::model::Model;
use crate::rig::{Rig, partition};

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]

    #[test]
    fn the_store_is_its_model(
        seed in any::<u64>(), lives in proptest::collection::vec(1usize..400, 1..6),
        reclaims in any::<bool>(),
    ) {
        let dir = tempfile::tempdir().unwrap();
        let mut random = StdRng::seed_from_u64(seed);
        let mut model = Model::default();
        for steps in lives {
            let mut rig = Rig::open(dir.path()).unwrap();
            prop_assert_eq!(model.check(&rig.store, &rig.recovered), Ok(()));
            let mut last = 0;
            for _ in 0..steps {
                last = rig.submit(model.step(&mut random)).unwrap();
            }
            rig.wait(last);
            if reclaims {
                rig.store.reclaim().unwrap();
            }
            for number in model.logs.keys() {
                prop_assert_eq!(model.check_reads(&rig.store, *number), Ok(()));
            }
        }
        let rig = Rig::open(dir.path()).unwrap();
        prop_assert_eq!(model.check(&rig.store, &rig.recovered), Ok(()));
    }
}

#[test]
fn reads_begin_with_the_batch_that_holds_the_offset_and_respect_their_bounds() {
    let dir = tempfile::tempdir().unwrap();
    let mut rig = Rig::open(dir.path()).unwrap();
    rig.create(0);
    rig.create(1);
    let first = rig.append(0, 0, 10, 100);
    let second = rig.append(0, 10, 10, 100);
    rig.append(1, 0, 5, 100);
    let read = |from, to, bytes| -> Vec<i64> {
        let at = partition(0);
        let found = rig.store.read(
            at,
            holdfast_model::Offset(from),
            holdfast_model::Offset(to),
            bytes,
        );
        found
            .unwrap()
            .iter()
            .map(|batch| batch.info.base_offset.0)
            .collect()
    };
    assert_eq!(read(0, 20, usize::MAX), [0, 10]);
    assert_eq!(read(9, 20, usize::MAX), [0, 10]);
    assert_eq!(read(10, 20, usize::MAX), [10]);
    assert_eq!(read(5, 10, usize::MAX), [0]);
    assert_eq!(read(0, 20, 1), [0], "one batch even if it is larger");
    assert_eq!(read(0, 20, first.len() + second.len()), [0, 10]);
    assert_eq!(read(0, 20, first.len() + second.len() - 1), [0]);
    assert_eq!(read(20, 30, usize::MAX), [0; 0]);
    let at = rig
        .store
        .batch_at(partition(0), holdfast_model::Offset(13))
        .unwrap()
        .unwrap();
    assert_eq!(at.bytes, second);
    assert_eq!(
        rig.store.partition_bytes(partition(0)).unwrap(),
        (first.len() * 2) as u64
    );
    let entries = rig.store.index(
        partition(0),
        holdfast_model::Offset(3),
        holdfast_model::Offset(99),
        1,
    );
    assert_eq!(entries.unwrap().len(), 1);
    assert!(
        rig.store
            .read(
                partition(9),
                holdfast_model::Offset(0),
                holdfast_model::Offset(1),
                1
            )
            .is_err()
    );
}

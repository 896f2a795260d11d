//! What is deleted becomes free space, also where living data lies between.

use holdfast_store::Op;

use crate::rig::{Rig, partition};

const BATCHES: i64 = 120;
const PAYLOAD: usize = 1024 * 1024;

#[test]
fn a_deleted_topic_frees_its_space_and_leaves_its_neighbour() {
    let dir = tempfile::tempdir().unwrap();
    let mut rig = Rig::open(dir.path()).unwrap();
    let (deleted, kept) = (1, 2);
    rig.create(deleted);
    rig.create(kept);
    let mut batches = Vec::new();
    for number in 0..BATCHES {
        rig.append(deleted, number, 1, PAYLOAD);
        if number % 3 == 0 {
            batches.push(rig.append(kept, number / 3, 1, PAYLOAD));
        }
    }
    rig.store.reclaim().unwrap();
    let full = rig.store.disk_bytes().unwrap();
    assert!(full > (BATCHES * 4 / 3) as u64 * PAYLOAD as u64, "{full}");
    rig.run(Op::DeletePartition {
        partition: partition(deleted),
    });
    rig.store.reclaim().unwrap();
    let left = rig.store.disk_bytes().unwrap();
    assert!(left < full / 2, "{left} of {full} bytes are left");
    let to = holdfast_model::Offset(BATCHES / 3);
    let found = rig
        .store
        .read(partition(kept), holdfast_model::Offset(0), to, usize::MAX);
    let found: Vec<_> = found
        .unwrap()
        .into_iter()
        .map(|batch| batch.bytes)
        .collect();
    assert_eq!(found, batches);
}

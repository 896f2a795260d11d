//! One suite for the store and for the disk of the simulator: what the kernel is simulated on must be what it
//! gets. Random appends, truncations, deletions, log starts and checkpoints, restarts, and power cuts: nothing
//! that was synced is lost, nothing that was removed comes back, every range is right or refused.

use std::collections::BTreeMap;

use holdfast_model::BatchInfo;
use holdfast_store::Op;
use proptest::prelude::*;
use rand::{Rng as _, SeedableRng as _, rngs::StdRng};

use crate::model::{Found, Model};
use crate::rocks_disk::RocksDisk;
use crate::simulated_disk::SimulatedDisk;

/// A disk that histories happen to.
pub(crate) trait Subject {
    /// Writes operations and syncs them.
    fn sync(&mut self, ops: &[Op]);

    /// Writes operations, and loses its power on the way. It is closed then.
    fn cut_power_during(&mut self, ops: &[Op], random: &mut StdRng);

    /// Opens what is there, again if it is open.
    fn open(&mut self) -> BTreeMap<i32, Found>;

    /// The batches with offsets of a range, of a partition that is there.
    fn read(&mut self, number: i32, from: i64, to: i64) -> Option<Vec<BatchInfo>>;
}

/// Operations of one life, at most.
const MOST_STEPS: usize = 60;

/// Operations under way when the power goes, at most.
const MOST_UNDER_WAY: usize = 12;

/// Partitions of which something is there.
fn opened(subject: &mut impl Subject) -> BTreeMap<i32, Found> {
    let mut found = subject.open();
    found.retain(|_, one| *one != Found::default());
    found
}

/// Every range is what the model has, or is refused.
fn check_ranges(subject: &mut impl Subject, model: &Model, random: &mut StdRng) {
    for (number, log) in model.found() {
        for _ in 0..4 {
            let from = random.random_range(log.start.0..=log.end.0);
            let to = random.random_range(from..=log.end.0);
            let Some(read) = subject.read(number, from, to) else {
                continue;
            };
            let is_inside = |one: &&BatchInfo| one.last_offset.0 >= from && one.base_offset.0 < to;
            let expected: Vec<BatchInfo> = log.batches.iter().filter(is_inside).copied().collect();
            assert_eq!(read, expected, "partition {number}, {from}..{to}");
        }
    }
}

/// Some operations, as the model draws them, and the model after each.
fn draw(model: &Model, random: &mut StdRng, count: usize) -> (Vec<Op>, Vec<Model>) {
    let mut states = vec![model.clone()];
    let mut ops = Vec::new();
    for _ in 0..count {
        let mut next = states[states.len() - 1].clone();
        ops.push(next.step(random));
        states.push(next);
    }
    (ops, states)
}

/// Lives of a disk, each of which ends with a restart or with a power cut.
fn live(subject: &mut impl Subject, seed: u64, lives: &[(usize, bool)]) {
    let mut random = StdRng::seed_from_u64(seed);
    let mut model = Model::default();
    for (steps, power_cut) in lives {
        let (ops, states) = draw(&model, &mut random, *steps);
        subject.sync(&ops);
        model = states[ops.len()].clone();
        if *power_cut {
            let under_way = random.random_range(1..=MOST_UNDER_WAY);
            let (ops, states) = draw(&model, &mut random, under_way);
            subject.cut_power_during(&ops, &mut random);
            let found = opened(subject);
            // Any part of what was under way, in order. Of two states that look alike, the later: a partition that
            // was made and of which nothing is written is there.
            let survived = states.iter().rposition(|state| state.found() == found);
            let Some(survived) = survived else {
                panic!("after a power cut {found:#?}, none of {states:#?}");
            };
            model = settled(subject, states[survived].clone());
        }
        assert_eq!(opened(subject), model.found());
        check_ranges(subject, &model, &mut random);
    }
}

/// The model of what survived, without the partitions of which nothing is written: whether such a one was made
/// before the power went cannot be seen, so they are removed.
fn settled(subject: &mut impl Subject, mut model: Model) -> Model {
    let found = model.found();
    let is_empty = |number: &i32| !found.contains_key(number);
    let empty: Vec<i32> = model.logs.keys().copied().filter(is_empty).collect();
    for number in empty {
        let at = crate::rig::partition(number);
        subject.sync(&[Op::DeletePartition { partition: at }]);
        model.logs.remove(&number);
    }
    model
}

fn lives() -> impl Strategy<Value = Vec<(usize, bool)>> {
    proptest::collection::vec((0..MOST_STEPS, any::<bool>()), 1..8)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn the_simulated_disk_keeps_what_it_synced(seed in any::<u64>(), lives in lives()) {
        live(&mut SimulatedDisk::new(), seed, &lives);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn the_store_keeps_what_it_synced(seed in any::<u64>(), lives in lives()) {
        live(&mut RocksDisk::new(), seed, &lives);
    }
}

/// Small histories, with a power cut at every step, in the middle of each write and after it.
#[test]
fn a_power_cut_at_every_write_of_a_small_history_leaves_what_was_before_it_or_after_it() {
    const STEPS: usize = 14;
    const POSITIONS: u64 = 5;
    for seed in 0..4 {
        let mut random = StdRng::seed_from_u64(seed);
        let (ops, states) = draw(&Model::default(), &mut random, STEPS);
        let mut disk = RocksDisk::new();
        for (number, op) in ops.iter().enumerate() {
            for (whole, mut cut) in disk.cuts_during(std::slice::from_ref(op), POSITIONS) {
                let expected = states[number + usize::from(whole)].found();
                assert_eq!(
                    opened(&mut cut),
                    expected,
                    "seed {seed}, step {number}: {op:?}"
                );
            }
        }
    }
}

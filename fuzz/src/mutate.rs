//! Seeded mutations of valid bytes. No part of this workspace's library: the tests of every crate
//! that decodes bytes from a socket, a disk or a person include this file, and meet the same hostile
//! bytes in every run, on a stable toolchain.

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

/// What length fields are overwritten with: the largest and the smallest numbers of several widths
/// in both byte orders, and the largest claims of variable-length integers and of MessagePack.
const EXTREMES: [&[u8]; 12] = [
    &[0x7f, 0xff],
    &[0xff, 0xff],
    &[0x7f, 0xff, 0xff, 0xff],
    &[0xff, 0xff, 0xff, 0x7f],
    &[0x80, 0, 0, 0],
    &[0xff, 0xff, 0xff, 0xff, 0x0f],
    &[0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
    &[0x80, 0, 0, 0, 0, 0, 0, 0],
    &[0xc6, 0xff, 0xff, 0xff, 0xff],
    &[0xdb, 0xff, 0xff, 0xff, 0xff],
    &[0xdd, 0xff, 0xff, 0xff, 0xff],
    &[0xdf, 0xff, 0xff, 0xff, 0xff],
];

/// Hands over every seed, then so many mutations of them.
pub(crate) fn each(seeds: &[Vec<u8>], mutations: usize, mut meet: impl FnMut(&[u8])) {
    assert!(!seeds.is_empty(), "nothing to mutate");
    for seed in seeds {
        meet(seed);
    }
    let mut rng = StdRng::seed_from_u64(2026);
    for _ in 0..mutations {
        let mut data = seeds[rng.random_range(0..seeds.len())].clone();
        mutate(&mut rng, &mut data, seeds);
        meet(&data);
    }
}

fn mutate(rng: &mut StdRng, data: &mut Vec<u8>, seeds: &[Vec<u8>]) {
    for _ in 0..rng.random_range(1..6) {
        if data.is_empty() {
            data.push(rng.random());
            continue;
        }
        let at = rng.random_range(0..data.len());
        let other = &seeds[rng.random_range(0..seeds.len())];
        match rng.random_range(0..10) {
            0 => data[at] ^= 1 << rng.random_range(0..8),
            1 => data[at] = rng.random(),
            2 => data[at] = [0, 1, 0x7f, 0x80, 0xff][rng.random_range(0..5)],
            3 => data.truncate(at),
            4 => data.insert(at, rng.random()),
            5 => {
                let extreme = EXTREMES[rng.random_range(0..EXTREMES.len())];
                let end = data.len().min(at + extreme.len());
                data[at..end].copy_from_slice(&extreme[..end - at]);
            }
            6 => {
                let end = data.len().min(at + rng.random_range(1..16));
                data.drain(at..end);
            }
            7 => {
                let end = data.len().min(at + rng.random_range(1..64));
                data.extend_from_within(at..end);
            }
            8 => {
                let from = rng.random_range(0..=other.len());
                data.truncate(at);
                data.extend_from_slice(&other[from..]);
            }
            _ => data.extend_from_slice(&other[..other.len().min(100)]),
        }
    }
}

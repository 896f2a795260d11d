//! Files that were hurt while nobody ran.

use std::fs::{self, OpenOptions};
use std::io::ErrorKind;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use holdfast_model::{BatchInfo, Offset};
use holdfast_store::{Class, Error, Op, Outcome};

use crate::rig::{Rig, files, partition};

/// Forty synced groups of one batch each, in one write-ahead log file.
fn filled(path: &Path) -> PathBuf {
    let mut rig = Rig::open(path).unwrap();
    rig.create(0);
    for base in 0..40 {
        rig.append(0, base * 5, 5, 3000);
    }
    drop(rig);
    files(path, "log").pop().unwrap()
}

fn flip(path: &Path, at: u64) {
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .open(path)
        .unwrap();
    let mut byte = [0];
    file.read_exact_at(&mut byte, at).unwrap();
    file.write_all_at(&[byte[0] ^ 0x40], at).unwrap();
}

fn log_end(rig: &Rig) -> Offset {
    rig.recovered[0].log_end
}

/// Copies a data directory, so that one filled directory serves many cuts. Of a store that runs, what it removes
/// meanwhile is missing.
pub(crate) fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            match fs::copy(entry.path(), &target) {
                Err(gone) if gone.kind() == ErrorKind::NotFound => {}
                copied => drop(copied.unwrap()),
            }
        }
    }
}

#[test]
fn a_torn_tail_is_cut_and_everything_before_it_is_kept() {
    let dir = tempfile::tempdir().unwrap();
    let wal = filled(dir.path());
    let sound = fs::read(&wal).unwrap();
    // What a power cut leaves of groups that were never acknowledged: a piece of a record, bytes of
    // an earlier file, a hole, a cut header.
    let tails = [
        sound[50_000..52_000].to_vec(),
        vec![0xa5; 777],
        vec![0; 40_000],
        vec![7; 5],
    ];
    for tail in tails {
        let honest = fs::read(files(dir.path(), "log").pop().unwrap()).unwrap();
        let wal = files(dir.path(), "log").pop().unwrap();
        let garbage = [&honest[..], &tail[..]].concat();
        let honest = honest.len();
        fs::write(&wal, &garbage).unwrap();
        let mut rig = Rig::open(dir.path()).unwrap();
        assert_eq!(log_end(&rig), Offset(200));
        assert!(fs::metadata(&wal).map_or(0, |found| found.len()) <= honest as u64);
        let read = rig
            .store
            .read(partition(0), Offset(0), Offset(200), usize::MAX)
            .unwrap();
        assert_eq!(read.len(), 40);
        // The log goes on, and the next start finds nothing wrong with the place of the cut.
        rig.append(0, 200, 5, 100);
        rig.run(holdfast_store::Op::TruncateTo {
            partition: partition(0),
            offset: Offset(200),
        });
        drop(rig);
        assert_eq!(log_end(&Rig::open(dir.path()).unwrap()), Offset(200));
    }
}

#[test]
fn a_flipped_bit_below_a_later_claim_is_damage() {
    let dir = tempfile::tempdir().unwrap();
    let wal = filled(dir.path());
    let length = fs::metadata(&wal).unwrap().len();
    let name = wal.file_name().unwrap().to_owned();
    for step in 0..40 {
        // Everywhere but in the last group, which no later claim covers.
        let at = step * (length - 4000) / 40;
        let hurt = tempfile::tempdir().unwrap();
        copy(dir.path(), hurt.path());
        flip(&hurt.path().join("log-0").join(&name), at);
        let error = Rig::open(hurt.path()).err().unwrap();
        assert!(matches!(error, Error::Damaged { .. }), "byte {at}: {error}");
        assert_eq!(error.class(), Class::Fatal);
    }
}

#[test]
fn a_log_cut_short_anywhere_below_the_mark_is_noticed() {
    let dir = tempfile::tempdir().unwrap();
    let wal = filled(dir.path());
    let length = fs::metadata(&wal).unwrap().len();
    let name = wal.file_name().unwrap().to_owned();
    for step in 0..60 {
        let hurt = tempfile::tempdir().unwrap();
        copy(dir.path(), hurt.path());
        let path = hurt.path().join("log-0").join(&name);
        // Steps of the size of a group also cut close to the boundary between two records.
        let keep = length.saturating_sub(1 + step * 3299);
        OpenOptions::new()
            .write(true)
            .open(&path)
            .unwrap()
            .set_len(keep)
            .unwrap();
        let error = Rig::open(hurt.path()).err().unwrap();
        assert!(
            matches!(error, Error::LostSyncedWrites { .. }),
            "kept {keep}: {error}"
        );
    }
}

#[test]
fn a_missing_log_file_is_noticed() {
    let dir = tempfile::tempdir().unwrap();
    let wal = filled(dir.path());
    fs::remove_file(wal).unwrap();
    assert_eq!(Rig::open(dir.path()).err().unwrap().class(), Class::Fatal);
}

/// Appends a large batch, and gives every log that there is then a second name, so that none is gone for good.
fn append_and_keep_logs(rig: &mut Rig, step: i64, path: &Path, kept: &Path) -> Vec<PathBuf> {
    rig.append(0, step * 5, 5, 400_000);
    let live = files(path, "log");
    for log in &live {
        let second = kept.join(log.file_name().unwrap());
        if !second.exists() {
            fs::hard_link(log, second).unwrap();
        }
    }
    live
}

fn assert_holds(rig: &Rig, batches: i64) {
    let end = Offset(batches * 5);
    assert_eq!(log_end(rig), end);
    let read = rig
        .store
        .read(partition(0), Offset(0), end, usize::MAX)
        .unwrap();
    assert_eq!(read.len() as i64, batches);
}

/// A file that could not be removed (EIO of `unlink`) was taken for one with a gap behind it.
#[test]
fn a_log_that_is_no_longer_needed_and_could_not_be_removed_is_no_damage() {
    let (dir, kept) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let mut rig = Rig::open(dir.path()).unwrap();
    rig.create(0);
    for step in 0..150 {
        append_and_keep_logs(&mut rig, step, dir.path(), kept.path());
    }
    drop(rig);
    let live = files(dir.path(), "log");
    let mut obsolete: Vec<_> = fs::read_dir(kept.path())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| live.iter().all(|log| log.file_name() != path.file_name()))
        .collect();
    obsolete.sort();
    assert!(obsolete.len() > 2, "too few logs are obsolete");
    for left in [&obsolete[..1], &obsolete[1..2], &obsolete[..]] {
        let put_back = tempfile::tempdir().unwrap();
        copy(dir.path(), put_back.path());
        for log in left {
            let name = log.file_name().unwrap();
            fs::copy(log, put_back.path().join("log-0").join(name)).unwrap();
        }
        assert_holds(&Rig::open(put_back.path()).unwrap(), 150);
    }
}

/// What the disk of a running store would hold if its power went now. The manifest is of before all else: what it names
/// was written before it. Logs come from their second names, so that none is missing that it needs.
fn as_the_power_goes(path: &Path, kept: &Path) -> tempfile::TempDir {
    let cut = tempfile::tempdir().unwrap();
    let is_manifest = |path: &PathBuf| {
        let name = path.file_name().unwrap().to_str().unwrap();
        name.starts_with("MANIFEST") || name == "CURRENT"
    };
    let entries = fs::read_dir(path.join("log-0")).unwrap();
    let first = entries
        .map(|entry| entry.unwrap().path())
        .filter(is_manifest);
    let first: Vec<(PathBuf, Vec<u8>)> = first
        .map(|path| (path.clone(), fs::read(path).unwrap()))
        .collect();
    copy(path, cut.path());
    let to = cut.path().join("log-0");
    for (path, bytes) in first {
        fs::write(to.join(path.file_name().unwrap()), bytes).unwrap();
    }
    copy(kept, &to);
    cut
}

/// RocksDB writes a new log while it flushes what is in the one before: both are needed then.
#[test]
fn a_log_that_is_needed_is_missed_and_without_another_nothing_is() {
    let (dir, kept) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let mut rig = Rig::open(dir.path()).unwrap();
    rig.create(0);
    let mut refused = 0;
    for step in 0..400 {
        let live = append_and_keep_logs(&mut rig, step, dir.path(), kept.path());
        if live.len() < 2 {
            continue;
        }
        let cut = as_the_power_goes(dir.path(), kept.path());
        let older = live[0].file_name().unwrap();
        fs::remove_file(cut.path().join("log-0").join(older)).unwrap();
        match Rig::open(cut.path()) {
            Err(error) => {
                assert_eq!(error.class(), Class::Fatal, "{error}");
                refused += 1;
            }
            // It was flushed meanwhile.
            Ok(opened) => assert_holds(&opened, step + 1),
        }
        if refused == 3 {
            return;
        }
    }
    panic!("no log but the newest was needed ({refused} times)");
}

#[test]
fn a_damaged_batch_is_never_served_and_hurts_nobody_else() {
    let dir = tempfile::tempdir().unwrap();
    {
        let mut rig = Rig::open(dir.path()).unwrap();
        rig.create(0);
        rig.create(1);
        for base in 0..20 {
            rig.append(0, base * 5, 5, 3000);
            rig.append(1, base * 5, 5, 3000);
        }
        rig.store.reclaim().unwrap();
    }
    let blob = files(dir.path(), "blob").pop().unwrap();
    // Keys are in order, so this is a batch in the middle of the second partition.
    let at = fs::metadata(&blob).unwrap().len() / 4 * 3;
    flip(&blob, at);
    let mut rig = Rig::open(dir.path()).unwrap();
    let mut damaged = Vec::new();
    for number in 0..2 {
        for base in 0..20 {
            let from = Offset(base * 5);
            match rig.store.read(partition(number), from, from.next(), 1) {
                Ok(found) => assert_eq!(found.len(), 1),
                Err(Error::DamagedBatch {
                    partition,
                    base_offset,
                    ..
                }) => {
                    damaged.push((partition.partition, base_offset));
                }
                Err(other) => panic!("{other}"),
            }
        }
    }
    let [(number, at)] = damaged[..] else {
        panic!("one flipped bit hurt {damaged:?}")
    };
    // A longer read ends before the damage, and one that begins with it says so.
    let before = rig
        .store
        .read(partition(number), Offset(0), Offset(100), usize::MAX)
        .unwrap();
    assert_eq!(before.last().unwrap().info.end_offset(), at);
    let error = rig
        .store
        .read(partition(number), at, Offset(100), usize::MAX)
        .unwrap_err();
    assert_eq!(error.class(), Class::PartitionDamaged);
    // Writing goes on.
    rig.append(number, 100, 5, 100);
}

/// Two partitions of twenty batches each, in blob files, and what was appended to the second.
fn in_blobs(path: &Path) -> Vec<Bytes> {
    let mut rig = Rig::open(path).unwrap();
    rig.create(0);
    rig.create(1);
    let batches = (0..20).map(|base| {
        rig.append(0, base * 5, 5, 3000);
        rig.append(1, base * 5, 5, 3000)
    });
    let batches = batches.collect();
    rig.store.reclaim().unwrap();
    batches
}

fn damaged(rig: &Rig, number: i32) -> Vec<BatchInfo> {
    let checked = rig
        .store
        .check(partition(number), Offset(0), Offset(100), u64::MAX);
    let checked = checked.unwrap();
    assert_eq!(checked.next, None);
    checked.damaged
}

/// What can happen to the bytes of a file while nobody looks.
fn hurt_each_way(blob: &Path) {
    let length = fs::metadata(blob).unwrap().len();
    flip(blob, length / 4 * 3);
    let file = OpenOptions::new().write(true).open(blob).unwrap();
    // A hole in the middle of the first partition, and a lost end.
    file.write_all_at(&[0; 4096], length / 4).unwrap();
    file.set_len(length - 5000).unwrap();
}

#[test]
fn a_check_names_just_the_damaged_batches_and_mending_makes_the_log_whole_for_good() {
    let dir = tempfile::tempdir().unwrap();
    let batches = in_blobs(dir.path());
    hurt_each_way(&files(dir.path(), "blob").pop().unwrap());
    let mut rig = Rig::open(dir.path()).unwrap();
    let hurt = damaged(&rig, 1);
    assert!(hurt.len() >= 2, "one flipped and one cut off: {hurt:?}");
    for info in hurt {
        let batch = batches[info.base_offset.0 as usize / 5].clone();
        let op = Op::Mend {
            partition: partition(1),
            batch,
            info,
        };
        assert_eq!(rig.run(op).outcome, Outcome::Done);
    }
    assert_eq!(damaged(&rig, 1), []);
    assert!(!damaged(&rig, 0).is_empty(), "the other log is as it was");
    drop(rig);
    // Through a restart and a compaction.
    let rig = Rig::open(dir.path()).unwrap();
    assert_eq!(damaged(&rig, 1), []);
    rig.store.reclaim().unwrap();
    let read = rig
        .store
        .read(partition(1), Offset(0), Offset(100), usize::MAX);
    let read: Vec<Bytes> = read.unwrap().into_iter().map(|one| one.bytes).collect();
    assert_eq!(read, batches);
}

#[test]
fn a_deleted_blob_file_is_damage_of_the_batches_in_it_and_can_be_mended() {
    let dir = tempfile::tempdir().unwrap();
    let batches = in_blobs(dir.path());
    for blob in files(dir.path(), "blob") {
        fs::remove_file(blob).unwrap();
    }
    let mut rig = Rig::open(dir.path()).unwrap();
    let hurt = damaged(&rig, 1);
    assert_eq!(hurt.len(), 20);
    for (info, batch) in hurt.into_iter().zip(&batches) {
        let batch = batch.clone();
        rig.run(Op::Mend {
            partition: partition(1),
            batch,
            info,
        });
    }
    assert_eq!(damaged(&rig, 1), []);
}

#[test]
fn mending_writes_nothing_where_the_log_holds_another_batch_or_none() {
    let dir = tempfile::tempdir().unwrap();
    let mut rig = Rig::open(dir.path()).unwrap();
    rig.create(0);
    let first = rig.append(0, 0, 5, 300);
    rig.append(0, 5, 5, 300);
    let info = rig
        .store
        .index(partition(0), Offset(0), Offset(1), 1)
        .unwrap()[0];
    let mend = |batch: &Bytes, info| Op::Mend {
        partition: partition(0),
        batch: batch.clone(),
        info,
    };
    // Bytes that are not the batch that is named are refused before they are queued.
    let other = BatchInfo { crc: 7, ..info };
    assert!(rig.submit(mend(&first, other)).is_err());
    rig.run(Op::AdvanceLogStart {
        partition: partition(0),
        offset: Offset(5),
    });
    assert_eq!(rig.run(mend(&first, info)).outcome, Outcome::NoBatch);
    let (unknown, op) = crate::rig::append(0, 10, 5, 300);
    let Op::Append { info, .. } = op else {
        unreachable!()
    };
    assert_eq!(rig.run(mend(&unknown, info)).outcome, Outcome::NoBatch);
    let read = rig
        .store
        .read(partition(0), Offset(5), Offset(100), usize::MAX);
    assert_eq!(read.unwrap().len(), 1);
}

use super::fragment::BLOCK_BYTES;
use super::*;
use crate::claim::Claim;
use crate::mutate;

/// Writes a log as RocksDB does.
#[derive(Default)]
struct Log {
    bytes: Vec<u8>,
}

impl Log {
    /// Adds one record, cut into fragments at the ends of blocks.
    fn record(&mut self, payload: &[u8]) {
        let mut rest = payload;
        let mut first = true;
        loop {
            let left = BLOCK_BYTES - self.bytes.len() % BLOCK_BYTES;
            if left < 7 {
                self.bytes.resize(self.bytes.len() + left, 0);
                continue;
            }
            let (piece, after) = rest.split_at(rest.len().min(left - 7));
            let last = after.is_empty();
            let kind = match (first, last) {
                (true, true) => 1,
                (true, false) => 2,
                (false, false) => 3,
                (false, true) => 4,
            };
            self.fragment(kind, piece);
            (rest, first) = (after, false);
            if last {
                return;
            }
        }
    }

    fn fragment(&mut self, kind: u8, payload: &[u8]) {
        let crc = crc32c::crc32c_append(crc32c::crc32c(&[kind]), payload);
        let masked = crc.rotate_right(15).wrapping_add(0xa282_ead8);
        self.bytes.extend_from_slice(&masked.to_le_bytes());
        self.bytes
            .extend_from_slice(&(payload.len() as u16).to_le_bytes());
        self.bytes.push(kind);
        self.bytes.extend_from_slice(payload);
    }

    /// Adds one commit group with that much data.
    fn group(&mut self, group: u64, data: usize) {
        self.record(&group_record(group, data));
    }
}

fn group_record(group: u64, data: usize) -> Vec<u8> {
    let mut record = vec![0; 12];
    record.extend_from_slice(&[3, 20]);
    record.extend_from_slice(
        &Claim {
            group,
            synced_through: group - 1,
        }
        .encode(),
    );
    record.resize(record.len() + data, 0x5a);
    record
}

fn scan_of(logs: &[&Log]) -> Result<Scan, Error> {
    let dir = tempfile::tempdir().unwrap();
    for (number, log) in logs.iter().enumerate() {
        fs::write(
            dir.path().join(format!("{:06}.log", number + 8)),
            &log.bytes,
        )
        .unwrap();
    }
    fs::write(dir.path().join("LOG"), "not a write-ahead log").unwrap();
    scan(dir.path())
}

fn is_damaged(result: &Result<Scan, Error>) -> bool {
    matches!(result, Err(Error::Damaged { .. }))
}

#[test]
fn groups_of_every_size_are_found() {
    let mut log = Log::default();
    for (group, data) in (1..).zip([0, 10, 40_000, 32_700, 100_000, 5, 32_734, 32_735, 32_736]) {
        log.group(group, data);
    }
    // What RocksDB writes by itself at a start: a batch without operations.
    log.record(&[0; 12]);
    let found = scan_of(&[&log]).unwrap();
    assert_eq!((found.last_group, found.torn), (Some(9), None));
    assert_eq!(found.bytes, log.bytes.len() as u64);
}

#[test]
fn a_log_cut_at_any_byte_is_torn_at_the_end_of_its_last_whole_group() {
    let mut log = Log::default();
    let mut ends = vec![0];
    for group in 1..=4 {
        log.group(group, 15_000);
        ends.push(log.bytes.len());
    }
    for cut in (0..log.bytes.len()).step_by(97) {
        let short = Log {
            bytes: log.bytes[..cut].to_vec(),
        };
        let found = scan_of(&[&short]).unwrap();
        let whole = ends.iter().filter(|end| **end <= cut).count() - 1;
        assert_eq!(found.last_group.unwrap_or(0), whole as u64, "cut at {cut}");
        match found.torn {
            None => assert_eq!(ends[whole], cut),
            Some(torn) => assert_eq!(torn.keep, ends[whole] as u64, "cut at {cut}"),
        }
    }
}

#[test]
fn a_bad_byte_before_a_later_group_is_damage_wherever_it_is() {
    let mut log = Log::default();
    let mut last_begins = 0;
    for group in 1..=6 {
        last_begins = log.bytes.len();
        log.group(group, 9_000);
    }
    for at in (0..last_begins).step_by(61) {
        let mut bytes = log.bytes.clone();
        bytes[at] ^= 1;
        assert!(is_damaged(&scan_of(&[&Log { bytes }])), "byte {at}");
    }
    for at in (last_begins..log.bytes.len()).step_by(61) {
        let mut bytes = log.bytes.clone();
        bytes[at] ^= 1;
        let found = scan_of(&[&Log { bytes }]).unwrap();
        assert_eq!(found.torn.unwrap().keep, last_begins as u64, "byte {at}");
    }
}

#[test]
fn blocks_of_a_torn_group_may_arrive_in_any_order() {
    let mut log = Log::default();
    log.group(1, 100);
    let keep = log.bytes.len() as u64;
    log.group(2, 150_000);
    for missing in 0..4 {
        let mut bytes = log.bytes.clone();
        let from = (missing * BLOCK_BYTES).max(keep as usize);
        bytes[from..(missing + 1) * BLOCK_BYTES].fill(0);
        let found = scan_of(&[&Log { bytes }]).unwrap();
        assert_eq!(
            (found.last_group, found.torn.unwrap().keep),
            (Some(1), keep)
        );
    }
}

#[test]
fn only_the_last_file_may_be_torn() {
    let (mut first, mut second, empty) = (Log::default(), Log::default(), Log::default());
    first.group(1, 100);
    first.group(2, 100);
    second.group(3, 100);
    assert_eq!(
        scan_of(&[&first, &second, &empty]).unwrap().last_group,
        Some(3)
    );
    first.bytes.truncate(first.bytes.len() - 1);
    assert!(is_damaged(&scan_of(&[&first, &second])));
    assert!(is_damaged(&scan_of(&[&first, &empty])));
    assert!(scan_of(&[&first]).unwrap().torn.is_some());
}

#[test]
fn missing_groups_are_damage() {
    let mut log = Log::default();
    log.group(1, 100);
    log.group(3, 100);
    assert!(is_damaged(&scan_of(&[&log])));
}

#[test]
fn between_files_groups_may_be_missing_but_none_comes_again() {
    let (mut first, mut third) = (Log::default(), Log::default());
    first.group(2, 100);
    third.group(4, 100);
    third.group(5, 100);
    assert_eq!(scan_of(&[&first, &third]).unwrap().last_group, Some(5));
    assert!(is_damaged(&scan_of(&[&third, &first])));
    assert!(is_damaged(&scan_of(&[&first, &first])));
    third.group(7, 100);
    assert!(is_damaged(&scan_of(&[&first, &third])));
}

#[test]
fn cutting_leaves_a_log_without_tear() {
    let dir = tempfile::tempdir().unwrap();
    let mut log = Log::default();
    log.group(1, 100);
    let whole = log.bytes.clone();
    log.bytes.extend_from_slice(&[9; 300]);
    let path = dir.path().join("000004.log");
    fs::write(&path, &log.bytes).unwrap();
    cut(&scan(dir.path()).unwrap().torn.unwrap()).unwrap();
    assert_eq!(fs::read(&path).unwrap(), whole);
    assert_eq!(scan(dir.path()).unwrap().torn, None);
}

/// Scans a log of any bytes. Whatever they are, it is sound, torn or damaged, and sound once its torn
/// tail is gone, with the same groups.
fn meet(dir: &Path, bytes: &[u8]) {
    let path = dir.join("000004.log");
    fs::write(&path, bytes).unwrap();
    let found = match scan(dir) {
        Ok(found) => found,
        Err(Error::Damaged { .. }) => return,
        Err(error) => panic!("{error}"),
    };
    assert_eq!(found.bytes, bytes.len() as u64);
    if let Some(torn) = found.torn {
        fs::write(&path, &bytes[..torn.keep as usize]).unwrap();
        let again = scan(dir).unwrap();
        assert_eq!((again.last_group, again.torn), (found.last_group, None));
    }
}

#[test]
fn hostile_bytes_never_panic_the_scan_and_a_tail_is_cut_once() {
    let dir = tempfile::tempdir().unwrap();
    let (mut small, mut bare) = (Log::default(), Log::default());
    for (group, data) in (1..).zip([0, 10, 300, 5]) {
        small.group(group, data);
    }
    bare.record(&[0; 12]);
    let seeds = [small.bytes, bare.bytes];
    mutate::each(&seeds, 2_000, |bytes| meet(dir.path(), bytes));
    // Mutations rarely survive a checksum: what stands in a record is mutated before it is framed.
    let records = [group_record(2, 30), group_record(u64::MAX, 0), vec![0; 12]];
    mutate::each(&records, 2_000, |record| {
        let (mut between, mut before) = (Log::default(), Log::default());
        between.group(1, 10);
        between.record(record);
        between.group(2, 10);
        meet(dir.path(), &between.bytes);
        before.record(record);
        before.group(3, 10);
        meet(dir.path(), &before.bytes);
    });
}

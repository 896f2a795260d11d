use super::super::{Cursor, GroupOptions, Loader, Planted, Record};
use super::rig::{Rig, row};

/// Rewrites the log, `most` records a page; before each page but the first, something happens.
pub(super) fn rewrite(rig: &mut Rig, most: usize, mut meanwhile: impl FnMut(&mut Rig)) {
    let start = rig.log.len();
    let mut cursor = Cursor::default();
    loop {
        let (records, next) = rig.shard.page(&cursor, most);
        assert!(records.len() <= most);
        // Appended behind what is under way, and committed after it.
        rig.commit_log();
        rig.log.extend(records);
        match next {
            None => break,
            Some(next) => cursor = next,
        }
        meanwhile(rig);
    }
    rig.log.drain(..start);
}

#[test]
fn a_log_that_begins_at_a_rewriting_says_the_same() {
    let mut rig = Rig::new();
    let (leader, other) = rig.pair();
    for offset in 0..50 {
        rig.commit(&leader, 1, vec![row(offset % 7, i64::from(offset))]);
    }
    let before: Vec<_> = (0..7).map(|partition| rig.offset(partition)).collect();
    for most in [1, 3, 100] {
        rewrite(&mut rig, most, |_| {});
        rig.fail_over();
        let after: Vec<_> = (0..7).map(|partition| rig.offset(partition)).collect();
        assert_eq!(after, before, "{most} records a page");
        assert_eq!(rig.shard.describe("g").unwrap().members.len(), 2);
    }
    assert_eq!(rig.log.len(), 8);
    let sync = rig.sync(&other, 1, &[]);
    assert_eq!(&*rig.synced(sync).assignment, b"1");
}

#[test]
fn a_commit_in_the_midst_of_a_rewriting_is_not_moved_back() {
    let mut rig = Rig::new();
    for partition in 0..5 {
        rig.commit("", -1, vec![row(partition, 1)]);
    }
    rig.prompt = false;
    let mut offset = 100;
    rewrite(&mut rig, 1, |rig| {
        offset += 1;
        for partition in 0..5 {
            rig.commit("", -1, vec![row(partition, offset)]);
        }
    });
    rig.commit_log();
    let live: Vec<_> = (0..5).map(|partition| rig.offset(partition)).collect();
    let mut loader = Loader::default();
    let log: Vec<Record> = rig.log.clone();
    for record in log {
        loader.apply(record);
    }
    let shard = loader.finish(GroupOptions::default(), rig.now, Planted::None);
    let loaded: Vec<_> = (0..5)
        .map(|partition| shard.offset("g", "orders", partition).map(|v| v.offset))
        .collect();
    assert_eq!(loaded, live);
    assert_eq!(live, [Some(offset); 5]);
}

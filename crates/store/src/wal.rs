//! Looks through RocksDB's write-ahead log before RocksDB does.
//!
//! RocksDB's own recovery either stops silently at the first bad record, which loses synced groups
//! behind it, or refuses any torn tail, which every power cut may leave. The claims settle which is
//! which: a group is begun only after the one before it was synced, so a bad record with a claimed
//! group behind it, or in a file that is not the last, was whole once and is damage. A bad record
//! behind every claim was never acknowledged; it is cut off, and RocksDB then opens the log in the
//! mode that accepts no imperfection at all.

mod fragment;
mod record;

use std::fs::{self, File, OpenOptions};
use std::path::{Path, PathBuf};

use crate::Error;
use fragment::Fragments;
use record::Assembly;

/// What a scan found.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Scan {
    /// The newest complete group; `None` if the log holds no group.
    pub(crate) last_group: Option<u64>,
    /// Bytes that were read.
    pub(crate) bytes: u64,
    /// Where the last file's honest part ends, if a torn tail follows it.
    pub(crate) torn: Option<TornTail>,
}

/// A tail that no claim covers.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct TornTail {
    pub(crate) path: PathBuf,
    /// The file's length without the tail.
    pub(crate) keep: u64,
    pub(crate) reason: &'static str,
}

/// Reads every write-ahead log file of a database, oldest first. Costs one sequential read.
pub(crate) fn scan(database: &Path) -> Result<Scan, Error> {
    let mut found = Scan::default();
    for path in log_files(database)? {
        if let Some(torn) = &found.torn {
            return Err(Error::damaged(&torn.path, torn.keep, torn.reason));
        }
        scan_file(&path, &mut found)?;
    }
    Ok(found)
}

/// Removes a torn tail from the disk, so that no later start can mistake it for damage.
pub(crate) fn cut(torn: &TornTail) -> Result<(), Error> {
    let file = OpenOptions::new()
        .write(true)
        .open(&torn.path)
        .map_err(Error::io("open", &torn.path))?;
    file.set_len(torn.keep)
        .map_err(Error::io("cut", &torn.path))?;
    file.sync_all().map_err(Error::io("sync", &torn.path))
}

/// The log files by their number, which is their age.
fn log_files(database: &Path) -> Result<Vec<PathBuf>, Error> {
    let mut files = Vec::new();
    for entry in fs::read_dir(database).map_err(Error::io("list", database))? {
        let path = entry.map_err(Error::io("list", database))?.path();
        let is_log = path.extension().is_some_and(|extension| extension == "log");
        let number = path
            .file_stem()
            .and_then(|stem| stem.to_str())
            .map(str::parse::<u64>);
        if let (true, Some(Ok(number))) = (is_log, number) {
            files.push((number, path));
        }
    }
    files.sort_unstable();
    Ok(files.into_iter().map(|(_, path)| path).collect())
}

/// Whether a group may come after another one. Between two files some may be missing: a file that is no longer
/// needed and could not be removed stays behind, while those after it are gone. RocksDB, whose manifest says
/// which files it needs, refuses to open without one of them.
fn follows(last: u64, group: u64, first_in_file: bool) -> bool {
    last.checked_add(1) == Some(group) || (first_in_file && group > last)
}

fn scan_file(path: &Path, found: &mut Scan) -> Result<(), Error> {
    let file = File::open(path).map_err(Error::io("open", path))?;
    let mut fragments = Fragments::new(file);
    let mut assembly = Assembly::default();
    let mut bad: Option<(u64, &'static str)> = None;
    let mut first_in_file = true;
    while let Some(fragment) = fragments.next().map_err(Error::io("read", path))? {
        let step = assembly.take(&fragment);
        bad = bad.or(step.bad);
        let Some((position, claim)) = step.record.and_then(|r| Some((r.position, r.claim?))) else {
            continue;
        };
        if let Some((position, reason)) = bad {
            return Err(Error::damaged(path, position, reason));
        }
        if let Some(last) = found.last_group
            && !follows(last, claim.group, first_in_file)
        {
            return Err(Error::damaged(path, position, "commit groups are missing"));
        }
        found.last_group = Some(claim.group);
        first_in_file = false;
    }
    found.bytes += fragments.position();
    if let Some((position, reason)) = bad.or_else(|| assembly.unfinished()) {
        found.torn = Some(TornTail {
            path: path.to_owned(),
            keep: position,
            reason,
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests;

//! Database settings that the safe crate has no setter for.

use librocksdb_sys as ffi;
use rocksdb::{AsRawPtr as _, Options};

/// Forbids RocksDB to recover from a background error by itself. A write or sync that failed once
/// may have lost pages that the kernel now believes clean, so trying again would report success for
/// data that is gone; the caller polls for background errors and stops the process.
pub fn never_resume_after_errors(options: &mut Options) {
    // SAFETY: the pointer is used below only, while `options` is borrowed and so alive.
    let raw = unsafe { options.as_raw_ptr() };
    // SAFETY: `raw` points to a live options object that nobody else uses during this call, and the
    // setter only stores an integer in it.
    unsafe { ffi::rocksdb_options_set_max_bgerror_resume_count(raw, 0) };
}

/// Lets a start keep what it replayed in memory instead of writing it out before the database
/// opens: a start then costs one read of the write-ahead log.
pub fn avoid_flush_during_recovery(options: &mut Options) {
    // SAFETY: the pointer is used below only, while `options` is borrowed and so alive.
    let raw = unsafe { options.as_raw_ptr() };
    // SAFETY: `raw` points to a live options object that nobody else uses during this call, and the
    // setter only stores a flag in it.
    unsafe { ffi::rocksdb_options_set_avoid_flush_during_recovery(raw, 1) };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_reach_the_options_object() {
        let mut options = Options::default();
        never_resume_after_errors(&mut options);
        avoid_flush_during_recovery(&mut options);
        // SAFETY: used only below, while `options` lives.
        let raw = unsafe { options.as_raw_ptr() };
        // SAFETY: a getter on a live options object.
        let resumes = unsafe { ffi::rocksdb_options_get_max_bgerror_resume_count(raw) };
        // SAFETY: a getter on a live options object.
        let avoids = unsafe { ffi::rocksdb_options_get_avoid_flush_during_recovery(raw) };
        assert_eq!((resumes, avoids), (0, 1));
    }
}

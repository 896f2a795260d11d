//! RocksDB's settings, each with its reason.

use rocksdb::{
    BlockBasedOptions, Cache, ColumnFamilyDescriptor, DBCompressionType, DBRecoveryMode, LogLevel,
    Options,
};

use crate::log_store::families;

const MIB: usize = 1024 * 1024;

/// Values at least this long go to blob files at flush: below it a pointer saves nothing.
const MIN_BLOB_BYTES: u64 = 512;

/// Flushed files that are read beside each other before they are merged. Each touches every partition that
/// was written to, so that merging them rewrites most of what is below: RocksDB's four would do that twice as
/// often.
const FLUSHES_BETWEEN_COMPACTIONS: i32 = 8;

/// Settings that both databases share: what keeps a failed write from being forgotten.
pub(crate) fn database() -> Options {
    let mut options = Options::default();
    options.create_if_missing(true);
    options.create_missing_column_families(true);
    options.set_paranoid_checks(true);
    // The scan has cut every honest torn tail, so whatever RocksDB still finds wrong is damage.
    options.set_wal_recovery_mode(DBRecoveryMode::AbsoluteConsistency);
    // A whole log file that is missing, or shorter than it was when closed, is noticed.
    options.set_track_and_verify_wals_in_manifest(true);
    holdfast_rocks::never_resume_after_errors(&mut options);
    holdfast_rocks::avoid_flush_during_recovery(&mut options);
    // Families are flushed together, so that a log file is dropped as soon as its batches are.
    options.set_atomic_flush(true);
    options.set_max_background_jobs(2);
    // Written pages go to the disk steadily instead of in one burst that a commit would wait for.
    options.set_bytes_per_sync(MIB as u64);
    options.set_advise_random_on_open(false);
    options.set_max_open_files(1024);
    options.set_skip_stats_update_on_db_open(true);
    options.set_stats_dump_period_sec(0);
    options.set_stats_persist_period_sec(0);
    options.set_log_level(LogLevel::Warn);
    options.set_keep_log_file_num(4);
    options.set_max_log_file_size(4 * MIB);
    options.set_max_manifest_file_size(16 * MIB);
    options
}

/// How the memory of one log database is divided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LogMemory {
    /// One memtable of the log, in bytes; up to three exist.
    pub(crate) memtable: usize,
    /// Cache of index and filter blocks, in bytes.
    pub(crate) cache: usize,
}

impl LogMemory {
    /// Divides `bytes`: three memtables of the log, as much as one for all others, the rest cache.
    pub(crate) fn of(bytes: usize) -> Self {
        let memtable = (bytes / 5).clamp(MIB, 64 * MIB);
        let cache = bytes.saturating_sub(memtable * 4).clamp(MIB, 32 * MIB);
        Self { memtable, cache }
    }
}

/// Settings of a log database.
pub(crate) fn log_database(memory: LogMemory) -> Options {
    let mut options = database();
    // Replay reads at most this: four memtables of batches.
    options.set_max_total_wal_size(4 * memory.memtable as u64);
    options.set_db_write_buffer_size(4 * memory.memtable);
    options
}

/// The column families of a log database.
pub(crate) fn log_families(memory: LogMemory) -> Vec<ColumnFamilyDescriptor> {
    let cache = Cache::new_lru_cache(memory.cache);
    vec![
        ColumnFamilyDescriptor::new("default", Options::default()),
        ColumnFamilyDescriptor::new(families::LOG, log_family(memory, &cache)),
        ColumnFamilyDescriptor::new(families::INDEX, keyed_family(memory.memtable / 2, &cache)),
        ColumnFamilyDescriptor::new(families::STATE, keyed_family(memory.memtable / 4, &cache)),
    ]
}

/// Settings of the metadata database: small, so that a start replays little.
pub(crate) fn meta_database() -> Options {
    let mut options = database();
    options.set_max_total_wal_size(32 * MIB as u64);
    options
}

/// The column families of the metadata database.
pub(crate) fn meta_families(
    data: &'static str,
    state: &'static str,
) -> Vec<ColumnFamilyDescriptor> {
    let cache = Cache::new_lru_cache(8 * MIB);
    vec![
        ColumnFamilyDescriptor::new("default", Options::default()),
        ColumnFamilyDescriptor::new(data, keyed_family(8 * MIB, &cache)),
        ColumnFamilyDescriptor::new(state, keyed_family(MIB, &cache)),
    ]
}

/// Batches: keys stay in the tree, values are written once to blob files and never moved by an
/// ordinary compaction.
fn log_family(memory: LogMemory, cache: &Cache) -> Options {
    let mut options = Options::default();
    options.set_write_buffer_size(memory.memtable);
    options.set_max_write_buffer_number(3);
    options.set_enable_blob_files(true);
    options.set_min_blob_size(MIN_BLOB_BYTES);
    options.set_blob_file_size(256 * MIB as u64);
    // Producers compress; compressing again costs time and gains nothing.
    options.set_blob_compression_type(DBCompressionType::None);
    options.set_compression_type(DBCompressionType::None);
    // Retention frees whole blob files as a rule; what it does not is `log_store::reclaim`'s to see
    // to. Left on, this would rewrite the values of the oldest files with every compaction of their
    // keys: five times the CPU time of a produced GiB.
    options.set_enable_blob_gc(false);
    options.set_target_file_size_base(16 * MIB as u64);
    options.set_level_zero_file_num_compaction_trigger(FLUSHES_BETWEEN_COMPACTIONS);
    options.set_level_compaction_dynamic_level_bytes(true);
    options.set_block_based_table_factory(&tables(cache));
    options
}

/// Small values: index entries, state, metadata.
fn keyed_family(memtable: usize, cache: &Cache) -> Options {
    let mut options = Options::default();
    options.set_write_buffer_size(memtable.max(MIB));
    options.set_compression_type(DBCompressionType::Lz4);
    options.set_target_file_size_base(16 * MIB as u64);
    options.set_level_zero_file_num_compaction_trigger(FLUSHES_BETWEEN_COMPACTIONS);
    options.set_level_compaction_dynamic_level_bytes(true);
    options.set_block_based_table_factory(&tables(cache));
    options
}

fn tables(cache: &Cache) -> BlockBasedOptions {
    let mut tables = BlockBasedOptions::default();
    tables.set_block_cache(cache);
    tables.set_cache_index_and_filter_blocks(true);
    tables.set_pin_l0_filter_and_index_blocks_in_cache(true);
    tables.set_bloom_filter(10.0, false);
    tables.set_format_version(5);
    tables
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_shares_fit_into_what_they_divide() {
        for bytes in [8 * MIB, 64 * MIB, 256 * MIB, 1024 * MIB] {
            let memory = LogMemory::of(bytes);
            assert!(
                4 * memory.memtable + memory.cache <= bytes,
                "{memory:?} of {bytes}"
            );
        }
    }
}

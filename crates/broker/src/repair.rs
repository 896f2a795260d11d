//! Damaged bytes of a replica: found by whoever reads, mended from other replicas.
//!
//! A replica whose bytes are damaged serves nothing and leaves the ISR at once
//! ([`Partition::on_read_error`](crate::partition::Partition::on_read_error)). The [`Mender`] then reads
//! its whole log, fetches each damaged batch by name from any broker that holds it, writes it again where
//! it was, and lets the replica go on. What is decided is in `holdfast_kernel::repair`.

mod ask;
mod describe;
mod mender;
mod scrub;
mod service;

pub use describe::damage_everywhere;
pub use mender::Mender;
pub use scrub::Scrub;
pub use service::RepairService;

use bytes::Bytes;
use holdfast_model::{BatchInfo, LeaderEpoch, Offset};
use holdfast_rpc::proto::BatchName;
use holdfast_wire::batch;

fn name(info: &BatchInfo) -> BatchName {
    BatchName {
        base_offset: info.base_offset.0,
        last_offset: info.last_offset.0,
        leader_epoch: info.leader_epoch.0,
        crc: info.crc,
        size: info.size,
    }
}

fn is_named(info: &BatchInfo, name: &BatchName) -> bool {
    info.base_offset == Offset(name.base_offset)
        && info.last_offset == Offset(name.last_offset)
        && info.leader_epoch == LeaderEpoch(name.leader_epoch)
        && info.crc == name.crc
        && info.size == name.size
}

/// Whether bytes that came from another broker are the batch that the index here describes.
fn is_batch(bytes: &Bytes, info: &BatchInfo) -> bool {
    bytes.len() as u64 == u64::from(info.size)
        && batch::verify_crc(bytes).is_ok()
        && batch::to_info(bytes).is_ok_and(|found| found == *info)
}

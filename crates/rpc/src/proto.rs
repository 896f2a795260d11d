//! The generated messages, clients and servers. The comments of the fields are in `proto/`.

#![expect(missing_docs, reason = "generated; documented in the .proto files")]
#![allow(
    clippy::all,
    clippy::pedantic,
    clippy::allow_attributes_without_reason,
    unreachable_pub,
    missing_debug_implementations,
    elided_lifetimes_in_paths,
    reason = "generated code follows its generator's style"
)]

include!(concat!(env!("OUT_DIR"), "/holdfast.rpc.rs"));
include!(concat!(env!("OUT_DIR"), "/holdfast.rpc.Replication.rs"));

/// What people and operators ask of brokers.
pub mod admin {
    include!(concat!(env!("OUT_DIR"), "/holdfast.admin.v1.rs"));
}

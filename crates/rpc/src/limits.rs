//! The largest messages that are accepted, and the generated services with these limits set.

use tonic::transport::Channel;

use crate::proto::controller_client::ControllerClient;
use crate::proto::controller_server::{Controller, ControllerServer};
use crate::proto::formation_client::FormationClient;
use crate::proto::formation_server::{Formation, FormationServer};
use crate::proto::raft_client::RaftClient;
use crate::proto::raft_server::{Raft, RaftServer};
use crate::proto::repair_client::RepairClient;
use crate::proto::repair_server::{Repair, RepairServer};
use crate::proto::replication_client::ReplicationClient;
use crate::proto::replication_server::{Replication, ReplicationServer};

/// Largest message of the quorum: one entry of a few MiB, or a run of small ones.
pub const RAFT_BYTES: usize = 16 * 1024 * 1024;

/// Largest piece of a snapshot in one message.
pub const SNAPSHOT_PART_BYTES: usize = 1024 * 1024;

/// Largest snapshot, all pieces together.
pub const SNAPSHOT_BYTES: usize = 64 * 1024 * 1024;

/// Largest message of the controller: an admin request that creates many partitions.
pub const CONTROLLER_BYTES: usize = 16 * 1024 * 1024;

/// Largest message of the admin API: the state of a cluster of hundreds of brokers.
pub const ADMIN_BYTES: usize = 4 * 1024 * 1024;

/// Largest message of formation: a document of a few hundred voters.
pub const FORMATION_BYTES: usize = 64 * 1024;

/// Largest frame of replication. Larger batches travel in chunks.
pub const REPLICATION_BYTES: usize = 2 * 1024 * 1024;

/// Largest answer of a repair: one batch of the largest size and what goes around it.
pub const REPAIR_BYTES: usize = holdfast_model::limits::BATCH_BYTES + 1024 * 1024;

/// A client of the quorum's calls.
pub fn raft_client(channel: Channel) -> RaftClient<Channel> {
    RaftClient::new(channel)
        .max_decoding_message_size(RAFT_BYTES)
        .max_encoding_message_size(RAFT_BYTES)
}

/// A server of the quorum's calls.
pub fn raft_server<T: Raft>(service: T) -> RaftServer<T> {
    RaftServer::new(service)
        .max_decoding_message_size(RAFT_BYTES)
        .max_encoding_message_size(RAFT_BYTES)
}

/// A client of formation.
pub fn formation_client(channel: Channel) -> FormationClient<Channel> {
    FormationClient::new(channel)
        .max_decoding_message_size(FORMATION_BYTES)
        .max_encoding_message_size(FORMATION_BYTES)
}

/// A server of formation.
pub fn formation_server<T: Formation>(service: T) -> FormationServer<T> {
    FormationServer::new(service)
        .max_decoding_message_size(FORMATION_BYTES)
        .max_encoding_message_size(FORMATION_BYTES)
}

/// A client of the controller.
pub fn controller_client(channel: Channel) -> ControllerClient<Channel> {
    ControllerClient::new(channel)
        .max_decoding_message_size(CONTROLLER_BYTES)
        .max_encoding_message_size(CONTROLLER_BYTES)
}

/// A server of the controller.
pub fn controller_server<T: Controller>(service: T) -> ControllerServer<T> {
    ControllerServer::new(service)
        .max_decoding_message_size(CONTROLLER_BYTES)
        .max_encoding_message_size(CONTROLLER_BYTES)
}

/// A client of replication.
pub fn replication_client(channel: Channel) -> ReplicationClient<Channel> {
    ReplicationClient::new(channel)
        .max_decoding_message_size(REPLICATION_BYTES)
        .max_encoding_message_size(REPLICATION_BYTES)
}

/// A server of replication.
pub fn replication_server<T: Replication>(service: T) -> ReplicationServer<T> {
    ReplicationServer::new(service)
        .max_decoding_message_size(REPLICATION_BYTES)
        .max_encoding_message_size(REPLICATION_BYTES)
}

/// A client of repair.
pub fn repair_client(channel: Channel) -> RepairClient<Channel> {
    RepairClient::new(channel)
        .max_decoding_message_size(REPAIR_BYTES)
        .max_encoding_message_size(REPAIR_BYTES)
}

/// A server of repair.
pub fn repair_server<T: Repair>(service: T) -> RepairServer<T> {
    RepairServer::new(service)
        .max_decoding_message_size(REPAIR_BYTES)
        .max_encoding_message_size(REPAIR_BYTES)
}

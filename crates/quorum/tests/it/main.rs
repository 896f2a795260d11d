//! Real quorums in one process: real gRPC on loopback ports, real metadata databases.

mod cluster;
mod crash;
mod formation;
mod node;
mod recovery;
mod replication;
mod rolled_back;

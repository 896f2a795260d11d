//! Records on their way from leaders to followers: one stream for each pair of brokers, many
//! partitions in a message, acknowledgements cumulative. `docs/replication.md` §3 has the messages.

mod catch_up;
pub mod message;
mod outbox;
mod peers;
mod receiver;
mod sender;

pub use catch_up::run as run_catch_up;
pub use outbox::AckOutbox;
pub use peers::{Peer, PeerTarget, Peers};
pub use receiver::ReplicationService;
pub use sender::{Links, run as run_sender};

//! The controller's side of a broker: the loop that decides while this node leads the quorum, the
//! client that asks whoever does, and the registration and heartbeats of this broker.

mod client;
mod heartbeat;
mod heartbeat_answer;
mod isolation;
mod office;
mod service;

/// A member of the quorum answers if it did within so many milliseconds: twenty of its heartbeats.
pub const ANSWERS_WITHIN_MS: i64 = 2_000;

pub use client::{ControllerClient, Error as ClientError};
pub use heartbeat::{Heartbeats, Lifecycle, watch_for_refusals};
pub(crate) use isolation::ISOLATED;
pub use isolation::Isolated;
pub use office::{Office, OfficeHandle, Refusal, Submission};
pub use service::ControllerService;

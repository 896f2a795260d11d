//! The admin API: gRPC over mutual TLS on a listener of its own (`proto/admin.proto`).
//!
//! A connection is let in with a certificate of the cluster's authorities that names a role; what the
//! role may ask is for the service to say ([`Caller`]).

mod client;
mod server;

pub use client::{Admin, connect};
pub use server::{Caller, serve};

pub use crate::proto::admin::admin_server::{Admin as AdminService, AdminServer};

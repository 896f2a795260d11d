//! Sockets of clients.

pub mod connection;
pub mod listener;

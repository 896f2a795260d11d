//! Sockets of clients.

pub mod connection;
mod frame_body;
pub mod listener;

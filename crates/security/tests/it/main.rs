//! Certificates, handshakes and reloads, with real keys over connections in memory.

mod authority;
mod handshake;
mod hostile;
mod reload;
mod setup;

//! The files of the brokers.

use std::path::Path;

use super::ZONES;

/// Where brokers listen for each other, and from where they call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hosts {
    /// All on one address.
    One,
    /// Each on an address of its own.
    Own,
}

impl Hosts {
    /// The address of one.
    pub(super) fn of(self, n: usize) -> String {
        match self {
            Self::One => "127.0.0.1".to_owned(),
            Self::Own => format!("127.0.1.{}", n + 1),
        }
    }
}

/// What stands in a broker's file.
pub(super) fn configuration(
    n: usize,
    data: &Path,
    hosts: Hosts,
    [clients, rpc, admin]: [u16; 3],
    settings: &str,
) -> String {
    let memory = if settings.contains("memory_budget_bytes") {
        ""
    } else {
        "memory_budget_bytes = 268435456\n"
    };
    let host = hosts.of(n);
    let source = match hosts {
        // A version before may not know it.
        Hosts::One => String::new(),
        Hosts::Own => format!("source = \"{host}\"\n"),
    };
    format!(
        "broker_id = {n}\nzone = \"{zone}\"\ndata_dir = \"{data}\"\n\
         admin_bind = \"127.0.0.1:{admin}\"\n{memory}\
         disk_reserve_bytes = 67108864\n{settings}\n[rpc]\nbind = \"{host}:{rpc}\"\n{source}\n\
         [[listeners]]\nname = \"PLAINTEXT\"\nbind = \"127.0.0.1:{clients}\"\n",
        zone = ZONES[n],
        data = data.display(),
    )
}

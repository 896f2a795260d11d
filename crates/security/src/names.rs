//! The names under which the members of a cluster know each other. They are in certificates only:
//! no DNS server knows them.

use holdfast_model::{BrokerId, ClusterId};
use rustls_pki_types::{DnsName, ServerName};

use crate::PeerRole;

/// The domain below which names say roles. `internal` is reserved for private use (ICANN, 2024), so
/// no public authority certifies a name here.
pub(crate) const ROOT: &str = "holdfast.internal";

/// The cluster's part of a name. Hexadecimal, because DNS does not tell `a` from `A` and the
/// usual text of the id does.
pub(crate) fn label(cluster: ClusterId) -> String {
    cluster.0.simple().to_string()
}

/// The name that every certificate of a role has.
pub(crate) fn of_role(cluster: ClusterId, role: PeerRole) -> String {
    let place = match role {
        PeerRole::Broker => "brokers",
        PeerRole::Operator => "operator",
        PeerRole::Admin => "admin",
    };
    format!("{place}.{}.{ROOT}", label(cluster))
}

/// The name that only one broker's certificates have.
pub(crate) fn of_broker(cluster: ClusterId, broker: BrokerId) -> String {
    let brokers = of_role(cluster, PeerRole::Broker);
    format!("broker-{broker}.{brokers}")
}

/// The cluster in a name of a role.
pub(crate) fn cluster_in(name: &str) -> Option<ClusterId> {
    let front = name.strip_suffix(ROOT)?.strip_suffix('.')?;
    let label = front.rsplit('.').next()?;
    let id = u128::from_str_radix(label, 16)
        .ok()
        .filter(|_| label.len() == 32)?;
    // ClusterId is a UUID, and this crate names no UUIDs.
    Some(ClusterId::from_u128(id))
}

/// Whether a name in lower case is the domain of roles or below it.
pub(crate) fn is_reserved(name: &str) -> bool {
    name.strip_suffix(ROOT)
        .is_some_and(|front| front.is_empty() || front.ends_with('.'))
}

/// The name by which a client knows any broker of the cluster.
pub fn server_name(cluster: ClusterId) -> ServerName<'static> {
    as_server_name(of_role(cluster, PeerRole::Broker))
}

/// The name by which a client knows this broker and no other.
pub fn server_name_of_broker(cluster: ClusterId, broker: BrokerId) -> ServerName<'static> {
    as_server_name(of_broker(cluster, broker))
}

pub(crate) fn as_server_name(name: String) -> ServerName<'static> {
    let name =
        DnsName::try_from(name).expect("built of short labels of letters, digits and dashes");
    ServerName::DnsName(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_cluster_and_broker_has_a_valid_name() {
        for id in [0, 1, 0xabcd, u128::MAX, u128::MAX / 3] {
            let cluster = ClusterId(uuid::Uuid::from_u128(id));
            assert_eq!(label(cluster), format!("{id:032x}"));
            assert_eq!(
                server_name(cluster).to_str(),
                format!("brokers.{id:032x}.holdfast.internal")
            );
            for broker in [0, 1, 99_999, i32::MAX, -1, i32::MIN] {
                let name = server_name_of_broker(cluster, BrokerId(broker));
                assert_eq!(
                    name.to_str(),
                    format!("broker-{broker}.brokers.{id:032x}.holdfast.internal")
                );
            }
        }
    }

    #[test]
    fn the_domain_of_roles_is_reserved_with_all_below_it() {
        for name in [
            "holdfast.internal",
            "x.holdfast.internal",
            "*.x.holdfast.internal",
        ] {
            assert!(is_reserved(name), "{name}");
        }
        for name in [
            "anholdfast.internal",
            "holdfast.internal.example",
            "internal",
        ] {
            assert!(!is_reserved(name), "{name}");
        }
    }
}

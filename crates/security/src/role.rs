//! What a certificate says that its holder is.

use std::fmt;

use holdfast_model::{BrokerId, ClusterId};
use rustls::client::verify_server_name;
use rustls::server::ParsedCertificate;
use rustls_pki_types::CertificateDer;

use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer, X509Certificate};

use crate::{names, pem_text};

/// For whom a certificate is issued.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// One broker; its certificates serve and call.
    Broker(BrokerId),
    /// The operator, which only calls.
    Operator,
    /// A person or tool with all rights, which only calls.
    Admin,
}

/// The kind of a peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PeerRole {
    /// A broker; [`is_broker`] says which.
    Broker,
    /// The operator.
    Operator,
    /// A person or tool with all rights.
    Admin,
}

impl PeerRole {
    /// Every kind.
    pub const ALL: [Self; 3] = [Self::Broker, Self::Operator, Self::Admin];
}

impl Role {
    /// The kind of this role.
    pub fn kind(self) -> PeerRole {
        match self {
            Self::Broker(_) => PeerRole::Broker,
            Self::Operator => PeerRole::Operator,
            Self::Admin => PeerRole::Admin,
        }
    }

    /// The names that a certificate of this role carries.
    pub(crate) fn names(self, cluster: ClusterId) -> Vec<String> {
        let mut names = vec![names::of_role(cluster, self.kind())];
        if let Self::Broker(broker) = self {
            names.push(names::of_broker(cluster, broker));
        }
        names
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Broker(broker) => write!(f, "broker-{broker}"),
            Self::Operator => f.write_str("operator"),
            Self::Admin => f.write_str("admin"),
        }
    }
}

/// The role in this cluster of a certificate that a handshake accepted: signatures and times are
/// not looked at here. None for one of another cluster, and for one that claims several roles, as a
/// wildcard of a carelessly run authority would.
pub fn role_of(certificate: &CertificateDer<'_>, cluster: ClusterId) -> Option<PeerRole> {
    let certificate = ParsedCertificate::try_from(certificate).ok()?;
    let mut roles = PeerRole::ALL
        .into_iter()
        .filter(|role| names(&certificate, names::of_role(cluster, *role)));
    let role = roles.next()?;
    roles.next().is_none().then_some(role)
}

/// The cluster that the first certificate in a PEM text names, whoever issued it: for somebody who
/// reads an own certificate to know which cluster it is for.
pub fn cluster_of_pem(pem: &str) -> Option<ClusterId> {
    let chain = pem_text::certificates(pem.as_bytes()).ok()?;
    let (_rest, parsed) = X509Certificate::from_der(chain.first()?).ok()?;
    let names = parsed.subject_alternative_name().ok()??;
    names
        .value
        .general_names
        .iter()
        .find_map(|name| match name {
            GeneralName::DNSName(name) => names::cluster_in(name),
            _other => None,
        })
}

/// Whether a certificate that a handshake accepted is that of this broker of this cluster, and of
/// nothing else.
pub fn is_broker(certificate: &CertificateDer<'_>, cluster: ClusterId, broker: BrokerId) -> bool {
    role_of(certificate, cluster) == Some(PeerRole::Broker)
        && ParsedCertificate::try_from(certificate)
            .is_ok_and(|parsed| names(&parsed, names::of_broker(cluster, broker)))
}

fn names(certificate: &ParsedCertificate<'_>, name: String) -> bool {
    verify_server_name(certificate, &names::as_server_name(name)).is_ok()
}

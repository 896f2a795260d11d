//! What an authority is asked for, and what it gives.

use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use rustls_pki_types::DnsName;

use crate::{Error, Role, Validity, names};

/// What a certificate shall say.
#[derive(Clone, Debug)]
pub struct Request {
    /// For whom it is.
    pub role: Role,
    /// Names under which clients reach its holder, beside those of the role. The first label may be
    /// `*`.
    pub dns_names: Vec<String>,
    /// Addresses under which clients reach its holder.
    pub addresses: Vec<IpAddr>,
    /// How long it is valid, if its authority is.
    pub life: Duration,
}

/// A certificate and its private key.
#[derive(Clone)]
pub struct Issued {
    /// The certificate.
    pub certificate_pem: String,
    /// Its private key, drawn for it alone.
    pub key_pem: String,
    /// From when until when it is valid.
    pub validity: Validity,
}

impl fmt::Debug for Issued {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Issued")
            .field("validity", &self.validity)
            .finish_non_exhaustive()
    }
}

/// A name that a request adds, as a certificate carries it.
///
/// # Errors
/// If it is no DNS name, or one that would say a role.
pub(crate) fn additional_name(name: &str) -> Result<String, Error> {
    let refuse = || Error::Name(name.to_owned());
    let lower = name.to_ascii_lowercase();
    let host = lower.strip_prefix("*.").unwrap_or(&lower);
    // The end of an absolute name has no place in a certificate.
    if names::is_reserved(host) || host.ends_with('.') || DnsName::try_from(host).is_err() {
        return Err(refuse());
    }
    // One bad name makes verifiers refuse the whole certificate, so doubt is refused here.
    if host.len() < lower.len() && !host.contains('.') {
        return Err(refuse());
    }
    Ok(lower)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn additional_names_are_names_and_say_no_role() {
        for good in [
            "kafka",
            "b-1.kafka.example.com",
            "*.example.com",
            "Kafka.Example",
        ] {
            let name = additional_name(good).expect(good);
            assert_eq!(name, good.to_ascii_lowercase());
        }
        let long = format!("{}.example", "a".repeat(64));
        for bad in [
            "",
            ".",
            "*",
            "*.",
            "*.com",
            "a.*.com",
            "**.example.com",
            "example.com.",
            "a b",
            "a\0.example",
            "käfka.example",
            "10.0.0.1",
            "holdfast.internal",
            "*.holdfast.internal",
            "admin.00000000000000000000000000000001.HoldFast.Internal",
            "x.holdfast.internal.",
            &long,
        ] {
            let refused = additional_name(bad).expect_err(bad);
            assert!(matches!(refused, Error::Name(_)), "{refused}");
        }
    }
}

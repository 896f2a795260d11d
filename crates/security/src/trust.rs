//! Which certificates are accepted, and the cryptography that checks them.

use std::sync::Arc;

use rustls::RootCertStore;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;
use rustls_pki_types::{CertificateDer, UnixTime};

use crate::Error;

/// The one provider of cryptography, named in every use: which one a process has by default
/// depends on what else is linked into it.
pub(crate) fn provider() -> Arc<CryptoProvider> {
    Arc::new(aws_lc_rs::default_provider())
}

/// A store of these authorities.
pub(crate) fn roots(authorities: &[CertificateDer<'_>]) -> Result<Arc<RootCertStore>, Error> {
    let mut roots = RootCertStore::empty();
    for authority in authorities {
        roots
            .add(authority.clone().into_owned())
            .map_err(|error| Error::certificate(&error))?;
    }
    if roots.is_empty() {
        return Err(Error::NoCertificate);
    }
    Ok(Arc::new(roots))
}

/// What checks the certificates of clients. There is no list of revoked certificates: they are
/// short-lived, and an authority can be replaced.
pub(crate) fn verifier(roots: Arc<RootCertStore>) -> Result<Arc<dyn ClientCertVerifier>, Error> {
    WebPkiClientVerifier::builder_with_provider(roots, provider())
        .build()
        .map_err(|error| Error::certificate(&error))
}

/// Checks that a server would accept a client with this chain: its own certificate first, then
/// those between it and an authority.
pub(crate) fn check(
    verifier: &dyn ClientCertVerifier,
    chain: &[CertificateDer<'_>],
    now: UnixTime,
) -> Result<(), Error> {
    let (own, between) = chain.split_first().ok_or(Error::NoCertificate)?;
    verifier
        .verify_client_cert(own, between, now)
        .map(|_verified| ())
        .map_err(Error::NotTrusted)
}

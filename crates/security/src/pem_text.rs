//! Certificates and keys as text.

use pem::{EncodeConfig, LineEnding, Pem};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use crate::Error;

/// Every certificate in a text, in its order; what else the text holds is skipped.
pub(crate) fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, Error> {
    CertificateDer::pem_slice_iter(pem)
        .collect::<Result<_, _>>()
        .map_err(|error| Error::Pem(error.to_string()))
}

/// The first private key in a text. The error has no detail, because a parser's complaint may quote
/// what it read.
pub(crate) fn key(pem: &[u8]) -> Result<PrivateKeyDer<'static>, Error> {
    PrivateKeyDer::from_pem_slice(pem).map_err(|_secret| Error::Key("no readable key in the text"))
}

/// One certificate as text.
pub(crate) fn encode(certificate: &CertificateDer<'_>) -> String {
    let section = Pem::new("CERTIFICATE", certificate.as_ref());
    pem::encode_config(
        &section,
        EncodeConfig::new().set_line_ending(LineEnding::LF),
    )
}

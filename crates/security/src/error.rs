//! How certificates and connections fail.

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use crate::MOST_FILE_BYTES;

/// Why there is no certificate, no configuration or no connection.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file could not be read.
    #[error("{path}: {source}", path = path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// A file is larger than any certificate or bundle.
    #[error("{path}: larger than {MOST_FILE_BYTES} bytes", path = path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
    },
    /// What a file holds cannot be used.
    #[error("{path}: {source}", path = path.display())]
    InFile {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: Box<Error>,
    },
    /// A text holds no certificate.
    #[error("no certificate in the text")]
    NoCertificate,
    /// A text is not PEM.
    #[error("broken PEM: {0}")]
    Pem(String),
    /// A certificate cannot be read.
    #[error("broken certificate: {0}")]
    Certificate(String),
    /// A private key cannot be used.
    #[error("unusable private key: {0}")]
    Key(&'static str),
    /// A certificate and a private key are not a pair.
    #[error("the private key is not the certificate's")]
    NotAPair,
    /// A certificate may not issue others.
    #[error("the certificate is not an authority's")]
    NotAnAuthority,
    /// An authority is not valid now, so what it issues would not be.
    #[error("the authority is not valid at this time")]
    AuthorityNotValid,
    /// Beyond the times that a certificate can say.
    #[error("a time that no certificate can say")]
    Time,
    /// A name that cannot be in a certificate, or that would say a role.
    #[error("{0:?} cannot be an additional name in a certificate")]
    Name(String),
    /// A broker's number is below zero.
    #[error("no broker has the number {0}")]
    BrokerNumber(i32),
    /// The library that writes certificates failed.
    #[error("no certificate was issued: {0}")]
    Issue(rcgen::Error),
    /// No authority vouches for a certificate at this time.
    #[error("the certificate is not accepted by its own authorities: {0}")]
    NotTrusted(rustls::Error),
    /// A configuration of TLS cannot be made.
    #[error("TLS: {0}")]
    Tls(rustls::Error),
    /// The clock does not know the time.
    #[error("the clock was never set")]
    NoTime,
    /// A handshake failed: by the connection, or because one side refused the other.
    #[error("handshake: {0}")]
    Handshake(io::Error),
    /// A handshake did not end in time.
    #[error("no handshake within {0:?}")]
    TimedOut(Duration),
}

impl Error {
    /// A parser's complaint about a certificate.
    pub(crate) fn certificate(error: &dyn fmt::Display) -> Self {
        Self::Certificate(error.to_string())
    }
}

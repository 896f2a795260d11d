//! The configuration of TLS that files give.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use holdfast_model::Clock;
use rustls::client::Resumption;
use rustls::server::NoServerSessionStorage;
use rustls::time_provider::TimeProvider;
use rustls::version::TLS13;
use rustls::{ClientConfig, ServerConfig};
use rustls_pki_types::UnixTime;

use crate::files::Contents;
use crate::{Error, TlsFiles, Validity, pem_text, trust, wall_time};

/// The two sides of a process's connections, made of the same files.
#[derive(Clone)]
pub struct Tls {
    /// For connections that it accepts: a client must show a certificate of the authorities.
    pub server: Arc<ServerConfig>,
    /// For connections that it opens, on which it shows its certificate.
    pub client: Arc<ClientConfig>,
    /// From when until when its certificate is valid.
    pub validity: Validity,
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls")
            .field("validity", &self.validity)
            .finish_non_exhaustive()
    }
}

impl Tls {
    /// Both sides from texts in PEM, for a process that holds its identity in memory.
    ///
    /// # Errors
    /// They do not belong together, or the certificate is not valid now.
    pub fn of_pem(
        certificate: &str,
        key: &str,
        authority: &str,
        clock: &Arc<dyn Clock>,
    ) -> Result<Self, Error> {
        let named = |name: &str| Path::new(name).to_owned();
        let files = TlsFiles {
            certificate: named("certificate"),
            key: named("key"),
            authority: named("authority"),
        };
        let contents = Contents {
            certificate: certificate.as_bytes().to_vec(),
            key: key.as_bytes().to_vec(),
            authority: authority.as_bytes().to_vec(),
        };
        Self::new(&files, &contents, clock)
    }

    /// Makes both sides, and checks that the certificate is one that this process would accept.
    pub(crate) fn new(
        files: &TlsFiles,
        contents: &Contents,
        clock: &Arc<dyn Clock>,
    ) -> Result<Self, Error> {
        let now = wall_time(clock.as_ref()).ok_or(Error::NoTime)?;
        let chain = within(
            &files.certificate,
            pem_text::certificates(&contents.certificate),
        )?;
        let key = within(&files.key, pem_text::key(&contents.key))?;
        let authorities = pem_text::certificates(&contents.authority);
        let authorities = within(&files.authority, authorities)?;
        let roots = within(&files.authority, trust::roots(&authorities))?;
        let verifier = within(&files.authority, trust::verifier(Arc::clone(&roots)))?;
        let own = chain.first().ok_or(Error::NoCertificate);
        let validity = within(&files.certificate, own.and_then(Validity::of_der))?;
        let accepted = trust::check(verifier.as_ref(), &chain, now);
        within(&files.certificate, accepted)?;

        let time = Arc::new(ClockTime(Arc::clone(clock)));
        let mut server = ServerConfig::builder_with_details(trust::provider(), time.clone())
            .with_protocol_versions(&[&TLS13])
            .map_err(Error::Tls)?
            .with_client_cert_verifier(verifier)
            .with_single_cert(chain.clone(), key.clone_key())
            .map_err(pairing)?;
        // A resumed session would skip the look at a certificate that expired meanwhile.
        server.session_storage = Arc::new(NoServerSessionStorage {});
        server.send_tls13_tickets = 0;
        let mut client = ClientConfig::builder_with_details(trust::provider(), time)
            .with_protocol_versions(&[&TLS13])
            .map_err(Error::Tls)?
            .with_root_certificates(roots)
            .with_client_auth_cert(chain, key)
            .map_err(pairing)?;
        client.resumption = Resumption::disabled();
        Ok(Self {
            server: Arc::new(server),
            client: Arc::new(client),
            validity,
        })
    }
}

fn within<T>(path: &Path, result: Result<T, Error>) -> Result<T, Error> {
    result.map_err(|error| Error::InFile {
        path: path.to_owned(),
        source: Box::new(error),
    })
}

fn pairing(error: rustls::Error) -> Error {
    match error {
        rustls::Error::InconsistentKeys(_) => Error::NotAPair,
        other => Error::Tls(other),
    }
}

/// The clock by which certificates of peers are judged.
#[derive(Debug)]
struct ClockTime(Arc<dyn Clock>);

impl TimeProvider for ClockTime {
    fn current_time(&self) -> Option<UnixTime> {
        wall_time(self.0.as_ref())
    }
}

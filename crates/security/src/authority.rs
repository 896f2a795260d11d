//! The authority of a cluster: a certificate and a key that issue the others.

use std::fmt;
use std::time::Duration;

use holdfast_model::ClusterId;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, PublicKeyData, SanType,
};
use rustls_pki_types::{CertificateDer, UnixTime};
use x509_parser::prelude::{FromDer, X509Certificate};

use crate::request::additional_name;
use crate::validity::{date, minus, plus};
use crate::{Error, Issued, PeerRole, Request, Role, Validity, names, pem_text, role_of, trust};

/// How long before its issue a certificate is valid, because the clocks of those that check it may
/// be behind.
pub const BACKDATED: Duration = Duration::from_mins(5);

/// Issues certificates for one cluster. It holds a private key: whoever has it is every role.
pub struct Authority {
    cluster: ClusterId,
    issuer: Issuer<'static, KeyPair>,
    certificate: CertificateDer<'static>,
    validity: Validity,
}

impl fmt::Debug for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authority")
            .field("cluster", &self.cluster)
            .field("validity", &self.validity)
            .finish_non_exhaustive()
    }
}

impl Authority {
    /// A new authority with a key of its own, valid from `now` for `life`.
    ///
    /// # Errors
    /// If the end is beyond the year 9999, or the machine has no randomness.
    pub fn generate(cluster: ClusterId, now: UnixTime, life: Duration) -> Result<Self, Error> {
        let validity = Validity {
            not_before: minus(now, BACKDATED),
            not_after: plus(now, life),
        };
        let name = format!("Holdfast authority {}", names::label(cluster));
        let mut params = params(&name, validity)?;
        // It issues certificates of members only, no further authorities.
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let key = new_key()?;
        let certificate = params.self_signed(&key).map_err(Error::Issue)?;
        Self::of_parts(cluster, certificate.der().clone(), key)
    }

    /// The authority of a cluster as it was kept: the texts of [`Authority::certificate_pem`] and
    /// [`Authority::key_pem`], or of an authority that others made.
    ///
    /// # Errors
    /// If they cannot be read, are not a pair, or are not an authority's.
    pub fn from_pem(cluster: ClusterId, certificate: &str, key: &str) -> Result<Self, Error> {
        let certificate = pem_text::certificates(certificate.as_bytes())?
            .into_iter()
            .next()
            .ok_or(Error::NoCertificate)?;
        let key = KeyPair::try_from(&pem_text::key(key.as_bytes())?)
            .map_err(|_secret| Error::Key("of no known kind"))?;
        Self::of_parts(cluster, certificate, key)
    }

    fn of_parts(
        cluster: ClusterId,
        certificate: CertificateDer<'static>,
        key: KeyPair,
    ) -> Result<Self, Error> {
        let (_rest, parsed) =
            X509Certificate::from_der(&certificate).map_err(|error| Error::certificate(&error))?;
        if parsed.public_key().raw != key.subject_public_key_info() {
            return Err(Error::NotAPair);
        }
        let usage = parsed
            .key_usage()
            .map_err(|error| Error::certificate(&error))?;
        if !parsed.is_ca() || usage.is_some_and(|usage| !usage.value.key_cert_sign()) {
            return Err(Error::NotAnAuthority);
        }
        let validity = Validity::of_der(&certificate)?;
        let issuer = Issuer::from_ca_cert_der(&certificate, key).map_err(Error::Issue)?;
        Ok(Self {
            cluster,
            issuer,
            certificate,
            validity,
        })
    }

    /// Its certificate, which all members of the cluster trust.
    pub fn certificate_pem(&self) -> String {
        pem_text::encode(&self.certificate)
    }

    /// Its private key.
    pub fn key_pem(&self) -> String {
        self.issuer.key().serialize_pem()
    }

    /// From when until when it is valid.
    pub fn validity(&self) -> Validity {
        self.validity
    }

    /// A new certificate with a key of its own, valid from `now` for as long as was asked, but not
    /// longer than the authority.
    ///
    /// # Errors
    /// If the request asks for a name that it may not have, the authority is not valid now, or
    /// peers would not accept the result.
    pub fn issue(&self, request: &Request, now: UnixTime) -> Result<Issued, Error> {
        if !self.validity.contains(now) {
            return Err(Error::AuthorityNotValid);
        }
        let validity = Validity {
            not_before: minus(now, BACKDATED),
            not_after: plus(now, request.life).min(self.validity.not_after),
        };
        let mut params = params(&request.role.to_string(), validity)?;
        params.is_ca = IsCa::ExplicitNoCa;
        params.subject_alt_names = self.names(request)?;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = usages(request.role);
        params.use_authority_key_identifier_extension = true;
        let key = new_key()?;
        let certificate = params.signed_by(&key, &self.issuer).map_err(Error::Issue)?;
        self.check(certificate.der(), now)?;
        if role_of(certificate.der(), self.cluster) != Some(request.role.kind()) {
            return Err(Error::Certificate("its role is not readable".to_owned()));
        }
        Ok(Issued {
            certificate_pem: pem_text::encode(certificate.der()),
            key_pem: key.serialize_pem(),
            validity,
        })
    }

    /// Whether this authority, and not one before it, issued the first certificate of a text, and it
    /// is valid now. A broken text is not.
    pub fn vouches_for(&self, certificate_pem: &str, now: UnixTime) -> bool {
        pem_text::certificates(certificate_pem.as_bytes())
            .ok()
            .and_then(|chain| chain.into_iter().next())
            .is_some_and(|own| self.check(&own, now).is_ok())
    }

    /// Checks a certificate as a server that trusts only this authority would.
    fn check(&self, certificate: &CertificateDer<'_>, now: UnixTime) -> Result<(), Error> {
        let roots = trust::roots(std::slice::from_ref(&self.certificate))?;
        let chain = std::slice::from_ref(certificate);
        trust::check(trust::verifier(roots)?.as_ref(), chain, now)
    }

    /// The names of the role, then those that were asked for in addition, each once.
    fn names(&self, request: &Request) -> Result<Vec<SanType>, Error> {
        if let Role::Broker(broker) = request.role
            && broker.0 < 0
        {
            return Err(Error::BrokerNumber(broker.0));
        }
        let mut names = request.role.names(self.cluster);
        for name in &request.dns_names {
            let name = additional_name(name)?;
            if !names.contains(&name) {
                names.push(name);
            }
        }
        let dns = names
            .into_iter()
            .map(|name| Ok(SanType::DnsName(name.try_into().map_err(Error::Issue)?)));
        let addresses = request.addresses.iter().copied();
        dns.chain(addresses.map(|address| Ok(SanType::IpAddress(address))))
            .collect()
    }
}

/// Brokers serve and call each other; the others only call, so a stolen certificate of theirs
/// cannot pose as a broker.
fn usages(role: Role) -> Vec<ExtendedKeyUsagePurpose> {
    let mut usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    if role.kind() == PeerRole::Broker {
        usages.push(ExtendedKeyUsagePurpose::ServerAuth);
    }
    usages
}

fn new_key() -> Result<KeyPair, Error> {
    KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(Error::Issue)
}

fn params(common_name: &str, validity: Validity) -> Result<CertificateParams, Error> {
    let mut name = DistinguishedName::new();
    name.push(DnType::CommonName, common_name);
    let mut params = CertificateParams::default();
    params.distinguished_name = name;
    params.not_before = date(validity.not_before)?;
    params.not_after = date(validity.not_after)?;
    Ok(params)
}

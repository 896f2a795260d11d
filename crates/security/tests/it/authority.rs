use std::time::Duration;

use holdfast_model::BrokerId;
use holdfast_security::{
    Authority, BACKDATED, Error, PeerRole, Reloading, Request, Role, UnixTime, Validity, bundle,
    role_of,
};
use rustls_pki_types::PrivateKeyDer;
use rustls_pki_types::pem::PemObject;

use crate::setup::{
    DAY, LIFE, at, authority, broker, clock_at, cluster, files, issue, request, start, write,
};

#[test]
fn an_authority_is_the_same_after_it_was_kept() {
    let first = authority(1);
    let again = Authority::from_pem(cluster(1), &first.certificate_pem(), &first.key_pem());
    let again = again.expect("its own text");
    assert_eq!(again.certificate_pem(), first.certificate_pem());
    assert_eq!(again.validity(), first.validity());
    let issued = issue(&again, broker(1));
    assert!(first.vouches_for(&issued.certificate_pem, start()));
}

#[test]
fn an_authority_vouches_only_for_what_it_issued_and_while_it_is_valid() {
    let (old, new) = (authority(1), authority(1));
    let issued = issue(&old, Role::Operator).certificate_pem;
    assert!(old.vouches_for(&issued, start()));
    assert!(!new.vouches_for(&issued, start()));
    assert!(!old.vouches_for(&issued, at(LIFE + DAY)));
    assert!(!old.vouches_for("", start()));
    assert!(!old.vouches_for(&old.certificate_pem(), start()));
}

#[test]
fn a_certificate_outlives_neither_its_request_nor_its_authority() {
    let authority = authority(1);
    let issued = issue(&authority, broker(1));
    assert_eq!(issued.validity.not_after, at(LIFE));
    let before = start().as_secs() - BACKDATED.as_secs();
    assert_eq!(issued.validity.not_before.as_secs(), before);
    let read = Validity::of_pem(&issued.certificate_pem).expect("a certificate");
    assert_eq!(read, issued.validity);

    let late = at(LIFE * 11);
    let last = authority.issue(&request(broker(1)), late).expect("valid");
    assert_eq!(last.validity.not_after, authority.validity().not_after);
    for never in [at(LIFE * 12 + DAY), UnixTime::since_unix_epoch(DAY)] {
        let refused = authority.issue(&request(broker(1)), never);
        assert!(matches!(refused, Err(Error::AuthorityNotValid)));
    }
}

#[test]
fn every_certificate_has_a_key_of_its_own() {
    let authority = authority(1);
    let (one, two) = (issue(&authority, broker(1)), issue(&authority, broker(1)));
    assert_ne!(one.key_pem, two.key_pem);
    assert_ne!(one.certificate_pem, two.certificate_pem);
}

#[test]
fn a_request_cannot_add_a_name_that_says_a_role() {
    let authority = authority(1);
    for name in [
        format!("admin.{:032x}.holdfast.internal", 1),
        format!("ADMIN.{:032x}.Holdfast.Internal", 1),
        format!("*.{:032x}.holdfast.internal", 1),
        format!("broker-2.brokers.{:032x}.holdfast.internal", 1),
        format!("admin.{:032x}.holdfast.internal.", 1),
        "*".to_owned(),
    ] {
        let request = Request {
            dns_names: vec![name],
            ..request(broker(1))
        };
        let refused = authority.issue(&request, start());
        assert!(matches!(refused, Err(Error::Name(_))), "{request:?}");
    }
    let negative = authority.issue(&request(Role::Broker(BrokerId(-1))), start());
    assert!(matches!(negative, Err(Error::BrokerNumber(-1))));
}

#[test]
fn only_an_authority_with_its_own_key_issues() {
    let (one, two) = (authority(1), authority(1));
    let of = |certificate: &str, key: &str| Authority::from_pem(cluster(1), certificate, key);
    let mixed = of(&one.certificate_pem(), &two.key_pem()).expect_err("no pair");
    assert!(matches!(mixed, Error::NotAPair), "{mixed}");
    let member = issue(&one, Role::Admin);
    let no_authority = of(&member.certificate_pem, &member.key_pem).expect_err("a member");
    assert!(
        matches!(no_authority, Error::NotAnAuthority),
        "{no_authority}"
    );
    assert!(matches!(of("", &one.key_pem()), Err(Error::NoCertificate)));
    assert!(matches!(of(&one.certificate_pem(), ""), Err(Error::Key(_))));
}

#[test]
fn times_that_no_certificate_can_say_are_refused() {
    let end = UnixTime::since_unix_epoch(Duration::from_secs(u64::MAX));
    for (now, life) in [(start(), Duration::MAX), (end, DAY)] {
        let refused = Authority::generate(cluster(1), now, life);
        assert!(matches!(refused, Err(Error::Time)), "{refused:?}");
    }
    // 1970 is a time, and nothing is before it.
    let first = UnixTime::since_unix_epoch(Duration::ZERO);
    let authority = Authority::generate(cluster(1), first, LIFE).expect("1970");
    assert_eq!(authority.validity().not_before, first);
    // Times before and after 2050 are written differently.
    let far = Authority::generate(cluster(1), start(), LIFE * 1200).expect("a century");
    assert_eq!(far.validity().not_after, at(LIFE * 1200));
}

#[test]
fn a_bundle_holds_every_certificate_once_and_no_key() {
    let (one, two) = (authority(1), authority(1));
    let (a, b) = (one.certificate_pem(), two.certificate_pem());
    let with_key = format!("{}{a}", one.key_pem());
    let both = bundle(&[&with_key, &b, &a]).expect("a bundle");
    assert_eq!(both, format!("{a}{b}"));
    assert_eq!(bundle(&[&both, &b]).expect("again"), both);
    assert!(!both.contains("PRIVATE"));
    for nothing in [&[] as &[&str], &[""], &[&a, ""], &["text"]] {
        let refused = bundle(nothing);
        assert!(matches!(refused, Err(Error::NoCertificate)), "{nothing:?}");
    }
    let cut = &a[..a.len() / 2];
    assert!(matches!(bundle(&[cut]), Err(Error::Pem(_))));
}

#[test]
fn no_debug_output_shows_a_key() {
    let authority = authority(1);
    let issued = issue(&authority, Role::Admin);
    let folder = tempfile::tempdir().expect("a folder");
    write(folder.path(), &issued, &authority.certificate_pem());
    let paths = files(folder.path());
    let reloading = Reloading::load(paths, clock_at(Duration::ZERO)).expect("good files");
    let tls = reloading.current();
    let shown = format!(
        "{authority:?} {issued:?} {reloading:?} {tls:?} {:?} {:?}",
        tls.server, tls.client
    );
    for key in [authority.key_pem(), issued.key_pem] {
        for line in key.lines() {
            assert!(!shown.contains(line), "{line}");
        }
        let pem = PrivateKeyDer::from_pem_slice(key.as_bytes()).expect("a key");
        // The secret of a P-256 key in PKCS #8 stands from byte 36 on; `Debug` of bytes shows
        // decimal numbers or hexadecimal digits.
        let secret = &pem.secret_der()[36..44];
        let decimal = format!("{secret:?}");
        let decimal = decimal.trim_matches(['[', ']']);
        let hex = format!(
            "{:016x}",
            u64::from_be_bytes(secret.try_into().expect("8 bytes"))
        );
        assert!(!shown.contains(decimal) && !shown.contains(&hex));
    }
}

#[test]
fn a_certificate_that_claims_several_roles_has_none() {
    let label = format!("{:032x}.holdfast.internal", 1);
    let role = |names: &[String]| {
        let key = rcgen::KeyPair::generate().expect("a key");
        let params = rcgen::CertificateParams::new(names).expect("names");
        let certificate = params.self_signed(&key).expect("a certificate");
        role_of(certificate.der(), cluster(1))
    };
    let (admin, operator) = (format!("admin.{label}"), format!("operator.{label}"));
    assert_eq!(role(std::slice::from_ref(&admin)), Some(PeerRole::Admin));
    assert_eq!(role(&[admin, operator]), None);
    assert_eq!(role(&[format!("*.{label}")]), None);
    assert_eq!(role(&["example.com".to_owned()]), None);
    assert_eq!(role(&[]), None);
}

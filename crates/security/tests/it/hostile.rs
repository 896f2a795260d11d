use std::time::Duration;

use holdfast_model::BrokerId;
use holdfast_security::{
    Authority, CertificateDer, Reloading, Role, Validity, accept, bundle, is_broker, role_of,
};
use rustls_pki_types::pem::PemObject;
use tokio::io::AsyncWriteExt;

use crate::setup::{
    DEADLINE, authority, broker, clock_at, cluster, files, issue, member, request, start, write,
};

/// A small generator of numbers that repeats for its seed (splitmix64).
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, end: usize) -> usize {
        (self.next() % end.max(1) as u64) as usize
    }

    /// Changes, cuts, doubles or inserts a few bytes.
    fn mutate(&mut self, bytes: &[u8]) -> Vec<u8> {
        let mut bytes = bytes.to_vec();
        for _ in 0..=self.below(4) {
            let place = self.below(bytes.len());
            match self.below(5) {
                0 => bytes.truncate(place),
                1 => bytes.insert(place, self.next() as u8),
                2 => bytes.extend_from_within(place..),
                _ if bytes.is_empty() => bytes.push(self.next() as u8),
                3 => bytes[place] = self.next() as u8,
                _ => bytes[place] ^= 1 << self.below(8),
            }
        }
        bytes
    }
}

#[test]
fn broken_texts_are_refused_without_panic() {
    let authority = authority(1);
    let (certificate, key) = (authority.certificate_pem(), authority.key_pem());
    let mut dice = Dice(1);
    for round in 0..2000 {
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        let broken = text(dice.mutate(certificate.as_bytes()));
        let broken_key = text(dice.mutate(key.as_bytes()));
        let _validity = Validity::of_pem(&broken);
        let _bundle = bundle(&[&certificate, &broken]);
        let of = |certificate: &str, key: &str| Authority::from_pem(cluster(1), certificate, key);
        for read in [of(&broken, &key), of(&certificate, &broken_key)]
            .into_iter()
            .flatten()
        {
            // Bytes between sections do not matter, and a signature of its own is not checked.
            let _issued = read.issue(&request(broker(round)), start());
        }
        authority.vouches_for(&broken, start());
    }
}

#[test]
fn broken_certificates_never_gain_a_role() {
    let authority = authority(1);
    let pem = issue(&authority, broker(1)).certificate_pem;
    let der = CertificateDer::from_pem_slice(pem.as_bytes()).expect("a certificate");
    let mut dice = Dice(2);
    for _ in 0..20_000 {
        let broken = CertificateDer::from(dice.mutate(&der));
        // The signature is not looked at here, so a changed number of the broker is read as it
        // stands; to gain another role takes more than four changes.
        let role = role_of(&broken, cluster(1));
        assert!(role.is_none_or(|role| role == Role::Broker(BrokerId(1)).kind()));
        let _is = is_broker(&broken, cluster(1), BrokerId(1));
    }
}

#[test]
fn broken_certificates_are_not_vouched_for() {
    let authority = authority(1);
    let issued = issue(&authority, broker(1)).certificate_pem;
    let der = CertificateDer::from_pem_slice(issued.as_bytes()).expect("a certificate");
    let mut dice = Dice(3);
    for _ in 0..1000 {
        let changed = dice.mutate(&der);
        if changed == der.as_ref() {
            continue;
        }
        let section = pem::Pem::new("CERTIFICATE", changed);
        assert!(!authority.vouches_for(&pem::encode(&section), start()));
    }
}

#[test]
fn broken_files_are_refused_without_panic() {
    let authority = authority(1);
    let folder = tempfile::tempdir().expect("a folder");
    let issued = issue(&authority, broker(1));
    write(folder.path(), &issued, &authority.certificate_pem());
    let paths = files(folder.path());
    let tls = Reloading::load(paths.clone(), clock_at(Duration::ZERO)).expect("good files");
    let mut dice = Dice(4);
    for path in [&paths.certificate, &paths.key, &paths.authority] {
        let good = std::fs::read(path).expect("read");
        for _ in 0..300 {
            std::fs::write(path, dice.mutate(&good)).expect("written");
            let _changed = tls.reload_if_changed();
            assert_eq!(tls.current().validity, issued.validity);
        }
        std::fs::write(path, good).expect("written");
    }
}

#[tokio::test]
async fn bytes_that_are_no_handshake_are_refused() {
    let authority = authority(1);
    let tls = member(&issue(&authority, broker(1)), &authority.certificate_pem());
    let mut dice = Dice(5);
    for round in 0..500 {
        let (near, mut far) = tokio::io::duplex(64 * 1024);
        // Half of them begin as a record of a handshake does.
        let mut bytes = vec![22, 3, 1, 0, 200, 1, 0, 0, 196, 3, 3];
        if round % 2 == 0 {
            bytes.clear();
        }
        bytes.extend((0..dice.below(2000)).map(|_| dice.next() as u8));
        far.write_all(&bytes).await.expect("sent");
        far.shutdown().await.expect("closed");
        accept(near, &tls.server, DEADLINE)
            .await
            .expect_err("no handshake");
    }
}

use std::sync::Arc;
use std::time::Duration;

use holdfast_model::BrokerId;
use holdfast_security::{
    Authority, ClientConfig, Error, PeerRole, Reloading, Request, Role, accept, bundle, connect,
    is_broker, peer_role, role_of, server_name, server_name_of_broker,
};
use rustls::RootCertStore;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;

use crate::setup::{
    DAY, LIFE, at, authority, broker, clock_at, cluster, files, issue, meet, member, member_at,
    request, start, write,
};

#[tokio::test]
async fn members_of_a_cluster_meet_and_tell_their_roles() {
    let authority = authority(1);
    let trusted = authority.certificate_pem();
    let server = member(&issue(&authority, broker(1)), &trusted);
    for (role, kind) in [
        (broker(2), PeerRole::Broker),
        (Role::Operator, PeerRole::Operator),
        (Role::Admin, PeerRole::Admin),
    ] {
        let client = member(&issue(&authority, role), &trusted);
        let met = meet(&server, &client, server_name(cluster(1))).await;
        let (_, at_server) = met.server.as_ref().expect("accepted").get_ref();
        let (_, at_client) = met.client.as_ref().expect("accepted").get_ref();
        assert_eq!(peer_role(at_server, cluster(1)), Some(kind));
        assert_eq!(peer_role(at_server, cluster(2)), None);
        assert_eq!(peer_role(at_client, cluster(1)), Some(PeerRole::Broker));
        let own = &at_server.peer_certificates().expect("shown")[0];
        assert_eq!(is_broker(own, cluster(1), BrokerId(2)), role == broker(2));
        assert!(!is_broker(own, cluster(1), BrokerId(1)));
        assert!(!is_broker(own, cluster(2), BrokerId(2)));
        met.talk().await;
    }
}

#[tokio::test]
async fn a_client_of_another_cluster_is_refused() {
    let (ours, theirs) = (authority(1), authority(2));
    let server = member(&issue(&ours, broker(1)), &ours.certificate_pem());
    // It trusts both, so that it is the server that refuses.
    let both = bundle(&[&ours.certificate_pem(), &theirs.certificate_pem()]).expect("a bundle");
    let client = member(&issue(&theirs, broker(1)), &both);
    let met = meet(&server, &client, server_name(cluster(1))).await;
    let reason = met.refused_by_server().await;
    assert!(reason.contains("UnknownIssuer"), "{reason}");
}

#[tokio::test]
async fn a_client_of_another_cluster_with_the_same_authority_has_no_role() {
    let ours = authority(1);
    let (certificate, key) = (ours.certificate_pem(), ours.key_pem());
    let theirs = Authority::from_pem(cluster(2), &certificate, &key);
    let theirs = theirs.expect("the same authority for another cluster");
    let server = member(&issue(&ours, broker(1)), &certificate);
    let client = member(&issue(&theirs, Role::Admin), &certificate);
    let met = meet(&server, &client, server_name(cluster(1))).await;
    let stream = met.server.expect("its authority is trusted");
    assert_eq!(peer_role(stream.get_ref().1, cluster(1)), None);
    assert_eq!(
        peer_role(stream.get_ref().1, cluster(2)),
        Some(PeerRole::Admin)
    );
}

#[tokio::test]
async fn a_client_without_a_certificate_is_refused() {
    let authority = authority(1);
    let server = member(&issue(&authority, broker(1)), &authority.certificate_pem());
    let mut roots = RootCertStore::empty();
    let pem = authority.certificate_pem();
    roots
        .add(CertificateDer::from_pem_slice(pem.as_bytes()).expect("a certificate"))
        .expect("an authority");
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut client = (*server).clone();
    let mut bare = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    bare.time_provider = Arc::clone(&server.client.time_provider);
    client.client = Arc::new(bare);
    let met = meet(&server, &client, server_name(cluster(1))).await;
    let reason = met.refused_by_server().await;
    assert!(reason.contains("peer sent no certificates"), "{reason}");
}

#[tokio::test]
async fn an_expired_certificate_is_refused_by_both_sides() {
    let authority = authority(1);
    let trusted = authority.certificate_pem();
    let late = LIFE + DAY;
    let old = issue(&authority, broker(1));
    let new = authority
        .issue(&request(broker(2)), at(late))
        .expect("a certificate");
    // Whose clock is behind still thinks that its certificate is good.
    let behind = member(&old, &trusted);
    let right = member_at(&new, &trusted, late);
    let met = meet(&right, &behind, server_name(cluster(1))).await;
    // The certificate of the right one is not yet valid for the one behind.
    met.client.expect_err("not yet valid");
    let both = member_at(&new, &trusted, late);
    let met = meet(&behind, &both, server_name(cluster(1))).await;
    let refused = met.client.expect_err("expired").to_string();
    assert!(refused.contains("expired"), "{refused}");

    // A server whose certificate all accept refuses an expired client.
    let long = Request {
        life: LIFE * 3,
        ..request(broker(3))
    };
    let long = authority.issue(&long, start()).expect("long");
    let server = member_at(&long, &trusted, late);
    let met = meet(&server, &behind, server_name(cluster(1))).await;
    let reason = met.refused_by_server().await;
    assert!(reason.contains("expired"), "{reason}");
}

#[tokio::test]
async fn a_certificate_that_expires_ends_no_connection_but_opens_none() {
    let authority = authority(1);
    let trusted = authority.certificate_pem();
    let folder = tempfile::tempdir().expect("a folder");
    write(folder.path(), &issue(&authority, broker(1)), &trusted);
    let clock = clock_at(Duration::ZERO);
    let paths = files(folder.path());
    let server = Reloading::load(paths, clock.clone()).expect("good files");
    let server = server.current();
    let client = member(&issue(&authority, broker(2)), &trusted);
    let name = server_name(cluster(1));
    let open = meet(&server, &client, name.clone()).await;
    clock.advance(LIFE + DAY);
    open.talk().await;
    // The same client again: had its session been resumed, it would be let in.
    let reason = meet(&server, &client, name).await.refused_by_server().await;
    assert!(reason.contains("expired"), "{reason}");
}

#[tokio::test]
async fn a_clock_that_was_never_set_accepts_nobody() {
    let authority = authority(1);
    let trusted = authority.certificate_pem();
    let folder = tempfile::tempdir().expect("a folder");
    write(folder.path(), &issue(&authority, broker(1)), &trusted);
    let clock = clock_at(Duration::ZERO);
    let paths = files(folder.path());
    let server = Reloading::load(paths.clone(), clock.clone()).expect("good files");
    let client = member(&issue(&authority, broker(2)), &trusted);
    clock.jump_wall(-i64::MAX / 2);
    let server = server.current();
    let met = meet(&server, &client, server_name(cluster(1))).await;
    met.refused_by_server().await;
    let refused = Reloading::load(paths, clock).expect_err("no time");
    assert!(matches!(refused, Error::NoTime), "{refused}");
}

#[tokio::test]
async fn old_and_new_authority_are_both_accepted_while_one_takes_over() {
    let (old, new) = (authority(1), authority(1));
    let old_only = old.certificate_pem();
    let new_only = new.certificate_pem();
    let both = bundle(&[&old_only, &new_only]).expect("a bundle");
    let name = || server_name(cluster(1));
    let a = member(&issue(&old, broker(1)), &both);
    let b = member(&issue(&new, broker(2)), &both);
    // In each order, whichever authority stands first in the bundle.
    let turned = bundle(&[&new_only, &old_only]).expect("a bundle");
    let c = member(&issue(&old, broker(3)), &turned);
    for (server, client) in [(&a, &b), (&b, &a), (&c, &b), (&b, &c), (&a, &c)] {
        meet(server, client, name()).await.talk().await;
    }
    // Before and after the take-over there is one.
    let before = member(&issue(&old, broker(4)), &old_only);
    meet(&a, &before, name()).await.talk().await;
    let after = member(&issue(&new, broker(4)), &new_only);
    meet(&after, &b, name()).await.talk().await;
    let met = meet(&after, &a, name()).await;
    met.refused_by_server().await;
}

#[tokio::test]
async fn a_server_without_the_expected_name_is_refused() {
    let authority = authority(1);
    let trusted = authority.certificate_pem();
    let client = member(&issue(&authority, broker(2)), &trusted);
    let server = member(&issue(&authority, broker(1)), &trusted);
    let right = server_name_of_broker(cluster(1), BrokerId(1));
    meet(&server, &client, right).await.talk().await;
    for wrong in [
        server_name_of_broker(cluster(1), BrokerId(2)),
        server_name_of_broker(cluster(2), BrokerId(1)),
        server_name(cluster(2)),
        "kafka.example.com".try_into().expect("a name"),
        "10.0.0.1".try_into().expect("an address"),
    ] {
        let met = meet(&server, &client, wrong.clone()).await;
        met.client.expect_err("another name");
        met.server.expect_err("the client left");
    }
}

#[tokio::test]
async fn an_operator_cannot_pose_as_a_broker() {
    let authority = authority(1);
    let trusted = authority.certificate_pem();
    let client = member(&issue(&authority, broker(2)), &trusted);
    let server = member(&issue(&authority, Role::Operator), &trusted);
    // Neither by the brokers' name nor by its own: its certificate serves nothing.
    let own = format!("operator.{:032x}.holdfast.internal", 1);
    for name in [server_name(cluster(1)), own.try_into().expect("a name")] {
        let met = meet(&server, &client, name).await;
        met.client.expect_err("refused");
    }
}

#[tokio::test]
async fn clients_reach_a_broker_by_its_additional_names() {
    let authority = authority(1);
    let trusted = authority.certificate_pem();
    let request = Request {
        dns_names: vec!["Kafka.example.com".into(), "*.kafka.example.com".into()],
        addresses: vec![[10, 0, 0, 1].into(), "fd00::1".parse().expect("an address")],
        ..request(broker(1))
    };
    let issued = authority.issue(&request, start()).expect("ok");
    let server = member(&issued, &trusted);
    let client = member(&issue(&authority, Role::Admin), &trusted);
    for name in [
        "kafka.example.com",
        "b1.kafka.example.com",
        "10.0.0.1",
        "fd00::1",
    ] {
        let name = name.try_into().expect("a name");
        meet(&server, &client, name).await.talk().await;
    }
    let own = CertificateDer::from_pem_slice(issued.certificate_pem.as_bytes()).expect("one");
    assert_eq!(role_of(&own, cluster(1)), Some(PeerRole::Broker));
}

#[tokio::test]
async fn a_silent_peer_is_not_awaited_beyond_the_deadline() {
    let authority = authority(1);
    let tls = member(&issue(&authority, broker(1)), &authority.certificate_pem());
    let short = Duration::from_millis(50);
    let (near, _far) = tokio::io::duplex(64 * 1024);
    let accepted = accept(near, &tls.server, short).await;
    assert!(matches!(accepted, Err(Error::TimedOut(_))), "{accepted:?}");
    let (near, _far) = tokio::io::duplex(64 * 1024);
    let connected = connect(near, &tls.client, server_name(cluster(1)), short).await;
    assert!(
        matches!(connected, Err(Error::TimedOut(_))),
        "{connected:?}"
    );
}

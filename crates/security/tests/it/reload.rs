use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use holdfast_model::SystemClock;
use holdfast_security::{
    Authority, Error, MOST_FILE_BYTES, Reloading, Role, bundle, server_name, wall_time,
};

use crate::setup::{
    DAY, LIFE, at, authority, broker, clock_at, cluster, files, issue, meet, member, request,
    start, write,
};

/// Why a load of what lies in a folder fails.
fn refused(folder: &Path, after_start: Duration) -> String {
    Reloading::load(files(folder), clock_at(after_start))
        .expect_err("refused")
        .to_string()
}

#[tokio::test]
async fn changed_files_serve_new_connections() {
    let (old, new) = (authority(1), authority(1));
    let folder = tempfile::tempdir().expect("a folder");
    write(
        folder.path(),
        &issue(&old, broker(1)),
        &old.certificate_pem(),
    );
    let server = Reloading::load(files(folder.path()), clock_at(Duration::ZERO)).expect("good");
    assert!(!server.reload_if_changed().expect("unchanged"));
    let before = server.current();

    let both = bundle(&[&old.certificate_pem(), &new.certificate_pem()]).expect("a bundle");
    let client = member(&issue(&new, Role::Admin), &both);
    let name = server_name(cluster(1));
    let met = meet(&before, &client, name.clone()).await;
    met.refused_by_server().await;

    std::fs::write(files(folder.path()).authority, &both).expect("written");
    assert!(server.reload_if_changed().expect("good files"));
    assert!(!server.reload_if_changed().expect("unchanged"));
    let met = meet(&server.current(), &client, name.clone()).await;
    met.talk().await;
    // Whoever holds what was before goes on with it.
    meet(&before, &client, name).await.refused_by_server().await;
}

#[test]
fn files_that_kubernetes_swaps_at_once_are_seen() {
    let authority = authority(1);
    let mount = tempfile::tempdir().expect("a folder");
    let root = mount.path();
    for version in ["..1", "..2"] {
        std::fs::create_dir(root.join(version)).expect("a folder");
    }
    let later = at(DAY);
    let second = authority.issue(&request(broker(1)), later).expect("ok");
    let trusted = authority.certificate_pem();
    write(&root.join("..1"), &issue(&authority, broker(1)), &trusted);
    write(&root.join("..2"), &second, &trusted);
    symlink("..1", root.join("..data")).expect("a link");
    for file in ["tls.crt", "tls.key", "ca.crt"] {
        symlink(Path::new("..data").join(file), root.join(file)).expect("a link");
    }
    let clock = clock_at(Duration::ZERO);
    let tls = Reloading::load(files(root), clock.clone()).expect("good files");
    symlink("..2", root.join("..data_tmp")).expect("a link");
    std::fs::rename(root.join("..data_tmp"), root.join("..data")).expect("swapped");
    clock.advance(DAY);
    assert!(tls.reload_if_changed().expect("good files"));
    assert_eq!(tls.current().validity, second.validity);
}

#[test]
fn broken_files_keep_what_was_before_until_they_are_whole() {
    let authority = authority(1);
    let trusted = authority.certificate_pem();
    let folder = tempfile::tempdir().expect("a folder");
    let paths = files(folder.path());
    write(folder.path(), &issue(&authority, broker(1)), &trusted);
    let tls = Reloading::load(paths.clone(), clock_at(Duration::ZERO)).expect("good files");
    let first = tls.current();

    let next = issue(&authority, broker(1));
    let large = vec![b' '; MOST_FILE_BYTES as usize + 1];
    let cut = &next.certificate_pem.as_bytes()[..200];
    for (path, bytes) in [
        (&paths.certificate, b"".as_slice()),
        (&paths.certificate, cut),
        (&paths.certificate, &large),
        // Half of a new pair, as a read between two writes sees it.
        (&paths.certificate, next.certificate_pem.as_bytes()),
        (&paths.key, b"no key"),
        (&paths.key, next.key_pem.as_bytes()),
        (&paths.authority, b""),
        (&paths.authority, cut),
    ] {
        let good = std::fs::read(path).expect("read");
        std::fs::write(path, bytes).expect("written");
        let error = tls.reload_if_changed().expect_err("broken").to_string();
        assert!(!error.contains("PRIVATE KEY"), "{error}");
        tls.reload_if_changed().expect_err("still broken");
        assert!(Arc::ptr_eq(&first, &tls.current()));
        std::fs::write(path, good).expect("written");
        assert!(!tls.reload_if_changed().expect("as before"));
    }
    std::fs::remove_file(&paths.key).expect("removed");
    let gone = tls.reload_if_changed().expect_err("gone");
    assert!(matches!(gone, Error::Read { .. }), "{gone}");
    write(folder.path(), &next, &trusted);
    assert!(tls.reload_if_changed().expect("whole"));
    assert!(!Arc::ptr_eq(&first, &tls.current()));
}

#[test]
fn a_certificate_that_its_own_authorities_refuse_is_never_presented() {
    let (ours, theirs) = (authority(1), authority(2));
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path();
    write(path, &issue(&theirs, broker(1)), &ours.certificate_pem());
    let reason = refused(path, Duration::ZERO);
    assert!(
        reason.contains("tls.crt") && reason.contains("UnknownIssuer"),
        "{reason}"
    );
    write(path, &issue(&ours, broker(1)), &ours.certificate_pem());
    let reason = refused(path, LIFE + DAY);
    assert!(reason.contains("expired"), "{reason}");
}

#[test]
fn a_key_that_is_not_the_certificates_is_refused() {
    let authority = authority(1);
    let folder = tempfile::tempdir().expect("a folder");
    let mut issued = issue(&authority, broker(1));
    issued.key_pem = issue(&authority, broker(1)).key_pem;
    write(folder.path(), &issued, &authority.certificate_pem());
    let error = Reloading::load(files(folder.path()), clock_at(Duration::ZERO));
    assert!(matches!(error, Err(Error::NotAPair)), "{error:?}");
}

#[test]
fn the_clock_of_the_machine_is_a_clock() {
    let clock = SystemClock::new();
    let now = wall_time(&clock).expect("a machine with a clock");
    assert!(now > start());
    let authority = Authority::generate(cluster(1), now, LIFE).expect("ok");
    let issued = authority.issue(&request(broker(1)), now).expect("ok");
    let folder = tempfile::tempdir().expect("a folder");
    write(folder.path(), &issued, &authority.certificate_pem());
    let tls = Reloading::load(files(folder.path()), Arc::new(clock)).expect("good files");
    assert!(!tls.current().validity.needs_renewal(now));
}

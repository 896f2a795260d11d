//! A cluster's authority, members with files of their own, and connections between them.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use holdfast_model::{BrokerId, ClusterId, ManualClock};
use holdfast_security::{
    Authority, Error, Issued, Reloading, Request, Role, ServerName, Tls, TlsFiles, UnixTime,
    accept, client, connect, server,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};

pub(crate) const DAY: Duration = Duration::from_hours(24);
pub(crate) const LIFE: Duration = Duration::from_hours(24 * 30);
pub(crate) const DEADLINE: Duration = Duration::from_secs(10);

/// The 14th of November 2023.
pub(crate) const START_SECS: u64 = 1_700_000_000;

pub(crate) fn cluster(id: u128) -> ClusterId {
    ClusterId(uuid::Uuid::from_u128(id))
}

pub(crate) fn at(after_start: Duration) -> UnixTime {
    UnixTime::since_unix_epoch(Duration::from_secs(START_SECS) + after_start)
}

pub(crate) fn start() -> UnixTime {
    at(Duration::ZERO)
}

pub(crate) fn clock_at(after_start: Duration) -> Arc<ManualClock> {
    let ms = at(after_start).as_secs() * 1000;
    Arc::new(ManualClock::at(ms.cast_signed()))
}

pub(crate) fn authority(id: u128) -> Authority {
    Authority::generate(cluster(id), start(), LIFE * 12).expect("an authority")
}

pub(crate) fn request(role: Role) -> Request {
    Request {
        role,
        dns_names: Vec::new(),
        addresses: Vec::new(),
        life: LIFE,
    }
}

pub(crate) fn broker(id: i32) -> Role {
    Role::Broker(BrokerId(id))
}

pub(crate) fn issue(authority: &Authority, role: Role) -> Issued {
    authority
        .issue(&request(role), start())
        .expect("a certificate")
}

pub(crate) fn files(folder: &Path) -> TlsFiles {
    TlsFiles {
        certificate: folder.join("tls.crt"),
        key: folder.join("tls.key"),
        authority: folder.join("ca.crt"),
    }
}

pub(crate) fn write(folder: &Path, issued: &Issued, authorities: &str) {
    let files = files(folder);
    std::fs::write(files.certificate, &issued.certificate_pem).expect("written");
    std::fs::write(files.key, &issued.key_pem).expect("written");
    std::fs::write(files.authority, authorities).expect("written");
}

/// The configuration of a member whose clock shows this time after the start.
pub(crate) fn member_at(issued: &Issued, authorities: &str, after_start: Duration) -> Arc<Tls> {
    let folder = tempfile::tempdir().expect("a folder");
    write(folder.path(), issued, authorities);
    Reloading::load(files(folder.path()), clock_at(after_start))
        .expect("good files")
        .current()
}

pub(crate) fn member(issued: &Issued, authorities: &str) -> Arc<Tls> {
    member_at(issued, authorities, Duration::ZERO)
}

/// What both sides of a handshake end with.
pub(crate) struct Met {
    pub(crate) server: Result<server::TlsStream<DuplexStream>, Error>,
    pub(crate) client: Result<client::TlsStream<DuplexStream>, Error>,
}

pub(crate) async fn meet(server: &Tls, client: &Tls, name: ServerName<'static>) -> Met {
    let (near, far) = tokio::io::duplex(64 * 1024);
    let (server, client) = tokio::join!(
        accept(near, &server.server, DEADLINE),
        connect(far, &client.client, name, DEADLINE),
    );
    Met { server, client }
}

impl Met {
    /// Sends a byte each way.
    pub(crate) async fn talk(self) {
        let mut server = self.server.expect("the server accepts");
        let mut client = self.client.expect("the client accepts");
        client.write_u8(7).await.expect("sent");
        client.flush().await.expect("sent");
        assert_eq!(server.read_u8().await.expect("received"), 7);
        server.write_u8(9).await.expect("sent");
        server.flush().await.expect("sent");
        assert_eq!(client.read_u8().await.expect("received"), 9);
    }

    /// Checks that the server let nobody in, and gives its reason. The client may only learn of it
    /// when it reads.
    pub(crate) async fn refused_by_server(self) -> String {
        let error = self.server.expect_err("the server refuses");
        if let Ok(mut client) = self.client {
            client.read_u8().await.expect_err("nothing was served");
        }
        error.to_string()
    }
}

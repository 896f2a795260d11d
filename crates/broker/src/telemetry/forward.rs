//! Payloads go to the receiver, one after the other: OTLP over HTTP, in protobuf.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::client::conn::http1;
use hyper::header::{CONTENT_TYPE, HOST};
use hyper::{Method, Request, Uri};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::Payload;
use crate::metrics::TelemetryMetrics;

/// How long the receiver may take for one payload.
const PATIENCE: Duration = Duration::from_secs(10);

/// After a failure that is told, further ones are not told for so long.
const SILENT: usize = 100;

/// Where metrics go: `http://host:port/path`.
#[derive(Clone, Debug)]
pub struct Receiver {
    uri: Uri,
    address: String,
}

impl Receiver {
    /// The receiver of a setting, which was checked when it was read.
    ///
    /// # Errors
    /// It is no such address.
    pub fn new(text: &str) -> Result<Self, String> {
        let uri: Uri = text.parse().map_err(|wrong| format!("{text:?}: {wrong}"))?;
        let host = uri.host().unwrap_or("");
        if uri.scheme_str() != Some("http") || host.is_empty() {
            return Err(format!("{text:?} is not http://host:port/path"));
        }
        let address = format!("{host}:{}", uri.port_u16().unwrap_or(80));
        Ok(Self { uri, address })
    }

    async fn post(&self, payload: Bytes) -> Result<(), String> {
        let say = |error: &dyn std::error::Error| error.to_string();
        let socket = TcpStream::connect(&self.address)
            .await
            .map_err(|error| say(&error))?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(socket))
            .await
            .map_err(|error| say(&error))?;
        let path = self.uri.path_and_query().map_or("/", |path| path.as_str());
        let request = Request::builder()
            .method(Method::POST)
            .uri(path)
            .header(HOST, &self.address)
            .header(CONTENT_TYPE, "application/x-protobuf")
            .body(Full::new(payload))
            .map_err(|error| say(&error))?;
        let answer = sender.send_request(request);
        tokio::pin!(answer);
        let answer = tokio::select! {
            biased;
            answer = &mut answer => answer,
            ended = connection => {
                ended.map_err(|error| say(&error))?;
                // It may have answered before it ended the connection.
                answer.await
            }
        };
        let answer = answer.map_err(|error| say(&error))?;
        if answer.status().is_success() {
            Ok(())
        } else {
            Err(format!("it answers {}", answer.status()))
        }
    }
}

/// Hands payloads on until the broker stops. One that the receiver does not take is dropped: the next
/// one tells what has changed since.
pub async fn forward(
    receiver: Receiver,
    mut payloads: mpsc::Receiver<Payload>,
    metrics: TelemetryMetrics,
    stop: CancellationToken,
) {
    let mut failures = 0;
    loop {
        let payload = tokio::select! {
            () = stop.cancelled() => return,
            payload = payloads.recv() => payload,
        };
        let Some(payload) = payload else {
            return;
        };
        let posted = tokio::time::timeout(PATIENCE, receiver.post(payload.metrics.clone())).await;
        match posted.unwrap_or_else(|_elapsed| Err("no answer in time".to_owned())) {
            Ok(()) => {
                metrics.forwarded.inc();
                failures = 0;
            }
            Err(reason) => {
                metrics.dropped.inc();
                if failures % SILENT == 0 {
                    tracing::warn!(receiver = %receiver.uri, reason, "clients' metrics are not taken");
                }
                failures += 1;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_receiver_has_an_address_without_encryption() {
        let receiver = Receiver::new("http://collector:4318/v1/metrics").unwrap();
        assert_eq!(receiver.address, "collector:4318");
        assert_eq!(
            Receiver::new("http://collector").unwrap().address,
            "collector:80"
        );
        for wrong in ["", "collector:4318", "https://collector/", "http:///path"] {
            Receiver::new(wrong).unwrap_err();
        }
    }
}

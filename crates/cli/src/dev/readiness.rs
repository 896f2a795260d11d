//! Asks a broker whether it serves, until its process ends.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::supervisor::Event;

/// Between two questions.
const PAUSE: Duration = Duration::from_millis(100);

/// How long an answer may take; one that is paused gives none.
const PATIENCE: Duration = Duration::from_millis(500);

/// The longest answer that is read.
const ANSWER_BYTES: u64 = 16 << 10;

/// Reports every change of the answer as an event.
pub(super) async fn watch(
    broker: u16,
    run: u64,
    admin: SocketAddr,
    events: mpsc::Sender<Event>,
    stop: CancellationToken,
) {
    let mut last = None;
    loop {
        let asked = tokio::time::timeout(PATIENCE, ask(admin));
        let answer = tokio::select! {
            biased;
            () = stop.cancelled() => return,
            answer = asked => answer,
        };
        let ready = match answer {
            Ok(Ok(ready)) => ready,
            Ok(Err(_)) => Err("it does not listen yet".to_owned()),
            Err(_elapsed) => Err("it does not answer".to_owned()),
        };
        if last.as_ref() != Some(&ready) {
            last = Some(ready.clone());
            if events
                .send(Event::Ready { broker, run, ready })
                .await
                .is_err()
            {
                return;
            }
        }
        tokio::select! {
            biased;
            () = stop.cancelled() => return,
            () = tokio::time::sleep(PAUSE) => {}
        }
    }
}

/// One question: ready, or the reason why not.
async fn ask(admin: SocketAddr) -> io::Result<Result<(), String>> {
    let mut stream = TcpStream::connect(admin).await?;
    let question = format!("GET /readyz HTTP/1.1\r\nhost: {admin}\r\nconnection: close\r\n\r\n");
    stream.write_all(question.as_bytes()).await?;
    let mut answer = Vec::new();
    stream.take(ANSWER_BYTES).read_to_end(&mut answer).await?;
    read(&String::from_utf8_lossy(&answer))
        .ok_or_else(|| io::Error::from(io::ErrorKind::InvalidData))
}

fn read(answer: &str) -> Option<Result<(), String>> {
    let (head, body) = answer.split_once("\r\n\r\n")?;
    let status = head.strip_prefix("HTTP/1.1 ")?.get(..3)?;
    let reason = body.lines().next().unwrap_or_default();
    Some(if status == "200" {
        Ok(())
    } else {
        Err(reason.to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_ready_or_says_why_not() {
        assert_eq!(read("HTTP/1.1 200 OK\r\na: b\r\n\r\nready\n"), Some(Ok(())));
        let busy = "HTTP/1.1 503 Service Unavailable\r\n\r\nnot ready: starting\nmore";
        assert_eq!(read(busy), Some(Err("not ready: starting".to_owned())));
        assert_eq!(read("HTTP/1.1 200 OK"), None);
        assert_eq!(read("nonsense\r\n\r\n"), None);
    }
}

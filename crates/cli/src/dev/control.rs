//! How `holdfast dev kill 0` and its like talk to the supervisor: one JSON line in each direction
//! over a Unix socket in the cluster's directory.

use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::os::unix::net::UnixStream as BlockingStream;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use holdfast_runtime::{Class, Tasks};
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{mpsc, oneshot};

/// The version of these messages. Both ends are one binary, but a supervisor may be an older one
/// that still runs.
const VERSION: u32 = 1;

/// The longest line.
const LINE_BYTES: u64 = 64 << 10;

/// How long the other end may take for a line.
const PATIENCE: Duration = Duration::from_secs(10);

/// A pause after a failed accept.
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);

/// What a person wants to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "command", deny_unknown_fields)]
pub(crate) enum Command {
    /// End a broker's process.
    Kill {
        /// The broker.
        broker: u16,
    },
    /// Stop a broker's process for a while.
    Pause {
        /// The broker.
        broker: u16,
    },
    /// Cut a broker off from its peers.
    CutOff {
        /// The broker.
        broker: u16,
    },
    /// Undo whatever was done to a broker.
    Revive {
        /// The broker.
        broker: u16,
    },
    /// Change nothing.
    Status,
}

#[derive(Debug, Serialize, Deserialize)]
struct Request {
    version: u32,
    #[serde(flatten)]
    command: Command,
}

/// What came of it, and how the brokers are now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Reply {
    /// The version of the supervisor.
    pub(crate) version: u32,
    /// Whether it was done.
    pub(crate) done: bool,
    /// What was done, or why not.
    pub(crate) message: String,
    /// Every broker.
    pub(crate) brokers: Vec<BrokerStatus>,
}

/// A broker as the supervisor knows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct BrokerStatus {
    /// Its number.
    pub(crate) broker: u16,
    /// Its zone.
    pub(crate) zone: String,
    /// What its process does, for a person.
    pub(crate) state: String,
    /// Whether it is cut off from its peers.
    pub(crate) cut_off: bool,
    /// Where clients reach it.
    pub(crate) clients: String,
    /// Its process, if it has one.
    pub(crate) pid: Option<u32>,
    /// What it writes about itself.
    pub(crate) log: String,
}

impl Reply {
    /// An answer of this version.
    pub(super) fn new(result: Result<String, String>, brokers: Vec<BrokerStatus>) -> Self {
        let done = result.is_ok();
        let message = result.unwrap_or_else(|reason| reason);
        Self {
            version: VERSION,
            done,
            message,
            brokers,
        }
    }
}

/// A command and where its answer goes.
#[derive(Debug)]
pub(super) struct Ask {
    pub(super) command: Command,
    pub(super) answer: oneshot::Sender<Reply>,
}

/// Sends a command to the supervisor behind a socket, and returns its answer.
pub(super) fn call(socket: &Path, command: Command) -> anyhow::Result<Reply> {
    let stream = match BlockingStream::connect(socket) {
        Ok(stream) => stream,
        Err(error)
            if [ErrorKind::NotFound, ErrorKind::ConnectionRefused].contains(&error.kind()) =>
        {
            let place = socket.parent().unwrap_or(socket).display();
            bail!(
                "no cluster runs in {place}: start it with `holdfast dev`, or name another one \
                   with --base-port or --dir"
            )
        }
        Err(error) => {
            return Err(error).with_context(|| format!("cannot connect to {}", socket.display()));
        }
    };
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let mut line = serde_json::to_string(&Request {
        version: VERSION,
        command,
    })?;
    line.push('\n');
    (&stream).write_all(line.as_bytes())?;
    let mut answer = String::new();
    BufReader::new(stream)
        .take(LINE_BYTES)
        .read_line(&mut answer)
        .context("the supervisor does not answer")?;
    let reply: Reply = serde_json::from_str(&answer)
        .context("the supervisor answers in a way that this version does not understand")?;
    ensure!(reply.done, "{}", reply.message);
    Ok(reply)
}

/// Listens for commands from now on.
pub(super) fn listen(socket: &Path, tasks: &Tasks) -> anyhow::Result<mpsc::Receiver<Ask>> {
    // Left by a supervisor that was killed: the lock of the directory says that none runs.
    match std::fs::remove_file(socket) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            return Err(error).with_context(|| format!("cannot remove {}", socket.display()));
        }
        _ => {}
    }
    let listener = UnixListener::bind(socket).with_context(|| {
        format!(
            "cannot listen on {} (is the path longer than 100 bytes?)",
            socket.display()
        )
    })?;
    // A person types one command at a time.
    let (sender, receiver) = mpsc::channel(16);
    tasks.spawn("control", Class::Job, async move {
        loop {
            match listener.accept().await {
                // One after the other: a client that hangs is dropped before long.
                Ok((stream, _)) => {
                    if let Ok(Err(error)) =
                        tokio::time::timeout(PATIENCE, answer(stream, &sender)).await
                    {
                        tracing::debug!(%error, "a command was not answered");
                    }
                }
                Err(error) => {
                    tracing::warn!(%error, "the control socket cannot accept");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    });
    Ok(receiver)
}

async fn answer(stream: UnixStream, supervisor: &mpsc::Sender<Ask>) -> anyhow::Result<()> {
    let (read, mut write) = stream.into_split();
    let mut line = String::new();
    tokio::io::BufReader::new(read.take(LINE_BYTES))
        .read_line(&mut line)
        .await?;
    let reply = match understand(&line) {
        Ok(command) => {
            let (answer, answered) = oneshot::channel();
            supervisor.send(Ask { command, answer }).await?;
            answered.await?
        }
        Err(reason) => Reply::new(Err(reason), Vec::new()),
    };
    let mut line = serde_json::to_string(&reply)?;
    line.push('\n');
    write.write_all(line.as_bytes()).await?;
    Ok(())
}

/// The version first: only if it fits do the other fields mean what they seem to.
fn understand(line: &str) -> Result<Command, String> {
    #[derive(Deserialize)]
    struct Head {
        version: u32,
    }
    let wrong = |error: serde_json::Error| format!("not a command: {error}");
    let head: Head = serde_json::from_str(line).map_err(wrong)?;
    if head.version != VERSION {
        return Err(format!(
            "this cluster was started by a holdfast that speaks version {VERSION} of the \
             commands, not {}: stop it and start it again",
            head.version
        ));
    }
    let request: Request = serde_json::from_str(line).map_err(wrong)?;
    Ok(request.command)
}

#[cfg(test)]
mod tests {
    use holdfast_runtime::Metrics;

    use super::*;

    #[test]
    fn commands_of_this_version_are_understood() {
        for command in [Command::Status, Command::CutOff { broker: 2 }] {
            let line = serde_json::to_string(&Request {
                version: VERSION,
                command,
            })
            .unwrap();
            assert_eq!(understand(&line), Ok(command), "{line}");
        }
        let line = r#"{"version":1,"command":"kill","broker":0}"#;
        assert_eq!(understand(line), Ok(Command::Kill { broker: 0 }));
        let newer = understand(r#"{"version":2,"command":"explode"}"#).unwrap_err();
        assert!(newer.contains("not 2"), "{newer}");
        for wrong in [
            "",
            "{}",
            r#"{"version":1}"#,
            r#"{"version":1,"command":"kill"}"#,
        ] {
            understand(wrong).unwrap_err();
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_command_reaches_the_supervisor_and_its_answer_comes_back() {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("control.sock");
        let nobody = call(&socket, Command::Status).unwrap_err().to_string();
        assert!(nobody.contains("no cluster runs"), "{nobody}");
        // A socket that nobody listens on any more, as a supervisor leaves it that was killed.
        drop(std::os::unix::net::UnixListener::bind(&socket).unwrap());
        let tasks = Tasks::new(&Metrics::new());
        let mut asked = listen(&socket, &tasks).unwrap();
        let caller = tokio::task::spawn_blocking(move || {
            let first = call(&socket, Command::Pause { broker: 1 });
            (first, call(&socket, Command::Status))
        });
        let ask = asked.recv().await.unwrap();
        assert_eq!(ask.command, Command::Pause { broker: 1 });
        ask.answer
            .send(Reply::new(Ok("paused".to_owned()), Vec::new()))
            .unwrap();
        let ask = asked.recv().await.unwrap();
        ask.answer
            .send(Reply::new(Err("no".to_owned()), Vec::new()))
            .unwrap();
        let (first, second) = caller.await.unwrap();
        assert_eq!(first.unwrap().message, "paused");
        assert_eq!(second.unwrap_err().to_string(), "no");
    }
}

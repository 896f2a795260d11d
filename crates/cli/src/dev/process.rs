//! A broker's process: started, signalled, and watched to its end.

use std::fs::File;
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::process::{ExitStatus, Stdio};

use holdfast_runtime::{Class, Tasks};
use rustix::process::{Pid, Signal, kill_process};
use tokio::process::{Child, Command};
use tokio::sync::{mpsc, oneshot};

use super::layout::Layout;
use super::supervisor::Event;

/// A path to this very program, also after the file was built anew.
const THIS_PROGRAM: &str = "/proc/self/exe";

/// Variables that a broker takes over from the terminal; others would change its configuration.
const KEPT_VARIABLES: [&str; 2] = ["HOLDFAST_LOG_FILTER", "HOLDFAST_LOG_FORMAT"];

type Answered = oneshot::Sender<io::Result<()>>;

/// A process that was started. Dropping it does not end it.
#[derive(Debug)]
pub(super) struct Process {
    /// Its id.
    pub(super) pid: u32,
    signals: mpsc::Sender<(Signal, Answered)>,
}

impl Process {
    /// Starts a broker. Its end is reported as an event with the number of this run. Must be called
    /// on the main thread: the broker ends with the thread that started it.
    pub(super) fn start(
        layout: &Layout,
        broker: u16,
        run: u64,
        events: &mpsc::Sender<Event>,
        tasks: &Tasks,
    ) -> io::Result<Self> {
        let log = File::options()
            .create(true)
            .append(true)
            .open(layout.log_file(broker))?;
        let mut command = Command::new(THIS_PROGRAM);
        command
            .arg0("holdfast")
            .args(["serve", "--with-parent", &std::process::id().to_string()])
            .arg("--config")
            .arg(layout.config_file(broker))
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            // Ctrl-C is for the supervisor, which then stops the brokers in order.
            .process_group(0)
            .kill_on_drop(true);
        for (name, _) in std::env::vars_os() {
            let text = name.to_string_lossy();
            if text.starts_with("HOLDFAST_") && !KEPT_VARIABLES.contains(&&*text) {
                command.env_remove(&name);
            }
        }
        command.envs(layout.environment());
        let child = command.spawn()?;
        let pid = child
            .id()
            .ok_or_else(|| io::Error::other("it ended at once"))?;
        // One command is carried out at a time.
        let (signals, receiver) = mpsc::channel(1);
        let name = format!("broker-{broker}");
        tasks.spawn(
            name,
            Class::Job,
            watch(child, broker, run, receiver, events.clone()),
        );
        Ok(Self { pid, signals })
    }

    /// Sends a signal; when this returns, the process has got it.
    pub(super) async fn signal(&self, signal: Signal) -> io::Result<()> {
        let ended = || io::Error::from(io::ErrorKind::NotFound);
        let (answer, answered) = oneshot::channel();
        self.signals
            .send((signal, answer))
            .await
            .map_err(|_gone| ended())?;
        answered.await.map_err(|_gone| ended())?
    }
}

/// The one place that signals and reaps: an id that was reaped may belong to another process.
async fn watch(
    mut child: Child,
    broker: u16,
    run: u64,
    mut signals: mpsc::Receiver<(Signal, Answered)>,
    events: mpsc::Sender<Event>,
) {
    let status = loop {
        tokio::select! {
            biased;
            status = child.wait() => break status,
            Some((signal, answer)) = signals.recv() => {
                // Who asked may have given up.
                let _unheard = answer.send(send(&child, signal));
            }
        }
    };
    let how = status.map_or_else(|error| error.to_string(), describe);
    if events
        .send(Event::Ended { broker, run, how })
        .await
        .is_err()
    {
        tracing::debug!(broker, "ended after the supervisor");
    }
}

fn send(child: &Child, signal: Signal) -> io::Result<()> {
    let pid = child.id().and_then(|id| Pid::from_raw(id.cast_signed()));
    let pid = pid.ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))?;
    Ok(kill_process(pid, signal)?)
}

/// How a process ended, for a person.
fn describe(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("exit code {code}"),
        (None, Some(9)) => "SIGKILL".to_owned(),
        (None, Some(6)) => "SIGABRT: it stopped itself, its log says why".to_owned(),
        (None, Some(signal)) => format!("signal {signal}"),
        (None, None) => "unknown end".to_owned(),
    }
}

//! SIGTERM and SIGINT: once asks for a graceful stop, twice stops at once.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::{Class, Tasks};

/// What a process that a second signal stopped returns: 128 + SIGINT, as shells do.
const EXIT_AT_ONCE: i32 = 130;

/// Listens for both signals from now on. The first cancels the returned token, and the process is
/// expected to hand over its leaderships and drain; the second ends the process at once, which
/// loses nothing that was acknowledged.
///
/// # Errors
/// The system's, when a signal handler cannot be installed.
pub fn watch(tasks: &Tasks) -> io::Result<CancellationToken> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let stop = CancellationToken::new();
    let asked = stop.clone();
    // A watcher, so that a drain that hangs can be broken by hand.
    tasks.spawn("signals", Class::Watcher, async move {
        let name = next(&mut terminate, &mut interrupt).await;
        tracing::info!(signal = name, "stopping; a second signal stops at once");
        asked.cancel();
        let name = next(&mut terminate, &mut interrupt).await;
        tracing::warn!(signal = name, "second signal: stopping at once");
        stop_at_once();
    });
    Ok(stop)
}

async fn next(terminate: &mut Signal, interrupt: &mut Signal) -> &'static str {
    tokio::select! {
        _ = terminate.recv() => "SIGTERM",
        _ = interrupt.recv() => "SIGINT",
    }
}

#[expect(
    clippy::exit,
    reason = "a person asked twice; what is durable needs no farewell"
)]
fn stop_at_once() {
    std::process::exit(EXIT_AT_ONCE)
}

#[cfg(test)]
mod tests {
    use std::process::{Child, Command};
    use std::time::Duration;

    use super::*;
    use crate::Metrics;

    const VICTIM: &str = "HOLDFAST_TEST_VICTIM";

    fn kill(child: &Child, signal: &str) {
        let pid = child.id().to_string();
        assert!(
            Command::new("kill")
                .args([signal, &pid])
                .status()
                .unwrap()
                .success()
        );
    }

    /// The test binary plays the victim: it says when it listens and when it was asked to stop,
    /// by files, and then hangs in a drain that only a second signal can break.
    #[tokio::test]
    async fn the_first_signal_asks_and_the_second_ends() {
        if let Some(folder) = std::env::var_os(VICTIM) {
            let folder = std::path::PathBuf::from(folder);
            let stop = watch(&Tasks::new(&Metrics::new())).unwrap();
            std::fs::write(folder.join("listening"), "").unwrap();
            stop.cancelled().await;
            std::fs::write(folder.join("asked"), "").unwrap();
            tokio::time::sleep(Duration::from_secs(30)).await;
            return;
        }
        let folder = tempfile::tempdir().unwrap();
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args([
                "--exact",
                "signals::tests::the_first_signal_asks_and_the_second_ends",
            ])
            .env(VICTIM, folder.path())
            .stdout(std::process::Stdio::null())
            .spawn()
            .unwrap();
        let appears = async |name: &str| {
            let path = folder.path().join(name);
            for _ in 0..1000 {
                if path.exists() {
                    return true;
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            false
        };
        assert!(appears("listening").await);
        kill(&child, "-TERM");
        assert!(appears("asked").await);
        assert_eq!(child.try_wait().unwrap(), None);
        kill(&child, "-INT");
        let status = tokio::task::spawn_blocking(move || child.wait().unwrap())
            .await
            .unwrap();
        assert_eq!(status.code(), Some(EXIT_AT_ONCE));
    }
}

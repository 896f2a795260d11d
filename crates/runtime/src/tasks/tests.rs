//! What each class of task does to the process. An abort needs a process to abort: such a test
//! starts this test binary again, with a variable that makes the same test play the victim.

use std::os::unix::process::ExitStatusExt;
use std::process::Command;
use std::sync::mpsc;
use std::time::Duration;

use super::{Class, Tasks};
use crate::Metrics;

const VICTIM: &str = "HOLDFAST_TEST_VICTIM";
const SIGABRT: i32 = 6;

fn is_victim() -> bool {
    std::env::var_os(VICTIM).is_some()
}

/// Runs one test of this file as a victim and returns the signal that ended it.
fn signal_of_victim(test: &str) -> Option<i32> {
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", &format!("tasks::tests::{test}"), "--nocapture"])
        .env(VICTIM, "1")
        .output()
        .unwrap();
    output.status.signal()
}

#[tokio::test]
async fn a_connection_panics_alone() {
    let tasks = Tasks::new(&Metrics::new());
    tasks.spawn("bad", Class::Connection, async { panic!("boom") });
    let (done, wait) = tokio::sync::oneshot::channel();
    tasks.spawn("good", Class::Connection, async move {
        done.send(()).unwrap();
    });
    wait.await.unwrap();
    tasks.drain(Duration::from_secs(5)).await.unwrap();
    assert_eq!(tasks.panicked(), 1);
    assert_eq!(tasks.running(), Vec::<String>::new());
}

#[tokio::test]
async fn a_critical_panic_aborts_the_process() {
    if is_victim() {
        let tasks = Tasks::new(&Metrics::new());
        tasks.spawn("bad", Class::Critical, async { panic!("boom") });
        tokio::time::sleep(Duration::from_secs(10)).await;
        return;
    }
    assert_eq!(
        signal_of_victim("a_critical_panic_aborts_the_process"),
        Some(SIGABRT)
    );
}

#[tokio::test]
async fn a_critical_end_aborts_the_process() {
    if is_victim() {
        let tasks = Tasks::new(&Metrics::new());
        tasks.spawn("short", Class::Critical, async {});
        tokio::time::sleep(Duration::from_secs(10)).await;
        return;
    }
    assert_eq!(
        signal_of_victim("a_critical_end_aborts_the_process"),
        Some(SIGABRT)
    );
}

#[test]
fn a_job_thread_that_panics_aborts_the_process() {
    if is_victim() {
        let tasks = Tasks::new(&Metrics::new());
        tasks
            .spawn_thread("writer", Class::Job, || panic!("boom"))
            .unwrap();
        std::thread::sleep(Duration::from_secs(10));
        return;
    }
    assert_eq!(
        signal_of_victim("a_job_thread_that_panics_aborts_the_process"),
        Some(SIGABRT)
    );
}

#[tokio::test]
async fn tasks_that_obey_the_token_drain() {
    let tasks = Tasks::new(&Metrics::new());
    let token = tasks.shutdown_token();
    tasks.spawn(
        "loop",
        Class::Critical,
        async move { token.cancelled().await },
    );
    let (send, receive) = mpsc::sync_channel::<()>(1);
    tasks
        .spawn_thread("blocked", Class::Job, move || {
            assert!(receive.recv().is_err());
        })
        .unwrap();
    assert_eq!(tasks.running(), ["loop", "blocked"]);
    drop(send);
    tasks.drain(Duration::from_secs(5)).await.unwrap();
    assert!(tasks.is_shutting_down());
}

#[tokio::test]
async fn the_drain_names_what_did_not_end() {
    let tasks = Tasks::new(&Metrics::new());
    let handle = tasks.spawn("deaf", Class::Critical, std::future::pending());
    let error = tasks.drain(Duration::from_millis(20)).await.unwrap_err();
    assert_eq!(error.names, ["deaf"]);
    handle.abort();
    tasks.drain(Duration::from_secs(5)).await.unwrap();
}

//! System calls of a broker that fail or take long, by `strace`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use super::Round;

/// Looks at a broker that may end, a tenth of a second apart.
const LOOKS: usize = 100;

/// Calls that fail, and whether only those of one file do: a socket is written to by the same call as the log.
const CALLS: &[(&str, bool)] = &[
    ("fdatasync", false),
    ("fsync", false),
    ("write", true),
    ("pread64", false),
    ("openat", false),
    ("rename", false),
    ("unlink", false),
    ("fallocate", false),
    ("ftruncate", false),
];

/// Those that a broker makes at its start, and hardly ever later: one of the first so many fails.
const AT_START: &[&str] = &["rename", "unlink"];
const FIRST: usize = 6;

/// Those of which one that failed must end the process before it says anything further.
const FATAL: &[&str] = &["fdatasync", "fsync", "write"];

impl Round {
    /// One kind of call of a broker fails (EIO), until it ends or for some seconds. What failed, if anything did.
    pub(super) async fn call_fails(&mut self, n: usize) -> Option<&'static str> {
        let (call, of_file) = CALLS[self.chance.one_of(CALLS.len())];
        if AT_START.contains(&call) {
            return self.call_fails_at_start(n, call).await;
        }
        let what = format!("inject={call}:error=EIO");
        let path = of_file.then(|| newest_log(&self.load.cluster.data_dir(n).join("log-0")));
        let record = self.load.cluster.dir().join("calls");
        let mut tracer = self.trace(n, call, &what, path.as_deref(), &record);
        let mut ended = self.ends(n).await;
        detach(&mut tracer);
        if !ended {
            // It may have ended when the tracer did.
            tokio::time::sleep(Duration::from_millis(200)).await;
            ended = self.load.cluster.has_ended(n).unwrap();
        }
        let record = fs::read_to_string(record).unwrap();
        let failed = record.lines().filter(|line| line.contains("INJECTED"));
        let failed = failed.count();
        println!("  {failed} calls of {call} failed; it ended: {ended}");
        assert!(
            ended || failed == 0 || !FATAL.contains(&call),
            "it goes on although {call} failed"
        );
        if ended {
            self.load.cluster.start_broker(n).unwrap();
        }
        (failed > 0).then_some(call)
    }

    /// One call of a broker that starts fails; afterwards it is started again, whether it ended over that or not.
    async fn call_fails_at_start(&mut self, n: usize, call: &'static str) -> Option<&'static str> {
        let which = 1 + self.chance.one_of(FIRST);
        let record = self.load.cluster.dir().join("calls");
        let record_at = record.display().to_string();
        let (trace, inject) = (
            format!("trace={call}"),
            format!("inject={call}:error=EIO:when={which}"),
        );
        // With `-D` the process that was started becomes the broker.
        let runner = [
            "strace", "-D", "-f", "-qq", "-e", &trace, "-e", &inject, "-o", &record_at,
        ];
        let runner: Vec<String> = runner.map(str::to_owned).into();
        self.load.cluster.kill(n).unwrap();
        self.load.cluster.start_under(n, &runner).unwrap();
        let ended = self.ends(n).await;
        if !ended {
            self.load.cluster.kill(n).unwrap();
        }
        let record = fs::read_to_string(record).unwrap();
        let failed = record.lines().any(|line| line.contains("INJECTED"));
        println!("  {call} number {which} failed: {failed}; it ended: {ended}");
        self.load.cluster.start_broker(n).unwrap();
        failed.then_some(call)
    }

    /// Whether a broker ends within some seconds.
    async fn ends(&mut self, n: usize) -> bool {
        for _ in 0..LOOKS {
            if self.load.cluster.has_ended(n).unwrap() {
                return true;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        false
    }

    /// Every sync of a broker takes seconds for a while: what it leads must go to others.
    pub(super) async fn sync_stalls(&mut self, n: usize) {
        let what = "inject=fdatasync:delay_enter=3000000";
        let mut tracer = self.trace(n, "fdatasync", what, None, Path::new("/dev/null"));
        tokio::time::sleep(Duration::from_secs(4)).await;
        self.load.progress().await;
        detach(&mut tracer);
    }

    fn trace(&self, n: usize, call: &str, what: &str, path: Option<&Path>, record: &Path) -> Child {
        let pid = self.load.cluster.pids()[n];
        let mut strace = Command::new("strace");
        strace.args(["-f", "-qq", "-e", &format!("trace={call}"), "-e", what]);
        strace.arg("-o").arg(record);
        if let Some(path) = path {
            strace.arg("-P").arg(path);
        }
        strace.args(["-p", &pid.to_string()]);
        strace
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        strace.spawn().unwrap()
    }
}

/// The write-ahead log that a database writes to.
fn newest_log(database: &Path) -> PathBuf {
    let files = fs::read_dir(database).unwrap();
    let files = files.map(|entry| entry.unwrap().path());
    let logs = files.filter(|path| path.extension().is_some_and(|end| end == "log"));
    logs.max().unwrap()
}

/// Ends a tracer, which lets its broker go on.
fn detach(tracer: &mut Child) {
    let pid = Pid::from_raw(tracer.id().cast_signed()).unwrap();
    // One whose broker has ended has ended too.
    let _gone = kill_process(pid, Signal::INT);
    tracer.wait().unwrap();
}

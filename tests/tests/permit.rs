//! The restart permit over the admin API of real brokers: asked for with the tool, as a person does.
//!
//! Goal: one broker restarts under a permit, nobody else gets one before it is caught up, and only
//! callers with the right certificate get anything.
#![expect(
    clippy::unwrap_used,
    reason = "a failed step ends the test with its place"
)]

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use holdfast_model::{Clock, SystemClock};
use holdfast_tests::cluster::binary;
use serde_json::Value;

const BASE_PORT: u16 = 26_092;
const PATIENCE: Duration = Duration::from_mins(1);

struct Cluster {
    dir: PathBuf,
    process: Child,
}

impl Drop for Cluster {
    fn drop(&mut self) {
        // The brokers end with their parent.
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

impl Cluster {
    fn start(dir: &Path) -> Self {
        let said = File::create(dir.join("said")).unwrap();
        let process = Command::new(binary().unwrap())
            .args(["dev", "--base-port", &BASE_PORT.to_string(), "--dir"])
            .arg(dir)
            .env_remove("HOLDFAST_BIN")
            .stdin(Stdio::null())
            .stdout(said.try_clone().unwrap())
            .stderr(said)
            .spawn()
            .unwrap();
        let cluster = Self {
            dir: dir.to_owned(),
            process,
        };
        let three = |state: &Value| {
            let brokers = state["brokers"].as_array().unwrap();
            brokers.len() == 3 && brokers.iter().all(|broker| broker["state"] == "in sync")
        };
        cluster.wait_for(&["cluster", "state"], three);
        cluster
    }

    /// Runs the tool with a certificate; what it printed, or what it complained of.
    fn tool(&self, certificate: &str, arguments: &[&str]) -> Result<Value, String> {
        let port = |step: u16| format!("127.0.0.1:{}", BASE_PORT + step);
        let output = Command::new(binary().unwrap())
            .args(arguments)
            .args(["--output", "json"])
            .env_remove("HOLDFAST_BIN")
            .env("HOLDFAST_BOOTSTRAP", port(0))
            .env("HOLDFAST_ADMIN", [500, 502].map(port).join(","))
            .env(
                "HOLDFAST_CERTIFICATES",
                self.dir.join("certificates").join(certificate),
            )
            .output()
            .unwrap();
        if output.status.success() {
            return Ok(serde_json::from_slice(&output.stdout).unwrap());
        }
        let complaint: Value = serde_json::from_slice(&output.stderr).unwrap();
        Err(complaint["error"]["message"].as_str().unwrap().to_owned())
    }

    fn dev(&self, what: &[&str]) {
        let done = Command::new(binary().unwrap())
            .args(["dev", "--base-port", &BASE_PORT.to_string(), "--dir"])
            .arg(&self.dir)
            .args(what)
            .env_remove("HOLDFAST_BIN")
            .output()
            .unwrap();
        assert!(done.status.success(), "{what:?}");
    }

    /// Asks for a permit; a controller that has just taken office wants to be asked again.
    fn request(&self, brokers: &str) -> Result<Value, String> {
        let clock = SystemClock::new();
        let begun = clock.monotonic();
        loop {
            let answer = self.tool("admin", &["permit", "request", brokers]);
            let is_new = |refusal: &String| refusal.contains("the controller is new");
            let waited = clock.monotonic().since(begun);
            if !answer.as_ref().is_err_and(is_new) || waited > PATIENCE {
                return answer;
            }
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    fn wait_for(&self, arguments: &[&str], mut done: impl FnMut(&Value) -> bool) {
        let clock = SystemClock::new();
        let begun = clock.monotonic();
        loop {
            let last = self.tool("admin", arguments);
            if last.as_ref().is_ok_and(&mut done) {
                return;
            }
            let waited = clock.monotonic().since(begun);
            assert!(waited < PATIENCE, "after {waited:?}: {last:?}");
            std::thread::sleep(Duration::from_millis(100));
        }
    }
}

#[test]
fn one_broker_restarts_under_a_permit_and_nobody_else_before_it_is_caught_up() {
    let folder = std::env::temp_dir().join(format!("holdfast-permit-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let cluster = Cluster::start(&folder);
    let request = |brokers: &str| cluster.request(brokers);
    let topic = ["topic", "create", "t", "--partitions", "6"];
    cluster.tool("admin", &topic).unwrap();

    let two = request("0,1").unwrap_err();
    assert!(
        two.contains("only if all are in one zone") && two.contains("voters"),
        "{two}"
    );
    let broker = cluster
        .tool("broker-1", &["permit", "request", "1"])
        .unwrap_err();
    assert!(
        broker.contains("needs a certificate of the operator"),
        "{broker}"
    );
    cluster.tool("broker-1", &["cluster", "state"]).unwrap();
    let nobody = cluster
        .tool("no-such-folder", &["cluster", "state"])
        .unwrap_err();
    assert!(nobody.contains("cannot read"), "{nobody}");

    let permit = request("1").unwrap();
    assert_eq!(permit["stage"], "granted");
    let state = cluster.tool("admin", &["cluster", "state"]).unwrap();
    assert_eq!(state["brokers"][1]["leads"], 0, "{state}");
    assert_eq!(state["brokers"][1]["in_sync"], 6, "{state}");
    let id = permit["id"].to_string();
    assert_eq!(request("1").unwrap()["id"].to_string(), id, "asked again");

    cluster.dev(&["kill", "1"]);
    let taken = request("2").unwrap_err();
    assert!(taken.contains("has the slot"), "{taken}");
    cluster.tool("admin", &["permit", "end", &id]).unwrap();
    let taken = request("2").unwrap_err();
    assert!(
        taken.contains("has the slot"),
        "given back, but not caught up: {taken}"
    );
    cluster.dev(&["revive", "1"]);
    cluster.wait_for(&["permit", "show"], |shown| shown["permit"].is_null());
    let shown = cluster.tool("admin", &["permit", "show"]).unwrap();
    assert_eq!(shown["ended"][0]["outcome"], "completed", "{shown}");
    let state = cluster.tool("admin", &["cluster", "state"]).unwrap();
    assert_eq!(state["brokers"][1]["in_sync"], 6, "{state}");
    request("2").unwrap();
    drop(cluster);
    std::fs::remove_dir_all(&folder).unwrap();
}

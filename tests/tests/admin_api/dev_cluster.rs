//! A cluster of `holdfast dev`, and the ways to its admin API.

use std::fs::{self, File};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use holdfast_model::{Clock, SystemClock};
use holdfast_rpc::Address;
use holdfast_rpc::admin::{Admin, connect};
use holdfast_security::{Tls, cluster_of_pem, server_name};
use holdfast_tests::cluster::binary;
use serde_json::Value;

const PATIENCE: Duration = Duration::from_mins(1);

/// Three brokers on ports of their own, in a folder of their own; they end with it. What they said is kept if
/// the test failed.
pub(crate) struct Cluster {
    dir: PathBuf,
    base_port: u16,
    process: Child,
}

impl Drop for Cluster {
    fn drop(&mut self) {
        // The brokers end with their parent.
        drop(self.process.kill());
        drop(self.process.wait());
        if !std::thread::panicking() {
            drop(fs::remove_dir_all(&self.dir));
        }
    }
}

impl Cluster {
    pub(crate) fn start(name: &str, base_port: u16) -> Self {
        let dir = std::env::temp_dir().join(format!("holdfast-{name}-{}", std::process::id()));
        fs::create_dir_all(&dir).unwrap();
        let said = File::create(dir.join("said")).unwrap();
        let process = Command::new(binary().unwrap())
            .args(["dev", "--base-port", &base_port.to_string(), "--dir"])
            .arg(&dir)
            .env_remove("HOLDFAST_BIN")
            .stdin(Stdio::null())
            .stdout(said.try_clone().unwrap())
            .stderr(said)
            .spawn()
            .unwrap();
        let cluster = Self {
            dir,
            base_port,
            process,
        };
        let three = |state: &Value| {
            let brokers = state["brokers"].as_array().unwrap();
            brokers.len() == 3 && brokers.iter().all(|broker| broker["state"] == "in sync")
        };
        cluster.wait_for(&["cluster", "state"], three);
        cluster
    }

    /// The tool with a certificate, with these brokers' admin API.
    pub(crate) fn command(
        &self,
        certificate: &str,
        brokers: &[u16],
        arguments: &[&str],
    ) -> Command {
        let port = |step: u16| format!("127.0.0.1:{}", self.base_port + step);
        let admin: Vec<String> = brokers.iter().map(|broker| port(500 + broker)).collect();
        let mut command = Command::new(binary().unwrap());
        command
            .args(arguments)
            .args(["--output", "json"])
            .env_remove("HOLDFAST_BIN")
            .env("HOLDFAST_BOOTSTRAP", port(0))
            .env("HOLDFAST_ADMIN", admin.join(","))
            .env(
                "HOLDFAST_CERTIFICATES",
                self.dir.join("certificates").join(certificate),
            );
        command
    }

    /// Runs the tool with a certificate; what it printed, or what it complained of.
    pub(crate) fn tool(&self, certificate: &str, arguments: &[&str]) -> Result<Value, String> {
        let output = self
            .command(certificate, &[0, 2], arguments)
            .output()
            .unwrap();
        if output.status.success() {
            return Ok(serde_json::from_slice(&output.stdout).unwrap());
        }
        let complaint: Value = serde_json::from_slice(&output.stderr).unwrap();
        Err(complaint["error"]["message"].as_str().unwrap().to_owned())
    }

    /// Where a broker serves the admin API, and who asks there: an administrator.
    pub(crate) fn admin(&self, broker: u16) -> Admin {
        let dir = self.dir.join("certificates").join("admin");
        let [certificate, key, authority] = ["tls.crt", "tls.key", "ca.crt"]
            .map(|name| fs::read_to_string(dir.join(name)).unwrap());
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
        let tls = Tls::of_pem(&certificate, &key, &authority, &clock).unwrap();
        let name = server_name(cluster_of_pem(&certificate).unwrap());
        let address = Address::new("127.0.0.1", self.base_port + 500 + broker);
        connect(&address, tls.client, name, PATIENCE).unwrap()
    }

    pub(crate) fn dev(&self, what: &[&str]) {
        let done = Command::new(binary().unwrap())
            .args(["dev", "--base-port", &self.base_port.to_string(), "--dir"])
            .arg(&self.dir)
            .args(what)
            .env_remove("HOLDFAST_BIN")
            .output()
            .unwrap();
        assert!(done.status.success(), "{what:?}");
    }

    /// Asks for a permit; a controller that has just taken office wants to be asked again.
    pub(crate) fn request(&self, brokers: &str) -> Result<Value, String> {
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

    pub(crate) fn wait_for(&self, arguments: &[&str], mut done: impl FnMut(&Value) -> bool) {
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

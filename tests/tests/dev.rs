//! `holdfast dev`: one command, a cluster that can be broken, and its data is there the next time.
#![expect(
    clippy::unwrap_used,
    reason = "a failed step ends the test with its place"
)]

use std::fs::{self, File};
use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use holdfast_client::admin::{Admin, NewTopic};
use holdfast_client::{Client, Options};
use holdfast_model::{Clock, SystemClock};
use holdfast_tests::cluster::binary;
use holdfast_tests::ledger::{self, Recipe, RunningProducer};
use rustix::process::{Pid, Signal, kill_process};

/// The first port of the cluster of three, and of the one of four.
const BASE_PORT: u16 = 25_092;
const BASE_PORT_OF_FOUR: u16 = 25_192;
const TOPIC: &str = "watched";
const PARTITIONS: i32 = 3;
const PATIENCE: Duration = Duration::from_mins(1);

/// A leader that nobody reaches is found out after its session (1 s); its clients need not wait for
/// their own time-outs, the shortest of which is 15 s.
const STEPPED_ASIDE_WITHIN: Duration = Duration::from_secs(10);

struct Dev {
    dir: PathBuf,
    base_port: u16,
    process: Child,
}

impl Dev {
    async fn start(dir: &Path) -> Self {
        let dev = Self::start_with(dir, BASE_PORT, &[]).await;
        let serves = format!("3 brokers serve at {}", Self::bootstrap());
        assert!(dev.said().contains(&serves), "{}", dev.said());
        dev
    }

    /// Starts a cluster, and waits until all of its brokers serve.
    async fn start_with(dir: &Path, base_port: u16, options: &[&str]) -> Self {
        fs::create_dir_all(dir).unwrap();
        let file = File::create(dir.join("said")).unwrap();
        let process = Command::new(binary().unwrap())
            .args(Self::arguments(dir, base_port))
            .args(options)
            .env_remove("HOLDFAST_BIN")
            .stdin(Stdio::null())
            .stdout(file.try_clone().unwrap())
            .stderr(file)
            .spawn()
            .unwrap();
        let mut dev = Self {
            dir: dir.to_owned(),
            base_port,
            process,
        };
        dev.wait_until(|dev| {
            assert_eq!(dev.process.try_wait().unwrap(), None, "it ended");
            dev.said().contains(" brokers serve at ")
        })
        .await;
        dev
    }

    fn said(&self) -> String {
        fs::read_to_string(self.dir.join("said")).unwrap()
    }

    fn arguments(dir: &Path, base_port: u16) -> Vec<String> {
        let cluster = dir.join("cluster").display().to_string();
        let port = base_port.to_string();
        ["dev", "--base-port", &port, "--dir", &cluster]
            .map(str::to_owned)
            .into()
    }

    fn bootstrap() -> String {
        let port = |n| format!("127.0.0.1:{}", BASE_PORT + n);
        [0, 1, 2].map(port).join(",")
    }

    /// Runs `holdfast dev <what>` in another process, as a person does.
    fn tell(&self, what: &[&str]) -> String {
        let output = Command::new(binary().unwrap())
            .args(Self::arguments(&self.dir, self.base_port))
            .args(what)
            .env_remove("HOLDFAST_BIN")
            .output()
            .unwrap();
        let complaint = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{what:?}: {complaint}");
        String::from_utf8(output.stdout).unwrap()
    }

    async fn wait_until(&mut self, mut done: impl FnMut(&mut Self) -> bool) {
        let clock = SystemClock::new();
        let begun = clock.monotonic();
        while !done(self) {
            let waited = clock.monotonic().since(begun);
            assert!(waited < PATIENCE, "nothing after {waited:?}");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// Ctrl-C.
    async fn stop(mut self) {
        let id = Pid::from_raw(self.process.id().cast_signed()).unwrap();
        kill_process(id, Signal::INT).unwrap();
        let mut status = None;
        self.wait_until(|dev| {
            status = dev.process.try_wait().unwrap();
            status.is_some()
        })
        .await;
        assert!(status.unwrap().success(), "{status:?}");
    }
}

impl Drop for Dev {
    fn drop(&mut self) {
        // One that ended needs no end; the brokers end with their parent.
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

/// The formation document names an odd number of brokers: the fourth is let in afterwards, and more later.
#[tokio::test]
async fn a_cluster_of_four_starts_and_grows_to_five() {
    let dir = std::env::temp_dir().join(format!("holdfast-dev-of-four-{}", std::process::id()));
    for brokers in ["4", "5"] {
        let dev = Dev::start_with(&dir, BASE_PORT_OF_FOUR, &["--brokers", brokers]).await;
        let serve = format!("{brokers} brokers serve at ");
        assert!(dev.said().contains(&serve), "{}", dev.said());
        dev.stop().await;
    }
    fs::remove_dir_all(&dir).unwrap();
}

async fn leader_of_first(client: &Client) -> i32 {
    let all = client.describe_all().await.unwrap();
    all.topics[TOPIC].partitions[&0].leader
}

/// Clients ask a broker that they are connected to, and while they have one they connect to no other: one that
/// is cut off says once on a connection that nobody leads, and closes it when it is asked again.
fn who_asks_again_is_sent_away(port: u16) {
    let mut request = Vec::new();
    // Metadata, version 1, a correlation id, no client id, one topic.
    for number in [3, 1, 0, 7, -1, 0, 1, TOPIC.len() as i16] {
        request.extend(number.to_be_bytes());
    }
    request.extend(TOPIC.as_bytes());
    let mut framed = (request.len() as u32).to_be_bytes().to_vec();
    framed.extend(request);
    let mut connection = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap();
    connection.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut length = [0; 4];
    connection.write_all(&framed).unwrap();
    connection.read_exact(&mut length).unwrap();
    let mut answer = vec![0; u32::from_be_bytes(length) as usize];
    connection.read_exact(&mut answer).unwrap();
    connection.write_all(&framed).unwrap();
    let again = connection.read_exact(&mut length);
    let closed = again.unwrap_err().kind();
    let kinds = [ErrorKind::UnexpectedEof, ErrorKind::ConnectionReset];
    assert!(kinds.contains(&closed), "{closed}");
}

#[tokio::test]
async fn a_leader_that_is_cut_off_steps_aside_and_the_next_start_finds_everything() {
    let dir = std::env::temp_dir().join(format!("holdfast-dev-{}", std::process::id()));
    let mut dev = Dev::start(&dir).await;
    let client = Client::new(&Dev::bootstrap(), Options::default()).unwrap();
    let topic = NewTopic {
        partitions: PARTITIONS,
        replication_factor: 3,
        ..NewTopic::new(TOPIC)
    };
    let admin = Admin::new(client.clone());
    admin.create_topic(&topic, false).await.unwrap();
    let recipe = Recipe {
        name: "writer".to_owned(),
        bootstrap: Dev::bootstrap(),
        topic: TOPIC.to_owned(),
        partitions: PARTITIONS,
        rate: 300,
        codec: "none",
    };
    let mut producer = RunningProducer::start(&dir, recipe).unwrap();
    producer.wait_progress(PATIENCE).await.unwrap();

    let clock = SystemClock::new();
    let broker = leader_of_first(&client).await.to_string();
    dev.tell(&["cut-off", &broker]);
    let from = clock.wall_ms();
    let gap = producer.wait_acked_since(from, &[0], STEPPED_ASIDE_WITHIN);
    eprintln!("cut off: acknowledged again after {:?}", gap.await.unwrap());
    dev.wait_until(|dev| dev.tell(&["status"]).contains("isolated"))
        .await;
    who_asks_again_is_sent_away(BASE_PORT + broker.parse::<u16>().unwrap());
    dev.tell(&["revive", &broker]);
    dev.wait_until(|dev| !dev.tell(&["status"]).contains("isolated"))
        .await;

    let broker = leader_of_first(&client).await.to_string();
    dev.tell(&["kill", &broker]);
    let from = clock.wall_ms();
    let gap = producer.wait_acked_since(from, &[0], PATIENCE);
    eprintln!("killed: acknowledged again after {:?}", gap.await.unwrap());
    dev.tell(&["revive", &broker]);
    producer.wait_progress(PATIENCE).await.unwrap();
    let ledger = producer.finish().await.unwrap();
    dev.stop().await;

    let dev = Dev::start(&dir).await;
    let verdict = ledger::audit(&client, TOPIC, std::slice::from_ref(&ledger));
    let verdict = verdict.await.unwrap();
    eprintln!("{verdict:?}");
    verdict.ensure_clean().unwrap();
    assert_eq!(
        ledger.1.failed,
        Vec::<String>::new(),
        "errors at the application"
    );
    dev.stop().await;
    fs::remove_dir_all(&dir).unwrap();
}

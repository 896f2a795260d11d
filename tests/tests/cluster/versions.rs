//! Two real builds side by side: the version before (`tests/versions/previous`) is rolled to this one
//! and back, under load. `tests/versions/build` builds it, `HOLDFAST_PREVIOUS_BIN` names it.

use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};
use holdfast_client::Admin;
use holdfast_tests::cluster::{BROKERS, Cluster, binary, previous_binary};
use holdfast_tests::patience::until;
use serde_json::Value;

use crate::load::Load;

/// How a broker of one version ends before it is one of the other.
#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    Stop,
    Kill,
}

/// A cluster whose brokers are of two versions.
struct Mixed {
    load: Load,
    previous: PathBuf,
    present: PathBuf,
    /// The configuration that serves the admin API, and where, by broker.
    api: Vec<(String, String)>,
    /// Which brokers are of the present version.
    rolled: [bool; BROKERS],
}

impl Mixed {
    async fn start(previous: PathBuf, name: &str) -> Self {
        let cluster = Cluster::start_by(&previous, name).await.unwrap();
        let api = cluster.certify().unwrap();
        Self {
            load: Load::on(cluster).await,
            previous,
            present: binary().unwrap(),
            api,
            rolled: [false; BROKERS],
        }
    }

    /// All brokers, the controller last: the others register with it while it is the older one.
    async fn order(&self) -> Vec<usize> {
        let admin = Admin::new(self.load.cluster.client().clone());
        let controller = until("somebody is the controller", async || {
            let described = admin.describe_cluster().await;
            let described = described.map_err(|error| error.to_string())?;
            usize::try_from(described.controller).map_err(|_| "nobody".to_owned())
        });
        let controller = controller.await.unwrap();
        let mut order: Vec<usize> = (0..BROKERS).filter(|n| *n != controller).collect();
        order.push(controller);
        order
    }

    async fn end(&mut self, n: usize, end: End) {
        self.load.in_sync().await;
        match end {
            End::Stop => self.load.cluster.stop(n).await.unwrap(),
            End::Kill => self.load.cluster.kill(n).unwrap(),
        }
    }

    fn change(&mut self, n: usize, to_present: bool) {
        let (program, settings) = if to_present {
            (&self.present, self.api[n].0.as_str())
        } else {
            (&self.previous, "")
        };
        let cluster = &mut self.load.cluster;
        cluster.run_as(n, program, settings).unwrap();
        cluster.start_broker(n).unwrap();
        self.rolled[n] = to_present;
    }

    /// Makes one broker after the other one of the other version.
    async fn roll(&mut self, to_present: bool, end: End) {
        for n in self.order().await {
            eprintln!("broker {n}: present version {to_present}");
            self.end(n, end).await;
            self.load.progress().await;
            self.change(n, to_present);
            self.load.cluster.wait_ready().await.unwrap();
            self.load.in_sync().await;
            self.load.progress().await;
            if self.rolled.contains(&true) {
                self.is_at_level_one().await;
            }
        }
    }

    /// Asks the brokers of the present version; the older one has no admin API.
    fn ask(&self, what: &[&str]) -> anyhow::Result<Value> {
        let served = (0..BROKERS).filter(|n| self.rolled[*n]);
        let served: Vec<&str> = served.map(|n| self.api[n].1.as_str()).collect();
        self.load.cluster.rule(&served.join(","), what)
    }

    async fn is_at_level_one(&self) {
        let state = until("the state is shown", async || {
            let state = self.ask(&["cluster", "state"]);
            state.map_err(|error| error.to_string())
        });
        assert_eq!(state.await.unwrap()["feature_level"], 1);
        let refused = self.refused(&["permit", "request", "1"], "need").await;
        let reason = "restart permits need feature level 2 and the cluster is at 1";
        assert!(refused.contains(reason), "{refused}");
        if self.rolled.contains(&false) {
            let raise = ["cluster", "raise-feature-level", "2"];
            let refused = self.refused(&raise, "brokers do not know").await;
            let reason = "start them with a newer version first";
            assert!(refused.contains(reason), "{refused}");
        }
    }

    /// Asks until the answer is not that there is no controller now.
    async fn refused(&self, what: &[&str], reason: &str) -> String {
        let refused = until("a refusal", async || match self.ask(what) {
            Ok(done) => Err(format!("{what:?} was done: {done}")),
            Err(error) => {
                let text = format!("{error:#}");
                let answered = text.contains(reason);
                answered.then(|| text.clone()).ok_or(text)
            }
        });
        refused.await.unwrap()
    }

    /// Allows what the version before cannot read.
    async fn raise(&self) {
        let raised = until("the level is raised", async || {
            let answer = self.ask(&["cluster", "raise-feature-level", "2"]);
            answer.map_err(|error| error.to_string())
        });
        assert_eq!(raised.await.unwrap()["feature_level"], 2);
        let permit = until("a permit is granted", async || {
            let answer = self.ask(&["permit", "request", "1"]);
            answer.map_err(|error| error.to_string())
        });
        let permit = permit.await.unwrap();
        assert_eq!(permit["stage"], "granted");
        let id = permit["id"].to_string();
        self.ask(&["permit", "end", &id]).unwrap();
    }

    /// The version before comes too late: it says so and ends, and its disk is as it was.
    async fn comes_too_late(&mut self, n: usize, end: End) {
        self.end(n, end).await;
        self.change(n, false);
        let reason = "changes of format 2 in the log, this version knows up to 1";
        self.load.cluster.refused(n, reason).await.unwrap();
        self.load.progress().await;
        self.change(n, true);
        self.load.cluster.wait_ready().await.unwrap();
        self.load.in_sync().await;
    }
}

/// Goal: N-1 to N, back, and to N again, without a record or a request lost; then the level is raised,
/// after which N-1 harms nothing.
async fn there_and_back(name: &str, end: End) {
    let Some(previous) = previous().unwrap() else {
        return;
    };
    let mut mixed = Mixed::start(previous, name).await;
    mixed.roll(true, end).await;
    mixed.roll(false, end).await;
    mixed.roll(true, end).await;
    mixed.raise().await;
    for n in mixed.order().await {
        mixed.comes_too_late(n, end).await;
    }
    mixed.load.finish().await;
}

/// The binary of the version before. Where everything is owed (`tests/run` says so), its absence is a
/// failure.
fn previous() -> anyhow::Result<Option<PathBuf>> {
    let found = previous_binary();
    if found.as_deref() == Some(Path::new("none")) {
        // A clone without history: `tests/run` has said so.
        eprintln!("SKIPPED: this clone does not have the version before");
        return Ok(None);
    }
    if found.is_none() {
        ensure!(
            std::env::var_os("CI").is_none(),
            "HOLDFAST_PREVIOUS_BIN does not name the version before"
        );
        eprintln!("SKIPPED: no version before; `make test-versions` builds it and runs this test");
    }
    let is_there = |path: PathBuf| {
        let found = path.is_file().then_some(path);
        found.context("HOLDFAST_PREVIOUS_BIN names no file")
    };
    found.map(is_there).transpose()
}

#[tokio::test]
async fn the_version_before_is_rolled_to_this_one_and_back_by_graceful_stops() {
    there_and_back("versions-stops", End::Stop).await;
}

#[tokio::test]
async fn the_version_before_is_rolled_to_this_one_and_back_by_kills() {
    there_and_back("versions-kills", End::Kill).await;
}

//! One run: first everything goes wrong, then nothing does, and the world must become as the resource
//! asks; then nothing more may be written; and then, in some runs, another version of the operator
//! comes.

mod quiet;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use holdfast_planner::planted::Planted;
use parking_lot::Mutex;
use serde_json::Value;

use crate::Violation;
use crate::operators::Instance;
use crate::store::MANAGER;
use crate::wire::{Asked, Reply, SharedWire, Waiting};
use crate::world::World;
use crate::{Mode, Profile, Time, server};

/// How long a wish may take once nothing goes wrong any more, milliseconds: several rolls.
const CONVERGES: Time = 1_500_000;

/// Steps between the moment in which all machines are in service again and that in which all have power.
const BEFORE_POWER: usize = 20;

/// How long a lease is waited for, milliseconds.
const LEASE: Time = 15_000;

/// Requests that are answered in one step at most.
const ANSWERS: usize = 100;

/// What came of one run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// The first broken promise, if there was one.
    pub violation: Option<Violation>,
    /// The hash of the trace; meaningful where it was kept.
    pub hash: u64,
    /// Reconciles.
    pub looks: u64,
    /// Requests of operators.
    pub requests: u64,
    /// Operators that died or froze.
    pub crashes: u64,
    /// Other faults.
    pub faults: u64,
    /// Brokers that were stopped while they served.
    pub stopped: u64,
    /// Virtual time at the end, milliseconds.
    pub ended: Time,
    /// The lines that were kept.
    pub lines: Vec<String>,
}

impl Report {
    /// Of a run that could not be made.
    pub fn failed(detail: String) -> Self {
        Self {
            violation: Some(Violation {
                invariant: "RUN".to_owned(),
                detail,
            }),
            hash: 0,
            looks: 0,
            requests: 0,
            crashes: 0,
            faults: 0,
            stopped: 0,
            ended: 0,
            lines: Vec::new(),
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} reconciles, {} requests, {} crashes, {} faults, {} brokers stopped, {} s, trace {:016x}",
            self.looks,
            self.requests,
            self.crashes,
            self.faults,
            self.stopped,
            self.ended / 1_000,
            self.hash
        )
    }
}

/// A run.
#[derive(Debug)]
pub struct Run {
    world: World,
    wire: SharedWire,
    ids: Arc<Mutex<u128>>,
    planted: Planted,
    instances: Vec<Instance>,
    begun: u32,
    next_begins: Time,
    ready: BTreeMap<u64, Time>,
    calm: bool,
    looks: u64,
    crashes: u64,
}

impl Run {
    /// The run of a seed.
    pub fn new(profile: &'static Profile, seed: u64, planted: Planted, mode: Mode) -> Self {
        Self {
            world: World::new(profile, seed, mode),
            wire: SharedWire::default(),
            ids: Arc::default(),
            planted,
            instances: Vec::new(),
            begun: 0,
            next_begins: 0,
            ready: BTreeMap::new(),
            calm: false,
            looks: 0,
            crashes: 0,
        }
    }

    /// Runs to the end.
    pub async fn finish(mut self) -> Report {
        self.goes_wrong().await;
        self.converges("StableWishConverges").await;
        self.is_quiet().await;
        if self.world.settings.upgrade {
            self.upgrades().await;
        }
        let looks = self.instances.iter().map(|instance| instance.looks);
        let looks = self.looks + looks.sum::<u64>();
        let violation = self.world.oracle.violation.clone();
        if let Some(found) = &violation {
            let line = format!("BROKEN {}: {}", found.invariant, found.detail);
            self.world.trace(|| line);
        }
        let mut report = Report {
            violation,
            looks,
            requests: self.wire.lock().sent(),
            crashes: self.crashes,
            faults: self.world.faults,
            stopped: self.world.oracle.stopped,
            ended: self.world.now,
            ..Report::failed(String::new())
        };
        (report.hash, report.lines) = self.world.into_trace();
        report
    }

    fn is_over(&self) -> bool {
        self.world.oracle.violation.is_some()
    }

    async fn goes_wrong(&mut self) {
        while self.world.now < self.world.settings.faulty && !self.is_over() {
            let by = self.world.rng.within((30, 400));
            self.world.tick(by);
            self.world.person_acts();
            if self.world.rng.chance(30) {
                self.world.person_approves();
            }
            self.world.break_things();
            self.step().await;
        }
    }

    async fn converges(&mut self, invariant: &'static str) {
        self.calm = true;
        for node in self.world.nodes.values_mut() {
            node.out_of_service = false;
        }
        // Machines start after it was taken back that they are off, not in the same moment.
        for _ in 0..BEFORE_POWER {
            self.pass(100).await;
        }
        self.world.person_settles();
        let end = self.world.now + CONVERGES;
        while !self.is_over() {
            let by = self.world.rng.within((50, 500));
            self.world.tick(by);
            self.world.person_approves();
            self.step().await;
            let Some(left) = self.world.unconverged() else {
                return;
            };
            if self.world.now > end {
                let stuck = self.world.is_stuck();
                let name = if stuck {
                    "OneStuckBlocksNoOther"
                } else {
                    invariant
                };
                let last = self.instances.last().and_then(|i| i.last.clone());
                self.world.oracle.broken(name, format!("{left}; {last:?}"));
            }
        }
    }

    /// The sets and their pods are as another version of the operator would have written them: nobody
    /// restarts for that unless it is approved.
    async fn upgrades(&mut self) {
        if self.is_over() || self.world.is_stuck() {
            return;
        }
        self.world.person_takes_approval_back();
        self.world.written_by_another_version();
        self.world.oracle.approved = Some([].into());
        self.world.oracle.allow_all();
        for _ in 0..200 {
            self.pass(300).await;
        }
        self.converges("StableWishConverges").await;
    }

    async fn pass(&mut self, by: Time) {
        if !self.is_over() {
            self.world.tick(by);
            self.step().await;
        }
    }

    /// Operators do what they can.
    async fn step(&mut self) {
        self.lead();
        let profile = self.world.profile;
        let watch = if self.calm {
            (900, 0)
        } else {
            (profile.watch, profile.relist)
        };
        for instance in &mut self.instances {
            if instance.is_awake(self.world.now) {
                instance.watch(&mut self.world, watch);
                instance.begin(&mut self.world);
            }
        }
        for _ in 0..ANSWERS {
            self.settle().await;
            let Some(number) = self.next_request() else {
                break;
            };
            self.answer(number);
            if self.is_over() {
                break;
            }
        }
    }

    /// Whoever holds the lease renews it; who lost it ends; another begins when it has run out.
    fn lead(&mut self) {
        let now = self.world.now;
        let freezes = !self.calm && self.world.rng.chance(self.world.profile.freeze);
        let last = self.instances.len().saturating_sub(1);
        for (index, instance) in self.instances.iter_mut().enumerate() {
            if index == last && freezes && instance.is_awake(now) {
                instance.frozen_until = now + self.world.rng.within((12_000, 45_000));
                self.crashes += 1;
                let id = instance.id;
                self.world.trace(|| format!("operator {id} freezes"));
            }
            if index == last && instance.is_awake(now) && instance.driven.leads() {
                instance.renew(&self.world);
            }
        }
        let mut gone = Vec::new();
        self.instances.retain(|instance| {
            let stays = !instance.is_awake(now) || instance.driven.leads();
            // One that wakes without the lease comes to the end of what it was at.
            let ends = !stays && instance.running.is_none();
            if ends {
                gone.push((instance.id, instance.looks));
            }
            !ends
        });
        for (id, looks) in gone {
            self.looks += looks;
            self.world.trace(|| format!("operator {id} ends"));
        }
        let held = self.instances.iter().map(|i| i.renewed + LEASE).max();
        if held.is_none_or(|until| until <= now) && self.next_begins <= now {
            self.begun += 1;
            let new = Instance::new(
                self.begun,
                &mut self.world,
                &self.wire,
                &self.ids,
                self.planted,
            );
            self.instances.push(new);
        }
    }

    /// Every process that is awake runs until it waits for an answer.
    async fn settle(&mut self) {
        for index in 0..self.instances.len() {
            if !self.instances[index].is_awake(self.world.now) {
                continue;
            }
            let mut quiet = 0;
            while quiet < 2 {
                let Some(running) = self.instances[index].running.as_mut() else {
                    break;
                };
                let before = self.wire.lock().sent();
                if let std::task::Poll::Ready(ended) = futures::poll!(running.as_mut()) {
                    self.instances[index].ended(&mut self.world, ended);
                    break;
                }
                // The client of the API server has a task of its own.
                tokio::task::yield_now().await;
                quiet = if self.wire.lock().sent() == before {
                    quiet + 1
                } else {
                    0
                };
            }
        }
    }

    /// A request that has arrived.
    fn next_request(&mut self) -> Option<u64> {
        let waiting = self.wire.lock().waiting();
        let (chance, most) = self.world.profile.slow;
        let mut arrived = Vec::new();
        for (number, _) in &waiting {
            let (rng, now, calm) = (&mut self.world.rng, self.world.now, self.calm);
            let at = *self.ready.entry(*number).or_insert_with(|| {
                if !calm && rng.chance(chance) {
                    now + rng.within((50, most))
                } else {
                    now
                }
            });
            if at <= now {
                arrived.push(*number);
            }
        }
        let chosen = self.world.rng.index(arrived.len());
        arrived.get(chosen).copied()
    }

    fn answer(&mut self, number: u64) {
        self.ready.remove(&number);
        let Some(waiting) = self.wire.lock().take(number) else {
            return;
        };
        let profile = self.world.profile;
        let (mut lost, mut refused, mut crash) = (false, false, false);
        if !self.calm {
            lost = self.world.rng.chance(profile.lost);
            refused = self.world.rng.chance(profile.refused);
            crash = self.world.rng.chance(profile.crash);
        }
        let takes_effect = !refused && (!(lost || crash) || self.world.rng.chance(500));
        let from = waiting.from;
        let reply = if takes_effect {
            Some(self.carry_out(&waiting))
        } else {
            None
        };
        match reply {
            Some(reply) if !lost => waiting.answer(reply),
            None if refused => {
                let codes = [409, 429, 500, 503];
                let code = codes[self.world.rng.index(codes.len())];
                let reply = match &waiting.asked {
                    Asked::Api(_) => {
                        let (code, body) = server::busy(code);
                        Reply::Api(code, body)
                    }
                    Asked::Broker { .. } => Reply::Lost,
                };
                waiting.answer(reply);
            }
            _ => waiting.answer(Reply::Lost),
        }
        if crash {
            self.crash(from);
        }
    }

    fn carry_out(&mut self, waiting: &Waiting) -> Reply {
        match &waiting.asked {
            Asked::Api(call) => {
                let (code, body) = self.world.serve(waiting.from, call);
                if call.method != "GET" && !call.path.contains("/events") {
                    let from = waiting.from;
                    let (method, path) = (&call.method, &call.path);
                    self.world.trace(|| {
                        let plan = call.plan();
                        format!("operator {from}: {method} {path}: {code}{plan}")
                    });
                }
                Reply::Api(code, body)
            }
            Asked::Broker {
                broker,
                host,
                question,
            } => {
                let said = self.world.ask_broker(*broker, host, question);
                let from = waiting.from;
                self.world.trace(|| {
                    let said = said.as_ref().map(|said| {
                        let text = format!("{said:?}");
                        text.chars().take(200).collect::<String>()
                    });
                    format!("operator {from} asks broker {broker} {question}: {said:?}")
                });
                Reply::Broker(said)
            }
        }
    }

    /// A process dies. What it sent takes effect soon, or never.
    fn crash(&mut self, id: u32) {
        let Some(index) = self.instances.iter().position(|i| i.id == id) else {
            return;
        };
        self.crashes += 1;
        let dead = self.instances.remove(index);
        self.looks += dead.looks;
        drop(dead);
        self.world.trace(|| format!("operator {id} dies"));
        let waiting = self.wire.lock().waiting();
        for (number, from) in waiting {
            if from != id {
                continue;
            }
            self.ready.remove(&number);
            let taken = self.wire.lock().take(number);
            if let Some(waiting) = taken
                && self.world.rng.chance(500)
            {
                let _nobody_hears = self.carry_out(&waiting);
            }
        }
        self.next_begins = self.world.now + self.world.rng.within((LEASE, 20_000));
    }
}

impl World {
    /// The sets with their pods as another version of the operator would have written them.
    pub fn written_by_another_version(&mut self) {
        self.trace(|| "the sets are as another version of the operator wrote them".to_owned());
        for (name, _) in self.store.all("statefulsets") {
            self.store
                .apply_changed("statefulsets", &name, MANAGER, |set| {
                    set["spec"]["template"]["metadata"]["annotations"]["older"] = "yes".into();
                    set["metadata"]["annotations"]["holdfast.io/digest"] = "of another".into();
                });
            self.tend_sets();
            let Some(set) = self.store.get("statefulsets", &name).cloned() else {
                continue;
            };
            let revision: &Value = &set["status"]["updateRevision"];
            for (pod, _) in self.store.all("pods") {
                if pod.starts_with(&format!("{name}-")) {
                    self.store.edit("pods", &pod, |pod| {
                        pod["metadata"]["labels"]["controller-revision-hash"] = revision.clone();
                    });
                }
            }
        }
    }
}

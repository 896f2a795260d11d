//! Rolls in a run: brokers stopped on purpose, with permits.

use holdfast_kernel::controller::{Command, PermitRequest, QuorumView};
use holdfast_kernel::image::{PermitPurpose, PermitRecord};
use holdfast_model::BrokerId;

use super::World;
use crate::event::Event;
use crate::fault::Repair;
use crate::profile::Rolls;
use crate::quorum::Asker;
use crate::replica::PartitionName;
use crate::roller::{HOLDER, Plan};

/// How long a permit of the rival runs, milliseconds; it never stops anything.
const RIVAL_TTL_MS: (u64, u64) = (100, 800);

impl World {
    /// The roller's timer.
    pub(super) fn roll(&mut self) {
        let over = self.healed_at.is_some();
        if !over && self.rng.chance(15) {
            self.trace.log(self.now, || "the roller dies".to_owned());
            self.roller.plan = None;
        }
        if !over && self.rng.chance(20) {
            self.ask_as_rival();
        }
        if let Some(plan) = self.roller.plan.take() {
            self.go_on(plan, over);
        } else if let Some(record) = self.own_permit() {
            let mut plan = Plan::found(&record);
            self.find_stopped(&mut plan, &record);
            self.roller.plan = Some(plan);
        } else if !over && self.rng.chance(400) {
            let topics = self.topics.iter().map(PartitionName::partition_name);
            let topics: Vec<String> = topics.collect();
            let plan = Plan::draw(&topics, &self.settings, self.now, &mut self.rng);
            self.trace
                .log(self.now, || format!("the roller plans {plan:?}"));
            self.roller.plan = Some(plan);
        }
        let again = self.now + self.rng.within((15_000, 100_000));
        self.schedule.add(again, Event::Roll);
    }

    /// Does what is next in a roll.
    fn go_on(&mut self, mut plan: Plan, over: bool) {
        let Some(id) = plan.permit else {
            // Where the answer is lost, whoever looks later finds the permit.
            if !over {
                let command = Command::AcquirePermit(plan.request.clone());
                self.quorum.ask(Asker::Roller, command);
                self.roller.plan = Some(plan);
            }
            return;
        };
        let present = self.quorum.image.permit.as_ref();
        if present.is_none_or(|permit| permit.id != id) {
            self.trace
                .log(self.now, || format!("the roller is done with {id}"));
            return;
        }
        if over || plan.gives_back {
            plan.gives_back = true;
            let command = Command::EndPermit {
                id,
                holder: HOLDER.to_owned(),
                force: self.settings.rolls == Rolls::WithFaults && self.rng.chance(5),
            };
            self.quorum.ask(Asker::Roller, command);
        } else if !plan.granted {
            self.quorum
                .ask(Asker::Roller, Command::AcquirePermit(plan.request.clone()));
        } else if self.rng.chance(20) {
            self.trace
                .log(self.now, || format!("the roller leaves {id} lying"));
            self.roller.left_lying = Some(id);
            return;
        } else if plan.stopped.is_empty() && self.rng.chance(60) {
            plan.gives_back = true;
        } else {
            self.stop_next(&mut plan);
        }
        self.roller.plan = Some(plan);
    }

    /// Stops one more broker of a roll, or all that are left; once all have started again, sometimes
    /// gives the permit back before it ends by itself.
    fn stop_next(&mut self, plan: &mut Plan) {
        let left: Vec<usize> = plan
            .nodes()
            .into_iter()
            .filter(|node| !plan.stopped.contains(node))
            .collect();
        if !left.is_empty() {
            let reckless = self.settings.rolls == Rolls::WithFaults && self.rng.chance(300);
            if !plan.is_in_time(self.now) && !reckless {
                plan.gives_back = self.are_up(&plan.nodes());
                return;
            }
            let most = if self.rng.chance(500) { left.len() } else { 1 };
            for node in left.into_iter().take(most) {
                plan.stopped.insert(node);
                self.stop_on_purpose(node, plan.request.purpose);
            }
        } else if self.are_up(&plan.nodes()) {
            plan.gives_back = self.rng.chance(200);
        }
    }

    fn stop_on_purpose(&mut self, node: usize, purpose: PermitPurpose) {
        let now = self.now;
        let broker = &mut self.nodes[node];
        let Some(process) = &mut broker.process else {
            return;
        };
        if broker.disk.rolled_back {
            return;
        }
        if self.rng.chance(600) {
            process.stopping.get_or_insert(now);
            self.trace
                .log(now, || format!("the roller stops node {node}"));
            return;
        }
        let times = match purpose {
            PermitPurpose::Restart => 1,
            PermitPurpose::Park => 3,
        };
        let away = self.rng.within(self.settings.fault_length_us) * times;
        let power = self.rng.chance(200);
        self.on_node(node, |node, ctx| node.crash(power, ctx));
        self.schedule
            .add(now + away, Event::Repair(Repair::Start(node)));
    }

    /// Whether processes run that nobody has asked to stop.
    fn are_up(&self, nodes: &[usize]) -> bool {
        nodes.iter().all(|node| {
            let process = self.nodes[*node].process.as_ref();
            process.is_some_and(|process| process.stopping.is_none())
        })
    }

    /// Looks at the brokers of a permit: who does not run as it did at the grant was stopped, or is
    /// about to stop.
    fn find_stopped(&self, plan: &mut Plan, record: &PermitRecord) {
        for named in &record.brokers {
            let node = named.broker.0 as usize;
            let process = self.nodes[node].process.as_ref();
            let untouched = process.is_some_and(|process| {
                process.stopping.is_none() && process.registration() == Some(named.epoch)
            });
            if !untouched {
                plan.stopped.insert(node);
            }
        }
    }

    /// A permit of the roller that it did not leave lying, as the controller has it.
    fn own_permit(&self) -> Option<PermitRecord> {
        let record = self.quorum.image.permit.as_deref()?;
        let lies = self.roller.left_lying == Some(record.id);
        (self.quorum.has_controller() && record.holder == HOLDER && !lies).then(|| record.clone())
    }

    /// Somebody else wants a permit at the same time, and never does anything with it.
    fn ask_as_rival(&mut self) {
        let node = self.rng.index(self.nodes.len());
        let request = PermitRequest {
            holder: "rival".to_owned(),
            reason: String::new(),
            purpose: PermitPurpose::Restart,
            brokers: vec![BrokerId(node as i32)],
            allow_unavailable: std::collections::BTreeSet::new(),
            ttl_ms: self.rng.within(RIVAL_TTL_MS),
            force: false,
        };
        self.quorum
            .ask(Asker::Rival, Command::AcquirePermit(request));
    }

    /// The voters, and which of them the controller hears: the first three brokers, or all five.
    pub(super) fn voters(&self) -> QuorumView {
        let me = self.nodes.len();
        let count = if me < 5 { 3 } else { 5 };
        let answers = |node: usize| {
            let runs = self.nodes[node].process.is_some();
            let paused = self.nodes[node].paused_until > self.now;
            let cut = self.network.is_blocked(me, node) || self.network.is_blocked(node, me);
            runs && !paused && !cut
        };
        QuorumView {
            voters: (0..count)
                .map(|node| (self.nodes[node].replica(), answers(node)))
                .collect(),
        }
    }
}

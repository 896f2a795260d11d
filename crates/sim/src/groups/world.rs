//! A group, its clients and everything that happens to them.

mod judging;

use std::collections::BTreeMap;
use std::sync::Arc;

use holdfast_kernel::group::{
    Effects, GroupId, LeavingMember, MemberHeartbeat, MemberId, Planted, Ticket,
};
use holdfast_model::ErrorCode;

use super::client::{Ask, Client, Reader, Told};
use super::consumer::Consumer;
use super::coordinator::{Coordinator, now, text};
use super::oracle::Oracle;
use super::request::{
    OneTopic, beat_request, commit_request, join_request, refusal, sync_request, told_of,
};
use super::{GROUP, GroupReport, Mix, SECOND, TOPIC};
use crate::rng::Rng;
use crate::schedule::Schedule;
use crate::{Time, Violation};

/// When the faults end, and when everything must have settled.
const HEALED: Time = 240 * SECOND;
const END: Time = HEALED + 120 * SECOND;

/// How often clients look what to do, and the coordinator's timers are looked at.
const STEP: Time = SECOND / 10;

/// A consumer, its life, and which of its requests.
type Caller = (usize, u64, u64);

#[derive(Clone, Debug)]
enum Event {
    Steps,
    Ask(Caller, Ask),
    /// A copy of what was asked, on a connection that was thought dead: its client asked again on another one. It is for
    /// the coordinator of that time, by the number of those before it.
    AskLate(Caller, Ask, u64),
    Told(Caller, Told),
    Commit,
    FailOver,
    Death,
}

/// Each request is asked on a connection of its own; before it there was one that was thought dead.
fn connection_of((_, life, number): Caller) -> u64 {
    (life << 32) + 2 * number + 1
}

/// The longest way of a message that comes twice.
const LATEST: Time = 20 * SECOND;

/// What a ticket stands for.
#[derive(Debug)]
struct Waiting {
    caller: Caller,
    member: Option<MemberId>,
    generation: i32,
    rows: Vec<(i32, i64)>,
}

impl Waiting {
    fn of(caller: Caller) -> Self {
        Self {
            caller,
            member: None,
            generation: -1,
            rows: Vec::new(),
        }
    }
}

pub(super) struct World<'a> {
    mix: &'a Mix,
    rng: Rng,
    time: Time,
    schedule: Schedule<Event>,
    coordinator: Coordinator,
    clients: Vec<Box<dyn Reader>>,
    waiting: BTreeMap<Ticket, Waiting>,
    tickets: u64,
    offsets: i64,
    oracle: Oracle,
    /// What came of requests, and is not written or answered yet.
    held: Effects,
    steps: u64,
    traced: bool,
    lines: Vec<String>,
}

impl<'a> World<'a> {
    pub(super) fn new(mix: &'a Mix, seed: u64, planted: Planted, traced: bool) -> Self {
        let mut world = Self {
            mix,
            rng: Rng::new(seed),
            time: 0,
            schedule: Schedule::default(),
            coordinator: Coordinator::new(planted, mix.floor),
            clients: (0..mix.members).map(|index| reader(mix, index)).collect(),
            waiting: BTreeMap::new(),
            tickets: 0,
            offsets: 0,
            oracle: Oracle::default(),
            held: Effects::default(),
            steps: 0,
            traced,
            lines: Vec::new(),
        };
        for client in &mut world.clients {
            client.start();
        }
        world.after(0, Event::Steps);
        world.after(0, Event::Commit);
        if mix.failover_every > 0 {
            world.after(mix.failover_every, Event::FailOver);
        }
        if mix.death_every > 0 {
            world.after(mix.death_every, Event::Death);
        }
        world
    }

    pub(super) fn report(&self) -> GroupReport {
        GroupReport {
            violation: None,
            events: self.steps,
            generations: self.oracle.generations(),
            commits: self.oracle.commits,
            failovers: self.coordinator.failovers,
            moved: self.oracle.moved,
            rewritten: self.coordinator.rewritten,
            lines: self.lines.clone(),
        }
    }

    fn after(&mut self, delay: Time, event: Event) {
        self.schedule.add(self.time + delay, event);
    }

    fn say(&mut self, line: impl FnOnce() -> String) {
        if self.traced {
            let line = format!("{:>12} {}", self.time, line());
            self.lines.push(line);
        }
    }

    fn healed(&self) -> bool {
        self.time >= HEALED
    }

    pub(super) fn run(&mut self) -> Result<(), Violation> {
        while let Some((at, event)) = self.schedule.take() {
            if at > END {
                break;
            }
            self.time = at;
            self.steps += 1;
            self.happen(event)?;
        }
        self.check_end()
    }

    fn happen(&mut self, event: Event) -> Result<(), Violation> {
        let asks = matches!(event, Event::Ask(..) | Event::AskLate(..));
        let mut effects = std::mem::take(&mut self.held);
        if !asks {
            self.settle(effects)?;
            effects = Effects::default();
        }
        match event {
            Event::Steps => {
                self.step_clients();
                self.check_owners()?;
                let time = now(self.time);
                if let Some(shard) = &mut self.coordinator.shard
                    && shard
                        .next_deadline()
                        .is_some_and(|next| next <= time.monotonic)
                {
                    shard.tick(time, &mut effects);
                }
                self.after(STEP, Event::Steps);
            }
            Event::Ask(caller, ask) => {
                self.serve(caller, connection_of(caller), ask, &mut effects)?;
            }
            Event::AskLate(caller, ask, to) if to == self.coordinator.failovers => {
                self.serve(caller, connection_of(caller) - 1, ask, &mut effects)?;
            }
            Event::Told((index, life, number), told) => {
                let client = &mut self.clients[index];
                if client.life().number == life && self.time >= client.life().paused_until {
                    client.told(self.time, number, told);
                }
            }
            Event::Commit => {
                let (time, oracle) = (self.time, &mut self.oracle);
                self.coordinator
                    .commit(time, &mut self.rng, oracle, &mut effects);
                self.check_offsets()?;
                self.coordinator.rewrite();
                let slowest = if self.healed() {
                    SECOND / 20
                } else {
                    self.mix.slowest_commit
                };
                let delay = self.rng.within((1_000, slowest));
                self.after(delay, Event::Commit);
            }
            Event::FailOver if !self.healed() => self.fail_over(),
            Event::Death if !self.healed() => self.death(&mut effects),
            Event::AskLate(..) | Event::FailOver | Event::Death => {}
        }
        // A coordinator takes several requests before it writes what comes of them.
        if asks && !self.healed() && self.rng.chance(self.mix.lost * 4) {
            self.held = effects;
            return Ok(());
        }
        self.settle(effects)
    }

    fn step_clients(&mut self) {
        for index in 0..self.clients.len() {
            let asked = self.clients[index].step(self.time, &mut self.offsets);
            if let Some((number, ask)) = asked {
                let caller = (index, self.clients[index].life().number, number);
                self.send(&Event::Ask(caller, ask));
            }
        }
    }

    /// A message is under way, or lost, or comes twice.
    fn send(&mut self, event: &Event) {
        let calm = self.healed();
        if !calm && self.rng.chance(self.mix.lost) {
            return;
        }
        let slowest = if calm { SECOND / 50 } else { self.mix.slowest };
        let delay = self.rng.within((100, slowest));
        self.after(delay, event.clone());
        if !calm && self.rng.chance(self.mix.repeated) {
            let delay = self.rng.within((100, LATEST));
            let late = match event.clone() {
                Event::Ask(caller, ask) => Event::AskLate(caller, ask, self.coordinator.failovers),
                event => event,
            };
            self.after(delay, late);
        }
    }

    fn tell(&mut self, caller: Caller, told: Told) {
        self.send(&Event::Told(caller, told));
    }

    fn fail_over(&mut self) {
        self.say(|| "the coordinator dies".to_owned());
        let answers = self.coordinator.fail_over(&mut self.rng);
        // A dead process answers nobody; one that was relieved does.
        if self.rng.chance(500) {
            for (ticket, answer) in answers {
                if let Some(waiting) = self.waiting.remove(&ticket) {
                    self.tell(waiting.caller, told_of(&answer));
                }
            }
        }
        self.waiting.clear();
        self.coordinator.load_if_whole(self.time);
        let delay = self.rng.within((SECOND, self.mix.failover_every * 2));
        self.after(delay, Event::FailOver);
    }

    /// A member dies, leaves or stands still; one that is gone comes back.
    fn death(&mut self, effects: &mut Effects) {
        let index = self.rng.index(self.clients.len());
        let pause = self.rng.within((SECOND, 25 * SECOND));
        let life = self.clients[index].life();
        let (life, alive) = (life.number, life.alive);
        if !alive {
            self.clients[index].start();
        } else if self.rng.chance(self.mix.pauses) {
            self.clients[index].pause(self.time + pause);
        } else {
            let farewell = self.clients[index].leave();
            if let Some(ask) = farewell.filter(|_| self.rng.chance(300)) {
                let served = self.serve((index, life, 0), 0, ask, effects);
                debug_assert!(served.is_ok(), "a farewell breaks nothing");
            }
        }
        self.say(|| format!("member {index} dies, pauses or comes back"));
        let delay = self.rng.within((SECOND, self.mix.death_every * 2));
        self.after(delay, Event::Death);
    }

    fn ticket(&mut self, waiting: Waiting) -> Ticket {
        self.tickets += 1;
        let ticket = Ticket(self.tickets);
        self.waiting.insert(ticket, waiting);
        ticket
    }

    fn serve(
        &mut self,
        caller: Caller,
        connection: u64,
        ask: Ask,
        effects: &mut Effects,
    ) -> Result<(), Violation> {
        self.say(|| format!("{caller:?} asks {ask:?}"));
        let group: GroupId = text(GROUP);
        let time = now(self.time);
        if self.coordinator.shard.is_none() {
            let told = refusal(&ask);
            self.tell(caller, told);
            return Ok(());
        }
        let mut waiting = Waiting::of(caller);
        match ask {
            Ask::Join(member) => {
                let fresh = format!("member-{}-{}", caller.0, self.tickets);
                let ticket = self.ticket(waiting);
                let request = join_request(member, &fresh);
                if let Some(shard) = &mut self.coordinator.shard {
                    shard.join(time, &group, ticket, request, &OneTopic, effects);
                }
            }
            Ask::Sync {
                member,
                generation,
                assignments,
            } => {
                waiting.member = Some(Arc::clone(&member));
                waiting.generation = generation;
                let ticket = self.ticket(waiting);
                let request = sync_request(member, generation, &assignments);
                if let Some(shard) = &mut self.coordinator.shard {
                    shard.sync(time, &group, ticket, request, &OneTopic, effects);
                }
            }
            Ask::Heartbeat(member, generation) => {
                if let Some(shard) = &mut self.coordinator.shard {
                    let request = MemberHeartbeat {
                        member,
                        instance: None,
                        generation,
                    };
                    let code = shard.heartbeat(time, &group, &request, &OneTopic, effects);
                    self.tell(caller, Told::Heart(code));
                }
            }
            Ask::Fetch(partitions) => self.fetch(caller, &partitions)?,
            ask @ (Ask::FetchAs(..) | Ask::Beat { .. }) => {
                self.serve_modern(caller, connection, ask, effects)?;
            }
            Ask::Commit {
                member,
                generation,
                rows,
            } => {
                waiting.generation = generation;
                waiting.rows.clone_from(&rows);
                let ticket = self.ticket(waiting);
                let who = Arc::clone(&member);
                let request = commit_request(&group, member, generation, &rows, time.wall_ms);
                if let Some(shard) = &mut self.coordinator.shard {
                    let before = effects.writes.len();
                    shard.commit(time, ticket, request, effects);
                    if effects.writes.len() > before {
                        if let Some(group) = shard.describe_modern(GROUP) {
                            Oracle::holds(&group, &who, &rows)?;
                        } else {
                            let first = rows.first().map_or(0, |(_, offset)| *offset);
                            self.oracle.accepted(generation, first)?;
                        }
                    }
                }
            }
            Ask::Leave(member) => {
                if let Some(shard) = &mut self.coordinator.shard {
                    let leaving = LeavingMember {
                        member,
                        instance: None,
                    };
                    shard.leave(time, &group, &[leaving], &OneTopic, effects);
                }
            }
        }
        Ok(())
    }

    /// What a member of the consumer protocol asks.
    fn serve_modern(
        &mut self,
        caller: Caller,
        connection: u64,
        ask: Ask,
        effects: &mut Effects,
    ) -> Result<(), Violation> {
        match ask {
            Ask::FetchAs(member, epoch, partitions) => {
                let shard = self.coordinator.shard.as_ref();
                match shard.map_or(Ok(()), |shard| shard.check_fetch(GROUP, &member, epoch)) {
                    Ok(()) => self.fetch(caller, &partitions)?,
                    Err(code) => self.tell(caller, Told::Fetched(code, Vec::new())),
                }
            }
            Ask::Beat {
                member,
                epoch,
                owned,
                says_all,
            } => {
                let ticket = self.ticket(Waiting::of(caller));
                let request = beat_request(member, epoch, owned, says_all, connection);
                if let Some(shard) = &mut self.coordinator.shard {
                    let group: GroupId = text(GROUP);
                    let time = now(self.time);
                    shard.consumer_heartbeat(time, &group, ticket, &request, &OneTopic, effects);
                }
            }
            // The others are those of the classic protocol.
            _ => {}
        }
        Ok(())
    }

    fn fetch(&mut self, caller: Caller, partitions: &[i32]) -> Result<(), Violation> {
        let mut positions = Vec::new();
        if let Some(shard) = &self.coordinator.shard {
            for partition in partitions {
                let offset = shard.offset(GROUP, TOPIC, *partition);
                let offset = offset.map(|value| value.offset);
                self.oracle.shown(*partition, offset)?;
                positions.push((*partition, offset.unwrap_or(0)));
            }
        }
        self.tell(caller, Told::Fetched(ErrorCode::None, positions));
        Ok(())
    }

    /// Answers go out, and are seen by the oracle first; records are appended.
    fn settle(&mut self, mut effects: Effects) -> Result<(), Violation> {
        loop {
            for (ticket, answer) in std::mem::take(&mut effects.answers) {
                let Some(waiting) = self.waiting.remove(&ticket) else {
                    continue;
                };
                self.judge(&waiting, &answer)?;
                self.say(|| format!("{:?} is told {answer:?}", waiting.caller));
                self.tell(waiting.caller, told_of(&answer));
            }
            let writes = std::mem::take(&mut effects.writes);
            if writes.is_empty() {
                return Ok(());
            }
            let mut appended = writes;
            let mut refused = Vec::new();
            if !self.healed() && self.rng.chance(self.mix.lost) {
                // Too few replicas are in sync from some moment on.
                refused = appended.split_off(self.rng.index(appended.len()));
            }
            self.coordinator.append(appended);
            self.coordinator.refuse(self.time, refused, &mut effects);
        }
    }
}

fn reader(mix: &Mix, index: u64) -> Box<dyn Reader> {
    if mix.speak.is_consumer(index) {
        Box::new(Consumer::new(index as usize))
    } else {
        Box::new(Client::new())
    }
}

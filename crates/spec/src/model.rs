//! The model as the checker wants it.

use stateright::{Checker, HasDiscoveries, Model, Property};

use crate::action::{Action, possible};
use crate::rules::Rules;
use crate::state::{Bounds, Breach, State};
use crate::symmetry::representative;
use crate::{controller, follower, leader};

/// The protocol within bounds.
#[derive(Clone, Copy, Debug)]
pub struct Protocol {
    /// How often each thing happens at most.
    pub bounds: Bounds,
    /// Which rules hold.
    pub rules: Rules,
}

/// What a check has found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// How many states were visited.
    pub states: usize,
    /// The longest way to one of them.
    pub depth: usize,
    /// The promise that is broken in one of them.
    pub broken: Option<&'static str>,
    /// The way there, one state and step after the other.
    pub steps: String,
    /// Whether all batches are committed in one of them: a model that does nothing breaks nothing.
    pub does_something: bool,
}

/// What is always so.
const ONE_BATCH: &str = "no two batches are committed at one offset";
const LEADER_HAS: &str = "who begins to lead has every committed batch";
const MEMBER_HAS: &str = "who may be elected has every committed batch on its disk";

/// What happens in some run.
const COMMITS: &str = "all batches are committed in the last epoch";

impl Protocol {
    /// Visits every state, or as many as are allowed, until a promise is broken.
    pub fn check(self, most: usize) -> Found {
        let checker = self
            .checker()
            .threads(2)
            .target_state_count(most)
            .finish_when(HasDiscoveries::AnyFailures)
            .spawn_bfs()
            .join();
        let discoveries = checker.discoveries();
        let broken = [ONE_BATCH, LEADER_HAS, MEMBER_HAS]
            .into_iter()
            .find(|name| discoveries.contains_key(name));
        let steps = broken.and_then(|name| discoveries.get(name));
        let lines = steps.map(|path| {
            let steps = path.clone().into_vec();
            let lines = steps
                .iter()
                .map(|(state, action)| format!("{state:?}\n--> {action:?}\n"));
            lines.collect::<String>()
        });
        Found {
            states: checker.unique_state_count(),
            depth: checker.max_depth(),
            broken,
            steps: lines.unwrap_or_default(),
            does_something: discoveries.contains_key(COMMITS),
        }
    }

    fn apply(self, state: &mut State, action: Action) -> Option<()> {
        let rules = self.rules;
        match action {
            Action::Append(broker) => leader::append(state, rules, broker)?,
            Action::Open(leader, follower) => follower::open(state, rules, leader, follower)?,
            Action::Copy(leader, follower) => follower::copy(state, leader, follower)?,
            Action::Advance(broker, to) => leader::advance(state, rules, broker, to)?,
            Action::Propose(broker, isr) => leader::propose(state, rules, broker, isr)?,
            Action::GiveUp(broker) => leader::give_up(state, broker)?,
            Action::Commit => controller::commit(state, rules)?,
            Action::Fence(broker) => controller::fence(state, rules, broker),
            Action::Register(broker) => controller::register(state, rules, broker),
            Action::Elect(broker) => controller::elect(state, rules, broker)?,
            Action::Learn(broker) => leader::learn(state, rules, broker)?,
            Action::Crash(broker, kept) => follower::crash(state, broker, kept),
            Action::Wipe(broker) => follower::wipe(state, broker)?,
            Action::SetMinimum(minimum) => controller::set_minimum(state, rules, minimum),
            Action::HoldAck(leader, follower) => follower::hold_ack(state, leader, follower)?,
            Action::HoldAppend(leader, follower) => follower::hold_append(state, leader, follower)?,
            Action::LateAppend => follower::late_append(state, rules)?,
        }
        Some(())
    }
}

impl Model for Protocol {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        vec![State::new(self.bounds)]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        possible(state, self.rules, actions);
    }

    fn next_state(&self, last: &State, action: Action) -> Option<State> {
        let mut state = *last;
        self.apply(&mut state, action)?;
        (state != *last).then(|| representative(&state))
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always(ONE_BATCH, |_, state: &State| {
                state.breach != Some(Breach::CommittedTwice)
            }),
            Property::always(LEADER_HAS, |_, state: &State| {
                state.breach != Some(Breach::LeaderLacks)
            }),
            Property::always(MEMBER_HAS, |_, state: &State| state.members_hold()),
            Property::sometimes(COMMITS, |model: &Self, state: &State| {
                let all = model.bounds.batches;
                state.replicas.iter().any(|replica| {
                    let lead = replica.lead.as_ref();
                    lead.is_some_and(|lead| {
                        lead.epoch == model.bounds.epochs && lead.high_watermark == all
                    })
                })
            }),
        ]
    }
}

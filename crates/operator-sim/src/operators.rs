//! The processes of the operator: what each has seen, and what it is at.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use holdfast_api::MessageCluster;
use holdfast_model::Clock;
use holdfast_operator::driven::{Driven, Ended};
use holdfast_planner::planted::Planted;
use kube::Client;
use kube::core::DeserializeGuard;
use kube::runtime::watcher::Event;
use parking_lot::Mutex;
use serde_json::Value;

use crate::Time;
use crate::store::{CLUSTER, KINDS, NAMESPACE, WATCHED};
use crate::wire::{SharedWire, ToApi, ToBrokers};
use crate::world::World;

/// How long changes are gathered before a look, milliseconds.
const DEBOUNCE: Time = 200;

/// One process.
pub struct Instance {
    /// Its number.
    pub id: u32,
    /// The operator.
    pub driven: Driven,
    /// The reconcile that it is in.
    pub running: Option<BoxFuture<'static, Ended>>,
    /// It does nothing until then.
    pub frozen_until: Time,
    /// When it renewed its lease.
    pub renewed: Time,
    /// How its last reconcile ended.
    pub last: Option<Ended>,
    /// How many reconciles it finished.
    pub looks: u64,
    cursors: BTreeMap<&'static str, usize>,
    resource: Option<Arc<DeserializeGuard<MessageCluster>>>,
    due: Option<Time>,
}

impl std::fmt::Debug for Instance {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Instance")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

impl Instance {
    /// A process that begins, and has listed everything once.
    pub fn new(
        id: u32,
        world: &mut World,
        wire: &SharedWire,
        ids: &Arc<Mutex<u128>>,
        planted: Planted,
    ) -> Self {
        let to_api = ToApi {
            wire: Arc::clone(wire),
            from: id,
        };
        let outside = ToBrokers {
            wire: Arc::clone(wire),
            from: id,
            ids: Arc::clone(ids),
        };
        let clock: Arc<dyn Clock> = world.clock.clone();
        let client = Client::new(to_api, NAMESPACE);
        let mut this = Self {
            id,
            driven: Driven::new(client, clock, Arc::new(outside), planted),
            running: None,
            frozen_until: 0,
            renewed: 0,
            last: None,
            looks: 0,
            cursors: BTreeMap::new(),
            resource: None,
            due: None,
        };
        world.trace(|| format!("operator {id} begins"));
        for kind in KINDS.iter().take(WATCHED) {
            this.list(world, kind.plural, world.store.head(kind.plural));
        }
        this.renew(world);
        this
    }

    /// It holds the lease, and says so.
    pub fn renew(&mut self, world: &World) {
        self.renewed = world.now;
        self.driven.renewed(world.clock.monotonic());
    }

    /// Whether it runs at all.
    pub fn is_awake(&self, now: Time) -> bool {
        self.frozen_until <= now
    }

    /// Watches bring what is new, or break off and list again.
    pub fn watch(&mut self, world: &mut World, (chance, relist): (u32, u32)) {
        for kind in KINDS.iter().take(WATCHED) {
            let plural = kind.plural;
            let (at, head) = (
                self.cursors.get(plural).copied().unwrap_or(0),
                world.store.head(plural),
            );
            if world.rng.chance(relist) {
                // Another API server may be a little behind the one that was watched.
                let oldest = head.min(at).saturating_sub(6) as u64;
                let at = world.rng.within((oldest, head as u64)) as usize;
                self.list(world, plural, at);
            } else if at < head && world.rng.chance(chance) {
                let to = world.rng.within((at as u64 + 1, head as u64)) as usize;
                for index in at..to {
                    self.see(world, plural, index);
                }
                self.cursors.insert(plural, to);
            }
        }
    }

    fn see(&mut self, world: &mut World, plural: &'static str, index: usize) {
        let Some(change) = world.store.change(plural, index) else {
            return;
        };
        let value = Value::clone(&change.value);
        let gone = change.gone;
        if plural == "messageclusters" {
            self.see_resource((!gone).then_some(value), world.now);
            return;
        }
        let event = if gone {
            Event::Delete(value)
        } else {
            Event::Apply(value)
        };
        self.take(world, plural, event);
    }

    fn take(&mut self, world: &mut World, plural: &str, event: Event<Value>) {
        match self.driven.take(plural, event) {
            Ok(true) => self.wake(world.now),
            Ok(false) => {}
            Err(error) => world.oracle.broken("Readable", error),
        }
    }

    fn list(&mut self, world: &mut World, plural: &'static str, at: usize) {
        let objects: Vec<Value> = world
            .store
            .snapshot(plural, at)
            .into_values()
            .map(|value| Value::clone(value))
            .collect();
        self.cursors.insert(plural, at);
        if plural == "messageclusters" {
            self.see_resource(objects.into_iter().next(), world.now);
            return;
        }
        self.take(world, plural, Event::Init);
        for object in objects {
            self.take(world, plural, Event::InitApply(object));
        }
        self.take(world, plural, Event::InitDone);
    }

    fn see_resource(&mut self, value: Option<Value>, now: Time) {
        let Some(value) = value else {
            self.resource = None;
            self.driven.forget(NAMESPACE, CLUSTER);
            return;
        };
        let version = |value: &Value| {
            let metadata = &value["metadata"];
            (metadata["uid"].clone(), metadata["generation"].clone())
        };
        let before = self.resource.as_ref().and_then(|resource| {
            let metadata = &resource.0.as_ref().ok()?.metadata;
            Some((metadata.uid.clone()?, metadata.generation?))
        });
        let (uid, generation) = version(&value);
        let is_same =
            before.is_some_and(|(was, number)| uid == was.as_str() && generation == number);
        self.resource = serde_json::from_value(value).ok().map(Arc::new);
        if !is_same {
            self.wake(now);
        }
    }

    fn wake(&mut self, now: Time) {
        let soon = now + DEBOUNCE;
        self.due = Some(self.due.map_or(soon, |due| due.min(soon)));
    }

    /// Begins to look, if it is time.
    pub fn begin(&mut self, world: &mut World) {
        let is_due = self.due.is_some_and(|due| due <= world.now);
        if self.running.is_some() || !is_due {
            return;
        }
        self.due = None;
        if let Some(resource) = &self.resource {
            world.oracle.began.insert(self.id, world.now);
            self.running = Some(self.driven.reconcile(Arc::clone(resource)));
        }
    }

    /// A reconcile has ended.
    pub fn ended(&mut self, world: &mut World, ended: Ended) {
        let (id, now) = (self.id, world.now);
        world.trace(|| format!("operator {id} ended its look: {ended:?}"));
        self.running = None;
        self.looks += 1;
        let again = ended.again.map(|again: Duration| again.as_millis() as u64);
        if let Some(again) = again {
            self.due = Some(self.due.map_or(now + again, |due| due.min(now + again)));
        }
        self.last = Some(ended);
    }

    /// It is looked at once more now, whatever is due.
    pub fn look_now(&mut self, now: Time) {
        self.due = Some(now);
    }

    /// Whether it has seen all there is to see.
    pub fn is_current(&self, world: &World) -> bool {
        self.cursors
            .iter()
            .all(|(plural, at)| *at == world.store.head(plural))
    }
}

//! What happens to the cluster, as events: told from the changes that make each image.

use std::collections::VecDeque;
use std::sync::Arc;

use futures::Stream;
use holdfast_kernel::image::{
    BrokerRecord, Change, ClusterImage, EntityName, PartitionRecord, QuotaEntity,
};
use holdfast_model::{Clock, TopicPartition};
use holdfast_quorum::{Changes, ImageUpdates, Quorum};
use holdfast_rpc::Status;
use holdfast_rpc::proto::admin::Event;

/// One kind of thing that happened, without its time.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Happening {
    kind: &'static str,
    subject: String,
    message: String,
}

impl Happening {
    fn new(kind: &'static str, subject: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            kind,
            subject: subject.into(),
            message: message.into(),
        }
    }
}

struct Watching {
    updates: ImageUpdates,
    image: Arc<ClusterImage>,
    clock: Arc<dyn Clock>,
    /// Bounded by the changes of one update.
    ready: VecDeque<Event>,
}

/// What happens from now on; ends with the broker.
pub(super) fn watch(
    quorum: &Quorum,
    clock: Arc<dyn Clock>,
) -> impl Stream<Item = Result<Event, Status>> + Send + 'static {
    let watching = Watching {
        updates: quorum.subscribe(),
        image: quorum.image(),
        clock,
        ready: VecDeque::new(),
    };
    futures::stream::unfold(watching, |mut watching| async move {
        loop {
            if let Some(event) = watching.ready.pop_front() {
                return Some((Ok(event), watching));
            }
            let update = watching.updates.next().await?;
            let happened = match &update.changes {
                Changes::Full => vec![Happening::new(
                    "Resync",
                    "cluster",
                    "events may be missing here: look at the whole state",
                )],
                changes @ Changes::Since(_) => tell(&watching.image, changes.iter()),
            };
            let (at_ms, image_version) = (watching.clock.wall_ms(), update.image.version);
            watching.image = update.image;
            watching
                .ready
                .extend(happened.into_iter().map(|happened| Event {
                    at_ms,
                    image_version,
                    kind: happened.kind.to_owned(),
                    subject: happened.subject,
                    message: happened.message,
                }));
        }
    })
}

/// What changes mean, seen from the image before them. Partitions are told together: thousands
/// change at once when a broker dies.
fn tell<'a>(before: &ClusterImage, changes: impl Iterator<Item = &'a Change>) -> Vec<Happening> {
    let mut happened = Vec::new();
    let mut partitions = Partitions::default();
    for change in changes {
        match change {
            Change::PutBroker(record) => broker(before, record, &mut happened),
            Change::PutPartition { at, record } => partitions.look(before, *at, record),
            other => happened.extend(one(before, other)),
        }
    }
    happened.extend(partitions.told());
    happened
}

/// Whose quota it is, in words.
fn quota_of(entity: &QuotaEntity) -> String {
    let parts = entity.iter().map(|(kind, name)| match name {
        EntityName::Default => format!("every {}", kind.name()),
        EntityName::Named(name) => format!("{} {name}", kind.name()),
    });
    parts.collect::<Vec<_>>().join(", ")
}

fn one(before: &ClusterImage, change: &Change) -> Option<Happening> {
    let event = |kind, subject: String, message: String| Happening::new(kind, subject, message);
    Some(match change {
        Change::SetFeatureLevel(level) => event(
            "FeatureLevelRaised",
            "cluster".to_owned(),
            format!("the feature level is {level} now: older versions cannot return"),
        ),
        Change::Admit(replica) => event(
            "DiskAdmitted",
            format!("broker {}", replica.broker),
            format!("disk {replica} may register"),
        ),
        Change::Retire { replica, .. } => event(
            "DiskRetired",
            format!("broker {}", replica.broker),
            format!("disk {replica} was replaced and never returns"),
        ),
        Change::PutTopic { .. } | Change::DeleteTopic(_) => return topic(before, change),
        Change::SetClusterConfig { key, value } => event(
            "SettingChanged",
            "cluster".to_owned(),
            match value {
                Some(value) => format!("{key} is {value} now"),
                None => format!("{key} has its default again"),
            },
        ),
        Change::SetBrokerConfig { broker, key, .. } => event(
            "SettingChanged",
            format!("broker {broker}"),
            format!("{key} changed"),
        ),
        Change::SetClientQuota { entity, key, value } => event(
            "QuotaChanged",
            quota_of(entity),
            match value {
                Some(value) => format!("{key} is {} now", value.get()),
                None => format!("{key} is taken away"),
            },
        ),
        Change::PutPermit(permit) => event(
            "Permit",
            format!("permit {}", permit.id),
            format!(
                "{}: {} of brokers {:?} for {}, {}",
                permit.stage,
                permit.purpose,
                permit
                    .broker_ids()
                    .iter()
                    .map(|id| id.0)
                    .collect::<Vec<_>>(),
                permit.holder,
                permit.reason
            ),
        ),
        Change::EndPermit { id, end, because } => event(
            "PermitEnded",
            format!("permit {id}"),
            if because.is_empty() {
                end.to_string()
            } else {
                format!("{end}: {}", because.join("; "))
            },
        ),
        Change::SetClusterId(_)
        | Change::SetNextBrokerEpoch(_)
        | Change::SetNextProducerId(_)
        | Change::PutBroker(_)
        | Change::PutPartition { .. } => return None,
    })
}

fn topic(before: &ClusterImage, change: &Change) -> Option<Happening> {
    let event = |kind, name: &str, message: &str| {
        Some(Happening::new(kind, format!("topic {name}"), message))
    };
    match change {
        Change::PutTopic { id, name, .. } if before.topics.get(id).is_none() => {
            event("TopicCreated", name, "created")
        }
        Change::PutTopic { name, .. } => event("TopicSettingsChanged", name, "settings changed"),
        Change::DeleteTopic(id) => {
            let name = before
                .topics
                .get(id)
                .map_or("", |topic| topic.name.as_str());
            event("TopicDeleted", name, "deleted")
        }
        _other => None,
    }
}

fn broker(before: &ClusterImage, record: &BrokerRecord, happened: &mut Vec<Happening>) {
    let subject = format!("broker {}", record.id);
    let old = before.brokers.get(&record.id);
    if old.is_none_or(|old| old.epoch != record.epoch) {
        let message = format!(
            "disk {} registered as {}, version {}",
            record.replica(),
            record.epoch,
            record.version
        );
        happened.push(Happening::new("BrokerRegistered", subject.clone(), message));
    }
    let (was_fenced, was_stopping) = old.map_or((true, false), |old| (old.fenced, old.stopping));
    if record.fenced != was_fenced {
        let (kind, message) = if record.fenced {
            (
                "BrokerFenced",
                "not heard from: leads nothing and is counted nowhere",
            )
        } else {
            ("BrokerServes", "serves")
        };
        happened.push(Happening::new(kind, subject.clone(), message));
    }
    if record.stopping && !was_stopping {
        happened.push(Happening::new("BrokerStops", subject, "is about to stop"));
    }
}

#[derive(Default)]
struct Partitions {
    offline: (usize, String),
    led_again: (usize, String),
    shrunk: (usize, String),
    grown: (usize, String),
}

impl Partitions {
    fn look(&mut self, before: &ClusterImage, at: TopicPartition, record: &PartitionRecord) {
        let Some(old) = before.partition(at) else {
            return;
        };
        let mut note = |counted: fn(&mut Self) -> &mut (usize, String)| {
            let name = before
                .topics
                .get(&at.topic)
                .map_or("", |topic| topic.name.as_str());
            let (count, first) = counted(self);
            if *count == 0 {
                *first = format!("{name}/{}", at.partition);
            }
            *count += 1;
        };
        if old.leader.is_some() && record.leader.is_none() {
            note(|all| &mut all.offline);
        }
        if old.leader.is_none() && record.leader.is_some() {
            note(|all| &mut all.led_again);
        }
        if record.isr.len() < old.isr.len() {
            note(|all| &mut all.shrunk);
        }
        if record.isr.len() > old.isr.len() {
            note(|all| &mut all.grown);
        }
    }

    fn told(self) -> impl Iterator<Item = Happening> {
        let kinds = [
            ("PartitionsOffline", self.offline, "lost their leader"),
            ("PartitionsLed", self.led_again, "have a leader again"),
            ("InSyncShrunk", self.shrunk, "lost in-sync replicas"),
            ("InSyncGrown", self.grown, "gained in-sync replicas"),
        ];
        kinds
            .into_iter()
            .filter(|(_, (count, _), _)| *count > 0)
            .map(|(kind, (count, first), what)| {
                Happening::new(
                    kind,
                    first.clone(),
                    format!("{count} partitions {what}, first {first}"),
                )
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::handlers::testing;

    #[test]
    fn changes_are_told_as_what_they_mean() {
        let mut image = testing::image();
        testing::put_topic(&mut image, 7, "orders", 2);
        let mut record = image.brokers.values().next().unwrap().clone();
        record.fenced = !record.fenced;
        let topic = image.topic_by_name("orders").unwrap().clone();
        let at = |partition| TopicPartition {
            topic: topic.id,
            partition,
        };
        let vacant = PartitionRecord {
            leader: None,
            ..topic.partitions[0].clone()
        };
        let changes = [
            Change::PutBroker(record),
            Change::PutPartition {
                at: at(0),
                record: vacant.clone(),
            },
            Change::PutPartition {
                at: at(1),
                record: vacant,
            },
            Change::SetFeatureLevel(2),
            Change::DeleteTopic(topic.id),
        ];
        let told = tell(&image, changes.iter());
        let kinds: Vec<&str> = told.iter().map(|happened| happened.kind).collect();
        assert_eq!(
            kinds,
            [
                "BrokerFenced",
                "FeatureLevelRaised",
                "TopicDeleted",
                "PartitionsOffline"
            ]
        );
        assert_eq!(
            told[3].message,
            "2 partitions lost their leader, first orders/0"
        );
    }
}

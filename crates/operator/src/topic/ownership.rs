//! Whose a topic is, where several resources name it, and what keeps a resource: pure.

use std::collections::BTreeMap;

use holdfast_api::MessageTopic;
use kube::core::DeserializeGuard;

use super::FINALIZER;
use crate::cache::{ClusterKey, Row};

/// What is known of a resource that names a topic.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct TopicRow {
    topic: String,
    /// In seconds since 1970.
    created: i64,
    uid: String,
    deleting: bool,
}

/// What is kept of a resource; none of one that cannot be read.
pub(crate) fn row(resource: &DeserializeGuard<MessageTopic>) -> Option<Row<TopicRow>> {
    let resource = resource.0.as_ref().ok()?;
    let namespace = resource.metadata.namespace.as_deref()?;
    Some(Row {
        cluster: ClusterKey::new(namespace, resource.spec.cluster.as_str()),
        name: resource.metadata.name.clone()?,
        value: row_of(resource),
    })
}

pub(super) fn row_of(resource: &MessageTopic) -> TopicRow {
    let metadata = &resource.metadata;
    let created = metadata.creation_timestamp.as_ref();
    TopicRow {
        topic: resource.topic_name().to_owned(),
        created: created.map_or(0, |time| time.0.as_second()),
        uid: metadata.uid.clone().unwrap_or_default(),
        deleting: metadata.deletion_timestamp.is_some(),
    }
}

/// The older resource of the same cluster that names the same topic: of two only one may have its way,
/// or they would change the topic back and forth for ever.
pub(super) fn older_rival<'a>(
    own: &'a TopicRow,
    all: &'a BTreeMap<String, TopicRow>,
) -> Option<&'a str> {
    let age = |row: &TopicRow| (row.created, row.uid.clone());
    let mut rivals = rivals(own, all).filter(|(_, row)| age(row) < age(own));
    rivals.next().map(|(name, _)| name.as_str())
}

/// Whether another resource stays that names the same topic: then its records stay, too.
pub(super) fn is_claimed(own: &TopicRow, all: &BTreeMap<String, TopicRow>) -> bool {
    rivals(own, all).next().is_some()
}

fn rivals<'a>(
    own: &'a TopicRow,
    all: &'a BTreeMap<String, TopicRow>,
) -> impl Iterator<Item = (&'a String, &'a TopicRow)> {
    all.iter()
        .filter(|(_, row)| row.topic == own.topic && row.uid != own.uid && !row.deleting)
}

/// The finalizers as they should be; none if they are so.
pub(super) fn finalizers(now: Option<&[String]>, wanted: bool) -> Option<Vec<String>> {
    let now = now.unwrap_or_default();
    let has = now.iter().any(|name| name == FINALIZER);
    if has == wanted {
        return None;
    }
    let others = now.iter().filter(|name| *name != FINALIZER).cloned();
    let ours = wanted.then(|| FINALIZER.to_owned());
    Some(others.chain(ours).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(topic: &str, created: i64, uid: &str) -> TopicRow {
        TopicRow {
            topic: topic.to_owned(),
            created,
            uid: uid.to_owned(),
            ..TopicRow::default()
        }
    }

    #[test]
    fn of_two_resources_for_one_topic_the_older_has_its_way() {
        let (old, new) = (row("orders", 1, "u1"), row("orders", 2, "u0"));
        let all = BTreeMap::from([
            ("old".to_owned(), old.clone()),
            ("new".to_owned(), new.clone()),
            ("other".to_owned(), row("payments", 0, "u9")),
        ]);
        assert_eq!(older_rival(&old, &all), None);
        assert_eq!(older_rival(&new, &all), Some("old"));
        // Records that somebody else names stay.
        assert!(is_claimed(&old, &all));
        let mut gone = all;
        gone.get_mut("old").unwrap().deleting = true;
        assert_eq!(older_rival(&new, &gone), None);
        assert!(!is_claimed(&new, &gone));
    }

    #[test]
    fn other_finalizers_stay() {
        let foreign = ["x/y".to_owned()];
        assert_eq!(finalizers(None, false), None);
        assert_eq!(finalizers(Some(&foreign), false), None);
        let both = finalizers(Some(&foreign), true).unwrap();
        assert_eq!(both, ["x/y", FINALIZER]);
        assert_eq!(finalizers(Some(&both), true), None);
        assert_eq!(finalizers(Some(&both), false).unwrap(), foreign);
    }
}

//! The resources themselves: kept whole, and looked at when their wish changes. What the operator
//! writes into their status wakes nobody.

use std::collections::HashMap;
use std::fmt::Debug;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::pin::pin;

use futures::{Stream, StreamExt};
use kube::core::{DeserializeGuard, ObjectMeta};
use kube::runtime::WatchStreamExt;
use kube::runtime::reflector::store::Writer;
use kube::runtime::watcher::Event;
use kube::{Api, Resource};
use serde::de::DeserializeOwned;

use super::related::logged;
use super::{Wake, events, everything};

/// What a watch of resources tells of, beside waking them.
pub(crate) enum Seen<'a, K> {
    /// An event, for whoever keeps an index.
    Event(&'a Event<DeserializeGuard<K>>),
    /// One is gone: its namespace and its name.
    Gone(&'a str, &'a str),
}

/// Keeps the resources and wakes those whose wish changed; never ends.
pub(crate) async fn follow_resources<K>(
    api: Api<DeserializeGuard<K>>,
    writer: Writer<DeserializeGuard<K>>,
    wake: Wake,
    tell: impl Fn(Seen<'_, K>) + Send,
) where
    K: Resource<DynamicType = ()> + Clone + DeserializeOwned + Debug + Send + Sync + 'static,
{
    let events = events(api, everything()).reflect(writer);
    woken(events, wake, tell).await;
}

async fn woken<K>(
    events: impl Stream<Item = kube::runtime::watcher::Result<Event<DeserializeGuard<K>>>>,
    wake: Wake,
    tell: impl Fn(Seen<'_, K>) + Send,
) where
    K: Resource<DynamicType = ()>,
{
    let mut wishes = Wishes::default();
    let mut events = pin!(events);
    while let Some(event) = events.next().await {
        let kind = K::kind(&()).into_owned();
        let Some(event) = logged(&kind, event) else {
            continue;
        };
        tell(Seen::Event(&event));
        let news = wishes.take(&event);
        for (namespace, name) in news.gone {
            tell(Seen::Gone(&namespace, &name));
        }
        for (namespace, name) in news.changed {
            wake.wake(&namespace, &name).await;
        }
    }
}

type Name = (String, String);

/// What is new by an event.
#[derive(Debug, Default, PartialEq, Eq)]
struct News {
    changed: Vec<Name>,
    gone: Vec<Name>,
}

/// The wishes that were seen, by a hash of each.
#[derive(Debug, Default)]
struct Wishes {
    known: HashMap<Name, u64>,
    /// Those of a listing that is not complete. Who is in it can be found only when it is.
    listing: HashMap<Name, u64>,
}

impl Wishes {
    fn take<K>(&mut self, event: &Event<K>) -> News
    where
        K: Resource,
    {
        let mut news = News::default();
        match event {
            Event::Init => self.listing.clear(),
            Event::InitApply(object) => {
                self.listing
                    .insert(name(object.meta()), wish(object.meta()));
            }
            Event::InitDone => {
                let listed = std::mem::take(&mut self.listing);
                let before = std::mem::replace(&mut self.known, listed);
                let changed = self
                    .known
                    .iter()
                    .filter(|(name, wish)| before.get(*name) != Some(wish));
                news.changed = changed.map(|(name, _)| name.clone()).collect();
                let gone = before
                    .into_keys()
                    .filter(|name| !self.known.contains_key(name));
                news.gone = gone.collect();
            }
            Event::Apply(object) => {
                let (name, wish) = (name(object.meta()), wish(object.meta()));
                if self.known.insert(name.clone(), wish) != Some(wish) {
                    news.changed.push(name);
                }
            }
            Event::Delete(object) => {
                let name = name(object.meta());
                self.known.remove(&name);
                news.gone.push(name);
            }
        }
        news
    }
}

fn name(metadata: &ObjectMeta) -> Name {
    let text = |part: &Option<String>| part.clone().unwrap_or_default();
    (text(&metadata.namespace), text(&metadata.name))
}

/// All of a resource that people write or that says that it shall go, as a number.
fn wish(metadata: &ObjectMeta) -> u64 {
    let mut hasher = DefaultHasher::new();
    metadata.uid.hash(&mut hasher);
    metadata.generation.hash(&mut hasher);
    metadata.annotations.hash(&mut hasher);
    metadata.finalizers.hash(&mut hasher);
    metadata.deletion_timestamp.is_some().hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::core::v1::ConfigMap;

    use super::*;

    fn object(name: &str, generation: i64, version: &str) -> ConfigMap {
        let mut object = ConfigMap::default();
        object.metadata.namespace = Some("data".to_owned());
        object.metadata.name = Some(name.to_owned());
        object.metadata.generation = Some(generation);
        object.metadata.resource_version = Some(version.to_owned());
        object
    }

    fn names(names: &[Name]) -> Vec<&str> {
        let mut names: Vec<&str> = names.iter().map(|(_, name)| name.as_str()).collect();
        names.sort_unstable();
        names
    }

    #[test]
    fn a_status_wakes_nobody() {
        let mut wishes = Wishes::default();
        assert_eq!(
            names(&wishes.take(&Event::Apply(object("a", 1, "1"))).changed),
            ["a"]
        );
        assert_eq!(
            wishes.take(&Event::Apply(object("a", 1, "2"))),
            News::default()
        );
        assert_eq!(
            names(&wishes.take(&Event::Apply(object("a", 2, "3"))).changed),
            ["a"]
        );
        let mut annotated = object("a", 2, "4");
        annotated.metadata.annotations = Some([("x".to_owned(), "y".to_owned())].into());
        assert_eq!(
            names(&wishes.take(&Event::Apply(annotated.clone())).changed),
            ["a"]
        );
        assert_eq!(names(&wishes.take(&Event::Delete(annotated)).gone), ["a"]);
    }

    #[test]
    fn a_listing_wakes_when_it_is_complete() {
        let mut wishes = Wishes::default();
        wishes.take(&Event::Apply(object("a", 1, "1")));
        wishes.take(&Event::Apply(object("b", 1, "1")));
        assert_eq!(wishes.take(&Event::<ConfigMap>::Init), News::default());
        assert_eq!(
            wishes.take(&Event::InitApply(object("b", 1, "2"))),
            News::default()
        );
        assert_eq!(
            wishes.take(&Event::InitApply(object("c", 1, "1"))),
            News::default()
        );
        let news = wishes.take(&Event::<ConfigMap>::InitDone);
        assert_eq!(
            (names(&news.changed), names(&news.gone)),
            (vec!["c"], vec!["a"])
        );
    }
}

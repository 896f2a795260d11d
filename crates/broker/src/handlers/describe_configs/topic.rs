//! A topic's settings, and the brokers' defaults for them.

use std::borrow::Cow;
use std::collections::BTreeMap;

use holdfast_kernel::config::{TOPIC_KEYS, TopicKey};
use holdfast_kernel::image::ClusterImage;

use super::setting::{Kind, Setting, Source, Synonym};
use crate::state::BrokerState;

/// What a topic's settings fall back to, by the broker's names.
#[derive(Clone, Copy, Debug)]
pub(in super::super) struct Layers<'a> {
    /// Changed at run time, for the whole cluster.
    pub(in super::super) cluster: &'a BTreeMap<String, String>,
    /// From this broker's file; also where the file says nothing.
    pub(in super::super) file: &'a BTreeMap<String, String>,
}

impl<'a> Layers<'a> {
    /// As they are now.
    pub(in super::super) fn of(broker: &'a BrokerState, image: &'a ClusterImage) -> Self {
        Self {
            cluster: &image.cluster_configs,
            file: &broker.topic_defaults,
        }
    }

    /// What the layers say of a key, the strongest first.
    pub(super) fn synonyms(&self, key: &'static TopicKey) -> impl Iterator<Item = Synonym<'a>> {
        let synonym = |value: &'a str, source| Synonym {
            name: key.broker_name,
            value: Some(Cow::Borrowed(value)),
            source,
        };
        let cluster = self.cluster.get(key.broker_name);
        let cluster = cluster.map(|value| synonym(value, Source::Cluster));
        // What equals the default cannot be told from what nobody set, nor need it be.
        let file = self
            .file
            .get(key.broker_name)
            .filter(|value| *value != key.default);
        let file = file.map(|value| synonym(value, Source::File));
        cluster
            .into_iter()
            .chain(file)
            .chain([synonym(key.default, Source::Default)])
    }
}

/// Every setting of a topic with these settings of its own.
pub(in super::super) fn settings<'a>(
    own: &'a BTreeMap<String, String>,
    layers: &Layers<'a>,
) -> impl Iterator<Item = Setting<'a>> {
    TOPIC_KEYS.iter().map(move |key| {
        let own = own.get(key.name).map(|value| Synonym {
            name: key.name,
            value: Some(Cow::Borrowed(value.as_str())),
            source: Source::Topic,
        });
        Setting {
            name: key.name,
            kind: Kind::Topic(key.kind),
            read_only: false,
            documentation: key.doc,
            synonyms: own.into_iter().chain(layers.synonyms(key)).collect(),
        }
    })
}

//! A broker's settings.

use std::borrow::Cow;
use std::collections::HashSet;

use holdfast_kernel::config::{TOPIC_KEYS, TopicKey};
use holdfast_model::BrokerId;
use holdfast_runtime::config::{Config, EffectiveKey, ValueKind};

use super::setting::{Kind, Setting, Source, Synonym};
use super::topic::Layers;

/// Both of Kafka's names for a broker's number.
const ID_NAMES: [&str; 2] = ["broker.id", "node.id"];

/// Every setting of this broker, by name. Defaults of topics can be changed at run time, for the
/// whole cluster; the rest is read from the broker's file at its start.
pub(super) fn settings<'a>(id: BrokerId, config: &Config, layers: &Layers<'a>) -> Vec<Setting<'a>> {
    let mut settings: Vec<Setting<'a>> =
        TOPIC_KEYS.iter().map(|key| default(key, layers)).collect();
    let mut names: HashSet<&str> = settings.iter().map(|setting| setting.name).collect();
    names.extend(ID_NAMES);
    settings.extend(ID_NAMES.map(|name| number(name, id)));
    let effective = config.effective();
    settings.extend(
        effective
            .iter()
            .filter(|key| !names.contains(key.name))
            .map(fixed),
    );
    settings.sort_by_key(|setting| setting.name);
    settings
}

/// Settings of all brokers that were changed at run time.
pub(super) fn changed<'a>(layers: &Layers<'a>) -> Vec<Setting<'a>> {
    let all = TOPIC_KEYS.iter().map(|key| default(key, layers));
    all.filter(|setting| setting.source() == Source::Cluster)
        .map(|mut setting| {
            setting.synonyms.truncate(1);
            setting
        })
        .collect()
}

fn default<'a>(key: &'static TopicKey, layers: &Layers<'a>) -> Setting<'a> {
    Setting {
        name: key.broker_name,
        kind: Kind::Topic(key.kind),
        read_only: false,
        documentation: key.doc,
        synonyms: layers.synonyms(key).collect(),
    }
}

fn number<'a>(name: &'static str, id: BrokerId) -> Setting<'a> {
    Setting {
        name,
        kind: Kind::Broker(ValueKind::Number),
        read_only: true,
        documentation: "The broker's stable number.",
        synonyms: vec![Synonym {
            name,
            value: Some(Cow::Owned(id.to_string())),
            source: Source::File,
        }],
    }
}

fn fixed<'a>(key: &EffectiveKey) -> Setting<'a> {
    let was_set = key.value != key.default;
    let synonym = |value: Option<String>, source| Synonym {
        name: key.name,
        value: value.map(Cow::Owned),
        source,
    };
    let set = was_set.then(|| synonym(key.value.clone(), Source::File));
    let default = synonym(key.default.clone(), Source::Default);
    // Kafka lists no synonym where a setting has no default.
    let default = Some(default).filter(|default| !was_set || default.value.is_some());
    Setting {
        name: key.name,
        kind: Kind::Broker(key.kind),
        read_only: true,
        documentation: key.text,
        synonyms: set.into_iter().chain(default).collect(),
    }
}

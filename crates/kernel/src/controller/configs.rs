//! Settings change; what depends on them changes in the same commit.

use std::collections::BTreeMap;

use holdfast_model::internal_topic::CONSUMER_OFFSETS;
use holdfast_model::{BrokerId, ErrorCode, TopicPartition};

use super::command::{AlterConfig, ConfigOperation, ConfigResource};
use super::election::set_isr;
use super::topics::effective_min_isr;
use super::{Controller, Draft, Failure, Outcome};
use crate::config::{self, ConfigKind, TOPIC_KEYS, TopicKey};
use crate::image::Change;
use crate::planted::Planted;

impl Controller {
    pub(super) fn alter_configs(
        &mut self,
        draft: &mut Draft,
        alterations: &[AlterConfig],
    ) -> Outcome {
        let results = alterations
            .iter()
            .map(|alteration| match &alteration.resource {
                ConfigResource::Topic(name) => self.alter_topic(draft, name, alteration),
                ConfigResource::Broker(id) => self.alter_broker(draft, Some(*id), alteration),
                ConfigResource::Cluster => self.alter_broker(draft, None, alteration),
            })
            .collect();
        Outcome::ConfigsAltered(results)
    }

    fn alter_topic(
        &mut self,
        draft: &mut Draft,
        name: &str,
        alteration: &AlterConfig,
    ) -> Result<(), Failure> {
        let topic = draft.image().topic_by_name(name).cloned().ok_or_else(|| {
            Failure::new(
                ErrorCode::UnknownTopicOrPartition,
                format!("no topic '{name}'"),
            )
        })?;
        let mut configs = if alteration.replace_all {
            BTreeMap::new()
        } else {
            topic.configs.clone()
        };
        for (key, operation) in &alteration.operations {
            let known = config::topic_key(key).ok_or_else(|| {
                Failure::new(
                    ErrorCode::InvalidConfig,
                    config::Error::UnknownKey(key.clone()).to_string(),
                )
            })?;
            let present = config::value_of(known, &configs, &draft.image().cluster_configs);
            match apply(name, known, present, operation)? {
                Some(value) => configs.insert(key.clone(), value),
                None => configs.remove(key),
            };
        }
        if name == CONSUMER_OFFSETS {
            // There is no default to which it could fall back.
            let policy = configs.entry(config::CLEANUP_POLICY.to_owned());
            policy.or_insert_with(|| config::COMPACT.to_owned());
        }
        if configs == topic.configs {
            return Ok(());
        }
        draft.put(Change::PutTopic {
            id: topic.id,
            name: topic.name.clone(),
            configs,
        });
        self.correct_min_isr(draft, Some(name));
        Ok(())
    }

    fn alter_broker(
        &mut self,
        draft: &mut Draft,
        broker: Option<BrokerId>,
        alteration: &AlterConfig,
    ) -> Result<(), Failure> {
        let image = draft.image();
        let present = match broker {
            None => image.cluster_configs.clone(),
            Some(id) if image.brokers.contains_key(&id) => {
                image.broker_configs.get(&id).cloned().unwrap_or_default()
            }
            Some(id) => {
                return Err(Failure::new(
                    ErrorCode::BrokerIdNotRegistered,
                    format!("broker {id} is not registered"),
                ));
            }
        };
        let mut wanted = if alteration.replace_all {
            BTreeMap::new()
        } else {
            present.clone()
        };
        for (key, operation) in &alteration.operations {
            let known = TOPIC_KEYS
                .iter()
                .find(|topic_key| topic_key.broker_name == key);
            let Some(known) = known.filter(|_| broker.is_none()) else {
                return Err(Failure::new(
                    ErrorCode::InvalidRequest,
                    format!(
                        "{key} cannot be changed at run time here: topic defaults are changed for \
                         the whole cluster, everything else in the broker's file"
                    ),
                ));
            };
            let value = wanted
                .get(key)
                .map_or(known.default, String::as_str)
                .to_owned();
            match apply(NO_TOPIC, known, &value, operation)? {
                Some(value) => wanted.insert(key.clone(), value),
                None => wanted.remove(key),
            };
        }
        for key in present.keys().filter(|key| !wanted.contains_key(*key)) {
            put(draft, broker, key, None);
        }
        for (key, value) in wanted
            .iter()
            .filter(|(key, value)| present.get(*key) != Some(value))
        {
            put(draft, broker, key, Some(value.clone()));
        }
        self.correct_min_isr(draft, None);
        Ok(())
    }

    /// Commits the effective minimum of every partition it changed for, and corrects the eligible
    /// list in the same change (`protocol-safety` rule 6).
    fn correct_min_isr(&self, draft: &mut Draft, name: Option<&str>) {
        let mut changed = Vec::new();
        for (id, topic) in draft.image().topics.iter() {
            if name.is_some_and(|name| topic.name != name) {
                continue;
            }
            for (index, record) in topic.partitions.iter().enumerate() {
                let at = TopicPartition {
                    topic: *id,
                    partition: index as i32,
                };
                let min_isr = effective_min_isr(self, draft.image(), at, record.replicas.len());
                if min_isr != record.min_isr {
                    let mut next = record.clone();
                    next.min_isr = min_isr;
                    if self.options.planted != Planted::MinimumLoweredAlone {
                        let isr = std::mem::take(&mut next.isr);
                        set_isr(&mut next, isr);
                    }
                    changed.push((at, next));
                }
            }
        }
        for (at, next) in changed {
            draft.put_partition(at, next);
        }
    }
}

fn put(draft: &mut Draft, broker: Option<BrokerId>, key: &str, value: Option<String>) {
    let key = key.to_owned();
    draft.put(match broker {
        Some(broker) => Change::SetBrokerConfig { broker, key, value },
        None => Change::SetClusterConfig { key, value },
    });
}

/// For settings that are no topic's own.
const NO_TOPIC: &str = "";

/// The value after an operation; none removes the setting.
fn apply(
    topic: &str,
    key: &TopicKey,
    present: &str,
    operation: &ConfigOperation,
) -> Result<Option<String>, Failure> {
    let is_list = key.kind == ConfigKind::List;
    let words = |text: &str| -> Vec<String> {
        text.split(',')
            .map(|word| word.trim().to_owned())
            .filter(|w| !w.is_empty())
            .collect()
    };
    let value = match operation {
        ConfigOperation::Delete => return Ok(None),
        ConfigOperation::Set(value) => value.clone(),
        ConfigOperation::Append(_) | ConfigOperation::Subtract(_) if !is_list => {
            return Err(Failure::new(
                ErrorCode::InvalidConfig,
                format!("{} is not a list: it can be set or deleted only", key.name),
            ));
        }
        ConfigOperation::Append(more) => {
            let mut all = words(present);
            for word in words(more) {
                if !all.contains(&word) {
                    all.push(word);
                }
            }
            all.join(",")
        }
        ConfigOperation::Subtract(less) => {
            let gone = words(less);
            words(present)
                .into_iter()
                .filter(|w| !gone.contains(w))
                .collect::<Vec<_>>()
                .join(",")
        }
    };
    config::check_of(topic, key.name, &value)
        .map_err(|error| Failure::new(ErrorCode::InvalidConfig, error.to_string()))?;
    Ok(Some(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_grow_and_shrink_and_nothing_else_does() {
        let after = |key, present, operation| {
            apply(
                NO_TOPIC,
                config::topic_key(key).unwrap(),
                present,
                &operation,
            )
            .map_err(|f| f.code)
        };
        let append = |text: &str| ConfigOperation::Append(text.to_owned());
        let subtract = ConfigOperation::Subtract("delete".to_owned());
        let shown = |text: &str| Ok(Some(text.to_owned()));
        assert_eq!(
            after("cleanup.policy", "delete", append("delete")),
            shown("delete")
        );
        assert_eq!(after("cleanup.policy", "delete", subtract), shown(""));
        let refused = Err(ErrorCode::InvalidConfig);
        assert_eq!(after("cleanup.policy", "delete", append("burn")), refused);
        assert_eq!(after("retention.ms", "1", append("2")), refused);
    }
}

//! Rules of topics.

use super::Law;

/// The longest name of a topic in Kafka.
pub(crate) const LONGEST_TOPIC_NAME: usize = 249;

pub(crate) const TOPIC_NAME_LENGTH: Law = Law {
    cel: "has(self.spec.topicName) || size(self.metadata.name) <= 249",
    says: "metadata.name is the topic's name and may have 249 characters at most: choose a shorter \
           name, or set spec.topicName",
    at: "",
};

pub(crate) const TOPIC_NAME_FREE: Law = Law {
    cel: "self != '.' && self != '..' && !self.startsWith('__')",
    says: "topicName cannot be . or .., and names that begin with __ belong to the brokers: choose \
           another name",
    at: "",
};

pub(crate) const TOPIC_NAME_FIXED: Law = Law {
    cel: "has(self.topicName) == has(oldSelf.topicName) && \
          (!has(self.topicName) || self.topicName == oldSelf.topicName)",
    says: "topicName cannot change, because a topic cannot be renamed: keep it, or create another \
           MessageTopic",
    at: ".topicName",
};

pub(crate) const TOPIC_CLUSTER_FIXED: Law = Law {
    cel: "self == oldSelf",
    says: "cluster cannot change, because a topic stays in its cluster: keep it, or create another \
           MessageTopic",
    at: "",
};

pub(crate) const PARTITIONS_SHRINK: Law = Law {
    cel: "self >= oldSelf",
    says: "partitions cannot shrink, because the records of those that go would be lost: keep the \
           number, or create another topic",
    at: "",
};

pub(crate) const TOPIC_REPLICAS_FIXED: Law = Law {
    cel: "self == oldSelf",
    says: "replicas cannot change yet, because the operator does not move replicas: keep the number, \
           or create another topic",
    at: "",
};

pub(crate) const TOPIC_MIN_INSYNC: Law = Law {
    cel: "!has(self.settings) || !('min.insync.replicas' in self.settings) || \
          (self.settings['min.insync.replicas'].matches('^[1-9][0-9]{0,8}$') && \
          int(self.settings['min.insync.replicas']) <= self.replicas)",
    says: "settings: min.insync.replicas must be a number from 1 to replicas, or nothing could be \
           produced: lower it, or create a topic with more replicas",
    at: ".settings",
};

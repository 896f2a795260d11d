//! Consumer groups: lists, members, committed offsets.

use std::sync::Arc;

use holdfast_model::{ErrorCode, consumer_protocol};
use holdfast_wire::Request;
use holdfast_wire::messages::offset_commit_request::{
    OffsetCommitRequestPartition, OffsetCommitRequestTopic,
};
use holdfast_wire::messages::offset_fetch_request::OffsetFetchRequestGroup;
use holdfast_wire::messages::{
    ConsumerGroupDescribeRequest, DeleteGroupsRequest, DescribeGroupsRequest,
    FindCoordinatorRequest, GroupId, ListGroupsRequest, OffsetCommitRequest, OffsetFetchRequest,
};

use super::{Admin, single, text, topic_name};
use crate::{Connection, Error};

/// The kind of members that read topics.
const CONSUMER: &str = "consumer";

/// A group in a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedGroup {
    /// Its name.
    pub name: String,
    /// The kind of its members; empty for a group that only has offsets.
    pub protocol_type: String,
    /// What it does: Kafka's name.
    pub state: String,
}

/// A group in full.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupDescription {
    /// Its name.
    pub name: String,
    /// What it does: Kafka's name.
    pub state: String,
    /// The kind of its members.
    pub protocol_type: String,
    /// How it divides the work; empty while it does not.
    pub protocol: String,
    /// The broker that coordinates it.
    pub coordinator: i32,
    /// Its members.
    pub members: Vec<GroupMember>,
}

/// A member of a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupMember {
    /// Its id.
    pub id: String,
    /// The name that survives its restarts.
    pub instance: Option<String>,
    /// How its client calls itself.
    pub client_id: String,
    /// Where it is.
    pub host: String,
    /// What it reads, if it is a consumer: topics with their partitions.
    pub assignment: Vec<(String, Vec<i32>)>,
}

/// How far a group has read a partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupOffset {
    /// The topic.
    pub topic: String,
    /// The partition.
    pub partition: i32,
    /// The offset of the next record to read.
    pub offset: i64,
    /// What the consumer noted.
    pub metadata: String,
}

fn group_id(name: &str) -> GroupId {
    GroupId(text(name))
}

impl Admin {
    /// Every group of the cluster, by name: each broker is asked for those that it coordinates.
    ///
    /// # Errors
    /// A broker's answer, or that one cannot be reached within the operation time-out.
    pub async fn list_groups(&self) -> Result<Vec<ListedGroup>, Error> {
        let cluster = self.client.refresh().await?;
        let mut groups = Vec::new();
        for id in cluster.brokers.keys() {
            let listed = self.client.retry(|| async {
                let connection = self.client.broker(*id).await?;
                let answer = connection.call(&ListGroupsRequest::default()).await?;
                let what = || format!("groups of broker {id}");
                Error::check(answer.error_code, None, what)?;
                Ok(answer.groups)
            });
            groups.extend(listed.await?.into_iter().map(|group| ListedGroup {
                name: group.group_id.to_string(),
                protocol_type: group.protocol_type.to_string(),
                state: group.group_state.to_string(),
            }));
        }
        groups.sort_by(|a, b| a.name.cmp(&b.name));
        // A coordinator that moved meanwhile lists its groups at both brokers.
        groups.dedup_by(|a, b| a.name == b.name);
        Ok(groups)
    }

    /// A group with its members; none if there is no such group.
    ///
    /// # Errors
    /// The coordinator's answer, or that there is none within the operation time-out.
    pub async fn describe_group(&self, name: &str) -> Result<Option<GroupDescription>, Error> {
        match self.describe_classic_group(name).await? {
            Some(group) => Ok(Some(group)),
            None => self.describe_modern_group(name).await,
        }
    }

    async fn describe_classic_group(&self, name: &str) -> Result<Option<GroupDescription>, Error> {
        let what = format!("group {name}");
        let request = DescribeGroupsRequest::default().with_groups(vec![group_id(name)]);
        self.at_coordinator(name, &request, |coordinator, answer| {
            let group = single(answer.groups, &what)?;
            if group.error_code == ErrorCode::GroupIdNotFound.code() {
                return Ok(None);
            }
            let detail = group.error_message.as_deref();
            Error::check(group.error_code, detail, || what.clone())?;
            if &*group.group_state == "Dead" {
                return Ok(None);
            }
            let members = group.members.into_iter().map(|member| GroupMember {
                id: member.member_id.to_string(),
                instance: member.group_instance_id.map(|name| name.to_string()),
                client_id: member.client_id.to_string(),
                host: member.client_host.to_string(),
                assignment: consumer_protocol::decode_share(&member.member_assignment)
                    .unwrap_or_default()
                    .into_iter()
                    .collect(),
            });
            Ok(Some(GroupDescription {
                name: name.to_owned(),
                state: group.group_state.to_string(),
                protocol_type: group.protocol_type.to_string(),
                protocol: group.protocol_data.to_string(),
                coordinator,
                members: members.collect(),
            }))
        })
        .await
    }

    /// A group of the consumer protocol, whose members were told by the coordinator what to read.
    async fn describe_modern_group(&self, name: &str) -> Result<Option<GroupDescription>, Error> {
        let what = format!("group {name}");
        let request = ConsumerGroupDescribeRequest::default().with_group_ids(vec![group_id(name)]);
        self.at_coordinator(name, &request, |coordinator, answer| {
            let group = single(answer.groups, &what)?;
            if group.error_code == ErrorCode::GroupIdNotFound.code() {
                return Ok(None);
            }
            let detail = group.error_message.as_deref();
            Error::check(group.error_code, detail, || what.clone())?;
            let members = group.members.into_iter().map(|member| GroupMember {
                id: member.member_id.to_string(),
                instance: member.instance_id.map(|name| name.to_string()),
                client_id: member.client_id.to_string(),
                host: member.client_host.to_string(),
                assignment: member
                    .assignment
                    .topic_partitions
                    .into_iter()
                    .map(|topic| (topic.topic_name.0.to_string(), topic.partitions))
                    .collect(),
            });
            Ok(Some(GroupDescription {
                name: name.to_owned(),
                state: group.group_state.to_string(),
                protocol_type: CONSUMER.to_owned(),
                protocol: group.assignor_name.to_string(),
                coordinator,
                members: members.collect(),
            }))
        })
        .await
    }

    /// Every offset that a group has committed, by topic and partition.
    ///
    /// # Errors
    /// The coordinator's answer, or that there is none within the operation time-out.
    pub async fn group_offsets(&self, name: &str) -> Result<Vec<GroupOffset>, Error> {
        let what = format!("offsets of group {name}");
        let group = OffsetFetchRequestGroup::default()
            .with_group_id(group_id(name))
            .with_topics(None);
        let request = OffsetFetchRequest::default().with_groups(vec![group]);
        self.at_coordinator(name, &request, |_, answer| {
            let group = single(answer.groups, &what)?;
            Error::check(group.error_code, None, || what.clone())?;
            let mut offsets = Vec::new();
            for topic in group.topics {
                for row in topic.partitions {
                    let what = || format!("{what}, {}/{}", topic.name.0, row.partition_index);
                    Error::check(row.error_code, None, what)?;
                    if row.committed_offset >= 0 {
                        offsets.push(GroupOffset {
                            topic: topic.name.to_string(),
                            partition: row.partition_index,
                            offset: row.committed_offset,
                            metadata: row.metadata.unwrap_or_default().to_string(),
                        });
                    }
                }
            }
            offsets.sort_by(|a, b| (&a.topic, a.partition).cmp(&(&b.topic, b.partition)));
            Ok(offsets)
        })
        .await
    }

    /// Sets offsets of a group that has no members.
    ///
    /// # Errors
    /// The first partition that could not be set, or that there is no coordinator within the
    /// operation time-out.
    pub async fn set_group_offsets(
        &self,
        name: &str,
        offsets: &[(String, i32, i64)],
    ) -> Result<(), Error> {
        let mut topics: Vec<OffsetCommitRequestTopic> = Vec::new();
        for (topic, partition, offset) in offsets {
            let row = OffsetCommitRequestPartition::default()
                .with_partition_index(*partition)
                .with_committed_offset(*offset)
                .with_committed_metadata(Some(text("")));
            match topics.iter_mut().find(|known| &*known.name.0 == topic) {
                Some(known) => known.partitions.push(row),
                None => topics.push(
                    OffsetCommitRequestTopic::default()
                        .with_name(topic_name(topic))
                        .with_partitions(vec![row]),
                ),
            }
        }
        let request = OffsetCommitRequest::default()
            .with_group_id(group_id(name))
            .with_generation_id_or_member_epoch(-1)
            .with_topics(topics);
        self.at_coordinator(name, &request, |_, answer| {
            for topic in answer.topics {
                for row in topic.partitions {
                    let what = || {
                        let partition = row.partition_index;
                        format!("offset of group {name}, {}/{partition}", topic.name.0)
                    };
                    Error::check(row.error_code, None, what)?;
                }
            }
            Ok(())
        })
        .await
    }

    /// Deletes a group that has no members, with its offsets.
    ///
    /// # Errors
    /// The coordinator's answer, or that there is none within the operation time-out.
    pub async fn delete_group(&self, name: &str) -> Result<(), Error> {
        let request = DeleteGroupsRequest::default().with_groups_names(vec![group_id(name)]);
        self.at_coordinator(name, &request, |_, answer| {
            let what = format!("delete group {name}");
            let result = single(answer.results, &what)?;
            Error::check(result.error_code, None, || what)
        })
        .await
    }

    /// Sends a request to a group's coordinator, and after a passing trouble again to whoever
    /// coordinates then.
    pub(crate) async fn at_coordinator<R: Request, T>(
        &self,
        group: &str,
        body: &R,
        check: impl Fn(i32, R::Response) -> Result<T, Error>,
    ) -> Result<T, Error> {
        self.client
            .retry(|| async {
                let (id, connection) = self.coordinator(group).await?;
                check(id, connection.call(body).await?)
            })
            .await
    }

    /// Who coordinates a group now, and the way there.
    ///
    /// # Errors
    /// Nobody says, or the coordinator cannot be reached.
    pub async fn coordinator(&self, group: &str) -> Result<(i32, Arc<Connection>), Error> {
        let request = FindCoordinatorRequest::default().with_coordinator_keys(vec![text(group)]);
        let what = format!("coordinator of group {group}");
        let answer = self.client.any_broker().await?.call(&request).await?;
        let found = single(answer.coordinators, &what)?;
        let detail = found.error_message.as_deref();
        Error::check(found.error_code, detail, || what.clone())?;
        let id = found.node_id.0;
        if !self.client.cluster().brokers.contains_key(&id) {
            self.client.refresh().await?;
        }
        Ok((id, self.client.broker(id).await?))
    }
}

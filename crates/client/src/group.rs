//! A member of a consumer group, of the classic protocol: it reads what the group assigns it, and
//! commits what was handed out.

mod range;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use holdfast_model::consumer_protocol::{self, Share};
use holdfast_model::{ErrorCode, Monotonic};
use holdfast_wire::StrBytes;
use holdfast_wire::messages::join_group_request::JoinGroupRequestProtocol;
use holdfast_wire::messages::leave_group_request::MemberIdentity;
use holdfast_wire::messages::offset_commit_request::{
    OffsetCommitRequestPartition, OffsetCommitRequestTopic,
};
use holdfast_wire::messages::sync_group_request::SyncGroupRequestAssignment;
use holdfast_wire::messages::{
    GroupId, HeartbeatRequest, JoinGroupRequest, JoinGroupResponse, LeaveGroupRequest,
    OffsetCommitRequest, SyncGroupRequest, TopicName,
};

use crate::admin::Admin;
use crate::{Client, Connection, ConsumedRecord, Consumer, ConsumerOptions, Error, Start};

/// Kafka's name for groups whose members this is one of.
const CONSUMER: &str = "consumer";

/// How partitions are divided: per topic, in order.
const RANGE: &str = "range";

/// How long a member may be silent, and how often it speaks.
const SESSION: Duration = Duration::from_secs(30);
const HEARTBEAT: Duration = Duration::from_secs(3);

/// How long the others may take to join again.
const REBALANCE: Duration = Duration::from_mins(1);

/// A member of a group.
#[derive(Debug)]
pub struct GroupConsumer {
    client: Client,
    options: ConsumerOptions,
    group: String,
    topics: Vec<String>,
    /// Where to begin what the group never committed.
    start: Start,
    member: StrBytes,
    generation: i32,
    next_heartbeat: Monotonic,
    /// While it has an assignment.
    consumer: Option<Consumer>,
    /// Handed out and not committed: the next offset of each partition.
    handed_out: BTreeMap<(String, i32), i64>,
}

fn text(text: &str) -> StrBytes {
    StrBytes::from_string(text.to_owned())
}

fn millis(duration: Duration) -> i32 {
    i32::try_from(duration.as_millis()).unwrap_or(i32::MAX)
}

impl GroupConsumer {
    /// A member of a group that reads topics; it joins at the first poll.
    pub fn new(
        client: Client,
        options: ConsumerOptions,
        group: &str,
        topics: Vec<String>,
        start: Start,
    ) -> Self {
        Self {
            client,
            options,
            group: group.to_owned(),
            topics,
            start,
            member: StrBytes::default(),
            generation: -1,
            next_heartbeat: Monotonic::default(),
            consumer: None,
            handed_out: BTreeMap::new(),
        }
    }

    /// Whether it has an assignment and has read all of it.
    pub fn is_caught_up(&self) -> bool {
        self.consumer.as_ref().is_some_and(Consumer::is_caught_up)
    }

    /// The next records; none if nothing came within `wait`. Joining, which comes first, may take
    /// longer.
    ///
    /// # Errors
    /// What does not pass.
    pub async fn poll(&mut self, wait: Duration) -> Result<Vec<ConsumedRecord>, Error> {
        if self.consumer.is_none() {
            self.join().await?;
        }
        let now = self.client.options().clock.monotonic();
        if now >= self.next_heartbeat {
            self.next_heartbeat = now.plus(HEARTBEAT);
            if !self.is_member_still().await? {
                // Before somebody else goes on from there.
                let _late = self.commit().await;
                self.consumer = None;
                return Ok(Vec::new());
            }
        }
        let Some(consumer) = &mut self.consumer else {
            return Ok(Vec::new());
        };
        let records = consumer.poll(wait.min(HEARTBEAT)).await?;
        for record in &records {
            let key = (record.topic.clone(), record.partition);
            self.handed_out.insert(key, record.offset + 1);
        }
        Ok(records)
    }

    /// Takes records back that were handed out last: they are not committed.
    pub fn unread(&mut self, records: &[ConsumedRecord]) {
        for record in records.iter().rev() {
            let key = (record.topic.clone(), record.partition);
            self.handed_out.insert(key, record.offset);
        }
    }

    /// Commits what was handed out. A member that the group has left behind commits nothing, joins
    /// again at the next poll, and what it read is read again.
    ///
    /// # Errors
    /// The coordinator's answer, or that there is none within the operation time-out.
    pub async fn commit(&mut self) -> Result<(), Error> {
        if self.handed_out.is_empty() {
            return Ok(());
        }
        match self.send_commit().await {
            Err(error) if self.must_rejoin(&error) => {
                self.consumer = None;
            }
            other => other?,
        }
        self.handed_out.clear();
        Ok(())
    }

    async fn send_commit(&self) -> Result<(), Error> {
        let mut topics: BTreeMap<&str, Vec<OffsetCommitRequestPartition>> = BTreeMap::new();
        for ((topic, partition), offset) in &self.handed_out {
            let row = OffsetCommitRequestPartition::default()
                .with_partition_index(*partition)
                .with_committed_offset(*offset)
                .with_committed_metadata(Some(StrBytes::default()));
            topics.entry(topic).or_default().push(row);
        }
        let topics = topics.into_iter().map(|(name, rows)| {
            OffsetCommitRequestTopic::default()
                .with_name(TopicName(text(name)))
                .with_partitions(rows)
        });
        let request = OffsetCommitRequest::default()
            .with_group_id(self.id())
            .with_member_id(self.member.clone())
            .with_generation_id_or_member_epoch(self.generation)
            .with_topics(topics.collect());
        let what = format!("commit of group {}", self.group);
        let admin = Admin::new(self.client.clone());
        admin
            .at_coordinator(&self.group, &request, |_, answer| {
                let rows = answer.topics.iter().flat_map(|topic| &topic.partitions);
                for row in rows {
                    Error::check(row.error_code, None, || what.clone())?;
                }
                Ok(())
            })
            .await
    }

    /// Commits, and leaves the group, so that the others need not wait for its session to end.
    ///
    /// # Errors
    /// The coordinator's answer, or that there is none within the operation time-out.
    pub async fn close(mut self) -> Result<(), Error> {
        self.commit().await?;
        let me = MemberIdentity::default()
            .with_member_id(self.member.clone())
            .with_reason(Some(text("it is done")));
        let request = LeaveGroupRequest::default()
            .with_group_id(self.id())
            .with_members(vec![me]);
        let what = format!("leave group {}", self.group);
        let admin = Admin::new(self.client.clone());
        admin
            .at_coordinator(&self.group, &request, |_, answer| {
                Error::check(answer.error_code, None, || what.clone())
            })
            .await
    }

    fn id(&self) -> GroupId {
        GroupId(text(&self.group))
    }

    /// Whether this generation goes on.
    async fn is_member_still(&mut self) -> Result<bool, Error> {
        let request = HeartbeatRequest::default()
            .with_group_id(self.id())
            .with_generation_id(self.generation)
            .with_member_id(self.member.clone());
        let what = format!("heartbeat of group {}", self.group);
        let admin = Admin::new(self.client.clone());
        let beat = admin
            .at_coordinator(&self.group, &request, |_, answer| {
                Error::check(answer.error_code, None, || what.clone())
            })
            .await;
        match beat {
            Ok(()) => Ok(true),
            Err(error) if self.must_rejoin(&error) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Whether an error means to join again; and as whom.
    fn must_rejoin(&mut self, error: &Error) -> bool {
        match error.code() {
            Some(ErrorCode::UnknownMemberId) => {
                self.member = StrBytes::default();
                true
            }
            Some(ErrorCode::RebalanceInProgress | ErrorCode::IllegalGeneration) => true,
            _ => false,
        }
    }

    /// Joins until it has an assignment.
    async fn join(&mut self) -> Result<(), Error> {
        for topic in self.topics.clone() {
            self.client.topic(&topic).await?;
        }
        loop {
            let admin = Admin::new(self.client.clone());
            let connection = self.coordinator(&admin).await?;
            let joined = self.ask_to_join(&connection).await;
            let synced = match joined {
                Ok(Some(answer)) => self.sync(&connection, answer).await,
                Ok(None) => continue,
                Err(error) => Err(error),
            };
            match synced {
                Ok(share) => return self.begin(&admin, share).await,
                Err(error) if self.must_rejoin(&error) => {}
                // The coordinator moved, or reads its log.
                Err(error) if error.is_retriable() => {
                    tokio::time::sleep(Duration::from_millis(200)).await;
                }
                Err(error) => return Err(error),
            }
        }
    }

    async fn coordinator(&self, admin: &Admin) -> Result<Arc<Connection>, Error> {
        let found = self
            .client
            .retry(|| async { admin.coordinator(&self.group).await });
        Ok(found.await?.1)
    }

    /// None: it was given an id, with which to join.
    async fn ask_to_join(
        &mut self,
        connection: &Connection,
    ) -> Result<Option<JoinGroupResponse>, Error> {
        let protocol = JoinGroupRequestProtocol::default()
            .with_name(text(RANGE))
            .with_metadata(consumer_protocol::subscription(&self.topics));
        let request = JoinGroupRequest::default()
            .with_group_id(self.id())
            .with_session_timeout_ms(millis(SESSION))
            .with_rebalance_timeout_ms(millis(REBALANCE))
            .with_member_id(self.member.clone())
            .with_protocol_type(text(CONSUMER))
            .with_protocols(vec![protocol]);
        let answer = connection
            .call_within(&request, REBALANCE + Duration::from_secs(10))
            .await?;
        if answer.error_code == ErrorCode::MemberIdRequired.code() {
            self.member = answer.member_id;
            return Ok(None);
        }
        Error::check(answer.error_code, None, || {
            format!("join group {}", self.group)
        })?;
        self.member.clone_from(&answer.member_id);
        self.generation = answer.generation_id;
        Ok(Some(answer))
    }

    /// What this member reads in this generation.
    async fn sync(
        &mut self,
        connection: &Connection,
        joined: JoinGroupResponse,
    ) -> Result<Share, Error> {
        let leads = joined.leader == joined.member_id && !joined.skip_assignment;
        let assignments = if leads {
            self.divide(&joined).await?
        } else {
            Vec::new()
        };
        let request = SyncGroupRequest::default()
            .with_group_id(self.id())
            .with_generation_id(self.generation)
            .with_member_id(self.member.clone())
            .with_protocol_type(Some(text(CONSUMER)))
            .with_protocol_name(joined.protocol_name)
            .with_assignments(assignments);
        let answer = connection
            .call_within(&request, REBALANCE + Duration::from_secs(10))
            .await?;
        let what = || format!("sync with group {}", self.group);
        Error::check(answer.error_code, None, what)?;
        let share = consumer_protocol::decode_share(&answer.assignment);
        share.ok_or_else(|| Error::Protocol {
            address: format!("the coordinator of {}", self.group),
            reason: "the assignment is malformed".to_owned(),
        })
    }

    /// As the leader: everybody's share.
    async fn divide(
        &self,
        joined: &JoinGroupResponse,
    ) -> Result<Vec<SyncGroupRequestAssignment>, Error> {
        let mut wishes: Vec<(String, Vec<String>)> = Vec::new();
        for member in &joined.members {
            let topics = consumer_protocol::topics(&member.metadata).unwrap_or_default();
            wishes.push((member.member_id.to_string(), topics));
        }
        let mut partitions: BTreeMap<String, i32> = BTreeMap::new();
        for topic in wishes.iter().flat_map(|(_, topics)| topics) {
            if !partitions.contains_key(topic) {
                // A topic that is not there has no partitions.
                let known = self.client.topic(topic).await;
                let count = known.map_or(0, |known| known.partitions.len());
                partitions.insert(topic.clone(), i32::try_from(count).unwrap_or(i32::MAX));
            }
        }
        let shares = range::divide(&wishes, &partitions);
        let shares = shares.into_iter().map(|(member, share)| {
            SyncGroupRequestAssignment::default()
                .with_member_id(text(&member))
                .with_assignment(consumer_protocol::encode_share(0, &share))
        });
        Ok(shares.collect())
    }

    /// Goes on where the group has committed.
    async fn begin(&mut self, admin: &Admin, share: Share) -> Result<(), Error> {
        let committed: BTreeMap<(String, i32), i64> = admin
            .group_offsets(&self.group)
            .await?
            .into_iter()
            .map(|offset| ((offset.topic, offset.partition), offset.offset))
            .collect();
        let mut places = Vec::new();
        for (topic, partitions) in share {
            self.client.topic(&topic).await?;
            for partition in partitions {
                let place = committed.get(&(topic.clone(), partition));
                let start = place.map_or(self.start, |offset| Start::Offset(*offset));
                places.push((topic.clone(), partition, start));
            }
        }
        self.handed_out.clear();
        let consumer = Consumer::new(self.client.clone(), self.options.clone(), places)?;
        self.consumer = Some(consumer);
        let now = self.client.options().clock.monotonic();
        self.next_heartbeat = now.plus(HEARTBEAT);
        Ok(())
    }
}

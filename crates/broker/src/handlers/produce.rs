//! Produce: batches are checked, given their offsets and written; the answer comes when they are
//! safe.

mod holes;
mod prepare;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use holdfast_model::internal_topic::is_internal;
use holdfast_model::{ErrorCode, TopicId, TopicPartition};
use holdfast_store::Op;
use holdfast_wire::messages::produce_request::TopicProduceData;
use holdfast_wire::messages::produce_response::{
    LeaderIdAndEpoch, NodeEndpoint, PartitionProduceResponse, TopicProduceResponse,
};
use holdfast_wire::messages::{BrokerId, ProduceRequest, ProduceResponse, TopicName};
use holdfast_wire::{StrBytes, batch};
use uuid::Uuid;

pub use holes::Holes;
use holes::Passing;
use prepare::{Now, prepare};

use super::{Operation, RequestContext};
use crate::habits::Habit;
use crate::partition::{Acks, AppendAnswer, Completion, Produced};
use crate::state::{BrokerState, shown_leader};

/// From this version on topics are named by id.
const IDS_FROM: i16 = 13;

/// From this version on an answer may name the new leader.
const LEADERS_FROM: i16 = 10;

/// A batch of at least this many bytes is checked off the network threads.
const LARGE_BATCH: usize = 256 * 1024;

/// A request whose batches have their places.
#[derive(Debug)]
pub struct Begun {
    version: i16,
    listener: Arc<str>,
    timeout: Duration,
    completion: Arc<Completion>,
    topics: Vec<TopicAnswer>,
}

#[derive(Debug)]
struct TopicAnswer {
    name: TopicName,
    id: Uuid,
    partitions: Vec<(i32, Option<String>)>,
}

/// A refusal with words for the producer.
type Refusal = (ErrorCode, Option<String>);

/// What comes of a produce request.
#[derive(Debug)]
pub enum Beginning {
    /// The answer, once every batch is safe, lost or late.
    Answer(Begun),
    /// The producer wants no answer.
    Silence,
    /// The producer wants no answer, but something was refused: the end of its connection is the
    /// only way to tell it to look for the leader, as with Kafka.
    Close(ErrorCode),
}

/// Checks and appends every batch.
pub async fn begin(
    broker: &Arc<BrokerState>,
    context: &RequestContext,
    version: i16,
    request: ProduceRequest,
) -> Beginning {
    let acks = acks_of(request.acks);
    let transactional = request.transactional_id.is_some();
    let count = request
        .topic_data
        .iter()
        .map(|topic| topic.partition_data.len())
        .sum();
    let completion = Completion::new(count);
    context.holes.next_request(broker.clock.monotonic());
    let mut topics = Vec::with_capacity(request.topic_data.len());
    let mut index = 0;
    for topic in request.topic_data {
        let found = topic_of(broker, context, version, &topic);
        let mut answer = TopicAnswer {
            name: topic.name,
            id: topic.topic_id,
            partitions: Vec::new(),
        };
        let mut noticed = false;
        for data in topic.partition_data {
            let records = data.records;
            let name = (answer.id, answer.name.as_str());
            let passing = || passing(name, data.index, records.as_ref());
            let blocked = context.holes.check(passing);
            let outcome = match (acks, found, blocked) {
                (None, ..) => Err((ErrorCode::InvalidRequiredAcks, None)),
                (Some(_), ..) if transactional => Err((
                    ErrorCode::InvalidTxnState,
                    Some("transactions are not offered yet".to_owned()),
                )),
                (Some(_), Err(code), _) | (Some(_), Ok(_), Err(code)) => Err((code, None)),
                (Some(acks), Ok(id), Ok(())) => {
                    let at = TopicPartition {
                        topic: id,
                        partition: data.index,
                    };
                    // A client writes to all partitions of a topic in one way.
                    if !std::mem::replace(&mut noticed, true) {
                        notice(broker, context, id, acks, records.as_ref());
                    }
                    append(
                        broker,
                        version,
                        at,
                        records.clone(),
                        acks,
                        (&completion, index),
                    )
                    .await
                }
            };
            let message = outcome.err().and_then(|(code, message)| {
                completion.set(index, Produced::refused(code));
                if blocked.is_ok()
                    && let Some(refused) = passing()
                {
                    context.holes.refused(refused, code);
                }
                message
            });
            answer.partitions.push((data.index, message));
            index += 1;
        }
        topics.push(answer);
    }
    if acks == Some(Acks::None) {
        return unanswered(&completion);
    }
    Beginning::Answer(Begun {
        version,
        listener: Arc::clone(&context.listener),
        timeout: Duration::from_millis(u64::try_from(request.timeout_ms).unwrap_or(0)),
        completion,
        topics,
    })
}

/// Remembers who writes in a way that may cost records.
fn notice(
    broker: &BrokerState,
    context: &RequestContext,
    topic: TopicId,
    acks: Acks,
    records: Option<&Bytes>,
) {
    let habit = match acks {
        Acks::None => Habit::Unacknowledged,
        Acks::Leader => Habit::LeaderOnly,
        Acks::All => {
            let info = records.and_then(|data| batch::to_info(data).ok());
            if info.is_none_or(|info| info.is_idempotent()) {
                return;
            }
            Habit::Twice
        }
    };
    if let Some(record) = broker.image().topics.get(&topic) {
        let client = context.client_now(&*broker.clock);
        broker.habits.seen(client, habit(Arc::from(&*record.name)));
    }
}

fn acks_of(number: i16) -> Option<Acks> {
    match number {
        0 => Some(Acks::None),
        1 => Some(Acks::Leader),
        -1 => Some(Acks::All),
        _ => None,
    }
}

/// What comes of a request whose producer wants no answer.
fn unanswered(completion: &Completion) -> Beginning {
    let mut outcomes = completion.outcomes().into_iter();
    let refused = outcomes.find(|outcome| outcome.code != ErrorCode::None);
    refused.map_or(Beginning::Silence, |outcome| Beginning::Close(outcome.code))
}

fn topic_of(
    broker: &BrokerState,
    context: &RequestContext,
    version: i16,
    topic: &TopicProduceData,
) -> Result<TopicId, ErrorCode> {
    let image = broker.image();
    let record = if version >= IDS_FROM {
        image
            .topics
            .get(&TopicId(topic.topic_id))
            .ok_or(ErrorCode::UnknownTopicId)?
    } else {
        image
            .topic_by_name(&topic.name)
            .ok_or(ErrorCode::UnknownTopicOrPartition)?
    };
    if !context.authorize(Operation::Write, &record.name) {
        return Err(ErrorCode::TopicAuthorizationFailed);
    }
    if is_internal(&record.name) {
        return Err(ErrorCode::InvalidTopicException);
    }
    Ok(record.id)
}

async fn append(
    broker: &Arc<BrokerState>,
    version: i16,
    at: TopicPartition,
    data: Option<Bytes>,
    acks: Acks,
    (completion, index): (&Arc<Completion>, usize),
) -> Result<(), Refusal> {
    let partition = broker.replica(at).map_err(|code| (code, None))?;
    let data = data.unwrap_or_default();
    let now = Now::read(&*broker.clock, &broker.wall);
    let config = partition.config();
    let prepared = if data.len() >= LARGE_BATCH {
        tokio::task::block_in_place(|| prepare(&data, version, &config, &now))?
    } else {
        prepare(&data, version, &config, &now)?
    };
    let environment = broker.environment();
    let size = prepared.bytes.len();
    let permit = match environment.store.reserve(Op::append_bytes(size)) {
        Ok(waiting) => waiting.await.map_err(|error| refused_by_store(&error))?,
        Err(error) => return Err(refused_by_store(&error)),
    };
    environment.metrics.produced_batches.inc();
    environment.metrics.produced_bytes.inc_by(size as u64);
    let waiter = |outcome| completion.waiter(index, outcome);
    match partition.append(prepared, permit, acks, waiter) {
        AppendAnswer::Now(outcome) if outcome.code != ErrorCode::None => {
            return Err((outcome.code, None));
        }
        AppendAnswer::Now(outcome) => completion.set(index, outcome),
        AppendAnswer::Later => {}
    }
    Ok(())
}

/// A batch as far as its place in its producer's row is concerned. What is no batch has none.
fn passing(topic: (Uuid, &str), partition: i32, data: Option<&Bytes>) -> Option<Passing> {
    let info = batch::to_info(data?).ok()?;
    Passing::new(topic, partition, &info)
}

fn refused_by_store(error: &holdfast_store::Error) -> Refusal {
    let code = match error {
        holdfast_store::Error::TooLarge { .. } => ErrorCode::MessageTooLarge,
        _ => ErrorCode::KafkaStorageError,
    };
    (code, Some(error.to_string()))
}

impl Begun {
    /// Waits until every batch is safe, lost or late, and answers.
    pub async fn answer(self, broker: &Arc<BrokerState>) -> ProduceResponse {
        let begun = broker.clock.monotonic();
        // Late batches stay in the log; the producer's retry finds them there.
        let _late = tokio::time::timeout(self.timeout, self.completion.wait()).await;
        let waited = broker.clock.monotonic().since(begun);
        let metrics = &broker.environment().metrics;
        metrics.commit_wait.observe(waited.as_secs_f64());
        let mut outcomes = self.completion.outcomes().into_iter();
        let mut endpoints = Vec::new();
        let mut responses = Vec::with_capacity(self.topics.len());
        for topic in &self.topics {
            let mut partitions = Vec::with_capacity(topic.partitions.len());
            for (index, message) in &topic.partitions {
                let outcome = outcomes
                    .next()
                    .unwrap_or(Produced::refused(ErrorCode::UnknownServerError));
                let mut answer = partition_answer(*index, outcome, message.as_deref());
                if outcome.code == ErrorCode::NotLeaderOrFollower && self.version >= LEADERS_FROM {
                    self.name_leader(broker, topic, *index, &mut answer, &mut endpoints);
                }
                partitions.push(answer);
            }
            responses.push(
                TopicProduceResponse::default()
                    .with_name(topic.name.clone())
                    .with_topic_id(topic.id)
                    .with_partition_responses(partitions),
            );
        }
        ProduceResponse::default()
            .with_responses(responses)
            .with_node_endpoints(endpoints)
    }

    /// Tells the producer who leads now (KIP-951), so that it need not ask.
    fn name_leader(
        &self,
        broker: &BrokerState,
        topic: &TopicAnswer,
        index: i32,
        answer: &mut PartitionProduceResponse,
        endpoints: &mut Vec<NodeEndpoint>,
    ) {
        let image = broker.image();
        let record = if self.version >= IDS_FROM {
            image.topics.get(&TopicId(topic.id))
        } else {
            image.topic_by_name(&topic.name)
        };
        let Some(id) = record.map(|record| record.id) else {
            return;
        };
        let Some(partition) = image.partition(TopicPartition {
            topic: id,
            partition: index,
        }) else {
            return;
        };
        let leader = shown_leader(partition, broker.aside());
        let Some(leader) = leader.and_then(|id| image.brokers.get(&id)) else {
            return;
        };
        let Some(endpoint) = leader.endpoint(&self.listener) else {
            return;
        };
        answer.current_leader = LeaderIdAndEpoch::default()
            .with_leader_id(BrokerId(leader.id.0))
            .with_leader_epoch(partition.leader_epoch.0);
        if !endpoints.iter().any(|known| known.node_id.0 == leader.id.0) {
            endpoints.push(
                NodeEndpoint::default()
                    .with_node_id(BrokerId(leader.id.0))
                    .with_host(StrBytes::from_string(endpoint.host.clone()))
                    .with_port(i32::from(endpoint.port))
                    .with_rack(leader.rack.clone().map(StrBytes::from_string)),
            );
        }
    }
}

fn partition_answer(
    index: i32,
    outcome: Produced,
    message: Option<&str>,
) -> PartitionProduceResponse {
    PartitionProduceResponse::default()
        .with_index(index)
        .with_error_code(outcome.code.code())
        .with_base_offset(outcome.base_offset.0)
        .with_log_append_time_ms(outcome.append_time_ms)
        .with_log_start_offset(outcome.log_start.0)
        .with_error_message(message.map(|text| StrBytes::from_string(text.to_owned())))
}

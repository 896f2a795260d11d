//! Fetch: records from an offset on, at once or when there are enough.

mod gather;
mod grant;
mod session;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use holdfast_model::{ErrorCode, TopicId, TopicPartition};
use holdfast_wire::StrBytes;
use holdfast_wire::fetch_response::{
    self, CurrentLeader, FetchResponse, FetchedPartition, FetchedTopic, NodeEndpoint,
};
use holdfast_wire::messages::FetchRequest;
use holdfast_wire::request::Header;
use tokio::sync::Notify;

pub use session::FetchSessions;

use super::RequestContext;
use crate::partition::FetchTicket;
use crate::pipeline::Answer;
use crate::state::BrokerState;
use gather::{Gathered, Limits};
use grant::Found;
use session::{Context, TopicKey, Wanted};

/// From this version on topics are named by id.
pub(crate) const IDS_FROM: i16 = 13;

/// From this version on an answer may carry the endpoints of new leaders.
const ENDPOINTS_FROM: i16 = 16;

/// The longest that a request may wait, whatever it asks for.
const LONGEST_WAIT: Duration = Duration::from_mins(5);

/// Answers a fetch.
pub async fn handle(
    broker: &Arc<BrokerState>,
    context: &RequestContext,
    header: &Header,
    request: FetchRequest,
) -> Answer {
    let version = header.version;
    let is_replica = request.replica_id.0 >= 0 || request.replica_state.replica_id.0 >= 0;
    if is_replica {
        // Brokers replicate over gRPC here; whoever says it is one is mistaken.
        return refused(header, ErrorCode::InvalidRequest);
    }
    let mut opened = match broker
        .fetch_sessions
        .open(&request, version, broker.clock.monotonic())
    {
        Ok(opened) => opened,
        Err(code) => return refused(header, code),
    };
    let wanted = opened.take_wanted();
    let Ok(_waiting) = grant::waiting(broker, wanted.len()).await else {
        return no_memory();
    };
    let wanted: Vec<Resolved> = wanted
        .into_iter()
        .map(|wanted| resolve(broker, context, version, wanted))
        .collect();
    let limits = Limits {
        max_bytes: (request.max_bytes.max(0) as u32).min(broker.config.fetch_max_bytes) as usize,
        rack: (!request.rack_id.is_empty()).then(|| request.rack_id.to_string()),
        version,
        read_committed: request.isolation_level == 1,
    };
    let wait = Duration::from_millis(u64::try_from(request.max_wait_ms).unwrap_or(0));
    let min_bytes = usize::try_from(request.min_bytes).unwrap_or(0);
    let wait = wait.min(LONGEST_WAIT);
    // All that is needed of it is in `wanted`, and the wait may be long.
    drop(request);
    match wait_for_bytes(broker, &wanted, &limits, min_bytes, wait).await {
        Some(found) => respond(broker, context, header, &opened, wanted, found),
        None => no_memory(),
    }
}

fn no_memory() -> Answer {
    Answer::Close("no memory for the answer".to_owned())
}

/// One partition of a request, with what the image says of its topic.
#[derive(Debug)]
pub(crate) struct Resolved {
    pub(crate) wanted: Wanted,
    pub(crate) topic: Result<TopicId, ErrorCode>,
}

impl Resolved {
    pub(crate) fn at(&self) -> Option<TopicPartition> {
        let topic = self.topic.ok()?;
        Some(TopicPartition {
            topic,
            partition: self.wanted.partition,
        })
    }
}

fn resolve(
    broker: &BrokerState,
    context: &RequestContext,
    version: i16,
    wanted: Wanted,
) -> Resolved {
    let image = broker.image();
    let record = match &wanted.topic {
        TopicKey::Id(id) => image.topics.get(&TopicId(*id)),
        TopicKey::Name(name) => image.topic_by_name(name),
    };
    let missing = if version >= IDS_FROM {
        ErrorCode::UnknownTopicId
    } else {
        ErrorCode::UnknownTopicOrPartition
    };
    let topic = match record {
        None => Err(missing),
        Some(record) if !context.authorize(super::Operation::Read, &record.name) => {
            Err(ErrorCode::TopicAuthorizationFailed)
        }
        Some(record) => Ok(record.id),
    };
    Resolved { wanted, topic }
}

/// Gathers until there is enough, or time is up.
async fn wait_for_bytes(
    broker: &Arc<BrokerState>,
    wanted: &[Resolved],
    limits: &Limits,
    min_bytes: usize,
    wait: Duration,
) -> Option<Found> {
    let wake = Arc::new(Notify::new());
    // Joined before the first look, so that nothing that comes between is missed.
    let tickets: Vec<FetchTicket> = if wait.is_zero() {
        Vec::new()
    } else {
        wanted
            .iter()
            .filter_map(|one| Some(broker.partitions.get(one.at()?)?.fetchers().join(&wake)))
            .collect()
    };
    let deadline = tokio::time::sleep(wait);
    let mut deadline = std::pin::pin!(deadline);
    let mut late = wait.is_zero();
    loop {
        let found = grant::look(broker, wanted, limits).await?;
        // An answer that memory keeps small is not held back for the bytes that do not fit.
        let enough = found.bytes() >= min_bytes.min(found.limit / 2);
        let urgent = found.gathered.iter().any(Gathered::is_urgent);
        if late || urgent || enough || wanted.is_empty() {
            drop(tickets);
            return Some(found);
        }
        // Whoever waits holds nothing.
        drop(found);
        tokio::select! {
            // Cancel-safe: a wake is a permit that is kept.
            biased;
            () = wake.notified() => {}
            () = &mut deadline => late = true,
        }
    }
}

fn respond(
    broker: &Arc<BrokerState>,
    context: &RequestContext,
    header: &Header,
    opened: &Context,
    wanted: Vec<Resolved>,
    found: Found,
) -> Answer {
    let mut topics: Vec<FetchedTopic> = Vec::new();
    let mut places = std::collections::HashMap::new();
    let mut endpoints = Vec::new();
    let mut bytes = 0;
    for (resolved, gathered) in wanted.into_iter().zip(found.gathered) {
        if !opened.is_news(&resolved.wanted, &gathered) {
            continue;
        }
        bytes += gathered.bytes();
        if header.version >= ENDPOINTS_FROM
            && let Some(leader) = gathered.new_leader
        {
            add_endpoint(broker, context, leader, &mut endpoints);
        }
        let place = *places
            .entry(resolved.wanted.topic.clone())
            .or_insert_with(|| {
                topics.push(new_topic(&resolved.wanted.topic));
                topics.len() - 1
            });
        topics[place]
            .partitions
            .push(fetched(&resolved.wanted, gathered, header.version));
    }
    broker
        .environment()
        .metrics
        .fetched_bytes
        .inc_by(bytes as u64);
    let response = FetchResponse {
        throttle_time_ms: 0,
        error_code: ErrorCode::None.code(),
        session_id: opened.id(),
        topics,
        node_endpoints: endpoints,
    };
    let segments = match encode(header, &response) {
        Ok(segments) => segments,
        Err(reason) => return Answer::Close(reason),
    };
    // What a slow reader holds is held against the budget.
    let whole: usize = segments.iter().map(Bytes::len).sum();
    let held = grant::written(found.held, found.around, whole.saturating_sub(bytes));
    Answer::Segments(segments, Some(held))
}

fn new_topic(key: &TopicKey) -> FetchedTopic {
    let (name, topic_id) = match key {
        TopicKey::Id(id) => (StrBytes::default(), *id),
        TopicKey::Name(name) => (name.clone(), uuid::Uuid::nil()),
    };
    FetchedTopic {
        name,
        topic_id,
        partitions: Vec::new(),
    }
}

/// What is answered without a look at any log.
const NOWHERE: [ErrorCode; 4] = [
    ErrorCode::UnknownTopicOrPartition,
    ErrorCode::UnknownTopicId,
    ErrorCode::InconsistentTopicId,
    ErrorCode::TopicAuthorizationFailed,
];

fn fetched(wanted: &Wanted, gathered: Gathered, version: i16) -> FetchedPartition {
    let current_leader = gathered.new_leader.as_ref().map(|leader| CurrentLeader {
        leader_id: leader.id.0,
        leader_epoch: leader.epoch.0,
    });
    FetchedPartition {
        index: wanted.partition,
        error_code: gathered.code.code(),
        high_watermark: gathered.high_watermark,
        last_stable_offset: gathered.high_watermark,
        log_start_offset: gathered.log_start,
        diverging_epoch: gathered.diverging,
        current_leader: current_leader.filter(|_| version >= 12),
        // Kafka writes an empty list too where it looked for no log.
        aborted_transactions: (gathered.read_committed || NOWHERE.contains(&gathered.code))
            .then(Vec::new),
        preferred_read_replica: gathered.preferred_replica.map_or(-1, |id| id.0),
        records: gathered.records,
    }
}

fn add_endpoint(
    broker: &BrokerState,
    context: &RequestContext,
    leader: gather::NewLeader,
    endpoints: &mut Vec<NodeEndpoint>,
) {
    let image = broker.image();
    let Some(record) = image.brokers.get(&leader.id) else {
        return;
    };
    let Some(endpoint) = record.endpoint(&context.listener) else {
        return;
    };
    if endpoints.iter().all(|known| known.node_id != leader.id.0) {
        endpoints.push(NodeEndpoint {
            node_id: leader.id.0,
            host: StrBytes::from_string(endpoint.host.clone()),
            port: i32::from(endpoint.port),
            rack: record.rack.clone().map(StrBytes::from_string),
        });
    }
}

fn refused(header: &Header, code: ErrorCode) -> Answer {
    let response = FetchResponse {
        throttle_time_ms: 0,
        error_code: code.code(),
        session_id: 0,
        topics: Vec::new(),
        node_endpoints: Vec::new(),
    };
    match encode(header, &response) {
        Ok(segments) => Answer::Segments(segments, None),
        Err(reason) => Answer::Close(reason),
    }
}

fn encode(header: &Header, response: &FetchResponse) -> Result<Vec<Bytes>, String> {
    fetch_response::encode(header.correlation_id, header.version, response)
        .map_err(|error| error.to_string())
}

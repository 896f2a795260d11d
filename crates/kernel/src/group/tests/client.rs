//! Clients of the consumer protocol, for tests.

use std::collections::BTreeSet;
use std::sync::Arc;

use holdfast_model::ErrorCode;

use super::super::{
    Answer, Effects, GroupState, HeartbeatAnswer, HeartbeatRequest, Partitions, Ticket,
};
use super::cluster::{Cluster, ORDERS};
use super::rig::{Rig, text};

/// A client of the consumer protocol that does as it is told.
#[derive(Clone, Debug)]
pub(super) struct Client {
    pub(super) id: Arc<str>,
    pub(super) instance: Option<Arc<str>>,
    pub(super) epoch: i32,
    pub(super) owned: BTreeSet<i32>,
    pub(super) regex: Option<Arc<str>>,
}

pub(super) fn client(id: &str) -> Client {
    Client {
        id: text(id),
        instance: None,
        epoch: 0,
        owned: BTreeSet::new(),
        regex: None,
    }
}

pub(super) fn partitions(set: &BTreeSet<i32>) -> Partitions {
    if set.is_empty() {
        return Partitions::new();
    }
    Partitions::from([(ORDERS, set.clone())])
}

impl Client {
    pub(super) fn request(&self) -> HeartbeatRequest {
        let joins = self.epoch == 0;
        HeartbeatRequest {
            member: Arc::clone(&self.id),
            epoch: self.epoch,
            instance: self.instance.clone(),
            rack: None,
            rebalance_timeout_ms: joins.then_some(60_000),
            topics: joins.then(|| vec![text("orders")]),
            regex: self.regex.clone().filter(|_| joins),
            assignor: None,
            owned: Some(partitions(&self.owned)),
            client_id: text("client"),
            client_host: text("/127.0.0.1"),
            connection: 1,
        }
    }

    pub(super) fn hear(&mut self, answer: &HeartbeatAnswer) {
        assert_eq!(answer.code, ErrorCode::None, "{answer:?}");
        self.epoch = answer.epoch;
        if let Some(assignment) = &answer.assignment {
            self.owned = assignment.get(&ORDERS).cloned().unwrap_or_default();
        }
    }
}

impl Rig {
    pub(super) fn beat_with(&mut self, cluster: &Cluster, request: &HeartbeatRequest) -> Ticket {
        let ticket = self.ticket();
        let mut effects = Effects::default();
        let (now, group) = (self.now, Self::group());
        self.shard
            .consumer_heartbeat(now, &group, ticket, request, cluster, &mut effects);
        self.settle(effects);
        ticket
    }

    pub(super) fn told(&self, ticket: Ticket) -> HeartbeatAnswer {
        match self.answers.get(&ticket) {
            Some(Answer::Heartbeat(answer)) => answer.clone(),
            other => panic!("{other:?}"),
        }
    }

    pub(super) fn beat(&mut self, cluster: &Cluster, client: &mut Client) {
        let ticket = self.beat_with(cluster, &client.request());
        client.hear(&self.told(ticket));
    }

    pub(super) fn refused(&mut self, cluster: &Cluster, request: &HeartbeatRequest) -> ErrorCode {
        let ticket = self.beat_with(cluster, request);
        self.told(ticket).code
    }

    pub(super) fn state(&self) -> GroupState {
        self.shard.describe_modern("g").unwrap().state
    }

    /// Everybody beats until nothing moves.
    pub(super) fn settle_group(&mut self, cluster: &Cluster, clients: &mut [Client]) {
        for _ in 0..6 {
            for client in clients.iter_mut() {
                self.beat(cluster, client);
            }
        }
        assert_eq!(self.state(), GroupState::Stable);
    }
}

pub(super) fn owned(clients: &[Client]) -> Vec<Vec<i32>> {
    let owned = clients.iter().map(|client| client.owned.iter());
    owned.map(|set| set.copied().collect()).collect()
}

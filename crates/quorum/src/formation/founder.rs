//! Brings a new disk into a quorum: forms one, or finds out that one exists and waits.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use holdfast_kernel::image::{Change, ChangeBatch, FEATURE_LEVEL, change_format};
use holdfast_model::{BrokerId, Incarnation, ReplicaId};
use holdfast_rpc::limits::formation_client;
use holdfast_rpc::proto::{self, ConfirmReply, ConfirmRequest};
use holdfast_rpc::{Channels, Class, call};
use openraft::error::{InitializeError, RaftError};
use tokio::sync::watch;

use super::ballot::Question;
use super::{Ballot, Document, Phase, Verdict, Voter};
use crate::node::{NodeId, Peer};
use crate::storage::blocking;
use crate::{Error, Quorum};

/// How long a voter may take to answer: it syncs its word first.
const ANSWER: Duration = Duration::from_secs(2);

pub(crate) struct Founder {
    pub(crate) quorum: Quorum,
    pub(crate) ballot: Arc<Ballot>,
    pub(crate) channels: Channels,
    pub(crate) phase: watch::Sender<Phase>,
    pub(crate) stopping: watch::Receiver<bool>,
}

/// What one round of questions found.
enum Round {
    /// All voters are bound to the attempt.
    Unanimous(BTreeMap<NodeId, Peer>),
    /// Somebody belongs to the cluster already.
    Formed(BrokerId),
    /// Some have not confirmed, for a reason.
    Missing(Vec<BrokerId>, String),
}

impl Founder {
    /// Runs until shutdown; ends earlier only if the quorum failed.
    pub(crate) async fn run(mut self) {
        let mut stopping = self.stopping.clone();
        tokio::select! {
            biased;
            _ = stopping.wait_for(|stop| *stop) => {}
            result = self.found() => if let Err(error) = result {
                tracing::error!(%error, "metadata quorum could not be founded");
            }
        }
    }

    async fn found(&mut self) -> Result<(), Error> {
        let mut metrics = self.quorum.inner.raft.metrics();
        loop {
            self.look(&metrics.borrow_and_update().clone());
            if self.ballot.is_blank() {
                self.try_to_form().await?;
            } else {
                self.write_first_changes().await?;
            }
            let pause = tokio::time::sleep(self.quorum.inner.options.formation_retry);
            tokio::select! {
                // Nothing to form: only a change of the members or of the leader matters.
                changed = metrics.changed() => if changed.is_err() {
                    return Err(Error::Fatal("openraft ended".to_owned()));
                },
                () = pause => {}
            }
        }
    }

    /// Shows whether this disk is a member.
    fn look(&self, metrics: &crate::leadership::Metrics) {
        let members = metrics.membership_config.membership();
        if members.get_node(&metrics.id).is_some() {
            self.show(Phase::Member);
        } else if members.nodes().next().is_some() {
            let reason = "the cluster does not count this disk as a member".to_owned();
            self.show(Phase::WaitingForAdmission { reason });
        }
    }

    async fn try_to_form(&self) -> Result<(), Error> {
        let Some(document) = self.ballot.document() else {
            let reason = "this disk is new and has no formation document".to_owned();
            self.show(Phase::WaitingForAdmission { reason });
            return Ok(());
        };
        let me = self.ballot.identity().replica.broker;
        let initiates = document.initiator() == me;
        let round = self.ask_all(document, initiates).await?;
        if !self.ballot.is_blank() {
            return Ok(());
        }
        match round {
            // Bound but not written to yet: the first message of the new leader is on its way.
            Round::Formed(_by) if self.ballot.is_bound() && !initiates => {
                let reason = "the cluster was formed, its leader has not written yet".to_owned();
                self.show(Phase::Forming {
                    waiting_for: Vec::new(),
                    reason,
                });
            }
            Round::Formed(by) => self.show(Phase::WaitingForAdmission {
                reason: format!("broker {by} belongs to the cluster already, this disk is new"),
            }),
            Round::Missing(waiting_for, reason) => {
                self.show(Phase::Forming {
                    waiting_for,
                    reason,
                });
            }
            Round::Unanimous(members) => self.initialize(members).await?,
        }
        Ok(())
    }

    /// Asks every voter; the initiator for its word, the others only whether a cluster exists.
    async fn ask_all(&self, document: &Document, initiates: bool) -> Result<Round, Error> {
        let voters: Vec<BrokerId> = document.voters().iter().map(|voter| voter.broker).collect();
        let attempt = initiates.then(|| self.ballot.attempt());
        let mut members = BTreeMap::new();
        let mut missing = Vec::new();
        let mut reasons = Vec::new();
        // The initiator binds itself first: before its attempt is on its own disk, nobody else may
        // hear of it. A blank disk that does not initiate has nothing to ask itself.
        for voter in document.voters() {
            let broker = voter.broker;
            let itself = broker == self.ballot.identity().replica.broker;
            if itself && !initiates {
                continue;
            }
            let question = Question {
                initiator: document.initiator(),
                target: broker,
                attempt,
                voters: voters.clone(),
            };
            let (verdict, detail) = if itself {
                let ballot = Arc::clone(&self.ballot);
                let answer = blocking(move || ballot.confirm(&question)).await?;
                (answer.verdict, answer.detail)
            } else {
                self.ask(voter, &question).await
            };
            match verdict {
                Verdict::Bound(incarnation) => {
                    let replica = ReplicaId {
                        broker,
                        incarnation,
                    };
                    members.insert(NodeId(replica), voter.peer());
                    continue;
                }
                Verdict::Formed => return Ok(Round::Formed(broker)),
                Verdict::OtherAttempt | Verdict::OtherDocument | Verdict::Unused => {}
            }
            missing.push(broker);
            reasons.push(format!("broker {broker}: {detail}"));
        }
        if initiates && missing.is_empty() {
            return Ok(Round::Unanimous(members));
        }
        if !initiates {
            let text = format!("broker {} leads the formation", document.initiator());
            return Ok(Round::Missing(missing, text));
        }
        Ok(Round::Missing(missing, reasons.join("; ")))
    }

    /// Asks one voter. Whatever goes wrong counts as "not confirmed", with the reason.
    async fn ask(&self, voter: &Voter, question: &Question) -> (Verdict, String) {
        let request = ConfirmRequest {
            envelope: Some(self.ballot.identity().envelope()),
            attempt: question
                .attempt
                .map_or_else(Bytes::new, |a| Bytes::copy_from_slice(&a)),
            target_broker: question.target.0,
            voters: question.voters.iter().map(|voter| voter.0).collect(),
        };
        let answer = async {
            let channel = self.channels.get(&voter.peer().address(), Class::Control)?;
            call(ANSWER, formation_client(channel).confirm(request)).await
        };
        let reply: ConfirmReply = match answer.await {
            Ok(reply) => reply,
            // The cluster exists, and was recovered since: this disk waits for admission.
            Err(holdfast_rpc::Error::Answered { message, .. })
                if self.ballot.identity().is_told_foreign(&message) =>
            {
                return (Verdict::Formed, message);
            }
            Err(error) => return (Verdict::Unused, error.to_string()),
        };
        if let Err(status) = self.ballot.identity().check(reply.envelope.as_ref()) {
            return (Verdict::OtherDocument, status.message().to_owned());
        }
        let verdict = match reply.verdict() {
            proto::Verdict::Bound if reply.incarnation != 0 && question.attempt.is_some() => {
                Verdict::Bound(Incarnation(reply.incarnation))
            }
            proto::Verdict::Formed => Verdict::Formed,
            proto::Verdict::OtherAttempt => Verdict::OtherAttempt,
            proto::Verdict::OtherDocument => Verdict::OtherDocument,
            proto::Verdict::Bound | proto::Verdict::Unspecified => Verdict::Unused,
        };
        (verdict, reply.detail)
    }

    /// Writes the first membership, on this disk alone: the moment at which the cluster exists.
    async fn initialize(&self, members: BTreeMap<NodeId, Peer>) -> Result<(), Error> {
        let names: Vec<String> = members.keys().map(ToString::to_string).collect();
        tracing::info!(
            voters = names.join(" "),
            "all voters have confirmed, forming the cluster"
        );
        match self.quorum.inner.raft.initialize(members).await {
            Ok(()) => Ok(()),
            Err(RaftError::APIError(InitializeError::NotAllowed(already))) => {
                tracing::info!(%already, "the cluster was formed meanwhile");
                Ok(())
            }
            Err(RaftError::APIError(InitializeError::NotInMembers(error))) => {
                Err(Error::Members(error.to_string()))
            }
            Err(RaftError::Fatal(fatal)) => Err(fatal.into()),
        }
    }

    /// The first leader names the cluster in its image. Decided on version 0, so it happens once,
    /// whoever proposes it how often.
    async fn write_first_changes(&self) -> Result<(), Error> {
        let ready = self.quorum.leadership().borrow().ready;
        if !ready || self.quorum.image().cluster_id.is_some() {
            return Ok(());
        }
        let mut changes = vec![
            Change::SetClusterId(self.ballot.identity().cluster),
            Change::SetFeatureLevel(FEATURE_LEVEL),
        ];
        // The disks that formed the cluster may register; every other one waits for admission.
        changes.extend(self.quorum.voters().into_iter().map(Change::Admit));
        let batch = ChangeBatch {
            format: change_format(FEATURE_LEVEL),
            decided_on: 0,
            changes,
        };
        match self.quorum.propose(&batch).await {
            Ok(_outcome) => Ok(()),
            Err(Error::Fatal(text)) => Err(Error::Fatal(text)),
            Err(error) => {
                tracing::info!(%error, "first changes not committed yet");
                Ok(())
            }
        }
    }

    fn show(&self, phase: Phase) {
        self.phase.send_if_modified(|before| {
            let changed = *before != phase;
            if changed {
                match &phase {
                    Phase::Forming { reason, .. } => {
                        tracing::info!(reason, "waiting for the cluster to form");
                    }
                    Phase::WaitingForAdmission { reason } => {
                        tracing::info!(reason, "waiting for admission");
                    }
                    Phase::Member => tracing::info!("member of the metadata quorum"),
                }
                *before = phase;
            }
            changed
        });
    }
}

//! Does what was decided.
//!
//! What is done may have been decided on an old look: whatever removes or replaces something names
//! what was seen, and what is asked of brokers is decided again by their controller.

mod brokers;
mod certificates;
mod children;
mod identity;
mod removal;
mod words;

use holdfast_api::{MessageCluster, RecordedAct};
use holdfast_planner::Act;
use holdfast_planner::planted::Planted;
use kube::Resource;

use crate::cache::ClusterKey;
use crate::context::Context;
use crate::error::{Class, Error};
use crate::events::Happening;
use crate::observe::Look;

/// What came of the acts of one decision.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    /// For the status.
    pub(crate) records: Vec<RecordedAct>,
    /// The first act that failed.
    pub(crate) failure: Option<Error>,
}

/// What an act is done with.
pub(crate) struct Scene<'a> {
    pub(crate) context: &'a Context,
    pub(crate) key: &'a ClusterKey,
    pub(crate) resource: &'a MessageCluster,
    pub(crate) look: &'a Look,
}

/// What became of one act.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Done {
    /// What it is for.
    All,
    /// Nothing new: it had been done before.
    Nothing,
    /// Somebody refused it, which is no failure: the next look decides what follows.
    Refused(Happening),
}

impl Scene<'_> {
    /// Does all acts, in order. One that fails stops none of the others: they do not build on each
    /// other.
    pub(crate) async fn carry_out(&self, acts: &[Act]) -> Outcome {
        let mut outcome = Outcome::default();
        for act in acts {
            if let Err(error) = self.context.leadership.check() {
                outcome.failure = Some(error);
                break;
            }
            let done = self.act(act).await;
            self.context.metrics.acted(words::name(act), done.is_ok());
            match done {
                Ok(Done::All) => {
                    outcome.records.extend(self.record(act));
                    self.publish(words::happening(act)).await;
                }
                Ok(Done::Nothing) => {}
                Ok(Done::Refused(happening)) => self.publish(happening).await,
                Err(error) => {
                    self.report(act, &error).await;
                    outcome.failure.get_or_insert(error);
                    if self.context.planted == Planted::FirstFailureEndsAll {
                        break;
                    }
                }
            }
        }
        outcome
    }

    async fn act(&self, act: &Act) -> Result<Done, Error> {
        match act {
            Act::CreateIdentity(identity) => self.create_identity(identity).await,
            Act::UpdateIdentity(identity) => self.update_identity(identity).await,
            Act::IssueCertificates { brokers } => self.issue_certificates(brokers).await,
            Act::Apply(object) => self.apply_child(object).await,
            Act::GrowClaim { name, uid, size } => self.grow_claim(name, uid, size).await,
            Act::DeleteChild { key, uid } => self.delete_child(key, uid).await,
            Act::DeleteSetKeepPods { name, uid } => self.delete_set_keep_pods(name, uid).await,
            Act::DeletePod {
                name,
                uid,
                unchanged_since,
                ..
            } => self.delete_pod(name, uid, unchanged_since.clone()).await,
            Act::RemoveLostPod { name, uid, .. } => self.remove_lost_pod(name, uid).await,
            Act::Admit {
                broker,
                incarnation,
                host,
                port,
            } => self.admit(*broker, incarnation, host, *port).await,
            Act::AcquirePermit {
                brokers,
                purpose,
                reason,
                allow_unavailable,
            } => {
                self.acquire_permit(brokers, *purpose, reason, allow_unavailable)
                    .await
            }
            Act::EndPermit { id } => self.end_permit(*id).await,
            Act::ChangeSettings(settings) => self.change_settings(settings).await,
            Act::RaiseFeatureLevel(level) => self.raise_feature_level(*level).await,
        }
    }

    fn record(&self, act: &Act) -> Option<RecordedAct> {
        let (act, reason) = words::record(act)?;
        Some(RecordedAct {
            at: self.context.now_text(),
            act,
            reason,
        })
    }

    async fn publish(&self, happening: Happening) {
        let (cluster, note) = (&self.key.name, &happening.note);
        tracing::info!(
            namespace = self.key.namespace,
            cluster,
            reason = happening.reason,
            note
        );
        let about = self.resource.object_ref(&());
        self.context.events.publish(&about, happening).await;
    }

    async fn report(&self, act: &Act, error: &Error) {
        let (name, cluster) = (words::name(act), &self.key.name);
        let namespace = &self.key.namespace;
        tracing::warn!(namespace, cluster, act = name, %error, "an act failed");
        // What happens whenever two write at once is no news.
        if !matches!(error.class(), Class::Conflict | Class::NotLeading) {
            let happening = Happening {
                reason: "ActFailed",
                note: format!("{name}: {error}"),
                is_warning: true,
            };
            self.context
                .events
                .publish(&self.resource.object_ref(&()), happening)
                .await;
        }
    }
}

//! One reconcile of a MessageCluster: look, decide, act, say.

use std::sync::Arc;
use std::time::Duration;

use holdfast_api::{
    Condition, ConditionStatus, MessageCluster, MessageClusterStatus, PlanState, condition_types,
};
use holdfast_planner::{Decision, Finding, Operator, decide};
use holdfast_runtime::Config;
use kube::Api;
use kube::core::ObjectMeta;
use kube::runtime::controller::Action;

use crate::apply::{Outcome, Scene};
use crate::cache::ClusterKey;
use crate::context::{Context, Guarded};
use crate::error::{Class, Error};
use crate::metrics::Sight;
use crate::observe::{broken_glass, look};
use crate::{invalid, status};

/// While something is under way: what brokers say is not watched, it is asked for.
const RUNNING: Duration = Duration::from_secs(5);

/// While nothing is: what changes wakes the cluster, and this is for what no watch shows.
const IDLE: Duration = Duration::from_mins(1);

/// Looks at a cluster and does what is decided about it.
///
/// # Errors
/// What was decided could not be done; it is tried again.
pub(crate) async fn reconcile(
    resource: Arc<Guarded<MessageCluster>>,
    context: Arc<Context>,
) -> Result<Action, Error> {
    let again = look_at(resource, context).await?;
    Ok(again.map_or_else(Action::await_change, Action::requeue))
}

/// The same, and when to look again if nothing changes before.
///
/// # Errors
/// As [`reconcile`].
pub(crate) async fn look_at(
    resource: Arc<Guarded<MessageCluster>>,
    context: Arc<Context>,
) -> Result<Option<Duration>, Error> {
    let resource = match &resource.0 {
        Ok(resource) => resource,
        Err(invalid) => {
            let (metadata, error) = (&invalid.metadata, &invalid.error);
            let key = key(metadata);
            context
                .metrics
                .clusters
                .unreadable(&key, || context.has(&key));
            invalid::report(&context, "MessageCluster", metadata, error).await?;
            return Ok(None);
        }
    };
    context.leadership.check()?;
    let key = key(&resource.metadata);
    let newer = newest(&context, &key, resource).await?;
    let resource = newer.as_ref().unwrap_or(resource);
    // Its children go with it, by their owner; its data and its identity stay.
    if resource.metadata.deletion_timestamp.is_some() {
        context.metrics.clusters.forget(&key);
        return Ok(None);
    }
    let looked = look(&context, &key, resource).await;
    context.remember(&key, |memory| memory.was_looked_at = true);
    let look = match looked {
        Ok(look) => look,
        Err(error) => {
            say_stuck(&context, &key, resource, &error).await?;
            return Err(error);
        }
    };
    let operator = Operator {
        version: holdfast_model::VERSION.to_owned(),
        planted: context.planted,
    };
    let mut decision = decide(
        resource,
        &look.observed,
        &operator,
        &Config::check_properties,
    );
    let scene = Scene {
        context: &context,
        key: &key,
        resource,
        look: &look,
    };
    let acts = std::mem::take(&mut decision.acts);
    let Outcome { records, failure } = Box::pin(scene.carry_out(&acts)).await;
    decision.findings.extend(failure.as_ref().and_then(finding));
    let known = context.remembered(&key).acts;
    let after = status::status(resource, &decision, known, records, &context.now_text());
    context.remember(&key, |memory| memory.acts.clone_from(&after.acts));
    say(&context, &key, resource, &after).await?;
    if let Some(failure) = failure {
        return Err(failure);
    }
    let now = context.clock.wall_ms();
    let clusters = &context.metrics.clusters;
    clusters.succeeded(&key, now, || context.has(&key));
    Ok(Some(next_look(&key, &decision)))
}

/// The resource to go by: the cached copy, unless that may be old. Then the API server itself is asked: if the
/// copy is older than one that was seen (a restored backup may have made it so); if its plan is not the one
/// that was written last, as an approved plan that was carried out must not come back; and if it breaks
/// glass: that may have been taken back, and a cache that went back in time would show it again.
async fn newest(
    context: &Context,
    key: &ClusterKey,
    cached: &MessageCluster,
) -> Result<Option<MessageCluster>, Error> {
    let metadata = &cached.metadata;
    let generation = metadata.generation.unwrap_or_default();
    let is_newest = context.recognise(key, metadata.uid.as_deref(), generation);
    let written = context.remembered(key).plan;
    if is_newest && !is_doubtful(cached, written.as_deref()) {
        return Ok(None);
    }
    let all: Api<MessageCluster> = Api::namespaced(context.client.clone(), &key.namespace);
    let there = all.get(&key.name).await?;
    if there.metadata.uid != metadata.uid {
        return Err(Error::Stale(format!("MessageCluster {}", key.name)));
    }
    context.remember(key, |memory| {
        memory.generation = there.metadata.generation.unwrap_or_default();
        memory.plan = Some(plan_of(there.status.as_ref()));
    });
    Ok(Some(there))
}

/// Whether a resource may be older than what was written into its status, or breaks glass.
fn is_doubtful(cached: &MessageCluster, written: Option<&str>) -> bool {
    let plan = plan_of(cached.status.as_ref());
    written.is_some_and(|written| written != plan) || broken_glass(&cached.metadata).is_some()
}

/// The hash of the plan that a status shows.
fn plan_of(status: Option<&MessageClusterStatus>) -> String {
    let plan = status.and_then(|status| status.plan.as_ref());
    plan.map_or_else(String::new, |plan| plan.hash.clone())
}

fn key(metadata: &ObjectMeta) -> ClusterKey {
    let text = |field: &Option<String>| field.clone().unwrap_or_default();
    ClusterKey::new(text(&metadata.namespace), text(&metadata.name))
}

/// What a person should know of an act that failed; nothing of what mends itself.
fn finding(error: &Error) -> Option<Finding> {
    let stalled = match error.class() {
        Class::Conflict | Class::NotLeading => return None,
        Class::ApiServer | Class::Brokers => false,
        Class::Forbidden | Class::Rejected | Class::Person | Class::Internal => true,
    };
    Some(Finding {
        reason: "ActFailed",
        message: error.to_string(),
        stalled,
    })
}

/// When to look again, if nothing changes before. Clusters at rest are spread over time, so that a
/// hundred of them do not all ask at once for ever.
fn next_look(key: &ClusterKey, decision: &Decision) -> Duration {
    let status = &decision.status;
    let is_coming = status.ready_replicas < status.replicas
        && !decision.findings.iter().any(|finding| finding.stalled);
    match decision.plan.state {
        PlanState::Running | PlanState::Blocked => RUNNING,
        _ if is_coming => RUNNING,
        PlanState::Idle | PlanState::AwaitingApproval | PlanState::Paused => {
            let spread = key.namespace.bytes().chain(key.name.bytes());
            let spread = spread.fold(0_u64, |sum, byte| (sum * 31 + u64::from(byte)) % 15_000);
            IDLE.saturating_sub(Duration::from_millis(spread))
        }
    }
}

async fn say(
    context: &Context,
    key: &ClusterKey,
    resource: &MessageCluster,
    after: &MessageClusterStatus,
) -> Result<(), Error> {
    let sight = Sight {
        status: after,
        certificates: context
            .remembered(key)
            .certificates
            .and_then(|read| read.life),
        wall_ms: context.clock.wall_ms(),
    };
    context
        .metrics
        .clusters
        .saw(key, sight, || context.has(key));
    let api: Api<MessageCluster> = Api::namespaced(context.client.clone(), &key.namespace);
    // Before it is written: whether that took effect may never be heard.
    context.remember(key, |memory| memory.plan = Some(plan_of(Some(after))));
    status::write(context, &api, resource, resource.status.as_ref(), after).await
}

/// Says that nothing can be decided, if that is for a person to mend. All else stays as it was said.
async fn say_stuck(
    context: &Context,
    key: &ClusterKey,
    resource: &MessageCluster,
    error: &Error,
) -> Result<(), Error> {
    let Some(finding) = finding(error).filter(|finding| finding.stalled) else {
        return Ok(());
    };
    let previous = resource.status.clone().unwrap_or_default();
    let new = stuck(&finding, &context.now_text(), resource.metadata.generation);
    let after = MessageClusterStatus {
        conditions: status::with_times(new, &previous.conditions),
        ..previous
    };
    say(context, key, resource, &after).await
}

fn stuck(finding: &Finding, now: &str, generation: Option<i64>) -> Vec<Condition> {
    let condition = |kind: &str, status| Condition {
        kind: kind.to_owned(),
        status,
        reason: "NotReadable".to_owned(),
        message: finding.message.clone(),
        last_transition_time: now.to_owned(),
        observed_generation: generation,
    };
    vec![
        condition(condition_types::READY, ConditionStatus::Unknown),
        condition(condition_types::STALLED, ConditionStatus::True),
    ]
}

#[cfg(test)]
mod tests {
    use holdfast_api::ClusterPlan;
    use holdfast_planner::seen::BREAK_GLASS;
    use kube::ResourceExt;

    use super::*;

    fn decision(state: PlanState, serving: i32) -> Decision {
        Decision {
            steps: Vec::new(),
            plan: ClusterPlan {
                state,
                ..ClusterPlan::default()
            },
            acts: Vec::new(),
            findings: Vec::new(),
            status: MessageClusterStatus {
                replicas: 3,
                ready_replicas: serving,
                ..MessageClusterStatus::default()
            },
        }
    }

    #[test]
    fn a_cluster_at_rest_is_looked_at_once_a_minute() {
        let key = |name: &str| ClusterKey::new("data", name);
        assert_eq!(
            next_look(&key("a"), &decision(PlanState::Running, 3)),
            RUNNING
        );
        assert_eq!(next_look(&key("a"), &decision(PlanState::Idle, 2)), RUNNING);
        let rest = |name: &str| next_look(&key(name), &decision(PlanState::Idle, 3));
        for name in ["a", "orders", "payments"] {
            assert!(
                (45..=60).contains(&rest(name).as_secs()),
                "{:?}",
                rest(name)
            );
        }
        assert_ne!(rest("orders"), rest("payments"));
    }

    fn resource(plan: &str) -> MessageCluster {
        let spec = serde_json::json!({ "storage": { "size": "10Gi" } });
        let mut resource = MessageCluster::new("orders", serde_json::from_value(spec).unwrap());
        resource.status = Some(MessageClusterStatus {
            plan: Some(ClusterPlan {
                hash: plan.to_owned(),
                ..ClusterPlan::default()
            }),
            ..MessageClusterStatus::default()
        });
        resource
    }

    #[test]
    fn a_broken_glass_is_not_believed_from_the_cache() {
        let mut cached = resource("");
        assert!(!is_doubtful(&cached, Some("")));
        let id = || "id".to_owned();
        cached
            .annotations_mut()
            .insert(BREAK_GLASS.to_owned(), id());
        assert!(is_doubtful(&cached, Some("")));
    }

    #[test]
    fn a_plan_that_is_not_the_one_written_last_is_not_believed_from_the_cache() {
        assert!(!is_doubtful(&resource("a"), None));
        assert!(!is_doubtful(&resource("a"), Some("a")));
        assert!(is_doubtful(&resource("a"), Some("")));
        assert!(is_doubtful(&resource("a"), Some("b")));
    }

    #[test]
    fn only_what_a_person_must_mend_is_stalled() {
        assert_eq!(finding(&Error::Stale("x".to_owned())), None);
        assert!(!finding(&Error::NoBroker).unwrap().stalled);
        assert!(finding(&Error::Person("x".to_owned())).unwrap().stalled);
    }

    #[test]
    fn settings_are_checked_as_a_broker_checks_them() {
        assert_eq!(Config::check_properties("log.retention.hours=24\n"), Ok(()));
        assert!(Config::check_properties("no.such.key=1\n").is_err());
    }
}

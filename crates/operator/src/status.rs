//! What the status of a resource says, and whether it is worth writing.

use holdfast_api::{Condition, MessageCluster, MessageClusterStatus, RecordedAct};
use holdfast_planner::{Decision, conditions};
use kube::api::{Patch, PatchParams};
use kube::{Api, Resource};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::json;

use crate::context::Context;
use crate::error::Error;

/// The owner of the status' fields: another than that of the children, so that applying one never
/// takes away the other.
pub(crate) const STATUS_MANAGER: &str = "holdfast-operator-status";

/// How many acts a status remembers.
const ACTS: usize = 20;

/// The whole status after a decision and what came of it. `known` are acts of earlier decisions: the
/// resource may be older than the status that was written of them.
pub(crate) fn status(
    resource: &MessageCluster,
    decision: &Decision,
    known: Vec<RecordedAct>,
    acts: Vec<RecordedAct>,
    now: &str,
) -> MessageClusterStatus {
    let previous = resource.status.clone().unwrap_or_default();
    let generation = resource.metadata.generation.unwrap_or_default();
    let mut all = previous.acts;
    for act in known {
        if !all.contains(&act) {
            all.push(act);
        }
    }
    // Those of one second stay in their order.
    all.sort_by(|one, other| one.at.cmp(&other.at));
    all.extend(acts);
    let newest = all.split_off(all.len().saturating_sub(ACTS));
    MessageClusterStatus {
        conditions: conditions(decision, &previous.conditions, now, generation),
        acts: newest,
        ..decision.status.clone()
    }
}

/// The conditions with the times that they had, where they say what they said: whoever compares two
/// statuses sees only what changed.
pub(crate) fn with_times(new: Vec<Condition>, previous: &[Condition]) -> Vec<Condition> {
    let time = |condition: &Condition| {
        let before = previous
            .iter()
            .find(|before| before.kind == condition.kind)?;
        (before.status == condition.status).then(|| before.last_transition_time.clone())
    };
    new.into_iter()
        .map(|condition| Condition {
            last_transition_time: time(&condition)
                .unwrap_or_else(|| condition.last_transition_time.clone()),
            ..condition
        })
        .collect()
}

/// Writes a status, if it differs from what the resource has.
///
/// # Errors
/// The API server's, and if the resource is another one by now.
pub(crate) async fn write<K, S>(
    context: &Context,
    api: &Api<K>,
    resource: &K,
    before: Option<&S>,
    after: &S,
) -> Result<(), Error>
where
    K: Resource<DynamicType = ()> + Clone + DeserializeOwned + std::fmt::Debug,
    S: Serialize + PartialEq,
{
    if before == Some(after) {
        return Ok(());
    }
    context.leadership.check()?;
    let metadata = resource.meta();
    let name = metadata.name.clone().unwrap_or_default();
    let patch = json!({
        "apiVersion": K::api_version(&()),
        "kind": K::kind(&()),
        // Whoever deleted it and made it again gets no old news.
        "metadata": { "name": name, "uid": metadata.uid },
        "status": after,
    });
    let params = PatchParams::apply(STATUS_MANAGER).force();
    api.patch_status(&name, &params, &Patch::Apply(&patch))
        .await?;
    context.metrics.wrote_status(match K::kind(&()).as_ref() {
        "MessageCluster" => "MessageCluster",
        _ => "MessageTopic",
    });
    Ok(())
}

#[cfg(test)]
mod tests {
    use holdfast_api::{ClusterPlan, ConditionStatus};
    use serde_json::Value;

    use super::*;

    fn resource(status: Option<MessageClusterStatus>) -> MessageCluster {
        let spec: Value = json!({ "storage": { "size": "10Gi" } });
        let mut resource = MessageCluster::new("orders", serde_json::from_value(spec).unwrap());
        resource.metadata.generation = Some(3);
        resource.status = status;
        resource
    }

    fn decision() -> Decision {
        Decision {
            steps: Vec::new(),
            plan: ClusterPlan::default(),
            acts: Vec::new(),
            findings: Vec::new(),
            status: MessageClusterStatus {
                formed: true,
                ..MessageClusterStatus::default()
            },
        }
    }

    fn act(number: usize) -> RecordedAct {
        RecordedAct {
            act: number.to_string(),
            ..RecordedAct::default()
        }
    }

    #[test]
    fn the_same_decision_later_is_the_same_status() {
        let first = status(
            &resource(None),
            &decision(),
            Vec::new(),
            vec![act(1)],
            "2026-01-01T00:00:00Z",
        );
        assert!(first.formed);
        let second = status(
            &resource(Some(first.clone())),
            &decision(),
            Vec::new(),
            Vec::new(),
            "2026-01-02T00:00:00Z",
        );
        assert_eq!(first, second);
    }

    #[test]
    fn only_the_newest_acts_are_kept() {
        let many = (0..25).map(act).collect();
        let full = status(&resource(None), &decision(), Vec::new(), many, "now");
        assert_eq!((full.acts.len(), full.acts[0].act.as_str()), (20, "5"));
        let newest = vec![act(25)];
        let more = status(
            &resource(Some(full)),
            &decision(),
            Vec::new(),
            newest,
            "now",
        );
        assert_eq!((more.acts.len(), more.acts[19].act.as_str()), (20, "25"));
    }

    /// Seen on a busy machine: the status said that a permit was got, and never that it was used.
    #[test]
    fn an_act_is_not_forgotten_when_the_cache_shows_an_older_status() {
        let old = status(
            &resource(None),
            &decision(),
            Vec::new(),
            vec![act(1)],
            "now",
        );
        let stale = resource(Some(old.clone()));
        let written = status(&stale, &decision(), old.acts, vec![act(2)], "now");
        let again = status(&stale, &decision(), written.acts, vec![act(3)], "now");
        let acts: Vec<&str> = again.acts.iter().map(|act| act.act.as_str()).collect();
        assert_eq!(acts, ["1", "2", "3"]);
    }

    #[test]
    fn a_condition_keeps_its_time_until_its_status_changes() {
        let condition = |status, at: &str| Condition {
            kind: "Ready".to_owned(),
            status,
            last_transition_time: at.to_owned(),
            ..Condition::default()
        };
        let before = [condition(ConditionStatus::True, "then")];
        let same = with_times(vec![condition(ConditionStatus::True, "now")], &before);
        assert_eq!(same[0].last_transition_time, "then");
        let other = with_times(vec![condition(ConditionStatus::False, "now")], &before);
        assert_eq!(other[0].last_transition_time, "now");
    }
}

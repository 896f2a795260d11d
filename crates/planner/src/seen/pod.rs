//! From a pod to its view.

use k8s_openapi::api::core::v1::{ContainerStatus, Pod, PodStatus};

use super::broker_of;
use crate::{PodPhase, PodView};

/// Longest text that is kept of what a kubelet or a scheduler says.
const LONGEST_TROUBLE: usize = 300;

/// The view of a broker's pod; none if its name is no broker's.
pub fn pod(pod: Pod) -> Option<PodView> {
    let name = pod.metadata.name?;
    let labels = pod.metadata.labels.unwrap_or_default();
    let status = pod.status.unwrap_or_default();
    Some(PodView {
        broker: broker_of(&name)?,
        uid: pod.metadata.uid.unwrap_or_default(),
        version: pod.metadata.resource_version.unwrap_or_default(),
        node: pod.spec.and_then(|spec| spec.node_name),
        phase: phase(status.phase.as_deref()),
        ready: is_true(&status, "Ready"),
        deleting: pod.metadata.deletion_timestamp.is_some(),
        revision: labels
            .get("controller-revision-hash")
            .cloned()
            .unwrap_or_default(),
        restarts: containers(&status)
            .map(|container| u32::try_from(container.restart_count).unwrap_or(0))
            .sum(),
        trouble: trouble(&status),
        name,
    })
}

fn phase(text: Option<&str>) -> PodPhase {
    match text {
        Some("Running") => PodPhase::Running,
        Some("Succeeded" | "Failed") => PodPhase::Ended,
        Some("Unknown") => PodPhase::Unknown,
        _ => PodPhase::Pending,
    }
}

fn is_true(status: &PodStatus, condition: &str) -> bool {
    let mut conditions = status.conditions.iter().flatten();
    conditions.any(|c| c.type_ == condition && c.status == "True")
}

fn containers(status: &PodStatus) -> impl Iterator<Item = &ContainerStatus> {
    let init = status.init_container_statuses.iter().flatten();
    init.chain(status.container_statuses.iter().flatten())
}

/// What keeps a pod from running. Texts that change by themselves, as the length of a back-off, are
/// left out: they would wake the cluster for nothing.
fn trouble(status: &PodStatus) -> Option<String> {
    let unscheduled = status
        .conditions
        .iter()
        .flatten()
        .find(|condition| condition.type_ == "PodScheduled" && condition.status == "False");
    let text = if let Some(condition) = unscheduled {
        let reason = condition.reason.as_deref().unwrap_or("Unschedulable");
        format!(
            "{reason}: {}",
            condition.message.as_deref().unwrap_or_default()
        )
    } else {
        containers(status).find_map(container_trouble)?
    };
    Some(text.chars().take(LONGEST_TROUBLE).collect())
}

fn container_trouble(container: &ContainerStatus) -> Option<String> {
    let state = container.state.as_ref()?;
    let waiting = state.waiting.as_ref()?;
    let reason = waiting.reason.as_deref().unwrap_or("Waiting");
    let name = &container.name;
    match reason {
        "ContainerCreating" | "PodInitializing" => None,
        "CrashLoopBackOff" => {
            let last = container
                .last_state
                .as_ref()
                .and_then(|state| state.terminated.as_ref());
            let code = last.map_or(0, |ended| ended.exit_code);
            // A message may be the end of the log, and why it ended is the last that it said.
            let words = last
                .and_then(|ended| ended.message.as_deref())
                .and_then(|message| message.lines().rfind(|line| !line.trim().is_empty()))
                .unwrap_or_default();
            Some(
                format!("{name}: {reason}: it ended with {code} {words}")
                    .trim_end()
                    .to_owned(),
            )
        }
        _ => {
            let message = waiting.message.as_deref().unwrap_or_default();
            Some(format!("{name}: {reason}: {message}"))
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn seen(status: &serde_json::Value) -> PodView {
        let object = json!({
            "metadata": {
                "namespace": "data", "name": "orders-a-1000", "uid": "u1",
                "labels": {
                    "holdfast.io/cluster": "orders",
                    "controller-revision-hash": "orders-a-7f",
                },
            },
            "spec": { "nodeName": "n1", "containers": [] },
            "status": status,
        });
        pod(serde_json::from_value(object).unwrap()).unwrap()
    }

    #[test]
    fn a_pod_that_serves() {
        let view = seen(&json!({
            "phase": "Running", "podIP": "10.0.0.7",
            "conditions": [{ "type": "Ready", "status": "True" }],
            "containerStatuses": [{
                "name": "broker", "image": "", "imageID": "", "ready": true, "restartCount": 2,
                "state": { "running": {} },
            }],
        }));
        assert_eq!((view.broker, view.restarts, view.ready), (1000, 2, true));
        assert_eq!(
            (view.revision.as_str(), view.node.as_deref()),
            ("orders-a-7f", Some("n1"))
        );
        assert_eq!(
            (view.phase, view.trouble, view.deleting),
            (PodPhase::Running, None, false)
        );
    }

    #[test]
    fn what_keeps_a_pod_from_running_is_said_without_what_changes_by_itself() {
        let view = seen(&json!({
            "phase": "Running",
            "containerStatuses": [{
                "name": "broker", "image": "", "imageID": "", "ready": false, "restartCount": 5,
                "state": { "waiting": {
                    "reason": "CrashLoopBackOff", "message": "back-off 2m40s restarting",
                } },
                "lastState": { "terminated": { "exitCode": 3, "message": "it starts\nno disk\n\n" } },
            }],
        }));
        assert_eq!(
            view.trouble.as_deref(),
            Some("broker: CrashLoopBackOff: it ended with 3 no disk")
        );
        let view = seen(&json!({
            "phase": "Pending",
            "conditions": [{
                "type": "PodScheduled", "status": "False", "reason": "Unschedulable",
                "message": "0/3 nodes are available",
            }],
        }));
        assert_eq!(
            view.trouble.as_deref(),
            Some("Unschedulable: 0/3 nodes are available")
        );
        assert_eq!(view.phase, PodPhase::Pending);
    }
}

//! Asks the brokers: each what it is, then one of them for the cluster.

use futures::future::join_all;
use holdfast_planner::{Lifecycle, PodPhase, ProcessView};
use holdfast_rpc::proto::admin::DescribeClusterReply;

use super::pod::PodRow;
use super::process;
use crate::admin::{Access, Door};
use crate::error::Error;

/// A broker that answered.
#[derive(Clone, Debug)]
pub(super) struct Answer {
    pub(super) door: Door,
    pub(super) view: ProcessView,
}

/// Whether there is a process to ask.
pub(super) fn can_be_asked(pod: &PodRow) -> bool {
    pod.view.phase == PodPhase::Running && pod.address.is_some()
}

/// Asks all at once. The connection that is kept is used again, so that a cluster at rest costs one
/// connection and not one in every look; the others are closed after their answer.
pub(super) async fn processes(
    access: &Access,
    pods: &[PodRow],
    kept: Option<&(String, Door)>,
) -> Vec<Answer> {
    let asked = pods.iter().filter_map(|pod| {
        let (broker, address) = (pod.view.broker, pod.address.as_deref()?);
        let kept = kept.filter(|(at, door)| at == address && door.broker == broker);
        let door = match kept {
            Some((_, door)) => Ok(door.clone()),
            None => access.door(broker, address),
        };
        Some(async move {
            match answer(door).await {
                Ok(answer) => Some(answer),
                Err(error) => {
                    tracing::debug!(broker, %error, "a broker did not answer");
                    None
                }
            }
        })
    });
    join_all(asked).await.into_iter().flatten().collect()
}

async fn answer(door: Result<Door, Error>) -> Result<Answer, Error> {
    let door = door?;
    let view = process::process(door.ask(|broker| broker.describe_broker()).await?);
    Ok(Answer { door, view })
}

/// In which order they are asked for the cluster: the one that knew last, then those that serve, then
/// the rest, which may know of a controller although they do not serve.
pub(super) fn in_order(answers: &[Answer], last: Option<i32>) -> Vec<Door> {
    let rank = |answer: &Answer| match answer.view.lifecycle {
        _ if last == Some(answer.door.broker) => 0,
        Lifecycle::Serving => 1,
        Lifecycle::Fenced | Lifecycle::Registering => 2,
        Lifecycle::Forming | Lifecycle::WaitingForAdmission => 3,
        Lifecycle::Parked | Lifecycle::Replaced => 4,
    };
    let mut answers: Vec<&Answer> = answers.iter().collect();
    answers.sort_by_key(|answer| rank(answer));
    answers
        .into_iter()
        .map(|answer| answer.door.clone())
        .collect()
}

/// The first answer that comes from a controller.
pub(super) async fn cluster(doors: Vec<Door>) -> Option<(Door, DescribeClusterReply)> {
    for door in doors {
        match door.ask(|broker| broker.describe_cluster()).await {
            Ok(reply) if !reply.stale && reply.controller.is_some() => return Some((door, reply)),
            Ok(_without_controller) => {}
            Err(error) => tracing::debug!(%error, "a broker does not know the cluster"),
        }
    }
    None
}

//! DescribeCluster: the brokers, and which of them is the controller.

use std::sync::Arc;

use holdfast_kernel::image::ClusterImage;
use holdfast_model::{BrokerId, ErrorCode};
use holdfast_wire::messages::describe_cluster_response::DescribeClusterBroker;
use holdfast_wire::messages::{self, DescribeClusterRequest, DescribeClusterResponse};

use super::text::text;
use super::{CLUSTER, Operation, RequestContext};
use crate::state::BrokerState;

/// Kafka's numbers for what is described.
const BROKERS: i8 = 1;
const CONTROLLERS: i8 = 2;

/// The first version that shows fenced brokers.
const FENCED_FROM: i16 = 2;

/// Every operation that a cluster knows, as bits of Kafka's numbers: create 5, alter 7, describe 8,
/// cluster action 9, describe configs 10, alter configs 11, idempotent write 12.
pub(super) const ALL_OPERATIONS: i32 = 0b1_1111_1010_0000;

/// Answers with what the newest image shows.
pub fn handle(
    broker: &Arc<BrokerState>,
    context: &RequestContext,
    version: i16,
    request: &DescribeClusterRequest,
) -> DescribeClusterResponse {
    let known = (broker.known_controller(), broker.id());
    describe(&broker.image(), known, context, version, request)
}

/// Whom clients are told to be the controller: one of the brokers that they are shown. If it is not among
/// them, or nobody is it right now, it is whoever answers, which passes on what is the controller's to decide
/// and waits for it. A client that hears of none looks again at its next refresh of metadata only, which is
/// a minute later for librdkafka.
pub(super) fn controller_among(
    shown: &[i32],
    known: Option<BrokerId>,
    me: BrokerId,
) -> Option<BrokerId> {
    let is_shown = |id: &BrokerId| shown.contains(&id.0);
    known.filter(is_shown).or_else(|| Some(me).filter(is_shown))
}

fn describe(
    image: &ClusterImage,
    (known, me): (Option<BrokerId>, BrokerId),
    context: &RequestContext,
    version: i16,
    request: &DescribeClusterRequest,
) -> DescribeClusterResponse {
    if !context.authorize(Operation::Describe, CLUSTER) {
        let code = ErrorCode::ClusterAuthorizationFailed;
        return failed(code, "Cluster authorization failed.".to_owned());
    }
    match request.endpoint_type {
        BROKERS => {}
        CONTROLLERS => {
            let message = "The request was sent to an endpoint of type BROKER, but we wanted an \
                           endpoint of type CONTROLLER";
            let code = ErrorCode::MismatchedEndpointType;
            return failed(code, message.to_owned());
        }
        unknown => {
            let message = format!("Unsupported endpoint type {unknown}");
            return failed(ErrorCode::UnsupportedEndpointType, message);
        }
    }
    let show_fenced = request.include_fenced_brokers && version >= FENCED_FROM;
    let shown = image
        .brokers
        .values()
        .filter(|broker| show_fenced || !broker.fenced);
    let brokers = shown.filter_map(|broker| {
        let endpoint = broker.endpoint(&context.listener)?;
        let row = DescribeClusterBroker::default()
            .with_broker_id(messages::BrokerId(broker.id.0))
            .with_host(text(&endpoint.host))
            .with_port(i32::from(endpoint.port))
            .with_rack(broker.rack.as_ref().map(text))
            .with_is_fenced(broker.fenced);
        Some(row)
    });
    let brokers: Vec<DescribeClusterBroker> = brokers.collect();
    let shown = brokers.iter().filter(|one| !one.is_fenced);
    let shown: Vec<i32> = shown.map(|one| one.broker_id.0).collect();
    let controller = controller_among(&shown, known, me);
    let answer = DescribeClusterResponse::default()
        .with_cluster_id(text(
            image.cluster_id.map_or(String::new(), |id| id.to_string()),
        ))
        .with_controller_id(messages::BrokerId(controller.map_or(-1, |id| id.0)))
        .with_brokers(brokers);
    if request.include_cluster_authorized_operations {
        answer.with_cluster_authorized_operations(ALL_OPERATIONS)
    } else {
        answer
    }
}

fn failed(code: ErrorCode, message: String) -> DescribeClusterResponse {
    DescribeClusterResponse::default()
        .with_error_code(code.code())
        .with_error_message(Some(text(message)))
}

#[cfg(test)]
mod tests {
    use holdfast_wire::{Api, response};

    use super::super::testing::{context, image};
    use super::*;

    fn ask(version: i16, request: &DescribeClusterRequest) -> DescribeClusterResponse {
        let answer = describe(
            &image(),
            (Some(BrokerId(1)), BrokerId(0)),
            &context(),
            version,
            request,
        );
        response::encode_message(1, Api::DescribeCluster, version, &answer).unwrap();
        answer
    }

    #[test]
    fn fenced_brokers_show_where_they_are_asked_for() {
        let plain = DescribeClusterRequest::default();
        let all = plain.clone().with_include_fenced_brokers(true);
        for version in Api::DescribeCluster.served() {
            let answer = ask(version, &plain);
            let ids: Vec<i32> = answer
                .brokers
                .iter()
                .map(|broker| broker.broker_id.0)
                .collect();
            assert_eq!(ids, [0, 1]);
            assert_eq!(answer.controller_id.0, 1);
            assert_eq!(
                (&*answer.brokers[0].host, answer.brokers[0].port),
                ("host-0", 9092)
            );
            assert_eq!(answer.cluster_authorized_operations, i32::MIN);
        }
        let answer = ask(2, &all);
        let fenced: Vec<bool> = answer
            .brokers
            .iter()
            .map(|broker| broker.is_fenced)
            .collect();
        assert_eq!(fenced, [false, false, true]);
    }

    #[test]
    fn clients_that_come_before_a_controller_is_known_are_told_of_a_broker_that_passes_on() {
        let [zero, one, two] = [0, 1, 2].map(BrokerId);
        let told = |shown: &[i32], known, me| controller_among(shown, known, me);
        assert_eq!(told(&[0, 1], Some(one), zero), Some(one));
        assert_eq!(told(&[0, 1], None, zero), Some(zero), "nobody is it now");
        assert_eq!(told(&[0, 1], Some(two), zero), Some(zero), "not shown");
        assert_eq!(told(&[1], None, zero), None, "whoever answers is fenced");
    }

    #[test]
    fn a_broker_is_no_controller_endpoint() {
        let controllers = DescribeClusterRequest::default().with_endpoint_type(CONTROLLERS);
        let answer = ask(1, &controllers);
        assert_eq!(answer.error_code, ErrorCode::MismatchedEndpointType.code());
        assert!(answer.brokers.is_empty());
        let unknown = DescribeClusterRequest::default().with_endpoint_type(7);
        assert_eq!(
            ask(2, &unknown).error_code,
            ErrorCode::UnsupportedEndpointType.code()
        );
    }

    #[test]
    fn operations_are_told_when_asked_for() {
        let request =
            DescribeClusterRequest::default().with_include_cluster_authorized_operations(true);
        let bits = [5, 7, 8, 9, 10, 11, 12]
            .map(|bit| 1 << bit)
            .iter()
            .sum::<i32>();
        assert_eq!(ask(0, &request).cluster_authorized_operations, bits);
    }
}

use holdfast_wire::messages::describe_topic_partitions_request::{
    Cursor as AskedCursor, TopicRequest,
};
use holdfast_wire::{Api, response};

use super::super::testing::{context, image, put_topic};
use super::*;

fn request(topics: &[&str], limit: i32) -> DescribeTopicPartitionsRequest {
    let topics = topics
        .iter()
        .map(|name| TopicRequest::default().with_name(topic_name(name)));
    DescribeTopicPartitionsRequest::default()
        .with_topics(topics.collect())
        .with_response_partition_limit(limit)
}

fn after(
    request: DescribeTopicPartitionsRequest,
    topic: &str,
    partition: i32,
) -> DescribeTopicPartitionsRequest {
    let cursor = AskedCursor::default()
        .with_topic_name(topic_name(topic))
        .with_partition_index(partition);
    request.with_cursor(Some(cursor))
}

fn topics() -> ClusterImage {
    let mut image = image();
    put_topic(&mut image, 1, "a", 3);
    put_topic(&mut image, 2, "b", 2);
    put_topic(&mut image, 3, "c", 1);
    image
}

/// Every page of a request: (topic, partition), and how many pages there were.
fn walk(topics: &[&str], limit: i32) -> (Vec<(String, i32)>, usize) {
    let image = self::topics();
    let mut found = Vec::new();
    let mut next = request(topics, limit);
    for page in 1..=20 {
        let answer = describe(&image, None, &context(), &next);
        response::encode_message(1, Api::DescribeTopicPartitions, 0, &answer).unwrap();
        let mut on_page = 0;
        for topic in &answer.topics {
            let name = topic.name.as_ref().unwrap().to_string();
            on_page += topic.partitions.len();
            found.extend(
                topic
                    .partitions
                    .iter()
                    .map(|p| (name.clone(), p.partition_index)),
            );
        }
        assert!(on_page <= limit.max(1) as usize);
        let Some(cursor) = answer.next_cursor else {
            return (found, page);
        };
        next = after(
            request(topics, limit),
            &cursor.topic_name,
            cursor.partition_index,
        );
    }
    panic!("the pages do not end");
}

#[test]
fn pages_of_any_size_show_every_partition_once_in_order() {
    let all: Vec<(String, i32)> = [("a", 0), ("a", 1), ("a", 2), ("b", 0), ("b", 1), ("c", 0)]
        .map(|(name, partition)| (name.to_owned(), partition))
        .into();
    for limit in [1, 2, 3, 4, 5, 6, 100, i32::MAX] {
        assert_eq!(walk(&[], limit).0, all, "limit {limit}");
        assert_eq!(walk(&["c", "a", "b", "a"], limit).0, all, "limit {limit}");
    }
    assert_eq!(walk(&[], 1).1, 6);
    assert_eq!(walk(&[], 100).1, 1);
    // A limit below one still makes progress.
    assert_eq!(walk(&[], 0).0, all);
    assert_eq!(walk(&[], -5).0, all);
}

#[test]
fn a_partition_shows_its_eligible_leaders_and_who_is_offline() {
    let answer = describe(&topics(), None, &context(), &request(&["b"], 10));
    let partition = &answer.topics[0].partitions[1];
    let plain = |list: &[messages::BrokerId]| list.iter().map(|id| id.0).collect::<Vec<_>>();
    assert_eq!((partition.leader_id.0, partition.leader_epoch), (0, 4));
    assert_eq!(plain(&partition.replica_nodes), [0, 1, 2]);
    assert_eq!(plain(&partition.isr_nodes), [0]);
    assert_eq!(
        plain(partition.eligible_leader_replicas.as_ref().unwrap()),
        [1]
    );
    assert_eq!(plain(&partition.offline_replicas), [2]);
    assert_eq!(partition.last_known_elr.as_ref().map(Vec::len), Some(0));
    assert_eq!(answer.topics[0].topic_authorized_operations, 3576);
}

#[test]
fn topics_that_are_not_there_are_told_by_name() {
    let answer = describe(
        &topics(),
        None,
        &context(),
        &request(&["a", "gone", "not/a/name"], 10),
    );
    let codes: Vec<i16> = answer.topics.iter().map(|topic| topic.error_code).collect();
    let expected = [ErrorCode::None, ErrorCode::UnknownTopicOrPartition]
        .map(ErrorCode::code)
        .into_iter()
        .chain([ErrorCode::InvalidTopicException.code()]);
    assert_eq!(codes, expected.collect::<Vec<_>>());
}

#[test]
fn cursors_of_clients_are_not_trusted() {
    let bad = after(request(&["a"], 10), "a", -1);
    let answer = describe(&topics(), None, &context(), &bad);
    assert_eq!(
        answer.topics[0].error_code,
        ErrorCode::InvalidRequest.code()
    );
    let far = after(request(&["a", "b"], 10), "a", i32::MAX);
    let answer = describe(&topics(), None, &context(), &far);
    assert_eq!(answer.topics[0].partitions.len(), 0);
    assert_eq!(answer.topics[1].partitions.len(), 2);
    assert!(answer.next_cursor.is_none());
}

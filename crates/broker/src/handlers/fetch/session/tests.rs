use bytes::Bytes;
use holdfast_wire::messages::TopicName;
use holdfast_wire::messages::fetch_request::{FetchPartition, FetchTopic, ForgottenTopic};

use super::*;

fn request(session: i32, epoch: i32, partitions: &[i32]) -> FetchRequest {
    let partitions = partitions
        .iter()
        .map(|index| {
            FetchPartition::default()
                .with_partition(*index)
                .with_partition_max_bytes(100)
        })
        .collect();
    let topic = FetchTopic::default()
        .with_topic(TopicName(StrBytes::from_static_str("t")))
        .with_partitions(partitions);
    FetchRequest::default()
        .with_session_id(session)
        .with_session_epoch(epoch)
        .with_topics(vec![topic])
}

fn gathered(high_watermark: i64, bytes: usize) -> Gathered {
    Gathered {
        code: ErrorCode::None,
        high_watermark,
        log_start: 0,
        records: if bytes == 0 {
            Vec::new()
        } else {
            vec![Bytes::from(vec![0; bytes])]
        },
        diverging: None,
        preferred_replica: None,
        new_leader: None,
        read_committed: false,
    }
}

fn partitions(context: &Context) -> Vec<i32> {
    context
        .wanted()
        .iter()
        .map(|wanted| wanted.partition)
        .collect()
}

#[test]
fn a_session_remembers_partitions_and_tells_only_news() {
    let sessions = FetchSessions::default();
    let now = Monotonic(0);
    let first = sessions
        .open(&request(0, 0, &[0, 1, 2]), 12, now)
        .expect("created");
    for wanted in first.wanted() {
        assert!(
            first.is_news(&wanted, &gathered(5, 0)),
            "a full answer tells everything"
        );
    }
    let empty = request(first.id(), 1, &[]);
    let second = sessions.open(&empty, 12, now).expect("continued");
    assert_eq!(partitions(&second), vec![0, 1, 2]);
    let wanted = second.wanted();
    assert!(!second.is_news(&wanted[0], &gathered(5, 0)));
    assert!(second.is_news(&wanted[1], &gathered(6, 10)));
    let third = sessions
        .open(&request(first.id(), 2, &[]), 12, now)
        .expect("continued");
    assert_eq!(
        partitions(&third),
        vec![0, 2, 1],
        "who got records goes to the end"
    );
}

#[test]
fn wrong_sessions_and_epochs_get_kafkas_errors() {
    let sessions = FetchSessions::default();
    let now = Monotonic(0);
    let code = |result: Result<Context, ErrorCode>| result.err();
    assert_eq!(
        code(sessions.open(&request(77, 1, &[]), 12, now)),
        Some(ErrorCode::FetchSessionIdNotFound)
    );
    let id = sessions
        .open(&request(0, 0, &[0]), 12, now)
        .expect("created")
        .id();
    assert_eq!(
        code(sessions.open(&request(id, 5, &[]), 12, now)),
        Some(ErrorCode::InvalidFetchSessionEpoch)
    );
    assert_eq!(
        code(sessions.open(&request(id, 1, &[]), 13, now)),
        Some(ErrorCode::FetchSessionTopicIdError)
    );
}

#[test]
fn forgotten_partitions_are_not_looked_at_and_a_final_epoch_ends_the_session() {
    let sessions = FetchSessions::default();
    let now = Monotonic(0);
    let id = sessions
        .open(&request(0, 0, &[0, 1]), 12, now)
        .expect("created")
        .id();
    let forget = request(id, 1, &[]).with_forgotten_topics_data(vec![
        ForgottenTopic::default()
            .with_topic(TopicName(StrBytes::from_static_str("t")))
            .with_partitions(vec![0]),
    ]);
    assert_eq!(
        partitions(&sessions.open(&forget, 12, now).expect("continued")),
        vec![1]
    );
    let last = sessions
        .open(&request(id, FINAL_EPOCH, &[3]), 12, now)
        .expect("sessionless");
    assert_eq!((last.id(), partitions(&last)), (0, vec![3]));
    assert!(sessions.is_empty());
}

#[test]
fn a_full_cache_gives_up_only_idle_sessions() {
    let sessions = FetchSessions::default();
    for _ in 0..SLOTS {
        sessions
            .open(&request(0, 0, &[0]), 12, Monotonic(0))
            .expect("created");
    }
    let now = Monotonic(0).plus(Duration::from_secs(1));
    assert_eq!(
        sessions
            .open(&request(0, 0, &[0]), 12, now)
            .expect("without")
            .id(),
        0
    );
    let later = Monotonic(0).plus(IDLE);
    assert_ne!(
        sessions
            .open(&request(0, 0, &[0]), 12, later)
            .expect("created")
            .id(),
        0
    );
    assert_eq!(sessions.len(), SLOTS);
}

#[test]
fn sessions_of_two_lives_of_a_broker_do_not_meet() {
    let ids = || -> std::collections::HashSet<i32> {
        let sessions = FetchSessions::default();
        let open = |_| {
            let opened = sessions.open(&request(0, 0, &[0]), 12, Monotonic(0));
            opened.expect("created").id()
        };
        (0..10).map(open).collect()
    };
    assert!(ids().is_disjoint(&ids()));
}

#[test]
fn ids_and_names_do_not_mix_either_way_and_epoch_0_replaces() {
    let sessions = FetchSessions::default();
    let now = Monotonic(0);
    let id = sessions
        .open(&request(0, 0, &[0]), 13, now)
        .expect("created")
        .id();
    let mixed = sessions.open(&request(id, 1, &[]), 12, now).err();
    assert_eq!(mixed, Some(ErrorCode::FetchSessionTopicIdError));
    sessions
        .open(&request(id, 1, &[]), 13, now)
        .expect("the epoch was not spent");
    let other = sessions
        .open(&request(id, 0, &[1]), 13, now)
        .expect("replaced")
        .id();
    assert_ne!(id, other);
    let gone = sessions.open(&request(id, 2, &[]), 13, now).err();
    assert_eq!(gone, Some(ErrorCode::FetchSessionIdNotFound));
    assert_eq!((sessions.len(), next_epoch(i32::MAX)), (1, 1));
}

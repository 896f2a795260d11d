use bytes::Bytes;
use holdfast_wire::messages::TopicName;
use holdfast_wire::messages::fetch_request::ForgottenTopic;

use super::*;

/// Sessions with room for everything but in the tests of room.
fn sessions() -> FetchSessions {
    FetchSessions::within(2 << 30)
}

/// Sessions that may have so many partitions.
fn sessions_of(partitions: u64) -> FetchSessions {
    FetchSessions::within(partitions * BUDGET_PART * PARTITION_BYTES)
}

fn request(session: i32, epoch: i32, partitions: &[i32]) -> FetchRequest {
    request_of(StrBytes::from_static_str("t"), session, epoch, partitions)
}

fn request_of(name: StrBytes, session: i32, epoch: i32, partitions: &[i32]) -> FetchRequest {
    let partitions = partitions
        .iter()
        .map(|index| {
            FetchPartition::default()
                .with_partition(*index)
                .with_partition_max_bytes(100)
        })
        .collect();
    let topic = FetchTopic::default()
        .with_topic(TopicName(name))
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
    let wanted = context.wanted.iter();
    wanted.map(|wanted| wanted.partition).collect()
}

/// The partitions that are counted, which must be those that are there.
fn counted(sessions: &FetchSessions) -> usize {
    let sessions = sessions.sessions.lock();
    let kept = sessions.by_id.values();
    let there: usize = kept.map(|kept| kept.session.lock().order.len()).sum();
    assert_eq!(sessions.partitions, there);
    there
}

#[test]
fn a_session_remembers_partitions_and_tells_only_news() {
    let sessions = sessions();
    let now = Monotonic(0);
    let mut first = sessions
        .open(&request(0, 0, &[0, 1, 2]), 12, now)
        .expect("created");
    for wanted in first.take_wanted() {
        assert!(
            first.is_news(&wanted, &gathered(5, 0)),
            "a full answer tells everything"
        );
    }
    let empty = request(first.id(), 1, &[]);
    let mut second = sessions.open(&empty, 12, now).expect("continued");
    assert_eq!(partitions(&second), vec![0, 1, 2]);
    let wanted = second.take_wanted();
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
    let sessions = sessions();
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
    let sessions = sessions();
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
    let sessions = sessions();
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
        let sessions = sessions();
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
    let sessions = sessions();
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

#[test]
fn who_asks_for_more_than_a_session_may_have_goes_on_without_one() {
    let sessions = sessions();
    let now = Monotonic(0);
    let most: Vec<i32> = (0..LARGEST as i32).collect();
    let more: Vec<i32> = (0..=LARGEST as i32).collect();
    let without = sessions.open(&request(0, 0, &more), 12, now).unwrap();
    assert_eq!((without.id(), partitions(&without)), (0, more));
    assert!(sessions.is_empty());
    let with = sessions.open(&request(0, 0, &most), 12, now).unwrap();
    assert_eq!((with.id() != 0, partitions(&with)), (true, most));
    // One more for another is one too many: the session ends, and the next request is a full one.
    let swap = request(with.id(), 1, &[-1]).with_forgotten_topics_data(vec![
        ForgottenTopic::default()
            .with_topic(TopicName(StrBytes::from_static_str("t")))
            .with_partitions(vec![0]),
    ]);
    let swapped = sessions.open(&swap, 12, now).unwrap();
    assert_eq!(partitions(&swapped).len(), LARGEST);
    assert_eq!(counted(&sessions), LARGEST);
    let grown = sessions.open(&request(with.id(), 2, &[0]), 12, now);
    assert_eq!(grown.err(), Some(ErrorCode::FetchSessionIdNotFound));
    assert_eq!((sessions.len(), counted(&sessions)), (0, 0));
}

#[test]
fn idle_sessions_give_their_partitions_up_and_the_longest_unused_first() {
    let sessions = sessions_of(10);
    let at = |seconds| Monotonic(0).plus(Duration::from_secs(seconds));
    let open = |partitions: &[i32], seconds| {
        let request = request(0, 0, partitions);
        sessions.open(&request, 12, at(seconds)).unwrap().id()
    };
    let first = open(&[0, 1, 2, 3], 0);
    let second = open(&[0, 1, 2, 3], 1);
    assert_eq!(open(&[0, 1, 2], 2), 0, "nobody is idle");
    assert_eq!(counted(&sessions), 8);
    // It grows into what is left, and used again it is not the longest unused.
    sessions.open(&request(first, 1, &[4]), 12, at(3)).unwrap();
    let third = open(&[0, 1, 2], 1 + IDLE.as_secs());
    assert_ne!(third, 0);
    assert_eq!(counted(&sessions), 8);
    let gone = sessions.open(&request(second, 1, &[]), 12, at(125)).err();
    assert_eq!(gone, Some(ErrorCode::FetchSessionIdNotFound));
    // What the third wants more the first gives up; beyond that it has to end.
    let grown = request(third, 1, &[3, 4, 5, 6, 7, 8, 9]);
    assert!(sessions.open(&grown, 12, at(200)).is_ok());
    assert_eq!((sessions.len(), counted(&sessions)), (1, 10));
    let too_many = sessions.open(&request(third, 2, &[10]), 12, at(201)).err();
    assert_eq!(too_many, Some(ErrorCode::FetchSessionIdNotFound));
    assert_eq!(open(&[0; 11], 202), 0, "never fits");
    assert_eq!((sessions.len(), counted(&sessions)), (0, 0));
}

#[test]
fn the_names_of_a_session_are_no_slices_of_frames() {
    let sessions = sessions();
    let now = Monotonic(0);
    let frame = Bytes::from(vec![b'n'; 1000]);
    let inside = |name: &str| {
        let name = name.as_ptr() as usize;
        let start = frame.as_ptr() as usize;
        (start..start + frame.len()).contains(&name)
    };
    let sent = || StrBytes::from_utf8(frame.slice(10..20)).unwrap();
    let id = sessions
        .open(&request_of(sent(), 0, 0, &[0, 1]), 12, now)
        .unwrap()
        .id();
    let second = request_of(sent(), id, 1, &[1, 2]);
    let mut context = sessions.open(&second, 12, now).unwrap();
    let wanted = context.take_wanted();
    assert_eq!(wanted.len(), 3);
    // Whoever got records gets another place, under the name that is kept.
    assert!(context.is_news(&wanted[0], &gathered(5, 10)));
    let state = sessions.sessions.lock();
    let session = state.by_id[&id].session.lock();
    let topics = session.order.values().map(|entry| &entry.wanted.topic);
    let topics = topics.chain(session.places.keys().map(|(topic, _)| topic));
    let mut names = topics.map(|topic| match topic {
        TopicKey::Name(name) => name,
        TopicKey::Id(id) => panic!("{id}"),
    });
    assert!(names.all(|name| !inside(name)));
    assert!(inside(&sent()));
}

#[test]
fn a_name_that_no_topic_can_have_gets_no_session() {
    let sessions = sessions();
    let now = Monotonic(0);
    let long = || StrBytes::from_string("n".repeat(limits::TOPIC_NAME_LENGTH + 1));
    let without = sessions.open(&request_of(long(), 0, 0, &[0]), 12, now);
    let without = without.unwrap();
    assert_eq!((without.id(), partitions(&without)), (0, vec![0]));
    let id = sessions.open(&request(0, 0, &[0]), 12, now).unwrap().id();
    let grown = sessions.open(&request_of(long(), id, 1, &[0]), 12, now);
    assert_eq!(grown.err(), Some(ErrorCode::FetchSessionIdNotFound));
    assert_eq!(counted(&sessions), 0);
}

#[test]
fn what_a_session_forgot_takes_no_memory() {
    let sessions = sessions();
    let now = Monotonic(0);
    let many: Vec<i32> = (0..1000).collect();
    let id = sessions.open(&request(0, 0, &many), 12, now).unwrap().id();
    let forget = request(id, 1, &[]).with_forgotten_topics_data(vec![
        ForgottenTopic::default()
            .with_topic(TopicName(StrBytes::from_static_str("t")))
            .with_partitions(many[1..].to_vec()),
    ]);
    sessions.open(&forget, 12, now).unwrap();
    assert_eq!(counted(&sessions), 1);
    let state = sessions.sessions.lock();
    let session = state.by_id[&id].session.lock();
    assert!(session.places.capacity() < 100);
}

#[test]
fn an_ended_session_does_not_live_on_in_a_request_that_waits() {
    let sessions = sessions();
    let now = Monotonic(0);
    let mut waiting = sessions.open(&request(0, 0, &[0]), 12, now).unwrap();
    let end = request(waiting.id(), FINAL_EPOCH, &[]);
    sessions.open(&end, 12, now).unwrap();
    assert!(waiting.session.upgrade().is_none());
    let wanted = waiting.take_wanted();
    assert!(waiting.is_news(&wanted[0], &gathered(5, 0)));
}

#[test]
fn partitions_are_as_small_as_the_bound_assumes() {
    // Nodes of eleven entries hold six when they are filled in order; a table that has just doubled
    // is filled to seven sixteenths. The allocator rounds up by a quarter at most.
    let ordered = 11 * (size_of::<u64>() + size_of::<Entry>()) * 5 / 4 / 6;
    let places = (size_of::<((TopicKey, i32), u64)>() + 1) * 16 / 7;
    let name = limits::TOPIC_NAME_LENGTH + 7 + 32;
    let whole = ordered + places + name;
    assert!(whole as u64 <= PARTITION_BYTES, "{whole} bytes");
}

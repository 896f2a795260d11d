//! Topics: what creation decides about leaders, and what a dry run leaves behind.

use holdfast_model::ErrorCode;
use holdfast_model::internal_topic::CONSUMER_OFFSETS;

use super::*;

fn topic(assignment: &[i32]) -> NewTopic {
    NewTopic {
        id: TopicId(Uuid::from_u128(8)),
        name: "u".to_owned(),
        partitions: None,
        replication_factor: None,
        assignments: BTreeMap::from([(0, assignment.iter().copied().map(BrokerId).collect())]),
        configs: BTreeMap::new(),
    }
}

fn result(outcome: Outcome) -> Result<TopicCreated, ErrorCode> {
    match outcome {
        Outcome::TopicsCreated(mut results) => results.remove(0).map_err(|failure| failure.code),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_topic_on_fenced_brokers_alone_is_refused_because_it_could_never_have_a_leader() {
    let mut office = Office::of_three();
    office.pass(1_500, &[0, 1]);
    assert!(office.broker(2).fenced);
    let create = |assignment: &[i32]| Command::CreateTopics {
        topics: vec![topic(assignment)],
        validate_only: false,
    };
    let refused = result(office.ask(&create(&[2])));
    assert_eq!(refused, Err(ErrorCode::InvalidReplicaAssignment));
    assert!(result(office.ask(&create(&[2, 1]))).is_ok());
    let at = TopicPartition {
        topic: TopicId(Uuid::from_u128(8)),
        partition: 0,
    };
    let record = office.image.partition(at).expect("created");
    assert_eq!(record.leader, Some(BrokerId(1)));
    assert_eq!(
        record.isr.len(),
        1,
        "a fenced replica joins when it has caught up"
    );
}

#[test]
fn a_dry_run_answers_and_changes_nothing() {
    let mut office = Office::of_three();
    let before = office.image.clone();
    let command = Command::CreateTopics {
        topics: vec![topic(&[0, 1])],
        validate_only: true,
    };
    let created = result(office.ask(&command)).expect("would be created");
    assert_eq!((created.partitions, created.replication_factor), (1, 2));
    assert_eq!(office.image.topics, before.topics);
}

#[test]
fn schedule_12_a_deleted_topic_leaves_a_tombstone_with_its_id() {
    let mut office = Office::with_topic();
    let topics = vec![TopicReference::Name("t".to_owned())];
    office.ask(&Command::DeleteTopics { topics });
    assert!(office.image.partition(AT).is_none());
    assert!(office.image.deleted.contains_key(&AT.topic));
    assert!(office.controller.vacant().is_empty());
}

#[test]
fn a_batch_decided_on_another_image_is_skipped_as_a_whole() {
    let mut office = Office::with_topic();
    let mut draft = Draft::new(&office.image);
    let topics = vec![TopicReference::Name("t".to_owned())];
    office
        .controller
        .decide(&mut draft, &Command::DeleteTopics { topics }, office.now);
    let late = draft.into_batch(office.image.version);
    office.set_isr(&[0, 1]);
    assert!(!office.image.apply_batch(&late));
    assert!(office.image.partition(AT).is_some());
}

#[test]
fn dry_runs_of_settings_and_growth_change_nothing() {
    let mut office = Office::with_topic();
    let before = office.image.clone();
    let alterations = vec![AlterConfig {
        resource: ConfigResource::Topic("t".to_owned()),
        replace_all: false,
        operations: vec![(
            "retention.ms".to_owned(),
            ConfigOperation::Set("5".to_owned()),
        )],
    }];
    let outcome = office.ask(&Command::AlterConfigs {
        alterations,
        validate_only: true,
    });
    assert_eq!(outcome, Outcome::ConfigsAltered(vec![Ok(())]));
    let topics = vec![CreatePartitionsRequest {
        name: "t".to_owned(),
        count: 3,
        assignments: None,
    }];
    let outcome = office.ask(&Command::CreatePartitions {
        topics,
        validate_only: true,
    });
    assert_eq!(outcome, Outcome::PartitionsCreated(vec![Ok(())]));
    assert_eq!(office.image.topics, before.topics);
}

#[test]
fn the_offsets_topic_keeps_its_policy_and_its_number_of_partitions() {
    let mut office = Office::of_three();
    let mut own = topic(&[0, 1]);
    own.name = CONSUMER_OFFSETS.to_owned();
    let command = Command::CreateTopics {
        topics: vec![own],
        validate_only: false,
    };
    result(office.ask(&command)).expect("created");
    let policy = |office: &Office| {
        let topic = office.image.topic_by_name(CONSUMER_OFFSETS);
        topic.and_then(|topic| topic.configs.get("cleanup.policy").cloned())
    };
    assert_eq!(policy(&office).as_deref(), Some("compact"));
    let alter = |operation: Option<&ConfigOperation>, replace_all| Command::AlterConfigs {
        alterations: vec![AlterConfig {
            resource: ConfigResource::Topic(CONSUMER_OFFSETS.to_owned()),
            replace_all,
            operations: operation
                .map(|operation| ("cleanup.policy".to_owned(), operation.clone()))
                .into_iter()
                .collect(),
        }],
        validate_only: false,
    };
    let set = |value: &str| Some(ConfigOperation::Set(value.to_owned()));
    for (operation, fits) in [
        (set("delete"), false),
        (set(""), false),
        (set("compact"), true),
        (Some(ConfigOperation::Append("delete".to_owned())), false),
        (Some(ConfigOperation::Delete), true),
        (None, true),
    ] {
        for replace_all in [false, true] {
            let outcome = office.ask(&alter(operation.as_ref(), replace_all));
            let Outcome::ConfigsAltered(results) = outcome else {
                panic!("{operation:?}");
            };
            // Appended to nothing, it is what was set: refused all the same.
            assert_eq!(results[0].is_ok(), fits, "{operation:?} {replace_all}");
            assert_eq!(policy(&office).as_deref(), Some("compact"));
        }
    }
    let grow = Command::CreatePartitions {
        topics: vec![CreatePartitionsRequest {
            name: CONSUMER_OFFSETS.to_owned(),
            count: 9,
            assignments: None,
        }],
        validate_only: false,
    };
    let Outcome::PartitionsCreated(results) = office.ask(&grow) else {
        panic!("not an answer to growth");
    };
    let refused = results[0].as_ref().map_err(|failure| failure.code);
    assert_eq!(refused, Err(ErrorCode::InvalidRequest));
}

use std::collections::BTreeMap;

use holdfast_model::{BrokerEpoch, BrokerId, Incarnation, PartitionEpoch, TopicId};
use uuid::Uuid;

use super::*;
use crate::image::{BrokerRecord, Change, Endpoint, IsrMember, PartitionRecord};

const TOPIC: TopicId = TopicId(Uuid::from_u128(7));

const AT: TopicPartition = TopicPartition {
    topic: TOPIC,
    partition: 0,
};

fn disk(broker: i32) -> ReplicaId {
    ReplicaId {
        broker: BrokerId(broker),
        incarnation: Incarnation(100 + u64::from(broker.unsigned_abs())),
    }
}

fn member(broker: i32) -> IsrMember {
    IsrMember {
        replica: disk(broker),
        epoch: BrokerEpoch(5),
    }
}

/// Brokers 0, 1, 2 and one partition on all of them.
fn image(isr: &[i32], elr: &[i32]) -> ClusterImage {
    let mut image = ClusterImage {
        cluster_id: Some(ClusterId(Uuid::from_u128(1))),
        next_broker_epoch: BrokerEpoch(9),
        next_producer_id: 50,
        version: 30,
        ..ClusterImage::default()
    };
    for broker in 0..3 {
        image.apply(&Change::Admit(disk(broker)));
        image.apply(&Change::PutBroker(BrokerRecord {
            id: BrokerId(broker),
            incarnation: disk(broker).incarnation,
            start: StartNumber(3),
            process: 1,
            epoch: BrokerEpoch(5),
            rack: None,
            endpoints: Vec::new(),
            rpc: Endpoint {
                listener: "RPC".to_owned(),
                host: "h".to_owned(),
                port: 9192,
            },
            fenced: false,
            stopping: false,
            version: String::new(),
            max_feature_level: 2,
        }));
    }
    image.apply(&Change::PutTopic {
        id: TOPIC,
        name: "t".to_owned(),
        configs: BTreeMap::new(),
    });
    image.apply(&Change::PutPartition {
        at: AT,
        record: PartitionRecord {
            replicas: [0, 1, 2].map(BrokerId).to_vec(),
            leader: Some(BrokerId(0)),
            leader_registration: BrokerEpoch(5),
            leader_epoch: LeaderEpoch(4),
            isr: isr.iter().copied().map(member).collect(),
            elr: elr.iter().copied().map(member).collect(),
            min_isr: 2,
            partition_epoch: PartitionEpoch(6),
        },
    });
    image
}

fn copy(last_epoch: i32, log_end: i64, known: i64) -> Copy {
    Copy {
        at: AT,
        topic: "t".to_owned(),
        log_start: Offset(0),
        log_end: Offset(log_end),
        known_high_watermark: Offset(known),
        last_epoch: LeaderEpoch(last_epoch),
        accepted_epoch: LeaderEpoch(last_epoch),
        largest_producer_id: -1,
    }
}

fn described(broker: i32, index: u64, image: ClusterImage, copies: Vec<Copy>) -> Description {
    let members = (0..3).map(|broker| Member {
        replica: disk(broker),
        host: format!("h{broker}"),
        port: 9192,
        zone: None,
        votes: true,
    });
    Description {
        cluster: ClusterId(Uuid::from_u128(1)),
        recovery: RecoveryGeneration(0),
        replica: disk(broker),
        start: StartNumber(3),
        vote_term: 8,
        last_log: Some(Position { term: 2, index }),
        members: members.collect(),
        copies,
        image,
    }
}

fn one(isr: &[i32], elr: &[i32], copies: Vec<Copy>) -> Plan {
    plan(vec![described(2, 40, image(isr, elr), copies)]).expect("a plan")
}

#[test]
fn a_member_of_the_isr_holds_everything() {
    let plan = one(&[0, 1, 2], &[], vec![copy(4, 90, 80)]);
    let fate = &plan.partitions[0];
    assert_eq!(
        (fate.verdict, fate.source),
        (Verdict::Complete, Some(disk(2)))
    );
    assert_eq!(fate.may_lose_from, None);
    let record = plan.image.partition(AT).expect("the partition");
    assert_eq!(record.isr, [member(2)]);
    assert_eq!(record.leader, None);
    assert_eq!((plan.votes_described, plan.votes), (1, 3));
    assert_eq!(plan.position, Position { term: 9, index: 41 });
    let voters: Vec<ReplicaId> = plan.members.iter().map(|member| member.replica).collect();
    assert_eq!(voters, [disk(2)]);
}

#[test]
fn an_eligible_leader_holds_everything_too() {
    let plan = one(&[0], &[2], vec![copy(4, 90, 80)]);
    assert_eq!(plan.partitions[0].verdict, Verdict::CompleteEligible);
    let record = plan.image.partition(AT).expect("the partition");
    assert!(record.isr.is_empty());
    assert_eq!(record.elr, [member(2)]);
}

#[test]
fn a_copy_out_of_sync_may_lack_what_it_did_not_know_to_be_acknowledged() {
    let plan = one(&[0, 1], &[], vec![copy(4, 90, 80)]);
    let fate = &plan.partitions[0];
    assert_eq!(fate.verdict, Verdict::MayLose);
    assert_eq!(fate.may_lose_from, Some(Offset(80)));
    let record = plan.image.partition(AT).expect("the partition");
    assert_eq!(record.isr, [member(2)]);
}

/// A fourth and a fifth voter, so that two described ones are no majority.
fn of_five(mut described: Description) -> Description {
    for broker in [3, 4] {
        let another = Member {
            replica: disk(broker),
            ..described.members[0].clone()
        };
        described.members.push(another);
    }
    described
}

#[test]
fn a_member_of_whom_another_copy_knows_better_is_not_called_complete() {
    // The newest metadata has not heard that 1 left the ISR; the copy on 2 was acknowledged to 90.
    let member = of_five(described(1, 41, image(&[1], &[]), vec![copy(4, 70, 70)]));
    let better = of_five(described(2, 40, image(&[1], &[]), vec![copy(4, 95, 90)]));
    let plan = plan(vec![member, better]).expect("a plan");
    let fate = &plan.partitions[0];
    assert_eq!(
        (fate.verdict, fate.source),
        (Verdict::MayLose, Some(disk(2)))
    );
    assert_eq!(
        (fate.may_lose_from, fate.offline.len()),
        (Some(Offset(90)), 0)
    );
    let record = plan.image.partition(AT).expect("the partition");
    assert_eq!(record.isr[0].replica, disk(2));
    assert_eq!(record.isr.len(), 1);
}

#[test]
fn without_a_copy_a_partition_is_lost_and_nobody_leads_an_empty_one() {
    let plan = one(&[0, 1], &[], Vec::new());
    assert_eq!(plan.partitions[0].verdict, Verdict::Lost);
    let record = plan.image.partition(AT).expect("the partition");
    assert!(record.isr.is_empty() && record.elr.is_empty());
}

#[test]
fn a_member_of_the_isr_without_a_log_has_an_empty_one() {
    let plan = one(&[2], &[], Vec::new());
    assert_eq!(plan.partitions[0].verdict, Verdict::Complete);
}

#[test]
fn the_newest_metadata_counts_and_what_was_perhaps_committed_is_not_forgotten() {
    // Of five voters two are left; the newer of them knows that 2 has left the ISR.
    let old = described(2, 40, image(&[0, 1, 2], &[]), vec![copy(4, 90, 80)]);
    let newer = of_five(described(1, 41, image(&[0], &[]), vec![copy(5, 70, 70)]));
    let plan = plan(vec![old, newer]).expect("a plan");
    assert_eq!(plan.newest, disk(1));
    let fate = &plan.partitions[0];
    assert_eq!(fate.verdict, Verdict::MayLose);
    // The later epoch counts before the longer log; the other copy knows more than that one holds.
    assert_eq!((fate.source, fate.log_end), (Some(disk(1)), Offset(70)));
    assert_eq!(fate.offline, [disk(2)]);
    assert_eq!(plan.lost, [disk(0), disk(3), disk(4)]);
}

#[test]
fn everything_that_only_grows_starts_above_what_anybody_has_seen() {
    let mut held = copy(11, 90, 80);
    held.accepted_epoch = LeaderEpoch(12);
    held.largest_producer_id = 7_000;
    let plan = one(&[2], &[], vec![held]);
    let record = plan.image.partition(AT).expect("the partition");
    assert_eq!(record.leader_epoch, LeaderEpoch(12 + EPOCH_MARGIN));
    assert_eq!(record.partition_epoch, PartitionEpoch(6 + EPOCH_MARGIN));
    assert_eq!(plan.image.next_producer_id, 7_001 + PRODUCER_ID_MARGIN);
    assert_eq!(plan.image.next_broker_epoch, BrokerEpoch(9 + 1_000));
    assert_eq!(plan.image.version, 31);
}

#[test]
fn lost_disks_never_return_and_nobody_is_registered() {
    let plan = one(&[0, 1, 2], &[], vec![copy(4, 90, 80)]);
    let image = &plan.image;
    assert_eq!(plan.lost, [disk(0), disk(1)]);
    assert!(image.retired.contains_key(&disk(0)) && image.retired.contains_key(&disk(1)));
    let admitted: Vec<&BrokerId> = image.admitted.keys().collect();
    assert_eq!(admitted, [&BrokerId(2)]);
    assert!(image.brokers.values().all(|broker| broker.fenced));
    assert_eq!(
        (plan.from, plan.to),
        (RecoveryGeneration(0), RecoveryGeneration(1))
    );
}

#[test]
fn logs_of_unknown_topics_are_named() {
    let mut stray = copy(1, 5, 5);
    stray.at.topic = TopicId(Uuid::from_u128(9));
    let plan = one(&[2], &[], vec![copy(4, 9, 9), stray.clone()]);
    assert_eq!(plan.strays.len(), 1);
    assert_eq!(plan.strays[0].at, stray.at);
}

#[test]
fn descriptions_that_do_not_belong_together_make_no_plan() {
    let good = || described(2, 40, image(&[2], &[]), Vec::new());
    assert_eq!(plan(Vec::new()), Err(Error::Nothing));
    let other = Description {
        cluster: ClusterId(Uuid::from_u128(5)),
        ..described(1, 40, image(&[2], &[]), Vec::new())
    };
    assert!(matches!(
        plan(vec![good(), other]),
        Err(Error::OtherCluster { .. })
    ));
    let older = Description {
        recovery: RecoveryGeneration(1),
        ..described(1, 40, image(&[2], &[]), Vec::new())
    };
    assert!(matches!(
        plan(vec![good(), older]),
        Err(Error::OtherGeneration { .. })
    ));
    assert!(matches!(
        plan(vec![good(), good()]),
        Err(Error::Twice { .. })
    ));
    let blank = Description {
        last_log: None,
        ..good()
    };
    assert_eq!(plan(vec![blank]), Err(Error::Blank(disk(2))));
    let back = Description {
        start: StartNumber(2),
        ..good()
    };
    assert!(matches!(plan(vec![back]), Err(Error::RolledBack { .. })));
    let mut waits = good();
    waits.image.admitted.remove(&BrokerId(2));
    assert!(matches!(plan(vec![waits]), Err(Error::NotAdmitted { .. })));
    let second = described(1, 40, image(&[2], &[]), Vec::new());
    let needless = plan(vec![good(), second]);
    assert_eq!(
        needless,
        Err(Error::NotNeeded {
            there: 2,
            voters: 3
        })
    );
}

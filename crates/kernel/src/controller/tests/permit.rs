//! The restart permit: the rules, and the way to the grant.

mod ends;
mod forced;

use std::collections::BTreeSet;

use holdfast_model::ErrorCode;

use super::*;
use crate::image::{
    Change, MAX_PERMIT_BROKERS, PermitEnd, PermitId, PermitOutcome, PermitPurpose, PermitRecord,
    PermitStage,
};

/// What the holder "op" asks for.
fn request(brokers: &[i32]) -> PermitRequest {
    PermitRequest {
        holder: "op".to_owned(),
        reason: "a test".to_owned(),
        purpose: PermitPurpose::Restart,
        brokers: brokers.iter().map(|id| BrokerId(*id)).collect(),
        allow_unavailable: BTreeSet::new(),
        ttl_ms: 60_000,
        force: false,
    }
}

fn refused(outcome: Outcome) -> Vec<PermitObstacle> {
    match outcome {
        Outcome::PermitRefused(obstacles) => obstacles,
        other => panic!("{other:?} is no refusal of a permit"),
    }
}

fn below(left: usize) -> Vec<PermitObstacle> {
    vec![PermitObstacle::BelowMin {
        topic: "t".to_owned(),
        partition: 0,
        left,
        needed: 2,
    }]
}

impl Office {
    /// One partition on three brokers in sync, all of them voters that answer, and a controller that
    /// has heard from each.
    fn with_voters() -> Self {
        let mut office = Self::with_topic();
        office.see_voters(&[0, 1, 2]);
        office.pass(500, &[0, 1, 2]);
        office
    }

    /// These voters of three answer.
    fn see_voters(&mut self, answer: &[i32]) {
        let voters = (0..3).map(|id| (disk(id, 1), answer.contains(&id)));
        self.controller.set_quorum_view(QuorumView {
            voters: voters.collect(),
        });
    }

    fn acquire(&mut self, request: &PermitRequest) -> Outcome {
        self.ask(&Command::AcquirePermit(request.clone()))
    }

    /// The broker's permit, granted.
    fn granted(&mut self, request: &PermitRequest) -> PermitId {
        let outcome = self.acquire(request);
        let Outcome::Permit(record) = outcome else {
            panic!("{outcome:?}");
        };
        self.tick();
        assert_eq!(self.stage(), Some(PermitStage::Granted));
        record.id
    }

    fn permit(&self) -> &PermitRecord {
        self.image.permit.as_ref().expect("a permit has the slot")
    }

    fn stage(&self) -> Option<PermitStage> {
        self.image.permit.as_ref().map(|permit| permit.stage)
    }

    fn last_end(&self) -> &PermitEnd {
        self.image
            .permit_history
            .back()
            .expect("a permit has ended")
    }

    fn last_outcome(&self) -> PermitOutcome {
        self.last_end().end
    }
}

#[test]
fn leaders_leave_first_and_members_stay_until_the_broker_stops() {
    let mut office = Office::with_voters();
    let version = office.image.version;
    let outcome = office.acquire(&request(&[0]));
    let record = office.permit().clone();
    assert_eq!(outcome, Outcome::Permit(record.clone()));
    assert_eq!(record.stage, PermitStage::Draining);
    assert_eq!(office.image.version, version + 1, "one commit");
    assert_eq!((office.leader(), office.isr()), (Some(1), vec![0, 1, 2]));
    office.tick();
    assert_eq!(office.stage(), Some(PermitStage::Granted));
    assert_eq!(office.isr(), [0, 1, 2]);
    assert_eq!(office.permit().brokers[0].epoch, office.broker(0).epoch);
    assert_eq!(office.permit().forced, Vec::<String>::new());
}

#[test]
fn a_partition_that_would_fall_below_its_minimum_refuses() {
    let mut office = Office::with_voters();
    office.set_isr(&[0, 1]);
    for broker in [0, 1] {
        let obstacles = refused(office.acquire(&request(&[broker])));
        assert_eq!(obstacles, below(1), "broker {broker}");
    }
    assert_eq!(
        below(1)[0].to_string(),
        "t/0 would have 1 in-sync replicas on other live brokers and needs 2"
    );
    assert_eq!(office.image.permit, None);
    // Broker 2 is catching up, and the others are enough without it.
    office.granted(&request(&[2]));
}

#[test]
fn a_broker_that_catches_up_where_too_few_are_in_sync_is_not_stopped() {
    let mut office = Office::with_voters();
    office.set_isr(&[0]);
    assert_eq!(refused(office.acquire(&request(&[2]))), below(1));
}

#[test]
fn who_is_silent_fenced_or_about_to_stop_is_not_counted() {
    let mut office = Office::with_voters();
    let sessions = office.controller.sessions_mut();
    sessions.refuses_connections(BrokerId(1));
    assert_eq!(office.isr(), [0, 1, 2], "the image does not show it yet");
    assert_eq!(refused(office.acquire(&request(&[0]))), below(1));
    office.beat(&[1]);
    let (broker, broker_epoch) = (BrokerId(1), office.broker(1).epoch);
    office.ask(&Command::Shutdown {
        broker,
        broker_epoch,
    });
    assert_eq!(refused(office.acquire(&request(&[0]))), below(1));
}

#[test]
fn a_member_that_restarted_since_it_joined_is_not_counted() {
    let mut office = Office::with_voters();
    let mut record = office.record().clone();
    record.isr[1].epoch = BrokerEpoch(0);
    record.partition_epoch = record.partition_epoch.next();
    office.image.apply(&Change::PutPartition { at: AT, record });
    assert_eq!(refused(office.acquire(&request(&[0]))), below(1));
}

#[test]
fn a_broker_that_is_down_may_be_restarted_whatever_is_left() {
    let mut office = Office::with_voters();
    office.pass(1_500, &[0, 1]);
    office.set_isr(&[0]);
    assert!(office.broker(2).fenced);
    office.granted(&request(&[2]));
}

#[test]
fn several_brokers_stop_together_in_one_zone_only() {
    let mut office = Office::with_voters();
    let mixed = |office: &mut Office| refused(office.acquire(&request(&[1, 2])))[0].clone();
    let no_zone = mixed(&mut office);
    assert!(matches!(no_zone, PermitObstacle::ZonesMixed { .. }));
    office.put_zone(1, "a");
    office.put_zone(2, "b");
    assert_eq!(
        mixed(&mut office).to_string(),
        "several brokers stop together only if all are in one zone, and they are in a (1), b (2)"
    );
    office.put_zone(2, "a");
    office.see_voters(&[0, 1, 2]);
    let quorum = PermitObstacle::Quorum {
        voters: 3,
        left: 1,
        majority: 2,
    };
    let mut expected = vec![quorum];
    expected.extend(below(1));
    assert_eq!(refused(office.acquire(&request(&[2, 1, 2]))), expected);
}

impl Office {
    fn put_zone(&mut self, broker: i32, zone: &str) {
        let mut record = self.broker(broker).clone();
        record.rack = Some(zone.to_owned());
        self.image.apply(&Change::PutBroker(record));
    }
}

#[test]
fn voters_that_answer_and_stay_must_be_a_majority() {
    let mut office = Office::with_voters();
    office.see_voters(&[0, 1]);
    let obstacles = refused(office.acquire(&request(&[0])));
    assert_eq!(
        obstacles[0].to_string(),
        "1 of 3 voters would be left, and 2 are a majority"
    );
    // Nobody told this controller who votes.
    office.controller.set_quorum_view(QuorumView::default());
    let obstacles = refused(office.acquire(&request(&[0])));
    assert!(matches!(obstacles[0], PermitObstacle::Quorum { .. }));
    office.see_voters(&[0, 1]);
    office.granted(&request(&[2]));
}

#[test]
fn topics_that_are_allowed_to_be_unavailable_do_not_refuse_and_keep_their_leader() {
    let mut office = Office::with_voters();
    office.set_isr(&[0]);
    let mut wanted = request(&[0]);
    wanted.allow_unavailable.insert("t".to_owned());
    office.granted(&wanted);
    assert_eq!(office.leader(), Some(0), "nobody else could lead");
}

#[test]
fn the_slot_is_for_one_permit_and_its_holder_asks_again() {
    let mut office = Office::with_voters();
    office.acquire(&request(&[0]));
    let version = office.image.version;
    let again = office.acquire(&request(&[0]));
    assert_eq!(again, Outcome::Permit(office.permit().clone()));
    assert_eq!(office.image.version, version + 1, "nothing but a tick");
    let taken = refused(office.acquire(&request(&[1])));
    assert_eq!(
        taken[0].to_string(),
        "permit 1 of op for broker 0 has the slot and is draining"
    );
    let mut other = request(&[0]);
    other.holder = "somebody".to_owned();
    other.force = true;
    assert_eq!(refused(office.acquire(&other)).len(), 1, "force or not");
    let mut park = request(&[0]);
    park.purpose = PermitPurpose::Park;
    assert_eq!(refused(office.acquire(&park)).len(), 1, "another purpose");
}

#[test]
fn the_rules_are_asked_again_once_leaders_have_moved() {
    let mut office = Office::with_voters();
    office.acquire(&request(&[0]));
    office.set_isr(&[0, 1]);
    office.tick();
    assert_eq!(office.image.permit, None);
    let end = office.last_end();
    assert_eq!(end.end, PermitOutcome::Cancelled);
    assert_eq!(end.because, [below(1)[0].to_string()]);
    // Leaders may come back.
    office.set_isr(&[0, 1, 2]);
    office.pass(20_000, &[0, 1, 2]);
    assert_eq!(office.leader(), Some(0));
    assert_eq!(office.granted(&request(&[0])), PermitId(2));
}

#[test]
fn the_first_permit_has_number_one_also_in_an_image_that_counts_from_nought() {
    let mut office = Office::with_voters();
    assert_eq!(office.image.next_permit, 0, "as images always began");
    office.acquire(&request(&[0]));
    assert_eq!(office.permit().id, PermitId(1));
    assert_eq!(office.image.next_permit, 2);
    // Whoever has one with number 0 keeps it, and the next one is the first.
    let mut older = Office::with_voters();
    let record = PermitRecord {
        id: PermitId(0),
        ..office.permit().clone()
    };
    older.image.apply(&Change::PutPermit(record));
    assert_eq!(
        (older.permit().id, older.image.next_permit),
        (PermitId(0), 1)
    );
}

#[test]
fn many_leaders_move_in_several_commits() {
    let mut office = Office::with_voters();
    let replicas = [0, 1, 2].map(BrokerId).to_vec();
    let topic = NewTopic {
        id: TopicId(Uuid::from_u128(8)),
        name: "many".to_owned(),
        partitions: None,
        replication_factor: None,
        assignments: (0..6_000).map(|index| (index, replicas.clone())).collect(),
        configs: BTreeMap::new(),
    };
    let outcome = office.ask(&Command::CreateTopics {
        topics: vec![topic],
        validate_only: false,
    });
    assert!(matches!(&outcome, Outcome::TopicsCreated(made) if made[0].is_ok()));
    let led = |office: &Office| {
        let topics = office.image.topics.iter();
        let records = topics.flat_map(|(_, topic)| topic.partitions.iter());
        records.filter(|r| r.leader == Some(BrokerId(0))).count()
    };
    assert_eq!(led(&office), 6_001);
    office.acquire(&request(&[0]));
    assert_eq!(led(&office), 1_001);
    office.tick();
    assert_eq!(
        (led(&office), office.stage()),
        (0, Some(PermitStage::Draining))
    );
    office.tick();
    assert_eq!(office.stage(), Some(PermitStage::Granted));
}

#[test]
fn nobody_gives_leaderships_to_a_broker_that_is_about_to_stop() {
    let mut office = Office::with_voters();
    office.pass(20_000, &[0, 1, 2]);
    office.granted(&request(&[1]));
    let (broker, broker_epoch) = (BrokerId(0), office.broker(0).epoch);
    office.ask(&Command::Resign {
        broker,
        broker_epoch,
        partitions: vec![(AT, office.record().leader_epoch)],
    });
    assert_eq!((office.leader(), office.isr()), (Some(2), vec![1, 2]));
    // Where it alone is left, it leads.
    let (broker, broker_epoch) = (BrokerId(2), office.broker(2).epoch);
    office.ask(&Command::Resign {
        broker,
        broker_epoch,
        partitions: vec![(AT, office.record().leader_epoch)],
    });
    assert_eq!(office.leader(), Some(1));
}

#[test]
fn the_preferred_leader_does_not_come_back_under_a_permit() {
    let mut office = Office::with_voters();
    office.granted(&request(&[0]));
    office.pass(30_000, &[0, 1, 2]);
    assert_eq!(office.leader(), Some(1));
}

#[test]
fn a_grant_that_a_later_decision_of_the_same_commit_spoils_is_taken_back() {
    let mut office = Office::with_voters();
    office.acquire(&request(&[0]));
    let mut draft = office.controller.tick(&office.image, office.now);
    assert!(draft.grants());
    let command = Command::AcquirePermit(request(&[0]));
    let outcome = office.controller.decide(&mut draft, &command, office.now);
    let Outcome::Permit(record) = outcome else {
        panic!("{outcome:?}");
    };
    assert_eq!(
        record.stage,
        PermitStage::Draining,
        "no answer promises what is not agreed on"
    );
    let shrink = Command::AlterIsr {
        broker: BrokerId(1),
        broker_epoch: office.broker(1).epoch,
        proposals: vec![(AT, office.proposal(&[0, 1]))],
    };
    office.controller.decide(&mut draft, &shrink, office.now);
    assert!(!draft.grants());
    office.agree(draft);
    assert_eq!(office.stage(), Some(PermitStage::Draining));
    office.tick();
    assert_eq!(office.last_outcome(), PermitOutcome::Cancelled);
}

#[test]
fn a_new_controller_goes_on_with_the_permit_it_finds() {
    let mut office = Office::with_voters();
    let mut wanted = request(&[0]);
    wanted.ttl_ms = 5_000;
    office.acquire(&wanted);
    office.succeed();
    office.see_voters(&[0, 1, 2]);
    assert_eq!(refused(office.acquire(&request(&[1]))).len(), 1);
    office.tick();
    assert_eq!(
        office.stage(),
        Some(PermitStage::Draining),
        "it has heard from nobody yet"
    );
    office.pass(500, &[0, 1, 2]);
    assert_eq!(office.stage(), Some(PermitStage::Granted));
    office.pass(4_000, &[0, 1, 2]);
    office.succeed();
    office.see_voters(&[0, 1, 2]);
    office.pass(4_000, &[0, 1, 2]);
    assert_eq!(
        office.stage(),
        Some(PermitStage::Granted),
        "time counts anew"
    );
    let again = office.acquire(&wanted);
    assert_eq!(again, Outcome::Permit(office.permit().clone()));
}

#[test]
fn a_controller_that_has_not_heard_from_all_says_so() {
    let mut office = Office::with_voters();
    office.succeed();
    office.see_voters(&[0, 1, 2]);
    let obstacles = refused(office.acquire(&request(&[0])));
    assert_eq!(obstacles, [PermitObstacle::JustInOffice]);
}

#[test]
fn permits_need_their_feature_level() {
    let mut office = Office::with_voters();
    office.image.feature_level = 1;
    let outcome = office.acquire(&request(&[0]));
    assert_eq!(refusal(&outcome), ErrorCode::UnsupportedVersion);
    office.ask(&Command::RaiseFeatureLevel { level: 2 });
    office.granted(&request(&[0]));
}

#[test]
fn requests_are_bounded() {
    let mut office = Office::with_voters();
    let mut wrong = vec![request(&[]); 5];
    wrong[0].brokers = (0..=MAX_PERMIT_BROKERS as i32).map(BrokerId).collect();
    wrong[1].brokers.clear();
    wrong[2] = PermitRequest {
        holder: "h".repeat(129),
        ..request(&[0])
    };
    wrong[3] = PermitRequest {
        allow_unavailable: ["no topic name".to_owned()].into(),
        ..request(&[0])
    };
    wrong[4] = PermitRequest {
        ttl_ms: 0,
        ..request(&[0])
    };
    for request in wrong {
        let outcome = office.acquire(&request);
        assert_eq!(refusal(&outcome), ErrorCode::InvalidRequest, "{request:?}");
    }
}

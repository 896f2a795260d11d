//! What stands against a disk.

use super::*;

#[test]
fn the_disk_of_a_live_broker_is_not_replaced() {
    let mut office = Office::with_topic();
    let words = Controller::hindrance(&office.image, disk(1, 2)).expect("broker 1 is alive");
    assert!(
        words.contains("disk 1@0000000000000001 is in use"),
        "{words}"
    );
    assert_eq!(Controller::hindrance(&office.image, disk(1, 1)), None);
    office.pass(1_500, &[0, 2]);
    assert_eq!(Controller::hindrance(&office.image, disk(1, 2)), None);
}

#[test]
fn a_new_broker_may_always_come() {
    let office = Office::with_topic();
    assert_eq!(Controller::hindrance(&office.image, disk(7, 5)), None);
    assert!(Controller::hindrance(&office.image, disk(7, 0)).is_some());
}

#[test]
fn a_replaced_disk_never_returns() {
    let mut office = Office::with_topic();
    office.pass(1_500, &[0, 2]);
    office.ask(&Command::Admit(disk(1, 2)));
    office.ask(&Command::Register(registration(1, 2, 1, 1)));
    let words = Controller::hindrance(&office.image, disk(1, 1)).expect("retired");
    assert!(words.contains("never returns"), "{words}");
}

fn without_eligible(office: &mut Office) {
    office.image.apply(&Change::PutPartition {
        at: AT,
        record: PartitionRecord {
            elr: Vec::new(),
            partition_epoch: office.record().partition_epoch.next(),
            ..office.record().clone()
        },
    });
}

#[test]
fn a_disk_that_was_seen_twice_is_admitted_again_only_if_nobody_else_holds_what_it_held() {
    let mut office = Office::with_topic();
    office.pass(1_500, &[0, 1]);
    office.pass(1_500, &[0]);
    office.pass(1_500, &[]);
    // Another process with the start number of broker 0: its disk is a copy.
    office.ask(&Command::Register(registration(0, 1, 1, 77)));
    let words = Controller::hindrance(&office.image, disk(0, 1)).expect("a copy");
    assert!(words.contains("rolled back or cloned"), "{words}");
    without_eligible(&mut office);
    assert_eq!(Controller::hindrance(&office.image, disk(0, 1)), None);
    let outcome = office.ask(&Command::Register(registration(0, 1, 2, 78)));
    assert!(matches!(outcome, Outcome::Failed(_)), "{outcome:?}");
    office.ask(&Command::Admit(disk(0, 1)));
    let outcome = office.ask(&Command::Register(registration(0, 1, 2, 78)));
    assert!(matches!(outcome, Outcome::Registered(_)), "{outcome:?}");
}

#[test]
fn the_last_holder_of_a_partition_is_not_given_up() {
    let mut office = Office::with_topic();
    office.pass(1_500, &[0, 1]);
    // Below the minimum of two the one that leaves stays eligible.
    office.pass(1_500, &[0]);
    assert_eq!((office.isr(), office.eligible()), (vec![0], vec![1]));
    office.pass(1_500, &[]);
    assert_eq!(Controller::hindrance(&office.image, disk(0, 2)), None);
    without_eligible(&mut office);
    let words = Controller::hindrance(&office.image, disk(0, 2)).expect("the last holder");
    assert!(
        words.contains("alone holds what was acknowledged in t/0;"),
        "{words}"
    );
}

#[test]
fn a_disk_renews_itself_only_in_the_place_of_the_disk_that_the_cluster_knows() {
    let mut office = Office::with_topic();
    office.pass(1_500, &[0, 2]);
    let hindrance = |office: &Office, new, old| {
        Controller::hindrance_to_renewal(&office.image, disk(1, new), Incarnation(old))
    };
    assert_eq!(hindrance(&office, 2, 1), None);
    // Somebody formatted another disk in its place meanwhile.
    office.ask(&Command::Admit(disk(1, 5)));
    let words = hindrance(&office, 2, 1).expect("not the one that is known");
    assert!(words.contains("a person decides"), "{words}");
    // That one may be damaged in turn, before it ever registered; and asking again is no other wish.
    assert_eq!(hindrance(&office, 6, 5), None);
    assert_eq!(hindrance(&office, 5, 1), None);
    let never = Controller::hindrance_to_renewal(&office.image, disk(7, 2), Incarnation(1));
    assert!(never.is_some());
}

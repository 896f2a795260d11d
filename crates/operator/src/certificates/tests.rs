use holdfast_model::ClusterId;
use uuid::Uuid;

use super::*;

const DAY: u64 = 24 * 3600;

fn at(days: u64) -> UnixTime {
    UnixTime::since_unix_epoch(Duration::from_secs(1_700_000_000 + days * DAY))
}

fn cluster() -> ClusterId {
    ClusterId(Uuid::from_u128(7))
}

fn brokers(ids: &[i32]) -> Names {
    ids.iter()
        .map(|id| (*id, vec![format!("b-{id}.example.com")]))
        .collect()
}

/// What an act makes of what there is.
fn act(kept: &Kept, ids: &[i32], now: UnixTime) -> Kept {
    let mut kept = kept.clone();
    if let Some(authority) = rotated(cluster(), &kept, now).unwrap() {
        kept.authority = authority;
    }
    let life = Duration::from_secs(90 * DAY);
    issued(cluster(), &kept, &brokers(ids), life, now).unwrap()
}

fn count(pem: &str) -> usize {
    pem.matches("BEGIN CERTIFICATE").count()
}

#[test]
fn what_is_good_stays_and_a_new_broker_gets_its_own() {
    let first = act(&Kept::default(), &[1000, 2000], at(0));
    assert_eq!(certified(cluster(), &first, at(0)), [1000, 2000]);
    let second = act(&first, &[1000, 2000, 3000], at(1));
    assert_eq!(second.authority, first.authority);
    assert_eq!(second.brokers["1000.crt"], first.brokers["1000.crt"]);
    assert_eq!(second.people, first.people);
    assert_eq!(certified(cluster(), &second, at(1)), [1000, 2000, 3000]);
    assert_eq!(act(&second, &[1000, 2000, 3000], at(2)), second);
}

#[test]
fn certificates_are_renewed_at_two_thirds_of_their_life() {
    let first = act(&Kept::default(), &[1000], at(0));
    assert_eq!(certified(cluster(), &first, at(59)), [1000]);
    assert!(certified(cluster(), &first, at(61)).is_empty());
    let second = act(&first, &[1000], at(61));
    assert_ne!(second.brokers["1000.crt"], first.brokers["1000.crt"]);
    assert_ne!(second.people["tls.crt"], first.people["tls.crt"]);
    assert_eq!(certified(cluster(), &second, at(61)), [1000]);
}

#[test]
fn an_authority_is_trusted_everywhere_before_it_issues() {
    let old = act(&Kept::default(), &[1000], at(0));
    // Two thirds of ten years.
    let due = 2434;
    let old = act(&old, &[1000], at(due - 10));
    assert!(certified(cluster(), &old, at(due)).is_empty());
    let both = act(&old, &[1000], at(due));
    assert_eq!(both.authority["tls.crt"], old.authority["tls.crt"]);
    assert_eq!(both.brokers["1000.crt"], old.brokers["1000.crt"]);
    assert_eq!(count(&both.brokers["ca.crt"]), 2);
    // Nothing more for an hour.
    assert_eq!(certified(cluster(), &both, at(due)), [1000]);

    let later = at(due + 1);
    assert!(certified(cluster(), &both, later).is_empty());
    let new = act(&both, &[1000], later);
    assert_eq!(new.authority["tls.crt"], both.authority["next.crt"]);
    assert!(!new.authority.contains_key("next.crt"));
    assert_ne!(new.brokers["1000.crt"], both.brokers["1000.crt"]);
    assert_eq!(count(&new.brokers["ca.crt"]), 2);
    assert_eq!(certified(cluster(), &new, later), [1000]);
    // The old one leaves when it has expired.
    let end = act(&new, &[1000], at(3651));
    assert_eq!(count(&end.brokers["ca.crt"]), 1);
}

#[test]
fn a_broken_authority_is_not_replaced() {
    let mut kept = act(&Kept::default(), &[1000], at(0));
    kept.authority
        .insert("tls.key".to_owned(), "broken".to_owned());
    assert!(matches!(
        rotated(cluster(), &kept, at(0)),
        Err(Error::Person(_))
    ));
    kept.authority.remove("tls.key");
    assert!(matches!(
        rotated(cluster(), &kept, at(0)),
        Err(Error::Person(_))
    ));
}

#[test]
fn a_foreign_authority_is_used_and_never_written() {
    let own = act(&Kept::default(), &[], at(0));
    let foreign = Kept {
        is_foreign: true,
        ..own
    };
    assert_eq!(rotated(cluster(), &foreign, at(3000)).unwrap(), None);
    let missing = Kept {
        is_foreign: true,
        ..Kept::default()
    };
    assert!(matches!(
        rotated(cluster(), &missing, at(0)),
        Err(Error::Person(_))
    ));
    // Somebody replaced it: both are trusted, and the new one issues.
    let before = act(&foreign, &[1000], at(0));
    let other = act(&Kept::default(), &[], at(0));
    let replaced = Kept {
        authority: other.authority,
        ..before
    };
    assert!(certified(cluster(), &replaced, at(0)).is_empty());
    let after = act(&replaced, &[1000], at(0));
    assert_eq!(count(&after.brokers["ca.crt"]), 2);
    assert_eq!(certified(cluster(), &after, at(0)), [1000]);
}

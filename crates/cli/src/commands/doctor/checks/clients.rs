//! What clients do that may cost records: one finding for each kind and topic or group.

use std::collections::{BTreeMap, BTreeSet};

use holdfast_rpc::proto::admin::{ClientHabit, HabitKind};

use super::super::{Finding, Severity};
use super::list_of;

pub(super) fn findings(habits: &[ClientHabit]) -> Vec<Finding> {
    let mut whose: BTreeMap<(HabitKind, &str), BTreeSet<String>> = BTreeMap::new();
    for habit in habits {
        let who = match habit.client_id.as_str() {
            "" => format!("one without a name at {}", habit.address),
            name => name.to_owned(),
        };
        whose
            .entry((habit.kind(), &habit.what))
            .or_default()
            .insert(who);
    }
    let found = whose.into_iter().filter_map(|((kind, what), clients)| {
        let clients = list_of(clients.into_iter().collect());
        finding(kind, what, &clients)
    });
    found.collect()
}

fn finding(kind: HabitKind, what: &str, clients: &str) -> Option<Finding> {
    let (severity, text, why, mend) = match kind {
        // A newer broker knows more.
        HabitKind::Unspecified => return None,
        HabitKind::Unacknowledged => (
            Severity::Problem,
            format!("topic {what} is written with acks=0 by {clients}"),
            "the client never learns that a record was lost",
            "set acks=all, the default of Kafka's clients since 3.0",
        ),
        HabitKind::LeaderOnly => (
            Severity::Problem,
            format!("topic {what} is written with acks=1 by {clients}"),
            "a record is lost with its leader although the client was told that it is there",
            "set acks=all, the default of Kafka's clients since 3.0",
        ),
        HabitKind::NotIdempotent => (
            Severity::Warning,
            format!("topic {what} is written without idempotence by {clients}"),
            "what the client sends again after a lost answer is there twice, or in another order",
            "set enable.idempotence=true",
        ),
        HabitKind::AutoCommit => (
            Severity::Warning,
            format!("group {what} seems to be committed for by itself, by {clients}"),
            "a record counts as read although working on it may have failed",
            "set enable.auto.commit=false, and commit what was worked on",
        ),
    };
    Some(Finding {
        severity,
        what: text,
        why,
        mend: mend.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn habit(kind: HabitKind, what: &str, client: &str) -> ClientHabit {
        ClientHabit {
            client_id: client.to_owned(),
            address: "10.0.0.1".to_owned(),
            kind: kind.into(),
            what: what.to_owned(),
            last_seen_ms: 1,
        }
    }

    #[test]
    fn each_topic_and_group_is_named_once_with_whoever_endangers_it() {
        let habits = [
            habit(HabitKind::LeaderOnly, "orders", "app"),
            habit(HabitKind::LeaderOnly, "orders", "app"),
            habit(HabitKind::LeaderOnly, "orders", ""),
            habit(HabitKind::Unacknowledged, "clicks", "web"),
            habit(HabitKind::AutoCommit, "billing", "job"),
            habit(HabitKind::Unspecified, "orders", "app"),
        ];
        let found = findings(&habits);
        let what: Vec<&str> = found.iter().map(|one| one.what.as_str()).collect();
        assert_eq!(
            what,
            [
                "topic clicks is written with acks=0 by web",
                "topic orders is written with acks=1 by app, one without a name at 10.0.0.1",
                "group billing seems to be committed for by itself, by job",
            ]
        );
        assert_eq!(found[2].severity, Severity::Warning);
        assert!(findings(&[]).is_empty());
    }
}

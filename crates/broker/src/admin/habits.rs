//! What clients were seen to do that may cost records.

use holdfast_rpc::proto::admin::{ClientHabit, HabitKind, ListClientHabitsReply};

use super::AdminApi;
use crate::habits::{Habit, Seen};

impl AdminApi {
    pub(super) fn habits(&self) -> ListClientHabitsReply {
        let seen = self.state.habits.list(self.state.clock.monotonic());
        ListClientHabitsReply {
            habits: seen.into_iter().map(shown).collect(),
        }
    }
}

fn shown(seen: Seen) -> ClientHabit {
    let (kind, what) = match seen.habit {
        Habit::Unacknowledged(topic) => (HabitKind::Unacknowledged, topic),
        Habit::LeaderOnly(topic) => (HabitKind::LeaderOnly, topic),
        Habit::Twice(topic) => (HabitKind::NotIdempotent, topic),
        Habit::AutoCommit(group) => (HabitKind::AutoCommit, group),
    };
    ClientHabit {
        client_id: seen.client.to_string(),
        address: seen.address.to_string(),
        kind: kind.into(),
        what: what.to_string(),
        last_seen_ms: seen.last_ms,
    }
}

//! Sends clients away that a broker which hears from nobody cannot help.
//!
//! Such a broker names no leader for what it steps aside from, and cannot know who leads by now. A client
//! that asks again is told the same for as long as the links are cut: librdkafka and Java's clients ask a
//! broker that they are connected to, and connect to no other while they have one. So the answer is given
//! once on each connection, for those who only want to see; whoever comes back for a better one finds the
//! connection closed, and looks for another broker.

use std::sync::atomic::{AtomicBool, Ordering};

use holdfast_model::ErrorCode;
use holdfast_wire::messages::{FindCoordinatorResponse, MetadataResponse, ResponseKind};

/// No broker, as Kafka writes it.
const NOBODY: i32 = -1;

/// What a connection was told while this broker heard from nobody.
#[derive(Debug, Default)]
pub struct ToldOfNobody(AtomicBool);

impl ToldOfNobody {
    /// Looks at an answer before it is sent.
    ///
    /// # Errors
    /// It names nobody, as one before it on this connection did, while this broker is isolated: the
    /// connection ends.
    pub fn again(&self, isolated: bool, answer: &ResponseKind) -> Result<(), String> {
        // A large cluster has many partitions: they are looked through only while this may matter.
        let now = match answer {
            ResponseKind::Metadata(metadata) => isolated && lacks_leaders(metadata),
            ResponseKind::FindCoordinator(found) => isolated && lacks_coordinators(found),
            _ => return Ok(()),
        };
        if self.0.swap(now, Ordering::Relaxed) && now {
            return Err("this broker hears from no other: others know who leads".to_owned());
        }
        Ok(())
    }
}

fn lacks_leaders(answer: &MetadataResponse) -> bool {
    let mut partitions = answer.topics.iter().flat_map(|topic| &topic.partitions);
    partitions.any(|partition| partition.leader_id.0 == NOBODY)
}

fn lacks_coordinators(answer: &FindCoordinatorResponse) -> bool {
    let none = ErrorCode::CoordinatorNotAvailable.code();
    answer.error_code == none || answer.coordinators.iter().any(|one| one.error_code == none)
}

#[cfg(test)]
mod tests {
    use holdfast_wire::messages::BrokerId;
    use holdfast_wire::messages::find_coordinator_response::Coordinator;
    use holdfast_wire::messages::metadata_response::{
        MetadataResponsePartition, MetadataResponseTopic,
    };

    use super::*;

    fn metadata(leader: i32) -> ResponseKind {
        let partition = MetadataResponsePartition::default().with_leader_id(BrokerId(leader));
        let topic = MetadataResponseTopic::default().with_partitions(vec![partition]);
        ResponseKind::Metadata(MetadataResponse::default().with_topics(vec![topic]))
    }

    fn coordinator(code: ErrorCode) -> ResponseKind {
        let row = Coordinator::default().with_error_code(code.code());
        let answer = FindCoordinatorResponse::default();
        ResponseKind::FindCoordinator(answer.with_coordinators(vec![row]))
    }

    #[test]
    fn who_asks_an_isolated_broker_again_is_sent_away() {
        let nowhere = coordinator(ErrorCode::CoordinatorNotAvailable);
        for answer in [metadata(NOBODY), nowhere] {
            let told = ToldOfNobody::default();
            assert!(told.again(true, &answer).is_ok(), "once it is told");
            assert!(told.again(true, &answer).is_err());
        }
    }

    #[test]
    fn nobody_is_sent_away_with_a_leader_or_by_a_broker_that_hears_others() {
        let told = ToldOfNobody::default();
        let found = coordinator(ErrorCode::None);
        for _ in 0..3 {
            assert!(told.again(true, &metadata(2)).is_ok());
            assert!(told.again(true, &found).is_ok());
            assert!(told.again(false, &metadata(NOBODY)).is_ok());
        }
        // Isolated, back, and isolated again: that is another time.
        assert!(told.again(true, &metadata(NOBODY)).is_ok());
        assert!(told.again(false, &metadata(NOBODY)).is_ok());
        assert!(told.again(true, &metadata(NOBODY)).is_ok());
    }
}

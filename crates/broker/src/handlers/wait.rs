//! Waiting until this broker's image shows what was decided.

use std::time::Duration;

use holdfast_kernel::image::ClusterImage;

use crate::state::BrokerState;

/// The longest that an admin request waits, whatever it asks for.
const LONGEST: Duration = Duration::from_mins(1);

/// How long a request that names `timeout_ms` may wait.
pub(super) fn limit(timeout_ms: i32) -> Duration {
    Duration::from_millis(u64::try_from(timeout_ms).unwrap_or(0)).min(LONGEST)
}

/// Waits until the image here fits, at most for `limit`; false if it does not by then.
pub(super) async fn until(
    broker: &BrokerState,
    limit: Duration,
    fits: impl Fn(&ClusterImage) -> bool,
) -> bool {
    if fits(&broker.image()) {
        return true;
    }
    let mut updates = broker.quorum.subscribe();
    let wait = async {
        while let Some(update) = updates.next().await {
            if fits(&update.image) {
                return true;
            }
        }
        false
    };
    tokio::time::timeout(limit, wait).await.unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_waits_for_ever_and_a_negative_time_is_none() {
        assert_eq!(limit(-1), Duration::ZERO);
        assert_eq!(limit(250), Duration::from_millis(250));
        assert_eq!(limit(i32::MAX), LONGEST);
    }
}

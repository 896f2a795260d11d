//! Which segments have expired.

use holdfast_model::{CleanupPolicy, Offset, TopicConfig};

use super::Segments;

/// The log start that retention asks for, if it lies above the present one. Whole segments expire;
/// nothing at or above the high watermark does. A segment whose records lie in the future stays, as
/// in Kafka. One whose records bear no time goes with the next one that does: nobody can say that it
/// is old.
///
/// `now_ms` is wall time that the caller has checked against jumps; none pauses expiry by time.
pub fn expired_start(
    segments: &Segments,
    config: &TopicConfig,
    high_watermark: Offset,
    now_ms: Option<i64>,
) -> Option<Offset> {
    if config.cleanup_policy == CleanupPolicy::Keep {
        return None;
    }
    let mut start = None;
    let mut excess = match config.retention_bytes {
        limit if limit >= 0 => segments.bytes().saturating_sub(limit as u64),
        _ => 0,
    };
    for segment in segments.list() {
        if segment.end > high_watermark {
            break;
        }
        let timeless = segment.max_timestamp < 0;
        let too_old = !timeless
            && now_ms.is_some_and(|now| {
                config.retention_ms >= 0
                    && now.saturating_sub(segment.max_timestamp) > config.retention_ms
            });
        // Kafka removes a segment for size only if what remains still reaches the limit.
        let too_much = excess >= segment.bytes && excess > 0;
        if timeless && !too_much {
            continue;
        }
        if !too_old && !too_much {
            break;
        }
        excess = excess.saturating_sub(segment.bytes);
        start = Some(segment.end);
    }
    start
}

#[cfg(test)]
mod tests {
    use holdfast_model::Segment;

    use super::*;

    fn segments() -> Segments {
        Segments::from_list(
            (0..4)
                .map(|i| Segment {
                    base: Offset(i * 10),
                    end: Offset(i * 10 + 10),
                    bytes: 100,
                    max_timestamp: i * 1000,
                    first_timestamp: i * 1000,
                })
                .collect(),
        )
    }

    #[test]
    fn segments_expire_by_age_and_never_at_the_high_watermark() {
        let config = TopicConfig {
            retention_ms: 1500,
            ..TopicConfig::default()
        };
        let all = segments();
        assert_eq!(
            expired_start(&all, &config, Offset(40), Some(3000)),
            Some(Offset(20))
        );
        assert_eq!(
            expired_start(&all, &config, Offset(15), Some(3000)),
            Some(Offset(10))
        );
        assert_eq!(expired_start(&all, &config, Offset(40), None), None);
        assert_eq!(
            expired_start(&all, &config, Offset(40), Some(100_000)),
            Some(Offset(40))
        );
    }

    #[test]
    fn records_without_time_expire_with_those_that_follow() {
        let config = TopicConfig {
            retention_ms: 1500,
            ..TopicConfig::default()
        };
        let mut list = segments().list().to_vec();
        list[0].max_timestamp = -1;
        let all = Segments::from_list(list);
        let start = |now| expired_start(&all, &config, Offset(40), Some(now));
        assert_eq!(start(2_000), None);
        assert_eq!(start(2_600), Some(Offset(20)));
    }

    #[test]
    fn segments_expire_by_size_while_the_rest_still_reaches_the_limit() {
        let config = TopicConfig {
            retention_bytes: 250,
            retention_ms: -1,
            ..TopicConfig::default()
        };
        assert_eq!(
            expired_start(&segments(), &config, Offset(40), Some(0)),
            Some(Offset(10))
        );
    }

    #[test]
    fn nothing_expires_under_an_empty_policy() {
        let config = TopicConfig {
            retention_ms: 0,
            cleanup_policy: CleanupPolicy::Keep,
            ..TopicConfig::default()
        };
        assert_eq!(
            expired_start(&segments(), &config, Offset(40), Some(1 << 40)),
            None
        );
    }
}

//! Memory for what a request becomes beside its frame: a message, and an answer.
//!
//! Whoever asks here holds memory already, so it waits only for a while: waiting for ever could
//! stop everybody. Whoever asks for much does not wait in the queue of the share, where everybody
//! behind it would wait too: it looks now and then whether there is plenty, and leaves a part of
//! the share to frames and to small requests.

use std::time::Duration;

use holdfast_runtime::budget::{BudgetPermit, MemoryBudget, Share};
use tokio::time::timeout;

/// How long somebody who holds memory waits for more.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

/// The pause between two looks at memory that is not waited for in the queue.
pub(crate) const PAUSE: Duration = Duration::from_millis(50);

/// Whoever asks for more than this, in bytes, leaves a part free: the largest step of a frame.
const MUCH: u64 = 1024 * 1024;

/// The part that is left free is one over this.
const FREE_PART: u64 = 4;

/// A frame may exceed its memory, with what it is decoded to, by one over this: few elements beside
/// large records need no permit of their own.
const UNCOUNTED_PART: u64 = 8;

/// Why there is no memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NoMemory {
    /// It was not free in time.
    #[error("{bytes} bytes of memory were not free in time")]
    Late {
        /// Bytes asked for.
        bytes: u64,
    },
    /// It will never be free.
    #[error("{bytes} bytes of memory are more than one request may take")]
    TooMuch {
        /// Bytes asked for.
        bytes: u64,
    },
}

/// Takes memory of the share for requests.
pub(crate) async fn take(
    budget: &MemoryBudget,
    bytes: u64,
    patience: Duration,
) -> Result<BudgetPermit, NoMemory> {
    let taken = async {
        if bytes > MUCH {
            return much(budget, bytes).await;
        }
        let permit = budget.acquire(Share::Requests, bytes).await;
        permit.map_err(|_too_large| NoMemory::TooMuch { bytes })
    };
    match timeout(patience, taken).await {
        Ok(taken) => taken,
        Err(_elapsed) => Err(NoMemory::Late { bytes }),
    }
}

async fn much(budget: &MemoryBudget, bytes: u64) -> Result<BudgetPermit, NoMemory> {
    let needed = bytes.saturating_add(left_free(budget));
    if needed > budget.capacity(Share::Requests) {
        return Err(NoMemory::TooMuch { bytes });
    }
    loop {
        if budget.available(Share::Requests) >= needed
            && let Ok(permit) = budget.try_acquire(Share::Requests, bytes)
        {
            return Ok(permit);
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// Whether only what is left free is free.
pub(crate) fn is_short(budget: &MemoryBudget) -> bool {
    budget.available(Share::Requests) < left_free(budget)
}

fn left_free(budget: &MemoryBudget) -> u64 {
    budget.capacity(Share::Requests) / FREE_PART
}

/// What decoding a body takes beyond the memory that its frame holds. Permits come in KiB, so those
/// of most small requests cover what they are decoded to.
pub(crate) fn beyond(held: u64, body: u64, decoded: u64) -> u64 {
    let needed = body.saturating_add(decoded);
    if needed <= held + held / UNCOUNTED_PART {
        0
    } else {
        needed - held
    }
}

#[cfg(test)]
mod tests {
    use holdfast_runtime::Metrics;

    use super::*;

    const MIB: u64 = 1 << 20;
    const SHORT: Duration = Duration::from_millis(120);

    /// A budget whose share for requests has 25 MiB.
    fn budget() -> MemoryBudget {
        MemoryBudget::new(100 << 20, &Metrics::new())
    }

    #[test]
    fn small_requests_and_large_batches_need_nothing_more() {
        // A few topics in a frame of a KiB, and a batch of a MiB for one partition.
        assert_eq!(beyond(1024, 90, 3 * 160), 0);
        assert_eq!(beyond(MIB, MIB - 100, 2 * 160), 0);
        assert_eq!(beyond(1024, 1000, 2 * 160), 296);
        assert_eq!(beyond(600 << 10, 600 << 10, 32 * MIB), 32 * MIB);
        assert_eq!(beyond(1024, u64::MAX, 1), u64::MAX - 1024);
    }

    #[tokio::test]
    async fn much_leaves_a_part_of_the_share_to_small_requests() {
        let budget = budget();
        let _first = take(&budget, 10 * MIB, SHORT).await.unwrap();
        assert!(!is_short(&budget));
        let late = take(&budget, 10 * MIB, SHORT).await.unwrap_err();
        assert_eq!(late, NoMemory::Late { bytes: 10 * MIB });
        let _second = take(&budget, 8 * MIB, SHORT).await.unwrap();
        let _small = take(&budget, MIB, SHORT).await.unwrap();
        assert!(is_short(&budget));
    }

    #[tokio::test]
    async fn who_waits_for_much_does_not_hold_up_the_others() {
        let budget = budget();
        let first = take(&budget, 15 * MIB, SHORT).await.unwrap();
        let patience = Duration::from_secs(10);
        let mut waiting = std::pin::pin!(take(&budget, 15 * MIB, patience));
        assert!(timeout(SHORT, &mut waiting).await.is_err());
        let small = take(&budget, MIB, SHORT).await.unwrap();
        drop((first, small));
        assert_eq!(waiting.await.unwrap().bytes(), 15 * MIB);
    }

    #[tokio::test]
    async fn what_never_fits_is_refused_at_once_and_the_queue_ends_too() {
        let budget = budget();
        for bytes in [20 * MIB, 26 * MIB, u64::MAX] {
            let refused = take(&budget, bytes, PATIENCE).await.unwrap_err();
            assert_eq!(refused, NoMemory::TooMuch { bytes });
        }
        let _all = budget.try_acquire(Share::Requests, 25 * MIB).unwrap();
        let late = take(&budget, 1, SHORT).await.unwrap_err();
        assert_eq!(late, NoMemory::Late { bytes: 1 });
    }
}

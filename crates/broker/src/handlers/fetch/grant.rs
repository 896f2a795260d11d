//! Memory for an answer, taken before its records are read.
//!
//! A client that asks and never reads keeps its answer in memory until it is given up on. The less
//! memory there is, the less an answer gets: such clients cannot spend it all, and others go on
//! with smaller answers.

use std::sync::Arc;
use std::time::Duration;

use holdfast_runtime::budget::{BudgetPermit, Share};

use super::Resolved;
use super::gather::{self, Gathered, Limits};
use crate::state::BrokerState;

/// The part of the spare memory that one answer may take is one over this.
const PARTS: u64 = 16;

/// What an answer may take however little there is, in bytes; if that is not free, it waits.
const SMALLEST: u64 = 256 * 1024;

/// Looks at a fetch before what it found is answered in any case. A batch larger than its limit
/// needs a second one; a third only when the log changed in between.
const LOOKS: usize = 3;

/// How long an answer waits for memory. Its request holds some while it waits, so that waiting for
/// ever could stop everybody.
const PATIENCE: Duration = Duration::from_secs(20);

/// What was found, and the memory that it holds.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) gathered: Vec<Gathered>,
    pub(super) held: BudgetPermit,
    /// How many bytes the look could have found.
    pub(super) limit: usize,
}

impl Found {
    /// Bytes of records.
    pub(super) fn bytes(&self) -> usize {
        self.gathered.iter().map(Gathered::bytes).sum()
    }
}

/// What an answer may take: all that is wanted while there is plenty, and never a large part of
/// the lower half, which is for small answers and for requests.
fn size(wanted: u64, available: u64, capacity: u64) -> u64 {
    let spare = available.saturating_sub(capacity / 2);
    wanted.min((spare / PARTS).max(SMALLEST)).min(capacity)
}

/// Looks at every partition, with memory for what is found; nothing if there is no memory.
pub(super) async fn look(
    broker: &Arc<BrokerState>,
    wanted: &[Resolved],
    limits: &Limits,
) -> Option<Found> {
    let budget = &broker.budget;
    let capacity = budget.capacity(Share::Requests);
    let available = budget.available(Share::Requests);
    let asked = wanted
        .iter()
        .fold(0_usize, |sum, one| sum.saturating_add(one.wanted.max_bytes));
    let most = asked.min(limits.max_bytes) as u64;
    let mut bytes = size(most, available, capacity);
    let mut looks = 0;
    loop {
        let memory = budget.acquire(Share::Requests, bytes);
        let mut held = tokio::time::timeout(PATIENCE, memory).await.ok()?.ok()?;
        let limit = bytes as usize;
        let gathered = gather::all(broker, wanted, &limits.within(limit)).await;
        let found = gathered.iter().map(Gathered::bytes).sum::<usize>() as u64;
        looks += 1;
        if found <= bytes || bytes == capacity || looks == LOOKS {
            held.shrink_to(found);
            return Some(Found {
                gathered,
                held,
                limit,
            });
        }
        // The first batch is answered whole, whatever the limit.
        bytes = found.min(capacity);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    #[test]
    fn plenty_gives_what_is_wanted() {
        assert_eq!(size(MIB, 512 * MIB, 512 * MIB), MIB);
        assert_eq!(size(0, 512 * MIB, 512 * MIB), 0);
        assert_eq!(size(50 * MIB, 512 * MIB, 512 * MIB), 16 * MIB);
        assert_eq!(size(50 * MIB, 100, 100), 100);
    }

    #[test]
    fn five_hundred_clients_that_never_read_leave_memory_for_others() {
        let capacity = 512 * MIB;
        let mut available = capacity;
        for _ in 0..500 {
            available -= size(50 * MIB, available, capacity);
        }
        assert!(available > capacity / 4, "{available}");
    }
}

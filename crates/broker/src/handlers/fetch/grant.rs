//! Memory for an answer, taken before its records are read.
//!
//! A client that asks and never reads keeps its answer in memory until it is given up on. The less
//! memory there is, the less an answer gets: such clients cannot spend it all, and others go on
//! with smaller answers. What surrounds the records cannot be made smaller: where a request names
//! many partitions, it takes memory for them too.

use std::sync::Arc;
use std::time::Duration;

use holdfast_runtime::budget::{BudgetPermit, Share};

use super::Resolved;
use super::gather::{self, Gathered, Limits};
use crate::request_memory::{self, NoMemory};
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

/// What a partition takes while its request waits, in bytes: what is wanted of it, and a place
/// among those who wait at it.
const WAITING_BYTES: u64 = 256;

/// What a partition takes besides while it is looked at and answered, in bytes, where it is the
/// only one of its topic: what was found, and the answer as a message and encoded.
const ANSWERED_BYTES: u64 = 1024;

/// Less than this is not counted, in bytes: what partitions take in most requests.
const UNCOUNTED: u64 = 64 * 1024;

/// What was found, and the memory that it holds.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) gathered: Vec<Gathered>,
    pub(super) held: BudgetPermit,
    /// The memory of all that is not records, if it is much.
    pub(super) around: Option<BudgetPermit>,
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

/// Takes memory for the partitions of a request that may wait.
pub(super) async fn waiting(
    broker: &BrokerState,
    partitions: usize,
) -> Result<Option<BudgetPermit>, NoMemory> {
    around(broker, partitions as u64 * WAITING_BYTES).await
}

async fn around(broker: &BrokerState, bytes: u64) -> Result<Option<BudgetPermit>, NoMemory> {
    if bytes <= UNCOUNTED {
        return Ok(None);
    }
    let permit = request_memory::take(&broker.budget, bytes, PATIENCE).await?;
    Ok(Some(permit))
}

/// The memory that an answer holds until it is written: its records, and so many bytes around them.
pub(super) fn written(
    mut held: BudgetPermit,
    around: Option<BudgetPermit>,
    bytes: usize,
) -> BudgetPermit {
    if let Some(mut around) = around {
        around.shrink_to(bytes as u64);
        held.merge(around);
    }
    held
}

/// Looks at every partition, with memory for what is found; nothing if there is no memory.
pub(super) async fn look(
    broker: &Arc<BrokerState>,
    wanted: &[Resolved],
    limits: &Limits,
) -> Option<Found> {
    let around = around(broker, wanted.len() as u64 * ANSWERED_BYTES).await;
    let around = around.ok()?;
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
                around,
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
    fn partitions_take_what_is_counted_for_them() {
        use holdfast_wire::fetch_response::{FetchedPartition, FetchedTopic};

        // A vector that grows has room for four at first, a map of its own half full nodes.
        let ticket = size_of::<crate::partition::FetchTicket>() + 2 * 2 * size_of::<u64>();
        let waits = size_of::<Resolved>() + ticket;
        assert!(waits as u64 <= WAITING_BYTES, "{waits}");
        let answer = 4 * size_of::<FetchedPartition>() + 2 * size_of::<FetchedTopic>();
        let place = size_of::<(super::super::TopicKey, usize)>() * 16 / 7;
        // Encoded it has 90 bytes, most of them numbers.
        let answered = size_of::<Gathered>() + answer + place + 90;
        assert!(answered as u64 <= ANSWERED_BYTES, "{answered}");
    }

    #[test]
    fn an_answer_holds_its_records_and_what_surrounds_them() {
        let metrics = holdfast_runtime::Metrics::new();
        let budget = holdfast_runtime::budget::MemoryBudget::new(100 * MIB, &metrics);
        let take = |bytes| budget.try_acquire(Share::Requests, bytes).unwrap();
        let held = written(take(MIB), Some(take(10 * MIB)), 2000);
        assert_eq!(held.bytes(), MIB + 2048);
        assert_eq!(budget.available(Share::Requests), 24 * MIB - 2048);
        assert_eq!(written(take(MIB), None, 10).bytes(), MIB);
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

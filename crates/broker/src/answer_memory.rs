//! Memory for answers, taken before they are made.
//!
//! How large an answer becomes is known only once it is there. So it is expected to be as large as
//! the largest lately of those of the same API to requests of about the same size. The size counts,
//! because otherwise somebody's large requests would make everybody's small ones wait for memory
//! that they do not need.

use std::sync::atomic::{AtomicU64, Ordering};

use holdfast_runtime::budget::{BudgetPermit, MemoryBudget, Share};
use holdfast_wire::Api;

use crate::request_memory::{self, NoMemory, PATIENCE};

/// What every answer is expected to take at least, in bytes.
const SMALLEST: u64 = 16 * 1024;

/// How much more an answer takes as a message than encoded: a partition of Metadata has 160 bytes
/// and three lists of their own, and is encoded to 60.
const MESSAGE_TIMES: u64 = 4;

/// A smaller answer than expected lowers what is expected by the difference over this.
const FADING: u64 = 32;

/// The most that is taken before an answer is there: the share over this.
const MOST_PART: u64 = 4;

/// Sizes of requests that are told apart, powers of two. They end at 64 MiB.
const SIZES: usize = 27;

/// What an answer is for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asked {
    /// The API.
    pub(crate) api: Api,
    /// The memory of the request as a message.
    pub(crate) decoded_bytes: u64,
}

/// How large answers are lately.
#[derive(Debug)]
pub struct AnswerMemory {
    /// A row of sizes for each API.
    expected: Vec<AtomicU64>,
}

impl Default for AnswerMemory {
    fn default() -> Self {
        let places = Api::ALL.len() * SIZES;
        Self {
            expected: (0..places).map(|_| AtomicU64::new(SMALLEST)).collect(),
        }
    }
}

impl AnswerMemory {
    /// Takes memory for an answer that is to be made.
    pub(crate) async fn reserve(
        &self,
        budget: &MemoryBudget,
        asked: Asked,
    ) -> Result<BudgetPermit, NoMemory> {
        // What is more is taken when it is there: a guess may not be what refuses a request.
        let most = budget.capacity(Share::Requests) / MOST_PART;
        let bytes = self.place(asked).load(Ordering::Relaxed).min(most);
        request_memory::take(budget, bytes, PATIENCE).await
    }

    /// Makes the memory fit an answer that was encoded, and remembers how large it was.
    pub(crate) async fn settle(
        &self,
        budget: &MemoryBudget,
        asked: Asked,
        mut held: BudgetPermit,
        encoded: u64,
    ) -> Result<BudgetPermit, NoMemory> {
        // First, so that whoever asks alike meanwhile knows.
        self.remember(asked, encoded.saturating_mul(MESSAGE_TIMES));
        let missing = encoded.saturating_sub(held.bytes());
        if missing > 0 {
            held.merge(request_memory::take(budget, missing, PATIENCE).await?);
        } else {
            held.shrink_to(encoded);
        }
        Ok(held)
    }

    /// Rises at once and falls slowly. It is a guess: of two that meet here one may be forgotten.
    fn remember(&self, asked: Asked, took: u64) {
        let place = self.place(asked);
        let took = took.max(SMALLEST);
        let expected = place.load(Ordering::Relaxed);
        if took == expected {
            return;
        }
        if took > expected {
            place.fetch_max(took, Ordering::Relaxed);
        } else {
            let less = expected - (expected - took).div_ceil(FADING);
            let _another_was_faster =
                place.compare_exchange(expected, less, Ordering::Relaxed, Ordering::Relaxed);
        }
    }

    fn place(&self, asked: Asked) -> &AtomicU64 {
        // The table ascends and holds every API.
        let row = Api::ALL.binary_search(&asked.api).unwrap_or_default();
        let size = (u64::BITS - asked.decoded_bytes.leading_zeros()) as usize;
        &self.expected[row * SIZES + size.min(SIZES - 1)]
    }
}

#[cfg(test)]
mod tests {
    use holdfast_runtime::Metrics;

    use super::*;

    const MIB: u64 = 1 << 20;
    const ALL_TOPICS: Asked = asked(Api::Metadata, 0);
    const ONE_TOPIC: Asked = asked(Api::Metadata, 160);

    const fn asked(api: Api, decoded_bytes: u64) -> Asked {
        Asked { api, decoded_bytes }
    }

    /// A budget whose share for requests has 25 MiB.
    fn budget() -> MemoryBudget {
        MemoryBudget::new(100 << 20, &Metrics::new())
    }

    fn expected(memory: &AnswerMemory, asked: Asked) -> u64 {
        memory.place(asked).load(Ordering::Relaxed)
    }

    #[tokio::test]
    async fn an_answer_holds_what_it_is_and_the_next_one_is_expected_to_be_alike() {
        let (memory, budget) = (AnswerMemory::default(), budget());
        let held = memory.reserve(&budget, ALL_TOPICS).await.unwrap();
        assert_eq!(held.bytes(), SMALLEST);
        let held = memory.settle(&budget, ALL_TOPICS, held, MIB).await.unwrap();
        assert_eq!(held.bytes(), MIB);
        drop(held);
        let held = memory.reserve(&budget, ALL_TOPICS).await.unwrap();
        assert_eq!(held.bytes(), 4 * MIB);
        let held = memory.settle(&budget, ALL_TOPICS, held, 100).await.unwrap();
        assert_eq!(held.bytes(), 1024);
        assert_eq!(budget.available(Share::Requests), 25 * MIB - 1024);
    }

    #[test]
    fn large_requests_do_not_make_small_ones_wait() {
        let memory = AnswerMemory::default();
        memory.remember(ALL_TOPICS, 9 * MIB);
        memory.remember(asked(Api::Metadata, 40 * MIB), 9 * MIB);
        assert_eq!(expected(&memory, ONE_TOPIC), SMALLEST);
        assert_eq!(expected(&memory, asked(Api::ListOffsets, 0)), SMALLEST);
        assert_eq!(expected(&memory, ALL_TOPICS), 9 * MIB);
        // Every size of every API has its place.
        for api in Api::ALL.iter().copied() {
            for decoded_bytes in [0, 1, 45 * MIB, u64::MAX] {
                assert!(expected(&memory, asked(api, decoded_bytes)) >= SMALLEST);
            }
        }
    }

    #[test]
    fn what_is_expected_rises_at_once_and_falls_slowly() {
        let memory = AnswerMemory::default();
        memory.remember(ONE_TOPIC, 8 * MIB);
        for _ in 0..10 {
            memory.remember(ONE_TOPIC, 0);
        }
        let soon = expected(&memory, ONE_TOPIC);
        assert!(soon > 5 * MIB && soon < 8 * MIB, "{soon}");
        for _ in 0..1000 {
            memory.remember(ONE_TOPIC, 0);
        }
        assert_eq!(expected(&memory, ONE_TOPIC), SMALLEST);
        memory.remember(ONE_TOPIC, 9 * MIB);
        assert_eq!(expected(&memory, ONE_TOPIC), 9 * MIB);
    }

    #[tokio::test]
    async fn a_guess_never_takes_the_whole_share_nor_is_refused_for_its_size() {
        let (memory, budget) = (AnswerMemory::default(), budget());
        memory.remember(ONE_TOPIC, 1 << 40);
        let held = memory.reserve(&budget, ONE_TOPIC).await.unwrap();
        assert_eq!(held.bytes(), (25 * MIB / 4).div_ceil(1024) * 1024);
        let refused = memory.settle(&budget, ONE_TOPIC, held, 26 * MIB).await;
        assert!(matches!(refused, Err(NoMemory::TooMuch { .. })));
        assert_eq!(budget.available(Share::Requests), 25 * MIB);
    }
}

//! One memory budget for the process, divided into shares that cannot take from each other.
//!
//! Whoever wants memory that a peer can make it hold acquires a permit first. When a share is
//! spent, acquiring waits: sockets are then no longer read, and that is the back-pressure.

use std::sync::Arc;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Unit;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, TryAcquireError};

use crate::Metrics;

/// Permits are counted in KiB, so that a `u32` of them covers 4 TiB.
const UNIT: u64 = 1024;

/// A share of the budget.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Share {
    /// Requests read from sockets and answers not yet written.
    Requests,
    /// The newest batches of each partition.
    TailCache,
    /// Memtables and block cache of the store, the index of batches among them.
    Store,
    /// Messages of other brokers that are being taken in.
    Replication,
}

impl Share {
    /// Every share.
    pub const ALL: [Self; 4] = [
        Self::Requests,
        Self::TailCache,
        Self::Store,
        Self::Replication,
    ];

    /// The name in metrics and messages.
    pub fn name(self) -> &'static str {
        match self {
            Self::Requests => "requests",
            Self::TailCache => "tail_cache",
            Self::Store => "store",
            Self::Replication => "replication",
        }
    }

    /// Its part of the whole. Requests must hold at least one request of the largest size, and
    /// replication one batch of the largest; the tail cache decides whether consumers near the head
    /// touch the disk; memtables and block cache gain little from more.
    fn percent(self) -> u64 {
        match self {
            Self::Requests | Self::TailCache | Self::Store | Self::Replication => 25,
        }
    }

    /// What is more than a share can use, in bytes.
    fn limit(self) -> u64 {
        match self {
            // It serves who is a moment behind. Whoever is further behind reads from the disk, and what it
            // wrote last is in the system's page cache: what this cache takes is missing there, and holding
            // it costs fresh pages instead of such as are used again and again.
            Self::TailCache => 256 << 20,
            Self::Requests | Self::Store | Self::Replication => u64::MAX,
        }
    }

    fn index(self) -> usize {
        match self {
            Self::Requests => 0,
            Self::TailCache => 1,
            Self::Store => 2,
            Self::Replication => 3,
        }
    }
}

/// What the budget refuses.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// More than the share will ever have: waiting would be for ever.
    #[error("{bytes} bytes exceed the memory share {} of {capacity} bytes", share.name())]
    TooLarge {
        /// The share.
        share: Share,
        /// Bytes asked for.
        bytes: u64,
        /// Bytes of the whole share.
        capacity: u64,
    },
    /// Not free at the moment; only from [`MemoryBudget::try_acquire`].
    #[error("{bytes} bytes are not free in the memory share {}", share.name())]
    Spent {
        /// The share.
        share: Share,
        /// Bytes asked for.
        bytes: u64,
    },
}

/// The budget. Cheap to clone; all clones are one budget.
#[derive(Clone, Debug)]
pub struct MemoryBudget {
    inner: Arc<[ShareState; 4]>,
    total: u64,
}

#[derive(Debug)]
struct ShareState {
    free: Arc<Semaphore>,
    units: u32,
    used: Gauge,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Labels {
    share: &'static str,
}

impl MemoryBudget {
    /// Divides `total` bytes into the shares and shows their sizes and use in `metrics`.
    pub fn new(total: u64, metrics: &Metrics) -> Self {
        let area = metrics.area("memory");
        let used: Family<Labels, Gauge> = area.register_with_unit(
            "used",
            "Bytes acquired from each share of the memory budget",
            Unit::Bytes,
            Family::default(),
        );
        let size: Family<Labels, Gauge> = area.register_with_unit(
            "share",
            "Size of each share of the memory budget",
            Unit::Bytes,
            Family::default(),
        );
        let shares = Share::ALL.map(|share| {
            let bytes = (total / 100 * share.percent()).min(share.limit());
            let units = (bytes / UNIT).min(u64::from(u32::MAX)) as u32;
            let labels = Labels {
                share: share.name(),
            };
            size.get_or_create(&labels)
                .set((u64::from(units) * UNIT) as i64);
            ShareState {
                free: Arc::new(Semaphore::new(units as usize)),
                units,
                used: used.get_or_create_owned(&labels),
            }
        });
        Self {
            inner: Arc::new(shares),
            total,
        }
    }

    /// The whole budget, in bytes.
    pub fn total(&self) -> u64 {
        self.total
    }

    /// The size of a share, in bytes: for caches that bound themselves.
    pub fn capacity(&self, share: Share) -> u64 {
        u64::from(self.inner[share.index()].units) * UNIT
    }

    /// The bytes of a share that are not acquired now.
    pub fn available(&self, share: Share) -> u64 {
        self.inner[share.index()].free.available_permits() as u64 * UNIT
    }

    /// Says what a cache that bounds itself holds of its share.
    pub fn show_used(&self, share: Share, bytes: u64) {
        let used = i64::try_from(bytes).unwrap_or(i64::MAX);
        self.inner[share.index()].used.set(used);
    }

    /// Waits until `bytes` of the share are free and takes them, first come first served.
    /// Cancel-safe: a wait that is dropped takes nothing.
    ///
    /// # Errors
    /// [`Error::TooLarge`] at once, when the whole share is smaller.
    pub async fn acquire(&self, share: Share, bytes: u64) -> Result<BudgetPermit, Error> {
        let (state, units) = self.units(share, bytes)?;
        let permit = Arc::clone(&state.free)
            .acquire_many_owned(units)
            .await
            .expect("the semaphore is never closed");
        Ok(BudgetPermit::new(permit, state.used.clone()))
    }

    /// Takes `bytes` of the share if they are free now and nobody waits before.
    ///
    /// # Errors
    /// [`Error::TooLarge`] or [`Error::Spent`].
    pub fn try_acquire(&self, share: Share, bytes: u64) -> Result<BudgetPermit, Error> {
        let (state, units) = self.units(share, bytes)?;
        match Arc::clone(&state.free).try_acquire_many_owned(units) {
            Ok(permit) => Ok(BudgetPermit::new(permit, state.used.clone())),
            Err(TryAcquireError::NoPermits | TryAcquireError::Closed) => {
                Err(Error::Spent { share, bytes })
            }
        }
    }

    fn units(&self, share: Share, bytes: u64) -> Result<(&ShareState, u32), Error> {
        let state = &self.inner[share.index()];
        let capacity = u64::from(state.units) * UNIT;
        let units = u32::try_from(bytes.div_ceil(UNIT)).unwrap_or(u32::MAX);
        if bytes > capacity {
            return Err(Error::TooLarge {
                share,
                bytes,
                capacity,
            });
        }
        Ok((state, units))
    }
}

/// Memory that was acquired; dropping it gives the memory back.
#[derive(Debug)]
pub struct BudgetPermit {
    permit: OwnedSemaphorePermit,
    used: Gauge,
}

impl BudgetPermit {
    fn new(permit: OwnedSemaphorePermit, used: Gauge) -> Self {
        used.inc_by(permit.num_permits() as i64 * UNIT as i64);
        Self { permit, used }
    }

    /// The bytes held, rounded up to KiB.
    pub fn bytes(&self) -> u64 {
        self.permit.num_permits() as u64 * UNIT
    }

    /// Takes over what another permit of the same share holds.
    ///
    /// # Panics
    /// The other permit is of another share or budget.
    pub fn merge(&mut self, mut other: Self) {
        if let Some(taken) = other.permit.split(other.permit.num_permits()) {
            self.permit.merge(taken);
        }
    }

    /// Gives back what exceeds `bytes`: when the real size turned out smaller.
    pub fn shrink_to(&mut self, bytes: u64) {
        let keep = usize::try_from(bytes.div_ceil(UNIT)).unwrap_or(usize::MAX);
        let excess = self.permit.num_permits().saturating_sub(keep);
        if let Some(freed) = self.permit.split(excess) {
            self.used.dec_by(freed.num_permits() as i64 * UNIT as i64);
        }
    }
}

impl Drop for BudgetPermit {
    fn drop(&mut self) {
        self.used
            .dec_by(self.permit.num_permits() as i64 * UNIT as i64);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn the_shares_are_the_whole() {
        assert_eq!(Share::ALL.iter().map(|s| s.percent()).sum::<u64>(), 100);
        for (index, share) in Share::ALL.iter().enumerate() {
            assert_eq!(share.index(), index);
        }
    }

    #[test]
    fn the_tail_cache_does_not_grow_with_the_machine() {
        let budget = MemoryBudget::new(64 << 30, &Metrics::new());
        assert_eq!(budget.capacity(Share::TailCache), 256 << 20);
        assert!(budget.capacity(Share::Requests) > 15 << 30);
    }

    #[tokio::test]
    async fn a_spent_share_waits_and_the_others_do_not() {
        let metrics = Metrics::new();
        let budget = MemoryBudget::new(100 << 20, &metrics);
        assert_eq!(budget.capacity(Share::Requests), 25 << 20);
        let held = budget.acquire(Share::Requests, 25 << 20).await.unwrap();
        assert_eq!(
            budget.try_acquire(Share::Requests, 1).unwrap_err(),
            Error::Spent {
                share: Share::Requests,
                bytes: 1
            }
        );
        budget.try_acquire(Share::Replication, 1 << 20).unwrap();
        let other = budget.clone();
        let wait = async move { other.acquire(Share::Requests, 10).await.unwrap().bytes() };
        let mut wait = std::pin::pin!(wait);
        let short = Duration::from_millis(20);
        assert!(tokio::time::timeout(short, &mut wait).await.is_err());
        assert!(
            metrics
                .encode()
                .contains("memory_used_bytes{share=\"requests\"} 26214400")
        );
        drop(held);
        assert_eq!(wait.await, 1024);
        assert_eq!(budget.available(Share::Requests), 25 << 20);
        assert!(
            metrics
                .encode()
                .contains("memory_used_bytes{share=\"requests\"} 0")
        );
    }

    #[tokio::test]
    async fn what_can_never_fit_is_refused_at_once() {
        let budget = MemoryBudget::new(1 << 20, &Metrics::new());
        for bytes in [1 << 20, u64::MAX] {
            let error = budget.acquire(Share::Store, bytes).await.unwrap_err();
            assert!(matches!(error, Error::TooLarge { .. }), "{error}");
        }
    }

    #[test]
    fn merged_permits_are_counted_once() {
        let metrics = Metrics::new();
        let budget = MemoryBudget::new(100 << 20, &metrics);
        let mut permit = budget.try_acquire(Share::Requests, 1 << 20).unwrap();
        permit.merge(budget.try_acquire(Share::Requests, 2 << 20).unwrap());
        assert_eq!(permit.bytes(), 3 << 20);
        assert_eq!(budget.available(Share::Requests), 22 << 20);
        let used = || metrics.encode();
        assert!(used().contains("memory_used_bytes{share=\"requests\"} 3145728"));
        drop(permit);
        assert_eq!(budget.available(Share::Requests), 25 << 20);
        assert!(used().contains("memory_used_bytes{share=\"requests\"} 0"));
    }

    #[test]
    fn shrinking_gives_back_the_rest() {
        let budget = MemoryBudget::new(100 << 20, &Metrics::new());
        let mut permit = budget.try_acquire(Share::Replication, 10 << 10).unwrap();
        permit.shrink_to(1500);
        assert_eq!(permit.bytes(), 2048);
        permit.shrink_to(1 << 30);
        assert_eq!(permit.bytes(), 2048);
        drop(permit);
        assert_eq!(
            budget.available(Share::Replication),
            budget.capacity(Share::Replication)
        );
    }
}

//! Which brokers are cut off from their peers, as every relay sees it.

use std::collections::BTreeSet;

use tokio::sync::watch;

/// The brokers that are cut off. Cheap to clone; all clones are one set.
#[derive(Clone, Debug)]
pub(super) struct Cuts {
    set: watch::Sender<BTreeSet<u16>>,
}

impl Cuts {
    /// Nobody is cut off.
    pub(super) fn new() -> Self {
        Self {
            set: watch::Sender::new(BTreeSet::new()),
        }
    }

    /// Cuts a broker off.
    pub(super) fn cut(&self, broker: u16) {
        self.set.send_modify(|set| {
            set.insert(broker);
        });
    }

    /// Connects a broker again. Returns whether it was cut off.
    pub(super) fn heal(&self, broker: u16) -> bool {
        let mut was_cut = false;
        self.set.send_modify(|set| was_cut = set.remove(&broker));
        was_cut
    }

    /// Whether a broker is cut off.
    pub(super) fn is_cut(&self, broker: u16) -> bool {
        self.set.borrow().contains(&broker)
    }

    /// The view of one broker, or of a connection between two.
    pub(super) fn between(&self, ends: impl IntoIterator<Item = u16>) -> Gate {
        Gate {
            ends: ends.into_iter().collect(),
            set: self.set.subscribe(),
        }
    }
}

/// Opens and closes with the cuts of those at its ends.
#[derive(Clone, Debug)]
pub(super) struct Gate {
    ends: Vec<u16>,
    set: watch::Receiver<BTreeSet<u16>>,
}

impl Gate {
    /// Waits until nobody at the ends is cut off. Dropping it loses nothing.
    pub(super) async fn open(&mut self) {
        let ends = &self.ends;
        let uncut = |set: &BTreeSet<u16>| !ends.iter().any(|end| set.contains(end));
        if self.set.wait_for(uncut).await.is_err() {
            // The supervisor is gone, and this task is about to follow.
            std::future::pending::<()>().await;
        }
    }

    /// Waits until somebody at the ends is cut off. Dropping it loses nothing.
    pub(super) async fn closed(&mut self) {
        let ends = &self.ends;
        let cut = |set: &BTreeSet<u16>| ends.iter().any(|end| set.contains(end));
        if self.set.wait_for(cut).await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn a_gate_is_open_while_both_ends_are() {
        let cuts = Cuts::new();
        let mut gate = cuts.between([0, 1]);
        let soon = Duration::from_millis(20);
        tokio::time::timeout(soon, gate.open()).await.unwrap();
        cuts.cut(2);
        tokio::time::timeout(soon, gate.open()).await.unwrap();
        cuts.cut(1);
        tokio::time::timeout(soon, gate.closed()).await.unwrap();
        tokio::time::timeout(soon, gate.open()).await.unwrap_err();
        assert!(cuts.is_cut(1) && cuts.heal(1) && !cuts.heal(1));
        tokio::time::timeout(soon, gate.open()).await.unwrap();
    }
}

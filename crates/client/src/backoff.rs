//! Pauses between tries: doubling up to a bound, spread so that clients do not try in step.

use std::time::Duration;

/// A series of pauses.
#[derive(Debug)]
pub(crate) struct Backoff {
    next: Duration,
    most: Duration,
    /// State of a small generator; quality does not matter, only that two clients differ.
    random: u64,
}

impl Backoff {
    /// Pauses from `first` on, at most `most`; `seed` makes series differ.
    pub(crate) fn new(first: Duration, most: Duration, seed: u64) -> Self {
        Self {
            next: first,
            most,
            random: seed | 1,
        }
    }

    /// The next pause: 80 to 120 % of the series.
    pub(crate) fn pause(&mut self) -> Duration {
        let base = self.next;
        self.next = (self.next * 2).min(self.most);
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        let percent = 80 + (self.random % 41) as u32;
        base * percent / 100
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_bound_and_are_spread() {
        let ms = Duration::from_millis;
        let mut backoff = Backoff::new(ms(20), ms(100), 42);
        for base in [20, 40, 80, 100, 100] {
            let pause = backoff.pause();
            assert!(
                pause >= ms(base) * 4 / 5 && pause <= ms(base) * 6 / 5,
                "{pause:?}"
            );
        }
        let mut one = Backoff::new(ms(100), ms(100), 1);
        let mut two = Backoff::new(ms(100), ms(100), 999);
        assert!((0..4).any(|_| one.pause() != two.pause()));
    }
}

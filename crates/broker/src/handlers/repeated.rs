//! What a request names more than once.

use std::collections::HashSet;
use std::hash::Hash;

/// The items that occur more than once.
pub(super) fn repeated<T: Eq + Hash>(items: impl Iterator<Item = T>) -> HashSet<T> {
    let mut seen = HashSet::new();
    let mut twice = HashSet::new();
    for item in items {
        // An item is moved, not cloned: the one that is refused here is the second of its kind.
        if let Some(again) = seen.replace(item) {
            twice.insert(again);
        }
    }
    twice
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_occurs_twice_is_repeated() {
        assert_eq!(
            repeated(["a", "b", "a", "a", "c"].into_iter()),
            HashSet::from(["a"])
        );
        assert_eq!(repeated([1, 2].into_iter()), HashSet::new());
    }
}

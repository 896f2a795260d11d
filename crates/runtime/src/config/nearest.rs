//! Finds the known key that a misspelt one was meant to be.

/// Keys longer than this are no misspelling, and comparing them would cost.
const KEY_LENGTH: usize = 128;

/// The candidate with the fewest changed letters, if few enough to be a misspelling.
pub(super) fn nearest<'a>(
    key: &str,
    candidates: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    if key.len() > KEY_LENGTH {
        return None;
    }
    let bound = (key.len() / 3).max(2);
    candidates
        .into_iter()
        .map(|candidate| (distance(key.as_bytes(), candidate.as_bytes()), candidate))
        .filter(|(distance, _)| *distance <= bound)
        .min()
        .map(|(_, candidate)| candidate)
}

/// Levenshtein's distance, one row at a time.
fn distance(a: &[u8], b: &[u8]) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(x != y);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_are_levenshteins() {
        assert_eq!(distance(b"kitten", b"sitting"), 3);
        assert_eq!(distance(b"", b"abc"), 3);
        assert_eq!(distance(b"same", b"same"), 0);
    }

    #[test]
    fn only_a_misspelling_has_a_nearest() {
        let keys = ["num.partitions", "broker.rack"];
        assert_eq!(nearest("num.partition", keys), Some("num.partitions"));
        assert_eq!(nearest("completely.different", keys), None);
        assert_eq!(nearest(&"n".repeat(10_000), keys), None);
    }
}

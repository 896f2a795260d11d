//! The patterns of the schema's strings, and the same in Rust.
//!
//! A pattern is written once, as a regular expression for the API server. [`find`] pairs it with a
//! function, so that this crate needs no engine for regular expressions; a test proves that every
//! pattern of the schema has its pair.

use crate::quantity::quantity_bytes;

/// A value of the topology label: a label's value as Kubernetes has them, without the empty one.
pub(crate) const ZONE_NAME: &str = "^[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$";
/// The name of a listener: half of the name of an environment variable.
pub(crate) const LISTENER_NAME: &str = "^[A-Z][A-Z0-9_]*$";
/// A tag of an image.
pub(crate) const TAG: &str = "^[A-Za-z0-9_][A-Za-z0-9_.-]*$";
/// The digest of an image.
pub(crate) const DIGEST: &str = "^sha256:[0-9a-f]{64}$";
/// The hash of a plan.
pub(crate) const PLAN_HASH: &str = "^[0-9a-f]+$";
/// A size of a disk.
pub(crate) const SIZE: &str = r"^[0-9]+(\.[0-9]+)?(Ki|Mi|Gi|Ti|Pi|k|M|G|T|P)?$";
/// Kubernetes' own pattern of a quantity.
pub(crate) const QUANTITY: &str = r"^(\+|-)?(([0-9]+(\.[0-9]*)?)|(\.[0-9]+))(([KMGTPE]i)|[numkMGTPE]|([eE](\+|-)?(([0-9]+(\.[0-9]*)?)|(\.[0-9]+))))?$";
/// The name of a topic in Kafka.
pub(crate) const TOPIC_NAME: &str = r"^[A-Za-z0-9._-]+$";
/// The name of a resource that a resource refers to.
pub(crate) const RESOURCE_NAME: &str = r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$";

/// The reason of a condition, which is status and so never judged in Rust.
pub(crate) const REASON: &str = "^[A-Za-z][A-Za-z0-9]*$";

/// A pattern with its function and what it asks for in words.
pub(crate) struct Pattern {
    /// The regular expression of the schema.
    pub(crate) regex: &'static str,
    /// Whether a text is such.
    pub(crate) holds: fn(&str) -> bool,
    /// What the text must be, as in "must be a size, as 100Gi".
    pub(crate) words: &'static str,
}

static PATTERNS: [Pattern; 9] = [
    Pattern {
        regex: ZONE_NAME,
        holds: |text| ends_are(text, is_alnum) && all(text, |c| is_alnum(c) || "-_.".contains(c)),
        words: "the value of a node's label, as eu-west-1a",
    },
    Pattern {
        regex: LISTENER_NAME,
        holds: |text| {
            text.starts_with(|c: char| c.is_ascii_uppercase())
                && all(text, |c| {
                    c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_'
                })
        },
        words: "in capitals, as INTERNAL",
    },
    Pattern {
        regex: TAG,
        holds: |text| {
            text.starts_with(|c| is_alnum(c) || c == '_')
                && all(text, |c| is_alnum(c) || "_.-".contains(c))
        },
        words: "the tag of an image, as 1.2.3",
    },
    Pattern {
        regex: DIGEST,
        holds: |text| {
            text.strip_prefix("sha256:")
                .is_some_and(|hex| hex.len() == 64 && all(hex, is_hex))
        },
        words: "a digest: sha256: and 64 hexadecimal digits",
    },
    Pattern {
        regex: PLAN_HASH,
        holds: |text| !text.is_empty() && all(text, is_hex),
        words: "the hash of a plan, as status.plan.hash shows it",
    },
    Pattern {
        regex: SIZE,
        holds: is_size,
        words: "a size, as 100Gi",
    },
    Pattern {
        regex: QUANTITY,
        holds: |text| quantity_bytes(text).is_some(),
        words: "a quantity that is not negative, as 500m or 4Gi",
    },
    Pattern {
        regex: TOPIC_NAME,
        holds: |text| !text.is_empty() && all(text, |c| is_alnum(c) || "._-".contains(c)),
        words: "made of letters, digits, dots, underscores and hyphens",
    },
    Pattern {
        regex: RESOURCE_NAME,
        holds: is_resource_name,
        words: "the name of a resource, as my-secret",
    },
];

/// The pair of a pattern of the schema.
pub(crate) fn find(regex: &str) -> Option<&'static Pattern> {
    PATTERNS.iter().find(|pattern| pattern.regex == regex)
}

fn is_resource_name(text: &str) -> bool {
    let lower = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    ends_are(text, lower) && all(text, |c| lower(c) || "-.".contains(c))
}

fn is_size(text: &str) -> bool {
    let number = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let suffixes = ["", "Ki", "Mi", "Gi", "Ti", "Pi", "k", "M", "G", "T", "P"];
    let digits = |part: &str| !part.is_empty() && all(part, |c| c.is_ascii_digit());
    let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
    suffixes.contains(&&text[number.len()..]) && digits(whole) && digits(fraction)
}

fn is_alnum(c: char) -> bool {
    c.is_ascii_alphanumeric()
}

fn is_hex(c: char) -> bool {
    matches!(c, '0'..='9' | 'a'..='f')
}

fn all(text: &str, holds: impl Fn(char) -> bool) -> bool {
    text.chars().all(holds)
}

fn ends_are(text: &str, holds: impl Fn(char) -> bool) -> bool {
    text.starts_with(&holds) && text.ends_with(&holds)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Texts that match and texts that do not; the expressions themselves were tried on the same.
    const TEXTS: &[(&str, &[&str], &[&str])] = &[
        (
            ZONE_NAME,
            &["a", "eu-west-1a", "A_b.C"],
            &["", "-a", "a.", "a b", "é"],
        ),
        (
            LISTENER_NAME,
            &["A", "INTERNAL_2"],
            &["", "internal", "2A", "_A", "A-B"],
        ),
        (TAG, &["1.2.3", "_x", "v1-rc.1"], &["", ".1", "-1", "a/b"]),
        (PLAN_HASH, &["0", "deadbeef"], &["", "DEAD", "xyz"]),
        (
            SIZE,
            &["1", "100Gi", "1.5T", "64Mi"],
            &["", "Gi", "1.", ".5Gi", "-1Gi", "1E", "1 Gi", "1e3"],
        ),
        (
            QUANTITY,
            &["1", "500m", "4Gi", ".5", "1.", "1e3", "+1"],
            &["", "x", "1 Gi", "1gi"],
        ),
        (TOPIC_NAME, &["orders", "a.b_c-D"], &["", "a/b", "a b", "ü"]),
        (
            RESOURCE_NAME,
            &["a", "my-secret.v2"],
            &["", "-a", "a-", "A", "a_b"],
        ),
    ];

    #[test]
    fn functions_say_what_the_expressions_say() {
        for (regex, good, bad) in TEXTS {
            let pattern = find(regex).unwrap();
            for text in *good {
                assert!((pattern.holds)(text), "{regex} refuses '{text}'");
            }
            for text in *bad {
                assert!(!(pattern.holds)(text), "{regex} takes '{text}'");
            }
        }
        let digest = find(DIGEST).unwrap();
        assert!((digest.holds)(&format!("sha256:{}", "0a".repeat(32))));
        assert!(!(digest.holds)(&format!("sha256:{}", "0A".repeat(32))));
        assert!(!(digest.holds)("sha256:00"));
    }
}

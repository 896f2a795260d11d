//! Which certificate ends first, for who watches from outside.

use holdfast_security::Validity;

use super::{CERTIFICATE, Kept};

/// When a certificate is to be renewed and when it ends, in seconds since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Life {
    pub(crate) due: u64,
    pub(crate) end: u64,
}

/// The earliest of each among the authority, the brokers and people; none if there is no certificate.
pub(crate) fn first_to_end(kept: &Kept) -> Option<Life> {
    let single = [&kept.authority, &kept.people].map(|texts| texts.get(CERTIFICATE));
    let brokers = kept.brokers.iter().filter(|(key, _)| is_of_broker(key));
    let all = single
        .into_iter()
        .flatten()
        .chain(brokers.map(|(_, pem)| pem));
    all.filter_map(|pem| Validity::of_pem(pem).ok())
        .map(|validity| Life {
            due: validity.renewal().as_secs(),
            end: validity.not_after.as_secs(),
        })
        .reduce(|one, other| Life {
            due: one.due.min(other.due),
            end: one.end.min(other.end),
        })
}

/// As `1000.crt`; the bundle of authorities has no number.
fn is_of_broker(key: &str) -> bool {
    let number = key.strip_suffix(".crt");
    number.is_some_and(|number| number.parse::<i32>().is_ok())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::time::Duration;

    use holdfast_model::ClusterId;
    use holdfast_security::UnixTime;

    use super::*;
    use crate::certificates::{AUTHORITY, issued, rotated};

    #[test]
    fn the_certificate_that_ends_first_is_told() {
        let cluster = ClusterId::from_u128(7);
        let now = UnixTime::since_unix_epoch(Duration::from_secs(1_700_000_000));
        assert_eq!(first_to_end(&Kept::default()), None);
        let authority = rotated(cluster, &Kept::default(), now).unwrap().unwrap();
        let kept = Kept {
            authority,
            ..Kept::default()
        };
        let alone = first_to_end(&kept).unwrap();
        let day = 24 * 3600;
        assert!(alone.end > now.as_secs() + 3000 * day, "{alone:?}");
        let names = BTreeMap::from([(1000, vec!["a".to_owned()])]);
        let life = Duration::from_hours(24 * 90);
        let all = issued(cluster, &kept, &names, life, now).unwrap();
        assert!(all.brokers.contains_key(AUTHORITY));
        let first = first_to_end(&all).unwrap();
        let near = |time: u64, days: u64| time.abs_diff(now.as_secs() + days * day) < 2 * day;
        assert!(near(first.end, 90) && near(first.due, 60), "{first:?}");
    }
}

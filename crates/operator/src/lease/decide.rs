//! What to do about the Lease, from what it says: pure.

use std::time::Duration;

use holdfast_model::Monotonic;

/// What a Lease says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct LeaseView {
    /// Who has it; empty if it was given back.
    pub(super) holder: String,
    /// Its resource version: differs after every renewal.
    pub(super) version: String,
    /// For how long its holder wants others to wait.
    pub(super) duration: Duration,
}

/// What was seen last, and when it began to look like that.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Seen {
    version: String,
    since: Monotonic,
}

/// What to do now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// There is none.
    Create,
    /// It is this process's.
    Renew,
    /// Nobody has it any more.
    TakeOver,
    /// Somebody has it.
    Wait,
}

/// Decides. `seen` remembers between calls; how old a renewal is, is measured from the moment when
/// it was first seen, so that no two clocks are compared.
pub(super) fn next(
    me: &str,
    lease: Option<&LeaseView>,
    seen: &mut Option<Seen>,
    now: Monotonic,
) -> Next {
    let Some(lease) = lease else {
        *seen = None;
        return Next::Create;
    };
    let since = match seen {
        Some(seen) if seen.version == lease.version => seen.since,
        _ => {
            *seen = Some(Seen {
                version: lease.version.clone(),
                since: now,
            });
            now
        }
    };
    if lease.holder == me {
        return Next::Renew;
    }
    if lease.holder.is_empty() || now.since(since) >= lease.duration {
        return Next::TakeOver;
    }
    Next::Wait
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lease(holder: &str, version: &str) -> LeaseView {
        LeaseView {
            holder: holder.to_owned(),
            version: version.to_owned(),
            duration: Duration::from_secs(15),
        }
    }

    fn at(secs: u64) -> Monotonic {
        Monotonic(0).plus(Duration::from_secs(secs))
    }

    #[test]
    fn a_lease_is_taken_over_only_after_it_stood_still_for_its_whole_duration() {
        let mut seen = None;
        let mut ask = |lease: &LeaseView, secs| next("b", Some(lease), &mut seen, at(secs));
        // It may have been renewed long ago: that is not known, so the time begins now.
        assert_eq!(ask(&lease("a", "1"), 100), Next::Wait);
        assert_eq!(ask(&lease("a", "1"), 114), Next::Wait);
        assert_eq!(ask(&lease("a", "2"), 114), Next::Wait);
        assert_eq!(ask(&lease("a", "2"), 128), Next::Wait);
        assert_eq!(ask(&lease("a", "2"), 129), Next::TakeOver);
    }

    #[test]
    fn a_lease_that_was_given_back_is_free_at_once() {
        let mut seen = None;
        assert_eq!(next("b", None, &mut seen, at(0)), Next::Create);
        assert_eq!(
            next("b", Some(&lease("", "1")), &mut seen, at(0)),
            Next::TakeOver
        );
        assert_eq!(
            next("b", Some(&lease("b", "2")), &mut seen, at(0)),
            Next::Renew
        );
    }

    #[test]
    fn time_begins_anew_after_the_lease_was_away() {
        let mut seen = None;
        next("b", Some(&lease("a", "1")), &mut seen, at(0));
        next("b", None, &mut seen, at(10));
        assert_eq!(
            next("b", Some(&lease("a", "1")), &mut seen, at(20)),
            Next::Wait
        );
    }
}

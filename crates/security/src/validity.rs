//! From when until when a certificate is valid, and when to renew it.

use std::time::Duration;

use holdfast_model::Clock;
use rustls_pki_types::{CertificateDer, UnixTime};
use time::OffsetDateTime;
use x509_parser::prelude::{FromDer, X509Certificate};

use crate::{Error, pem_text};

/// The first and the last second in which a certificate is valid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Validity {
    /// The first second.
    pub not_before: UnixTime,
    /// The last second.
    pub not_after: UnixTime,
}

impl Validity {
    /// The validity of the first certificate in a PEM text.
    ///
    /// # Errors
    /// If there is none, or it cannot be read.
    pub fn of_pem(pem: &str) -> Result<Self, Error> {
        let certificates = pem_text::certificates(pem.as_bytes())?;
        Self::of_der(certificates.first().ok_or(Error::NoCertificate)?)
    }

    pub(crate) fn of_der(certificate: &CertificateDer<'_>) -> Result<Self, Error> {
        let (_rest, parsed) =
            X509Certificate::from_der(certificate).map_err(|error| Error::certificate(&error))?;
        let validity = parsed.validity();
        Ok(Self {
            not_before: from_timestamp(validity.not_before.timestamp()),
            not_after: from_timestamp(validity.not_after.timestamp()),
        })
    }

    /// Whether it is time for a new certificate: two thirds of this one's life are over. The last
    /// third is for an operator that is down, or somebody who must be asked.
    pub fn needs_renewal(&self, now: UnixTime) -> bool {
        now.as_secs() >= self.renewal().as_secs()
    }

    /// From when on it is time for a new certificate.
    pub fn renewal(&self) -> UnixTime {
        let (from, to) = (self.not_before.as_secs(), self.not_after.as_secs());
        let life = to.saturating_sub(from);
        // One that ends before it begins is renewed at once.
        from_secs(from.min(to).saturating_add(life - life / 3))
    }

    /// Whether a certificate is valid at this time.
    pub fn contains(&self, now: UnixTime) -> bool {
        (self.not_before..=self.not_after).contains(&now)
    }
}

/// What a clock's wall shows; none if it was never set.
pub fn wall_time(clock: &dyn Clock) -> Option<UnixTime> {
    let ms = u64::try_from(clock.wall_ms()).ok().filter(|ms| *ms > 0)?;
    Some(UnixTime::since_unix_epoch(Duration::from_millis(ms)))
}

/// This time and a duration.
pub(crate) fn plus(time: UnixTime, duration: Duration) -> UnixTime {
    from_secs(time.as_secs().saturating_add(duration.as_secs()))
}

/// This time less a duration, or 1970.
pub(crate) fn minus(time: UnixTime, duration: Duration) -> UnixTime {
    from_secs(time.as_secs().saturating_sub(duration.as_secs()))
}

/// The time in the type of the library that writes certificates.
///
/// # Errors
/// Beyond the year 9999, where certificates have no times.
pub(crate) fn date(time: UnixTime) -> Result<OffsetDateTime, Error> {
    let secs = i64::try_from(time.as_secs()).map_err(|_no| Error::Time)?;
    OffsetDateTime::from_unix_timestamp(secs).map_err(|_no| Error::Time)
}

fn from_secs(secs: u64) -> UnixTime {
    UnixTime::since_unix_epoch(Duration::from_secs(secs))
}

/// Times before 1970 are 1970: whatever they begin has begun, whatever they end is over.
fn from_timestamp(secs: i64) -> UnixTime {
    from_secs(u64::try_from(secs).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use holdfast_model::ManualClock;

    fn validity(not_before: u64, not_after: u64) -> Validity {
        Validity {
            not_before: from_secs(not_before),
            not_after: from_secs(not_after),
        }
    }

    #[test]
    fn renewal_is_due_at_two_thirds_of_the_life() {
        let life = validity(1000, 1300);
        assert!(!life.needs_renewal(from_secs(0)));
        assert!(!life.needs_renewal(from_secs(1199)));
        assert!(life.needs_renewal(from_secs(1200)));
        assert!(life.needs_renewal(from_secs(u64::MAX)));
        // One that ends before it begins is never of use.
        assert!(validity(9, 3).needs_renewal(from_secs(5)));
        assert!(!validity(0, u64::MAX).needs_renewal(from_secs(u64::MAX / 2)));
    }

    #[test]
    fn both_ends_of_a_validity_are_inside() {
        let life = validity(5, 7);
        let inside = [4, 5, 7, 8].map(|secs| life.contains(from_secs(secs)));
        assert_eq!(inside, [false, true, true, false]);
    }

    #[test]
    fn a_clock_that_was_never_set_shows_no_time() {
        assert_eq!(wall_time(&ManualClock::at(0)), None);
        assert_eq!(wall_time(&ManualClock::at(-5)), None);
        assert_eq!(wall_time(&ManualClock::at(7_999)), Some(from_secs(7)));
    }
}

//! The authorities that members trust: the newest first, those that have expired left out.

use holdfast_security::{UnixTime, Validity};

use crate::error::Error;

/// Most authorities that are trusted at once: two while one takes over, and room for a person who
/// replaces one again and again.
const MOST: usize = 8;

const END: &str = "-----END CERTIFICATE-----";

/// One text of the certificates in these texts, each once.
///
/// # Errors
/// A text that cannot be trusted, or none at all.
pub(crate) fn bundle<'a>(
    texts: impl Iterator<Item = &'a str>,
    now: UnixTime,
) -> Result<String, Error> {
    let mut seen: Vec<&str> = Vec::new();
    for certificate in texts.flat_map(split) {
        let expired = Validity::of_pem(certificate).is_ok_and(|life| life.not_after < now);
        if !expired && !seen.contains(&certificate) && seen.len() < MOST {
            seen.push(certificate);
        }
    }
    Ok(holdfast_security::bundle(&seen)?)
}

/// The certificates of a text, one by one.
fn split(text: &str) -> impl Iterator<Item = &str> {
    text.split_inclusive(END)
        .map(str::trim)
        .filter(|part| part.ends_with(END))
}

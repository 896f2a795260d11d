//! The authorities that a process trusts, several while one takes over from another.

use std::collections::HashSet;

use crate::{Error, pem_text, trust};

/// One PEM text of every certificate in these, each once, in their order. Private keys and anything
/// else in the texts stay behind: a bundle is public.
///
/// An authority is replaced in three steps, each everywhere before the next begins: trust the old
/// and the new, issue from the new, trust the new only. An expired authority is trusted until it
/// leaves the bundle; nothing that it issued by [`crate::Authority::issue`] is.
///
/// # Errors
/// If a text is broken or holds no certificate.
pub fn bundle(authorities: &[&str]) -> Result<String, Error> {
    let mut seen = HashSet::new();
    let mut text = String::new();
    for authority in authorities {
        let certificates = pem_text::certificates(authority.as_bytes())?;
        // A text that cannot be trusted must fail here, not in every process that reads it.
        trust::roots(&certificates)?;
        for certificate in certificates {
            if !seen.contains(&certificate) {
                text.push_str(&pem_text::encode(&certificate));
                seen.insert(certificate);
            }
        }
    }
    if text.is_empty() {
        return Err(Error::NoCertificate);
    }
    Ok(text)
}

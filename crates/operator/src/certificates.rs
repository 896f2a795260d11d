//! The Secrets with a cluster's certificates: what in them is still good, and what takes its place.
//! Pure; the rest of the crate reads and writes them.
//!
//! An authority is replaced in three steps, so that no two members ever distrust each other: a next one
//! is made and everybody trusts both; after [`SETTLING`] the next one issues; the old one leaves the
//! bundle when it has expired.

mod bundle;
mod life;

use std::collections::BTreeMap;
use std::time::Duration;

use holdfast_model::{BrokerId, ClusterId};
use holdfast_security::{Authority, Request, Role, UnixTime, Validity};

use crate::error::Error;
pub(crate) use bundle::bundle;
pub(crate) use life::{Life, first_to_end};

/// The data of a Secret.
pub(crate) type Texts = BTreeMap<String, String>;

pub(crate) const AUTHORITY: &str = "ca.crt";
pub(crate) const CERTIFICATE: &str = "tls.crt";
pub(crate) const KEY: &str = "tls.key";
const NEXT_CERTIFICATE: &str = "next.crt";
const NEXT_KEY: &str = "next.key";
const NEXT_SINCE: &str = "next-since";

/// How long an authority lives that the operator makes.
const AUTHORITY_LIFE: Duration = Duration::from_hours(24 * 3650);

/// How long everybody has to learn of a next authority: kubelets bring a changed Secret to the pods
/// within two minutes, brokers look every minute, and machines may be away for a while.
const SETTLING: Duration = Duration::from_hours(1);

/// What there is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Kept {
    /// The authority: of the operator, or what the resource names.
    pub(crate) authority: Texts,
    /// Whether the resource names it, so that it is somebody else's to renew.
    pub(crate) is_foreign: bool,
    /// Of the brokers.
    pub(crate) brokers: Texts,
    /// Of people.
    pub(crate) people: Texts,
}

/// What a broker's certificate says beside its role: the names under which it is reached.
pub(crate) type Names = BTreeMap<i32, Vec<String>>;

/// The authority that issues now; none if there is none yet.
///
/// # Errors
/// What is there is no authority: nothing is put in its place, because it may be the only copy.
pub(crate) fn authority(cluster: ClusterId, texts: &Texts) -> Result<Option<Authority>, Error> {
    match (texts.get(CERTIFICATE), texts.get(KEY)) {
        (None, None) => Ok(None),
        (certificate, key) => {
            let text = |part: Option<&String>| part.cloned().unwrap_or_default();
            Authority::from_pem(cluster, &text(certificate), &text(key))
                .map(Some)
                .map_err(|error| {
                    Error::Person(format!(
                        "the Secret of the authority cannot be used: {error}"
                    ))
                })
        }
    }
}

/// The authority's Secret as it should become now; none if it may stay as it is.
///
/// # Errors
/// As [`authority`], or a new one cannot be made.
pub(crate) fn rotated(
    cluster: ClusterId,
    kept: &Kept,
    now: UnixTime,
) -> Result<Option<Texts>, Error> {
    let Some(current) = authority(cluster, &kept.authority)? else {
        if kept.is_foreign {
            let message = "the Secret of the authority that the resource names is missing or empty";
            return Err(Error::Person(message.to_owned()));
        }
        let new = Authority::generate(cluster, now, AUTHORITY_LIFE)?;
        return Ok(Some(texts([
            (CERTIFICATE, new.certificate_pem()),
            (KEY, new.key_pem()),
        ])));
    };
    if kept.is_foreign || !current.validity().needs_renewal(now) {
        return Ok(None);
    }
    let has_expired = !current.validity().contains(now);
    let next = kept
        .authority
        .get(NEXT_CERTIFICATE)
        .zip(kept.authority.get(NEXT_KEY));
    let since = kept
        .authority
        .get(NEXT_SINCE)
        .and_then(|text| text.parse::<u64>().ok());
    if let (Some((certificate, key)), Some(since)) = (next, since) {
        let settled = now.as_secs() >= since.saturating_add(SETTLING.as_secs());
        let next = [(CERTIFICATE, certificate.clone()), (KEY, key.clone())];
        // An authority that has expired issues nothing: waiting would help nobody.
        return Ok((settled || has_expired).then(|| texts(next)));
    }
    let next = Authority::generate(cluster, now, AUTHORITY_LIFE)?;
    let mut changed = kept.authority.clone();
    changed.extend(texts([
        (NEXT_CERTIFICATE, next.certificate_pem()),
        (NEXT_KEY, next.key_pem()),
        (NEXT_SINCE, now.as_secs().to_string()),
    ]));
    Ok(Some(changed))
}

/// The certificates that all members trust.
///
/// # Errors
/// A text that holds no certificate.
pub(crate) fn trusted(kept: &Kept, now: UnixTime) -> Result<String, Error> {
    let texts = [
        kept.authority.get(CERTIFICATE),
        kept.authority.get(NEXT_CERTIFICATE),
        kept.brokers.get(AUTHORITY),
    ];
    bundle(texts.into_iter().flatten().map(String::as_str), now)
}

/// The brokers whose certificates are good for a while yet. None at all while anything else in the
/// Secrets is to be written, so that it is.
pub(crate) fn certified(cluster: ClusterId, kept: &Kept, now: UnixTime) -> Vec<i32> {
    let Ok(Some(authority)) = authority(cluster, &kept.authority) else {
        return Vec::new();
    };
    let rotates = !matches!(rotated(cluster, kept, now), Ok(None));
    let Ok(trusted) = trusted(kept, now) else {
        return Vec::new();
    };
    let knows = |texts: &Texts| texts.get(AUTHORITY) == Some(&trusted);
    let people = good(&authority, &kept.people, CERTIFICATE, KEY, now);
    if rotates || !knows(&kept.brokers) || !knows(&kept.people) || !people {
        return Vec::new();
    }
    let ids = kept
        .brokers
        .keys()
        .filter_map(|key| key.strip_suffix(".crt")?.parse().ok());
    ids.filter(|id| has_good(&authority, &kept.brokers, *id, now))
        .collect()
}

fn has_good(authority: &Authority, texts: &Texts, id: i32, now: UnixTime) -> bool {
    good(
        authority,
        texts,
        &format!("{id}.crt"),
        &format!("{id}.key"),
        now,
    )
}

fn good(authority: &Authority, texts: &Texts, crt: &str, key: &str, now: UnixTime) -> bool {
    texts.contains_key(key)
        && texts.get(crt).is_some_and(|pem| {
            let fresh = Validity::of_pem(pem).is_ok_and(|validity| !validity.needs_renewal(now));
            fresh && authority.vouches_for(pem, now)
        })
}

/// Everything as it should be: the bundle, and a certificate for each of these brokers and for people.
/// What is good stays. The authority in `kept` is the rotated one.
///
/// # Errors
/// The authority cannot issue.
pub(crate) fn issued(
    cluster: ClusterId,
    kept: &Kept,
    brokers: &Names,
    life: Duration,
    now: UnixTime,
) -> Result<Kept, Error> {
    let authority = authority(cluster, &kept.authority)?
        .ok_or_else(|| Error::Person("there is no authority".to_owned()))?;
    let trusted = trusted(kept, now)?;
    let mut after = kept.clone();
    after.brokers.insert(AUTHORITY.to_owned(), trusted.clone());
    after.people.insert(AUTHORITY.to_owned(), trusted);
    let request = |role, dns_names| Request {
        role,
        dns_names,
        addresses: Vec::new(),
        life,
    };
    for (id, names) in brokers {
        if has_good(&authority, &after.brokers, *id, now) {
            continue;
        }
        let role = Role::Broker(BrokerId(*id));
        let issued = authority.issue(&request(role, names.clone()), now)?;
        after
            .brokers
            .insert(format!("{id}.crt"), issued.certificate_pem);
        after.brokers.insert(format!("{id}.key"), issued.key_pem);
    }
    if !good(&authority, &after.people, CERTIFICATE, KEY, now) {
        let issued = authority.issue(&request(Role::Admin, Vec::new()), now)?;
        after
            .people
            .insert(CERTIFICATE.to_owned(), issued.certificate_pem);
        after.people.insert(KEY.to_owned(), issued.key_pem);
    }
    Ok(after)
}

fn texts<const N: usize>(pairs: [(&str, String); N]) -> Texts {
    pairs.map(|(key, value)| (key.to_owned(), value)).into()
}

#[cfg(test)]
mod tests;

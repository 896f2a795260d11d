//! What consumers of the classic protocol tell each other through their coordinator: their
//! subscriptions, and what each was assigned. The coordinator need not understand it, unless their
//! group moves to the other protocol.
//!
//! Later versions add fields at the end; what follows the known ones is left alone.

use std::collections::BTreeMap;

use bytes::{Buf, BufMut, Bytes, BytesMut};

/// Topics with their partitions: what a member is assigned.
pub type Share = BTreeMap<String, Vec<i32>>;

/// The newest version whose fields are known.
const NEWEST: i16 = 3;

/// From this version on a consumer says what it has not given up, from that one on its generation,
/// and its rack.
const OWNED_FROM: i16 = 1;
const GENERATION_FROM: i16 = 2;
const RACK_FROM: i16 = 3;

/// What a consumer says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Subscription {
    /// The version that it says it in, or the newest known one.
    pub version: i16,
    /// The topics that it wants to read.
    pub topics: Vec<String>,
    /// What it has not given up.
    pub owned: Share,
    /// Its rack.
    pub rack: Option<String>,
}

impl Subscription {
    /// What the bytes say; none if they are no consumer's.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let mut reader = Reader(bytes);
        let mut found = Self {
            version: reader.version()?,
            topics: reader.topics()?,
            ..Self::default()
        };
        reader.skip_data()?;
        if found.version >= OWNED_FROM {
            found.owned = reader.share()?;
        }
        if found.version >= GENERATION_FROM {
            reader.i32()?;
        }
        if found.version >= RACK_FROM {
            found.rack = reader.optional_text().ok()?;
        }
        Some(found)
    }
}

/// What a consumer says of itself: version 0, its topics, nothing of its own.
pub fn subscription(topics: &[String]) -> Bytes {
    let mut out = BytesMut::new();
    out.put_i16(0);
    out.put_i32(topics.len() as i32);
    for topic in topics {
        put_text(&mut out, topic);
    }
    out.put_i32(-1);
    out.freeze()
}

/// The topics of a subscription, whatever follows them; none for anything else.
pub fn topics(bytes: &[u8]) -> Option<Vec<String>> {
    let mut reader = Reader(bytes);
    reader.version()?;
    reader.topics()
}

/// A share as it is sent, in the version that its member's subscription has.
pub fn encode_share(version: i16, share: &Share) -> Bytes {
    let mut out = BytesMut::new();
    out.put_i16(version);
    out.put_i32(share.len() as i32);
    for (topic, partitions) in share {
        put_text(&mut out, topic);
        out.put_i32(partitions.len() as i32);
        for partition in partitions {
            out.put_i32(*partition);
        }
    }
    out.put_i32(-1);
    out.freeze()
}

/// A share that was received; nothing at all is an empty one. None for anything else.
pub fn decode_share(bytes: &[u8]) -> Option<Share> {
    if bytes.is_empty() {
        return Some(Share::new());
    }
    let mut reader = Reader(bytes);
    reader.version()?;
    reader.share()
}

fn put_text(out: &mut BytesMut, text: &str) {
    // Names of topics have 249 bytes at most.
    out.put_i16(text.len() as i16);
    out.put_slice(text.as_bytes());
}

/// Where a text was to be is none, and not even that there is none.
struct Malformed;

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    fn i16(&mut self) -> Option<i16> {
        self.0.try_get_i16().ok()
    }

    fn i32(&mut self) -> Option<i32> {
        self.0.try_get_i32().ok()
    }

    fn version(&mut self) -> Option<i16> {
        let version = self.i16()?;
        (version >= 0).then(|| version.min(NEWEST))
    }

    /// How many there are of what takes bytes each, so that these bound the loop.
    fn count(&mut self) -> Option<usize> {
        usize::try_from(self.i32()?).ok()
    }

    fn topics(&mut self) -> Option<Vec<String>> {
        let count = self.count()?;
        (0..count).map(|_| self.text()).collect()
    }

    fn text(&mut self) -> Option<String> {
        self.optional_text().ok()?
    }

    /// A text, or that there is none.
    fn optional_text(&mut self) -> Result<Option<String>, Malformed> {
        let Ok(length) = usize::try_from(self.i16().ok_or(Malformed)?) else {
            return Ok(None);
        };
        let bytes = self.take(length).ok_or(Malformed)?;
        let text = std::str::from_utf8(bytes).map_err(|_no_text| Malformed)?;
        Ok(Some(text.to_owned()))
    }

    fn skip_data(&mut self) -> Option<()> {
        let length = usize::try_from(self.i32()?).unwrap_or(0);
        self.take(length).map(|_| ())
    }

    fn share(&mut self) -> Option<Share> {
        let mut share = Share::new();
        for _ in 0..self.count()? {
            let topic = self.text()?;
            let count = self.count()?;
            let partitions: Option<Vec<i32>> = (0..count).map(|_| self.i32()).collect();
            share.entry(topic).or_default().extend(partitions?);
        }
        Some(share)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As Kafka 4.4 writes it: topics `a` and `bc`, no data, partitions 0 and 2 of `a`, generation 5, rack `r`.
    const WHOLE: &[u8] = &[
        0, 3, 0, 0, 0, 2, 0, 1, b'a', 0, 2, b'b', b'c', 255, 255, 255, 255, 0, 0, 0, 1, 0, 1, b'a',
        0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 5, 0, 1, b'r',
    ];

    #[test]
    fn what_is_sent_is_what_is_received() {
        let names = vec!["a".to_owned(), "bc".to_owned()];
        assert_eq!(topics(&subscription(&names)), Some(names));
        let share = Share::from([("a".to_owned(), vec![0, 2]), ("b".to_owned(), vec![])]);
        let sent = encode_share(1, &share);
        assert_eq!(&sent[..2], &[0, 1]);
        assert_eq!(decode_share(&sent), Some(share));
        for end in 1..sent.len() - 4 {
            assert_eq!(decode_share(&sent[..end]), None, "{end}");
        }
        assert_eq!(decode_share(&[]), Some(Share::new()));
        assert_eq!(decode_share(&[0, 1, 0x7f, 0xff, 0xff, 0xff]), None);
        assert_eq!(decode_share(&[255, 255, 0, 0, 0, 0]), None);
    }

    #[test]
    fn a_subscription_names_its_topics_and_anything_else_none() {
        let two = [0, 1, 0, 0, 0, 2, 0, 1, b'a', 0, 2, b'b', b'c', 9, 9];
        assert_eq!(topics(&two), Some(vec!["a".to_owned(), "bc".to_owned()]));
        for end in 0..two.len() - 2 {
            assert_eq!(topics(&two[..end]), None, "{end}");
        }
        assert_eq!(topics(&[0, 1, 0x7f, 0xff, 0xff, 0xff]), None);
        assert_eq!(topics(b"connect's own"), None);
    }

    #[test]
    fn a_subscription_of_any_version_is_read_whole_or_not_at_all() {
        let whole = Subscription::decode(WHOLE).unwrap();
        assert_eq!(whole.topics, ["a", "bc"]);
        assert_eq!(whole.owned, Share::from([("a".to_owned(), vec![0, 2])]));
        assert_eq!(whole.rack.as_deref(), Some("r"));
        for (version, end) in [(0, 17), (1, 36), (2, 40), (3, WHOLE.len())] {
            let mut bytes = WHOLE[..end].to_vec();
            bytes[1] = version;
            let read = Subscription::decode(&bytes).unwrap();
            assert_eq!(read.topics, whole.topics);
            assert_eq!(read.owned.is_empty(), version < 1, "{version}");
            assert_eq!(read.rack.is_some(), version == 3, "{version}");
            for short in 0..end {
                let cut = Subscription::decode(&bytes[..short]);
                assert_eq!(cut, None, "version {version}, {short} bytes");
            }
        }
        // One that is not known yet says more.
        let mut later = WHOLE.to_vec();
        later[1] = 9;
        later.push(7);
        assert_eq!(Subscription::decode(&later), Some(whole));
    }
}

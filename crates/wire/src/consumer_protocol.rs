//! What consumers tell each other through their coordinator, which need not understand it: their
//! subscriptions, and what each was assigned.

use std::collections::BTreeMap;

use crate::cursor::Cursor;
use bytes::{BufMut, Bytes, BytesMut};

/// Topics with their partitions: what a member is assigned.
pub type Share = BTreeMap<String, Vec<i32>>;

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

/// The topics of a subscription; none for anything else.
pub fn topics(bytes: &[u8]) -> Option<Vec<String>> {
    let mut cursor = Cursor::new(bytes);
    let count = head(&mut cursor)?;
    // Each name takes bytes, so that they bound the loop.
    (0..count).map(|_| text(&mut cursor)).collect()
}

/// A share as it is sent: version 0.
pub fn encode_share(share: &Share) -> Bytes {
    let mut out = BytesMut::new();
    out.put_i16(0);
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
    let mut cursor = Cursor::new(bytes);
    let mut share = Share::new();
    // Each topic and each partition takes bytes, so that they bound the loops.
    for _ in 0..head(&mut cursor)? {
        let topic = text(&mut cursor)?;
        let count = usize::try_from(cursor.i32()?).ok()?;
        let partitions: Option<Vec<i32>> = (0..count).map(|_| cursor.i32()).collect();
        share.insert(topic, partitions?);
    }
    Some(share)
}

fn head(cursor: &mut Cursor<'_>) -> Option<usize> {
    if cursor.i16()? < 0 {
        return None;
    }
    usize::try_from(cursor.i32()?).ok()
}

fn text(cursor: &mut Cursor<'_>) -> Option<String> {
    let length = usize::try_from(cursor.i16()?).ok()?;
    let bytes = cursor.take(length)?;
    std::str::from_utf8(bytes).ok().map(str::to_owned)
}

fn put_text(out: &mut BytesMut, text: &str) {
    // Names of topics have 249 bytes at most.
    out.put_i16(text.len() as i16);
    out.put_slice(text.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sent_is_what_is_received() {
        let names = vec!["a".to_owned(), "bc".to_owned()];
        assert_eq!(topics(&subscription(&names)), Some(names));
        let share = Share::from([("a".to_owned(), vec![0, 2]), ("b".to_owned(), vec![])]);
        let sent = encode_share(&share);
        assert_eq!(decode_share(&sent), Some(share));
        for end in 1..sent.len() - 4 {
            assert_eq!(decode_share(&sent[..end]), None, "{end}");
        }
        assert_eq!(decode_share(&[]), Some(Share::new()));
        assert_eq!(decode_share(&[0, 1, 0x7f, 0xff, 0xff, 0xff]), None);
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
}

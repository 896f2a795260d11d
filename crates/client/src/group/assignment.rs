//! What consumers tell each other through their coordinator, and how partitions are divided.

use std::collections::BTreeMap;

use bytes::{BufMut, Bytes, BytesMut};
use holdfast_wire::cursor::Cursor;

/// Topics with their partitions.
pub(crate) type Share = BTreeMap<String, Vec<i32>>;

/// What a consumer says of itself: version 0, its topics, nothing of its own.
pub(super) fn subscription(topics: &[String]) -> Bytes {
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
pub(super) fn topics(bytes: &[u8]) -> Option<Vec<String>> {
    let mut cursor = Cursor::new(bytes);
    let count = head(&mut cursor)?;
    // Each name takes bytes, so that they bound the loop.
    (0..count).map(|_| text(&mut cursor)).collect()
}

/// A share as it is sent: version 0.
pub(super) fn encode(share: &Share) -> Bytes {
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
pub(crate) fn decode(bytes: &[u8]) -> Option<Share> {
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

/// Kafka's range assignor: of each topic every member gets a run of partitions, the first ones one
/// more if they do not divide.
pub(super) fn range(
    wishes: &[(String, Vec<String>)],
    partitions: &BTreeMap<String, i32>,
) -> BTreeMap<String, Share> {
    let mut shares: BTreeMap<String, Share> = wishes
        .iter()
        .map(|(member, _)| (member.clone(), Share::new()))
        .collect();
    for (topic, count) in partitions {
        let mut members: Vec<&String> = wishes
            .iter()
            .filter(|(_, topics)| topics.contains(topic))
            .map(|(member, _)| member)
            .collect();
        members.sort_unstable();
        let among = members.len() as i32;
        let mut next = 0;
        for (index, member) in members.into_iter().enumerate() {
            let length = count / among + i32::from((index as i32) < count % among);
            if length > 0
                && let Some(share) = shares.get_mut(member)
            {
                share.insert(topic.clone(), (next..next + length).collect());
            }
            next += length;
        }
    }
    shares
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sent_is_what_is_received() {
        let names = vec!["a".to_owned(), "bc".to_owned()];
        assert_eq!(topics(&subscription(&names)), Some(names));
        let share = Share::from([("a".to_owned(), vec![0, 2]), ("b".to_owned(), vec![])]);
        let sent = encode(&share);
        assert_eq!(decode(&sent), Some(share));
        for end in 1..sent.len() - 4 {
            assert_eq!(decode(&sent[..end]), None, "{end}");
        }
        assert_eq!(decode(&[]), Some(Share::new()));
        assert_eq!(decode(&[0, 1, 0x7f, 0xff, 0xff, 0xff]), None);
        assert_eq!(topics(&[0, 1, 0x7f, 0xff, 0xff, 0xff]), None);
    }

    #[test]
    fn every_partition_has_one_reader_among_those_who_want_the_topic() {
        let wish = |member: &str, topics: &[&str]| {
            let topics = topics.iter().map(|topic| (*topic).to_owned()).collect();
            (member.to_owned(), topics)
        };
        let wishes = [wish("m2", &["t"]), wish("m1", &["t", "u"]), wish("m3", &[])];
        let partitions = BTreeMap::from([("t".to_owned(), 3), ("u".to_owned(), 1)]);
        let shares = range(&wishes, &partitions);
        let of = |member: &str, topic: &str| shares[member].get(topic).cloned();
        assert_eq!(of("m1", "t"), Some(vec![0, 1]));
        assert_eq!(of("m2", "t"), Some(vec![2]));
        assert_eq!(of("m1", "u"), Some(vec![0]));
        assert_eq!(shares["m3"], Share::new());
    }
}

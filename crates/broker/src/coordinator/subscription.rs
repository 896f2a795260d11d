//! The topics in what a consumer says of itself.

use std::sync::Arc;

use holdfast_wire::cursor::Cursor;

/// The topics of a consumer's subscription: a version, then a list of names; what follows does not
/// matter here. What is no such thing has none.
pub fn topics_of(metadata: &[u8]) -> Arc<[Arc<str>]> {
    read(metadata).map_or_else(|| Arc::from([]), Arc::from)
}

fn read(metadata: &[u8]) -> Option<Vec<Arc<str>>> {
    let mut cursor = Cursor::new(metadata);
    let version = cursor.i16()?;
    if version < 0 {
        return None;
    }
    let count = usize::try_from(cursor.i32()?).ok()?;
    // Each name takes two bytes or more.
    if count > cursor.remaining() / 2 {
        return None;
    }
    let mut topics = Vec::with_capacity(count);
    for _ in 0..count {
        let length = usize::try_from(cursor.i16()?).ok()?;
        let name = std::str::from_utf8(cursor.take(length)?).ok()?;
        topics.push(Arc::from(name));
    }
    Some(topics)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subscription_names_its_topics_and_anything_else_none() {
        let two = [0, 1, 0, 0, 0, 2, 0, 1, b'a', 0, 2, b'b', b'c', 9, 9];
        let topics = topics_of(&two);
        assert_eq!(topics.iter().map(|t| &**t).collect::<Vec<_>>(), ["a", "bc"]);
        for end in 0..two.len() - 2 {
            assert!(topics_of(&two[..end]).is_empty(), "{end}");
        }
        let hostile = [0, 1, 0x7f, 0xff, 0xff, 0xff];
        assert!(topics_of(&hostile).is_empty());
        assert!(topics_of(b"connect's own").is_empty());
    }
}

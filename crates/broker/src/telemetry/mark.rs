//! Metrics say whose they are: attributes are added to each resource of OpenTelemetry's `MetricsData`.
//!
//! Only the outermost level is read. In protobuf a message that is there twice is the two merged, so
//! that a second `resource` behind all else adds its attributes to the first one's.

use bytes::{BufMut, Bytes, BytesMut};

/// `MetricsData.resource_metrics`, `ResourceMetrics.resource`, `Resource.attributes`, and
/// `KeyValue.key`: field 1 of each, with a length.
const FIRST: u8 = 0x0a;

/// `KeyValue.value`: field 2, with a length.
const SECOND: u8 = 0x12;

/// Bytes of a tag and a length at most.
const LONGEST_HEAD: usize = 11;

/// The attributes of a client, as a `resource` field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin(Bytes);

impl Origin {
    /// Attributes by name.
    pub fn new(attributes: &[(&str, &str)]) -> Self {
        let mut resource = BytesMut::new();
        for (name, value) in attributes {
            let mut any = BytesMut::new();
            // `AnyValue.string_value`.
            put(&mut any, FIRST, value.as_bytes());
            let mut attribute = BytesMut::new();
            put(&mut attribute, FIRST, name.as_bytes());
            put(&mut attribute, SECOND, &any);
            put(&mut resource, FIRST, &attribute);
        }
        let mut field = BytesMut::new();
        put(&mut field, FIRST, &resource);
        Self(field.freeze())
    }
}

/// Why metrics cannot be marked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unmarked {
    /// They are no metrics.
    Damaged,
    /// They would take more bytes than they may: an origin is added to each resource, however small
    /// that is.
    TooLarge,
}

/// The metrics with the origin in each resource, in so many bytes at most.
pub(super) fn mark(metrics: &[u8], origin: &Origin, most: usize) -> Result<Bytes, Unmarked> {
    let mut out = BytesMut::with_capacity(metrics.len().saturating_add(origin.0.len()).min(most));
    let mut rest = metrics;
    while let Some((tag, after)) = rest.split_first() {
        let (resource, after) = resource(*tag, after).ok_or(Unmarked::Damaged)?;
        let length = resource.len() + origin.0.len();
        if out.len() + LONGEST_HEAD + length > most {
            return Err(Unmarked::TooLarge);
        }
        out.put_u8(FIRST);
        put_varint(&mut out, length);
        out.put_slice(resource);
        out.put_slice(&origin.0);
        rest = after;
    }
    Ok(out.freeze())
}

/// A resource, and what follows it.
fn resource(tag: u8, bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    if tag != FIRST {
        return None;
    }
    let (length, after) = varint(bytes)?;
    after.split_at_checked(length)
}

fn put(out: &mut BytesMut, tag: u8, bytes: &[u8]) {
    out.put_u8(tag);
    put_varint(out, bytes.len());
    out.put_slice(bytes);
}

fn put_varint(out: &mut BytesMut, mut value: usize) {
    while value >= 0x80 {
        out.put_u8((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    out.put_u8(value as u8);
}

/// A length of 32 bits, and what follows it.
fn varint(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let mut value = 0;
    for (index, byte) in bytes.iter().enumerate().take(5) {
        value |= u64::from(byte & 0x7f) << (7 * index);
        if byte & 0x80 == 0 {
            return Some((usize::try_from(value).ok()?, &bytes[index + 1..]));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_resource_gets_the_attributes_behind_what_it_says() {
        let origin = Origin::new(&[("k", "v")]);
        let attribute = [
            FIRST, 10, FIRST, 8, FIRST, 1, b'k', SECOND, 3, FIRST, 1, b'v',
        ];
        assert_eq!(&origin.0[..], &attribute);
        let two = [FIRST, 2, SECOND, 0, FIRST, 0];
        let mut expected = vec![FIRST, 14, SECOND, 0];
        expected.extend(attribute);
        expected.extend([FIRST, 12]);
        expected.extend(attribute);
        assert_eq!(mark(&two, &origin, 1_000).unwrap(), expected);
        assert_eq!(mark(&[], &origin, 1_000).unwrap(), Bytes::new());
    }

    #[test]
    fn a_large_resource_has_a_long_length() {
        let mut metrics = BytesMut::new();
        put(&mut metrics, FIRST, &[7; 300]);
        let origin = Origin::new(&[("name", &"x".repeat(200))]);
        let marked = mark(&metrics, &origin, 1_000).unwrap();
        let (length, rest) = varint(&marked[1..]).unwrap();
        assert_eq!(length, 300 + origin.0.len());
        assert_eq!(rest.len(), length);
    }

    #[test]
    fn anything_else_is_refused() {
        let origin = Origin::new(&[]);
        for wrong in [
            &b"text"[..],
            &[FIRST],
            &[FIRST, 5, 1],
            &[SECOND, 0],
            &[FIRST, 255, 255, 255, 255, 255, 1],
        ] {
            let marked = mark(wrong, &origin, 1_000);
            assert_eq!(marked, Err(Unmarked::Damaged), "{wrong:?}");
        }
    }

    #[test]
    fn many_empty_resources_do_not_become_large_ones() {
        let origin = Origin::new(&[("name", "value")]);
        let empty = [FIRST, 0].repeat(1_000);
        assert_eq!(mark(&empty, &origin, 10_000), Err(Unmarked::TooLarge));
        assert!(mark(&empty[..200], &origin, 10_000).is_ok());
    }
}

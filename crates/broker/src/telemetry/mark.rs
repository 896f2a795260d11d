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

/// The metrics with the origin in each resource; none if they are none.
pub(super) fn mark(metrics: &[u8], origin: &Origin) -> Option<Bytes> {
    let mut out = BytesMut::with_capacity(metrics.len() + origin.0.len());
    let mut rest = metrics;
    while let Some((tag, after)) = rest.split_first() {
        if *tag != FIRST {
            return None;
        }
        let (length, after) = varint(after)?;
        let (resource, after) = after.split_at_checked(length)?;
        out.put_u8(FIRST);
        put_varint(&mut out, resource.len() + origin.0.len());
        out.put_slice(resource);
        out.put_slice(&origin.0);
        rest = after;
    }
    Some(out.freeze())
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
        assert_eq!(mark(&two, &origin).unwrap(), expected);
        assert_eq!(mark(&[], &origin).unwrap(), Bytes::new());
    }

    #[test]
    fn a_large_resource_has_a_long_length() {
        let mut metrics = BytesMut::new();
        put(&mut metrics, FIRST, &[7; 300]);
        let origin = Origin::new(&[("name", &"x".repeat(200))]);
        let marked = mark(&metrics, &origin).unwrap();
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
            assert_eq!(mark(wrong, &origin), None, "{wrong:?}");
        }
    }
}

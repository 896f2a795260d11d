//! Digests: lower hexadecimal SHA-256.

use serde_json::Value;
use sha2::{Digest, Sha256};

/// The digest of bytes.
pub(crate) fn sha256_hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    let digest = Sha256::digest(bytes);
    digest.iter().fold(String::new(), |mut text, byte| {
        let _infallible = write!(text, "{byte:02x}");
        text
    })
}

/// The digest of a JSON value, whatever the order in which its fields were written.
pub(crate) fn json_hex(value: &Value) -> String {
    let mut text = String::new();
    canonical(value, &mut text);
    sha256_hex(text.as_bytes())
}

/// Written out here, because a feature of `serde_json` that any crate may switch on changes the
/// order of its own maps.
fn canonical(value: &Value, out: &mut String) {
    match value {
        Value::Object(fields) => {
            let mut sorted: Vec<_> = fields.iter().collect();
            sorted.sort_by_key(|(name, _)| *name);
            out.push('{');
            for (name, value) in sorted {
                *out += &Value::from(name.as_str()).to_string();
                out.push(':');
                canonical(value, out);
                out.push(',');
            }
            out.push('}');
        }
        Value::Array(items) => {
            out.push('[');
            for item in items {
                canonical(item, out);
                out.push(',');
            }
            out.push(']');
        }
        plain => *out += &plain.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn digests_are_lower_hexadecimal() {
        assert_eq!(
            sha256_hex(b"abc"),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
    }

    #[test]
    fn values_that_differ_have_different_digests() {
        let values = [
            json!({}),
            json!([]),
            json!({"a": "b,c"}),
            json!({"a": "b", "c": null}),
            json!(["a", "b"]),
            json!(["a,b"]),
            json!([["a"], "b"]),
            json!([["a", "b"]]),
            json!(1),
            json!("1"),
        ];
        for (index, value) in values.iter().enumerate() {
            for other in &values[..index] {
                assert_ne!(json_hex(value), json_hex(other), "{value} and {other}");
            }
        }
    }
}

//! A cluster's id as an argument.

use std::str::FromStr;

use holdfast_model::ClusterId;
use uuid::Uuid;

/// A cluster's id as it was typed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ClusterName(pub(crate) ClusterId);

impl FromStr for ClusterName {
    type Err = String;

    /// Kafka's 22 characters, as brokers print the id, or a UUID, as the document holds it.
    fn from_str(text: &str) -> Result<Self, String> {
        if let Ok(id) = Uuid::parse_str(text) {
            return Ok(Self(ClusterId(id)));
        }
        from_base64(text)
            .map(|id| ClusterId(Uuid::from_u128(id)))
            // Spare bits in the last character would make two texts mean one id.
            .filter(|id| id.to_string() == text)
            .map(Self)
            .ok_or_else(|| "expected a cluster id of 22 characters, or a UUID".to_owned())
    }
}

/// Draws an id whose text never looks like a flag: it is typed in commands.
pub(crate) fn draw() -> ClusterId {
    loop {
        let id = ClusterId(Uuid::new_v4());
        if !id.to_string().starts_with('-') {
            return id;
        }
    }
}

fn from_base64(text: &str) -> Option<u128> {
    if text.len() != 22 {
        return None;
    }
    let mut value: u128 = 0;
    for (index, byte) in text.bytes().enumerate() {
        let sextet = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'-' => 62,
            b'_' => 63,
            _ => return None,
        };
        // The last character carries two bits.
        value = if index == 21 {
            (value << 2) | u128::from(sextet >> 4)
        } else {
            (value << 6) | u128::from(sextet)
        };
    }
    Some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cluster_id_reads_back_as_it_prints() {
        for value in [1, u128::MAX, 0x0123_4567_89ab_cdef_0123_4567_89ab_cdef] {
            let id = ClusterId(Uuid::from_u128(value));
            assert_eq!(id.to_string().parse(), Ok(ClusterName(id)));
            assert_eq!(id.0.to_string().parse(), Ok(ClusterName(id)));
        }
        for wrong in [
            "",
            "abc",
            "AAAAAAAAAAAAAAAAAAAAA!",
            "AAAAAAAAAAAAAAAAAAAAAB",
        ] {
            wrong.parse::<ClusterName>().unwrap_err();
        }
    }
}

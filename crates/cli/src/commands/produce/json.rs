//! Lines as `holdfast consume -o json` prints records.

use anyhow::Context;
use bytes::Bytes;
use holdfast_client::ProduceRecord;
use serde::Deserialize;

/// A record; where it was before is not where it goes.
#[derive(Debug, Deserialize)]
struct Record {
    #[serde(default)]
    key: Option<Text>,
    #[serde(default)]
    value: Option<Text>,
    #[serde(default)]
    headers: Vec<Header>,
    #[serde(default)]
    timestamp: Option<i64>,
}

#[derive(Debug, Deserialize)]
struct Header {
    name: String,
    #[serde(default)]
    value: Option<Text>,
}

/// A text, or bytes that are none.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Text {
    Plain(String),
    Hexadecimal { hex: String },
}

impl Text {
    fn bytes(self) -> anyhow::Result<Bytes> {
        match self {
            Self::Plain(text) => Ok(Bytes::from(text)),
            Self::Hexadecimal { hex } => {
                let digits = hex.as_bytes().chunks(2);
                let bytes: Option<Vec<u8>> = digits.map(byte).collect();
                let bytes = bytes.with_context(|| format!("{hex:?} are not hexadecimal digits"))?;
                Ok(Bytes::from(bytes))
            }
        }
    }
}

fn byte(digits: &[u8]) -> Option<u8> {
    let &[high, low] = digits else {
        return None;
    };
    let digit = |digit: u8| char::from(digit).to_digit(16);
    u8::try_from(digit(high)? * 16 + digit(low)?).ok()
}

/// The record of a line, but for its topic and partition.
pub(super) fn record(line: &[u8]) -> anyhow::Result<ProduceRecord> {
    let wrong = || {
        let shown = crate::text::readable(&line[..line.len().min(100)]);
        format!("a line that is no record in JSON: {shown:?}")
    };
    // A list would be read as the fields in their order.
    let is_object = line.trim_ascii_start().starts_with(b"{");
    anyhow::ensure!(is_object, "{}", wrong());
    let record: Record = serde_json::from_slice(line).with_context(wrong)?;
    let bytes = |text: Option<Text>| text.map(Text::bytes).transpose();
    let headers = record.headers.into_iter().map(|header| {
        let value = bytes(header.value)?;
        Ok((Bytes::from(header.name), value))
    });
    Ok(ProduceRecord {
        key: bytes(record.key).with_context(wrong)?,
        value: bytes(record.value).with_context(wrong)?,
        headers: headers.collect::<anyhow::Result<_>>().with_context(wrong)?,
        timestamp: record.timestamp,
        ..ProduceRecord::default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_consume_prints_is_read() {
        let line = br#"{"topic":"t","partition":1,"offset":7,"timestamp":9,"key":null,"value":"hi",
            "headers":[{"name":"h","value":{"hex":"ff00"}},{"name":"n","value":null}]}"#;
        let read = record(line).unwrap();
        assert_eq!((read.key, read.value), (None, Some(Bytes::from("hi"))));
        assert_eq!(read.timestamp, Some(9));
        let headers = [
            (Bytes::from("h"), Some(Bytes::from_static(&[255, 0]))),
            (Bytes::from("n"), None),
        ];
        assert_eq!(read.headers, headers);
        assert_eq!(record(b"{}").unwrap(), ProduceRecord::default());
    }

    #[test]
    fn anything_else_is_refused_with_the_line() {
        for line in [
            "",
            "hi",
            "[]",
            r#"{"value":7}"#,
            r#"{"value":{"hex":"f"}}"#,
            r#"{"key":{"hex":"xx"}}"#,
        ] {
            let refused = record(line.as_bytes()).unwrap_err().to_string();
            assert!(refused.starts_with("a line that is no record"), "{refused}");
        }
    }
}

//! Reads and writes the small notations of the command line: `name=value`, points in time, bytes.

mod new_cluster;

use std::fmt::{self, Write};
use std::time::Duration;

pub(crate) use new_cluster::draw as draw_cluster_id;

/// Milliseconds of a day.
const DAY_MS: i64 = 86_400_000;

/// Adds formatted text to a text.
pub(crate) fn add(out: &mut String, text: fmt::Arguments<'_>) {
    let _infallible = out.write_fmt(text);
}

/// Reads `name=value`; the value may be empty and may hold further equals signs.
pub(crate) fn assignment(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("expected name=value".to_owned()),
    }
}

/// A point in time as the command line writes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Moment {
    /// Milliseconds since 1970.
    At(i64),
    /// So long ago.
    Ago(Duration),
}

impl Moment {
    /// Milliseconds since 1970, given that it is `now_ms` now.
    pub(crate) fn at(self, now_ms: i64) -> i64 {
        match self {
            Self::At(ms) => ms,
            Self::Ago(length) => {
                now_ms.saturating_sub(i64::try_from(length.as_millis()).unwrap_or(i64::MAX))
            }
        }
    }
}

/// Reads `1700000000000` (milliseconds since 1970), `90s`, `10m`, `2h`, `7d` (so long ago), or
/// `2026-01-31T12:00:00Z` (UTC, the time of day may be left out).
pub(crate) fn moment(text: &str) -> Result<Moment, String> {
    if let Ok(ms) = text.parse::<i64>()
        && ms >= 0
    {
        return Ok(Moment::At(ms));
    }
    let ago = [('s', 1), ('m', 60), ('h', 3_600), ('d', 86_400)];
    for (unit, seconds) in ago {
        if let Some(count) = text.strip_suffix(unit).and_then(|n| n.parse::<u32>().ok()) {
            return Ok(Moment::Ago(Duration::from_secs(u64::from(count) * seconds)));
        }
    }
    calendar(text).map(Moment::At).ok_or_else(|| {
        "expected milliseconds since 1970, a span such as 90s, 10m, 2h or 7d, or a time in UTC \
         such as 2026-01-31T12:00:00Z"
            .to_owned()
    })
}

fn calendar(text: &str) -> Option<i64> {
    let (date, time) = match text.split_once('T') {
        Some((date, time)) => (date, time.strip_suffix('Z')?),
        None => (text, "00:00:00"),
    };
    let numbers = |text: &str, separator: char| -> Option<[i64; 3]> {
        let parts: Vec<i64> = text
            .split(separator)
            .map(|part| part.parse::<u16>().ok().map(i64::from))
            .collect::<Option<_>>()?;
        parts.try_into().ok()
    };
    let [year, month, day] = numbers(date, '-')?;
    let [hour, minute, second] = numbers(time, ':')?;
    let in_range = (1970..=9999).contains(&year)
        && (1..=12).contains(&month)
        && (1..=31).contains(&day)
        && hour < 24
        && minute < 60
        && second < 60;
    in_range.then(|| {
        let seconds = hour * 3600 + minute * 60 + second;
        days_since_1970(year, month, day) * DAY_MS + seconds * 1000
    })
}

/// The days of the Gregorian calendar before a date. Years begin in March here, so that the day
/// which some years add is the last one.
fn days_since_1970(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let month = (month + 9) % 12;
    let before_month = (153 * month + 2) / 5;
    let before_year = 365 * year + year / 4 - year / 100 + year / 400;
    // 719,468 days lie between 1 March of the year 0 and 1970.
    before_year + before_month + day - 1 - 719_468
}

/// Bytes as text, for a person: what is no text is shown as an escape.
pub(crate) fn readable(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        out.push_str(chunk.valid());
        for byte in chunk.invalid() {
            add(&mut out, format_args!("\\x{byte:02x}"));
        }
    }
    out
}

/// Bytes as hexadecimal digits.
pub(crate) fn hexadecimal(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut out = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        out.push(char::from(DIGITS[usize::from(byte >> 4)]));
        out.push(char::from(DIGITS[usize::from(byte & 15)]));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn assignments_need_a_name_only() {
        let pair = |a: &str, b: &str| Ok((a.to_owned(), b.to_owned()));
        assert_eq!(assignment("a=b=c"), pair("a", "b=c"));
        assert_eq!(assignment("a="), pair("a", ""));
        assignment("=b").unwrap_err();
        assignment("a").unwrap_err();
    }

    #[test]
    fn moments_are_absolute_or_ago() {
        assert_eq!(moment("0"), Ok(Moment::At(0)));
        assert_eq!(moment("1970-01-02"), Ok(Moment::At(DAY_MS)));
        assert_eq!(
            moment("2000-02-29T23:59:59Z"),
            Ok(Moment::At(951_868_799_000))
        );
        assert_eq!(
            moment("2026-01-31T12:00:00Z"),
            Ok(Moment::At(1_769_860_800_000))
        );
        assert_eq!(moment("2m").map(|m| m.at(200_000)), Ok(80_000));
        assert_eq!(moment("7d"), Ok(Moment::Ago(Duration::from_hours(168))));
        for wrong in ["", "-1", "m", "2026-13-01", "2026-01-01T25:00:00Z", "soon"] {
            moment(wrong).unwrap_err();
        }
    }

    #[test]
    fn bytes_are_shown_without_loss() {
        assert_eq!(readable("grün".as_bytes()), "grün");
        assert_eq!(readable(&[b'a', 0xff, b'b']), "a\\xffb");
        assert_eq!(hexadecimal(&[0, 0xab, 0x7f]), "00ab7f");
    }
}

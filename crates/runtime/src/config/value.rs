//! Values as text, checked against their range on the way in.

use std::fmt::Display;
use std::ops::RangeInclusive;
use std::str::FromStr;

use holdfast_model::topic_bounds::Bounds;

/// Reads a number within a range.
pub(super) fn number<T>(text: &str, range: &RangeInclusive<T>) -> Result<T, String>
where
    T: FromStr + PartialOrd + Display,
{
    let out = || {
        format!(
            "{text:?} is not a number from {} to {}",
            range.start(),
            range.end()
        )
    };
    let value: T = text.parse().map_err(|_e| out())?;
    if range.contains(&value) {
        Ok(value)
    } else {
        Err(out())
    }
}

/// Sets a number within a range.
pub(super) fn set<T>(target: &mut T, text: &str, range: &RangeInclusive<T>) -> Result<(), String>
where
    T: FromStr + PartialOrd + Display,
{
    *target = number(text, range)?;
    Ok(())
}

/// Sets a default of topics, within the bounds that topics themselves have.
pub(super) fn set_within<T>(target: &mut T, text: &str, bounds: &Bounds) -> Result<(), String>
where
    T: TryFrom<i64>,
{
    let value = bounds
        .read(text)
        .map_err(|fitting| format!("{text:?}: {fitting}"))?;
    *target = T::try_from(value).map_err(|_e| format!("{text:?} is too large"))?;
    Ok(())
}

/// Sets a number where an empty text means unset.
pub(super) fn set_optional<T>(
    target: &mut Option<T>,
    text: &str,
    range: &RangeInclusive<T>,
) -> Result<(), String>
where
    T: FromStr + PartialOrd + Display,
{
    *target = if text.is_empty() {
        None
    } else {
        Some(number(text, range)?)
    };
    Ok(())
}

/// Reads `true` or `false`, in any case, as Kafka does.
pub(super) fn boolean(text: &str) -> Result<bool, String> {
    match text.to_ascii_lowercase().as_str() {
        "true" => Ok(true),
        "false" => Ok(false),
        _ => Err(format!("{text:?} is neither true nor false")),
    }
}

/// Reads a span of time in a larger unit into milliseconds; -1 stays -1, Kafka's "for ever".
pub(super) fn span_ms(text: &str, unit_ms: i64) -> Result<i64, String> {
    let count = number(text, &(-1..=i64::MAX / unit_ms))?;
    Ok(if count < 0 { -1 } else { count * unit_ms })
}

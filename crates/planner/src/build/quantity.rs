//! Whether two quantities are the same amount: the API server writes `1000m` as `1`.

use serde_json::Value;

/// Whether two quantities are equal; texts that are no quantities are compared as they are.
pub(super) fn same(one: &Value, other: &Value) -> bool {
    match (nano(one), nano(other)) {
        (Some(one), Some(other)) => one == other,
        _ => one == other,
    }
}

/// A quantity in billionths, the smallest part that Kubernetes keeps.
fn nano(value: &Value) -> Option<i128> {
    let text = match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        _ => return None,
    };
    let end = text
        .find(|c: char| !c.is_ascii_digit() && !"+-.".contains(c))
        .unwrap_or(text.len());
    let (number, suffix) = text.split_at(end);
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let digits: i128 = [whole, fraction].concat().parse().ok()?;
    let (factor, power) = unit(suffix)?;
    let power = 9 + power - i32::try_from(fraction.len()).ok()?;
    let scale = 10_i128.checked_pow(power.unsigned_abs())?;
    let amount = digits.checked_mul(factor)?;
    if power >= 0 {
        amount.checked_mul(scale)
    } else {
        Some(amount / scale)
    }
}

/// What a suffix multiplies with: a number, and a power of ten.
fn unit(suffix: &str) -> Option<(i128, i32)> {
    let binary = ["Ki", "Mi", "Gi", "Ti", "Pi", "Ei"];
    if let Some(times) = binary.iter().position(|unit| *unit == suffix) {
        return Some((1 << (10 * (times + 1)), 0));
    }
    let power = match suffix {
        "n" => -9,
        "u" => -6,
        "m" => -3,
        "" => 0,
        "k" => 3,
        "M" => 6,
        "G" => 9,
        "T" => 12,
        "P" => 15,
        "E" => 18,
        _ => suffix.strip_prefix(['e', 'E'])?.parse().ok()?,
    };
    Some((1, power))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn equal_amounts_are_equal_however_they_are_written() {
        for (one, other) in [
            (json!("1000m"), json!("1")),
            (json!("0.5"), json!("500m")),
            (json!("1024Mi"), json!("1Gi")),
            (json!("1.5Gi"), json!("1536Mi")),
            (json!("1e3"), json!("1k")),
            (json!("12e-1"), json!("1200m")),
            (json!(2), json!("2")),
            (json!("1500u"), json!("1.5m")),
        ] {
            assert!(same(&one, &other), "{one} {other}");
        }
        for (one, other) in [
            (json!("500m"), json!("600m")),
            (json!("1Gi"), json!("1G")),
            (json!("nonsense"), json!("0")),
            (json!("1"), json!(null)),
            (json!("1e99"), json!("2e99")),
        ] {
            assert!(!same(&one, &other), "{one} {other}");
        }
    }
}

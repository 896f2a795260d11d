//! Kubernetes' quantities, as `100Gi`.

/// How many bytes a quantity means: `1Ki` is 1024, `1k` is 1000, `1.5` is 2, because Kubernetes
/// rounds up. `None` for what is no quantity, is negative, or is more than a `u64` holds.
pub fn quantity_bytes(text: &str) -> Option<u64> {
    let text = text.strip_prefix('+').unwrap_or(text);
    let end = text
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(text.len());
    let (number, suffix) = text.split_at(end);
    let (digits, scale) = mantissa(number)?;
    let (factor, power) = unit(suffix)?;
    let power = power.checked_sub(i32::try_from(scale).ok()?)?;
    let whole = digits.checked_mul(factor)?;
    let ten = 10_u128.checked_pow(power.unsigned_abs());
    let bytes = match (power >= 0, ten) {
        _ if whole == 0 => 0,
        (true, ten) => whole.checked_mul(ten?)?,
        (false, Some(ten)) => whole.div_ceil(ten),
        // So small a part of a byte is still more than none.
        (false, None) => 1,
    };
    u64::try_from(bytes).ok()
}

/// The digits as one number, and how many of them stand behind the dot.
fn mantissa(number: &str) -> Option<(u128, usize)> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let digits = [whole, fraction].concat();
    // What does not parse: nothing, a second dot, or more digits than anybody writes.
    Some((digits.parse().ok()?, fraction.len()))
}

/// What a suffix multiplies with: a number, and a power of ten.
fn unit(suffix: &str) -> Option<(u128, i32)> {
    let decimal = |power| Some((1, power));
    let binary = |times: u32| Some((1 << (10 * times), 0));
    match suffix {
        "n" => decimal(-9),
        "u" => decimal(-6),
        "m" => decimal(-3),
        "" => decimal(0),
        "k" => decimal(3),
        "M" => decimal(6),
        "G" => decimal(9),
        "T" => decimal(12),
        "P" => decimal(15),
        "E" => decimal(18),
        "Ki" => binary(1),
        "Mi" => binary(2),
        "Gi" => binary(3),
        "Ti" => binary(4),
        "Pi" => binary(5),
        "Ei" => binary(6),
        _ => decimal(suffix.strip_prefix(['e', 'E'])?.parse().ok()?),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities_are_read_as_kubernetes_reads_them() {
        for (text, bytes) in [
            ("0", 0),
            ("1", 1),
            ("+7", 7),
            ("1k", 1000),
            ("1Ki", 1024),
            ("100Gi", 100 << 30),
            ("1.5Gi", 3 << 29),
            ("1.5T", 1_500_000_000_000),
            (".5Ki", 512),
            ("1.", 1),
            ("1e3", 1000),
            ("1E3", 1000),
            ("12E-1", 2),
            ("1E", 1_000_000_000_000_000_000),
            ("15Ei", 15 << 60),
            ("1e-400", 1),
            ("0e400", 0),
        ] {
            assert_eq!(quantity_bytes(text), Some(bytes), "{text}");
        }
    }

    #[test]
    fn parts_of_a_byte_round_up() {
        assert_eq!(quantity_bytes("500m"), Some(1));
        assert_eq!(quantity_bytes("1001m"), Some(2));
        assert_eq!(quantity_bytes("1n"), Some(1));
        assert_eq!(quantity_bytes("128974848000m"), Some(128_974_848));
    }

    #[test]
    fn what_is_no_size_is_refused() {
        let long = "9".repeat(60);
        for text in [
            "",
            "Gi",
            ".",
            "1.2.3",
            "-1",
            "-1Gi",
            "1 Gi",
            "1gi",
            "1K",
            "1KI",
            "1e",
            "1e1.5",
            "++1",
            "1e99999999999",
            "16Ei",
            "1e20",
            &long,
            "٣",
            "0x10",
            "1_000",
        ] {
            assert_eq!(quantity_bytes(text), None, "{text}");
        }
    }
}

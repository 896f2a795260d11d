//! Values that come from the environment: `${env:NAME}`, as Kafka's own configuration provider writes
//! it. A pod knows its node's address only that way.

/// Longest value after filling in.
const VALUE_BYTES: usize = 64 * 1024;

/// Puts the variables' values in the place of their names.
///
/// # Errors
/// A variable is not set, or a placeholder is not closed.
pub(super) fn fill(
    value: &str,
    variable: &dyn Fn(&str) -> Option<String>,
) -> Result<String, String> {
    const OPEN: &str = "${env:";
    let mut out = String::with_capacity(value.len());
    let mut rest = value;
    while let Some((before, after)) = rest.split_once(OPEN) {
        let (name, behind) = after
            .split_once('}')
            .ok_or_else(|| format!("{value:?}: a placeholder lacks its closing brace"))?;
        let found = variable(name)
            .ok_or_else(|| format!("{value:?}: the environment has no variable {name}"))?;
        out += before;
        out += &found;
        if out.len() > VALUE_BYTES {
            return Err(format!("longer than {VALUE_BYTES} bytes"));
        }
        rest = behind;
    }
    out += rest;
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_are_filled_in_once_and_missing_ones_are_named() {
        let variable = |name: &str| match name {
            "A" => Some("x".to_owned()),
            "B" => Some("${env:A}".to_owned()),
            _ => None,
        };
        let fill = |text: &str| fill(text, &variable);
        assert_eq!(
            fill("plain $A {A} ${other:A}").unwrap(),
            "plain $A {A} ${other:A}"
        );
        assert_eq!(
            fill("L://${env:A}:1,M://${env:A}:2").unwrap(),
            "L://x:1,M://x:2"
        );
        // What a variable holds is not looked through again.
        assert_eq!(fill("${env:B}").unwrap(), "${env:A}");
        assert!(fill("${env:C}").unwrap_err().contains("no variable C"));
        assert!(fill("${env:A").unwrap_err().contains("closing brace"));
    }
}

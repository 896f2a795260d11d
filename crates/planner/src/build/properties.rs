//! Java's `.properties` syntax, written so that the brokers read back what was meant.

use std::collections::BTreeMap;

/// A file's text, by key.
pub(super) fn text(settings: &BTreeMap<String, String>) -> String {
    settings.iter().fold(String::new(), |text, (key, value)| {
        text + &escape_key(key) + "=" + &escape(value) + "\n"
    })
}

fn escape_key(key: &str) -> String {
    let mut out = String::with_capacity(key.len());
    for c in escape(key).chars() {
        if matches!(c, '=' | ':' | ' ' | '#' | '!') {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

/// White space at the ends would be cut off, and a line's end would end the value.
fn escape(value: &str) -> String {
    use std::fmt::Write;
    let inside = value.trim_start().len();
    let (first, last) = (value.len() - inside, value.trim_end().len());
    let mut out = String::with_capacity(value.len());
    for (place, c) in value.char_indices() {
        let at_end = place < first || place >= last;
        match c {
            '\\' => out += "\\\\",
            '\n' => out += "\\n",
            '\r' => out += "\\r",
            '\t' => out += "\\t",
            '\u{c}' => out += "\\f",
            // White space has no character beyond four digits.
            c if at_end && c.is_whitespace() => {
                let _infallible = write!(out, "\\u{:04x}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_a_meaning_is_escaped() {
        let settings = [("a", "b=c:d"), ("e f", " x y "), ("g\\h", "\n\t\\")];
        let settings = settings.map(|(k, v)| (k.to_owned(), v.to_owned())).into();
        let expected = "a=b=c:d\ne\\ f=\\u0020x y\\u0020\ng\\\\h=\\n\\t\\\\\n";
        assert_eq!(text(&settings), expected);
    }
}

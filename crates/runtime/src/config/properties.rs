//! Java's `.properties` syntax, as far as Kafka's files use it.

/// One `key=value` of a file, in its order.
pub(super) type Pair = (String, String);

/// Reads a file's text. Comments begin with `#` or `!`; `=`, `:` or white space ends a key; a
/// backslash escapes, and at the end of a line joins the next one.
pub(super) fn parse(text: &str) -> Result<Vec<Pair>, String> {
    let mut pairs = Vec::new();
    let mut lines = text.lines().enumerate();
    while let Some((index, line)) = lines.next() {
        let line = line.trim_start();
        if line.is_empty() || line.starts_with(['#', '!']) {
            continue;
        }
        let mut logical = line.to_owned();
        while ends_in_escape(&logical) {
            logical.pop();
            match lines.next() {
                Some((_, next)) => logical.push_str(next.trim_start()),
                None => break,
            }
        }
        let pair = split(&logical).map_err(|reason| format!("line {}: {reason}", index + 1))?;
        pairs.push(pair);
    }
    Ok(pairs)
}

/// Whether the last backslash is not itself escaped.
fn ends_in_escape(line: &str) -> bool {
    line.bytes().rev().take_while(|b| *b == b'\\').count() % 2 == 1
}

fn split(line: &str) -> Result<Pair, String> {
    let mut escaped = false;
    let end = line.find(|c: char| {
        let ends = !escaped && (c == '=' || c == ':' || c.is_ascii_whitespace());
        escaped = c == '\\' && !escaped;
        ends
    });
    let (key, rest) = line.split_at(end.unwrap_or(line.len()));
    let rest = rest.trim_start();
    let value = rest.strip_prefix(['=', ':']).unwrap_or(rest).trim();
    Ok((unescape(key)?, unescape(value)?))
}

fn unescape(text: &str) -> Result<String, String> {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        if c != '\\' {
            out.push(c);
            continue;
        }
        match chars.next() {
            Some('t') => out.push('\t'),
            Some('n') => out.push('\n'),
            Some('r') => out.push('\r'),
            Some('f') => out.push('\u{c}'),
            Some('u') => {
                let digits: String = chars.by_ref().take(4).collect();
                let code = u32::from_str_radix(&digits, 16)
                    .ok()
                    .filter(|_| digits.len() == 4);
                let c = code.and_then(char::from_u32);
                out.push(c.ok_or_else(|| format!("\\u{digits} is not a character"))?);
            }
            Some(other) => out.push(other),
            None => {}
        }
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(key: &str, value: &str) -> Pair {
        (key.to_owned(), value.to_owned())
    }

    #[test]
    fn the_syntax_is_javas() {
        let text = "# comment\n! comment\n\n a = b \nc:d\ne f\nlist=x,\\\n   y\nempty=\nbare\n\
                    esc\\=aped=\\u0041\\\\\nurl=http://h:1/?a=b\n";
        let expected = [
            pair("a", "b"),
            pair("c", "d"),
            pair("e", "f"),
            pair("list", "x,y"),
            pair("empty", ""),
            pair("bare", ""),
            pair("esc=aped", "A\\"),
            pair("url", "http://h:1/?a=b"),
        ];
        assert_eq!(parse(text).unwrap(), expected);
    }

    #[test]
    fn a_bad_escape_names_its_line() {
        assert_eq!(
            parse("a=b\nc=\\ud800").unwrap_err(),
            "line 2: \\ud800 is not a character"
        );
        assert_eq!(
            parse("a=\\u12").unwrap_err(),
            "line 1: \\u12 is not a character"
        );
        assert_eq!(parse("a=b\\").unwrap(), [pair("a", "b")]);
    }
}

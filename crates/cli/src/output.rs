//! What the tool writes: tables and JSON on standard output, notes on standard error.

use std::io::{self, IsTerminal, Write};

use clap::ValueEnum;
use serde::Serialize;

/// How data is printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// Tables and sentences for a person.
    #[default]
    Text,
    /// JSON for a program.
    Json,
    /// YAML for a program; records of `consume`, and errors, are JSON in it.
    Yaml,
}

/// Colours, where a person looks and did not ask for none.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Paint {
    coloured: bool,
}

impl Paint {
    /// For standard output.
    pub(crate) fn of_stdout() -> Self {
        Self::new(io::stdout().is_terminal())
    }

    /// For standard error.
    pub(crate) fn of_stderr() -> Self {
        Self::new(io::stderr().is_terminal())
    }

    fn new(is_terminal: bool) -> Self {
        let refused = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let dumb = std::env::var_os("TERM").is_some_and(|value| value == "dumb");
        Self {
            coloured: is_terminal && !refused && !dumb,
        }
    }

    /// Failures.
    pub(crate) fn red(self, text: &str) -> String {
        self.with("31", text)
    }

    /// Success.
    pub(crate) fn green(self, text: &str) -> String {
        self.with("32", text)
    }

    /// What wants attention.
    pub(crate) fn yellow(self, text: &str) -> String {
        self.with("33", text)
    }

    /// Headings and what is to be typed.
    pub(crate) fn bold(self, text: &str) -> String {
        self.with("1", text)
    }

    fn with(self, code: &str, text: &str) -> String {
        if self.coloured {
            format!("\x1b[{code}m{text}\x1b[0m")
        } else {
            text.to_owned()
        }
    }
}

/// Writes text to standard output as it is.
pub(crate) fn print(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()
}

/// Writes a value to standard output, as indented JSON or as YAML.
pub(crate) fn print_document(format: Format, value: &impl Serialize) -> anyhow::Result<()> {
    print(&document(format, value)?)?;
    Ok(())
}

fn document(format: Format, value: &impl Serialize) -> anyhow::Result<String> {
    let mut text = match format {
        Format::Yaml => serde_saphyr::to_string(value)?,
        Format::Text | Format::Json => serde_json::to_string_pretty(value)?,
    };
    if !text.ends_with('\n') {
        text.push('\n');
    }
    Ok(text)
}

/// Writes a line for a person to standard error. That nobody reads it is no reason to fail.
pub(crate) fn note(text: &str) {
    let mut err = io::stderr().lock();
    let _unread = writeln!(err, "{text}");
}

/// A table with aligned columns, two spaces apart.
#[derive(Debug)]
pub(crate) struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    /// A table with these headings.
    pub(crate) fn new(headings: &[&str]) -> Self {
        Self {
            rows: vec![headings.iter().map(|h| (*h).to_owned()).collect()],
        }
    }

    /// Adds a row; a cell is kept to one line.
    pub(crate) fn row(&mut self, cells: Vec<String>) {
        let one_line = |cell: String| cell.replace(|c: char| c.is_control(), " ");
        self.rows.push(cells.into_iter().map(one_line).collect());
    }

    /// The table as text, the last column without padding.
    pub(crate) fn render(&self) -> String {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        let widths: Vec<usize> = (0..columns)
            .map(|column| {
                let cells = self.rows.iter().filter_map(|row| row.get(column));
                cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
            })
            .collect();
        let mut out = String::new();
        for row in &self.rows {
            let mut line = String::new();
            for (cell, width) in row.iter().zip(&widths) {
                let padding = width + 2 - cell.chars().count();
                line.push_str(cell);
                line.push_str(&" ".repeat(padding));
            }
            out.push_str(line.trim_end());
            out.push('\n');
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned_and_cells_stay_on_one_line() {
        let mut table = Table::new(&["NAME", "N"]);
        table.row(vec!["größer".to_owned(), "1".to_owned()]);
        table.row(vec!["a\nb".to_owned(), String::new()]);
        assert_eq!(table.render(), "NAME    N\ngrößer  1\na b\n");
    }

    #[test]
    fn a_document_is_the_same_in_json_and_in_yaml() {
        let value = serde_json::json!({ "on": "no", "size": "100Gi", "many": [1, null, "2"] });
        let json = document(Format::Json, &value).unwrap();
        assert!(json.starts_with("{\n") && json.ends_with("}\n"), "{json}");
        let yaml = document(Format::Yaml, &value).unwrap();
        assert!(!yaml.contains('{') && yaml.ends_with('\n'), "{yaml}");
        let read: serde_json::Value = serde_saphyr::from_str(&yaml).unwrap();
        assert_eq!(read, value);
    }

    #[test]
    fn there_is_no_colour_without_a_terminal() {
        assert_eq!(Paint::new(false).red("x"), "x");
        let coloured = Paint { coloured: true };
        assert_eq!(coloured.green("x"), "\x1b[32mx\x1b[0m");
    }
}

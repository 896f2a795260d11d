//! Bytes as the versions of each feature level wrote them. No part of this workspace's library: the
//! tests of every crate whose values cross between brokers or lie on disks include this file.
//!
//! A file `tests/golden/level-N` of such a crate has a line for each value: its name, and its bytes in
//! hexadecimal digits. It was written by the last build that knew level N and nothing above, and is
//! never changed: see `tests/versions/README.md`.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::{Path, PathBuf};

/// One value in the form that this build gives it.
pub(crate) struct Sample {
    /// What it is.
    pub(crate) name: &'static str,
    /// Its bytes.
    pub(crate) written: Vec<u8>,
    /// Reads bytes of such a value and writes what was read.
    pub(crate) reread: fn(&[u8]) -> Vec<u8>,
    /// The level at which it got fields that older versions leave out and overlook; 0 for never.
    pub(crate) grown: u32,
}

/// Compares what this build reads and writes with what a build of a level wrote.
pub(crate) fn check(crate_folder: &str, level: u32, samples: &[Sample]) {
    let path = file(crate_folder, level);
    let text = std::fs::read_to_string(&path).expect("the bytes of that level");
    let mut golden: BTreeMap<&str, Vec<u8>> = text.lines().map(line).collect();
    for sample in samples {
        let name = sample.name;
        let old = golden.remove(name).unwrap_or_else(|| panic!("no {name}"));
        let read = (sample.reread)(&old);
        assert_eq!(hex(&read), hex(&sample.written), "{name} is read otherwise");
        if sample.grown <= level {
            assert_eq!(
                hex(&sample.written),
                hex(&old),
                "{name} is written otherwise"
            );
        }
    }
    assert!(golden.is_empty(), "not compared: {:?}", golden.keys());
}

/// Writes the file of a level.
pub(crate) fn write(crate_folder: &str, level: u32, samples: &[Sample]) {
    let lines = samples
        .iter()
        .map(|sample| format!("{} {}\n", sample.name, hex(&sample.written)));
    let path = file(crate_folder, level);
    std::fs::write(path, lines.collect::<String>()).expect("the file is written");
}

fn file(crate_folder: &str, level: u32) -> PathBuf {
    Path::new(crate_folder).join(format!("tests/golden/level-{level}"))
}

fn line(text: &str) -> (&str, Vec<u8>) {
    let (name, digits) = text.split_once(' ').expect("a name and bytes");
    let byte = |at: usize| u8::from_str_radix(&digits[at..at + 2], 16).expect("digits");
    (name, (0..digits.len()).step_by(2).map(byte).collect())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").expect("text grows");
        text
    })
}

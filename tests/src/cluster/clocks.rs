//! Wall clocks that are wrong, of one process each: what is preloaded (`clients/wrong_clock.c`) adds to the
//! time of day what a file says.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context;

use super::Cluster;
use crate::power;

/// What the clock of one broker is set by.
#[derive(Clone, Debug)]
pub(super) struct WrongClock {
    library: PathBuf,
    file: PathBuf,
}

/// Compiles what is preloaded.
pub(super) fn library(dir: &Path) -> anyhow::Result<PathBuf> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("clients/wrong_clock.c");
    let library = dir.join("wrong_clock.so");
    let mut compiler = Command::new("cc");
    compiler.args(["-std=c11", "-O2", "-Wall", "-Wextra", "-Werror"]);
    compiler.args(["-shared", "-fPIC", "-o"]);
    power::run(compiler.arg(&library).arg(source))?;
    Ok(library)
}

impl WrongClock {
    /// A clock that shows the right time, until its file says otherwise.
    pub(super) fn at(library: &Path, file: PathBuf) -> anyhow::Result<Self> {
        fs::write(&file, 0_i64.to_ne_bytes())?;
        Ok(Self {
            library: library.to_owned(),
            file,
        })
    }

    pub(super) fn applies_to(&self, command: &mut Command) {
        command
            .env("LD_PRELOAD", &self.library)
            .env("WRONG_CLOCK", &self.file);
    }
}

impl Cluster {
    /// Sets the wall clock of a broker to so many milliseconds ahead of the machine's, or behind it.
    ///
    /// # Errors
    /// The cluster was not started for this ([`Cluster::start_apart`]), or the file cannot be written.
    pub fn set_clock(&self, n: usize, ahead_ms: i64) -> anyhow::Result<()> {
        let clock = self.brokers[n].clock();
        let clock = clock.context("the clock of this broker cannot be set")?;
        // In place: the process sees the file itself.
        let file = File::options().write(true).open(&clock.file)?;
        Ok(file.write_all_at(&(ahead_ms * 1_000_000).to_ne_bytes(), 0)?)
    }
}

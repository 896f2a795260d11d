//! What the supervisor tells the person at the terminal.

use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

use super::layout::{Layout, zone};
use crate::output::{self, Paint};

/// How much of a broker's log is shown when it ended by itself.
const TAIL_BYTES: u64 = 4 << 10;
const TAIL_LINES: usize = 8;

/// Writes what happens, one line for each event.
#[derive(Clone, Copy, Debug)]
pub(super) struct Screen {
    paint: Paint,
}

impl Screen {
    pub(super) fn new() -> Self {
        Self {
            paint: Paint::of_stderr(),
        }
    }

    /// Something happened to a broker.
    pub(super) fn broker(self, broker: u16, text: &str) {
        let name = self.paint.bold(&format!("broker {broker}"));
        output::note(&format!("{name} (zone {})  {text}", zone(broker)));
    }

    /// Something good happened to a broker.
    pub(super) fn good(self, broker: u16, text: &str) {
        self.broker(broker, &self.paint.green(text));
    }

    /// Something bad happened to a broker.
    pub(super) fn bad(self, broker: u16, text: &str) {
        self.broker(broker, &self.paint.red(text));
    }

    /// The last lines of a broker's log.
    pub(super) fn tail(self, log: &Path) {
        for line in tail(log).unwrap_or_default() {
            output::note(&format!("    {}", self.paint.yellow(&line)));
        }
    }

    /// What a person can do now that the cluster serves.
    pub(super) fn welcome(self, layout: &Layout, brokers: u16) {
        let program = program();
        let bootstrap = layout.bootstrap(brokers);
        let options = layout.options();
        let first = layout.addresses(0);
        let bold = |text: String| self.paint.bold(&text);
        let lines = [
            String::new(),
            self.paint
                .green(&format!("{brokers} brokers serve at {bootstrap}")),
            format!("data and logs: {}", layout.dir().display()),
            format!("metrics:       http://{}/metrics", first.admin),
            String::new(),
            "Try in another terminal:".to_owned(),
            bold(format!("  export HOLDFAST_BOOTSTRAP={bootstrap}")),
            bold(format!("  seq 1000 | {program} produce numbers")),
            bold(format!(
                "  {program} consume numbers --from-beginning --exit-at-end"
            )),
            bold(format!(
                "  seq 1000 | kcat -b {} -t numbers -P",
                first.clients
            )),
            bold(format!("  {program} topic describe numbers")),
            "Look at the brokers, and ask before you stop one:".to_owned(),
            bold(format!("  export HOLDFAST_ADMIN={}", layout.admin(brokers))),
            bold(format!(
                "  export HOLDFAST_CERTIFICATES={}",
                layout.certificates("admin").display()
            )),
            bold(format!("  {program} cluster state")),
            bold(format!("  {program} permit request 1")),
            "Watch a failover:".to_owned(),
            bold(format!(
                "  {program} dev{options} kill 0      # or pause 0, or cut-off 0"
            )),
            bold(format!("  {program} dev{options} revive 0")),
            String::new(),
            "Ctrl-C stops the cluster; the next start finds its data.".to_owned(),
        ];
        output::note(&lines.join("\n"));
    }
}

/// This program as a person calls it.
fn program() -> String {
    let called = std::env::args().next().unwrap_or_default();
    if called.contains('/') {
        called
    } else {
        "holdfast".to_owned()
    }
}

fn tail(log: &Path) -> std::io::Result<Vec<String>> {
    let mut file = std::fs::File::open(log)?;
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(TAIL_BYTES)))?;
    let mut bytes = Vec::new();
    file.take(TAIL_BYTES).read_to_end(&mut bytes)?;
    let text = String::from_utf8_lossy(&bytes);
    let mut lines: Vec<String> = text
        .lines()
        .rev()
        .take(TAIL_LINES)
        .map(str::to_owned)
        .collect();
    lines.reverse();
    Ok(lines)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tail_of_a_log_is_its_last_lines() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("log");
        let lines: Vec<String> = (0..5000).map(|n| format!("line {n}")).collect();
        std::fs::write(&log, lines.join("\n")).unwrap();
        let shown = tail(&log).unwrap();
        assert_eq!(shown.first().unwrap(), "line 4992");
        assert_eq!(shown.len(), TAIL_LINES);
        std::fs::write(&log, "one\n").unwrap();
        assert_eq!(tail(&log).unwrap(), ["one"]);
    }
}

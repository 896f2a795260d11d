//! `holdfast verify`: compares replicas, byte for byte.

use std::path::PathBuf;

use clap::Args;
use holdfast_broker::verify::{self, Report};

use crate::output::{self, Table};
use crate::session::Reach;
use crate::text::add;

/// Compare the replicas on the disks of stopped brokers, byte for byte; changes nothing.
///
/// Every batch is read and verified. Below the high watermark that both know, two replicas must hold the same
/// batches and know the same of each producer. Ends with an error if anything is wrong. The folders are opened
/// as a start opens them: an honest torn tail of a write-ahead log is cut.
#[derive(Args, Clone, Debug)]
pub(crate) struct Verify {
    /// A data folder; may be given many times, once for each broker
    #[arg(long, value_name = "DIR", required = true)]
    data_dir: Vec<PathBuf>,
}

/// Compares, and says what is wrong.
pub(crate) fn run(verify: &Verify, reach: &Reach) -> anyhow::Result<()> {
    let report = verify::offline(&verify.data_dir)?;
    if reach.is_json() {
        reach.print(&report)?;
    } else {
        output::print(&text(&report))?;
    }
    anyhow::ensure!(report.found == 0, "{} things are wrong", report.found);
    Ok(())
}

fn text(report: &Report) -> String {
    let mut out = String::new();
    add(
        &mut out,
        format_args!(
            "{} partitions, {} replicas: {} batches of {} bytes read, {} compared with another replica\n",
            report.partitions, report.replicas, report.batches, report.bytes, report.compared
        ),
    );
    if report.findings.is_empty() {
        out += "nothing is wrong\n";
        return out;
    }
    let mut table = Table::new(&["PARTITION", "BROKER", "OFFSET", "WHAT"]);
    for finding in &report.findings {
        table.row(vec![
            finding.partition.clone(),
            finding.broker.to_string(),
            finding.offset.to_string(),
            finding.what.clone(),
        ]);
    }
    out + &table.render()
}

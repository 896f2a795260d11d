//! Checks the model within bounds that are given.

use std::process::ExitCode;

use clap::Parser;
use holdfast_spec::model::Protocol;
use holdfast_spec::rule::Rule;
use holdfast_spec::rules::Rules;
use holdfast_spec::state::Bounds;

/// Visits every state of the replication protocol within bounds.
#[derive(Debug, Parser)]
struct Arguments {
    /// A rule that is left out; may be given more than once.
    #[arg(long)]
    without: Vec<Rule>,
    /// Leader epochs.
    #[arg(long, default_value_t = 3)]
    epochs: u8,
    /// Batches, four at most.
    #[arg(long, default_value_t = 4)]
    batches: u8,
    /// Power cuts of a broker.
    #[arg(long, default_value_t = 1)]
    crashes: u8,
    /// Wishes to change the ISR, and suspicions of brokers that are well.
    #[arg(long, default_value_t = 1)]
    changes: u8,
    /// Disks that are lost: one at most.
    #[arg(long, default_value_t = 0)]
    wipes: u8,
    /// Changes of the minimum.
    #[arg(long, default_value_t = 0)]
    settings: u8,
    /// Messages that are held up.
    #[arg(long, default_value_t = 0)]
    late: u8,
    /// How many states are visited at most.
    #[arg(long, default_value_t = 100_000_000)]
    states: usize,
}

#[expect(
    clippy::print_stdout,
    reason = "what was found is what this program says"
)]
fn main() -> ExitCode {
    let asked = Arguments::parse();
    let bounds = Bounds {
        epochs: asked.epochs,
        batches: asked.batches.min(4),
        crashes: asked.crashes,
        changes: asked.changes,
        wipes: asked.wipes.min(1),
        settings: asked.settings,
        late: asked.late,
    };
    let rules = Rules::without(&asked.without);
    let found = Protocol { bounds, rules }.check(asked.states);
    print!("{}", found.steps);
    println!(
        "{} states, the farthest after {} steps",
        found.states, found.depth
    );
    match found.broken {
        Some(broken) => {
            println!("broken: {broken}");
            ExitCode::FAILURE
        }
        None if found.states >= asked.states => {
            println!("nothing broken; not all states were visited");
            ExitCode::FAILURE
        }
        None => {
            println!("nothing broken, and all states were visited");
            ExitCode::SUCCESS
        }
    }
}

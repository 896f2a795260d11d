//! Which panics end the process.
//!
//! A panic in the task of one connection ends that task alone ([`crate::tasks::Class`]). Not so a
//! broken invariant, nor any panic inside the state machines and the code that holds a partition's
//! lock: what they leave behind is half changed, and nobody else may go on with it.

use std::any::Any;
use std::panic::PanicHookInfo;

/// Parts of source paths whose panics leave shared state behind.
const SHARED_STATE: [&str; 4] = [
    "kernel/src/",
    "broker/src/partition",
    "store/src/",
    "quorum/src/",
];

/// From now on such panics abort the process, once they have been reported.
pub fn abort_on_broken_state() {
    let report = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info: &PanicHookInfo<'_>| {
        report(info);
        let file = info.location().map_or("", |location| location.file());
        let text = text(info.payload());
        if leaves_broken_state(file, text) {
            tracing::error!(file, panic = text, "shared state is broken, aborting");
            std::process::abort();
        }
    }));
}

fn leaves_broken_state(file: &str, text: &str) -> bool {
    text.starts_with("invariant broken") || SHARED_STATE.iter().any(|part| file.contains(part))
}

/// The text of a panic's payload.
pub(crate) fn text(payload: &(dyn Any + Send)) -> &str {
    payload
        .downcast_ref::<&'static str>()
        .copied()
        .or_else(|| payload.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("a panic without text")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_broken_invariant_is_fatal_wherever_it_is_found() {
        let handler = "crates/broker/src/handlers/metadata.rs";
        assert!(leaves_broken_state(
            handler,
            "invariant broken: INV-HW-SYNCED: 7"
        ));
        assert!(!leaves_broken_state(handler, "index out of bounds"));
        for file in [
            "crates/kernel/src/log.rs",
            "crates/broker/src/partition/lead.rs",
        ] {
            assert!(leaves_broken_state(file, "index out of bounds"));
        }
    }
}

//! Events on resources, for people who watch.

use k8s_openapi::api::core::v1::ObjectReference;
use kube::Client;
use kube::runtime::events::{Event, EventType, Recorder, Reporter};

use crate::kinds::MANAGER;

/// Longest text that an Event may have, in bytes.
const LONGEST_NOTE: usize = 1024;

/// Longest action that an Event may have, in bytes.
const LONGEST_ACTION: usize = 128;

/// Says what happened. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Events {
    recorder: Recorder,
}

/// One thing that happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Happening {
    /// One word for programs.
    pub(crate) reason: &'static str,
    /// A sentence for people.
    pub(crate) note: String,
    /// Whether somebody should look at it.
    pub(crate) is_warning: bool,
}

impl Events {
    pub(crate) fn new(client: Client, instance: String) -> Self {
        let reporter = Reporter {
            controller: MANAGER.to_owned(),
            instance: Some(instance),
        };
        Self {
            recorder: Recorder::new(client, reporter),
        }
    }

    /// Publishes it. An Event that is lost is no reason to stop.
    pub(crate) async fn publish(&self, about: &ObjectReference, happening: Happening) {
        if let Err(error) = self.recorder.publish(&event(&happening), about).await {
            tracing::warn!(%error, reason = happening.reason, "an event was not written");
        }
    }
}

fn event(happening: &Happening) -> Event {
    Event {
        type_: if happening.is_warning {
            EventType::Warning
        } else {
            EventType::Normal
        },
        reason: happening.reason.to_owned(),
        note: Some(bounded_to(&happening.note, LONGEST_NOTE).to_owned()),
        // What is the same but for its note is counted as one Event, with the first note: so what was done
        // to whom belongs to the action.
        action: bounded_to(&happening.note, LONGEST_ACTION).to_owned(),
        secondary: None,
    }
}

fn bounded_to(text: &str, longest: usize) -> &str {
    &text[..text.floor_char_boundary(longest)]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Seen on a cluster: four stopped brokers were one Event with the first one's name, counted four times.
    #[test]
    fn what_is_done_to_another_broker_is_another_event() {
        let stopped = |note: &str| {
            event(&Happening {
                reason: "BrokerStopped",
                note: note.to_owned(),
                is_warning: false,
            })
        };
        let (one, other) = (stopped("broker 1000"), stopped("broker 1001"));
        // The recorder tells events of one resource apart by these.
        assert_ne!((&one.reason, &one.action), (&other.reason, &other.action));
        assert_eq!(stopped(&"x".repeat(200)).action.len(), LONGEST_ACTION);
    }

    #[test]
    fn a_long_note_is_cut_between_two_characters() {
        let long = "ä".repeat(600);
        assert_eq!(bounded_to(&long, LONGEST_NOTE).len(), 1024);
        assert_eq!(bounded_to(&format!("x{long}"), LONGEST_NOTE).len(), 1023);
        assert_eq!(bounded_to("short", LONGEST_NOTE), "short");
    }
}

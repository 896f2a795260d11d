//! Who is to be looked at.

use futures::{Stream, stream};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// Names that wait to be taken over by the scheduler, which takes them at once and merges those that
/// wait for the same resource: what is in the way is only its turn to run.
const WAITING: usize = 1024;

/// Wakes resources: each is a namespace and a name. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Wake {
    sender: mpsc::Sender<(String, String)>,
}

impl Wake {
    /// Has it looked at soon. Waits if very many are to be woken.
    pub(crate) async fn wake(&self, namespace: &str, name: &str) {
        // It fails only when nobody looks any more, at the end.
        let _ended = self
            .sender
            .send((namespace.to_owned(), name.to_owned()))
            .await;
    }
}

/// Both ends of a queue; it ends at shutdown.
pub(crate) fn queue(
    shutdown: CancellationToken,
) -> (Wake, impl Stream<Item = (String, String)> + Send) {
    let (sender, receiver) = mpsc::channel(WAITING);
    let names = stream::unfold(
        (receiver, shutdown),
        |(mut receiver, shutdown)| async move {
            let name = tokio::select! {
                biased;
                // Both are cancel-safe: a name that was not received stays in the channel.
                () = shutdown.cancelled() => None,
                name = receiver.recv() => name,
            };
            name.map(|name| (name, (receiver, shutdown)))
        },
    );
    (Wake { sender }, names)
}

#[cfg(test)]
mod tests {
    use std::pin::pin;

    use futures::StreamExt;

    use super::*;

    #[tokio::test]
    async fn a_queue_ends_at_shutdown() {
        let shutdown = CancellationToken::new();
        let (wake, names) = queue(shutdown.clone());
        let mut names = pin!(names);
        wake.wake("data", "orders").await;
        let name = ("data".to_owned(), "orders".to_owned());
        assert_eq!(names.next().await, Some(name));
        shutdown.cancel();
        assert_eq!(names.next().await, None);
    }
}

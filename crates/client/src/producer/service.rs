//! The loop that must run for a producer to make progress.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use tokio::sync::{mpsc, oneshot};

use super::accumulator::{Accumulator, Identity, Rules};
use super::deliver::{Delivered, deliver, new_identity};
use super::{Acks, Command, ProducerOptions};
use crate::{Client, Error};

/// Callers that wait for a flush at the same time; more are answered as closed.
const FLUSHES: usize = 1024;

/// A pause where nothing is due: any event ends it.
const IDLE: Duration = Duration::from_hours(1);

/// The producer's loop; [`ProducerService::run`] is to be given to a supervisor.
pub struct ProducerService {
    client: Client,
    options: Arc<ProducerOptions>,
    commands: mpsc::Receiver<Command>,
    accumulator: Accumulator,
    flushes: Vec<oneshot::Sender<()>>,
    /// One for each partition at most.
    deliveries: FuturesUnordered<BoxFuture<'static, Delivered>>,
    identity: Option<BoxFuture<'static, Result<Identity, Error>>>,
}

impl ProducerService {
    pub(super) fn new(
        client: Client,
        options: Arc<ProducerOptions>,
        commands: mpsc::Receiver<Command>,
    ) -> Self {
        let rules = Rules {
            linger: options.linger,
            batch_bytes: options.batch_bytes,
            codec: options.codec,
        };
        Self {
            client,
            options,
            commands,
            accumulator: Accumulator::new(rules),
            flushes: Vec::new(),
            deliveries: FuturesUnordered::new(),
            identity: None,
        }
    }

    /// Runs until every [`super::Producer`] is dropped and everything given is resolved.
    pub async fn run(mut self) {
        let mut open = true;
        while open || !self.accumulator.is_idle() {
            self.start_due(!open);
            let now = self.client.options().clock.monotonic();
            let due = self
                .accumulator
                .next_due(now, self.is_idempotent())
                .unwrap_or(IDLE);
            let waits_for_identity = self.identity.is_some();
            // Every arm is cancel-safe: a queue, a set of futures that stay where they are, a
            // future that is kept, and a pause.
            tokio::select! {
                Some(delivered) = self.deliveries.next() => self.finish(&delivered),
                identity = wait(&mut self.identity), if waits_for_identity => {
                    self.identity = None;
                    self.identified(identity);
                }
                command = self.commands.recv(), if open => match command {
                    Some(command) => self.take(command),
                    None => open = false,
                },
                () = tokio::time::sleep(due) => {}
            }
            if self.accumulator.is_idle() {
                for done in self.flushes.drain(..) {
                    let _gone = done.send(());
                }
            }
        }
    }

    fn is_idempotent(&self) -> bool {
        self.options.idempotent && self.options.acks == Acks::All
    }

    fn take(&mut self, command: Command) {
        match command {
            Command::Send(record) => {
                let now = self.client.options().clock.monotonic();
                self.accumulator.push(*record, now);
            }
            Command::Flush(done) if self.flushes.len() < FLUSHES => self.flushes.push(done),
            Command::Flush(_) => {}
        }
    }

    fn start_due(&mut self, closing: bool) {
        let now = self.client.options().clock.monotonic();
        let hurry = closing || !self.flushes.is_empty();
        let idempotent = self.is_idempotent();
        for batch in self.accumulator.take_due(now, hurry, idempotent) {
            let (client, options) = (self.client.clone(), Arc::clone(&self.options));
            self.deliveries
                .push(Box::pin(deliver(client, options, batch)));
        }
        if idempotent && self.identity.is_none() && self.accumulator.lacks_identity() {
            let client = self.client.clone();
            self.identity = Some(Box::pin(async move { new_identity(&client).await }));
        }
    }

    fn identified(&mut self, identity: Result<Identity, Error>) {
        match identity {
            Ok(identity) => self.accumulator.identify(identity),
            Err(error) => {
                tracing::warn!(%error, "no producer id");
                self.accumulator.fail_unidentified(&error);
            }
        }
    }

    fn finish(&mut self, delivered: &Delivered) {
        if delivered.in_step {
            self.accumulator
                .finish(&delivered.topic, delivered.partition);
        } else {
            self.accumulator
                .finish_and_reset(&delivered.topic, delivered.partition);
        }
    }
}

impl fmt::Debug for ProducerService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProducerService")
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}

/// Waits for a future that may not be there: then for ever.
async fn wait<T>(future: &mut Option<BoxFuture<'static, T>>) -> T {
    match future {
        Some(future) => future.await,
        None => std::future::pending().await,
    }
}

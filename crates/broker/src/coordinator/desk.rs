//! How handlers ask a coordinator: what they want done is carried to its task, and done there.

use std::collections::HashMap;

use holdfast_kernel::group::{Answer, Effects, Now, Shard, Ticket};
use holdfast_model::ErrorCode;
use tokio::sync::{mpsc, oneshot};

/// Requests that wait at one coordinator before it takes them; whoever comes then waits to hand in.
pub(super) const QUEUE: usize = 1024;

/// What is to be done.
pub(super) type Act = Box<dyn FnOnce(&mut Turn<'_>) + Send>;

/// One request's turn at a coordinator.
#[derive(Debug)]
pub struct Turn<'a> {
    /// The groups.
    pub shard: &'a mut Shard,
    /// The time.
    pub now: Now,
    /// What comes of it.
    pub effects: &'a mut Effects,
    pub(super) waiting: &'a mut Waiting,
}

/// Who waits for an answer. As many as requests are being served at most: their connections bound
/// them.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    newest: u64,
    replies: HashMap<Ticket, oneshot::Sender<Answer>>,
}

impl Waiting {
    fn ticket(&mut self, reply: oneshot::Sender<Answer>) -> Ticket {
        self.newest += 1;
        let ticket = Ticket(self.newest);
        self.replies.insert(ticket, reply);
        ticket
    }

    /// Answers those who still listen.
    pub(super) fn answer(&mut self, answers: impl IntoIterator<Item = (Ticket, Answer)>) {
        for (ticket, answer) in answers {
            if let Some(reply) = self.replies.remove(&ticket) {
                let _gone = reply.send(answer);
            }
        }
    }
}

/// The way to one coordinator.
#[derive(Clone, Debug)]
pub struct Desk {
    requests: mpsc::Sender<Act>,
}

impl Desk {
    pub(super) fn new() -> (Self, mpsc::Receiver<Act>) {
        let (requests, taken) = mpsc::channel(QUEUE);
        (Self { requests }, taken)
    }

    /// Whether the coordinator has ended.
    pub(super) fn is_closed(&self) -> bool {
        self.requests.is_closed()
    }

    /// Does something that is answered at once.
    ///
    /// # Errors
    /// Somebody else coordinates now.
    pub async fn look<T: Send + 'static>(
        &self,
        act: impl FnOnce(&mut Turn<'_>) -> T + Send + 'static,
    ) -> Result<T, ErrorCode> {
        let (reply, answer) = oneshot::channel();
        self.hand_in(Box::new(move |turn| {
            let _gone = reply.send(act(turn));
        }))
        .await?;
        answer.await.map_err(|_ended| ErrorCode::NotCoordinator)
    }

    /// Does something that is answered with its ticket.
    ///
    /// # Errors
    /// Somebody else coordinates now.
    pub async fn wait(
        &self,
        act: impl FnOnce(&mut Turn<'_>, Ticket) + Send + 'static,
    ) -> Result<Answer, ErrorCode> {
        let (reply, answer) = oneshot::channel();
        self.hand_in(Box::new(move |turn| {
            let ticket = turn.waiting.ticket(reply);
            act(turn, ticket);
        }))
        .await?;
        answer.await.map_err(|_ended| ErrorCode::NotCoordinator)
    }

    /// As [`wait`](Self::wait), for what is answered with a code alone.
    pub async fn done(
        &self,
        act: impl FnOnce(&mut Turn<'_>, Ticket) + Send + 'static,
    ) -> ErrorCode {
        match self.wait(act).await {
            Ok(Answer::Done(code)) | Err(code) => code,
            Ok(Answer::Join(_) | Answer::Sync(_) | Answer::Heartbeat(_)) => {
                ErrorCode::UnknownServerError
            }
        }
    }

    async fn hand_in(&self, act: Act) -> Result<(), ErrorCode> {
        let sent = self.requests.send(act).await;
        sent.map_err(|_ended| ErrorCode::NotCoordinator)
    }
}

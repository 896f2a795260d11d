//! Room in the write queue, taken before an offset is given out.

use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use parking_lot::Mutex;

use crate::Error;

/// Which part of the write queue an operation takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Room {
    /// Batches: bounded in bytes and number, refused at the disk reserve.
    Append,
    /// Everything else: bounded in number, with room of its own, so that truncations, deletions and
    /// checkpoints pass when appends are held back.
    Control,
}

/// Counts what waits for the writer.
#[derive(Debug)]
pub struct Budget {
    bytes_limit: usize,
    ops_limit: usize,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    bytes: usize,
    appends: usize,
    controls: usize,
    closed: bool,
    next_ticket: u64,
    waiting: VecDeque<Waiting>,
}

/// One future in line. The line is as long as there are callers, each of which holds one request.
#[derive(Debug)]
struct Waiting {
    ticket: u64,
    bytes: usize,
    waker: Waker,
}

/// Room for one operation; given back when the operation is synced, or when it is dropped unused.
#[derive(Debug)]
pub struct Permit {
    budget: Arc<Budget>,
    room: Room,
    bytes: usize,
}

/// Yields a [`Permit`] for one append. Cancel-safe.
#[derive(Debug)]
pub struct Reserve {
    budget: Arc<Budget>,
    bytes: usize,
    ticket: Option<u64>,
}

impl Budget {
    pub(super) fn new(bytes_limit: usize, ops_limit: usize) -> Arc<Self> {
        Arc::new(Self {
            bytes_limit,
            ops_limit,
            state: Mutex::default(),
        })
    }

    /// Bytes and operations that hold permits now.
    pub(super) fn used(&self) -> (usize, usize) {
        let state = self.state.lock();
        (state.bytes, state.appends + state.controls)
    }

    pub(super) fn try_take(self: &Arc<Self>, room: Room, bytes: usize) -> Result<Permit, Error> {
        let mut state = self.state.lock();
        if state.closed {
            return Err(Error::Stopped);
        }
        let fits = match room {
            // Nobody overtakes those who wait.
            Room::Append => state.waiting.is_empty() && self.fits(&state, bytes),
            Room::Control => state.controls < self.ops_limit,
        };
        if !fits {
            return Err(Error::Overloaded { bytes });
        }
        Ok(self.take(&mut state, room, bytes))
    }

    pub(super) fn wait_for(self: &Arc<Self>, bytes: usize) -> Result<Reserve, Error> {
        if bytes > self.bytes_limit {
            return Err(Error::TooLarge {
                bytes,
                limit: self.bytes_limit,
            });
        }
        Ok(Reserve {
            budget: Arc::clone(self),
            bytes,
            ticket: None,
        })
    }

    /// Ends every wait with [`Error::Stopped`].
    pub(super) fn close(&self) {
        let waiting = {
            let mut state = self.state.lock();
            state.closed = true;
            std::mem::take(&mut state.waiting)
        };
        for one in waiting {
            one.waker.wake();
        }
    }

    fn fits(&self, state: &State, bytes: usize) -> bool {
        state.bytes.saturating_add(bytes) <= self.bytes_limit && state.appends < self.ops_limit
    }

    fn take(self: &Arc<Self>, state: &mut State, room: Room, bytes: usize) -> Permit {
        match room {
            Room::Append => {
                state.bytes += bytes;
                state.appends += 1;
            }
            Room::Control => state.controls += 1,
        }
        Permit {
            budget: Arc::clone(self),
            room,
            bytes,
        }
    }

    /// Wakes the first in line; each that takes its permit wakes the next.
    fn wake_first(&self, state: &State) {
        if let Some(first) = state.waiting.front()
            && self.fits(state, first.bytes)
        {
            first.waker.wake_by_ref();
        }
    }
}

impl Permit {
    /// The room that it is for.
    pub fn room(&self) -> Room {
        self.room
    }

    /// The largest operation that it covers, in bytes.
    pub fn bytes(&self) -> usize {
        self.bytes
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut state = self.budget.state.lock();
        match self.room {
            Room::Append => {
                state.bytes -= self.bytes;
                state.appends -= 1;
                self.budget.wake_first(&state);
            }
            Room::Control => state.controls -= 1,
        }
    }
}

impl Future for Reserve {
    type Output = Result<Permit, Error>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let budget = Arc::clone(&self.budget);
        let mut state = budget.state.lock();
        if state.closed {
            return Poll::Ready(Err(Error::Stopped));
        }
        let first = state
            .waiting
            .front()
            .is_none_or(|one| Some(one.ticket) == self.ticket);
        if first && budget.fits(&state, self.bytes) {
            if self.ticket.take().is_some() {
                state.waiting.pop_front();
            }
            let permit = budget.take(&mut state, Room::Append, self.bytes);
            budget.wake_first(&state);
            return Poll::Ready(Ok(permit));
        }
        let waker = context.waker().clone();
        if let Some(ticket) = self.ticket {
            if let Some(one) = state.waiting.iter_mut().find(|one| one.ticket == ticket) {
                one.waker = waker;
            }
        } else {
            let ticket = state.next_ticket;
            state.next_ticket += 1;
            state.waiting.push_back(Waiting {
                ticket,
                bytes: self.bytes,
                waker,
            });
            self.ticket = Some(ticket);
        }
        Poll::Pending
    }
}

impl Drop for Reserve {
    fn drop(&mut self) {
        let Some(ticket) = self.ticket else { return };
        let mut state = self.budget.state.lock();
        state.waiting.retain(|one| one.ticket != ticket);
        self.budget.wake_first(&state);
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::Wake;

    use super::*;

    #[derive(Default)]
    struct Counting(AtomicUsize);

    impl Wake for Counting {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    #[test]
    fn appends_are_bounded_and_control_has_room_of_its_own() {
        let budget = Budget::new(100, 2);
        let one = budget.try_take(Room::Append, 60).unwrap();
        let refused = budget.try_take(Room::Append, 60);
        assert!(matches!(refused, Err(Error::Overloaded { bytes: 60 })));
        let two = budget.try_take(Room::Append, 40).unwrap();
        let _control = budget.try_take(Room::Control, 1_000_000).unwrap();
        drop((one, two));
        assert_eq!(budget.used(), (0, 1));
    }

    #[test]
    fn waiters_are_served_in_order_and_leave_when_dropped() {
        let budget = Budget::new(100, 10);
        let counting = Arc::new(Counting::default());
        let waker = Waker::from(Arc::clone(&counting));
        let mut context = Context::from_waker(&waker);
        let held = budget.try_take(Room::Append, 100).unwrap();
        let mut first = Box::pin(budget.wait_for(80).unwrap());
        let mut second = pin!(budget.wait_for(10).unwrap());
        assert!(first.as_mut().poll(&mut context).is_pending());
        assert!(second.as_mut().poll(&mut context).is_pending());
        drop(held);
        assert_eq!(counting.0.load(Ordering::SeqCst), 1);
        // The second would fit, but the first came first.
        assert!(second.as_mut().poll(&mut context).is_pending());
        assert!(budget.try_take(Room::Append, 1).is_err());
        drop(first);
        assert_eq!(counting.0.load(Ordering::SeqCst), 2);
        assert!(second.as_mut().poll(&mut context).is_ready());
    }

    #[test]
    fn closing_ends_every_wait() {
        let budget = Budget::new(10, 10);
        let waker = Waker::from(Arc::new(Counting::default()));
        let mut context = Context::from_waker(&waker);
        let _held = budget.try_take(Room::Append, 10).unwrap();
        let mut waiting = pin!(budget.wait_for(5).unwrap());
        assert!(waiting.as_mut().poll(&mut context).is_pending());
        budget.close();
        assert!(matches!(
            waiting.as_mut().poll(&mut context),
            Poll::Ready(Err(Error::Stopped))
        ));
        assert!(budget.wait_for(11).is_err());
    }
}

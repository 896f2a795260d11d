//! Metrics that clients push (KIP-714): taken, marked with whose they are, and handed on to a
//! receiver of OpenTelemetry's.
//!
//! Without a receiver nothing of this is announced, and clients do not try.

mod forward;
mod mark;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use holdfast_model::{ErrorCode, Monotonic};
use holdfast_runtime::config;
use holdfast_wire::Codec;
use holdfast_wire::codec::decompress;
use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use uuid::Uuid;

pub use forward::{Receiver, forward};
pub use mark::Origin;

/// Clients that are known at most; of more, those that were silent longest are forgotten.
const CLIENTS: usize = 10_000;

/// Payloads that wait for the receiver; of more, the newest are dropped.
const WAITING: usize = 16;

/// KiB of all payloads that wait.
const WAITING_KIBIBYTES: usize = 32 << 10;

/// A payload may be so many times as large once it is decompressed, and so many times that once it is marked.
const GROWTH: usize = 8;
const MARKED: usize = 2;

/// The longest name of a client that is handed on whole, in bytes.
const LONGEST_NAME: usize = 256;

/// What is taken, the best first.
pub const CODECS: [Codec; 4] = [Codec::Zstd, Codec::Lz4, Codec::Gzip, Codec::Snappy];

/// What clients are asked for, and what came.
#[derive(Debug)]
pub struct Telemetry {
    interval: Duration,
    most_bytes: u32,
    clients: Mutex<BTreeMap<Uuid, Client>>,
    payloads: mpsc::Sender<Payload>,
    /// For payloads that wait, in KiB.
    room: Arc<Semaphore>,
}

/// Metrics that wait for the receiver.
#[derive(Debug)]
pub struct Payload {
    metrics: Bytes,
    _room: OwnedSemaphorePermit,
}

#[derive(Clone, Copy, Debug)]
struct Client {
    pushed: Option<Monotonic>,
    heard: Monotonic,
    /// It said that it ends.
    ended: bool,
}

/// A push.
#[derive(Clone, Debug)]
pub struct Push {
    /// Which client.
    pub client: Uuid,
    /// What it was asked for.
    pub subscription: i32,
    /// It ends.
    pub ends: bool,
    /// How the metrics are compressed.
    pub codec: i8,
    /// OpenTelemetry's `MetricsData`.
    pub metrics: Bytes,
}

/// What becomes of a push that was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    /// The receiver gets it.
    Handed,
    /// The receiver is too slow.
    Dropped,
}

impl Telemetry {
    /// Telemetry for a receiver, and the payloads for it.
    pub fn new(settings: &config::Telemetry) -> (Self, mpsc::Receiver<Payload>) {
        let (payloads, waiting) = mpsc::channel(WAITING);
        let telemetry = Self {
            interval: Duration::from_millis(settings.interval_ms),
            most_bytes: settings.max_bytes,
            clients: Mutex::new(BTreeMap::new()),
            payloads,
            room: Arc::new(Semaphore::new(WAITING_KIBIBYTES)),
        };
        (telemetry, waiting)
    }

    /// How often clients are asked to push.
    pub fn interval(&self) -> Duration {
        self.interval
    }

    /// How much they may push.
    pub fn most_bytes(&self) -> u32 {
        self.most_bytes
    }

    /// What all clients are asked for: another number after the settings have changed.
    pub fn subscription(&self) -> i32 {
        let interval = u32::try_from(self.interval.as_millis()).unwrap_or(u32::MAX);
        (interval.rotate_left(16) ^ self.most_bytes).cast_signed()
    }

    /// A client asks what it is to push.
    pub fn subscribe(&self, client: Uuid, now: Monotonic) {
        let mut clients = self.clients.lock();
        let known = entry(&mut clients, client, now);
        known.heard = now;
    }

    /// Takes what a client pushes.
    ///
    /// # Errors
    /// Kafka's code for what is wrong with it.
    pub fn take(&self, now: Monotonic, push: &Push, origin: &Origin) -> Result<Taken, ErrorCode> {
        if push.client.is_nil() {
            return Err(ErrorCode::InvalidRequest);
        }
        if push.subscription != self.subscription() {
            return Err(ErrorCode::UnknownSubscriptionId);
        }
        self.admit(now, push)?;
        if push.metrics.len() > self.most_bytes as usize {
            return Err(ErrorCode::TelemetryTooLarge);
        }
        let metrics = self.plain(push)?;
        let marked = mark::mark(&metrics, origin, self.most_plain() * MARKED).map_err(code)?;
        if marked.is_empty() {
            return Ok(Taken::Handed);
        }
        let kibibytes = u32::try_from(marked.len().div_ceil(1024)).unwrap_or(u32::MAX);
        let Ok(room) = Arc::clone(&self.room).try_acquire_many_owned(kibibytes) else {
            return Ok(Taken::Dropped);
        };
        let payload = Payload {
            metrics: marked,
            _room: room,
        };
        match self.payloads.try_send(payload) {
            Ok(()) => Ok(Taken::Handed),
            Err(_full) => Ok(Taken::Dropped),
        }
    }

    /// Bytes of a push at most, once it is decompressed.
    fn most_plain(&self) -> usize {
        self.most_bytes as usize * GROWTH
    }

    /// Whether a client may push now. The last word of one that ends is always heard, once.
    fn admit(&self, now: Monotonic, push: &Push) -> Result<(), ErrorCode> {
        let mut clients = self.clients.lock();
        let known = entry(&mut clients, push.client, now);
        if known.ended {
            return Err(ErrorCode::InvalidRequest);
        }
        // Clients spread their pushes by chance around the interval.
        let early = known
            .pushed
            .is_some_and(|last| now.since(last) < self.interval / 2);
        if early && !push.ends {
            return Err(ErrorCode::ThrottlingQuotaExceeded);
        }
        known.pushed = Some(now);
        known.heard = now;
        known.ended = push.ends;
        Ok(())
    }

    fn plain(&self, push: &Push) -> Result<Bytes, ErrorCode> {
        let known = Codec::from_attributes(push.codec.into());
        let codec = known.map_err(|_unknown| ErrorCode::UnsupportedCompressionType)?;
        if codec == Codec::None {
            return Ok(push.metrics.clone());
        }
        let plain = decompress(codec, &push.metrics, self.most_plain() as u64);
        plain
            .map(Bytes::from)
            .map_err(|_damaged| ErrorCode::InvalidRecord)
    }
}

fn code(unmarked: mark::Unmarked) -> ErrorCode {
    match unmarked {
        mark::Unmarked::Damaged => ErrorCode::InvalidRecord,
        mark::Unmarked::TooLarge => ErrorCode::TelemetryTooLarge,
    }
}

/// A client, made if it is not known.
fn entry(clients: &mut BTreeMap<Uuid, Client>, id: Uuid, now: Monotonic) -> &mut Client {
    if clients.len() >= CLIENTS && !clients.contains_key(&id) {
        let silent = clients.iter().min_by_key(|(_, client)| client.heard);
        if let Some(silent) = silent.map(|(id, _)| *id) {
            clients.remove(&silent);
        }
    }
    clients.entry(id).or_insert(Client {
        pushed: None,
        heard: now,
        ended: false,
    })
}

/// The attributes that say whose metrics they are.
pub fn origin(client_name: &str, client: Uuid, address: &str, broker: i32) -> Origin {
    let client_name = &client_name[..client_name.floor_char_boundary(LONGEST_NAME)];
    Origin::new(&[
        ("kafka.client.id", client_name),
        ("kafka.client.instance.id", &client.to_string()),
        ("client.address", address),
        ("kafka.broker.id", &broker.to_string()),
    ])
}

/// Telemetry, where there is a receiver.
pub type MaybeTelemetry = Option<Arc<Telemetry>>;

#[cfg(test)]
mod tests {
    use holdfast_wire::codec::compress;

    use super::*;

    const SECOND: u64 = 1_000_000_000;

    fn telemetry() -> (Telemetry, mpsc::Receiver<Payload>) {
        Telemetry::new(&config::Telemetry {
            receiver: None,
            interval_ms: 10_000,
            max_bytes: 1_000,
        })
    }

    fn push(telemetry: &Telemetry, client: u128) -> Push {
        Push {
            client: Uuid::from_u128(client),
            subscription: telemetry.subscription(),
            ends: false,
            codec: 0,
            metrics: Bytes::from_static(&[0x0a, 2, 0x12, 0]),
        }
    }

    fn at(seconds: u64) -> Monotonic {
        Monotonic(seconds * SECOND)
    }

    fn from() -> Origin {
        origin("app", Uuid::from_u128(1), "10.0.0.1", 3)
    }

    #[test]
    fn what_is_pushed_reaches_the_receiver_whatever_it_is_compressed_with() {
        let (telemetry, mut payloads) = telemetry();
        let plain = push(&telemetry, 1);
        let mut client = 1;
        for codec in [Codec::None].into_iter().chain(CODECS) {
            let packed = compress(codec, &plain.metrics).unwrap();
            client += 1;
            let push = Push {
                client: Uuid::from_u128(client),
                codec: codec.id() as i8,
                metrics: packed.into(),
                ..plain.clone()
            };
            assert_eq!(telemetry.take(at(1), &push, &from()), Ok(Taken::Handed));
            let payload = payloads.try_recv().unwrap();
            assert!(payload.metrics.len() > plain.metrics.len(), "{codec:?}");
        }
    }

    #[test]
    fn a_client_pushes_when_it_is_asked_to_and_once_more_when_it_ends() {
        let (telemetry, _payloads) = telemetry();
        let mut push = push(&telemetry, 1);
        let early = Err(ErrorCode::ThrottlingQuotaExceeded);
        assert_eq!(telemetry.take(at(1), &push, &from()), Ok(Taken::Handed));
        assert_eq!(telemetry.take(at(2), &push, &from()), early);
        assert_eq!(telemetry.take(at(7), &push, &from()), Ok(Taken::Handed));
        push.ends = true;
        assert_eq!(telemetry.take(at(8), &push, &from()), Ok(Taken::Handed));
        let over = Err(ErrorCode::InvalidRequest);
        assert_eq!(telemetry.take(at(30), &push, &from()), over);
    }

    #[test]
    fn what_is_wrong_gets_kafkas_code_and_goes_nowhere() {
        let (telemetry, mut payloads) = telemetry();
        let good = push(&telemetry, 1);
        let large = Bytes::from(vec![0; 1_001]);
        let bomb = compress(Codec::Gzip, &vec![0; 100_000]).unwrap();
        let wrong = [
            (
                Push {
                    client: Uuid::nil(),
                    ..good.clone()
                },
                ErrorCode::InvalidRequest,
            ),
            (
                Push {
                    subscription: 1,
                    ..good.clone()
                },
                ErrorCode::UnknownSubscriptionId,
            ),
            (
                Push {
                    codec: 7,
                    ..good.clone()
                },
                ErrorCode::UnsupportedCompressionType,
            ),
            (
                Push {
                    metrics: large,
                    ..good.clone()
                },
                ErrorCode::TelemetryTooLarge,
            ),
            (
                Push {
                    metrics: Bytes::from_static(b"text"),
                    ..good.clone()
                },
                ErrorCode::InvalidRecord,
            ),
            (
                Push {
                    codec: 1,
                    metrics: bomb.into(),
                    ..good
                },
                ErrorCode::InvalidRecord,
            ),
        ];
        for (number, (push, code)) in wrong.into_iter().enumerate() {
            let now = at(100 * (number as u64 + 1));
            assert_eq!(telemetry.take(now, &push, &from()), Err(code));
        }
        payloads.try_recv().unwrap_err();
    }

    #[test]
    fn a_slow_receiver_costs_payloads_and_nobody_waits() {
        let (telemetry, _payloads) = telemetry();
        for client in 1..=WAITING as u128 {
            let push = push(&telemetry, client);
            assert_eq!(telemetry.take(at(1), &push, &from()), Ok(Taken::Handed));
        }
        let push = push(&telemetry, 99);
        assert_eq!(telemetry.take(at(1), &push, &from()), Ok(Taken::Dropped));
    }

    #[test]
    fn payloads_that_wait_take_no_more_bytes_than_they_may() {
        let settings = config::Telemetry {
            receiver: None,
            interval_ms: 10_000,
            max_bytes: 16 << 20,
        };
        let (telemetry, _payloads) = Telemetry::new(&settings);
        let large = [
            &[0x0a, 0xfb, 0xff, 0xff, 0x07][..],
            &vec![0; (16 << 20) - 5],
        ]
        .concat();
        let mut taken = Vec::new();
        for client in 1..=4 {
            let push = Push {
                metrics: large.clone().into(),
                ..push(&telemetry, client)
            };
            taken.push(telemetry.take(at(1), &push, &from()).unwrap());
        }
        let (handed, dropped) = (Taken::Handed, Taken::Dropped);
        assert_eq!(taken, [handed, dropped, dropped, dropped]);
    }

    #[test]
    fn however_many_clients_there_are_the_silent_ones_are_forgotten() {
        let (telemetry, _payloads) = telemetry();
        for client in 0..CLIENTS as u64 + 5 {
            telemetry.subscribe(Uuid::from_u128(client.into()), at(client));
        }
        let clients = telemetry.clients.lock();
        assert_eq!(clients.len(), CLIENTS);
        assert!(!clients.contains_key(&Uuid::from_u128(0)));
    }
}

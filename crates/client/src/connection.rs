//! One TCP connection to one broker, with pipelined requests.
//!
//! A task that belongs to the connection, and ends with it, hands each answer to its caller: so
//! answers come in even while a caller's future is not polled.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicI32, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use holdfast_wire::messages::{ApiVersionsRequest, ApiVersionsResponse, ResponseHeader};
use holdfast_wire::{Api, Decodable, HeaderVersion, Request, StrBytes, request};
use parking_lot::Mutex;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::net::tcp::OwnedWriteHalf;
use tokio::sync::{Semaphore, oneshot};
use tokio::task::JoinSet;

use crate::Error;

mod frames;

use frames::FrameReader;

/// Requests in flight on one connection; a broker stops reading long before more would help.
const IN_FLIGHT: usize = 256;

/// The lowest and highest version that a broker serves of one API.
type Versions = (i16, i16);

/// A connection whose versions are negotiated.
#[derive(Debug)]
pub struct Connection {
    address: String,
    client_id: String,
    request_timeout: Duration,
    versions: BTreeMap<i16, Versions>,
    next_id: AtomicI32,
    slots: Semaphore,
    writer: tokio::sync::Mutex<OwnedWriteHalf>,
    shared: Arc<Shared>,
    /// Holds the reader alone; dropping the connection ends it.
    _reader: JoinSet<()>,
}

/// What callers and the reader share.
#[derive(Debug, Default)]
struct Shared {
    /// Bounded by [`IN_FLIGHT`] and the callers that were cancelled since the last answer to each.
    waiting: Mutex<HashMap<i32, oneshot::Sender<Bytes>>>,
    /// Why the connection ended.
    broken: OnceLock<String>,
}

/// How to connect.
#[derive(Clone, Debug)]
pub(crate) struct ConnectOptions {
    pub(crate) client_id: String,
    pub(crate) connect_timeout: Duration,
    pub(crate) request_timeout: Duration,
}

impl Connection {
    /// Connects and asks for the versions that the broker serves.
    pub(crate) async fn open(address: &str, options: &ConnectOptions) -> Result<Self, Error> {
        let limit = options.connect_timeout;
        let connect = TcpStream::connect(address);
        let failed = |reason: String| Error::Connect {
            address: address.to_owned(),
            reason,
        };
        let stream = tokio::time::timeout(limit, connect)
            .await
            .map_err(|_elapsed| failed(format!("no answer within {} ms", limit.as_millis())))?
            .map_err(|error| failed(error.to_string()))?;
        stream
            .set_nodelay(true)
            .map_err(|error| failed(error.to_string()))?;
        let (read, write) = stream.into_split();
        let shared = Arc::new(Shared::default());
        let mut reader = JoinSet::new();
        reader.spawn(read_answers(FrameReader::new(read), Arc::clone(&shared)));
        let mut connection = Self {
            address: address.to_owned(),
            client_id: options.client_id.clone(),
            request_timeout: options.connect_timeout,
            versions: BTreeMap::new(),
            next_id: AtomicI32::new(0),
            slots: Semaphore::new(IN_FLIGHT),
            writer: tokio::sync::Mutex::new(write),
            shared,
            _reader: reader,
        };
        connection.versions = connection.negotiate().await?;
        connection.request_timeout = options.request_timeout;
        Ok(connection)
    }

    /// Host and port of the broker.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Whether the connection has ended; a new one is needed then.
    pub fn is_broken(&self) -> bool {
        self.shared.broken.get().is_some()
    }

    /// The highest version of an API that both sides speak.
    ///
    /// # Errors
    /// [`Error::Unsupported`] if there is none.
    pub fn version(&self, api: Api) -> Result<i16, Error> {
        let unsupported = || Error::Unsupported {
            address: self.address.clone(),
            api,
        };
        let (low, high) = self
            .versions
            .get(&api.key())
            .copied()
            .ok_or_else(unsupported)?;
        let ours = api.served();
        let version = high.min(*ours.end());
        if version < low.max(*ours.start()) {
            Err(unsupported())
        } else {
            Ok(version)
        }
    }

    /// Sends a request in the highest version that both sides speak, and waits for its answer.
    ///
    /// # Errors
    /// Of the connection, the protocol, or time; the connection is of no use after the first and
    /// the last.
    pub async fn call<R: Request>(&self, body: &R) -> Result<R::Response, Error> {
        self.call_within(body, self.request_timeout).await
    }

    /// As [`call`](Self::call), with a time of its own: a group may be long in coming together.
    ///
    /// # Errors
    /// Of the connection, time, or the answer's form.
    pub async fn call_within<R: Request>(
        &self,
        body: &R,
        limit: Duration,
    ) -> Result<R::Response, Error> {
        let api = api_of::<R>(&self.address)?;
        let version = self.version(api)?;
        self.call_version(api, version, body, limit).await
    }

    /// Sends a request that the broker does not answer: a produce with acks=0.
    ///
    /// # Errors
    /// Of the connection or time.
    pub async fn send<R: Request>(&self, body: &R) -> Result<(), Error> {
        let api = api_of::<R>(&self.address)?;
        let version = self.version(api)?;
        let id = self.next_id();
        let frame = self.encode(api, version, id, body)?;
        let limit = self.request_timeout;
        self.timed(api, limit, self.write(&frame)).await
    }

    async fn negotiate(&self) -> Result<BTreeMap<i16, Versions>, Error> {
        let body = ApiVersionsRequest::default()
            .with_client_software_name(StrBytes::from_static_str("holdfast"))
            .with_client_software_version(StrBytes::from_static_str(env!("CARGO_PKG_VERSION")));
        let api = Api::ApiVersions;
        let highest = *api.served().end();
        // A broker that does not know the version answers with error 35 in version 0, which reads
        // as garbage or as that error in ours: version 0, which all know, settles it.
        let answer: Result<ApiVersionsResponse, Error> = self
            .call_version(api, highest, &body, self.request_timeout)
            .await;
        let answer = match answer {
            Ok(answer) if answer.error_code == 0 => answer,
            Ok(_) | Err(Error::Protocol { .. }) => {
                let limit = self.request_timeout;
                self.call_version(api, 0, &body, limit).await?
            }
            Err(error) => return Err(error),
        };
        Error::check(answer.error_code, None, || {
            format!("versions of {}", self.address)
        })?;
        let row = |v: holdfast_wire::messages::api_versions_response::ApiVersion| {
            (v.api_key, (v.min_version, v.max_version))
        };
        Ok(answer.api_keys.into_iter().map(row).collect())
    }

    async fn call_version<R: Request>(
        &self,
        api: Api,
        version: i16,
        body: &R,
        limit: Duration,
    ) -> Result<R::Response, Error> {
        let _slot = self
            .slots
            .acquire()
            .await
            .map_err(|_closed| self.closed())?;
        let id = self.next_id();
        let frame = self.encode(api, version, id, body)?;
        let answer = self.timed(api, limit, self.exchange(id, &frame)).await?;
        self.decode::<R::Response>(api, version, answer)
    }

    /// After a time-out nobody knows what the broker still does: the connection ends, so that
    /// every other caller on it learns of it at once.
    async fn timed<T>(
        &self,
        api: Api,
        limit: Duration,
        work: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, Error> {
        match tokio::time::timeout(limit, work).await {
            Ok(result) => result,
            Err(_elapsed) => {
                self.shared
                    .break_off("another request got no answer in time");
                Err(Error::Timeout {
                    what: format!("{api} at {}", self.address),
                    limit,
                })
            }
        }
    }

    async fn exchange(&self, id: i32, frame: &Bytes) -> Result<Bytes, Error> {
        let (sender, receiver) = oneshot::channel();
        self.shared.waiting.lock().insert(id, sender);
        // The write checks for a broken connection after the row is in: whoever breaks the
        // connection afterwards clears it.
        self.write(frame).await?;
        receiver.await.map_err(|_dropped| self.closed())
    }

    async fn write(&self, frame: &Bytes) -> Result<(), Error> {
        let mut writer = self.writer.lock().await;
        if self.is_broken() {
            return Err(self.closed());
        }
        let mut unfinished = Unfinished {
            shared: &self.shared,
            armed: true,
        };
        let result = writer.write_all(frame).await;
        unfinished.armed = false;
        result.map_err(|error| {
            self.shared.break_off(&error.to_string());
            self.closed()
        })
    }

    fn encode<R: Request>(
        &self,
        api: Api,
        version: i16,
        correlation_id: i32,
        body: &R,
    ) -> Result<Bytes, Error> {
        let header = request::Header {
            api,
            version,
            correlation_id,
            client_id: Some(StrBytes::from_string(self.client_id.clone())),
        };
        request::encode(&header, body).map_err(|error| self.protocol(error.to_string()))
    }

    fn decode<M: Decodable + HeaderVersion>(
        &self,
        api: Api,
        version: i16,
        mut answer: Bytes,
    ) -> Result<M, Error> {
        ResponseHeader::decode(&mut answer, api.response_header_version(version))
            .and_then(|_header| M::decode(&mut answer, version))
            .map_err(|error| self.protocol(format!("{api} v{version}: {error:#}")))
    }

    fn next_id(&self) -> i32 {
        self.next_id.fetch_add(1, Ordering::Relaxed)
    }

    fn closed(&self) -> Error {
        let reason = self.shared.broken.get().map_or("given up", String::as_str);
        Error::Closed {
            address: self.address.clone(),
            reason: reason.to_owned(),
        }
    }

    fn protocol(&self, reason: String) -> Error {
        Error::Protocol {
            address: self.address.clone(),
            reason,
        }
    }
}

fn api_of<R: Request>(address: &str) -> Result<Api, Error> {
    Api::from_key(R::KEY).ok_or_else(|| Error::Protocol {
        address: address.to_owned(),
        reason: format!("this client does not speak API {}", R::KEY),
    })
}

impl Shared {
    /// Ends the connection: every caller that waits gets an error. The first reason stays.
    fn break_off(&self, reason: &str) {
        self.broken.get_or_init(|| reason.to_owned());
        self.waiting.lock().clear();
    }

    fn dispatch(&self, answer: Bytes) -> Result<(), String> {
        let prefix = answer
            .first_chunk::<4>()
            .ok_or("an answer without a number")?;
        let id = i32::from_be_bytes(*prefix);
        let sender = self.waiting.lock().remove(&id);
        // A caller that was cancelled has no receiver any more: its answer is nobody's.
        drop(
            sender
                .ok_or_else(|| format!("an answer to no request of ours: {id}"))?
                .send(answer),
        );
        Ok(())
    }
}

/// Hands out answers until the stream ends or makes no sense.
async fn read_answers(mut reader: FrameReader, shared: Arc<Shared>) {
    // However this task ends, nobody may wait for it.
    let _unfinished = Unfinished {
        shared: &shared,
        armed: true,
    };
    loop {
        let result = match reader.next().await {
            Ok(answer) => shared.dispatch(answer),
            Err(reason) => Err(reason),
        };
        if let Err(reason) = result {
            return shared.break_off(&reason);
        }
    }
}

/// A write that is dropped halfway leaves half a frame behind, and a reader that is gone reads no
/// answer: the connection is of no use then.
struct Unfinished<'a> {
    shared: &'a Shared,
    armed: bool,
}

impl Drop for Unfinished<'_> {
    fn drop(&mut self) {
        if self.armed {
            self.shared.break_off("given up");
        }
    }
}

#[cfg(test)]
mod tests;

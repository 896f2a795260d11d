//! The client: connections by broker, the metadata, and the retry of what can be retried.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use holdfast_model::{Clock, ErrorCode, Monotonic, SystemClock};
use holdfast_wire::messages::metadata_request::MetadataRequestTopic;
use holdfast_wire::messages::{MetadataRequest, TopicName};
use holdfast_wire::{Request, StrBytes};
use parking_lot::{Mutex, RwLock};

use crate::backoff::Backoff;
use crate::connection::ConnectOptions;
use crate::{Cluster, Connection, Error, Partition, Topic};

/// Topics that one client keeps track of.
const TOPICS: usize = 10_000;

/// Brokers of one bootstrap list.
const BOOTSTRAP: usize = 64;

/// How the client behaves. The defaults are Kafka's, but for the metadata time-out.
#[derive(Clone, Debug)]
pub struct Options {
    /// What the client calls itself.
    pub client_id: String,
    /// How long a connection may take, versions included.
    pub connect_timeout: Duration,
    /// How long an answer may take.
    pub request_timeout: Duration,
    /// How long one broker may take to describe the cluster, before another one is asked: short,
    /// because a paused broker takes connections and answers nothing.
    pub metadata_timeout: Duration,
    /// How long an operation is tried again.
    pub operation_timeout: Duration,
    /// The first pause between two tries.
    pub retry_backoff: Duration,
    /// The longest pause between two tries.
    pub retry_backoff_max: Duration,
    /// Whether asking for a topic may make it, where the cluster allows that.
    pub auto_create_topics: bool,
    /// Where time comes from.
    pub clock: Arc<dyn Clock>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            client_id: "holdfast".to_owned(),
            connect_timeout: Duration::from_secs(5),
            request_timeout: Duration::from_secs(30),
            metadata_timeout: Duration::from_secs(2),
            operation_timeout: Duration::from_mins(1),
            retry_backoff: Duration::from_millis(50),
            retry_backoff_max: Duration::from_secs(1),
            auto_create_topics: false,
            clock: Arc::new(SystemClock::new()),
        }
    }
}

/// A place for a connection. The lock is held while connecting, so that callers share the one that
/// comes about; other brokers have other places.
type Place = Arc<tokio::sync::Mutex<Option<Arc<Connection>>>>;

/// A client of one cluster. Cheap to clone; all clones share connections and metadata.
#[derive(Clone, Debug)]
pub struct Client {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    options: Options,
    bootstrap: Vec<String>,
    /// By address: a broker that moved gets a new connection. Bounded by brokers and bootstrap
    /// list: places that neither names are dropped at each refresh.
    places: Mutex<HashMap<String, Place>>,
    cluster: RwLock<Arc<Cluster>>,
    tracked: Mutex<BTreeSet<String>>,
    /// Counts the refreshes; held while one runs.
    generation: tokio::sync::Mutex<()>,
    refreshed: AtomicU64,
    turn: AtomicUsize,
}

impl Client {
    /// A client of the cluster that the bootstrap list (`host:port,host:port`) leads to. Nothing
    /// is connected before the first request.
    ///
    /// # Errors
    /// [`Error::Address`] or [`Error::TooMany`] for the list.
    pub fn new(bootstrap: &str, options: Options) -> Result<Self, Error> {
        let bootstrap: Vec<String> = bootstrap
            .split(',')
            .map(str::trim)
            .filter(|address| !address.is_empty())
            .map(str::to_owned)
            .collect();
        let usable = |address: &str| {
            address.rsplit_once(':').is_some_and(|(host, port)| {
                !host.is_empty() && port.parse::<u16>().is_ok_and(|port| port != 0)
            })
        };
        let wrong = bootstrap.iter().find(|address| !usable(address)).cloned();
        if let Some(address) = wrong.or_else(|| bootstrap.is_empty().then(String::new)) {
            return Err(Error::Address { address });
        }
        if bootstrap.len() > BOOTSTRAP {
            return Err(Error::TooMany {
                what: "bootstrap addresses",
                limit: BOOTSTRAP,
            });
        }
        // Clients that start together must not all ask the same broker first.
        let turn = options.clock.wall_ms() as usize;
        Ok(Self {
            inner: Arc::new(Inner {
                options,
                bootstrap,
                places: Mutex::new(HashMap::new()),
                cluster: RwLock::new(Arc::new(Cluster::default())),
                tracked: Mutex::new(BTreeSet::new()),
                generation: tokio::sync::Mutex::new(()),
                refreshed: AtomicU64::new(0),
                turn: AtomicUsize::new(turn),
            }),
        })
    }

    /// How the client behaves.
    pub fn options(&self) -> &Options {
        &self.inner.options
    }

    /// What is known of the cluster now; empty before the first refresh.
    pub fn cluster(&self) -> Arc<Cluster> {
        Arc::clone(&self.inner.cluster.read())
    }

    /// Asks the cluster to describe itself and the topics that are tracked. Callers that come
    /// while another one asks share its answer.
    ///
    /// # Errors
    /// The last broker's, when none answered.
    pub async fn refresh(&self) -> Result<Arc<Cluster>, Error> {
        let seen = self.inner.refreshed.load(Ordering::Acquire);
        let _turn = self.inner.generation.lock().await;
        if self.inner.refreshed.load(Ordering::Acquire) != seen {
            return Ok(self.cluster());
        }
        let topics = self.inner.tracked.lock().iter().cloned().collect();
        let answer = self.ask_metadata(Some(topics)).await?;
        let mut cluster = Cluster::clone(&self.cluster());
        cluster.update(answer);
        self.forget_places(&cluster);
        let cluster = Arc::new(cluster);
        *self.inner.cluster.write() = Arc::clone(&cluster);
        self.inner.refreshed.fetch_add(1, Ordering::Release);
        Ok(cluster)
    }

    /// Every topic of the cluster; the topics tracked stay as they are.
    ///
    /// # Errors
    /// The last broker's, when none answered.
    pub async fn describe_all(&self) -> Result<Cluster, Error> {
        let mut cluster = Cluster::default();
        cluster.update(self.ask_metadata(None).await?);
        Ok(cluster)
    }

    /// A topic, tracked from now on; asks the cluster if it is not known yet, and again until the
    /// operation time-out while the error is one that passes.
    ///
    /// # Errors
    /// The cluster's answer for the topic, or that no broker answered.
    pub async fn topic(&self, name: &str) -> Result<Topic, Error> {
        {
            let mut tracked = self.inner.tracked.lock();
            if !tracked.contains(name) {
                if tracked.len() >= TOPICS {
                    return Err(Error::TooMany {
                        what: "topics",
                        limit: TOPICS,
                    });
                }
                tracked.insert(name.to_owned());
            }
        }
        let known = self.cluster();
        if let Some(topic) = known.topics.get(name)
            && topic.error.is_none()
        {
            return Ok(topic.clone());
        }
        self.retry(|| async {
            let cluster = self.refresh().await?;
            // A refresh that began before the topic was tracked does not hold it: that passes.
            let code = match cluster.topics.get(name) {
                Some(topic) => match topic.error {
                    None => return Ok(topic.clone()),
                    Some(code) => code,
                },
                None => ErrorCode::UnknownTopicOrPartition,
            };
            Err(Error::Server {
                what: format!("topic {name}"),
                code,
                detail: None,
            })
        })
        .await
    }

    /// A partition as known now, with a leader; does not ask the cluster.
    ///
    /// # Errors
    /// [`Error::NoLeader`] if there is none: refresh and try again.
    pub fn leader(&self, topic: &str, partition: i32) -> Result<Partition, Error> {
        let cluster = self.cluster();
        let known = cluster
            .topics
            .get(topic)
            .and_then(|t| t.partitions.get(&partition));
        match known {
            Some(known) if known.leader >= 0 && cluster.brokers.contains_key(&known.leader) => {
                Ok(known.clone())
            }
            _ => Err(Error::NoLeader {
                topic: topic.to_owned(),
                partition,
            }),
        }
    }

    /// The connection to a broker, made if there is none.
    ///
    /// # Errors
    /// [`Error::Connect`] and its like; also for a broker that the metadata does not name.
    pub async fn broker(&self, id: i32) -> Result<Arc<Connection>, Error> {
        let address = self
            .cluster()
            .brokers
            .get(&id)
            .map(|broker| broker.address.clone());
        match address {
            Some(address) => self.connect(&address).await,
            None => Err(Error::Connect {
                address: format!("broker {id}"),
                reason: "the cluster does not name it now".to_owned(),
            }),
        }
    }

    /// Sends a request to whichever broker answers, and tries again, elsewhere, what can be.
    /// `check` turns errors inside an answer into an error.
    ///
    /// # Errors
    /// The last one, when the operation time-out is over or it cannot pass.
    pub async fn call_any<R: Request, T>(
        &self,
        body: &R,
        check: impl Fn(R::Response) -> Result<T, Error>,
    ) -> Result<T, Error> {
        self.retry(|| async {
            let connection = self.any_broker().await?;
            check(connection.call(body).await?)
        })
        .await
    }

    /// Tries until it succeeds, fails for good, or the operation time-out is over. What it tries
    /// is responsible for being harmless when done twice.
    pub(crate) async fn retry<T, F>(&self, attempt: impl Fn() -> F) -> Result<T, Error>
    where
        F: Future<Output = Result<T, Error>>,
    {
        let started = self.inner.options.clock.monotonic();
        let mut backoff = self.backoff();
        loop {
            let error = match attempt().await {
                Ok(value) => return Ok(value),
                Err(error) => error,
            };
            let pause = backoff.pause();
            let elapsed = self.inner.options.clock.monotonic().since(started);
            if !error.is_retriable() || elapsed + pause > self.inner.options.operation_timeout {
                return Err(error);
            }
            tracing::debug!(%error, "trying again");
            tokio::time::sleep(pause).await;
        }
    }

    pub(crate) fn backoff(&self) -> Backoff {
        let options = &self.inner.options;
        let Monotonic(seed) = options.clock.monotonic();
        Backoff::new(options.retry_backoff, options.retry_backoff_max, seed)
    }

    /// A connection to some broker: each call begins with another one, and passes over those that
    /// cannot be reached.
    pub(crate) async fn any_broker(&self) -> Result<Arc<Connection>, Error> {
        let mut last = Error::Address {
            address: String::new(),
        };
        for address in self.addresses() {
            match self.connect(&address).await {
                Ok(connection) => return Ok(connection),
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    async fn ask_metadata(
        &self,
        topics: Option<Vec<String>>,
    ) -> Result<holdfast_wire::messages::MetadataResponse, Error> {
        let name = |name: String| {
            MetadataRequestTopic::default().with_name(Some(TopicName(StrBytes::from_string(name))))
        };
        let body = MetadataRequest::default()
            .with_topics(topics.map(|topics| topics.into_iter().map(name).collect()))
            .with_allow_auto_topic_creation(self.inner.options.auto_create_topics);
        let limit = self.inner.options.metadata_timeout;
        let mut last = Error::Address {
            address: String::new(),
        };
        for address in self.addresses() {
            let ask = async { self.connect(&address).await?.call(&body).await };
            match tokio::time::timeout(limit, ask).await {
                Ok(Ok(answer)) if !answer.brokers.is_empty() => return Ok(answer),
                Ok(Ok(_)) => {
                    last = Error::Connect {
                        address,
                        reason: "it names no brokers yet".to_owned(),
                    };
                }
                Ok(Err(error)) => last = error,
                Err(_elapsed) => {
                    last = Error::Timeout {
                        what: format!("metadata from {address}"),
                        limit,
                    };
                }
            }
        }
        Err(last)
    }

    /// The known brokers, then the bootstrap list, each without repetition, from another start at
    /// every call: one that hangs is asked first only now and then.
    fn addresses(&self) -> Vec<String> {
        let turn = self.inner.turn.fetch_add(1, Ordering::Relaxed);
        let cluster = self.cluster();
        let mut known: Vec<String> = cluster
            .brokers
            .values()
            .map(|b| b.address.clone())
            .collect();
        let mut spare: Vec<String> = self
            .inner
            .bootstrap
            .iter()
            .filter(|a| !known.contains(a))
            .cloned()
            .collect();
        for list in [&mut known, &mut spare] {
            if !list.is_empty() {
                let start = turn % list.len();
                list.rotate_left(start);
            }
        }
        known.append(&mut spare);
        known
    }

    async fn connect(&self, address: &str) -> Result<Arc<Connection>, Error> {
        let place = {
            let mut places = self.inner.places.lock();
            Arc::clone(places.entry(address.to_owned()).or_default())
        };
        let mut place = place.lock().await;
        if let Some(connection) = place.as_ref()
            && !connection.is_broken()
        {
            return Ok(Arc::clone(connection));
        }
        let options = ConnectOptions {
            client_id: self.inner.options.client_id.clone(),
            connect_timeout: self.inner.options.connect_timeout,
            request_timeout: self.inner.options.request_timeout,
        };
        let connection = Arc::new(Connection::open(address, &options).await?);
        *place = Some(Arc::clone(&connection));
        Ok(connection)
    }

    fn forget_places(&self, cluster: &Cluster) {
        let bootstrap = &self.inner.bootstrap;
        self.inner.places.lock().retain(|address, _| {
            bootstrap.contains(address) || cluster.brokers.values().any(|b| b.address == *address)
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bootstrap_list_is_checked() {
        let client = |list: &str| Client::new(list, Options::default());
        for list in ["", "host", "host:", ":9092", "host:0", "a:1,b"] {
            assert!(matches!(client(list), Err(Error::Address { .. })), "{list}");
        }
        let long = "a:1,".repeat(BOOTSTRAP + 1);
        assert!(matches!(client(&long), Err(Error::TooMany { .. })));
        assert_eq!(client("a:1, b:2").unwrap().inner.bootstrap, ["a:1", "b:2"]);
    }

    #[test]
    fn each_call_begins_with_another_address() {
        let client = Client::new("a:1,b:2", Options::default()).unwrap();
        assert_ne!(client.addresses()[0], client.addresses()[0]);
    }

    #[tokio::test]
    async fn nobody_there_is_an_error_with_the_address() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        drop(listener);
        let options = Options {
            operation_timeout: Duration::from_millis(100),
            ..Options::default()
        };
        let error = Client::new(&address, options)
            .unwrap()
            .topic("t")
            .await
            .unwrap_err();
        assert!(
            matches!(&error, Error::Connect { address: a, .. } if *a == address),
            "{error}"
        );
    }
}

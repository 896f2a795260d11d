//! The wire between operators and the rest: every request waits here until the simulator answers it,
//! loses it, or loses the answer.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures::FutureExt;
use futures::channel::oneshot;
use futures::future::BoxFuture;
use holdfast_model::ClusterId;
use holdfast_operator::outside::{Answer, BrokerApi, Outside};
use holdfast_rpc::proto::admin::{
    AcquirePermitReply, AcquirePermitRequest, AdmitDiskReply, AdmitDiskRequest,
    ChangeSettingsReply, ChangeSettingsRequest, DeleteTopicReply, DeleteTopicRequest,
    DescribeBrokerReply, DescribeClusterReply, EndPermitReply, EndPermitRequest, EnsureTopicReply,
    EnsureTopicRequest, RaiseFeatureLevelReply, RaiseFeatureLevelRequest,
};
use holdfast_security::Tls;
use http::{Request, Response};
use kube::client::Body;
use parking_lot::Mutex;
use serde_json::Value;

/// A request to the API server.
#[derive(Clone, Debug)]
pub struct Call {
    /// Its method.
    pub method: String,
    /// Its path.
    pub path: String,
    /// The type of what it sends.
    pub content: String,
    /// What it sends; null for nothing.
    pub body: Value,
}

impl Call {
    /// What it says of the plan, if it writes a status.
    pub fn plan(&self) -> String {
        let plan = &self.body["status"]["plan"];
        let (Some(state), Some(summary)) = (plan["state"].as_str(), plan["summary"].as_str())
        else {
            return String::new();
        };
        format!(", {state}: {summary}")
    }
}

/// A question to a broker.
#[derive(Clone, Debug)]
pub enum Question {
    /// What it is.
    Broker,
    /// How its cluster is.
    Cluster,
    /// May brokers stop?
    Acquire(AcquirePermitRequest),
    /// A permit is given back.
    End(EndPermitRequest),
    /// A disk is let in.
    Admit(AdmitDiskRequest),
    /// Settings change.
    Settings(ChangeSettingsRequest),
    /// New formats are allowed.
    Raise(RaiseFeatureLevelRequest),
}

impl std::fmt::Display for Question {
    /// The same text for the same question, whatever the order in which a map keeps its entries.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Settings(wish) => {
                let set: BTreeMap<&String, &String> = wish.set.iter().collect();
                write!(f, "Settings({set:?}, without {:?})", wish.remove)
            }
            other => write!(f, "{other:?}"),
        }
    }
}

/// What a broker says to it.
#[derive(Clone, Debug)]
pub enum Said {
    /// What it is.
    Broker(Box<DescribeBrokerReply>),
    /// How its cluster is.
    Cluster(Box<DescribeClusterReply>),
    /// Whether brokers may stop.
    Acquired(AcquirePermitReply),
    /// What became of a permit.
    Ended(EndPermitReply),
    /// Whether a disk was let in.
    Admitted(AdmitDiskReply),
    /// Settings were changed.
    Changed,
    /// The level there is.
    Raised(u32),
}

/// What is asked.
#[derive(Clone, Debug)]
pub enum Asked {
    /// Something of the API server.
    Api(Call),
    /// Something of the broker at an address.
    Broker {
        /// Which one is expected there.
        broker: i32,
        /// The address.
        host: String,
        /// The question.
        question: Question,
    },
}

/// What comes back.
#[derive(Debug)]
pub enum Reply {
    /// The API server's code and body.
    Api(u16, Value),
    /// A broker's answer.
    Broker(Result<Said, holdfast_rpc::Error>),
    /// Nothing: the connection broke.
    Lost,
}

/// A request that waits.
#[derive(Debug)]
pub struct Waiting {
    /// The operator's process.
    pub from: u32,
    /// What it asks.
    pub asked: Asked,
    reply: oneshot::Sender<Reply>,
}

impl Waiting {
    /// Answers it; whoever asked may be gone.
    pub fn answer(self, reply: Reply) {
        let _gone = self.reply.send(reply);
    }
}

/// All requests that wait, by the order in which they were sent.
#[derive(Debug, Default)]
pub struct Wire {
    next: u64,
    waiting: BTreeMap<u64, Waiting>,
}

/// The wire, shared by everybody.
pub type SharedWire = Arc<Mutex<Wire>>;

impl Wire {
    /// How many requests were ever sent.
    pub fn sent(&self) -> u64 {
        self.next
    }

    /// The numbers and senders of those that wait.
    pub fn waiting(&self) -> Vec<(u64, u32)> {
        let all = self.waiting.iter();
        all.map(|(number, waiting)| (*number, waiting.from))
            .collect()
    }

    /// What a request asks.
    pub fn asked(&self, number: u64) -> Option<&Asked> {
        self.waiting.get(&number).map(|waiting| &waiting.asked)
    }

    /// Takes a request off the wire.
    pub fn take(&mut self, number: u64) -> Option<Waiting> {
        self.waiting.remove(&number)
    }

    fn send(&mut self, from: u32, asked: Asked) -> oneshot::Receiver<Reply> {
        let (reply, answer) = oneshot::channel();
        self.waiting
            .insert(self.next, Waiting { from, asked, reply });
        self.next += 1;
        answer
    }
}

/// The way of one operator process to the API server.
#[derive(Clone, Debug)]
pub struct ToApi {
    /// The wire.
    pub wire: SharedWire,
    /// The process.
    pub from: u32,
}

impl tower_service::Service<Request<Body>> for ToApi {
    type Response = Response<Body>;
    type Error = std::io::Error;
    type Future = BoxFuture<'static, std::io::Result<Response<Body>>>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let (wire, from) = (Arc::clone(&self.wire), self.from);
        async move {
            let (parts, body) = request.into_parts();
            let header = |name: &str| parts.headers.get(name).and_then(|v| v.to_str().ok());
            let content = header("content-type").unwrap_or_default().to_owned();
            let bytes = body.collect_bytes().await.map_err(std::io::Error::other)?;
            let call = Call {
                method: parts.method.as_str().to_owned(),
                path: parts.uri.path().to_owned(),
                content,
                body: serde_json::from_slice(&bytes).unwrap_or(Value::Null),
            };
            let answer = wire.lock().send(from, Asked::Api(call));
            let Ok(Reply::Api(code, body)) = answer.await else {
                return Err(std::io::Error::other("the connection broke"));
            };
            let body = Body::from(body.to_string().into_bytes());
            let response = Response::builder().status(code);
            response.body(body).map_err(std::io::Error::other)
        }
        .boxed()
    }
}

/// What is outside of one operator process.
#[derive(Clone, Debug)]
pub struct ToBrokers {
    /// The wire.
    pub wire: SharedWire,
    /// The process.
    pub from: u32,
    /// Ids of clusters that were given out, over all processes.
    pub ids: Arc<Mutex<u128>>,
}

impl Outside for ToBrokers {
    fn broker(
        &self,
        _tls: &Tls,
        _cluster: ClusterId,
        broker: i32,
        host: &str,
    ) -> Result<Arc<dyn BrokerApi>, holdfast_rpc::Error> {
        Ok(Arc::new(OneBroker {
            wire: Arc::clone(&self.wire),
            from: self.from,
            broker,
            host: host.to_owned(),
        }))
    }

    fn fresh_cluster_id(&self) -> ClusterId {
        let mut last = self.ids.lock();
        *last += 1;
        ClusterId::from_u128(*last)
    }
}

#[derive(Debug)]
struct OneBroker {
    wire: SharedWire,
    from: u32,
    broker: i32,
    host: String,
}

impl OneBroker {
    fn ask<T: Send + 'static>(
        &self,
        question: Question,
        read: impl FnOnce(Said) -> Option<T> + Send + 'static,
    ) -> Answer<T> {
        let asked = Asked::Broker {
            broker: self.broker,
            host: self.host.clone(),
            question,
        };
        let (wire, from) = (Arc::clone(&self.wire), self.from);
        async move {
            // As the real one, which connects when the answer is awaited.
            let answer = wire.lock().send(from, asked);
            let lost = || holdfast_rpc::Error::Unreachable("the connection broke".to_owned());
            match answer.await {
                Ok(Reply::Broker(said)) => read(said?).ok_or_else(lost),
                _ => Err(lost()),
            }
        }
        .boxed()
    }
}

impl BrokerApi for OneBroker {
    fn describe_broker(&self) -> Answer<DescribeBrokerReply> {
        self.ask(Question::Broker, |said| match said {
            Said::Broker(reply) => Some(*reply),
            _ => None,
        })
    }

    fn describe_cluster(&self) -> Answer<DescribeClusterReply> {
        self.ask(Question::Cluster, |said| match said {
            Said::Cluster(reply) => Some(*reply),
            _ => None,
        })
    }

    fn acquire_permit(&self, wish: AcquirePermitRequest) -> Answer<AcquirePermitReply> {
        self.ask(Question::Acquire(wish), |said| match said {
            Said::Acquired(reply) => Some(reply),
            _ => None,
        })
    }

    fn end_permit(&self, wish: EndPermitRequest) -> Answer<EndPermitReply> {
        self.ask(Question::End(wish), |said| match said {
            Said::Ended(reply) => Some(reply),
            _ => None,
        })
    }

    fn admit_disk(&self, wish: AdmitDiskRequest) -> Answer<AdmitDiskReply> {
        self.ask(Question::Admit(wish), |said| match said {
            Said::Admitted(reply) => Some(reply),
            _ => None,
        })
    }

    fn change_settings(&self, wish: ChangeSettingsRequest) -> Answer<ChangeSettingsReply> {
        self.ask(Question::Settings(wish), |said| match said {
            Said::Changed => Some(ChangeSettingsReply {}),
            _ => None,
        })
    }

    fn raise_feature_level(
        &self,
        wish: RaiseFeatureLevelRequest,
    ) -> Answer<RaiseFeatureLevelReply> {
        self.ask(Question::Raise(wish), |said| match said {
            Said::Raised(level) => Some(RaiseFeatureLevelReply { level }),
            _ => None,
        })
    }

    fn ensure_topic(&self, _wish: EnsureTopicRequest) -> Answer<EnsureTopicReply> {
        self.ask(Question::Broker, |_no_topics_here| None)
    }

    fn delete_topic(&self, _wish: DeleteTopicRequest) -> Answer<DeleteTopicReply> {
        self.ask(Question::Broker, |_no_topics_here| None)
    }
}

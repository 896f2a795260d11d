//! A cluster of one broker in this process, and a connection to it.

use std::process::Command;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use holdfast_model::{BrokerId, ClusterId, RecoveryGeneration};
use holdfast_quorum::{Document, Voter};
use holdfast_runtime::config::{Config, Sources};
use holdfast_wire::build::{BatchBuilder, Record};
use holdfast_wire::messages::produce_request::{PartitionProduceData, TopicProduceData};
use holdfast_wire::messages::{ProduceRequest, ResponseHeader};
use holdfast_wire::{Api, Codec, Decodable, Request, request};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use uuid::Uuid;

use super::super::text::topic_name;
use crate::serve::{self, Broker, StartError, Stopped};

/// Far longer than anything here takes: a broker that does not answer fails the test.
const PATIENCE: Duration = Duration::from_mins(1);

pub(super) struct OneBroker {
    stream: TcpStream,
    port: u16,
    asked: i32,
    running: JoinHandle<Result<Stopped, StartError>>,
    _dir: tempfile::TempDir,
}

/// A port that was free a moment ago.
async fn free_port() -> u16 {
    let socket = tokio::net::TcpListener::bind(("127.0.0.1", 0))
        .await
        .unwrap();
    socket.local_addr().unwrap().port()
}

impl OneBroker {
    pub(super) async fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let (client, rpc, admin) = (free_port().await, free_port().await, free_port().await);
        let voter = Voter {
            broker: BrokerId(0),
            host: "127.0.0.1".to_owned(),
            port: rpc,
            zone: None,
        };
        let document = Document::new(ClusterId(Uuid::new_v4()), vec![voter]).unwrap();
        let document = document.render().unwrap();
        let wanted = serve::Wanted {
            broker: BrokerId(0),
            document: Some(&document),
            cluster: None,
            recovery: RecoveryGeneration(0),
        };
        serve::format(dir.path(), &wanted).unwrap();
        let flags = [
            ("log.dirs", dir.path().display().to_string()),
            ("listeners", format!("CLIENT://127.0.0.1:{client}")),
            (
                "listener.security.protocol.map",
                "CLIENT:PLAINTEXT".to_owned(),
            ),
            ("holdfast.rpc.bind", format!("127.0.0.1:{rpc}")),
            ("holdfast.admin.bind", format!("127.0.0.1:{admin}")),
            ("holdfast.disk.reserve.bytes", (16 << 20).to_string()),
            ("holdfast.memory.budget.bytes", (256 << 20).to_string()),
            ("min.insync.replicas", "1".to_owned()),
            ("group.initial.rebalance.delay.ms", "0".to_owned()),
            ("offsets.topic.num.partitions", "5".to_owned()),
        ];
        let flags = flags.map(|(key, value)| (key.to_owned(), value)).into();
        let config = Config::load(&Sources {
            flags,
            ..Sources::default()
        })
        .unwrap()
        .config;
        let broker = Broker::start(config, String::new()).await.unwrap();
        #[expect(
            clippy::disallowed_methods,
            reason = "a broker is the root of its own tasks"
        )]
        let running = tokio::spawn(broker.run_until_stopped());
        // The socket is open at once; the first answer comes once the cluster has formed.
        let stream = TcpStream::connect(("127.0.0.1", client)).await.unwrap();
        Self {
            stream,
            port: client,
            asked: 0,
            running,
            _dir: dir,
        }
    }

    pub(super) fn port(&self) -> u16 {
        self.port
    }

    /// The answer to a request, through the real frames.
    pub(super) async fn ask<R: Request>(&mut self, version: i16, body: &R) -> R::Response {
        self.asked += 1;
        let api = Api::from_key(R::KEY).unwrap();
        let header = request::Header {
            api,
            version,
            correlation_id: self.asked,
            client_id: None,
        };
        let frame = request::encode(&header, body).unwrap();
        self.stream.write_all(&frame).await.unwrap();
        let answer = tokio::time::timeout(PATIENCE, self.frame()).await;
        let mut answer = answer.unwrap_or_else(|_| panic!("no answer to {api} v{version}"));
        let header = api.response_header_version(version);
        let header = ResponseHeader::decode(&mut answer, header).unwrap();
        assert_eq!(header.correlation_id, self.asked);
        let body = R::Response::decode(&mut answer, version).unwrap();
        assert!(
            answer.is_empty(),
            "{api} v{version}: {} bytes too many",
            answer.len()
        );
        body
    }

    async fn frame(&mut self) -> Bytes {
        let length = self.stream.read_u32().await.unwrap();
        let mut frame = BytesMut::zeroed(length as usize);
        self.stream.read_exact(&mut frame).await.unwrap();
        frame.freeze()
    }

    /// Writes one batch of records with these timestamps, acknowledged by all replicas.
    pub(super) async fn produce(&mut self, topic: &str, partition: i32, timestamps: &[i64]) {
        let mut batch = BatchBuilder::new(Codec::Lz4);
        for timestamp in timestamps {
            let record = Record {
                timestamp: *timestamp,
                ..Record::value(b"value")
            };
            batch.push(&record).unwrap();
        }
        let data = PartitionProduceData::default()
            .with_index(partition)
            .with_records(Some(batch.finish().unwrap()));
        let topic = TopicProduceData::default()
            .with_name(topic_name(topic))
            .with_partition_data(vec![data]);
        let request = ProduceRequest::default()
            .with_transactional_id(None)
            .with_acks(-1)
            .with_timeout_ms(10_000)
            .with_topic_data(vec![topic]);
        let answer = self.ask(9, &request).await;
        let row = &answer.responses[0].partition_responses[0];
        assert_eq!(row.error_code, 0, "{answer:?}");
    }

    /// Stops the broker as an operator would. The signal reaches every broker of this process.
    pub(super) async fn stop(self) {
        let pid = std::process::id().to_string();
        assert!(
            Command::new("kill")
                .args(["-TERM", &pid])
                .status()
                .unwrap()
                .success()
        );
        let stopped = tokio::time::timeout(PATIENCE, self.running).await.unwrap();
        stopped.unwrap().unwrap();
    }
}

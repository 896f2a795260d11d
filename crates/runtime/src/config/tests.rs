//! A configuration as operators write it: Kafka's file, ours, the environment, flags.

use std::collections::BTreeSet;
use std::path::Path;

use holdfast_model::{CompressionType, TimestampType};

use super::keys::{self, Answer};
use super::{
    Config, Error, HostPort, Loaded, Notice, Protocol, Sources, Verdict, explain,
    properties as properties_file, toml_file,
};
use crate::mutate;

/// The file that existing operators bring along, key by key as the product promises it.
const KAFKA_FILE: &str = "\
log.flush.interval.messages=10000
log.flush.interval.ms=1000
log.segment.bytes=1073741824
log.retention.hours=168
min.insync.replicas=2
default.replication.factor=3
auto.create.topics.enable=false
num.io.threads=16
num.network.threads=8
socket.request.max.bytes=104857600
log.cleaner.threads=4
";

fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs
        .iter()
        .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
        .collect()
}

fn load_text(name: &str, text: &str) -> Result<Loaded, Error> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    std::fs::write(&path, text).unwrap();
    Config::load(&Sources {
        files: vec![path],
        ..Sources::default()
    })
}

#[test]
fn of_two_files_the_later_wins_and_the_digest_is_over_both() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    };
    let common = file(
        "broker.properties",
        "broker.rack=a\nlisteners=IN://0.0.0.0:9092\n",
    );
    let own = file(
        "1000.properties",
        "broker.rack=b\nadvertised.listeners=IN://${env:NODE_IP}:31000\n",
    );
    let sources = |files: Vec<std::path::PathBuf>| Sources {
        files,
        env: vec![("NODE_IP".to_owned(), "10.0.0.7".to_owned())],
        ..Sources::default()
    };
    let both = Config::load(&sources(vec![common.clone(), own.clone()])).unwrap();
    assert_eq!(both.config.zone.as_deref(), Some("b"));
    assert_eq!(
        both.config.listeners[0].advertised().to_string(),
        "10.0.0.7:31000"
    );
    let one = Config::load(&sources(vec![common.clone()])).unwrap();
    assert_ne!(both.files_digest, one.files_digest);
    assert_eq!(both.files_digest.len(), 64);
    let without = Config::load(&Sources {
        env: Vec::new(),
        ..sources(vec![common, own])
    });
    assert!(
        without
            .unwrap_err()
            .to_string()
            .contains("no variable NODE_IP")
    );
}

#[test]
fn the_files_of_the_admin_api_belong_together() {
    let three = "holdfast.admin.api.certificate=/c\nholdfast.admin.api.key=/k\n\
                 holdfast.admin.api.authority=/a\n";
    assert!(
        properties(three)
            .unwrap()
            .config
            .admin_api
            .files()
            .is_some()
    );
    let two = properties("holdfast.admin.api.certificate=/c\nholdfast.admin.api.key=/k\n");
    assert!(two.unwrap_err().to_string().contains("belong together"));
    assert!(Config::check_properties(three).is_ok());
    assert!(Config::check_properties("advertised.listeners=PLAINTEXT://${env:NODE_IP}:1").is_ok());
    Config::check_properties("no.such.key=1").unwrap_err();
}

fn properties(text: &str) -> Result<Loaded, Error> {
    load_text("server.properties", text)
}

fn toml(text: &str) -> Result<Loaded, Error> {
    load_text("holdfast.toml", text)
}

#[test]
fn kafkas_file_is_honoured_or_answered_key_by_key() {
    let loaded = properties(KAFKA_FILE).unwrap();
    let config = loaded.config;
    assert_eq!(config.topic_defaults.segment_bytes, 1 << 30);
    assert_eq!(config.topic_defaults.retention_ms, 168 * 3_600_000);
    assert_eq!(config.topic_defaults.min_insync_replicas, 2);
    assert_eq!(config.topics.replication_factor, 3);
    assert!(!config.topics.auto_create);
    assert_eq!(config.read_threads, 16);
    assert_eq!(config.network_threads, Some(8));
    assert_eq!(config.request_max_bytes, 104_857_600);
    let noticed: Vec<&str> = loaded.notices.iter().map(|n| n.key.as_str()).collect();
    assert_eq!(
        noticed,
        [
            "log.flush.interval.messages",
            "log.flush.interval.ms",
            "log.cleaner.threads"
        ]
    );
    assert!(
        loaded.notices[0]
            .message
            .contains("synced on each in-sync replica")
    );
}

#[test]
fn kafkas_own_kraft_file_is_accepted() {
    let loaded = properties(
        "process.roles=broker,controller\nnode.id=1\n\
         controller.quorum.bootstrap.servers=localhost:9093\n\
         listeners=PLAINTEXT://:9092,CONTROLLER://:9093\n\
         inter.broker.listener.name=PLAINTEXT\n\
         advertised.listeners=PLAINTEXT://broker-1:19092,CONTROLLER://broker-1:9093\n\
         controller.listener.names=CONTROLLER\n\
         listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,SSL:SSL\n\
         num.network.threads=3\nnum.io.threads=8\nsocket.send.buffer.bytes=102400\n\
         socket.receive.buffer.bytes=102400\nlog.dirs=/data\nnum.partitions=1\n\
         num.recovery.threads.per.data.dir=2\noffsets.topic.replication.factor=1\n\
         share.coordinator.state.topic.replication.factor=1\n\
         transaction.state.log.min.isr=1\nlog.retention.check.interval.ms=300000\n",
    )
    .unwrap();
    assert_eq!(loaded.config.broker_id, Some(1));
    let [listener] = loaded.config.listeners.as_slice() else {
        panic!("one listener")
    };
    assert_eq!(listener.bind, HostPort::new("0.0.0.0", 9092));
    assert_eq!(listener.advertised(), HostPort::new("broker-1", 19092));
    assert_eq!(loaded.config.data_dir, Path::new("/data"));
}

#[test]
fn dangerous_wishes_are_refused() {
    for text in [
        "unclean.leader.election.enable=true",
        "authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer",
        "remote.log.storage.system.enable=true",
        "delete.topic.enable=false",
    ] {
        assert!(
            matches!(properties(text), Err(Error::Refused { .. })),
            "{text}"
        );
    }
    properties("unclean.leader.election.enable=False\nauthorizer.class.name=").unwrap();
    let error = properties("listeners=SSL://:9092").unwrap_err();
    assert!(
        error.to_string().contains("only PLAINTEXT is served"),
        "{error}"
    );
    let map = "listeners=OUT://:9092\nlistener.security.protocol.map=OUT:SASL_SSL";
    assert!(matches!(properties(map), Err(Error::Contradiction { .. })));
}

#[test]
fn an_unknown_key_names_the_nearest() {
    let error = properties("num.partition=3").unwrap_err().to_string();
    assert!(
        error.ends_with("server.properties; did you mean num.partitions?"),
        "{error}"
    );
    let error = toml("[topics]\npartition = 3").unwrap_err().to_string();
    assert!(
        error.ends_with("did you mean topics.partitions?"),
        "{error}"
    );
    // Kafka's name in our file leads to our name.
    let error = toml("min.insync.replicas = 2").unwrap_err().to_string();
    assert!(
        error.ends_with("did you mean topic_defaults.min_insync_replicas?"),
        "{error}"
    );
    assert!(matches!(
        toml("[[listeners]]\nname='A'\nbind='a:1'\nx=1"),
        Err(Error::Syntax { .. })
    ));
}

#[test]
fn retention_in_the_finest_unit_wins_whatever_the_order() {
    let text = "log.retention.ms=1000\nlog.retention.minutes=5\nlog.retention.hours=1\n";
    assert_eq!(
        properties(text).unwrap().config.topic_defaults.retention_ms,
        1000
    );
    let text = "log.retention.minutes=5\nlog.retention.hours=1\n";
    assert_eq!(
        properties(text).unwrap().config.topic_defaults.retention_ms,
        300_000
    );
    let text = "log.retention.hours=-1";
    assert_eq!(
        properties(text).unwrap().config.topic_defaults.retention_ms,
        -1
    );
}

#[test]
fn flags_win_over_the_environment_over_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("holdfast.toml");
    std::fs::write(
        &path,
        "zone = 'a'\n[topics]\npartitions = 2\nreplication_factor = 1\n",
    )
    .unwrap();
    let mut sources = Sources {
        files: vec![path],
        env: pairs(&[
            ("HOLDFAST_NUM_PARTITIONS", "4"),
            ("HOLDFAST_BROKER_RACK", "b"),
            ("HOLDFAST_CONFIG", "x"),
            ("HOLDFAST_ADMIN", "h:1"),
            ("HOLDFAST_CERTIFICATES", "x"),
            ("HOLDFAST_SERVICE_HOST", "10.0.0.1"),
            ("PATH", "/bin"),
        ]),
        flags: pairs(&[("num.partitions", "6")]),
    };
    let loaded = Config::load(&sources).unwrap();
    assert_eq!(loaded.config.topics.partitions, 6);
    assert_eq!(loaded.config.zone.as_deref(), Some("b"));
    assert_eq!(loaded.config.topics.replication_factor, 1);
    let keys: Vec<&str> = loaded
        .notices
        .iter()
        .map(|n: &Notice| n.key.as_str())
        .collect();
    assert_eq!(keys, ["HOLDFAST_SERVICE_HOST", "min.insync.replicas"]);
    sources.flags = pairs(&[("topics.partitions", "7")]);
    assert_eq!(Config::load(&sources).unwrap().config.topics.partitions, 7);
}

#[test]
fn the_effective_configuration_loads_to_itself() {
    let mut config = Config::default();
    assert_eq!(toml(&config.to_toml()).unwrap().config, config);
    config.broker_id = Some(7);
    config.zone = Some("zone \"x\"".to_owned());
    config.listeners[0].advertised = Some(HostPort::new("::1", 9000));
    config.rpc.advertised = Some(HostPort::new("me", 1));
    config.memory_budget_bytes = Some(1 << 30);
    config.network_threads = Some(3);
    config.topic_defaults.compression_type = CompressionType::Zstd;
    config.topic_defaults.timestamp_type = TimestampType::LogAppendTime;
    config.topic_defaults.cleanup_policy = holdfast_model::CleanupPolicy::Keep;
    config.log.format = crate::logs::Format::Json;
    assert_eq!(toml(&config.to_toml()).unwrap().config, config);
}

#[test]
fn values_are_checked_and_the_message_names_the_key() {
    for text in [
        "num.partitions=0",
        "num.io.threads=many",
        "log.dirs=/a,/b",
        "compression.type=brotli",
        "log.cleanup.policy=compact",
        "socket.request.max.bytes=104857601",
        "message.max.bytes=67108865",
        "log.segment.bytes=2147483648",
        "auto.create.topics.enable=yes",
        "log.retention.hours=9223372036854775807",
        "advertised.listeners=NOBODY://h:1",
        "listeners=PLAINTEXT:9092",
        "controller.listener.names=PLAINTEXT",
    ] {
        let key = text.split('=').next().unwrap();
        let error = properties(text).unwrap_err();
        assert!(
            matches!(&error, Error::Value { key: k, .. } if k == key),
            "{text}: {error}"
        );
    }
    let text = "broker.session.timeout.ms=200\nbroker.heartbeat.interval.ms=100";
    assert!(matches!(properties(text), Err(Error::Contradiction { .. })));
    let text = "listeners=A://:9092,A://:9093";
    assert!(matches!(properties(text), Err(Error::Contradiction { .. })));
    assert!(matches!(toml("zone = 1.5"), Err(Error::Syntax { .. })));
    assert!(matches!(toml("zone = ["), Err(Error::Syntax { .. })));
    assert!(matches!(
        load_text("server.yaml", ""),
        Err(Error::Kind { .. })
    ));
    let huge = "#".repeat((1 << 20) + 1);
    assert!(matches!(properties(&huge), Err(Error::TooLarge { .. })));
}

#[test]
fn an_explanation_covers_every_line_of_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("server.properties");
    let text = format!("{KAFKA_FILE}unclean.leader.election.enable=true\nbroker.rak=a\n");
    std::fs::write(&path, text).unwrap();
    let explanations = explain(&path).unwrap();
    assert_eq!(explanations.len(), 13);
    let verdict = |key: &str| explanations.iter().find(|e| e.key == key).unwrap().verdict;
    assert_eq!(verdict("num.io.threads"), Verdict::Honoured);
    assert_eq!(verdict("log.flush.interval.ms"), Verdict::Notice);
    assert_eq!(verdict("unclean.leader.election.enable"), Verdict::Refused);
    assert_eq!(verdict("broker.rak"), Verdict::Unknown);
}

#[test]
fn the_table_of_keys_is_sound() {
    let mut names = BTreeSet::new();
    let mut variables = BTreeSet::new();
    let mut paths = BTreeSet::new();
    for key in keys::all() {
        assert!(names.insert(key.name), "{} twice", key.name);
        assert!(variables.insert(key.env()), "{} twice", key.env());
        assert!(
            key.path().is_none_or(|p| paths.insert(p)),
            "{} twice",
            key.name
        );
        assert!(
            key.text.len() > 10 && !key.text.ends_with('.'),
            "{}",
            key.name
        );
        // No earlier prefix may swallow a later name.
        let found = keys::by_name(key.name).unwrap().1;
        assert_eq!(found.name, key.name);
        if let Answer::Refused | Answer::Notice = key.answer {
            assert!(key.path().is_none());
        }
    }
    assert_eq!(Config::default().listeners[0].protocol, Protocol::Plaintext);
}

/// Lines that reach what no other test's file does: escapes, lists, several listeners.
const ODD_FILE: &str = "\
! comment
listeners=A://:9092,B://[::1]:9093
advertised.listeners=A://a.example:1,B://[fe80::1%eth0]:2
listener.security.protocol.map=A:PLAINTEXT,B:PLAINTEXT
log.dirs=/data\\u0041
broker.rack:\\u0061\\tb
holdfast.rpc.source=::1
log.roll.hours 24
";

fn loaded(path: &Path) -> Result<Loaded, Error> {
    Config::load(&Sources {
        files: vec![path.to_owned()],
        ..Sources::default()
    })
}

/// Whatever is accepted must be printed as a file that loads to the same.
fn meet(folder: &Path, name: &str, text: &str) {
    let path = folder.join(name);
    std::fs::write(&path, text).unwrap();
    if let Ok(accepted) = loaded(&path) {
        let printed = folder.join("printed.toml");
        std::fs::write(&printed, accepted.config.to_toml()).unwrap();
        assert_eq!(loaded(&printed).unwrap().config, accepted.config);
    }
}

#[test]
fn hostile_properties_are_read_or_refused_and_never_panic() {
    let folder = tempfile::tempdir().unwrap();
    let seeds = [KAFKA_FILE, ODD_FILE].map(|text| text.as_bytes().to_vec());
    mutate::each(&seeds, 10_000, |bytes| {
        let text = String::from_utf8_lossy(bytes);
        if let Ok(pairs) = properties_file::parse(&text) {
            assert!(pairs.len() <= text.lines().count());
        }
    });
    mutate::each(&seeds, 1_000, |bytes| {
        let text = String::from_utf8_lossy(bytes);
        meet(folder.path(), "server.properties", &text);
        let pairs = properties_file::parse(&text);
        let explained = explain(&folder.path().join("server.properties"));
        assert_eq!(
            explained.ok().map(|lines| lines.len()),
            pairs.ok().map(|pairs| pairs.len())
        );
    });
}

#[test]
fn hostile_toml_is_read_or_refused_and_never_panics() {
    let folder = tempfile::tempdir().unwrap();
    let mut config = Config {
        broker_id: Some(7),
        zone: Some("zone \"x\"".to_owned()),
        ..Config::default()
    };
    config.listeners[0].advertised = Some(HostPort::new("::1", 9000));
    let seeds = [Config::default(), config].map(|config| config.to_toml().into_bytes());
    mutate::each(&seeds, 3_000, |bytes| {
        let text = String::from_utf8_lossy(bytes);
        if let Ok(file) = toml_file::parse(&text) {
            assert!(file.pairs.len() <= text.len());
        }
    });
    mutate::each(&seeds, 1_000, |bytes| {
        meet(
            folder.path(),
            "holdfast.toml",
            &String::from_utf8_lossy(bytes),
        );
    });
}

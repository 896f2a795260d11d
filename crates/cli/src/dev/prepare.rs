//! What must be there before the first broker starts: directories, free ports, the formation
//! document, formatted disks, configurations. Each step can be interrupted and is then done again.

use std::fs::{self, DirBuilder, File, TryLockError};
use std::io::{ErrorKind, Write};
use std::net::TcpListener;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use holdfast_broker::serve::{self, Document, Voter};
use holdfast_model::{BrokerId, ClusterId, RecoveryGeneration, ReplicaId, TopicConfig};
use holdfast_runtime::config::{AdminApi, Config, HostPort, Listener, Rpc, Topics};
use holdfast_runtime::memory_limit::MemoryLimit;
use holdfast_security::Role;
use serde::{Deserialize, Serialize};

use super::admit::Waiting;
use super::layout::{BROKERS, Layout, zone};
use crate::certificates;

/// Brokers of a new cluster.
const NEW_CLUSTER: u16 = 3;

/// Voters of a cluster that has as many brokers: more make each change of the cluster slower.
const VOTERS: u16 = 5;

/// The version of the file that describes the cluster.
const RECORD_VERSION: u32 = 1;

/// Replicas of a topic that does not say, if there are as many brokers.
const COPIES: u16 = 3;

/// Partitions of a topic that does not say: each broker leads one, and a failover is seen on any.
const PARTITIONS: i32 = 3;

/// What each broker may plan with: several share a machine that a person works on.
const MEMORY_BYTES: std::ops::RangeInclusive<u64> = (128 << 20)..=(2 << 30);

/// Far below the default: a few brokers share a disk with everything else.
const RESERVE_BYTES: u64 = 128 << 20;

/// How long the certificates of a cluster on this machine last: each start makes new ones.
const CERTIFICATE_LIFE: Duration = Duration::from_hours(24 * 365);

/// A cluster that can be started.
#[derive(Debug)]
pub(super) struct Prepared {
    pub(super) layout: Layout,
    pub(super) brokers: u16,
    pub(super) waiting: Waiting,
    /// Held as long as the supervisor runs.
    pub(super) _lock: File,
}

/// What does not change between two starts.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Record {
    version: u32,
    brokers: u16,
    base_port: u16,
}

/// Prepares a cluster of so many brokers, or of as many as there are.
pub(super) fn prepare(layout: Layout, brokers: Option<u16>) -> anyhow::Result<Prepared> {
    let dir = layout.dir();
    make_dir(dir)?;
    let lock = lock(dir)?;
    let brokers = settle(&layout, brokers)?;
    check_ports(&layout, brokers)?;
    let document = document(&layout, brokers)?;
    let parsed = Document::parse(&document)?;
    certify(&layout, brokers, parsed.cluster_id())?;
    let mut waiting = Waiting {
        cluster: parsed.cluster_id(),
        named: parsed.voters().iter().map(|voter| voter.broker).collect(),
        disks: Vec::new(),
    };
    for broker in 0..brokers {
        make_dir(&layout.broker_dir(broker))?;
        let disk = format(&layout, broker, &document)?;
        if !waiting.named.contains(&disk.broker) {
            waiting.disks.push(disk);
        }
        let config = config(&layout, broker, brokers).to_toml();
        replace(&layout.config_file(broker), &config)?;
    }
    Ok(Prepared {
        layout,
        brokers,
        waiting,
        _lock: lock,
    })
}

fn make_dir(dir: &Path) -> anyhow::Result<()> {
    // The socket in it commands processes: for nobody else.
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(dir)
        .with_context(|| format!("cannot create {}", dir.display()))
}

fn lock(dir: &Path) -> anyhow::Result<File> {
    let path = dir.join("lock");
    let file = File::options()
        .write(true)
        .create(true)
        .truncate(false)
        .open(&path)
        .with_context(|| format!("cannot open {}", path.display()))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => bail!(
            "a cluster runs in {} already: look at it with `holdfast dev status`, or start \
             another one with --base-port",
            dir.display()
        ),
        Err(TryLockError::Error(error)) => {
            Err(error).with_context(|| format!("cannot lock {}", path.display()))
        }
    }
}

/// The number of brokers: what is asked for must fit what is there.
fn settle(layout: &Layout, asked: Option<u16>) -> anyhow::Result<u16> {
    let path = layout.dir().join("cluster.json");
    let found: Option<Record> = match fs::read_to_string(&path) {
        Ok(text) => Some(
            serde_json::from_str(&text)
                .with_context(|| format!("{} is not readable", path.display()))?,
        ),
        Err(error) if error.kind() == ErrorKind::NotFound => None,
        Err(error) => {
            return Err(error).with_context(|| format!("cannot read {}", path.display()));
        }
    };
    if let Some(found) = &found {
        ensure!(
            found.version == RECORD_VERSION && (1..=BROKERS).contains(&found.brokers),
            "{} was written by another version of holdfast",
            path.display()
        );
        ensure!(
            found.base_port == layout.base_port(),
            "the cluster in {dir} was made with --base-port {port}, and its brokers know each \
             other by that: use it, or another --dir",
            dir = layout.dir().display(),
            port = found.base_port
        );
    }
    let there = found.as_ref().map_or(0, |found| found.brokers);
    let brokers = asked.unwrap_or(if there == 0 { NEW_CLUSTER } else { there });
    ensure!(
        brokers >= there,
        "{} holds {there} brokers; with {brokers} of them partitions would lack replicas: leave \
         --brokers away, or use another --dir",
        layout.dir().display()
    );
    let record = Record {
        version: RECORD_VERSION,
        brokers,
        base_port: layout.base_port(),
    };
    if found.as_ref() != Some(&record) {
        replace(&path, &serde_json::to_string(&record)?)?;
    }
    Ok(brokers)
}

fn check_ports(layout: &Layout, brokers: u16) -> anyhow::Result<()> {
    for broker in 0..brokers {
        let a = layout.addresses(broker);
        let purposes = [
            ("clients", a.clients),
            ("peers", a.relay),
            ("metrics", a.admin),
            ("admin API", a.api),
            ("peers", a.rpc),
        ];
        for (purpose, address) in purposes {
            match TcpListener::bind(address) {
                Ok(_free) => {}
                Err(error) if error.kind() == ErrorKind::AddrInUse => bail!(
                    "port {port}, for the {purpose} of broker {broker}, is in use: stop what uses \
                     it (`ss -ltnp 'sport = :{port}'` names it), or choose another --base-port",
                    port = address.port()
                ),
                Err(error) => {
                    return Err(error).with_context(|| format!("cannot listen on {address}"));
                }
            }
        }
    }
    Ok(())
}

/// The formation document: made once, and then what it says holds.
fn document(layout: &Layout, brokers: u16) -> anyhow::Result<String> {
    let path = layout.dir().join("formation.toml");
    match fs::read_to_string(&path) {
        Ok(text) => return Ok(text),
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        Err(error) => {
            return Err(error).with_context(|| format!("cannot read {}", path.display()));
        }
    }
    let voter = |broker: u16| {
        let address = layout.addresses(broker).relay;
        Voter {
            broker: BrokerId(i32::from(broker)),
            host: address.ip().to_string(),
            port: address.port(),
            zone: Some(zone(broker).to_owned()),
        }
    };
    let cluster = crate::text::draw_cluster_id();
    let text = Document::new(cluster, (0..voters(brokers)).map(voter).collect())?.render()?;
    replace(&path, &text)?;
    Ok(text)
}

/// Certificates for the admin API: one authority, one certificate for each broker and one for the
/// person at the terminal, new at every start.
fn certify(layout: &Layout, brokers: u16, cluster: ClusterId) -> anyhow::Result<()> {
    let authority = certificates::authority(&layout.certificates("authority"), cluster)?;
    let issue = |role: Role, of: &str| {
        certificates::issue(
            &authority,
            role,
            &[],
            CERTIFICATE_LIFE,
            &layout.certificates(of),
        )
    };
    for broker in 0..brokers {
        let role = Role::Broker(BrokerId(i32::from(broker)));
        issue(role, &format!("broker-{broker}"))?;
    }
    issue(Role::Admin, "admin")
}

/// An odd number: an even one bears no more failures than one voter less.
fn voters(brokers: u16) -> u16 {
    let most = brokers.clamp(1, VOTERS);
    if most.is_multiple_of(2) {
        most - 1
    } else {
        most
    }
}

/// Formats a disk that is not there yet; says which it is. It appears whole or not at all.
fn format(layout: &Layout, broker: u16, document: &str) -> anyhow::Result<ReplicaId> {
    let data_dir = layout.data_dir(broker);
    let wanted = serve::Wanted {
        broker: BrokerId(i32::from(broker)),
        document: Some(document),
        cluster: None,
        recovery: RecoveryGeneration(0),
    };
    let disk = if data_dir.try_exists()? {
        serve::format_if_needed(&data_dir, &wanted)?
    } else {
        let unfinished = layout.broker_dir(broker).join("data.new");
        if unfinished.try_exists()? {
            fs::remove_dir_all(&unfinished)?;
        }
        let disk = serve::format(&unfinished, &wanted)?;
        fs::rename(&unfinished, &data_dir)?;
        File::open(layout.broker_dir(broker))?.sync_all()?;
        disk
    };
    Ok(ReplicaId {
        broker: disk.broker,
        incarnation: disk.incarnation,
    })
}

/// A broker's configuration.
fn config(layout: &Layout, broker: u16, brokers: u16) -> Config {
    let a = layout.addresses(broker);
    let endpoint =
        |address: std::net::SocketAddr| HostPort::new(address.ip().to_string(), address.port());
    let copies = brokers.min(COPIES);
    let certificates = layout.certificates(&format!("broker-{broker}"));
    let memory = MemoryLimit::detect().budget_bytes() / u64::from(brokers);
    Config {
        broker_id: Some(i32::from(broker)),
        zone: Some(zone(broker).to_owned()),
        data_dir: layout.data_dir(broker),
        listeners: vec![Listener {
            bind: endpoint(a.clients),
            ..Listener::default()
        }],
        rpc: Rpc {
            bind: endpoint(a.rpc),
            advertised: Some(endpoint(a.relay)),
            source: Some(a.source),
        },
        admin_bind: endpoint(a.admin),
        admin_api: AdminApi {
            bind: endpoint(a.api),
            certificate: Some(certificates.join(certificates::CERTIFICATE)),
            key: Some(certificates.join(certificates::KEY)),
            authority: Some(certificates.join(certificates::AUTHORITY)),
        },
        memory_budget_bytes: Some(memory.clamp(*MEMORY_BYTES.start(), *MEMORY_BYTES.end())),
        disk_reserve_bytes: RESERVE_BYTES,
        topics: Topics {
            auto_create: true,
            partitions: PARTITIONS,
            replication_factor: copies.cast_signed(),
        },
        topic_defaults: TopicConfig {
            min_insync_replicas: u32::from(copies.min(2)),
            ..TopicConfig::default()
        },
        ..Config::default()
    }
}

/// Writes a file so that it is found whole, old or new.
fn replace(path: &Path, text: &str) -> anyhow::Result<()> {
    let write = || -> std::io::Result<()> {
        let new = path.with_extension("new");
        let mut file = File::create(&new)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&new, path)
    };
    write().with_context(|| format!("cannot write {}", path.display()))
}

#[cfg(test)]
mod tests {
    use holdfast_runtime::config::Sources;

    use super::*;

    fn layout(dir: &Path) -> Layout {
        Layout::new(Some(dir.to_owned()), 31_000).unwrap()
    }

    #[test]
    fn a_cluster_is_prepared_once_and_found_again() {
        let folder = tempfile::tempdir().unwrap();
        let layout = layout(folder.path());
        let first = prepare(layout.clone(), Some(2)).unwrap();
        assert_eq!(first.brokers, 2);
        let busy = prepare(layout.clone(), None).unwrap_err();
        assert!(busy.to_string().contains("already"), "{busy}");
        drop(first);
        let document = fs::read_to_string(folder.path().join("formation.toml")).unwrap();
        assert_eq!(Document::parse(&document).unwrap().voters().len(), 1);
        assert_eq!(prepare(layout.clone(), None).unwrap().brokers, 2);
        let fewer = prepare(layout.clone(), Some(1)).unwrap_err();
        assert!(fewer.to_string().contains("holds 2 brokers"), "{fewer}");
        assert_eq!(prepare(layout, Some(3)).unwrap().brokers, 3);
        let same = fs::read_to_string(folder.path().join("formation.toml")).unwrap();
        assert_eq!(same, document);
        let moved = Layout::new(Some(folder.path().to_owned()), 31_100).unwrap();
        let moved = prepare(moved, None).unwrap_err();
        assert!(moved.to_string().contains("--base-port 31000"), "{moved}");
    }

    #[test]
    fn an_interrupted_format_is_done_again() {
        let folder = tempfile::tempdir().unwrap();
        let layout = layout(folder.path());
        let unfinished = layout.broker_dir(0).join("data.new");
        fs::create_dir_all(&unfinished).unwrap();
        fs::write(unfinished.join("half"), "").unwrap();
        let document = document(&layout, 1).unwrap();
        format(&layout, 0, &document).unwrap();
        assert!(!unfinished.exists() && !layout.data_dir(0).join("half").exists());
        // And a disk that is there is never formatted again.
        format(&layout, 0, "no document").unwrap();
    }

    #[test]
    fn a_port_in_use_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = taken.local_addr().unwrap().port();
        let layout = Layout::new(Some(folder.path().to_owned()), port.min(62_000)).unwrap();
        if port < 62_000 {
            let error = check_ports(&layout, 1).unwrap_err().to_string();
            assert!(
                error.contains(&format!("port {port}, for the clients")),
                "{error}"
            );
        }
    }

    #[test]
    fn the_configuration_loads_as_it_was_made() {
        let folder = tempfile::tempdir().unwrap();
        let config = config(&layout(folder.path()), 1, 3);
        let path = folder.path().join("holdfast.toml");
        replace(&path, &config.to_toml()).unwrap();
        let sources = Sources {
            files: vec![path],
            ..Sources::default()
        };
        let loaded = Config::load(&sources).unwrap();
        assert_eq!(loaded.config, config);
        assert!(loaded.notices.is_empty(), "{:?}", loaded.notices);
        let counts: Vec<u16> = [1, 2, 3, 4, 5, 16].map(voters).to_vec();
        assert_eq!(counts, [1, 1, 3, 3, 5, 5]);
    }
}

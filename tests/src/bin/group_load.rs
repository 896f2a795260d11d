//! Measures large groups and many commits.
//!
//! `group_load [MEMBERS] [COMMITS]`: 1,000 members and 10,000,000 commits if not given. A topic has as
//! many partitions as there are members. The members join at once, one leaves, all leave; first with the
//! classic protocol, then with the consumer protocol. Then so many offsets are committed, 100 in each
//! request, and in between it is seen what the log of their coordinator holds.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use holdfast_client::{Admin, Client, Connection, ConsumerOptions, GroupConsumer, Options, Start};
use holdfast_model::{Clock, ErrorCode, SystemClock};
use holdfast_tests::cluster::{Cluster, Storage};
use holdfast_wire::StrBytes;
use holdfast_wire::messages::consumer_group_heartbeat_request::TopicPartitions;
use holdfast_wire::messages::{ConsumerGroupHeartbeatRequest, GroupId, TopicName};
use tokio::task::JoinSet;
use uuid::Uuid;

const TOPIC: &str = "work";
/// What offsets are committed of.
const READ: &str = "read";
const OFFSETS: &str = "__consumer_offsets";
const PATIENCE: Duration = Duration::from_mins(10);
const LOOK: Duration = Duration::from_millis(200);

/// Offsets in a request, and requests under way.
const ROWS: usize = 100;
const PARALLEL: usize = 10;

/// Looks at the log of the coordinator.
const LOOKS: usize = 5;

fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let members: usize = arguments.next().map_or(Ok(1_000), |text| text.parse())?;
    let commits: usize = arguments
        .next()
        .map_or(Ok(10_000_000), |text| text.parse())?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(measure(members, commits))
}

async fn measure(members: usize, commits: usize) -> anyhow::Result<()> {
    // Each member of the classic protocol has connections of its own.
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile);
    let most = rustix::process::Rlimit {
        current: limit.maximum,
        ..limit
    };
    rustix::process::setrlimit(rustix::process::Resource::Nofile, most)?;
    let cluster = Cluster::start("group-load", Storage::Directory).await?;
    cluster.create_topic(TOPIC, i32::try_from(members)?).await?;
    let bootstrap = cluster.bootstrap();
    let admin = Admin::new(Client::new(&bootstrap, Options::default())?);
    for kind in [Kind::Classic, Kind::Consumer] {
        group(&admin, &bootstrap, members, kind).await?;
    }
    cluster.create_topic(READ, (PARALLEL * ROWS) as i32).await?;
    offsets(&admin, &bootstrap, cluster.dir(), commits).await?;
    cluster.finish()
}

#[derive(Clone, Copy, Debug)]
enum Kind {
    Classic,
    Consumer,
}

impl Kind {
    fn group(self) -> &'static str {
        match self {
            Self::Classic => "classic",
            Self::Consumer => "consumer",
        }
    }
}

/// What members are told, and what they say.
#[derive(Debug, Default)]
struct Signs {
    /// How many are to leave.
    leaving: AtomicUsize,
    broken: AtomicBool,
}

async fn group(admin: &Admin, bootstrap: &str, members: usize, kind: Kind) -> anyhow::Result<()> {
    let clock = SystemClock::new();
    let mut out = std::io::stdout();
    let signs = Arc::new(Signs::default());
    let mut running = JoinSet::new();
    let started = clock.monotonic();
    for number in 0..members {
        let (signs, bootstrap) = (Arc::clone(&signs), bootstrap.to_owned());
        running.spawn(async move {
            let lived = match kind {
                Kind::Classic => classic(&bootstrap, number, &signs).await,
                Kind::Consumer => consumer(&bootstrap, number, &signs).await,
            };
            if lived.is_err() {
                signs.broken.store(true, Ordering::Relaxed);
            }
            lived
        });
    }
    let what = kind.group();
    whole(admin, what, members, members, &signs).await?;
    let joined = clock.monotonic().since(started);
    let started = clock.monotonic();
    signs.leaving.store(1, Ordering::Relaxed);
    whole(admin, what, members - 1, members, &signs).await?;
    let rebalanced = clock.monotonic().since(started);
    let started = clock.monotonic();
    signs.leaving.store(members, Ordering::Relaxed);
    whole(admin, what, 0, members, &signs).await?;
    let left = clock.monotonic().since(started);
    while let Some(ended) = running.join_next().await {
        ended??;
    }
    writeln!(
        out,
        "{what}: {members} members joined and read {members} partitions after {joined:.1?}; one left, and the others \
         had all after {rebalanced:.1?}; all left within {left:.1?}"
    )?;
    Ok(())
}

/// Waits until so many members read every partition once.
async fn whole(
    admin: &Admin,
    group: &str,
    members: usize,
    partitions: usize,
    signs: &Signs,
) -> anyhow::Result<()> {
    let clock = SystemClock::new();
    let started = clock.monotonic();
    loop {
        if let Some(seen) = admin.describe_group(group).await? {
            let shares = seen.members.iter().flat_map(|member| &member.assignment);
            let mut read: Vec<i32> = shares.flat_map(|(_, share)| share).copied().collect();
            let count = read.len();
            read.sort_unstable();
            read.dedup();
            let done = seen.members.len() == members
                && (members == 0
                    || (seen.state == "Stable" && count == partitions && read.len() == count));
            if done {
                return Ok(());
            }
        } else if members == 0 {
            return Ok(());
        }
        ensure!(!signs.broken.load(Ordering::Relaxed), "a member has ended");
        ensure!(
            clock.monotonic().since(started) < PATIENCE,
            "{members} members do not have all partitions after {PATIENCE:?}"
        );
        tokio::time::sleep(LOOK).await;
    }
}

/// A member of the classic protocol.
async fn classic(bootstrap: &str, number: usize, signs: &Signs) -> anyhow::Result<()> {
    let client = Client::new(bootstrap, Options::default())?;
    let topics = vec![TOPIC.to_owned()];
    let options = ConsumerOptions::default();
    let group = Kind::Classic.group();
    let mut member = GroupConsumer::new(client, options, group, topics, Start::Latest);
    while signs.leaving.load(Ordering::Relaxed) <= number {
        member.poll(Duration::from_secs(1)).await?;
    }
    member.close().await?;
    Ok(())
}

/// A member of the consumer protocol: it does as it is told, and reads nothing.
async fn consumer(bootstrap: &str, number: usize, signs: &Signs) -> anyhow::Result<()> {
    let admin = Admin::new(Client::new(bootstrap, Options::default())?);
    let group = Kind::Consumer.group();
    let connection = coordinator(&admin, group).await?;
    let text = |text: &str| StrBytes::from_string(text.to_owned());
    let plain = || {
        ConsumerGroupHeartbeatRequest::default()
            .with_group_id(GroupId(text(group)))
            .with_member_id(text(&format!("member-{number}")))
    };
    let mut epoch = 0;
    let mut owned: BTreeMap<Uuid, Vec<i32>> = BTreeMap::new();
    while signs.leaving.load(Ordering::Relaxed) <= number {
        let rows = owned.iter().map(|(topic, partitions)| {
            TopicPartitions::default()
                .with_topic_id(*topic)
                .with_partitions(partitions.clone())
        });
        let mut request = plain()
            .with_member_epoch(epoch)
            .with_topic_partitions(Some(rows.collect()));
        if epoch == 0 {
            request = request
                .with_rebalance_timeout_ms(300_000)
                .with_subscribed_topic_names(Some(vec![TopicName(text(TOPIC))]));
        }
        let answer = connection.call(&request).await?;
        let code = ErrorCode::from_code(answer.error_code);
        ensure!(code == Some(ErrorCode::None), "heartbeat: {code:?}");
        epoch = answer.member_epoch;
        let mut changed = false;
        if let Some(assignment) = answer.assignment {
            let topics = assignment.topic_partitions.into_iter();
            let told = topics.map(|row| (row.topic_id, row.partitions)).collect();
            changed = told != owned;
            owned = told;
        }
        let interval = u64::try_from(answer.heartbeat_interval_ms).unwrap_or(1_000);
        // Whoever has given something up says so at once, as clients do.
        if !changed {
            pause(Duration::from_millis(interval), number, signs).await;
        }
    }
    let farewell = plain().with_member_epoch(-1);
    connection.call(&farewell).await?;
    Ok(())
}

/// Waits for the next heartbeat, or for the sign to leave.
async fn pause(time: Duration, number: usize, signs: &Signs) {
    let looks = time.as_millis() / LOOK.as_millis();
    for _ in 0..looks.max(1) {
        if signs.leaving.load(Ordering::Relaxed) > number {
            return;
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// The first one who asks has the topic of the coordinators made.
async fn coordinator(admin: &Admin, group: &str) -> anyhow::Result<Arc<Connection>> {
    for _ in 0..100 {
        if let Ok((_, connection)) = admin.coordinator(group).await {
            return Ok(connection);
        }
        tokio::time::sleep(LOOK).await;
    }
    bail!("{group} has no coordinator")
}

/// Commits offsets, and sees what is left of them in the log.
async fn offsets(admin: &Admin, bootstrap: &str, dir: &Path, commits: usize) -> anyhow::Result<()> {
    let mut out = std::io::stdout();
    let clock = SystemClock::new();
    let started = clock.monotonic();
    let group = "commits";
    for look in 1..=LOOKS {
        let requests = commits / LOOKS / ROWS;
        let mut running = JoinSet::new();
        for lane in 0..PARALLEL {
            let admin = Admin::new(Client::new(bootstrap, Options::default())?);
            running.spawn(async move {
                for number in (lane..requests).step_by(PARALLEL) {
                    // Each lane has partitions of its own.
                    let first = lane * ROWS;
                    let rows: Vec<(String, i32, i64)> = (first..first + ROWS)
                        .map(|partition| {
                            let offset = (look * requests + number) as i64;
                            (READ.to_owned(), partition as i32, offset)
                        })
                        .collect();
                    admin.set_group_offsets(group, &rows).await?;
                }
                anyhow::Ok(())
            });
        }
        while let Some(ended) = running.join_next().await {
            ended??;
        }
        let (first, end) = log(admin).await?;
        writeln!(
            out,
            "{} commits after {:.0?}: the log holds {} of the {end} records written to it; all data of three brokers: \
             {} MiB",
            look * requests * ROWS,
            clock.monotonic().since(started),
            end - first,
            size(dir)? >> 20,
        )?;
    }
    Ok(())
}

/// Where the log of the busiest coordinator begins and ends.
async fn log(admin: &Admin) -> anyhow::Result<(i64, i64)> {
    let mut busiest = (0, 0);
    for partition in 0..50 {
        let end = admin.offset_of(OFFSETS, partition, Start::Latest).await?;
        if end > busiest.1 {
            let first = admin.offset_of(OFFSETS, partition, Start::Earliest).await?;
            busiest = (first, end);
        }
    }
    Ok(busiest)
}

/// Bytes of all files in a folder.
fn size(dir: &Path) -> anyhow::Result<u64> {
    let mut total = 0;
    for entry in std::fs::read_dir(dir).with_context(|| format!("{}", dir.display()))? {
        let entry = entry?;
        // Files come and go while they are counted.
        let Ok(about) = entry.metadata() else {
            continue;
        };
        if about.is_dir() {
            total += size(&entry.path())?;
        } else {
            total += about.len();
        }
    }
    Ok(total)
}

//! Topics, as the operator brings them to what a resource says.
//!
//! Goal: whichever broker is asked, its answer is what was done: the operator shows it to people.

use holdfast_rpc::proto::admin::{EnsureTopicReply, EnsureTopicRequest};

use crate::dev_cluster::Cluster;

const BASE_PORT: u16 = 26_192;

/// How often it grows: a broker that answers before it heard of it does so in one of a few times.
const GROWS: i32 = 30;

/// A topic of so many partitions, and a setting that changes with them.
fn wish(partitions: i32) -> EnsureTopicRequest {
    EnsureTopicRequest {
        name: "t".to_owned(),
        partitions,
        replicas: 3,
        settings: [("retention.ms".to_owned(), format!("{partitions}000"))].into(),
    }
}

async fn ask(cluster: &Cluster, broker: u16, partitions: i32) -> EnsureTopicReply {
    let mut client = cluster.admin(broker);
    let reply = client.ensure_topic(wish(partitions)).await;
    reply.unwrap().into_inner()
}

fn check(reply: EnsureTopicReply, partitions: i32) {
    let topic = reply.topic.unwrap();
    let asked = wish(partitions);
    assert_eq!(
        (topic.partitions, topic.settings),
        (partitions, asked.settings)
    );
}

#[test]
fn whoever_is_asked_for_more_partitions_answers_with_those_that_it_made() {
    let cluster = Cluster::start("topic", BASE_PORT);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        for partitions in 1..=GROWS {
            let reply = ask(&cluster, (partitions % 3) as u16, partitions).await;
            assert!(reply.changed);
            check(reply, partitions);
        }
    });
}

#[test]
fn all_who_are_asked_for_the_same_at_once_answer_with_it() {
    let cluster = Cluster::start("topics", BASE_PORT + 100);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        for partitions in 1..=GROWS {
            let each = [0, 1, 2].map(|broker| ask(&cluster, broker, partitions));
            let [first, second, third] = each;
            let replies = tokio::join!(first, second, third);
            for reply in [replies.0, replies.1, replies.2] {
                check(reply, partitions);
            }
        }
    });
}

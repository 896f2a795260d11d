//! Topics, as the operator brings them to what a resource says.
//!
//! Goal: whichever broker is asked, its answer is what was done: the operator shows it to people.

use holdfast_rpc::proto::admin::EnsureTopicRequest;

use crate::dev_cluster::Cluster;

const BASE_PORT: u16 = 26_192;

/// How often it grows: a broker that answers before it heard of it does so in one of a few times.
const GROWS: i32 = 30;

#[test]
fn whoever_is_asked_for_more_partitions_answers_with_those_that_it_made() {
    let folder = std::env::temp_dir().join(format!("holdfast-topic-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let cluster = Cluster::start(&folder, BASE_PORT);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        for partitions in 1..=GROWS {
            let wish = EnsureTopicRequest {
                name: "t".to_owned(),
                partitions,
                replicas: 3,
                settings: [("retention.ms".to_owned(), format!("{partitions}000"))].into(),
            };
            let mut client = cluster.admin((partitions % 3) as u16);
            let reply = client
                .ensure_topic(wish.clone())
                .await
                .unwrap()
                .into_inner();
            let topic = reply.topic.unwrap();
            assert!(reply.changed);
            assert_eq!(
                (topic.partitions, topic.settings),
                (partitions, wish.settings)
            );
        }
    });
    drop(cluster);
    std::fs::remove_dir_all(&folder).unwrap();
}

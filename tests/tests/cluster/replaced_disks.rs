//! A disk is lost for ever, and another one takes its place.

use holdfast_tests::cluster::Storage;

use crate::load::Load;

/// Asks for an admission with `-o json`.
fn admit(load: &Load, words: &[String]) -> serde_json::Value {
    let mut words: Vec<&str> = words.iter().map(String::as_str).collect();
    words.extend(["-o", "json"]);
    serde_json::from_str(&load.cluster.tool(&words).unwrap()).unwrap()
}

#[tokio::test]
async fn a_new_disk_waits_is_admitted_and_takes_the_place_and_the_vote_of_a_lost_one() {
    let mut load = Load::start("replaced", Storage::Directory).await;
    load.in_sync().await;

    // While broker 2 is there, nobody takes its place.
    let other = [
        "cluster",
        "admit",
        "2@00000000000000aa",
        "--rpc",
        load.cluster.rpc_address(0),
    ];
    let refused = load.cluster.tool(&other).unwrap_err().to_string();
    assert!(refused.contains("is in use as broker 2"), "{refused}");

    load.cluster.kill(2).unwrap();
    load.cluster.lose_disk(2).unwrap();
    load.progress().await;
    load.cluster.format_anew(2, 0).unwrap();
    load.cluster.start_broker(2).unwrap();
    let words = load.cluster.admission(2, 1).await.unwrap();
    load.progress().await;

    // A disk that nobody has is not admitted by a slip of the pen.
    let mut slip = words.clone();
    slip[2] = "2@00000000000000aa".to_owned();
    let slip: Vec<&str> = slip.iter().map(String::as_str).collect();
    let refused = load.cluster.tool(&slip).unwrap_err().to_string();
    assert!(refused.contains("not 2@00000000000000aa"), "{refused}");

    let done = admit(&load, &words);
    assert_eq!(done["newly_admitted"], true, "{done}");
    assert_eq!(done["votes"], true, "{done}");
    assert!(done["vote_taken_from"].is_string(), "{done}");
    load.cluster.wait_ready().await.unwrap();
    load.in_sync().await;
    load.progress().await;

    // Once more changes nothing.
    let again = admit(&load, &words);
    assert_eq!(again["newly_admitted"], false, "{again}");
    assert_eq!(again["newly_member"], false, "{again}");
    assert_eq!(again["votes"], true, "{again}");
    assert!(again["vote_taken_from"].is_null(), "{again}");

    // Of the three voters one is lost: the two left can only agree if the new disk has its vote.
    load.cluster.kill(0).unwrap();
    load.progress().await;
    load.cluster
        .tool(&["topic", "create", "agreed", "--replication-factor", "1"])
        .unwrap();
    load.cluster.start_broker(0).unwrap();
    load.finish().await;
}

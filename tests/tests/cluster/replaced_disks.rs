//! A disk is lost for ever, and another one takes its place.

use holdfast_tests::cluster::{BROKERS, Storage, binary};

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
    let asked = load.cluster.rpc_address(1).to_owned();
    let words = load.cluster.admission(2, &asked).await.unwrap();
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

#[tokio::test]
async fn over_the_admin_api_a_person_puts_a_disk_in_the_place_of_another_and_an_operator_cannot() {
    let mut load = Load::start("replaced-api", Storage::Directory).await;
    load.in_sync().await;
    let api = load.cluster.certify().unwrap();
    let program = binary().unwrap();
    for (n, (settings, _)) in api.iter().enumerate() {
        load.cluster.stop(n).await.unwrap();
        load.cluster.run_as(n, &program, settings).unwrap();
        load.cluster.start_broker(n).unwrap();
        load.cluster.wait_ready().await.unwrap();
        load.in_sync().await;
    }
    let asked = &api[1].1;

    load.cluster.kill(2).unwrap();
    load.cluster.lose_disk(2).unwrap();
    load.cluster.format_anew(2, 0).unwrap();
    load.cluster.start_broker(2).unwrap();
    load.progress().await;
    // It names who is asked, so that nothing else need be said.
    let words = load.cluster.admission(2, asked).await.unwrap();
    assert!(words.contains(&"--admin".to_owned()), "{words:?}");
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let refused = load.cluster.rule_as("operator", asked, &words);
    let refused = refused.unwrap_err().to_string();
    assert!(refused.contains("operator"), "{refused}");

    let done = load.cluster.rule(asked, &words).unwrap();
    assert_eq!(done["newly_admitted"], true, "{done}");
    assert_eq!(done["votes"], true, "{done}");
    assert!(done["vote_taken_from"].is_string(), "{done}");
    assert_eq!(done["address"], load.cluster.rpc_address(2), "{done}");
    load.cluster.wait_ready().await.unwrap();
    load.in_sync().await;
    let again = load.cluster.rule(asked, &words).unwrap();
    assert_eq!(again["newly_admitted"], false, "{again}");
    assert!(again["vote_taken_from"].is_null(), "{again}");
    load.finish().await;
}

#[tokio::test]
async fn a_disk_that_is_set_back_to_an_older_copy_is_refused_and_takes_nobody_with_it() {
    let mut load = Load::start("set-back", Storage::Directory).await;
    load.in_sync().await;
    for n in 0..BROKERS {
        load.cluster.kill(n).unwrap();
        load.cluster.copy_disk(n).unwrap();
        load.cluster.start_broker(n).unwrap();
        load.cluster.wait_ready().await.unwrap();
        // Metadata that the copy does not have.
        for number in 0..10 {
            let name = format!("lost-{n}-{number}");
            load.cluster.tool(&["topic", "create", &name]).unwrap();
        }
        load.in_sync().await;

        load.cluster.kill(n).unwrap();
        load.cluster.lose_disk(n).unwrap();
        load.cluster.put_back(n).unwrap();
        load.cluster.start_broker(n).unwrap();
        load.cluster
            .refused(n, "rolled back or cloned")
            .await
            .unwrap();
        // The others go on, all of them.
        load.progress().await;

        load.cluster.replace_disk(n).await.unwrap();
        load.cluster.wait_ready().await.unwrap();
        load.in_sync().await;
    }
    load.finish().await;
}

//! What the whole process depends on is damaged on a disk: the broker comes back by itself as a new one, if
//! the others can do without the old.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use holdfast_tests::cluster::Storage;
use holdfast_tests::patience::until;

use crate::load::Load;

/// What is hurt while the broker does not run.
#[derive(Clone, Copy, Debug)]
enum Hurt {
    /// A bit in the middle of a write-ahead log.
    WriteAheadLog(&'static str),
    /// A bit in the list of files of a database.
    Manifest(&'static str),
    /// The name of that list.
    Current,
    /// All records.
    WholeLog,
}

/// Each broker is renewed twice at most.
const HURTS: [Hurt; 6] = [
    Hurt::WriteAheadLog("log-0"),
    Hurt::WriteAheadLog("meta/meta"),
    Hurt::Manifest("log-0"),
    Hurt::Manifest("meta/meta"),
    Hurt::Current,
    Hurt::WholeLog,
];

const RENEWED: &str = "the old files are set aside";

/// The largest file of a folder that has this in its name.
fn largest(folder: &Path, part: &str) -> PathBuf {
    let files = fs::read_dir(folder).unwrap().map(|file| file.unwrap());
    let named = files.filter(|file| file.file_name().to_string_lossy().contains(part));
    let largest = named.max_by_key(|file| file.metadata().unwrap().len());
    largest.unwrap().path()
}

fn flip(path: &Path, at: u64) {
    let file = File::options().read(true).write(true).open(path).unwrap();
    let mut byte = [0];
    file.read_exact_at(&mut byte, at).unwrap();
    byte[0] ^= 4;
    file.write_all_at(&byte, at).unwrap();
    file.sync_all().unwrap();
}

fn hurt(data: &Path, how: Hurt) {
    let flip_middle = |file: PathBuf| flip(&file, fs::metadata(&file).unwrap().len() / 3);
    match how {
        Hurt::WriteAheadLog(database) => flip_middle(largest(&data.join(database), ".log")),
        Hurt::Manifest(database) => flip_middle(largest(&data.join(database), "MANIFEST")),
        Hurt::Current => fs::remove_file(data.join("log-0/CURRENT")).unwrap(),
        Hurt::WholeLog => fs::remove_dir_all(data.join("log-0")).unwrap(),
    }
}

/// Starts a broker, again where it ends by itself, until it said something.
async fn starts_until_it_says(load: &mut Load, n: usize, words: &str, before: usize) {
    load.cluster.start_broker(n).unwrap();
    let cluster = &mut load.cluster;
    let mut said = false;
    for _ in 0..600 {
        if cluster.said(n, words).unwrap() > before {
            said = true;
            break;
        }
        if cluster.has_ended(n).unwrap() {
            cluster.start_broker(n).unwrap();
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert!(said, "broker {n} never said: {words}");
}

#[tokio::test]
async fn a_broker_whose_log_manifest_or_metadata_is_damaged_comes_back_by_itself() {
    let mut load = Load::start("renewed", Storage::Directory).await;
    for (turn, how) in HURTS.into_iter().enumerate() {
        load.in_sync().await;
        let n = turn % 3;
        println!("broker {n}: {how:?}");
        // Not at a graceful stop: what was written last is in the write-ahead log then.
        load.cluster.kill(n).unwrap();
        hurt(&load.cluster.data_dir(n), how);
        let before = load.cluster.said(n, RENEWED).unwrap();
        starts_until_it_says(&mut load, n, RENEWED, before).await;
        load.cluster.wait_ready().await.unwrap();
        load.progress().await;
    }
    load.in_sync().await;
    for n in 0..3 {
        let data = load.cluster.data_dir(n);
        let aside = fs::read_dir(&data).unwrap().filter(|entry| {
            let name = entry.as_ref().unwrap().file_name();
            name.to_string_lossy().starts_with("aside-")
        });
        assert_eq!(aside.count(), 2, "the old files of broker {n} are kept");
        // It was let in: nothing is left to ask for.
        let done = until("it asks no more", async || -> Result<(), String> {
            let asks = data.join("renewed").exists();
            (!asks).then_some(()).ok_or_else(|| "it asks".to_owned())
        });
        done.await.unwrap();
    }
    load.finish().await;
}

#[tokio::test]
async fn without_a_majority_a_damaged_broker_changes_nothing_and_says_why() {
    let mut load = Load::start("renewed-alone", Storage::Directory).await;
    load.in_sync().await;
    for n in 0..3 {
        load.cluster.kill(n).unwrap();
    }
    let data = load.cluster.data_dir(0);
    hurt(&data, Hurt::WriteAheadLog("log-0"));
    let identity = fs::read(data.join("identity")).unwrap();
    load.cluster.start_broker(0).unwrap();
    let refused = until("it gives up", async || -> Result<(), String> {
        match load.cluster.said(0, "nothing was changed") {
            Ok(0) => Err("it still tries".to_owned()),
            Ok(_) => Ok(()),
            Err(error) => Err(error.to_string()),
        }
    });
    refused.await.unwrap();
    for _ in 0..100 {
        if load.cluster.has_ended(0).unwrap() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(load.cluster.pids().len(), 0, "it still runs");
    // But for the start that was counted.
    let incarnation = |bytes: &[u8]| {
        let text = String::from_utf8_lossy(bytes).into_owned();
        let at = text.find("incarnation").unwrap();
        text[at..at + 35].to_owned()
    };
    let now = fs::read(data.join("identity")).unwrap();
    assert_eq!(incarnation(&now), incarnation(&identity));
    assert!(data.join("log-0/CURRENT").exists());
    // The others are back: it comes back too.
    for n in [1, 2] {
        load.cluster.start_broker(n).unwrap();
    }
    starts_until_it_says(&mut load, 0, RENEWED, 0).await;
    load.finish().await;
}

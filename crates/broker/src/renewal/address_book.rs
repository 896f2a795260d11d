//! Where the other brokers were, kept beside the metadata: who cannot read the metadata must know whom to
//! ask. Only addresses to try: nothing is believed because of it.

use std::fs;
use std::path::{Path, PathBuf};

use holdfast_model::BrokerId;
use holdfast_quorum::{Document, Quorum};
use holdfast_rpc::Address;
use holdfast_runtime::config::HostPort;
use tokio_util::sync::CancellationToken;

use crate::serve::DOCUMENT_FILE;

/// One address in a line.
const FILE: &str = "brokers";

/// Longest file that is read, in bytes; a host name has at most 255.
const MOST_BYTES: u64 = 256 * 1024;

/// Keeps the file as the image is, until the process stops.
pub(crate) async fn remember_brokers(
    directory: PathBuf,
    quorum: Quorum,
    me: BrokerId,
    stop: CancellationToken,
) {
    let mut updates = quorum.subscribe();
    let mut written = String::new();
    loop {
        let update = tokio::select! {
            // Cancel-safe: what is not written is only an address to try.
            biased;
            () = stop.cancelled() => return,
            update = updates.next() => update,
        };
        let Some(update) = update else {
            return;
        };
        let others = update.image.brokers.values();
        let others = others.filter(|broker| broker.id != me);
        let others = others.map(|broker| Address::new(broker.rpc.host.clone(), broker.rpc.port));
        let text = lines(others);
        if text == written || text.is_empty() {
            continue;
        }
        let path = directory.join(FILE);
        let to_write = text.clone();
        let writing = tokio::task::spawn_blocking(move || write(&path, &to_write));
        match writing.await {
            Ok(Ok(())) => written = text,
            Ok(Err(error)) => tracing::warn!(%error, "where other brokers are is not remembered"),
            Err(error) => tracing::warn!(%error, "where other brokers are is not remembered"),
        }
    }
}

fn write(path: &Path, text: &str) -> std::io::Result<()> {
    let next = path.with_extension("next");
    fs::write(&next, text)?;
    fs::rename(next, path)
}

/// Writes addresses down, for after the files of this life were set aside.
pub(super) fn keep(directory: &Path, brokers: &[Address]) -> std::io::Result<()> {
    write(&directory.join(FILE), &lines(brokers.iter().cloned()))
}

fn lines(brokers: impl Iterator<Item = Address>) -> String {
    let lines: Vec<String> = brokers.map(|broker| broker.to_string()).collect();
    lines.join("\n")
}

/// The addresses; those of the formation document where there are no others.
pub(super) fn read(directory: &Path) -> Vec<Address> {
    let path = directory.join(FILE);
    let fits = fs::metadata(&path).is_ok_and(|file| file.len() <= MOST_BYTES);
    let text = if fits {
        fs::read_to_string(path)
    } else {
        Ok(String::new())
    };
    let addresses: Vec<Address> = text.unwrap_or_default().lines().filter_map(parse).collect();
    if !addresses.is_empty() {
        return addresses;
    }
    let document = fs::read_to_string(directory.join(DOCUMENT_FILE)).ok();
    let document = document.and_then(|text| Document::parse(&text).ok());
    let voters = document.iter().flat_map(Document::voters);
    voters
        .map(|voter| Address::new(voter.host.clone(), voter.port))
        .collect()
}

fn parse(line: &str) -> Option<Address> {
    let HostPort { host, port } = line.parse().ok()?;
    (port > 0).then(|| Address::new(host, port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_is_read_and_nonsense_is_overlooked() {
        let dir = tempfile::tempdir().unwrap();
        assert!(read(dir.path()).is_empty());
        let expected = [Address::new("b-1.brokers", 9192), Address::new("::1", 9193)];
        keep(dir.path(), &expected).unwrap();
        assert_eq!(read(dir.path()), expected);
        let path = dir.path().join(FILE);
        let kept = fs::read_to_string(&path).unwrap();
        write(&path, &format!("nonsense\n{kept}\nhost:0\nhost:99999\n")).unwrap();
        assert_eq!(read(dir.path()), expected);
    }
}

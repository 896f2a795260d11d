//! `holdfast format`: writes the formation document of a new cluster, and gives disks an identity.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use anyhow::Context;
use clap::Args;
use holdfast_broker::serve::{self, Document, Voter};
use holdfast_model::{BrokerId, ClusterId, RecoveryGeneration};
use holdfast_runtime::config::HostPort;
use holdfast_security::Role;
use serde::Serialize;

use crate::certificates;
use crate::output;
use crate::session::Reach;

/// How long the certificates last that a new cluster gets.
const CERTIFICATE_LIFE: Duration = Duration::from_hours(24 * 365);

/// Far more than any formation document.
const DOCUMENT_BYTES: u64 = 1 << 20;

/// Prepare an empty disk for a broker, or write the formation document of a new cluster.
///
/// A new cluster is formed once: write its document with --new-cluster, copy it to every voter, and
/// format each voter's disk with it. A broker that joins a cluster later is formatted with the
/// cluster's id instead, and waits until the cluster admits it.
#[derive(Args, Debug)]
pub(crate) struct Format {
    /// The directory to prepare
    #[arg(
        long,
        value_name = "DIR",
        required_unless_present = "new_cluster",
        requires = "broker_id"
    )]
    data_dir: Option<PathBuf>,
    /// The broker's number, which it keeps for ever
    #[arg(long, value_name = "ID", value_parser = clap::value_parser!(i32).range(0..))]
    broker_id: Option<i32>,
    /// The formation document: to be read, or with --new-cluster to be written (standard output if
    /// not given)
    #[arg(long, value_name = "FILE")]
    formation: Option<PathBuf>,
    /// The same, if there is such a file; else the disk joins the cluster of --cluster-id. A
    /// Kubernetes operator takes the document away once the cluster is formed
    #[arg(
        long,
        value_name = "FILE",
        requires = "cluster_id",
        conflicts_with_all = ["formation", "new_cluster"]
    )]
    formation_if_present: Option<PathBuf>,
    /// Do nothing if the directory is this broker's disk in this cluster already; any other disk is
    /// still refused
    #[arg(long, conflicts_with = "new_cluster")]
    if_needed: bool,
    /// The id of the cluster to join, for a broker that is not in a formation document
    #[arg(
        long,
        value_name = "ID",
        allow_hyphen_values = true,
        conflicts_with = "formation"
    )]
    cluster_id: Option<ClusterId>,
    /// How often that cluster was recovered by `holdfast recover`; brokers name the number when they
    /// refuse a disk
    #[arg(
        long,
        value_name = "NUMBER",
        requires = "cluster_id",
        default_value_t = 0
    )]
    recovery_generation: u64,
    /// Draw a cluster id and write a formation document
    #[arg(long, requires = "voters", conflicts_with_all = ["data_dir", "broker_id", "cluster_id"])]
    new_cluster: bool,
    /// With --new-cluster: a broker that votes, and the address for other brokers, as
    /// 0@host:9192/zone; once for each, three or five in all
    #[arg(
        long = "voter",
        value_name = "ID@HOST:PORT/ZONE",
        requires = "new_cluster"
    )]
    voters: Vec<VoterName>,
    /// With --new-cluster: also make the authority of the cluster's certificates, one certificate for
    /// each voter's admin API and one for an administrator, in folders here
    #[arg(long, value_name = "DIR", requires = "new_cluster")]
    certificates: Option<PathBuf>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct VoterName(Voter);

impl FromStr for VoterName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("{text:?}: expected id@host:port or id@host:port/zone");
        let (id, place) = text.split_once('@').ok_or_else(wrong)?;
        let (address, zone) = match place.split_once('/') {
            Some((_, "")) => return Err(wrong()),
            Some((address, zone)) => (address, Some(zone.to_owned())),
            None => (place, None),
        };
        let address: HostPort = address.parse()?;
        if address.is_wildcard() {
            return Err(format!(
                "{text:?}: other brokers cannot connect to a wildcard"
            ));
        }
        let id: u16 = id.parse().map_err(|_wrong| wrong())?;
        Ok(Self(Voter {
            broker: BrokerId(i32::from(id)),
            host: address.host,
            port: address.port,
            zone,
        }))
    }
}

/// A disk that was prepared, as it is printed.
#[derive(Debug, Serialize)]
struct ShownDisk {
    data_dir: String,
    broker: i32,
    cluster_id: String,
    incarnation: String,
}

impl ShownDisk {
    fn text(&self) -> String {
        let Self {
            data_dir,
            broker,
            cluster_id,
            incarnation,
        } = self;
        format!(
            "{data_dir} is now the disk of broker {broker} in cluster {cluster_id}, incarnation \
             {incarnation}"
        )
    }
}

/// A formation document that was written, as it is printed.
#[derive(Debug, PartialEq, Eq, Serialize)]
struct ShownDocument {
    cluster_id: String,
    /// Where it was written, if not to standard output.
    file: Option<String>,
    /// The document itself.
    document: String,
}

impl ShownDocument {
    fn print(&self, reach: &Reach) -> anyhow::Result<()> {
        match &self.file {
            None if !reach.is_json() => output::print(&self.document)?,
            None => reach.print(self)?,
            Some(file) => reach.tell(self, &format!("{file}: cluster {}", self.cluster_id))?,
        }
        Ok(())
    }
}

/// Writes the document, or prepares the disk.
pub(crate) fn run(format: Format, reach: &Reach) -> anyhow::Result<()> {
    if format.new_cluster {
        let voters = format.voters.into_iter().map(|voter| voter.0).collect();
        let shown = write_document(voters, format.formation.as_deref())?;
        if let Some(dir) = &format.certificates {
            certify(dir, &Document::parse(&shown.document)?)?;
        }
        return shown.print(reach);
    }
    let (Some(data_dir), Some(broker)) = (format.data_dir, format.broker_id) else {
        anyhow::bail!("--data-dir and --broker-id are needed");
    };
    let present = format.formation_if_present.filter(|file| file.exists());
    let document = format.formation.or(present);
    let document = document.as_deref().map(read_document).transpose()?;
    let cluster = format.cluster_id;
    anyhow::ensure!(
        document.is_some() || cluster.is_some(),
        "give --formation FILE to form a new cluster, or --cluster-id ID to join one"
    );
    let wanted = serve::Wanted {
        broker: BrokerId(broker),
        document: document.as_deref(),
        cluster,
        recovery: RecoveryGeneration(format.recovery_generation),
    };
    let identity = if format.if_needed {
        serve::format_if_needed(&data_dir, &wanted)?
    } else {
        serve::format(&data_dir, &wanted)?
    };
    let shown = ShownDisk {
        data_dir: data_dir.display().to_string(),
        broker: identity.broker.0,
        cluster_id: identity.cluster.to_string(),
        incarnation: identity.incarnation.to_string(),
    };
    reach.tell(&shown, &shown.text())
}

/// The authority of a new cluster, and what its first brokers and an administrator need.
fn certify(dir: &Path, document: &Document) -> anyhow::Result<()> {
    let cluster = document.cluster_id();
    let authority = certificates::authority(&dir.join("authority"), cluster)?;
    let issue = |role: Role| {
        let folder = dir.join(role.to_string());
        certificates::issue(&authority, role, &[], CERTIFICATE_LIFE, &folder)
    };
    for voter in document.voters() {
        issue(Role::Broker(voter.broker))?;
    }
    issue(Role::Admin)
}

fn read_document(path: &Path) -> anyhow::Result<String> {
    use std::io::Read;
    let mut text = String::new();
    std::fs::File::open(path)
        .and_then(|file| file.take(DOCUMENT_BYTES).read_to_string(&mut text))
        .with_context(|| format!("cannot read the formation document {}", path.display()))?;
    Ok(text)
}

/// Draws a cluster and writes its document, if a file is given.
fn write_document(voters: Vec<Voter>, path: Option<&Path>) -> anyhow::Result<ShownDocument> {
    let cluster = crate::text::draw_cluster_id();
    let shown = ShownDocument {
        cluster_id: cluster.to_string(),
        file: path.map(|path| path.display().to_string()),
        document: Document::new(cluster, voters)?.render()?,
    };
    let Some(path) = path else {
        return Ok(shown);
    };
    // Never over another one: disks may have been formatted with it.
    let written = std::fs::File::options()
        .write(true)
        .create_new(true)
        .open(path)
        .and_then(|mut file| {
            file.write_all(shown.document.as_bytes())?;
            file.sync_all()
        });
    written.with_context(|| format!("cannot write the document {}", path.display()))?;
    Ok(shown)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn voters_have_an_address_and_maybe_a_zone() {
        let voter = |text: &str| text.parse::<VoterName>().map(|v| v.0);
        let expected = Voter {
            broker: BrokerId(2),
            host: "10.0.0.1".to_owned(),
            port: 9192,
            zone: Some("b".to_owned()),
        };
        assert_eq!(voter("2@10.0.0.1:9192/b"), Ok(expected.clone()));
        let without = Voter {
            zone: None,
            ..expected
        };
        assert_eq!(voter("2@10.0.0.1:9192"), Ok(without));
        for wrong in [
            "",
            "h:1",
            "-1@h:1",
            "1@h",
            "1@h:1/",
            "x@h:1/a",
            "1@0.0.0.0:1",
        ] {
            voter(wrong).unwrap_err();
        }
    }

    #[test]
    fn a_document_is_never_written_over_another() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("formation.toml");
        let voters = || vec!["0@h:1/a".parse::<VoterName>().unwrap().0];
        let shown = write_document(voters(), Some(&path)).unwrap();
        let first = read_document(&path).unwrap();
        assert_eq!(shown.document, first);
        assert_eq!(shown.file, Some(path.display().to_string()));
        assert_eq!(Document::parse(&first).unwrap().voters(), voters());
        write_document(voters(), Some(&path)).unwrap_err();
        assert_eq!(read_document(&path).unwrap(), first);
        // Without a file the caller gets all there is.
        let shown = write_document(voters(), None).unwrap();
        let document = Document::parse(&shown.document).unwrap();
        assert_eq!(document.cluster_id().to_string(), shown.cluster_id);
        assert_eq!(shown.file, None);
    }

    #[test]
    fn a_program_reads_whose_disk_it_is() {
        let shown = ShownDisk {
            data_dir: "/d".to_owned(),
            broker: 2,
            cluster_id: "c".to_owned(),
            incarnation: "07".to_owned(),
        };
        assert_eq!(
            shown.text(),
            "/d is now the disk of broker 2 in cluster c, incarnation 07"
        );
        assert_eq!(
            serde_json::to_value(&shown).unwrap(),
            serde_json::json!({
                "data_dir": "/d", "broker": 2, "cluster_id": "c", "incarnation": "07",
            })
        );
    }
}

//! Descriptions and plans as files: everything for people in plain fields, the metadata as one
//! checksummed string.

use std::collections::BTreeSet;

use holdfast_kernel::image::ClusterImage;
use holdfast_kernel::recovery::{self, Description, Plan};
use holdfast_model::ReplicaId;
use holdfast_quorum::recovery::{decode_image, encode_image};
use serde::{Deserialize, Serialize};

use super::Error;

/// The format written today.
const FORMAT: u32 = 1;

/// A disk's description as it is written.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct DescriptionFile {
    format: u32,
    /// The disk, as the tool and the logs name it.
    disk: String,
    #[serde(flatten)]
    description: Description,
    image: String,
}

/// A plan as it is written.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct PlanFile {
    format: u32,
    #[serde(flatten)]
    plan: Plan,
    image: String,
}

impl DescriptionFile {
    pub(super) fn new(description: Description) -> Result<Self, Error> {
        Ok(Self {
            format: FORMAT,
            disk: description.replica.to_string(),
            image: written(&description.image)?,
            description,
        })
    }

    /// The description in it.
    fn open(self) -> Result<Description, Error> {
        let what = "description";
        check(what, self.format)?;
        Ok(Description {
            image: image(what, &self.image)?,
            ..self.description
        })
    }
}

impl PlanFile {
    /// What is planned, without the metadata.
    pub fn summary(&self) -> &Plan {
        &self.plan
    }

    /// The plan in it.
    pub(super) fn open(&self) -> Result<Plan, Error> {
        let what = "plan";
        check(what, self.format)?;
        let plan = Plan {
            image: image(what, &self.image)?,
            ..self.plan.clone()
        };
        let unusable = |why: &str| Error::Unusable {
            what,
            why: why.to_owned(),
        };
        if plan.image.cluster_id.is_some_and(|id| id != plan.cluster) {
            return Err(unusable("its metadata is of another cluster"));
        }
        let disks: BTreeSet<ReplicaId> = plan.disks.iter().map(|disk| disk.replica).collect();
        let members: BTreeSet<ReplicaId> = plan.members.iter().map(|m| m.replica).collect();
        let all_vote = plan.members.iter().all(|member| member.votes);
        if disks.is_empty() || disks != members || !all_vote {
            return Err(unusable("its members are not its disks"));
        }
        if plan.to <= plan.from {
            return Err(unusable("its generation does not grow"));
        }
        Ok(plan)
    }
}

/// Makes a plan of the descriptions of every disk that is left.
///
/// # Errors
/// A description cannot be used, or they do not belong together.
pub fn plan(descriptions: Vec<DescriptionFile>) -> Result<PlanFile, Error> {
    let opened: Result<Vec<Description>, Error> = descriptions
        .into_iter()
        .map(DescriptionFile::open)
        .collect();
    let plan = recovery::plan(opened?)?;
    Ok(PlanFile {
        format: FORMAT,
        image: written(&plan.image)?,
        plan,
    })
}

fn check(what: &'static str, found: u32) -> Result<(), Error> {
    if found > FORMAT {
        return Err(Error::Newer {
            what,
            found,
            known: FORMAT,
        });
    }
    Ok(())
}

fn written(image: &ClusterImage) -> Result<String, Error> {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let bytes = encode_image(image)?;
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        for nibble in [byte >> 4, byte & 15] {
            text.push(char::from(DIGITS[usize::from(nibble)]));
        }
    }
    Ok(text)
}

fn image(what: &'static str, text: &str) -> Result<ClusterImage, Error> {
    let wrong = || Error::Unusable {
        what,
        why: "its metadata is no hexadecimal text".to_owned(),
    };
    let digit = |byte: u8| char::from(byte).to_digit(16).ok_or_else(wrong);
    if !text.len().is_multiple_of(2) {
        return Err(wrong());
    }
    let mut bytes = Vec::with_capacity(text.len() / 2);
    for pair in text.as_bytes().chunks_exact(2) {
        if let [high, low] = pair {
            bytes.push((digit(*high)? << 4 | digit(*low)?) as u8);
        }
    }
    Ok(decode_image(&bytes)?)
}

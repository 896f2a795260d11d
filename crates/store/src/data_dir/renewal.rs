//! A damaged disk begins a new life: another incarnation, the old files aside.
//!
//! Order is everything here. An old identity over an empty log would be a disk that forgot what it
//! acknowledged; so the new identity is written first, with a note that files are still to be moved, and
//! no process uses the directory before they are. Nothing is deleted.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use holdfast_model::{Incarnation, StartNumber};

use super::{DataDir, Formation, Identity, identity_file};
use crate::Error;
use crate::durable_mark::sync_parent;

/// What a process left that met damage which only another life can mend: the reason.
const DAMAGE: &str = "damage";

/// Which disk this one was, while it waits to be let into its cluster again.
const RENEWED: &str = "renewed";

/// What an aside folder is named after: the incarnation whose files it holds.
const ASIDE: &str = "aside-";

/// Most lives that are kept aside. A disk that is damaged more often needs replacing, not renewing.
const MOST_ASIDE: usize = 2;

/// Longest note that is read, in bytes.
const NOTE_BYTES: usize = 4096;

/// What belongs to a life of a disk. The headroom belongs to the file system, the lock to the process.
fn belongs_to_a_life(name: &str) -> bool {
    name.starts_with("log-") || ["meta", "meta.mark", DAMAGE, "formation.toml"].contains(&name)
}

impl DataDir {
    /// Leaves word for the next start that something is damaged which the whole process depends on.
    ///
    /// # Errors
    /// It could not be written.
    pub fn note_damage(path: &Path, reason: &str) -> Result<(), Error> {
        write(&path.join(DAMAGE), reason)
    }

    /// The damage that an earlier process left word of.
    pub fn noted_damage(path: &Path) -> Option<String> {
        read(&path.join(DAMAGE))
    }

    /// The disk that this one was, as long as its cluster has not let it in again.
    pub fn renewed_from(path: &Path) -> Option<Incarnation> {
        u64::from_str_radix(read(&path.join(RENEWED))?.trim(), 16)
            .ok()
            .map(Incarnation)
    }

    /// The cluster let this disk in.
    ///
    /// # Errors
    /// The system's.
    pub fn forget_renewal(path: &Path) -> Result<(), Error> {
        let path = path.join(RENEWED);
        match fs::remove_file(&path) {
            Ok(()) => Ok(()),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(Error::io("remove", &path)(error)),
        }
    }

    /// Why this disk may not begin another life.
    ///
    /// # Errors
    /// The directory cannot be listed.
    pub fn hindrance_to_renewal(&self) -> Result<Option<String>, Error> {
        let kept = names(&self.path)?
            .into_iter()
            .filter(|name| name.starts_with(ASIDE))
            .count();
        Ok((kept >= MOST_ASIDE).then(|| {
            format!(
                "it began a new life {kept} times already: replace the disk, or remove {ASIDE}* if it is \
                 sound"
            )
        }))
    }

    /// Begins another life: a new incarnation that waits to be admitted, the files of the old one in a
    /// folder of their own. Synced before it returns; a crash at any step is finished by the next open.
    ///
    /// # Errors
    /// The system's; [`Error::Invariant`] for the incarnation that it has.
    pub fn renew(&mut self, incarnation: Incarnation) -> Result<PathBuf, Error> {
        let old = self.identity.incarnation;
        if incarnation == old || incarnation == Incarnation(0) {
            return Err(Error::Invariant {
                name: "INV-NEW-INCARNATION",
                detail: format!("from {old} to {incarnation}"),
            });
        }
        let identity = Identity {
            incarnation,
            start: StartNumber(1),
            formation: Formation::Waiting,
            aside: Some(old),
            ..self.identity.clone()
        };
        identity_file::write(&self.path, &identity)?;
        self.identity = set_aside(&self.path, identity)?;
        Ok(aside(&self.path, old))
    }
}

/// Moves the files of an earlier life away, if that was begun.
pub(super) fn set_aside(directory: &Path, identity: Identity) -> Result<Identity, Error> {
    let Some(old) = identity.aside else {
        return Ok(identity);
    };
    let folder = aside(directory, old);
    fs::create_dir_all(&folder).map_err(Error::io("create", &folder))?;
    sync_parent(&folder)?;
    for name in names(directory)? {
        if belongs_to_a_life(&name) {
            let from = directory.join(&name);
            fs::rename(&from, folder.join(&name)).map_err(Error::io("set aside", &from))?;
        }
    }
    sync_parent(&folder.join("any"))?;
    write(&directory.join(RENEWED), &old.to_string())?;
    let identity = Identity {
        aside: None,
        ..identity
    };
    identity_file::write(directory, &identity)?;
    Ok(identity)
}

fn aside(directory: &Path, old: Incarnation) -> PathBuf {
    directory.join(format!("{ASIDE}{old}"))
}

fn names(directory: &Path) -> Result<Vec<String>, Error> {
    let entries = fs::read_dir(directory).map_err(Error::io("list", directory))?;
    let names = entries.map(|entry| entry.map(|found| found.file_name()));
    let names: Result<Vec<_>, _> = names.collect();
    let names = names.map_err(Error::io("list", directory))?;
    Ok(names
        .into_iter()
        .filter_map(|name| name.into_string().ok())
        .collect())
}

fn write(path: &Path, text: &str) -> Result<(), Error> {
    let mut bytes = text.as_bytes().to_vec();
    bytes.truncate(NOTE_BYTES);
    let written = File::create(path).and_then(|mut file| {
        file.write_all(&bytes)?;
        file.sync_all()
    });
    written.map_err(Error::io("write", path))?;
    sync_parent(path)
}

fn read(path: &Path) -> Option<String> {
    let mut bytes = fs::read(path).ok()?;
    bytes.truncate(NOTE_BYTES);
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

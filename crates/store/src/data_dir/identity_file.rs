//! The file that carries the identity: one line of JSON, one line with its checksum. Replaced as a
//! whole, so that a power cut leaves the old or the new one.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::Identity;
use crate::Error;
use crate::durable_mark::sync_parent;

/// Newest version of the file, and of the directory's layout. Version 2 adds the recovery
/// generation, version 3 the life whose files are still to be set aside; each is written only where there
/// is something of it to say, so that an older program, which would drop it with the next start, opens
/// every other disk.
const FORMAT: u32 = 3;

fn format_of(identity: &Identity) -> u32 {
    match (identity.aside, identity.recovery.0) {
        (Some(_), _) => 3,
        (None, 0) => 1,
        (None, _) => 2,
    }
}

/// Far more than an identity with every broker named; a larger file is none.
const MOST_BYTES: u64 = 1024 * 1024;

#[derive(Serialize)]
struct Written<'a> {
    format: u32,
    #[serde(flatten)]
    identity: &'a Identity,
}

/// Read on its own, before anything that a newer version may have changed.
#[derive(Deserialize)]
struct Version {
    format: u32,
}

fn file(directory: &Path) -> PathBuf {
    directory.join("identity")
}

pub(super) fn exists(directory: &Path) -> Result<bool, Error> {
    let path = file(directory);
    path.try_exists().map_err(Error::io("look for", &path))
}

pub(super) fn write(directory: &Path, identity: &Identity) -> Result<(), Error> {
    let path = file(directory);
    let body = serde_json::to_string(&Written {
        format: format_of(identity),
        identity,
    })
    .expect("an identity holds numbers and names only, which always encode");
    let text = format!("{body}\n{:08x}\n", crc32c::crc32c(body.as_bytes()));
    let next = directory.join("identity.next");
    let written = File::create(&next).and_then(|mut file| {
        file.write_all(text.as_bytes())
            .and_then(|()| file.sync_all())
    });
    written.map_err(Error::io("write", &next))?;
    std::fs::rename(&next, &path).map_err(Error::io("replace", &path))?;
    sync_parent(&path)
}

pub(super) fn read(directory: &Path) -> Result<Identity, Error> {
    let path = file(directory);
    let opened = match File::open(&path) {
        Ok(opened) => opened,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return Err(Error::NotFormatted {
                path: directory.to_owned(),
            });
        }
        Err(error) => return Err(Error::io("open", &path)(error)),
    };
    let mut text = Vec::new();
    opened
        .take(MOST_BYTES)
        .read_to_end(&mut text)
        .map_err(Error::io("read", &path))?;
    let damaged = |reason: &str| Error::damaged(&path, 0, reason);
    let text = String::from_utf8(text).map_err(|_| damaged("not text"))?;
    let (body, checksum) = text
        .split_once('\n')
        .ok_or_else(|| damaged("no checksum"))?;
    if checksum != format!("{:08x}\n", crc32c::crc32c(body.as_bytes())) {
        return Err(damaged("checksum"));
    }
    let version: Version = serde_json::from_str(body).map_err(|_| damaged("no version"))?;
    if version.format > FORMAT {
        let found = version.format;
        return Err(Error::UnsupportedFormat {
            what: "identity",
            found,
            supported: FORMAT,
        });
    }
    serde_json::from_str(body).map_err(|error| damaged(&error.to_string()))
}

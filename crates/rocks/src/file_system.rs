//! How much room a file system has, and taking some of it before it is needed.

use std::ffi::CString;
use std::fs::File;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::AsRawFd as _;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

/// The room of one file system, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Space {
    /// Size of the whole file system.
    pub total: u64,
    /// What an unprivileged process may still write.
    pub available: u64,
}

/// Reads the room of the file system that holds `path`. Costs one system call, about a microsecond.
pub fn space(path: &Path) -> io::Result<Space> {
    let path = CString::new(path.as_os_str().as_bytes())?;
    let mut stat = MaybeUninit::<libc::statvfs>::uninit();
    // SAFETY: `path` ends with a zero byte and lives through the call; `stat` is writable memory of
    // the right size.
    let status = unsafe { libc::statvfs(path.as_ptr(), stat.as_mut_ptr()) };
    if status != 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: a status of zero says that the kernel filled the structure.
    let stat = unsafe { stat.assume_init() };
    let unit = stat.f_frsize;
    Ok(Space {
        total: stat.f_blocks.saturating_mul(unit),
        available: stat.f_bavail.saturating_mul(unit),
    })
}

/// Gives `file` blocks for its first `bytes` bytes, so that the room is truly taken, not promised.
/// Fails with `ENOSPC` if the file system has less.
pub fn preallocate(file: &File, bytes: u64) -> io::Result<()> {
    let bytes =
        libc::off_t::try_from(bytes).map_err(|_| io::Error::from(io::ErrorKind::InvalidInput))?;
    if bytes == 0 {
        return Ok(());
    }
    // SAFETY: the descriptor is open for as long as `file` is borrowed; the call touches no memory.
    let status = unsafe { libc::posix_fallocate(file.as_raw_fd(), 0, bytes) };
    if status == 0 {
        Ok(())
    } else {
        Err(io::Error::from_raw_os_error(status))
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt as _;

    use super::*;

    #[test]
    fn a_file_system_has_room_and_a_missing_path_is_an_error() {
        let dir = tempfile::tempdir().unwrap();
        let room = space(dir.path()).unwrap();
        assert!(room.total >= room.available && room.total > 0);
        assert!(space(&dir.path().join("missing")).is_err());
    }

    #[test]
    fn preallocated_blocks_are_there() {
        let file = tempfile::tempfile().unwrap();
        preallocate(&file, 1 << 20).unwrap();
        let stat = file.metadata().unwrap();
        assert_eq!(stat.len(), 1 << 20);
        assert!(stat.blocks() * 512 >= 1 << 20);
    }
}

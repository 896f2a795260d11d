//! Disks whose power can be cut: an ext4 file system in a file for each broker.
//!
//! A power cut shuts the mounted file system down, as the kernel's own tests do: from then on
//! nothing reaches the disk, every operation fails, and what was written but not synced is gone.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, bail};

/// The size of a disk; a file with holes, so that only what is used takes room.
const DISK_BYTES: u64 = 4 << 30;

/// A process that was killed may hold its files for a moment.
const UNMOUNT_TRIES: u32 = 50;

/// A mounted disk. Dropping it unmounts it.
#[derive(Debug)]
pub struct Disk {
    image: PathBuf,
    place: PathBuf,
    mounted: bool,
}

impl Disk {
    /// Makes a file system in the file `image` and mounts it at `place`.
    ///
    /// # Errors
    /// A command fails: this needs root, loop devices and e2fsprogs.
    pub fn create(image: &Path, place: &Path) -> anyhow::Result<Self> {
        fs::File::create(image)?.set_len(DISK_BYTES)?;
        fs::create_dir_all(place)?;
        run(Command::new("mkfs.ext4").args(["-q", "-F"]).arg(image))?;
        let mut disk = Self {
            image: image.to_owned(),
            place: place.to_owned(),
            mounted: false,
        };
        disk.mount()?;
        Ok(disk)
    }

    fn mount(&mut self) -> anyhow::Result<()> {
        run(Command::new("mount")
            .args(["-o", "loop"])
            .arg(&self.image)
            .arg(&self.place))?;
        self.mounted = true;
        Ok(())
    }

    fn unmount(&mut self) -> anyhow::Result<()> {
        if !self.mounted {
            return Ok(());
        }
        let mut tries = 0;
        loop {
            match run(Command::new("umount").arg(&self.place)) {
                Ok(()) => break,
                Err(error) if tries == UNMOUNT_TRIES => return Err(error),
                Err(_busy) => tries += 1,
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        self.mounted = false;
        Ok(())
    }

    /// Brings the disk back after a cut, by way of its journal.
    ///
    /// # Errors
    /// A command fails.
    pub fn mount_again(&mut self) -> anyhow::Result<()> {
        self.unmount()?;
        self.mount()
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        if self.unmount().is_err() {
            // The last resort: gone from the tree now, and from the kernel with its last user.
            drop(run(Command::new("umount").arg("-l").arg(&self.place)));
        }
    }
}

/// Cuts the power of several disks at once.
///
/// # Errors
/// The command fails.
pub fn cut(disks: &[Disk]) -> anyhow::Result<()> {
    let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("clients/power_cut.py");
    run(Command::new("python3")
        .arg(program)
        .args(disks.iter().map(|disk| &disk.place)))
}

/// Copies a folder so that a power cut does not take the copy away again.
///
/// # Errors
/// A command fails.
pub fn copy(from: &Path, to: &Path) -> anyhow::Result<()> {
    run(Command::new("cp").arg("-a").arg(from).arg(to))?;
    sync(to)
}

/// What was put somewhere by hand is on the disk from now on.
///
/// # Errors
/// The command fails.
pub fn sync(path: &Path) -> anyhow::Result<()> {
    run(Command::new("sync").arg("--file-system").arg(path))
}

/// Nothing if power can be cut here, else the reason why not.
///
/// # Errors
/// The reason.
pub fn available() -> anyhow::Result<()> {
    let place = std::env::temp_dir().join(format!("holdfast-power-{}", std::process::id()));
    fs::create_dir_all(&place)?;
    let tried = Disk::create(&place.join("image"), &place.join("disk")).and_then(|disk| {
        let mut disks = [disk];
        cut(&disks)?;
        disks[0].mount_again()
    });
    fs::remove_dir_all(&place)?;
    tried.context("this needs root, loop devices and e2fsprogs")
}

/// Runs a command to its end.
///
/// # Errors
/// It cannot be started, or it failed; with what it printed.
pub fn run(command: &mut Command) -> anyhow::Result<()> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = command
        .output()
        .with_context(|| format!("cannot start {program}"))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        bail!("{program}: {}: {}", output.status, said.trim());
    }
    Ok(())
}

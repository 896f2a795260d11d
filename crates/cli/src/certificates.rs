//! Certificates in folders: an authority's, and one for each of those it vouches for.
//!
//! A folder of an identity holds `tls.crt`, `tls.key` and `ca.crt`, as a Secret of Kubernetes does; that
//! of an authority only the first two.

use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use holdfast_model::{ClusterId, SystemClock};
use holdfast_security::{Authority, Request, Role, Tls, UnixTime, wall_time};

/// The names of the files.
pub(crate) const CERTIFICATE: &str = "tls.crt";
pub(crate) const KEY: &str = "tls.key";
pub(crate) const AUTHORITY: &str = "ca.crt";

/// How long an authority lasts: it is replaced by hand.
const AUTHORITY_LIFE: Duration = Duration::from_hours(24 * 3650);

fn now() -> anyhow::Result<UnixTime> {
    wall_time(&SystemClock::new()).context("the clock of this machine is not set")
}

/// Makes an authority in a folder, or finds the one that is there.
pub(crate) fn authority(dir: &Path, cluster: ClusterId) -> anyhow::Result<Authority> {
    let (certificate, key) = (dir.join(CERTIFICATE), dir.join(KEY));
    if certificate.try_exists()? || key.try_exists()? {
        return read_authority(dir, cluster);
    }
    let made = Authority::generate(cluster, now()?, AUTHORITY_LIFE)?;
    make_dir(dir)?;
    // The certificate last: where it is, the key is.
    write(&key, &made.key_pem(), 0o600)?;
    write(&certificate, &made.certificate_pem(), 0o644)?;
    Ok(made)
}

/// The authority of a folder.
pub(crate) fn read_authority(dir: &Path, cluster: ClusterId) -> anyhow::Result<Authority> {
    let certificate = read(&dir.join(CERTIFICATE))?;
    let key = read(&dir.join(KEY))?;
    Authority::from_pem(cluster, &certificate, &key)
        .with_context(|| format!("{} does not hold an authority", dir.display()))
}

/// Issues a certificate into a folder, over one that was there.
pub(crate) fn issue(
    authority: &Authority,
    role: Role,
    names: &[String],
    life: Duration,
    dir: &Path,
) -> anyhow::Result<()> {
    let request = Request {
        role,
        dns_names: names.to_vec(),
        addresses: Vec::new(),
        life,
    };
    let issued = authority.issue(&request, now()?)?;
    make_dir(dir)?;
    write(&dir.join(AUTHORITY), &authority.certificate_pem(), 0o644)?;
    write(&dir.join(KEY), &issued.key_pem, 0o600)?;
    write(&dir.join(CERTIFICATE), &issued.certificate_pem, 0o644)?;
    Ok(())
}

/// Who a folder says that the caller is, for connections.
pub(crate) fn identity(dir: &Path) -> anyhow::Result<(Tls, ClusterId)> {
    let [certificate, key, authority] =
        [CERTIFICATE, KEY, AUTHORITY].map(|name| read(&dir.join(name)));
    let certificate = certificate?;
    let clock: Arc<dyn holdfast_model::Clock> = Arc::new(SystemClock::new());
    let tls = Tls::of_pem(&certificate, &key?, &authority?, &clock)
        .with_context(|| format!("the certificates in {} cannot be used", dir.display()))?;
    let cluster = holdfast_security::cluster_of_pem(&certificate)
        .with_context(|| format!("{} names no cluster", dir.join(CERTIFICATE).display()))?;
    Ok((tls, cluster))
}

fn make_dir(dir: &Path) -> anyhow::Result<()> {
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(dir)
        .with_context(|| format!("cannot create {}", dir.display()))
}

fn read(path: &Path) -> anyhow::Result<String> {
    fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
}

/// A file appears whole or not at all.
fn write(path: &Path, text: &str, mode: u32) -> anyhow::Result<()> {
    let put = || -> std::io::Result<()> {
        let mut new: PathBuf = path.to_owned();
        new.as_mut_os_string().push(".new");
        let mut options = File::options();
        options.write(true).create(true).truncate(true).mode(mode);
        let mut file = options.open(&new)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&new, path)
    };
    put().with_context(|| format!("cannot write {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_authority_is_made_once_and_what_it_issues_can_be_used() {
        let folder = tempfile::tempdir().unwrap();
        let cluster = crate::text::draw_cluster_id();
        let dir = folder.path().join("authority");
        let first = authority(&dir, cluster).unwrap();
        let second = authority(&dir, cluster).unwrap();
        assert_eq!(first.certificate_pem(), second.certificate_pem());
        let admin = folder.path().join("admin");
        issue(&second, Role::Admin, &[], Duration::from_hours(1), &admin).unwrap();
        let (_tls, found) = identity(&admin).unwrap();
        assert_eq!(found, cluster);
        fs::remove_file(dir.join(KEY)).unwrap();
        authority(&dir, cluster).unwrap_err();
    }
}

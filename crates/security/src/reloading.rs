//! TLS from files that may change while connections are made.

use std::fmt;
use std::sync::Arc;

use arc_swap::ArcSwap;
use holdfast_model::Clock;
use parking_lot::Mutex;

use crate::files::Contents;
use crate::{Error, Tls, TlsFiles};

/// The configuration of TLS that the files gave when they were last whole. Connections keep the one
/// with which they began.
pub struct Reloading {
    files: TlsFiles,
    clock: Arc<dyn Clock>,
    current: ArcSwap<Tls>,
    /// What `current` was made of. Held for the whole of a reload, so that of two at once the later
    /// read wins.
    loaded: Mutex<Contents>,
}

impl fmt::Debug for Reloading {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reloading")
            .field("files", &self.files)
            .field("current", &self.current.load())
            .finish_non_exhaustive()
    }
}

impl Reloading {
    /// Reads the files for the first time. Blocks on the disk.
    ///
    /// # Errors
    /// If one cannot be read, they do not belong together, or the certificate is not valid now.
    pub fn load(files: TlsFiles, clock: Arc<dyn Clock>) -> Result<Self, Error> {
        let contents = files.read()?;
        let tls = Tls::new(&files, &contents, &clock)?;
        Ok(Self {
            files,
            clock,
            current: ArcSwap::from_pointee(tls),
            loaded: Mutex::new(contents),
        })
    }

    /// What new connections use. Cheap; never waits for a reload.
    pub fn current(&self) -> Arc<Tls> {
        self.current.load_full()
    }

    /// Reads the files again, and says whether they changed since they were last accepted. Blocks
    /// on the disk. It compares what they hold and not their times: Kubernetes changes them all at
    /// once by replacing a link to their folder.
    ///
    /// # Errors
    /// As [`Reloading::load`]; then what was before stays, and every later call tries again.
    pub fn reload_if_changed(&self) -> Result<bool, Error> {
        let mut loaded = self.loaded.lock();
        let contents = self.files.read()?;
        if *loaded == contents {
            return Ok(false);
        }
        let tls = Tls::new(&self.files, &contents, &self.clock)?;
        self.current.store(Arc::new(tls));
        *loaded = contents;
        Ok(true)
    }
}

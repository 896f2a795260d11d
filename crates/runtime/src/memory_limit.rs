//! How much memory the process may use: the cgroup's limit or the machine's, whichever is less.

use std::path::{Path, PathBuf};

/// The part of the limit that the budget may plan with. The rest is code, stacks, allocator slack
/// and RocksDB's own bookkeeping: the resident size may exceed the budget by 15 %.
const BUDGET_PERCENT: u64 = 60;

/// Used where neither cgroup nor `/proc/meminfo` can be read.
const FALLBACK_BYTES: u64 = 1 << 30;

/// Deepest nesting of cgroups that is walked.
const DEPTH: usize = 32;

/// Where a limit was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// A cgroup's limit, version 1 or 2.
    Cgroup,
    /// The memory of the machine.
    Machine,
    /// Nothing could be read.
    Fallback,
}

/// The memory that the process may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemoryLimit {
    /// Bytes.
    pub bytes: u64,
    /// Where the number comes from.
    pub source: Source,
}

impl MemoryLimit {
    /// Reads the limit of this process.
    pub fn detect() -> Self {
        Self::detect_under(Path::new("/"))
    }

    /// The budget for everything that the process allocates by plan, in bytes.
    pub fn budget_bytes(&self) -> u64 {
        self.bytes / 100 * BUDGET_PERCENT
    }

    /// As [`Self::detect`], with another root instead of `/`.
    fn detect_under(root: &Path) -> Self {
        let machine = machine_bytes(root);
        let cgroup = cgroup_bytes(root);
        match (cgroup, machine) {
            // A cgroup without a limit shows "max" or a number beyond any machine.
            (Some(bytes), Some(total)) if bytes < total => Self {
                bytes,
                source: Source::Cgroup,
            },
            (_, Some(bytes)) => Self {
                bytes,
                source: Source::Machine,
            },
            (Some(bytes), None) => Self {
                bytes,
                source: Source::Cgroup,
            },
            (None, None) => Self {
                bytes: FALLBACK_BYTES,
                source: Source::Fallback,
            },
        }
    }
}

fn machine_bytes(root: &Path) -> Option<u64> {
    let text = std::fs::read_to_string(root.join("proc/meminfo")).ok()?;
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kib.checked_mul(1024)
}

/// The smallest limit of this process's cgroup and of every cgroup around it.
fn cgroup_bytes(root: &Path) -> Option<u64> {
    let own = std::fs::read_to_string(root.join("proc/self/cgroup")).unwrap_or_default();
    let (mut v1, mut v2) = ("", "");
    for line in own.lines() {
        let mut fields = line.splitn(3, ':');
        let (_, Some(controllers), Some(path)) = (fields.next(), fields.next(), fields.next())
        else {
            continue;
        };
        if controllers.is_empty() {
            v2 = path;
        } else if controllers.split(',').any(|c| c == "memory") {
            v1 = path;
        }
    }
    let fs = root.join("sys/fs/cgroup");
    let v2 = smallest(&fs, v2, "memory.max");
    let v1 = smallest(&fs.join("memory"), v1, "memory.limit_in_bytes");
    v1.into_iter().chain(v2).min()
}

/// Walks from the process's own cgroup up to the root. In a container the path may name a place
/// that only the host sees: folders that are not there are skipped.
fn smallest(base: &Path, path: &str, file: &str) -> Option<u64> {
    let mut folder: PathBuf = base.join(path.trim_start_matches('/'));
    let mut least = None;
    for _ in 0..DEPTH {
        let limit = std::fs::read_to_string(folder.join(file)).ok();
        if let Some(bytes) = limit.and_then(|text| text.trim().parse::<u64>().ok()) {
            least = Some(least.map_or(bytes, |l: u64| l.min(bytes)));
        }
        if folder == base || !folder.pop() || !folder.starts_with(base) {
            break;
        }
    }
    least
}

#[cfg(test)]
mod tests {
    use super::*;

    fn machine(files: &[(&str, &str)]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = root.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        root
    }

    const MEMINFO: (&str, &str) = ("proc/meminfo", "MemTotal:  8388608 kB\nMemFree: 1 kB\n");

    #[test]
    fn version_2_takes_the_smallest_on_the_way_up() {
        let root = machine(&[
            MEMINFO,
            ("proc/self/cgroup", "0::/kube/pod\n"),
            ("sys/fs/cgroup/kube/pod/memory.max", "max\n"),
            ("sys/fs/cgroup/kube/memory.max", "1073741824\n"),
        ]);
        let limit = MemoryLimit::detect_under(root.path());
        assert_eq!(
            limit,
            MemoryLimit {
                bytes: 1 << 30,
                source: Source::Cgroup
            }
        );
        assert_eq!(limit.budget_bytes(), (1 << 30) / 100 * 60);
    }

    #[test]
    fn version_1_in_a_container_whose_path_is_not_visible() {
        let root = machine(&[
            MEMINFO,
            ("proc/self/cgroup", "5:cpu,memory:/docker/abc\n"),
            ("sys/fs/cgroup/memory/memory.limit_in_bytes", "536870912\n"),
        ]);
        let limit = MemoryLimit::detect_under(root.path());
        assert_eq!(
            limit,
            MemoryLimit {
                bytes: 512 << 20,
                source: Source::Cgroup
            }
        );
    }

    #[test]
    fn an_unlimited_cgroup_means_the_machine() {
        let root = machine(&[
            MEMINFO,
            ("proc/self/cgroup", "5:memory:/\n"),
            (
                "sys/fs/cgroup/memory/memory.limit_in_bytes",
                "9223372036854771712\n",
            ),
        ]);
        let limit = MemoryLimit::detect_under(root.path());
        assert_eq!(
            limit,
            MemoryLimit {
                bytes: 8 << 30,
                source: Source::Machine
            }
        );
    }

    #[test]
    fn nothing_readable_gives_the_fallback() {
        let root = machine(&[]);
        assert_eq!(
            MemoryLimit::detect_under(root.path()).source,
            Source::Fallback
        );
        assert!(MemoryLimit::detect().bytes > 64 << 20);
    }
}

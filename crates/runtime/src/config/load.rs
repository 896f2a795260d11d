//! Reads the sources of a configuration and lays them over each other.

use std::io::Read;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::keys::{self, Answer, Key};
use super::properties::{self, Pair};
use super::{Config, Error, placeholders, toml_file, validate};

/// Far more than any configuration: Kafka's own commented file has 7 KiB.
const FILE_BYTES: u64 = 1 << 20;

/// The environment variables that mean something to the tool, not to the configuration.
const OTHER_VARIABLES: [&str; 6] = [
    "HOLDFAST_ADMIN",
    "HOLDFAST_BLESS",
    "HOLDFAST_BOOTSTRAP",
    "HOLDFAST_CERTIFICATES",
    "HOLDFAST_CONFIG",
    "HOLDFAST_TEST_POINT",
];

/// Where a configuration comes from; each field wins over the ones before it.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    /// Files whose names end in `.toml` or `.properties`; of two that set one value the later wins.
    pub files: Vec<PathBuf>,
    /// The environment; only `HOLDFAST_...` is looked at.
    pub env: Vec<(String, String)>,
    /// Flags: a key in Kafka's syntax or a path of the TOML file, and its value.
    pub flags: Vec<(String, String)>,
}

impl Sources {
    /// Files and this process's environment, without flags.
    pub fn from_process(files: Vec<PathBuf>) -> Self {
        // A variable that is not UTF-8 cannot be one of ours.
        let env = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect();
        Self {
            files,
            env,
            flags: Vec::new(),
        }
    }
}

/// Something that an operator should know about a key that was given and sets nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// The key as given.
    pub key: String,
    /// Why it has no effect and what to use instead.
    pub message: String,
}

/// An accepted configuration.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// What is in force.
    pub config: Config,
    /// What `serve` logs at start.
    pub notices: Vec<Notice>,
    /// SHA-256 over the files that it was loaded from: of each its bytes and one zero byte, in
    /// hexadecimal. Tells an operator whether a broker runs what is written.
    pub files_digest: String,
}

impl Config {
    /// Reads and checks a configuration.
    ///
    /// # Errors
    /// On the first key or value that cannot be accepted; nothing is guessed.
    pub fn load(sources: &Sources) -> Result<Loaded, Error> {
        let mut loaded = Loaded {
            config: Self::default(),
            notices: Vec::new(),
            files_digest: String::new(),
        };
        let mut digest = Sha256::new();
        for path in &sources.files {
            let text = read(path)?;
            // The zero byte keeps two files apart from one that holds both.
            digest.update(text.as_bytes());
            digest.update([0]);
            load_file(path, &text, &sources.env, &mut loaded)?;
        }
        loaded.files_digest = hexadecimal(&digest.finalize());
        load_env(&sources.env, &mut loaded)?;
        load_flags(&sources.flags, &mut loaded)?;
        validate::validate(&loaded.config, &mut loaded.notices)?;
        Ok(loaded)
    }

    /// Checks the text of a `.properties` file as a broker would read it. What it takes from the
    /// environment is not known here and counts as a name.
    ///
    /// # Errors
    /// Why a broker would not load it, as [`Config::load`] says it.
    pub fn check_properties(text: &str) -> Result<(), String> {
        let mut loaded = Loaded {
            config: Self::default(),
            notices: Vec::new(),
            files_digest: String::new(),
        };
        let path = Path::new("broker.properties");
        load_properties(path, text, &|_name| Some("name".to_owned()), &mut loaded)
            .and_then(|()| validate::validate(&loaded.config, &mut loaded.notices))
            .map_err(|error| error.to_string())
    }
}

fn hexadecimal(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _infallible = write!(text, "{byte:02x}");
        text
    })
}

/// A given key that the table knows.
struct Given {
    order: usize,
    key: &'static Key,
    written: String,
    value: String,
}

fn load_file(path: &Path, text: &str, env: &[Pair], loaded: &mut Loaded) -> Result<(), Error> {
    if path.extension().is_some_and(|e| e == "toml") {
        return load_toml(path, text, loaded);
    }
    let variable = |name: &str| {
        let found = env.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.clone())
    };
    load_properties(path, text, &variable, loaded)
}

fn load_toml(path: &Path, text: &str, loaded: &mut Loaded) -> Result<(), Error> {
    let origin = path.display().to_string();
    let mut layer = Vec::new();
    let file = toml_file::parse(text).map_err(|reason| Error::Syntax {
        path: path.to_owned(),
        reason,
    })?;
    if let Some(listeners) = file.listeners {
        loaded.config.listeners = listeners;
    }
    for (path, value) in file.pairs {
        let Some((order, key)) = keys::by_path(&path) else {
            let nearest = keys::nearest_path(&path).map(str::to_owned);
            return Err(Error::UnknownKey {
                key: path,
                origin,
                nearest,
            });
        };
        layer.push(Given {
            order,
            key,
            written: path,
            value,
        });
    }
    apply(layer, &origin, loaded)
}

fn load_properties(
    path: &Path,
    text: &str,
    variable: &dyn Fn(&str) -> Option<String>,
    loaded: &mut Loaded,
) -> Result<(), Error> {
    let origin = path.display().to_string();
    let mut layer = Vec::new();
    let pairs = properties::parse(text).map_err(|reason| Error::Syntax {
        path: path.to_owned(),
        reason,
    })?;
    for (name, value) in pairs {
        let value = placeholders::fill(&value, variable).map_err(|reason| Error::Value {
            key: name.clone(),
            origin: origin.clone(),
            reason,
        })?;
        layer.push(given_by_name(name, value, &origin)?);
    }
    apply(layer, &origin, loaded)
}

fn load_env(env: &[Pair], loaded: &mut Loaded) -> Result<(), Error> {
    let origin = "the environment";
    let mut layer = Vec::new();
    for (name, value) in env.iter().filter(|(name, _)| name.starts_with("HOLDFAST_")) {
        if OTHER_VARIABLES.contains(&name.as_str()) {
            continue;
        }
        match keys::by_env(name) {
            Some((order, key)) => {
                layer.push(Given {
                    order,
                    key,
                    written: name.clone(),
                    value: value.clone(),
                });
            }
            // Not an error: Kubernetes sets HOLDFAST_SERVICE_HOST and its like in every pod beside
            // a service called holdfast.
            None => loaded.notices.push(Notice {
                key: name.clone(),
                message: "no key has this environment variable; it has no effect".to_owned(),
            }),
        }
    }
    apply(layer, origin, loaded)
}

fn load_flags(flags: &[Pair], loaded: &mut Loaded) -> Result<(), Error> {
    let origin = "the flags";
    let mut layer = Vec::new();
    for (name, value) in flags {
        layer.push(match keys::by_path(name) {
            Some((order, key)) => Given {
                order,
                key,
                written: name.clone(),
                value: value.clone(),
            },
            None => given_by_name(name.clone(), value.clone(), origin)?,
        });
    }
    apply(layer, origin, loaded)
}

fn given_by_name(name: String, value: String, origin: &str) -> Result<Given, Error> {
    let Some((order, key)) = keys::by_name(&name) else {
        let nearest = keys::nearest_name(&name).map(str::to_owned);
        return Err(Error::UnknownKey {
            key: name,
            origin: origin.to_owned(),
            nearest,
        });
    };
    Ok(Given {
        order,
        key,
        written: name,
        value,
    })
}

/// Applies one source. The sort is stable: of one key given twice the later wins, as in Java.
fn apply(mut layer: Vec<Given>, origin: &str, loaded: &mut Loaded) -> Result<(), Error> {
    layer.sort_by_key(|given| given.order);
    for given in layer {
        if let Some(notice) = apply_one(&mut loaded.config, &given, origin)? {
            loaded.notices.push(notice);
        }
    }
    Ok(())
}

fn apply_one(config: &mut Config, given: &Given, origin: &str) -> Result<Option<Notice>, Error> {
    let value = given.value.trim();
    match given.key.answer {
        Answer::Honoured(setting) => {
            (setting.apply)(config, value).map_err(|reason| Error::Value {
                key: given.written.clone(),
                origin: origin.to_owned(),
                reason,
            })?;
            Ok(None)
        }
        Answer::Notice => Ok(Some(Notice {
            key: given.written.clone(),
            message: given.key.text.to_owned(),
        })),
        Answer::Only(only) if value.eq_ignore_ascii_case(only) => Ok(None),
        // An empty value is Kafka's "none".
        Answer::Refused if value.is_empty() => Ok(None),
        Answer::Only(_) | Answer::Refused => Err(Error::Refused {
            key: given.written.clone(),
            value: value.to_owned(),
            origin: origin.to_owned(),
            text: given.key.text,
        }),
    }
}

/// The text of a configuration file, bounded.
pub(super) fn read(path: &Path) -> Result<String, Error> {
    if !path
        .extension()
        .is_some_and(|e| e == "toml" || e == "properties")
    {
        return Err(Error::Kind {
            path: path.to_owned(),
        });
    }
    let failed = |source| Error::Read {
        path: path.to_owned(),
        source,
    };
    let mut text = String::new();
    std::fs::File::open(path)
        .map_err(failed)?
        .take(FILE_BYTES + 1)
        .read_to_string(&mut text)
        .map_err(failed)?;
    if text.len() as u64 > FILE_BYTES {
        return Err(Error::TooLarge {
            path: path.to_owned(),
            limit: FILE_BYTES,
        });
    }
    Ok(text)
}

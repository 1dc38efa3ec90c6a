//! Settings in layers: default < configuration file < environment < flag.
//!
//! [`SETTINGS`] is the one table of what can be set. A key of the file that is not in it is an
//! error, because a misspelt limit that is silently ignored fills a disk months later.

use std::collections::BTreeMap;
use std::env;
use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use crate::error::{CliError, chain};
use crate::system::{UserFolder, user_folder};

/// One thing that can be set.
#[derive(Debug)]
pub(crate) struct Setting {
    /// The key in the file; the flag is `--KEY`, the variable `RUSTY_ATTACHMENTS_KEY`.
    pub(crate) key: &'static str,
    /// The default as a person would write it, or what stands for it.
    pub(crate) default: &'static str,
}

impl Setting {
    /// The environment variable that sets it.
    pub(crate) fn variable(&self) -> String {
        format!("RUSTY_ATTACHMENTS_{}", self.key.to_ascii_uppercase().replace('-', "_"))
    }
}

macro_rules! settings {
    ($($name:ident: $key:literal = $default:literal,)*) => {
        $(pub(crate) const $name: &Setting = &Setting { key: $key, default: $default };)*
        /// Every setting, in the order in which they are shown.
        pub(crate) const SETTINGS: &[&Setting] = &[$($name),*];
    };
}

settings! {
    STORE: "store" = "(none)",
    PROFILE: "profile" = "(the AWS default chain)",
    REGION: "region" = "(from the profile or environment)",
    ENDPOINT_URL: "endpoint-url" = "(AWS)",
    CACHE_DIR: "cache-dir" = "(the user's folder for caches)",
    CACHE_SIZE: "cache-size" = "20GiB",
    NO_CACHE: "no-cache" = "false",
    MEMORY: "memory" = "256MiB",
    VERIFY: "verify" = "on-complete",
    READ_TIMEOUT: "read-timeout" = "5m",
    THREADS: "threads" = "(by the number of processors)",
    ALLOW_OTHER: "allow-other" = "false",
    STATE_DIR: "state-dir" = "(the user's folder for state)",
    PROTECT_INPUTS: "protect-inputs" = "false",
    STRICT_NAMES: "strict-names" = "false",
    UPLOAD_ON_CLOSE: "upload-on-close" = "false",
    LOG_FILE: "log-file" = "(the user's folder for state, one file a mount point)",
    LOG_LEVEL: "log-level" = "info",
}

/// Where a value came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// An environment variable.
    Environment(String),
    /// The configuration file.
    File(PathBuf),
    /// Nobody set it.
    Default,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Environment(variable) => write!(f, "environment {variable}"),
            Self::File(path) => write!(f, "file {}", path.display()),
            Self::Default => f.write_str("default"),
        }
    }
}

/// The layers below the flags.
#[derive(Debug)]
pub(crate) struct Config {
    path: Option<PathBuf>,
    file: BTreeMap<&'static str, String>,
}

impl Config {
    /// Reads the configuration file: the one given, else the one that `RUSTY_ATTACHMENTS_CONFIG`
    /// names, else the user's, which alone need not exist.
    pub(crate) fn load(explicit: Option<PathBuf>) -> Result<Self, CliError> {
        let demanded = explicit.or_else(|| env::var_os("RUSTY_ATTACHMENTS_CONFIG").map(Into::into));
        let required = demanded.is_some();
        let Some(path) = demanded.or_else(default_file) else {
            return Ok(Self { path: None, file: BTreeMap::new() });
        };
        match fs::read_to_string(&path) {
            Ok(text) => {
                let file = parse_file(&path, &text)?;
                Ok(Self { path: Some(path), file })
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound && !required => {
                Ok(Self { path: None, file: BTreeMap::new() })
            }
            Err(error) => Err(CliError::usage(
                format!("read the configuration file '{}'", path.display()),
                chain(&error),
            )),
        }
    }

    /// The file that was read, if there is one.
    pub(crate) fn path(&self) -> Option<&Path> {
        self.path.as_deref()
    }

    /// What a setting is without its flag, and who set it.
    pub(crate) fn text(&self, setting: &Setting) -> (String, Origin) {
        let variable = setting.variable();
        if let Some(value) = env::var_os(&variable).filter(|value| !value.is_empty()) {
            return (value.to_string_lossy().into_owned(), Origin::Environment(variable));
        }
        match (self.file.get(setting.key), &self.path) {
            (Some(value), Some(path)) => (value.clone(), Origin::File(path.clone())),
            _ => (setting.default.to_owned(), Origin::Default),
        }
    }

    /// A setting's value: the flag, else the environment, else the file; `None` if nobody set it.
    pub(crate) fn optional<T>(
        &self,
        setting: &Setting,
        flag: Option<T>,
    ) -> Result<Option<T>, CliError>
    where
        T: FromStr,
        T::Err: fmt::Display,
    {
        if flag.is_some() {
            return Ok(flag);
        }
        let (text, origin) = self.text(setting);
        if origin == Origin::Default {
            return Ok(None);
        }
        parse(setting, &text, &origin).map(Some)
    }

    /// A setting's value, or its default. Only for settings whose default can be parsed.
    pub(crate) fn value<T>(&self, setting: &Setting, flag: Option<T>) -> Result<T, CliError>
    where
        T: FromStr,
        T::Err: fmt::Display,
    {
        match self.optional(setting, flag)? {
            Some(value) => Ok(value),
            None => parse(setting, setting.default, &Origin::Default),
        }
    }
}

fn parse<T>(setting: &Setting, text: &str, origin: &Origin) -> Result<T, CliError>
where
    T: FromStr,
    T::Err: fmt::Display,
{
    text.parse().map_err(|error: T::Err| {
        CliError::usage(
            format!("use the setting '{}' from {origin}", setting.key),
            error.to_string(),
        )
    })
}

/// `config.toml` in the user's folder for settings.
fn default_file() -> Option<PathBuf> {
    Some(user_folder(UserFolder::Config)?.join("config.toml"))
}

fn parse_file(path: &Path, text: &str) -> Result<BTreeMap<&'static str, String>, CliError> {
    let action = || format!("use the configuration file '{}'", path.display());
    let table: toml::Table =
        text.parse().map_err(|error| CliError::usage(action(), chain(&error)))?;
    let mut file = BTreeMap::new();
    for (key, value) in table {
        let Some(setting) = SETTINGS.iter().find(|setting| setting.key == key) else {
            let error = CliError::usage(action(), format!("it has no setting '{key}'"));
            return Err(error.advise(suggestion(&key)));
        };
        let text = match value {
            toml::Value::String(text) => text,
            toml::Value::Integer(number) => number.to_string(),
            toml::Value::Boolean(switch) => switch.to_string(),
            _ => {
                let reason = format!("'{key}' must be a string, a number or a boolean");
                return Err(CliError::usage(action(), reason));
            }
        };
        file.insert(setting.key, text);
    }
    Ok(file)
}

/// What someone who wrote `key` may have meant.
fn suggestion(key: &str) -> String {
    let spelt = key.to_ascii_lowercase().replace('_', "-");
    let nearest = SETTINGS
        .iter()
        .map(|setting| (strsim::damerau_levenshtein(&spelt, setting.key), setting.key))
        .min();
    match nearest {
        Some((distance, near)) if distance <= 3 => format!("Did you mean '{near}'?"),
        _ => "'rusty-attachments config show' lists all settings.".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error_of(text: &str) -> String {
        parse_file(Path::new("c.toml"), text).unwrap_err().to_string()
    }

    #[test]
    fn unknown_keys_are_refused_with_a_suggestion() {
        assert!(error_of("cache_sise = 1").ends_with("Did you mean 'cache-size'?"));
        assert!(error_of("zzzzzzzzzzzz = 1").ends_with("lists all settings."));
        assert!(error_of("store = [1]").contains("'store' must be"));
        assert!(error_of("store = ").starts_with("cannot use the configuration file 'c.toml': "));
        assert_eq!(error_of("store = ").lines().count(), 1);
    }

    #[test]
    fn values_of_every_type_are_text() {
        let file = parse_file(Path::new("c"), "threads = 4\nno-cache = true\nstore = 's'").unwrap();
        let pairs: Vec<_> = file.iter().map(|(key, value)| (*key, value.as_str())).collect();
        assert_eq!(pairs, [("no-cache", "true"), ("store", "s"), ("threads", "4")]);
    }

    #[test]
    fn a_flag_wins_over_the_file_and_a_bad_value_names_its_origin() {
        let file = BTreeMap::from([(MEMORY.key, "much".to_owned())]);
        let config = Config { path: Some("c.toml".into()), file };
        assert_eq!(config.value(MEMORY, Some(7)).unwrap(), 7);
        let error = config.value::<u64>(MEMORY, None).unwrap_err().to_string();
        assert!(error.starts_with("cannot use the setting 'memory' from file c.toml: "), "{error}");
        assert_eq!(config.optional::<u64>(THREADS, None).unwrap(), None);
    }
}

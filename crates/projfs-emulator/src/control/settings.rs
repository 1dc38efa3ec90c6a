//! Knobs as text: `strict=false`, `closes.held=true`, `compare=LegacyLower`.

use serde_json::Value;

use crate::knobs::Knobs;

/// A setting that is none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UnknownSetting {
    /// Not of the form.
    #[error("'{0}' is no setting: write KEY=VALUE, such as strict=false")]
    NoValue(String),
    /// There is no such knob.
    #[error("there is no knob '{key}'; there are: {known}")]
    Key {
        /// As it was written.
        key: String,
        /// All of them.
        known: String,
    },
    /// The knob has no such value.
    #[error("knob '{key}' cannot be '{value}': {reason}")]
    Value {
        /// The knob.
        key: String,
        /// As it was written.
        value: String,
        /// What is wrong.
        reason: String,
    },
}

/// These knobs with one of them changed, as `KEY=VALUE` says. Knobs in groups are written with a
/// dot; choices as they are named in [`crate::knobs`]; none is `null`.
///
/// # Errors
/// When there is no such knob or value.
pub fn changed(knobs: &Knobs, setting: &str) -> Result<Knobs, UnknownSetting> {
    let no_value = || UnknownSetting::NoValue(setting.to_owned());
    let (key, value) = setting.split_once('=').ok_or_else(no_value)?;
    let mut all = serde_json::to_value(knobs).map_err(|_| no_value())?;
    let pointer = format!("/{}", key.replace('.', "/"));
    let Some(slot) = all.pointer_mut(&pointer) else {
        let known = shown(knobs).into_iter().map(|(key, _)| key).collect::<Vec<_>>().join(", ");
        return Err(UnknownSetting::Key { key: key.to_owned(), known });
    };
    // What is no number, truth value or null is the name of a choice.
    *slot = serde_json::from_str(value).unwrap_or_else(|_| Value::String(value.to_owned()));
    serde_json::from_value(all).map_err(|error| UnknownSetting::Value {
        key: key.to_owned(),
        value: value.to_owned(),
        reason: error.to_string(),
    })
}

/// All knobs and their values, as [`changed`] takes them.
#[must_use]
pub fn shown(knobs: &Knobs) -> Vec<(String, String)> {
    let mut lines = Vec::new();
    flatten("", &serde_json::to_value(knobs).unwrap_or_default(), &mut lines);
    lines
}

fn flatten(prefix: &str, value: &Value, lines: &mut Vec<(String, String)>) {
    match value {
        Value::Object(group) => {
            for (key, value) in group {
                let dot = if prefix.is_empty() { "" } else { "." };
                flatten(&format!("{prefix}{dot}{key}"), value, lines);
            }
        }
        Value::String(text) => lines.push((prefix.to_owned(), text.clone())),
        other => lines.push((prefix.to_owned(), other.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::knobs::{Compare, Expression};

    #[test]
    fn settings_of_all_kinds_are_understood() {
        let mut knobs = Knobs::default();
        for setting in [
            "strict=false",
            "compare=LegacyLower",
            "entry_limit=1",
            "closes.held=true",
            "expression=Null",
            "command_limit_ms=250",
        ] {
            knobs = changed(&knobs, setting).unwrap();
        }
        assert!(!knobs.strict && knobs.closes.held);
        assert_eq!((knobs.compare, knobs.expression), (Compare::LegacyLower, Expression::Null));
        assert_eq!((knobs.entry_limit, knobs.command_limit_ms), (Some(1), Some(250)));
        assert_eq!(changed(&knobs, "entry_limit=null").unwrap().entry_limit, None);
    }

    #[test]
    fn what_is_shown_can_be_set() {
        let knobs = Knobs { strict: false, entry_limit: Some(3), ..Knobs::default() };
        let mut set = Knobs::default();
        for (key, value) in shown(&knobs) {
            set = changed(&set, &format!("{key}={value}")).unwrap();
        }
        assert_eq!(set, knobs);
    }

    #[test]
    fn mistakes_are_explained() {
        let error = changed(&Knobs::default(), "strikt=false").unwrap_err().to_string();
        assert!(error.contains("strikt") && error.contains("closes.held"), "{error}");
        let error = changed(&Knobs::default(), "compare=Sideways").unwrap_err().to_string();
        assert!(error.contains("Sideways") && error.contains("LegacyLower"), "{error}");
        let error = changed(&Knobs::default(), "strict").unwrap_err().to_string();
        assert!(error.contains("KEY=VALUE"), "{error}");
    }
}

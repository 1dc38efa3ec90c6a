//! Where Deadline Cloud looks for a job's outputs (`deadline.md` 3).

use std::fmt::Write as _;
use std::time::SystemTime;

use rusty_attachments_model::output_manifest_name;
use rusty_attachments_storage::cas;
use time::OffsetDateTime;

use super::error::ExportError;

/// Which task an output manifest belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutputPlace {
    /// The job's root path, as the submitter spelled it.
    pub asset_root: String,
    /// The name of the file system location that the root lies in, if it has one.
    pub file_system_location_name: Option<String>,
    /// `farm-…`
    pub farm: String,
    /// `queue-…`
    pub queue: String,
    /// `job-…`
    pub job: String,
    /// `step-…`
    pub step: String,
    /// `task-…`; none for the chunked steps that have no tasks.
    pub task: Option<String>,
    /// `sessionaction-…`
    pub session_action: String,
    /// When the session action began.
    pub started: SystemTime,
}

impl OutputPlace {
    /// The key of the manifest.
    ///
    /// # Errors
    /// [`ExportError::Place`] if an id is no plain name.
    pub fn key(&self) -> Result<String, ExportError> {
        let mut path = String::new();
        let ids = [
            ("farm", Some(&self.farm)),
            ("queue", Some(&self.queue)),
            ("job", Some(&self.job)),
            ("step", Some(&self.step)),
            ("task", self.task.as_ref()),
            ("session action", Some(&self.session_action)),
        ];
        for (what, id) in ids {
            let Some(id) = id else { continue };
            let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
            if id.is_empty() || !id.bytes().all(plain) {
                let reason = "an id holds letters, digits, '-' and '_' only";
                return Err(ExportError::Place { place: format!("{what} '{id}'"), reason });
            }
            // Readers look for these words in the key.
            let named = match what {
                "step" => id.starts_with("step-"),
                "task" => id.starts_with("task-"),
                _ => true,
            };
            if !named {
                let reason = "official tools find outputs by 'step-' and 'task-' before the ids";
                return Err(ExportError::Place { place: format!("{what} '{id}'"), reason });
            }
            if what == "session action" {
                path.push_str(&timestamp(self.started));
                path.push('_');
            }
            path.push_str(id);
            path.push('/');
        }
        let location = self.file_system_location_name.as_deref();
        path.push_str(&output_manifest_name(location, &self.asset_root));
        Ok(cas::manifest_key(&path))
    }

    /// The metadata without which official readers refuse the manifest.
    ///
    /// # Errors
    /// [`ExportError::Place`] if the location's name is no plain ASCII, or the root is empty.
    pub fn metadata(&self) -> Result<Vec<(String, String)>, ExportError> {
        let entry = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        if self.asset_root.is_empty() {
            let reason = "it must name the job's root path";
            return Err(ExportError::Place { place: "asset root".to_owned(), reason });
        }
        let mut metadata = if survives_as_header(&self.asset_root) {
            vec![entry("asset-root", &self.asset_root)]
        } else {
            let json = json_text(&self.asset_root);
            vec![entry("asset-root", &json), entry("asset-root-json", &json)]
        };
        if let Some(location) = &self.file_system_location_name {
            if !survives_as_header(location) {
                let place = format!("file system location '{location}'");
                return Err(ExportError::Place { place, reason: "its name must be plain ASCII" });
            }
            metadata.push(entry("file-system-location-name", location));
        }
        Ok(metadata)
    }
}

/// Whether a text comes out of an HTTP header as it went in.
fn survives_as_header(text: &str) -> bool {
    !text.is_empty() && text.trim() == text && text.bytes().all(|byte| matches!(byte, b' '..=b'~'))
}

/// A JSON string as Python writes it: printable ASCII only.
fn json_text(text: &str) -> String {
    let mut json = String::new();
    for unit in serde_json::Value::from(text).to_string().encode_utf16() {
        match u8::try_from(unit) {
            Ok(byte @ b' '..=b'~') => json.push(char::from(byte)),
            _ => {
                let _ = write!(json, "\\u{unit:04x}");
            }
        }
    }
    json
}

/// UTC with microseconds: `2025-05-22T22:17:03.409012Z`.
fn timestamp(time: SystemTime) -> String {
    let utc = OffsetDateTime::from(time);
    format!(
        "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:06}Z",
        utc.year(),
        u8::from(utc.month()),
        utc.day(),
        utc.hour(),
        utc.minute(),
        utc.second(),
        utc.microsecond()
    )
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;

    fn place() -> OutputPlace {
        OutputPlace {
            asset_root: "/mnt/job".to_owned(),
            file_system_location_name: None,
            farm: "farm-1".to_owned(),
            queue: "queue-2".to_owned(),
            job: "job-3".to_owned(),
            step: "step-4".to_owned(),
            task: Some("task-4-0".to_owned()),
            session_action: "sessionaction-5-1".to_owned(),
            started: UNIX_EPOCH + Duration::from_micros(1_747_952_223_409_012),
        }
    }

    #[test]
    fn keys_have_the_official_layout() {
        let name = rusty_attachments_model::ContentHash::of(b"/mnt/job");
        assert_eq!(
            place().key().unwrap(),
            format!(
                "Manifests/farm-1/queue-2/job-3/step-4/task-4-0/\
                 2025-05-22T22:17:03.409012Z_sessionaction-5-1/{name}_output"
            )
        );
        let chunked = OutputPlace { task: None, started: UNIX_EPOCH, ..place() };
        let key = chunked.key().unwrap();
        let expected = "/step-4/1970-01-01T00:00:00.000000Z_sessionaction-5-1/";
        assert!(key.contains(expected), "{key}");
        let location = Some("Projects".to_owned());
        let located = OutputPlace { file_system_location_name: location, ..place() };
        let name = rusty_attachments_model::ContentHash::of(b"Projects/mnt/job");
        assert!(located.key().unwrap().ends_with(&format!("{name}_output")));
    }

    #[test]
    fn ids_that_would_move_the_key_are_refused() {
        for id in ["", "..", "a/b", "a b", "\u{e9}"] {
            let error = OutputPlace { job: id.to_owned(), ..place() }.key().unwrap_err();
            assert!(error.to_string().contains(&format!("job '{id}'")), "{error}");
        }
        let unseen = OutputPlace { step: "4".to_owned(), ..place() };
        assert!(unseen.key().unwrap_err().to_string().contains("'step-'"));
    }

    #[test]
    fn roots_that_no_header_carries_go_as_json_too() {
        let plain = [("asset-root".to_owned(), "/mnt/job".to_owned())];
        assert_eq!(place().metadata().unwrap(), plain);
        for (root, json) in [
            ("/caf\u{e9}/\u{1F600}", r#""/caf\u00e9/\ud83d\ude00""#),
            ("C:\\a\u{7f}\n\"", r#""C:\\a\u007f\n\"""#),
            ("/ends in a space ", r#""/ends in a space ""#),
        ] {
            let place = OutputPlace { asset_root: root.to_owned(), ..place() };
            let metadata = place.metadata().unwrap();
            let value = |name: &str| metadata.iter().find(|entry| entry.0 == name).unwrap();
            assert_eq!(value("asset-root-json").1, json);
            assert_eq!(value("asset-root").1, json);
        }
        let location = Some("\u{e9}".to_owned());
        let place = OutputPlace { file_system_location_name: location, ..place() };
        assert!(place.metadata().is_err());
        assert!(OutputPlace { asset_root: String::new(), ..place }.metadata().is_err());
    }
}

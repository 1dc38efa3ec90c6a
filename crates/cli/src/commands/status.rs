//! `status`: our mounts, and what each says of itself.
//!
//! A mount that hangs also hangs whoever asks it, beyond the reach of a timeout in the same
//! process. So every mount is asked by a child of its own, which is left behind if need be.

use std::env;
use std::io::Read;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use serde::Serialize;
use serde_json::Value;

use crate::app::Context;
use crate::args::values::{ByteSize, TimeSpan, grouped};
use crate::args::{ProbeArgs, StatusArgs};
use crate::error::{CliError, Exit};
use crate::front_end::{self, Listed};
use crate::system::{command_line, kill_command};

/// How long a mount may take to answer, unless told otherwise: it answers from memory.
const PATIENCE: Duration = Duration::from_secs(3);

#[derive(Debug, Serialize)]
struct StatusRecord {
    mount_point: String,
    source: String,
    state: &'static str,
    /// The mount's own words.
    report: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    /// The command that clears a mount that serves nobody.
    #[serde(skip_serializing_if = "Option::is_none")]
    fix: Option<String>,
}

/// Runs the command.
pub(crate) fn run(context: &Context, args: &StatusArgs) -> Result<Exit, CliError> {
    let patience = args.timeout.map_or(PATIENCE, |TimeSpan(time)| time);
    let mounts = front_end::list()?;
    let deadline = Instant::now() + patience;
    let questions: Vec<_> = mounts.iter().map(Question::ask).collect();
    for (mount, question) in mounts.iter().zip(questions) {
        let record = describe(mount, question, deadline);
        context.output.result(text_of(&record), "status/1", &record)?;
    }
    if mounts.is_empty() && !context.output.is_json() {
        context.output.line("nothing is mounted")?;
    }
    Ok(Exit::Success)
}

/// The hidden command that a child runs: asks one mount, and prints its answer.
pub(crate) fn probe(context: &Context, args: &ProbeArgs) -> Result<Exit, CliError> {
    context.output.line(front_end::report(&args.mount_point)?)?;
    Ok(Exit::Success)
}

/// A child that asks one mount.
struct Question {
    child: Child,
    answer: mpsc::Receiver<(String, String)>,
}

impl Question {
    /// `None` for a mount that cannot answer.
    fn ask(mount: &Listed) -> Option<Result<Self, std::io::Error>> {
        (!mount.stale).then(|| Self::start(&mount.mount_point))
    }

    fn start(mount_point: &Path) -> Result<Self, std::io::Error> {
        let mut child = Command::new(env::current_exe()?)
            .arg("probe-mount")
            .arg(mount_point)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
        let (sender, answer) = mpsc::channel();
        thread::spawn(move || {
            let (mut out, mut err) = (String::new(), String::new());
            let _ = stdout.map(|mut pipe| pipe.read_to_string(&mut out));
            let _ = stderr.map(|mut pipe| pipe.read_to_string(&mut err));
            let _ = sender.send((out, err));
        });
        Ok(Self { child, answer })
    }

    fn answer(mut self, deadline: Instant) -> Answer {
        let left = deadline.saturating_duration_since(Instant::now());
        match self.answer.recv_timeout(left) {
            Ok((out, err)) => {
                let status = self.child.wait().ok().and_then(|status| status.code());
                match serde_json::from_str(&out) {
                    Ok(report) => Answer::Report(report),
                    Err(_) if status == Some(i32::from(Exit::Environment.code())) => Answer::Gone,
                    Err(_) => Answer::Refused(err.trim().to_owned()),
                }
            }
            Err(_) => {
                // Not waited for: while the mount hangs, not even a kill ends its asker.
                let _ = self.child.kill();
                Answer::Silent
            }
        }
    }
}

enum Answer {
    Report(Value),
    /// The mount's process is not there.
    Gone,
    Refused(String),
    Silent,
}

fn describe(
    mount: &Listed,
    question: Option<Result<Question, std::io::Error>>,
    deadline: Instant,
) -> StatusRecord {
    let mut record = StatusRecord {
        mount_point: mount.mount_point.to_string_lossy().into_owned(),
        source: mount.source.clone(),
        state: "serving",
        report: None,
        reason: None,
        fix: None,
    };
    let clear = || command_line("unmount", &mount.mount_point);
    let answer = match question {
        None => Answer::Gone,
        Some(Err(error)) => Answer::Refused(error.to_string()),
        Some(Ok(question)) => question.answer(deadline),
    };
    match answer {
        Answer::Report(report) => record.report = Some(report),
        Answer::Gone => {
            record.state = "stale";
            record.reason = Some("its process is gone".to_owned());
            record.fix = Some(clear());
        }
        Answer::Refused(reason) => {
            record.state = "unknown";
            record.reason = Some(reason);
        }
        Answer::Silent => {
            record.state = "silent";
            record.reason = Some("it does not answer in time".to_owned());
            record.fix = Some(match mount.pid {
                Some(pid) => kill_command(pid),
                None => format!("{} --lazy", clear()),
            });
        }
    }
    record
}

fn text_of(record: &StatusRecord) -> String {
    let StatusRecord { mount_point, source, state, .. } = record;
    let mut text = format!("{mount_point}  {state}  ({source})");
    if let Some(report) = &record.report {
        text.push_str(&report_text(report));
    }
    if let Some(reason) = &record.reason {
        text.push_str(&format!("\n    {reason}"));
    }
    if let Some(fix) = &record.fix {
        text.push_str(&format!("\n    clear it: {fix}"));
    }
    text
}

/// The numbers that people look for. A report of another version may lack any of them.
fn report_text(report: &Value) -> String {
    let report = Report(report);
    let is_projfs = report.0.get("counts").is_some();
    if is_projfs { report.projfs_text() } else { report.volume_text() }
}

/// A mount's own words.
struct Report<'a>(&'a Value);

impl Report<'_> {
    fn number(&self, pointer: &str) -> u64 {
        self.0.pointer(pointer).and_then(Value::as_u64).unwrap_or(0)
    }

    fn count(&self, pointer: &str) -> String {
        grouped(self.number(pointer))
    }

    fn size(&self, pointer: &str) -> ByteSize {
        ByteSize(self.number(pointer))
    }

    fn volume_text(&self) -> String {
        let mut text = format!(
            "\n    process {}, up {} s; {} entries, {}\n    from the store {} in {} requests, from the disk cache {}, from \
             memory {}; memory {} of {}",
            self.number("/pid"),
            self.number("/uptime_s"),
            self.count("/nodes"),
            self.size("/bytes"),
            self.size("/stats/store_bytes"),
            self.count("/stats/store_requests"),
            self.size("/stats/disk_bytes"),
            self.size("/stats/pool_bytes"),
            self.size("/memory_used_bytes"),
            self.size("/memory_budget_bytes"),
        );
        for (pointer, what) in [
            ("/stats/failed_reads", "failed reads"),
            ("/stats/store_failures", "failed requests"),
            ("/stats/corrupt_objects", "corrupt objects"),
        ] {
            if self.number(pointer) > 0 {
                text.push_str(&format!("\n    {} {what}", self.count(pointer)));
            }
        }
        text
    }

    fn projfs_text(&self) -> String {
        let files = |state: &str| {
            let count = self.count(&format!("/counts/{state}_files"));
            format!("{count} {state} ({})", self.size(&format!("/counts/{state}_bytes")))
        };
        let uploads = match self.0.get("uploads") {
            Some(_) => format!(
                "\n    uploaded {} objects ({}) of written files, {} pending",
                self.count("/uploads/objects_uploaded"),
                self.size("/uploads/bytes_uploaded"),
                self.count("/uploads/pending"),
            ),
            None => String::new(),
        };
        let text = format!(
            "\n    process {}, up {} s; {}, {}, {}, {} dirty ({})\n    from the store {}, from the \
             disk cache {}, from memory {}, written into files {}; {} commands pending, {} \
             enumerations open, {} hints queued",
            self.number("/pid"),
            self.number("/volume/uptime_s"),
            files("virtual"),
            files("placeholder"),
            files("hydrated"),
            self.count("/counts/dirty_paths"),
            self.size("/counts/dirty_bytes"),
            self.size("/stats/store_bytes"),
            self.size("/stats/disk_bytes"),
            self.size("/stats/memory_bytes"),
            self.size("/stats/hydrated_bytes"),
            self.count("/stats/pending_commands"),
            self.count("/stats/enumerations"),
            self.count("/stats/queued_hints"),
        );
        text + &uploads
    }
}

//! Who makes a request of the kernel, and whether they still want it (projfs.md K15, L5).
//!
//! Nothing is remembered: a process changes its program between two requests, and thread numbers
//! are used again.

use std::path::Path;
use std::time::Duration;

use crate::contract::Wide;
use crate::link::Process;

/// How long an operation may take before somebody looks after its caller, and how often then.
const GLANCE: Duration = Duration::from_millis(50);

/// Signals that tell a process something without asking it to give up: CHLD, CONT, STOP, TSTP,
/// TTIN, TTOU, URG, WINCH.
const HARMLESS: u64 = signal(17)
    | signal(18)
    | signal(19)
    | signal(20)
    | signal(21)
    | signal(22)
    | signal(23)
    | signal(28);

const fn signal(number: u32) -> u64 {
    1 << (number - 1)
}

/// The device that all programs are on.
const DEVICE: &str = r"\Device\HarddiskVolume1";

/// The thread behind a request. 0: the kernel itself, such as when it writes mapped pages back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Caller(pub(crate) u32);

impl Caller {
    /// Its process and program. One that is gone, or unknown, has no program.
    pub(crate) fn process(self) -> Process {
        if self.0 == 0 {
            return Process::default();
        }
        let id = self.status().and_then(|status| status.process).unwrap_or(self.0);
        Process { id, image: image(id) }
    }

    /// Ends when nobody wants the request's answer any more: the thread is gone, or waits in vain
    /// with a signal at hand that would end it or be handled.
    pub(crate) async fn gave_up(self) {
        loop {
            tokio::time::sleep(GLANCE).await;
            if self.0 != 0 && self.status().is_none_or(|status| status.gives_up()) {
                return;
            }
        }
    }

    fn status(self) -> Option<Status> {
        let text = std::fs::read_to_string(format!("/proc/{}/status", self.0)).ok()?;
        Some(Status::parse(&text))
    }
}

/// The program of a process, as an NT device path; empty if it cannot be told.
pub(crate) fn image(process: u32) -> Wide {
    let Ok(program) = std::fs::read_link(format!("/proc/{process}/exe")) else {
        return Wide::default();
    };
    let short = std::fs::read_to_string(format!("/proc/{process}/comm")).unwrap_or_default();
    device_path(&program, short.trim_end()).as_str().into()
}

/// Programs under Wine all run in its loader, which gives the process the name of theirs; cut off
/// after 15 bytes, and without its folder.
fn device_path(program: &Path, short: &str) -> String {
    let leaf = program.file_name().unwrap_or_default();
    if leaf.as_encoded_bytes().starts_with(b"wine") && !short.is_empty() {
        return format!(r"{DEVICE}\{short}");
    }
    format!("{DEVICE}{}", program.to_string_lossy().replace('/', r"\"))
}

/// What `/proc/TID/status` says.
#[derive(Debug, Default, PartialEq, Eq)]
struct Status {
    process: Option<u32>,
    /// A thread that has ended and is only still listed.
    dead: bool,
    pending: u64,
    blocked: u64,
    ignored: u64,
}

impl Status {
    fn parse(text: &str) -> Self {
        let mut status = Self::default();
        for (key, value) in text.lines().filter_map(|line| line.split_once(':')) {
            let value = value.trim();
            let mask = || u64::from_str_radix(value, 16).unwrap_or_default();
            match key {
                "Tgid" => status.process = value.parse().ok(),
                "State" => status.dead = value.starts_with(['Z', 'X']),
                "SigPnd" | "ShdPnd" => status.pending |= mask(),
                "SigBlk" => status.blocked = mask(),
                "SigIgn" => status.ignored = mask(),
                _ => {}
            }
        }
        status
    }

    const fn gives_up(&self) -> bool {
        self.dead || self.pending & !self.blocked & !self.ignored & !HARMLESS != 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_thread_belongs_to_this_process() {
        let thread = rustix::thread::gettid().as_raw_nonzero().get().cast_unsigned();
        let process = Caller(thread).process();
        assert_eq!(process.id, std::process::id());
        let program = std::env::current_exe().unwrap();
        let leaf = program.file_name().unwrap().to_str().unwrap();
        let image = process.image.to_string();
        assert!(image.starts_with(r"\Device\HarddiskVolume1\"), "{image}");
        assert!(image.ends_with(&format!(r"\{leaf}")), "{image}");
    }

    #[test]
    fn programs_under_wine_have_their_own_name() {
        let path = |program: &str, short| device_path(Path::new(program), short);
        assert_eq!(path("/usr/bin/cat", "cat"), r"\Device\HarddiskVolume1\usr\bin\cat");
        let loader = "/usr/lib/wine/wine64-preloader";
        assert_eq!(path(loader, "notepad.exe"), r"\Device\HarddiskVolume1\notepad.exe");
    }

    #[test]
    fn the_kernel_itself_is_nobody() {
        assert_eq!(Caller(0).process(), Process::default());
    }

    #[test]
    fn only_signals_that_end_or_are_handled_count() {
        let with = |pending: u64, blocked: u64, ignored: u64| Status {
            pending,
            blocked,
            ignored,
            ..Status::default()
        };
        let (kill, interrupt, child) = (signal(9), signal(2), signal(17));
        assert!(with(kill, 0, 0).gives_up());
        assert!(with(interrupt, 0, 0).gives_up());
        assert!(!with(interrupt, interrupt, 0).gives_up());
        assert!(!with(interrupt, 0, interrupt).gives_up());
        assert!(!with(child, 0, 0).gives_up());
        assert!(!with(0, 0, 0).gives_up());
        assert!(Status { dead: true, ..Status::default() }.gives_up());
    }

    #[test]
    fn the_status_file_is_understood() {
        let text = "Name:\tcat\nState:\tD (disk sleep)\nTgid:\t12\nPid:\t13\n\
                    SigPnd:\t0000000000000100\nShdPnd:\t0000000000000002\n\
                    SigBlk:\t0000000000010000\nSigIgn:\t0000000000001000\n";
        let expected = Status {
            process: Some(12),
            dead: false,
            pending: 0x102,
            blocked: 0x1_0000,
            ignored: 0x1000,
        };
        assert_eq!(Status::parse(text), expected);
    }
}

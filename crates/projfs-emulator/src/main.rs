//! `projfs-emulator`: the daemon, and small commands for tests and people who watch one.

#[cfg(target_os = "linux")]
mod command_line;

#[cfg(target_os = "linux")]
fn main() -> std::process::ExitCode {
    command_line::run()
}

#[cfg(not(target_os = "linux"))]
#[expect(clippy::print_stderr, reason = "a program tells its user")]
fn main() -> std::process::ExitCode {
    eprintln!("projfs-emulator runs on Linux; on Windows there is ProjFS itself");
    std::process::ExitCode::FAILURE
}

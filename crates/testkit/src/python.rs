//! The official Python packages, and the S3 server that they are tried against.
//!
//! [`OfficialPython`] keeps one venv beside the build's output, made on first use and shared by all
//! test programs. [`MotoServer`] is a `moto_server` process on a free loopback port, with the kind
//! of AWS profile that a worker agent writes. Both refuse to touch the caller's HOME or AWS
//! settings, and to talk to anything but loopback and the package index.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, Stdio};
use std::thread;

use tempfile::TempDir;

/// Pinned, so that a new release of theirs is a decision and not a surprise.
const REQUIREMENTS: [&str; 4] = [
    "deadline==0.60.10",
    "deadline-job-attachments==0.1.5",
    "boto3==1.44.5",
    "moto[server]==5.2.5",
];

/// What the caller's environment must not say to the commands of a test.
const INHERITED: [&str; 9] = [
    "AWS_ACCESS_KEY_ID",
    "AWS_CA_BUNDLE",
    "AWS_DEFAULT_REGION",
    "AWS_REGION",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "XDG_CACHE_HOME",
    "XDG_CONFIG_HOME",
    "XDG_STATE_HOME",
];

/// The bucket region of every test.
const REGION: &str = "us-west-2";

/// A venv with the official packages.
#[derive(Clone, Debug)]
pub struct OfficialPython {
    venv: PathBuf,
}

impl OfficialPython {
    /// Makes the venv if it is not there yet. Test programs that ask at the same time wait for the
    /// first one, about half a minute.
    ///
    /// # Errors
    /// If Python 3 with `venv` is missing or the packages cannot be installed.
    pub fn install() -> io::Result<Self> {
        let venv = output_folder()?.join("official-python");
        fs::create_dir_all(&venv)?;
        let lock = File::create(venv.join("lock"))?;
        lock.lock()?;
        let stamp = venv.join("requirements");
        let wanted = REQUIREMENTS.join("\n");
        if fs::read_to_string(&stamp).ok().as_deref() != Some(&wanted) {
            run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(venv.join("venv")))?;
            run(Command::new(venv.join("venv/bin/python"))
                .args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"])
                .args(REQUIREMENTS))?;
            fs::write(stamp, wanted)?;
        }
        Ok(Self { venv: venv.join("venv") })
    }

    /// A program of the venv: `python`, `deadline`, `moto_server`.
    #[must_use]
    pub fn program(&self, name: &str) -> PathBuf {
        self.venv.join("bin").join(name)
    }
}

/// `target/`, found from `target/debug/deps/test-program`.
fn output_folder() -> io::Result<PathBuf> {
    let program = std::env::current_exe()?;
    let folder = program.ancestors().find(|path| path.ends_with("deps")).and_then(Path::parent);
    let folder = folder.and_then(Path::parent).map(Path::to_owned);
    folder.ok_or_else(|| io::Error::other(format!("{} is no test of cargo's", program.display())))
}

/// Runs a command to its end.
///
/// # Errors
/// With what it wrote to stderr, if it fails.
pub fn run(command: &mut Command) -> io::Result<Vec<u8>> {
    let output = command.stdin(Stdio::null()).output()?;
    if output.status.success() {
        return Ok(output.stdout);
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(io::Error::other(format!("{command:?} ended with {}:\n{said}", output.status)))
}

/// A running `moto_server`; dropped, it ends.
#[derive(Debug)]
pub struct MotoServer {
    process: Child,
    endpoint: String,
    home: TempDir,
}

impl MotoServer {
    /// Starts the server and waits until it listens.
    ///
    /// # Errors
    /// If it does not start.
    pub fn start(python: &OfficialPython) -> io::Result<Self> {
        let home = TempDir::new()?;
        write_profile(home.path())?;
        let mut command = Command::new(python.program("moto_server"));
        command.args(["-H", "127.0.0.1", "-p", "0"]).env("HOME", home.path());
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut server = Self { process: command.spawn()?, endpoint: String::new(), home };
        let stderr = server.process.stderr.take();
        let stderr = stderr.ok_or_else(|| io::Error::other("moto_server has no stderr"))?;
        server.endpoint = announced_address(stderr)?;
        Ok(server)
    }

    /// Its address, `http://127.0.0.1:PORT`.
    #[must_use]
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// Lets a command meet this server as a worker's tools meet AWS: by a profile whose credentials
    /// come from a `credential_process`, and with a HOME of its own.
    pub fn configure(&self, command: &mut Command) {
        let home = self.home.path();
        for name in INHERITED {
            command.env_remove(name);
        }
        command
            .env("HOME", home)
            .env("AWS_CONFIG_FILE", home.join("aws/config"))
            .env("AWS_SHARED_CREDENTIALS_FILE", home.join("aws/credentials"))
            .env("AWS_PROFILE", "queue")
            .env("AWS_ENDPOINT_URL", &self.endpoint)
            .env("AWS_EC2_METADATA_DISABLED", "true")
            .env("DEADLINE_CLOUD_TELEMETRY_OPT_OUT", "true")
            .env("DEADLINE_CONFIG_FILE_PATH", home.join("deadline.ini"));
    }
}

impl Drop for MotoServer {
    fn drop(&mut self) {
        // It may have ended by itself; either way nothing is left to be done about it.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The address that werkzeug prints once it listens. What it prints later is thrown away, so that
/// it never waits for a reader.
fn announced_address(stderr: ChildStderr) -> io::Result<String> {
    let mut lines = BufReader::new(stderr).lines();
    let mut said = String::new();
    for line in &mut lines {
        let line = line?;
        if let Some((_, address)) = line.split_once("Running on ") {
            let address = address.trim().to_owned();
            thread::spawn(move || lines.for_each(drop));
            return Ok(address);
        }
        said.push_str(&line);
        said.push('\n');
    }
    Err(io::Error::other(format!("moto_server did not start:\n{said}")))
}

/// Profile, `credential_process` and its script, as `deadline.md` 6 has them on a worker.
fn write_profile(home: &Path) -> io::Result<()> {
    let aws = home.join("aws");
    fs::create_dir(&aws)?;
    let (answer, script) = (aws.join("credentials.json"), aws.join("get_credentials.sh"));
    fs::write(
        &answer,
        r#"{"Version":1,"AccessKeyId":"AKIAFAKE","SecretAccessKey":"secret","SessionToken":"token","Expiration":"2099-01-01T00:00:00Z"}"#,
    )?;
    fs::write(&script, format!("#!/bin/sh\nset -eu\ncat '{}'\n", answer.display()))?;
    fs::set_permissions(&script, fs::Permissions::from_mode(0o700))?;
    let script = script.display();
    fs::write(
        aws.join("config"),
        format!("[profile queue]\ncredential_process={script}\nregion={REGION}\n"),
    )?;
    fs::write(aws.join("credentials"), format!("[queue]\ncredential_process={script}\n"))
}

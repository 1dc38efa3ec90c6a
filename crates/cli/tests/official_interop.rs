//! The official `deadline` packages and ours, through one S3 server: what either uploads, the other
//! gives back byte for byte.
#![cfg(all(target_os = "linux", feature = "s3"))]
#![expect(clippy::unwrap_used, reason = "a test fails where it cannot go on")]

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use rusty_attachments_model::{Manifest, PathBuf as ModelPath};
use rusty_attachments_storage::{S3Credentials, S3Options, S3Store};
use rusty_attachments_testkit::python::{MotoServer, OfficialPython, run};
use rusty_attachments_vfs::changes::{
    ChangeKind, Changed, FileStamp, LocalContent, LocalFile, LocalState,
};
use rusty_attachments_vfs::export::{
    Export, ExportFormat, ExportOptions, ExportReport, FolderFiles, ManifestTarget, OutputPlace,
    OutputSelection,
};
use tempfile::TempDir;

const BUCKET: &str = "job-attachments";
const OFFICIAL_PREFIX: &str = "DeadlineCloud";
const OUR_PREFIX: &str = "Ours";

/// A file as both sides must see it.
#[derive(PartialEq, Eq)]
struct Seen {
    bytes: Vec<u8>,
    mtime_us: i64,
}

impl std::fmt::Debug for Seen {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let start = &self.bytes[..self.bytes.len().min(16)];
        write!(f, "{} bytes {start:?}.. of {} us", self.bytes.len(), self.mtime_us)
    }
}

/// One S3 server, and a folder for the rest.
struct Exchange {
    python: OfficialPython,
    server: MotoServer,
    scratch: TempDir,
}

impl Exchange {
    fn start() -> Self {
        let python = OfficialPython::install().unwrap();
        let server = MotoServer::start(&python).unwrap();
        Self { python, server, scratch: TempDir::new().unwrap() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.scratch.path().join(name)
    }

    fn official(&self, arguments: &[&Path]) {
        let driver = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/official_interop/official.py");
        let mut command = Command::new(self.python.program("python"));
        self.server.configure(command.arg(driver).args(arguments));
        run(&mut command).unwrap();
    }

    fn ours(&self, arguments: &[&Path]) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_rusty-attachments"));
        self.server.configure(command.args(arguments));
        run(&mut command).unwrap();
    }

    /// Lets the official package upload `root`; gives the manifest that it left in the bucket.
    fn official_upload(&self, root: &Path) -> PathBuf {
        let manifest = self.path("official.manifest");
        self.official(&[
            "upload".as_ref(),
            root,
            BUCKET.as_ref(),
            OFFICIAL_PREFIX.as_ref(),
            &manifest,
        ]);
        manifest
    }
}

/// A mount by our program; dropped, it is unmounted.
struct Mount<'a> {
    exchange: &'a Exchange,
    path: PathBuf,
}

impl<'a> Mount<'a> {
    fn new(exchange: &'a Exchange, manifest: &Path) -> Self {
        let path = exchange.path("mount");
        fs::create_dir(&path).unwrap();
        let store = format!("s3://{BUCKET}/{OFFICIAL_PREFIX}");
        exchange.ours(&[
            "mount".as_ref(),
            manifest,
            &path,
            "--store".as_ref(),
            store.as_ref(),
            "--cache-dir".as_ref(),
            &exchange.path("cache"),
        ]);
        Self { exchange, path }
    }
}

impl Drop for Mount<'_> {
    fn drop(&mut self) {
        self.exchange.ours(&["unmount".as_ref(), &self.path]);
    }
}

/// Names and sizes that have gone wrong somewhere: emoji (UTF-16 order), names that are not UTF-8,
/// hidden files, an empty one, one that is uploaded in parts (over 8 MiB), times before 1970.
fn write_tree(root: &Path) {
    let large: Vec<u8> =
        (0..9_500_000_u32).flat_map(|i| i.wrapping_mul(2_654_435_761).to_le_bytes()).collect();
    let files: [(&[u8], &[u8], i64); 11] = [
        (b"a.txt", b"hello", 1_700_000_000_123_456),
        (b"copy of a.txt", b"hello", 1_700_000_000_000_001),
        (b"empty", b"", 0),
        (b".hidden/.inner", b"dot", 1_700_000_000_000_000),
        (b"deep/1/2/3/4/5/6/7/8/9/leaf", b"leaf", 4_102_444_800_000_000),
        ("tex/\u{1F600}.exr".as_bytes(), b"emoji", 1_600_000_000_999_999),
        ("tex/\u{FF21}.exr".as_bytes(), b"fullwidth", 1_600_000_000_000_000),
        ("tex/caf\u{e9} \u{65e5}\u{672c}.exr".as_bytes(), b"accents", 1),
        (b"bad\xff/\xc3\x28.bin", b"not UTF-8", 1_700_000_000_000_000),
        (b"quote'\"\\ \n.txt", b"escapes", -2),
        (b"large.bin", &large[..9_437_185], 1_700_000_000_654_321),
    ];
    for (name, bytes, mtime_us) in files {
        let path = root.join(std::ffi::OsStr::from_bytes(name));
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, bytes).unwrap();
        let offset = Duration::from_micros(mtime_us.unsigned_abs());
        let time = if mtime_us < 0 { UNIX_EPOCH - offset } else { UNIX_EPOCH + offset };
        File::options().append(true).open(&path).unwrap().set_modified(time).unwrap();
    }
}

/// Every file below `root`, by its path's bytes. `stat` and the bytes must agree on the size.
fn seen(root: &Path) -> BTreeMap<PathBuf, Seen> {
    let mut files = BTreeMap::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            let metadata = fs::symlink_metadata(&path).unwrap();
            if metadata.is_dir() {
                folders.push(path);
                continue;
            }
            let bytes = fs::read(&path).unwrap();
            assert_eq!(metadata.len(), bytes.len() as u64, "size of {path:?}");
            let mtime_us = metadata.mtime() * 1_000_000 + metadata.mtime_nsec() / 1_000;
            let name = path.strip_prefix(root).unwrap().to_owned();
            files.insert(name, Seen { bytes, mtime_us });
        }
    }
    files
}

#[test]
fn a_job_that_the_official_package_uploaded_mounts_byte_for_byte() {
    let exchange = Exchange::start();
    let root = exchange.path("job");
    write_tree(&root);
    let manifest = exchange.official_upload(&root);

    let mount = Mount::new(&exchange, &manifest);
    assert_eq!(seen(&mount.path), seen(&root));
}

#[test]
fn a_snapshot_of_ours_is_downloaded_by_the_official_package_byte_for_byte() {
    let exchange = Exchange::start();
    let root = exchange.path("job");
    write_tree(&root);
    // Also makes the bucket, which our program never does.
    let official_manifest = exchange.official_upload(&root);

    let manifest = exchange.path("our.manifest");
    let store = format!("s3://{BUCKET}/{OUR_PREFIX}");
    exchange.ours(&[
        "snapshot".as_ref(),
        &root,
        "--store".as_ref(),
        store.as_ref(),
        "-o".as_ref(),
        &manifest,
    ]);
    assert_eq!(
        fs::read_to_string(&manifest).unwrap(),
        fs::read_to_string(official_manifest).unwrap(),
        "two manifests of one folder"
    );

    let folder = exchange.path("downloaded");
    exchange.official(&[
        "download".as_ref(),
        &manifest,
        BUCKET.as_ref(),
        OUR_PREFIX.as_ref(),
        &folder,
    ]);
    assert_downloaded(&root, &folder);
}

/// Everything below `root` is in `folder` as well, and nothing else.
fn assert_downloaded(root: &Path, folder: &Path) {
    let (mut expected, mut downloaded) = (seen(root), seen(folder));
    for (path, file) in &mut expected {
        let other = downloaded.get_mut(path).unwrap_or_else(|| panic!("{path:?} is missing"));
        // The official downloader sets times through float seconds, which costs it a microsecond.
        assert!((other.mtime_us - file.mtime_us).abs() <= 1, "time of {path:?}");
        other.mtime_us = file.mtime_us;
    }
    assert_eq!(downloaded, expected);
}

/// Exports every file below `root` as a new one.
fn export(exchange: &Exchange, base: &Manifest, root: &Path, place: &OutputPlace) -> ExportReport {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let mut store = S3Options::new(BUCKET);
    store.root_prefix = OUR_PREFIX.to_owned();
    store.endpoint = Some(exchange.server.endpoint().to_owned());
    store.region = Some("us-west-2".to_owned());
    let (access_key_id, secret_access_key) = ("AKIAFAKE".to_owned(), "secret".to_owned());
    store.credentials =
        Some(S3Credentials { access_key_id, secret_access_key, session_token: None });
    let client = runtime.block_on(S3Store::connect(store)).unwrap();

    let changes = seen(root).into_keys().map(|path| {
        let file = LocalFile {
            stamp: FileStamp::of(&fs::metadata(root.join(&path)).unwrap()),
            executable: None,
            content: LocalContent::Unhashed,
            renamed_from: None,
            derived_from: None,
        };
        let path = ModelPath::from_unix(path.as_os_str().as_bytes());
        Changed { path, kind: ChangeKind::Added, state: LocalState::File(file) }
    });
    let options = ExportOptions {
        format: ExportFormat::Outputs(OutputSelection::default()),
        targets: vec![ManifestTarget::Queue(place.clone())],
        threads: 4,
        staging: exchange.scratch.path().to_owned(),
    };
    let export = Export {
        base,
        changes: &changes.collect::<Vec<_>>(),
        files: &FolderFiles::new(root.to_owned()),
        options: &options,
    };
    export.run(Arc::new(client), runtime.handle().clone(), Arc::new(())).unwrap()
}

#[test]
fn outputs_that_we_export_are_downloaded_by_the_official_package_byte_for_byte() {
    let exchange = Exchange::start();
    let inputs = exchange.path("inputs");
    fs::create_dir(&inputs).unwrap();
    fs::write(inputs.join("scene.ma"), "scene").unwrap();
    let base = fs::read_to_string(exchange.official_upload(&inputs)).unwrap();
    let base = Manifest::decode(&base).unwrap();
    let outputs = exchange.path("outputs");
    write_tree(&outputs);

    let id = |kind: &str| format!("{kind}-{}", "3".repeat(32));
    for (job, asset_root, location, task) in [
        ("plain", "/mnt/projects/a job", None, Some(id("task") + "-0")),
        ("unicode", "/mnt/caf\u{e9}/\u{65e5}\u{672c} \"\u{1F600}\"", None, Some(id("task") + "-0")),
        ("location", "/mnt/projects", Some("Project Files".to_owned()), None),
    ] {
        let place = OutputPlace {
            asset_root: asset_root.to_owned(),
            file_system_location_name: location,
            farm: id("farm"),
            queue: id("queue"),
            job: format!("job-{job}"),
            step: id("step"),
            task,
            session_action: id("sessionaction") + "-1",
            started: UNIX_EPOCH + Duration::from_micros(1_747_952_223_409_012),
        };
        let first = export(&exchange, &base, &outputs, &place);
        let again = export(&exchange, &base, &outputs, &place);
        assert_eq!(again.tally.objects_uploaded, 0, "{job}");
        assert_eq!(first.manifest.unwrap().keys, again.manifest.unwrap().keys, "{job}");

        let folder = exchange.path(job);
        let arguments =
            ["outputs", BUCKET, OUR_PREFIX, &place.farm, &place.queue, &place.job, asset_root];
        let mut arguments: Vec<&Path> = arguments.map(Path::new).to_vec();
        arguments.push(&folder);
        exchange.official(&arguments);
        assert_downloaded(&outputs, &folder);
    }
}

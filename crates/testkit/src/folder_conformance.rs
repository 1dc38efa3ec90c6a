//! What every front end shows, checked with ordinary programs: a shown folder answers each command
//! as a plain folder of the same files does, bytes, times, exit codes and error texts included.
//!
//! Only what a front end alone can have is left out: sizes and times of folders, modes, owners.

use std::collections::BTreeMap;
use std::fs::{self, FileTimes};
use std::io;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use rusty_attachments_model::{
    Content, ContentHash, Entry, EntryKind, File, Format, Kind, Manifest, ManifestBuilder,
    PathStyle, Spec,
};
use rusty_attachments_storage::{Payload, StorageClient, StorageError, cas};

use crate::rig::noise;

/// Names, kinds, sizes and times in microseconds, sorted; what `ls` says too, so that what is
/// listed and what is found one by one are the same.
const LISTING: &str = r#"find . -mindepth 1 \( -type d -printf 'd %P\n' -o -printf '%y %s %T@ %P\n' \) | sort
find . -type d | sort | while IFS= read -r folder; do ls -A1 -- "$folder"; done"#;

/// The same names without looking at any of them.
const NAMES: &str = "find . | sort";

/// The whole content of every file.
const CONTENTS: &str = "find . -type f -print0 | sort -z | xargs -0 -r sha256sum";

/// Ranges of every file: its head, its tail, across blocks, nothing, and past its end.
const RANGES: &str = r#"export POSIXLY_CORRECT=1
find . -type f | sort | while IFS= read -r file; do
    echo "$file"
    head -c 1000 -- "$file" | sha256sum
    tail -c 777 -- "$file" | sha256sum
    for range in "0 1" "511 2" "4095 4098" "65535 70001" "131072 0" "99999999 10"; do
        set -- $range
        dd if="$file" bs=8k iflag=skip_bytes,count_bytes skip="$1" count="$2" status=none | sha256sum
    done
done"#;

/// Names that are not there, and files that are taken for folders: ENOENT and ENOTDIR.
const MISSING: &str = r#"for missing in nothing nothing/below ./nothing/; do
    stat "$missing"; cat "$missing"; ls "$missing"
done
find . -type f | sort | head -n 5 | while IFS= read -r file; do
    stat "$file.not"; cat "$file/below"; ls "$file/"; stat "$file/"; cd "$file"
done
find . -type d | sort | head -n 5 | while IFS= read -r folder; do
    cat "$folder"; stat "$folder/nothing"; test -d "$folder/." && echo folder
done"#;

/// How many programs read everything at once.
const READERS: usize = 12;

/// Checks that the folder `shown` is as the plain folder `expected`, in a fixed order: what is
/// listed before anything was opened, contents, ranges, what is missing, many readers at once, and
/// again what is listed.
///
/// Both are used by other processes only. Names may have no line ends.
///
/// # Panics
/// If they differ.
pub fn folder_conformance(shown: &Path, expected: &Path) {
    for commands in [NAMES, LISTING, LISTING, RANGES, CONTENTS, MISSING] {
        same(commands, shown, expected);
    }
    let wanted = run(CONTENTS, expected);
    let readers: Vec<Child> = (0..READERS).map(|_| begin(CONTENTS, shown)).collect();
    for reader in readers {
        let read = reader.wait_with_output().expect("a shell");
        assert_same(CONTENTS, &read, &wanted);
    }
    same(LISTING, shown, expected);
}

/// Checks many readers of a folder that nobody has looked at yet.
///
/// # Panics
/// If one of them reads anything else than what is in `expected`.
pub fn folder_conformance_of_first_readers(shown: &Path, expected: &Path) {
    let commands = [CONTENTS, LISTING, RANGES];
    let readers: Vec<(&str, Child)> =
        commands.iter().cycle().take(READERS).map(|line| (*line, begin(line, shown))).collect();
    let wanted: BTreeMap<&str, Output> =
        commands.iter().map(|line| (*line, run(line, expected))).collect();
    for (line, reader) in readers {
        assert_same(line, &reader.wait_with_output().expect("a shell"), &wanted[line]);
    }
}

fn same(commands: &str, shown: &Path, expected: &Path) {
    assert_same(commands, &run(commands, shown), &run(commands, expected));
}

fn assert_same(commands: &str, shown: &Output, expected: &Output) {
    let text = |output: &Output| {
        let (out, err) = (&output.stdout, &output.stderr);
        [String::from_utf8_lossy(out), String::from_utf8_lossy(err)].concat()
    };
    let (shown_text, expected_text) = (text(shown), text(expected));
    let differing = shown_text.lines().zip(expected_text.lines()).find(|(is, should)| is != should);
    assert!(shown == expected, "{commands}\n{differing:?}\n{shown_text}\n---\n{expected_text}");
}

fn run(commands: &str, folder: &Path) -> Output {
    begin(commands, folder).wait_with_output().expect("a shell")
}

fn begin(commands: &str, folder: &Path) -> Child {
    let mut shell = Command::new("sh");
    shell.args(["-c", commands]).current_dir(folder).env("LC_ALL", "C.UTF-8");
    shell.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    shell.spawn().expect("a shell")
}

/// Files and folders that software gets wrong, with names that every system can have: empty
/// ones, awkward Unicode, 60 levels, more than 260 characters, exact block sizes, odd times.
#[derive(Clone, Debug)]
pub struct AwkwardTree {
    files: Vec<(String, Vec<u8>, i64)>,
    folders: Vec<String>,
}

impl Default for AwkwardTree {
    fn default() -> Self {
        let deep: Vec<String> = (1..60).map(|level| format!("level{level:02}")).collect();
        let deep = deep.join("/");
        let names = [
            "empty",
            "one byte",
            "blocks/exact",
            "blocks/more",
            "large.bin",
            "names/caf\u{e9}",
            "names/cafe\u{301}",
            "names/\u{1F600} render.exr",
            "names/\u{FF21}\u{1F469}\u{200D}\u{1F680}",
            "names/\u{6a21}\u{578b}/\u{5d0}\u{5d1}\u{5d2}.txt",
            "names/$(touch x);'#1.%04d",
            "names/-rf",
            "names/.hidden",
            &format!("names/{}", "n".repeat(200)),
            &format!("{deep}/at the end"),
        ];
        let sizes = [0, 1, 65536, 65537, (3 << 20) + 17];
        let file = |(at, name): (usize, &&str)| {
            let size = sizes.get(at).copied().unwrap_or(1000 + 37 * at);
            // Odd microseconds, from the first second of 1970 on.
            let mtime_us = 1 + at as i64 * 123_456_789_012_347;
            ((*name).to_owned(), noise(size, at as u64 + 1), mtime_us)
        };
        let files = names.iter().enumerate().map(file).collect();
        let folders = ["nothing here", "nested/only/folders", "names/\u{1F4C1}"];
        Self { files, folders: folders.map(str::to_owned).to_vec() }
    }
}

impl AwkwardTree {
    /// The tree as a v2025 manifest, with its empty folders.
    #[must_use]
    pub fn manifest(&self) -> Manifest {
        let spec = Spec { style: PathStyle::Relative, kind: Kind::Snapshot };
        let mut builder = ManifestBuilder::new(Format::V2025(spec));
        for folder in &self.folders {
            let entry = Entry { path: folder.as_str().into(), kind: EntryKind::Directory };
            builder.push(entry).expect("a good entry");
        }
        for (path, bytes, mtime_us) in &self.files {
            let content = Content::Whole(ContentHash::of(bytes));
            let size = bytes.len() as u64;
            let file = File { size, mtime_us: *mtime_us, runnable: false, content };
            let entry = Entry { path: path.as_str().into(), kind: EntryKind::File(file) };
            builder.push(entry).expect("a good entry");
        }
        builder.build().expect("a good manifest")
    }

    /// Puts every object into a store.
    ///
    /// # Errors
    /// What the store says.
    pub async fn fill(&self, store: &dyn StorageClient) -> Result<(), StorageError> {
        for (_, bytes, _) in &self.files {
            let payload = Payload::Bytes(Bytes::from(bytes.clone()));
            store.put(&cas::object_key(ContentHash::of(bytes)), payload).await?;
        }
        Ok(())
    }

    /// Writes the tree below `root`, which must exist, with its times.
    ///
    /// # Errors
    /// A folder or file cannot be written.
    pub fn write_to(&self, root: &Path) -> io::Result<()> {
        for folder in &self.folders {
            fs::create_dir_all(root.join(folder))?;
        }
        for (path, bytes, mtime_us) in &self.files {
            let target = root.join(path);
            fs::create_dir_all(target.parent().unwrap_or(root))?;
            fs::write(&target, bytes)?;
            let modified = SystemTime::UNIX_EPOCH + Duration::from_micros(mtime_us.unsigned_abs());
            fs::File::options()
                .write(true)
                .open(&target)?
                .set_times(FileTimes::new().set_modified(modified))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;

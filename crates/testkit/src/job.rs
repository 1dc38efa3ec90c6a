//! Made-up jobs: files by seed, as a folder, a manifest and a filled store.
//!
//! Content is computed from a seed and an offset, so a large file costs no memory until its bytes
//! are asked for, and any range of it can be checked on its own.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::io::{self, Write};
use std::ops::Range;
use std::path::Path;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use rusty_attachments_model::{
    Content, ContentHash, ContentHasher, Entry, EntryKind, File, Format, Manifest, ManifestBuilder,
    PathBuf, PathRef,
};
use rusty_attachments_storage::{Payload, StorageClient, StorageError, cas};

/// Bytes generated at a time.
const PIECE_BYTES: u64 = 1 << 20;

/// 2024-01-01T00:00:00Z in microseconds.
const EPOCH_US: i64 = 1_704_067_200_000_000;

/// Names that software gets wrong: NFC beside NFD, beyond the BMP, spaces, shell characters, a
/// backslash, right to left.
const UNICODE_NAMES: &[&str] = &[
    "caf\u{e9}",
    "cafe\u{301}",
    "\u{1F600} render",
    "\u{6a21}\u{578b}",
    "with space ",
    "$(touch x);'\"*?",
    "back\\slash",
    "\u{5d0}\u{5d1}\u{5d2}",
    "\u{FF21}\u{E000}",
    "#1.%04d",
];

/// What a job looks like; see [`Job::builder`].
#[derive(Clone, Debug)]
pub struct JobBuilder {
    seed: u64,
    files: usize,
    sizes: Range<u64>,
    large: Vec<u64>,
    depth: usize,
    unicode: bool,
    not_utf8: bool,
    with_content: bool,
}

impl JobBuilder {
    /// Another seed gives other names, sizes and contents. Default 1.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// How many files, the large ones not counted. Default 50.
    #[must_use]
    pub fn files(mut self, files: usize) -> Self {
        self.files = files;
        self
    }

    /// The sizes in bytes, most of them near the lower end, as in real jobs. Default 0 to 64 KiB.
    #[must_use]
    pub fn sizes(mut self, sizes: Range<u64>) -> Self {
        self.sizes = sizes;
        self
    }

    /// Adds a file `large/N.bin` of exactly `size` bytes; `N` counts from 0.
    #[must_use]
    pub fn large(mut self, size: u64) -> Self {
        self.large.push(size);
        self
    }

    /// How deep folders nest at most. Default 4.
    #[must_use]
    pub fn depth(mut self, depth: usize) -> Self {
        self.depth = depth;
        self
    }

    /// Gives a fifth of the files awkward Unicode names. Default on.
    #[must_use]
    pub fn unicode(mut self, on: bool) -> Self {
        self.unicode = on;
        self
    }

    /// Gives a tenth of the files names that are not UTF-8 (Linux only). Default off.
    #[must_use]
    pub fn not_utf8(mut self, on: bool) -> Self {
        self.not_utf8 = on;
        self
    }

    /// Makes up hashes instead of computing them: for manifests too large to fill. Such a job
    /// cannot be written or put into a store.
    #[must_use]
    pub fn without_content(mut self) -> Self {
        self.with_content = false;
        self
    }

    /// Makes the job.
    #[must_use]
    pub fn build(self) -> Job {
        let mut random = Random(self.seed);
        let mut names = HashSet::new();
        let mut files: Vec<GeneratedFile> = Vec::with_capacity(self.files + self.large.len());
        for index in 0..self.files {
            let path = self.path(&mut random, index);
            debug_assert!(names.insert(path.clone()), "the number makes names unique");
            let earlier = random.below(files.len().max(1) as u64) as usize;
            let content = match files.get(earlier) {
                // A tenth of real files are copies of others, and share an object.
                Some(twin) if random.below(10) == 0 => (twin.size, twin.seed),
                _ => (self.size(&mut random, index), random.next()),
            };
            files.push(self.file(path, content, &mut random));
        }
        for (index, &size) in self.large.iter().enumerate() {
            let path = PathBuf::from(format!("large/{index}.bin").as_str());
            let content = (size, random.next());
            files.push(self.file(path, content, &mut random));
        }
        Job::of(files, self.with_content)
    }

    fn file(&self, path: PathBuf, (size, seed): (u64, u64), random: &mut Random) -> GeneratedFile {
        let mtime_us = EPOCH_US + random.below(86_400_000_000) as i64;
        let mut file = GeneratedFile { path, size, seed, mtime_us, hash: ContentHash::EMPTY };
        file.hash = if self.with_content { file.compute_hash() } else { made_up_hash(seed) };
        file
    }

    /// Sizes fall off like a power law; every sixteenth file is as small as may be.
    fn size(&self, random: &mut Random, index: usize) -> u64 {
        let span = self.sizes.end.saturating_sub(self.sizes.start);
        if index % 16 == 3 || span == 0 {
            return self.sizes.start;
        }
        let unit = random.below(1 << 20) as f64 / (1u64 << 20) as f64;
        self.sizes.start + (span as f64 * unit.powi(4)) as u64
    }

    fn path(&self, random: &mut Random, index: usize) -> PathBuf {
        const FOLDERS: &[&str] = &["textures", "scenes", "cache", "v001", "v002", "chars", "sets"];
        const EXTENSIONS: &[&str] = &["exr", "tx", "ma", "abc", "bgeo.sc", "png", "json", "usd"];
        let mut path = Vec::new();
        for _ in 0..random.below(self.depth as u64 + 1) {
            path.extend_from_slice(random.pick(FOLDERS).as_bytes());
            path.push(b'/');
        }
        if self.unicode && index % 5 == 1 {
            path.extend_from_slice(random.pick(UNICODE_NAMES).as_bytes());
        } else {
            path.extend_from_slice(random.pick(FOLDERS).as_bytes());
        }
        if self.not_utf8 && index % 10 == 2 {
            path.extend_from_slice(b"bad\xff\xc3");
        }
        path.extend_from_slice(format!("_{index:05}.{}", random.pick(EXTENSIONS)).as_bytes());
        PathBuf::from_unix(&path)
    }
}

/// One file of a made-up job.
#[derive(Clone, Debug)]
pub struct GeneratedFile {
    /// The path from the job's root.
    pub path: PathBuf,
    /// Bytes.
    pub size: u64,
    /// Microseconds since the Unix epoch.
    pub mtime_us: i64,
    /// The hash of the whole content.
    pub hash: ContentHash,
    seed: u64,
}

impl GeneratedFile {
    /// The whole content.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        self.bytes_at(0..self.size)
    }

    /// The content's bytes in `range`, which may reach past the end.
    #[must_use]
    pub fn bytes_at(&self, range: Range<u64>) -> Vec<u8> {
        let end = range.end.min(self.size);
        let start = range.start.min(end);
        let mut bytes = Vec::with_capacity((end - start) as usize + 16);
        let first = start / 8 * 8;
        for word in (first..end).step_by(8) {
            bytes.extend_from_slice(&mix(self.seed ^ mix(word)).to_le_bytes());
        }
        bytes.truncate((end - first.min(end)) as usize);
        bytes.drain(..(start - first.min(start)) as usize);
        bytes
    }

    fn pieces(&self) -> impl Iterator<Item = Vec<u8>> + '_ {
        (0..self.size).step_by(PIECE_BYTES as usize).map(|at| self.bytes_at(at..at + PIECE_BYTES))
    }

    fn compute_hash(&self) -> ContentHash {
        let mut hasher = ContentHasher::new();
        self.pieces().for_each(|piece| hasher.update(&piece));
        hasher.finish()
    }

    fn write(&self, target: &Path) -> io::Result<()> {
        let mut file = fs::File::create(target)?;
        for piece in self.pieces() {
            file.write_all(&piece)?;
        }
        let since = Duration::from_micros(self.mtime_us.unsigned_abs());
        file.set_modified(SystemTime::UNIX_EPOCH + since)
    }
}

/// A made-up job.
#[derive(Clone, Debug)]
pub struct Job {
    files: Vec<GeneratedFile>,
    by_path: HashMap<PathBuf, usize>,
    with_content: bool,
}

impl Job {
    /// A job of 50 small files, to be changed and built.
    #[must_use]
    pub fn builder() -> JobBuilder {
        JobBuilder {
            seed: 1,
            files: 50,
            sizes: 0..64 << 10,
            large: Vec::new(),
            depth: 4,
            unicode: true,
            not_utf8: false,
            with_content: true,
        }
    }

    fn of(files: Vec<GeneratedFile>, with_content: bool) -> Self {
        let by_path = files.iter().enumerate().map(|(i, file)| (file.path.clone(), i)).collect();
        Self { files, by_path, with_content }
    }

    /// All files, in the order they were made.
    #[must_use]
    pub fn files(&self) -> &[GeneratedFile] {
        &self.files
    }

    /// The file at `path`; panics if there is none.
    #[must_use]
    pub fn file(&self, path: impl Into<PathBuf>) -> &GeneratedFile {
        let path = path.into();
        let index = self.by_path.get(&path).unwrap_or_else(|| panic!("no file {path}"));
        &self.files[*index]
    }

    /// The content of the file at `path`; panics if there is none.
    #[must_use]
    pub fn bytes(&self, path: impl Into<PathBuf>) -> Vec<u8> {
        self.file(path).bytes()
    }

    /// The sum of all file sizes in bytes.
    #[must_use]
    pub fn total_size(&self) -> u64 {
        self.files.iter().map(|file| file.size).sum()
    }

    /// The job as a v2023 manifest.
    #[must_use]
    pub fn manifest(&self) -> Manifest {
        self.manifest_as(Format::V2023)
    }

    /// The job as a manifest of one object for each file.
    #[must_use]
    pub fn manifest_as(&self, format: Format) -> Manifest {
        let mut builder = ManifestBuilder::new(format);
        for file in &self.files {
            let kind = EntryKind::File(File {
                size: file.size,
                mtime_us: file.mtime_us,
                runnable: false,
                content: Content::Whole(file.hash),
            });
            builder.push(Entry { path: file.path.as_ref(), kind }).expect("a good entry");
        }
        builder.build().expect("a good manifest")
    }

    /// Puts every object into a store.
    ///
    /// # Errors
    /// What the store says.
    pub async fn fill(&self, store: &dyn StorageClient) -> Result<(), StorageError> {
        assert!(self.with_content, "a job without content cannot fill a store");
        let mut done = HashSet::new();
        for file in self.files.iter().filter(|file| done.insert(file.hash)) {
            let bytes = Bytes::from(file.bytes());
            store.put(&cas::object_key(file.hash), Payload::Bytes(bytes)).await?;
        }
        Ok(())
    }

    /// Writes the job as a tree below `root`, which must exist, with its times.
    ///
    /// # Errors
    /// A folder or file cannot be written.
    pub fn write_to(&self, root: &Path) -> io::Result<()> {
        assert!(self.with_content, "a job without content cannot be written");
        for file in &self.files {
            let target = root.join(os_path(file.path.as_ref()));
            fs::create_dir_all(target.parent().unwrap_or(root))?;
            file.write(&target)?;
        }
        Ok(())
    }
}

/// The operating system's spelling of a manifest path; panics if it has none.
#[must_use]
pub fn os_path(path: PathRef<'_>) -> std::path::PathBuf {
    #[cfg(unix)]
    {
        use std::os::unix::ffi::OsStrExt;
        let bytes = path.to_unix().expect("a name that Linux can have");
        std::ffi::OsStr::from_bytes(&bytes).into()
    }
    #[cfg(not(unix))]
    {
        path.to_str().expect("a name without lone surrogates").into()
    }
}

fn made_up_hash(seed: u64) -> ContentHash {
    let mut bytes = [0; 16];
    bytes[..8].copy_from_slice(&mix(seed).to_be_bytes());
    bytes[8..].copy_from_slice(&mix(seed ^ 1).to_be_bytes());
    ContentHash::from_bytes(bytes)
}

/// SplitMix64: small, and good enough for sizes and bytes.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mix(self.0)
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }

    fn pick<'a>(&mut self, from: &[&'a str]) -> &'a str {
        from[self.below(from.len() as u64) as usize]
    }
}

const fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use rusty_attachments_storage::MemoryStore;

    use super::*;

    #[test]
    fn ranges_agree_with_the_whole() {
        let job = Job::builder().files(0).large(100_003).build();
        let file = job.file("large/0.bin");
        let whole = file.bytes();
        assert_eq!(whole.len(), 100_003);
        assert_eq!(ContentHash::of(&whole), file.hash);
        for range in [0..0, 0..1, 1..9, 7..8, 8..16, 13..50_021, 99_999..200_000, 200_000..300_000]
        {
            let clamped = range.start.min(100_003)..range.end.min(100_003);
            let expected = &whole[clamped.start as usize..clamped.end as usize];
            assert_eq!(file.bytes_at(range.clone()), expected, "{range:?}");
        }
    }

    #[tokio::test]
    async fn one_seed_is_one_job_in_all_its_forms() {
        let builder = Job::builder().files(200).not_utf8(cfg!(unix));
        let job = builder.clone().build();
        let again = builder.clone().build();
        let hashes = |job: &Job| job.files().iter().map(|file| file.hash).collect::<Vec<_>>();
        assert_eq!(hashes(&job), hashes(&again));
        assert_ne!(hashes(&job), hashes(&builder.seed(2).build()));

        assert_eq!(job.manifest().len(), 200);
        let store = MemoryStore::new();
        job.fill(&store).await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        job.write_to(folder.path()).unwrap();
        for file in job.files() {
            let object = cas::get(&store, file.hash, None).await.unwrap();
            let bytes = object.bytes("object", u64::MAX).await.unwrap();
            assert_eq!(bytes, fs::read(folder.path().join(os_path(file.path.as_ref()))).unwrap());
            assert_eq!(bytes, job.bytes(file.path.clone()));
        }
    }
}

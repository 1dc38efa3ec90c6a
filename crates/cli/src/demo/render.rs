//! Reading a mounted job as a renderer does, with every byte checked against the source.

use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use super::job::{JobFile, Role};
use crate::error::CliError;
use crate::interrupt::Interrupt;

/// A volume's header, and each slice that is read of it.
const HEADER_BYTES: u64 = 64 << 10;
const SLICE_BYTES: u64 = 256 << 10;
/// Slices are read from these parts of a volume, in thousandths.
const SLICES_AT: [u64; 2] = [310, 770];

/// What was read.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct ReadTally {
    pub(crate) files: u64,
    pub(crate) bytes: u64,
}

/// Lists everything below `mount` and checks names and sizes against `job`; gives the count.
pub(crate) fn list(mount: &Path, job: &[JobFile]) -> Result<u64, CliError> {
    let mut found = Vec::new();
    let mut folders = vec![PathBuf::new()];
    while let Some(folder) = folders.pop() {
        let path = mount.join(&folder);
        let failed =
            |error: &io::Error| CliError::caused(format!("list '{}'", path.display()), error);
        for entry in fs::read_dir(&path).map_err(|error| failed(&error))? {
            let entry = entry.map_err(|error| failed(&error))?;
            let metadata = entry.metadata().map_err(|error| failed(&error))?;
            let relative = folder.join(entry.file_name());
            if metadata.is_dir() {
                folders.push(relative);
            } else {
                found.push((relative, metadata.len()));
            }
        }
    }
    found.sort();
    let mut expected: Vec<_> = job.iter().map(|file| (file.path.clone(), file.size)).collect();
    expected.sort();
    if found == expected {
        return Ok(found.len() as u64);
    }
    let reason = format!("{} files are listed, {} were made", found.len(), expected.len());
    Err(CliError::runtime("trust the mount", format!("its listing is wrong: {reason}")))
}

/// Reads about a twentieth of the job, as the renderer of one frame would.
pub(crate) fn render(
    mount: &Path,
    source: &Path,
    job: &[JobFile],
    interrupt: &Interrupt,
) -> Result<ReadTally, CliError> {
    let mut tally = ReadTally::default();
    for file in job {
        let extents = match file.role {
            Role::Whole => vec![(0, file.size)],
            Role::Slices => volume_extents(file.size),
            Role::Unread => continue,
        };
        tally.files += 1;
        for (offset, length) in extents {
            interrupt.check()?;
            compare(&mount.join(&file.path), &source.join(&file.path), offset, length)?;
            tally.bytes += length;
        }
    }
    Ok(tally)
}

fn volume_extents(size: u64) -> Vec<(u64, u64)> {
    let mut extents = vec![(0, HEADER_BYTES.min(size))];
    for thousandth in SLICES_AT {
        let offset = size / 1000 * thousandth;
        extents.push((offset, SLICE_BYTES.min(size - offset)));
    }
    extents
}

fn compare(mounted: &Path, source: &Path, offset: u64, length: u64) -> Result<(), CliError> {
    let read = |path: &Path| {
        read_extent(path, offset, length)
            .map_err(|error| CliError::caused(format!("read '{}'", path.display()), &error))
    };
    if read(mounted)? == read(source)? {
        return Ok(());
    }
    let reason = format!("{length} bytes from {offset} on differ from the source");
    Err(CliError::runtime(format!("trust '{}'", mounted.display()), reason))
}

fn read_extent(path: &Path, offset: u64, length: u64) -> io::Result<Vec<u8>> {
    let mut file = File::open(path)?;
    file.seek(SeekFrom::Start(offset))?;
    let mut bytes = Vec::with_capacity(length as usize);
    file.take(length).read_to_end(&mut bytes)?;
    if bytes.len() as u64 == length {
        return Ok(bytes);
    }
    Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the file ends too early"))
}

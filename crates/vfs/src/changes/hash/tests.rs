use std::cell::Cell;
use std::fs::{self, File};
use std::num::NonZeroU64;

use super::*;

fn file(bytes: &[u8]) -> (tempfile::TempDir, File) {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("f");
    fs::write(&path, bytes).unwrap();
    let file = File::open(path).unwrap();
    (temp, file)
}

fn hash(file: &File, chunk_size: u64) -> Result<LocalContent, HashError> {
    let hashed = hash_file(file, "f".into(), NonZeroU64::new(chunk_size), &|| false)?;
    assert_eq!(hashed.stamp, FileStamp::of(&file.metadata().unwrap()));
    Ok(hashed.content)
}

#[test]
fn files_are_hashed_whole_or_in_chunks_from_their_beginning() {
    let bytes: Vec<u8> = (0..600_000u32).map(|i| ((i * 31) >> 3) as u8).collect();
    for size in [0, 1, 1000, 262_143, 262_144, 262_145, 524_288, bytes.len()] {
        let (_temp, mut file) = file(&bytes[..size]);
        file.seek(io::SeekFrom::End(0)).unwrap();
        for chunk_size in [0, 1000, 262_144, 400_000, u64::MAX] {
            let hashes = match chunk_size {
                0 => vec![ContentHash::of(&bytes[..size])],
                _ => bytes[..size]
                    .chunks(usize::try_from(chunk_size).unwrap())
                    .map(ContentHash::of)
                    .collect(),
            };
            let expected = LocalContent::Hashed { chunk_size, hashes };
            assert_eq!(hash(&file, chunk_size).unwrap(), expected, "{size} by {chunk_size}");
        }
    }
}

#[test]
fn a_file_that_changes_meanwhile_is_hashed_again_but_not_forever() {
    let (temp, file) = file(&[1; 600_000]);
    let path = temp.path().join("f");
    let asked = Cell::new(0usize);
    let change = |times: usize| {
        let (path, asked) = (&path, &asked);
        asked.set(0);
        // Asked before each piece, four times for each attempt.
        move || {
            asked.set(asked.get() + 1);
            let attempt = asked.get() / 4;
            if asked.get() % 4 == 2 && attempt < times {
                let byte = u8::try_from(asked.get()).unwrap();
                fs::write(path, vec![byte; 600_000]).unwrap();
                let time =
                    std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(byte.into());
                File::options().write(true).open(path).unwrap().set_modified(time).unwrap();
            }
            false
        }
    };
    let hashed = hash_file(&file, "f".into(), None, &change(2)).unwrap();
    let bytes = fs::read(&path).unwrap();
    let hashes = vec![ContentHash::of(&bytes)];
    assert_eq!(hashed.content, LocalContent::Hashed { chunk_size: 0, hashes });
    assert_eq!(asked.get(), 12, "the third attempt");

    let error = hash_file(&file, "f".into(), None, &change(9)).unwrap_err();
    assert!(matches!(&error, HashError::KeepsChanging { path } if *path == "f".into()), "{error}");
    assert!(error.to_string().contains("'f': it keeps changing"), "{error}");
}

#[test]
fn a_file_that_grows_as_fast_as_it_is_read_ends() {
    let (temp, file) = file(&[1; 100]);
    let path = temp.path().join("f");
    let grow = || {
        let size = fs::metadata(&path).unwrap().len();
        File::options().write(true).open(&path).unwrap().set_len(size + 300_000).unwrap();
        false
    };
    let error = hash_file(&file, "f".into(), None, &grow).unwrap_err();
    assert!(matches!(error, HashError::KeepsChanging { .. }), "{error}");
}

#[test]
fn hashing_stops_between_pieces_when_asked() {
    let (_temp, file) = file(&[1; 600_000]);
    let asked = Cell::new(0);
    let cancel = || {
        asked.set(asked.get() + 1);
        asked.get() == 2
    };
    let error = hash_file(&file, "f".into(), None, &cancel).unwrap_err();
    assert!(matches!(error, HashError::Cancelled { .. }), "{error}");
    assert_eq!(asked.get(), 2);
}

#[cfg(unix)]
#[test]
fn what_cannot_be_read_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let error = hash(&File::open(folder.path()).unwrap(), 0).unwrap_err();
    assert!(error.to_string().contains("cannot read 'f' to hash it"), "{error}");
}

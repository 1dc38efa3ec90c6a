//! Another process that uses the projected folder: exact system calls, and the programs that people
//! use. The provider's own process would be told nothing of what it does itself (`projfs.md K12`).

use std::collections::HashMap;
use std::ffi::CString;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use rustix::fs::{self, AtFlags, CWD, Mode, OFlags, RenameFlags, Timestamps, XattrFlags};
use rustix::io::Errno;
use serde::{Deserialize, Serialize};

use super::reexec::{Child, Line};

/// A system call to be made. Paths are absolute.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) enum Call {
    /// `open(2)`; the file is known by `slot` from then on.
    Open {
        slot: u32,
        path: PathBuf,
        flags: u32,
    },
    Close {
        slot: u32,
    },
    Read {
        slot: u32,
        offset: u64,
        length: usize,
    },
    /// `pwrite(2)`, or `write(2)` at the end of a file opened with O_APPEND.
    Write {
        slot: u32,
        offset: u64,
        data: Vec<u8>,
    },
    SetLength {
        slot: u32,
        length: u64,
    },
    Sync {
        slot: u32,
    },
    /// Maps the file, reads so many bytes from the mapping.
    MapAndRead {
        slot: u32,
        length: usize,
    },
    /// Maps the file shared, writes through the mapping, unmaps it.
    MapAndWrite {
        slot: u32,
        offset: usize,
        data: Vec<u8>,
    },
    Truncate {
        path: PathBuf,
        length: u64,
    },
    Stat {
        path: PathBuf,
    },
    List {
        path: PathBuf,
    },
    Rename {
        from: PathBuf,
        to: PathBuf,
        no_replace: bool,
    },
    Link {
        from: PathBuf,
        to: PathBuf,
    },
    Symlink {
        target: PathBuf,
        path: PathBuf,
    },
    ReadLink {
        path: PathBuf,
    },
    Unlink {
        path: PathBuf,
    },
    MakeDirectory {
        path: PathBuf,
    },
    RemoveDirectory {
        path: PathBuf,
    },
    /// Access and write time, in seconds since 1970.
    SetTimes {
        path: PathBuf,
        access: i64,
        write: i64,
    },
    SetMode {
        path: PathBuf,
        mode: u32,
    },
    SetAttribute {
        path: PathBuf,
        name: String,
        value: Vec<u8>,
    },
    GetAttribute {
        path: PathBuf,
        name: String,
    },
}

/// What a system call gave.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Gave {
    Nothing,
    Bytes(Vec<u8>),
    Names(Vec<String>),
    Path(PathBuf),
    Stat {
        size: u64,
        mode: u32,
        links: u64,
        inode: u64,
        access: i64,
        write: i64,
    },
    /// Its number.
    Error(i32),
}

impl Gave {
    pub(crate) fn bytes(self) -> Vec<u8> {
        match self {
            Self::Bytes(bytes) => bytes,
            other => panic!("no bytes, but {other:?}"),
        }
    }

    #[track_caller]
    pub(crate) fn ok(self) -> Self {
        if let Self::Error(number) = self {
            panic!("{}", io::Error::from_raw_os_error(number));
        }
        self
    }

    /// The error's number.
    #[track_caller]
    pub(crate) fn errno(self) -> Errno {
        match self {
            Self::Error(number) => Errno::from_raw_os_error(number),
            other => panic!("no error, but {other:?}"),
        }
    }
}

/// A process that makes system calls, one at a time, until dropped.
pub(crate) struct Actor(Child);

impl Actor {
    pub(crate) fn start() -> Self {
        Self(Child::start("actor", &[]))
    }

    pub(crate) fn id(&self) -> u32 {
        self.0.id()
    }

    /// Makes a call and waits for what it gives.
    pub(crate) fn call(&mut self, call: Call) -> Gave {
        self.0.ask(&call)
    }

    /// Begins a call; [`Self::finish`] gives what came of it.
    pub(crate) fn begin(&mut self, call: Call) {
        self.0.send(&call);
    }

    pub(crate) fn finish(&mut self) -> Gave {
        self.0.answer()
    }

    /// Opens, reads all that is asked for and closes.
    pub(crate) fn read(&mut self, path: &Path, length: usize) -> Gave {
        let flags = OFlags::RDONLY.bits();
        let opened = self.call(Call::Open { slot: 0, path: path.to_owned(), flags });
        if matches!(opened, Gave::Error(_)) {
            return opened;
        }
        let read = self.call(Call::Read { slot: 0, offset: 0, length });
        self.call(Call::Close { slot: 0 });
        read
    }

    /// Kills it in whatever it does.
    pub(crate) fn kill(&mut self) {
        self.0.kill();
    }
}

/// What a program did.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) success: bool,
    pub(crate) output: String,
    pub(crate) complaint: String,
}

/// Runs a program to its end, for at most a minute.
pub(crate) fn run(program: &str, arguments: &[&str]) -> Ran {
    let output = Command::new("timeout")
        .args(["--signal=KILL", "60", program])
        .args(arguments)
        .env("LC_ALL", "C")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    Ran {
        success: output.status.success(),
        output: String::from_utf8_lossy(&output.stdout).into_owned(),
        complaint: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// The actor's own side.
pub(super) fn act(mut line: Line) {
    let mut open = HashMap::new();
    while let Some(call) = line.receive::<Call>() {
        let gave = perform(&mut open, call);
        line.send(&gave.unwrap_or_else(|error| Gave::Error(error.raw_os_error())));
    }
}

fn perform(open: &mut HashMap<u32, OwnedFd>, call: Call) -> Result<Gave, Errno> {
    match call {
        Call::Open { slot, path, flags } => {
            let flags = OFlags::from_bits_retain(flags);
            open.insert(slot, fs::open(path, flags, Mode::from_raw_mode(0o666))?);
        }
        Call::Close { slot } => {
            open.remove(&slot).ok_or(Errno::BADF)?;
        }
        Call::Truncate { path, length } => truncate(&path, length)?,
        Call::Stat { path } => return stat(&path),
        Call::List { path } => return list(&path).map(Gave::Names),
        Call::Rename { from, to, no_replace } => {
            let flags = if no_replace { RenameFlags::NOREPLACE } else { RenameFlags::empty() };
            fs::renameat_with(CWD, from, CWD, to, flags)?;
        }
        Call::Link { from, to } => fs::link(from, to)?,
        Call::Symlink { target, path } => fs::symlink(target, path)?,
        Call::ReadLink { path } => {
            let target = fs::readlink(path, Vec::new())?;
            return Ok(Gave::Bytes(target.into_bytes()));
        }
        Call::Unlink { path } => fs::unlink(path)?,
        Call::MakeDirectory { path } => fs::mkdir(path, Mode::from_raw_mode(0o777))?,
        Call::RemoveDirectory { path } => fs::rmdir(path)?,
        Call::SetTimes { path, access, write } => {
            let at = |seconds| fs::Timespec { tv_sec: seconds, tv_nsec: 0 };
            let times = Timestamps { last_access: at(access), last_modification: at(write) };
            fs::utimensat(CWD, path, &times, AtFlags::empty())?;
        }
        Call::SetMode { path, mode } => fs::chmod(path, Mode::from_raw_mode(mode))?,
        Call::SetAttribute { path, name, value } => {
            fs::setxattr(path, name, &value, XattrFlags::empty())?;
        }
        Call::GetAttribute { path, name } => {
            let mut value = vec![0; 4096];
            let length = fs::getxattr(path, name, &mut value[..])?;
            value.truncate(length);
            return Ok(Gave::Bytes(value));
        }
        with_slot => return perform_on(open, with_slot),
    }
    Ok(Gave::Nothing)
}

/// Calls on what is open.
fn perform_on(open: &HashMap<u32, OwnedFd>, call: Call) -> Result<Gave, Errno> {
    let file = |slot: &u32| open.get(slot).ok_or(Errno::BADF);
    match &call {
        Call::Read { slot, offset, length } => {
            let mut data = vec![0; *length];
            let mut filled = 0;
            while filled < *length {
                let more =
                    rustix::io::pread(file(slot)?, &mut data[filled..], offset + filled as u64)?;
                if more == 0 {
                    break;
                }
                filled += more;
            }
            data.truncate(filled);
            return Ok(Gave::Bytes(data));
        }
        Call::Write { slot, offset, data } => {
            rustix::io::pwrite(file(slot)?, data, *offset)?;
        }
        Call::SetLength { slot, length } => fs::ftruncate(file(slot)?, *length)?,
        Call::Sync { slot } => fs::fsync(file(slot)?)?,
        Call::MapAndRead { slot, length } => {
            return map::read(file(slot)?, *length).map(Gave::Bytes);
        }
        Call::MapAndWrite { slot, offset, data } => map::write(file(slot)?, *offset, data)?,
        other => panic!("not a call on an open file: {other:?}"),
    }
    Ok(Gave::Nothing)
}

fn stat(path: &Path) -> Result<Gave, Errno> {
    let stat = fs::lstat(path)?;
    Ok(Gave::Stat {
        size: stat.st_size.cast_unsigned(),
        mode: stat.st_mode,
        links: stat.st_nlink,
        inode: stat.st_ino,
        access: stat.st_atime,
        write: stat.st_mtime,
    })
}

/// Everything in a directory, in the kernel's order.
pub(crate) fn list(path: &Path) -> Result<Vec<String>, Errno> {
    let folder = fs::open(path, OFlags::DIRECTORY | OFlags::RDONLY, Mode::empty())?;
    let mut names = Vec::new();
    for entry in fs::Dir::new(folder)? {
        names.push(entry?.file_name().to_string_lossy().into_owned());
    }
    Ok(names)
}

fn truncate(path: &Path, length: u64) -> Result<(), Errno> {
    // The call by path: the kernel opens nothing before.
    let path = CString::new(path.as_os_str().as_bytes()).unwrap();
    map::truncate(&path, length)
}

mod map {
    //! What has no safe form: mappings, and truncate by path.
    #![expect(unsafe_code, reason = "system calls")]

    use std::ffi::CStr;
    use std::os::fd::{AsFd, OwnedFd};
    use std::ptr;

    use rustix::io::Errno;
    use rustix::mm::{MapFlags, ProtFlags, mmap, munmap};

    pub(super) fn read(file: &OwnedFd, length: usize) -> Result<Vec<u8>, Errno> {
        // SAFETY: a mapping of its own, unmapped before this returns; nobody cuts the file short.
        unsafe {
            let flags = MapFlags::PRIVATE;
            let mapped = mmap(ptr::null_mut(), length, ProtFlags::READ, flags, file.as_fd(), 0)?;
            let data = std::slice::from_raw_parts(mapped.cast::<u8>(), length).to_vec();
            munmap(mapped, length)?;
            Ok(data)
        }
    }

    pub(super) fn write(file: &OwnedFd, offset: usize, data: &[u8]) -> Result<(), Errno> {
        let length = offset + data.len();
        let protection = ProtFlags::READ | ProtFlags::WRITE;
        // SAFETY: as above.
        unsafe {
            let mapped =
                mmap(ptr::null_mut(), length, protection, MapFlags::SHARED, file.as_fd(), 0)?;
            let place = mapped.cast::<u8>().add(offset);
            ptr::copy_nonoverlapping(data.as_ptr(), place, data.len());
            munmap(mapped, length)
        }
    }

    pub(super) fn truncate(path: &CStr, length: u64) -> Result<(), Errno> {
        // SAFETY: a NUL-terminated path that lives during the call.
        let result = unsafe { libc::truncate(path.as_ptr(), length.cast_signed()) };
        if result == 0 {
            Ok(())
        } else {
            Err(Errno::from_io_error(&std::io::Error::last_os_error()).unwrap())
        }
    }
}

//! What the provider answers to each callback, and what it asks for by itself.
#![expect(unsafe_code, reason = "the C functions and callbacks")]

use std::ptr;
use std::sync::atomic::Ordering;

use projfs_emulator::contract::{
    FailureCauses, FileState, Guid, HResult, Notification, NotifyMask, Result, UpdateFlags, Wide,
};
use windows_sys::Win32::Storage::ProjectedFileSystem::{
    PRJ_PLACEHOLDER_INFO, PRJ_PLACEHOLDER_VERSION_INFO, PRJ_UPDATE_FAILURE_CAUSE_READ_ONLY,
};

use super::Inner;
use super::command::{Answer, Command, Context, Kind, raw_guid};
use super::fault::Fault;
use super::listing::{Get, link_info, raw_basic};
use crate::support::tree::{Content, Entry, Node};

impl Inner {
    /// Answers a callback.
    pub(super) fn answer(&self, command: &Command) -> Answer {
        self.note(command);
        if let Some(instead) = (self.hook.read())(command) {
            return instead.into();
        }
        match &command.kind {
            Kind::Start { enumeration } => self.start_listing(*enumeration, &command.path).into(),
            Kind::Get { enumeration, expression, restart, single, to } => self
                .fill_listing(&Get {
                    enumeration: *enumeration,
                    expression: expression.as_ref(),
                    restart: *restart,
                    single: *single,
                    to: *to,
                })
                .into(),
            Kind::End { enumeration } => self.end_listing(*enumeration).into(),
            Kind::Placeholder => self.placeholder(command).into(),
            Kind::Data { offset, length } => self.data(command, *offset, *length).into(),
            Kind::Query => self.query(&command.path).into(),
            Kind::Notify { notification, .. } => {
                let mask = self.reply_mask.load(Ordering::Relaxed);
                let mask = (mask != 0).then(|| NotifyMask::from_bits_retain(mask));
                Answer { result: self.notified(command, *notification), mask }
            }
            Kind::Cancel => HResult::OK.into(),
        }
    }

    /// GetPlaceholderInfo: writes it under the projection's own casing (G9).
    fn placeholder(&self, command: &Command) -> HResult {
        if self.options.fault == Some(Fault::DeletesInCallback) {
            self.delete(command.context.0, &command.path, UpdateFlags::all());
        }
        self.write_placeholder(command.context.0, &command.path)
    }

    pub(super) fn write_placeholder(&self, context: Context, path: &Wide) -> HResult {
        let projection = self.projection.read().clone();
        let Some((spelled, entry)) = projection.find(path) else {
            return HResult::FILE_NOT_FOUND;
        };
        match self.options.fault {
            Some(Fault::FindsByCase) if spelled != *path => HResult::FILE_NOT_FOUND,
            Some(Fault::EchoesCase) => self.write_entry(context, path, entry),
            _ => self.write_entry(context, &spelled, entry),
        }
    }

    fn write_entry(&self, context: Context, path: &Wide, entry: &Entry) -> HResult {
        let (path, info) = (path.to_c(), placeholder_info(entry));
        let size = match self.options.fault {
            Some(Fault::ShortPlaceholderInfo) => 336,
            _ => size_of_val(&info),
        };
        let size = u32::try_from(size).unwrap();
        let Node::Link { target, .. } = &entry.node else {
            // SAFETY: the path and the information live during the call.
            return HResult(unsafe {
                let write = self.library.PrjWritePlaceholderInfo;
                write(context, path.as_ptr(), &raw const info, size)
            });
        };
        let Some(write) = self.library.PrjWritePlaceholderInfo2 else {
            return HResult::FILE_NOT_FOUND;
        };
        let target = target.to_c();
        let link = link_info(&target);
        // SAFETY: as above, and so does the link's target.
        HResult(unsafe { write(context, path.as_ptr(), &raw const info, size, &raw const link) })
    }

    /// QueryFileName: from the projection only (E9).
    fn query(&self, path: &Wide) -> HResult {
        let local = self.options.fault == Some(Fault::QueriesLocalFiles)
            && self.belief.lock().knows_local(path);
        let known = local || self.projection.read().find(path).is_some();
        if known { HResult::OK } else { HResult::FILE_NOT_FOUND }
    }

    fn notified(&self, command: &Command, notification: Notification) -> HResult {
        self.belief.lock().notified(command);
        match self.options.fault {
            Some(Fault::StopsInCallback) if notification == Notification::FileOpened => {
                // SAFETY: the context of the running instance.
                unsafe { (self.library.PrjStopVirtualizing)(command.context.0) };
            }
            Some(Fault::RefusesCreation) if notification == Notification::NewFileCreated => {
                return HResult::ACCESS_DENIED;
            }
            _ => {}
        }
        let refusal = self.options.refusals.iter().find(|(refused, _)| *refused == notification);
        refusal.map_or(HResult::OK, |(_, code)| *code)
    }

    /// GetFileData: what the placeholder's ContentID says, whatever the file is called now (J3).
    fn data(&self, command: &Command, offset: u64, length: u32) -> HResult {
        if self.options.stuck_data {
            loop {
                std::thread::park();
            }
        }
        let Some(content) = self.content(command) else {
            let by_path = self.options.fault == Some(Fault::FetchesByPath);
            let code = if by_path { HResult::FILE_NOT_FOUND } else { HResult::FILE_NOT_AVAILABLE };
            return code;
        };
        if offset + u64::from(length) > content.size() {
            return HResult::INTERNAL_ERROR;
        }
        let length = match self.options.fault {
            Some(Fault::ShortData) => length / 2,
            _ => length,
        };
        let mut piece = self.options.piece;
        if self.options.fault == Some(Fault::WritesUnaligned) {
            piece = 1000;
        }
        let end = offset + u64::from(length);
        let mut place = offset;
        while place < end {
            if place >= self.data_limit.load(Ordering::Relaxed) {
                return HResult::FILE_NOT_AVAILABLE;
            }
            let piece = u32::try_from((end - place).min(piece.into())).unwrap();
            let stream = match self.options.fault {
                Some(Fault::WritesToFile) => command.file,
                _ => command.stream,
            };
            let result = self.write_data(command.context.0, stream, &content, (place, piece));
            if !result.is_ok() {
                return result;
            }
            place += u64::from(piece);
        }
        HResult::OK
    }

    fn content(&self, command: &Command) -> Option<Content> {
        if self.options.fault == Some(Fault::FetchesByPath) {
            let projection = self.projection.read().clone();
            let gone = self.belief.lock().knows_gone(&command.path);
            return match &projection.find(&command.path)?.1.node {
                Node::File(content) if !gone => Some(content.clone()),
                _ => None,
            };
        }
        self.contents.lock().get(&command.version?.content).cloned()
    }

    /// PrjWriteFileData from an aligned buffer.
    fn write_data(
        &self,
        context: Context,
        stream: Guid,
        content: &Content,
        (offset, length): (u64, u32),
    ) -> HResult {
        let bytes = content.read(offset, length as usize);
        // SAFETY: the context of the running instance.
        let buffer = unsafe { (self.library.PrjAllocateAlignedBuffer)(context, bytes.len()) };
        if buffer.is_null() {
            return HResult::OUT_OF_MEMORY;
        }
        // SAFETY: the buffer has as many bytes, and nobody else has it.
        unsafe { ptr::copy_nonoverlapping(bytes.as_ptr(), buffer.cast::<u8>(), bytes.len()) };
        let stream = raw_guid(stream);
        let write = || {
            // SAFETY: the buffer holds `length` bytes until it is freed below.
            HResult(unsafe {
                (self.library.PrjWriteFileData)(context, &raw const stream, buffer, offset, length)
            })
        };
        let mut result = write();
        if self.options.fault == Some(Fault::RetriesClosedStream) {
            for _ in 0..10 {
                if result == HResult::HANDLE {
                    result = write();
                }
            }
        }
        (self.on_write.read())(result);
        // SAFETY: allocated above, freed once.
        unsafe { (self.library.PrjFreeAlignedBuffer)(buffer) };
        result
    }

    pub(super) fn update(
        &self,
        context: Context,
        path: &Wide,
        flags: UpdateFlags,
    ) -> (HResult, FailureCauses) {
        let projection = self.projection.read().clone();
        let Some((_, entry)) = projection.find(path) else {
            return (HResult::FILE_NOT_FOUND, FailureCauses::empty());
        };
        let (path, info, flags) = (path.to_c(), placeholder_info(entry), self.flags(flags));
        let size = u32::try_from(size_of_val(&info)).unwrap();
        let mut causes = 0;
        // SAFETY: everything that is pointed to lives during the call.
        let result = unsafe {
            (self.library.PrjUpdateFileIfNeeded)(
                context,
                path.as_ptr(),
                &raw const info,
                size,
                flags,
                &raw mut causes,
            )
        };
        (HResult(result), FailureCauses::from_bits_retain(causes.cast_unsigned()))
    }

    pub(super) fn delete(
        &self,
        context: Context,
        path: &Wide,
        flags: UpdateFlags,
    ) -> (HResult, FailureCauses) {
        let (path, flags) = (path.to_c(), self.flags(flags));
        let mut causes = 0;
        // SAFETY: everything that is pointed to lives during the call.
        let result =
            unsafe { (self.library.PrjDeleteFile)(context, path.as_ptr(), flags, &raw mut causes) };
        (HResult(result), FailureCauses::from_bits_retain(causes.cast_unsigned()))
    }

    fn flags(&self, flags: UpdateFlags) -> i32 {
        let flags = flags.bits().cast_signed();
        match self.options.fault {
            Some(Fault::PassesCauseAsFlag) => flags | PRJ_UPDATE_FAILURE_CAUSE_READ_ONLY,
            _ => flags,
        }
    }

    pub(super) fn state(&self, path: &Wide) -> Result<FileState> {
        let path = self.root.join(path.to_string().replace('\\', "/"));
        let path = Wide::from(path.to_str().unwrap()).to_c();
        let mut state = 0;
        // SAFETY: the path lives during the call, and so does the state.
        HResult(unsafe { (self.library.PrjGetOnDiskFileState)(path.as_ptr(), &raw mut state) })
            .ok()?;
        Ok(FileState::from_bits_retain(state.cast_unsigned()))
    }
}

fn placeholder_info(entry: &Entry) -> PRJ_PLACEHOLDER_INFO {
    let version = entry.version();
    PRJ_PLACEHOLDER_INFO {
        FileBasicInfo: raw_basic(&entry.basic()),
        VersionInfo: PRJ_PLACEHOLDER_VERSION_INFO {
            ProviderID: version.provider,
            ContentID: version.content,
        },
        ..PRJ_PLACEHOLDER_INFO::default()
    }
}

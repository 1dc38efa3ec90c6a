//! Runs: neighbouring blocks fetched in one GET, each landed as it arrives.

use std::ops::Range;
use std::sync::Arc;

use bytes::{Buf, Bytes};

use super::ObjectStream;
use super::backing::Backing;
use crate::content::body::{Body, ObjectRef};
use crate::content::flight::Leader;
use crate::content::{BlockResult, ContentFetch};
use crate::error::VfsError;
use crate::pool::Block;
use crate::sync::lock;

/// Blocks in one GET at most: 8 MiB of full-sized blocks, as in peers whose cold reads are fast.
const RUN_BLOCKS_MAX: usize = 32;

type BlockLeader = Leader<(ObjectRef, u32), BlockResult>;

impl ContentFetch {
    /// Fetches those of `blocks` that are neither at hand nor under way.
    pub(super) fn launch(self: &Arc<Self>, stream: &Arc<ObjectStream>, blocks: Range<u32>) {
        let partial = match &lock(&stream.state).backing {
            Backing::Partial(partial) => Some(Arc::clone(partial)),
            _ => None,
        };
        let mut first = blocks.start;
        let mut leaders: Vec<BlockLeader> = Vec::new();
        for index in blocks {
            let at_hand = self.block_in_memory(stream, index).is_some()
                || partial.as_ref().is_some_and(|file| file.contains(&stream.extent(index)));
            let leader = if at_hand { None } else { self.blocks.lead((stream.object, index)) };
            let gap = leader.is_none();
            if leaders.is_empty() {
                first = index;
            }
            leaders.extend(leader);
            if !leaders.is_empty() && (gap || leaders.len() >= RUN_BLOCKS_MAX) {
                self.start_run(stream, first, std::mem::take(&mut leaders));
            }
        }
        if !leaders.is_empty() {
            self.start_run(stream, first, leaders);
        }
    }

    /// Fetches the blocks of `leaders`, the first of which is block `first`.
    pub(super) fn start_run(
        self: &Arc<Self>,
        stream: &Arc<ObjectStream>,
        first: u32,
        leaders: Vec<BlockLeader>,
    ) {
        let (this, stream) = (Arc::clone(self), Arc::clone(stream));
        self.spawn(async move {
            let mut leaders = leaders.into_iter();
            // What could not be fetched fails; the next reader tries again.
            if let Err(error) = this.run(&stream, first, &mut leaders).await {
                leaders.for_each(|leader| leader.land(Err(error.clone())));
            }
        });
    }

    async fn run(
        self: &Arc<Self>,
        stream: &Arc<ObjectStream>,
        first: u32,
        leaders: &mut std::vec::IntoIter<BlockLeader>,
    ) -> Result<(), VfsError> {
        let count = u32::try_from(leaders.len()).unwrap_or(u32::MAX).max(1);
        let range = stream.extent(first).start..stream.extent(first + count - 1).end;
        let body = self.block_fetcher.open(stream.object, range).await?;
        let mut input = Input { body, rest: Bytes::new() };
        for index in first.. {
            let Some(leader) = leaders.next() else { break };
            match self.fill_block(stream, index, &mut input).await {
                Ok(block) => {
                    leader.land(Ok(block.clone()));
                    self.arrived(stream, index, block).await;
                }
                Err(error) => {
                    leader.land(Err(error.clone()));
                    return Err(error);
                }
            }
        }
        Ok(())
    }

    async fn fill_block(
        &self,
        stream: &ObjectStream,
        index: u32,
        input: &mut Input,
    ) -> Result<Block, VfsError> {
        let extent = stream.extent(index);
        let reservation = self.reserve(extent.end - extent.start).await?;
        let mut bytes = reservation.buffer();
        input.read_exact(&mut bytes).await?;
        let digest = lock(&stream.state).backing.digest(index);
        if let Some(expected) = digest {
            let actual = rusty_attachments_model::ContentHash::of(&bytes);
            if actual != expected {
                return Err(self.block_fetcher.mismatch(stream.object, actual));
            }
        }
        if let Backing::Poisoned(error) = &lock(&stream.state).backing {
            return Err(error.clone());
        }
        Ok(reservation.insert(stream.key(index), bytes))
    }
}

/// A body, and what of its last piece no block has taken yet.
pub(super) struct Input {
    pub(super) body: Body,
    pub(super) rest: Bytes,
}

impl Input {
    /// Fills `bytes` to its capacity.
    pub(super) async fn read_exact(&mut self, bytes: &mut Vec<u8>) -> Result<(), VfsError> {
        while bytes.len() < bytes.capacity() {
            if self.rest.is_empty() {
                match self.body.next().await? {
                    Some(piece) => self.rest = piece,
                    None => return Ok(()),
                }
            }
            let take = self.rest.len().min(bytes.capacity() - bytes.len());
            bytes.extend_from_slice(self.rest.get(..take).unwrap_or_default());
            self.rest.advance(take);
        }
        Ok(())
    }
}

//! A manifest that was projected before: its placeholders may still be on disk.

use std::sync::Arc;

use futures_util::stream::{self, BoxStream};
use rusty_attachments_model::{Manifest, PathRef};
use rusty_attachments_vfs::{
    Attributes, ContentIdentity, DirectoryListing, INodeManager, NodeId, NodeKind, Outcome,
    ReadData, Usage, VfsError, VfsErrorKind, Volume,
};

use crate::error::ProjFsError;
use crate::projection::{ManifestProjection, ProjectionOptions};

/// What a manifest that was projected before showed.
#[derive(Debug)]
pub(crate) struct Shown {
    pub(super) projection: Arc<ManifestProjection>,
}

impl Shown {
    /// Builds its projection; `options` as it was projected.
    ///
    /// # Errors
    /// The manifest is none that can be mounted.
    pub(crate) fn new(
        manifest: &Manifest,
        options: ProjectionOptions,
    ) -> Result<Self, ProjFsError> {
        let tree = Arc::new(INodeManager::build(manifest).map_err(VfsError::from)?);
        let projection = ManifestProjection::new(Arc::new(Names(tree)), options)?;
        Ok(Self { projection: Arc::new(projection) })
    }
}

/// The names and contents of a manifest, without any bytes.
struct Names(Arc<INodeManager>);

fn missing(node: NodeId) -> VfsError {
    VfsError::new(VfsErrorKind::NotFound, format!("there is no node {}", node.0))
}

fn no_content() -> VfsError {
    VfsError::new(VfsErrorKind::ContentMissing, "only the names of this manifest are kept")
}

impl Volume for Names {
    fn lookup(&self, parent: NodeId, name: PathRef<'_>) -> Result<Attributes, VfsError> {
        let node = self.0.lookup(parent, name).ok_or_else(|| missing(parent))?;
        self.attributes(node)
    }

    fn attributes(&self, node: NodeId) -> Result<Attributes, VfsError> {
        self.0.attributes(node).ok_or_else(|| missing(node))
    }

    fn children(&self, directory: NodeId) -> Result<Arc<dyn DirectoryListing>, VfsError> {
        let no_folder = || VfsError::new(VfsErrorKind::NotDirectory, "it is no folder");
        self.0.listing(directory).ok_or_else(no_folder)
    }

    fn link_target(&self, node: NodeId) -> Result<Vec<u8>, VfsError> {
        let target = self.0.link_target(node).ok_or_else(|| missing(node))?;
        Ok(target.as_wtf8().to_vec())
    }

    fn read(&self, _: NodeId, _: u64, _: usize) -> Outcome<ReadData> {
        Outcome::Ready(Err(no_content()))
    }

    fn content_identity(&self, node: NodeId) -> Option<ContentIdentity> {
        let file = self.0.content(node)?;
        (self.0.attributes(node)?.kind == NodeKind::File)
            .then(|| ContentIdentity::of(file.size, file.content))
    }

    fn read_content(&self, _: ContentIdentity, _: u64, _: usize) -> Outcome<ReadData> {
        Outcome::Ready(Err(no_content()))
    }

    fn copy_content(&self, _: ContentIdentity) -> BoxStream<'static, Result<ReadData, VfsError>> {
        Box::pin(stream::iter([Err(no_content())]))
    }

    fn local_file(&self, _: NodeId) -> Option<Arc<std::fs::File>> {
        None
    }

    fn flush(&self, _: NodeId) -> Outcome<()> {
        Outcome::Ready(Ok(()))
    }

    fn usage(&self) -> Usage {
        let (bytes, nodes) = (self.0.total_bytes(), self.0.len() as u64);
        Usage { bytes, nodes, bytes_free: 0 }
    }

    fn report(&self) -> String {
        "{}".to_owned()
    }
}

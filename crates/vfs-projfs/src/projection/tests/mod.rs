//! What a projection shows, over volumes of every kind.

mod links;
mod listings;
mod manifests;
mod model;
mod names;
mod paths;

use std::sync::Arc;

use rusty_attachments_testkit::volume::{ReferenceVolume, Tree};
use rusty_attachments_vfs::NodeId;

use super::*;

/// A name or path in UTF-16.
fn units(text: &str) -> Vec<u16> {
    text.encode_utf16().collect()
}

/// A name or path in UTF-16 as text; unpaired surrogates become U+FFFD.
fn text(units: &[u16]) -> String {
    String::from_utf16_lossy(units)
}

fn project(tree: Tree, links: LinkPolicy) -> (Arc<ReferenceVolume>, ManifestProjection) {
    let volume = tree.build();
    let options = ProjectionOptions { links, ..ProjectionOptions::default() };
    let projection = ManifestProjection::new(volume.clone(), options).unwrap();
    (volume, projection)
}

fn shown(tree: Tree) -> ManifestProjection {
    project(tree, LinkPolicy::Links).1
}

/// What a folder shows.
fn listing(projection: &ManifestProjection, folder: &str) -> Arc<[ProjectedFileInfo]> {
    let folder = projection.folder(&units(folder)).unwrap().expect("the folder is projected");
    projection.listing(folder).unwrap().unwrap()
}

/// All paths with slashes, each folder's in the order of its listing; folders end in a slash.
fn paths(projection: &ManifestProjection) -> Vec<String> {
    let mut paths = Vec::new();
    let mut pending = vec![(String::new(), NodeId::ROOT)];
    while let Some((above, folder)) = pending.pop() {
        for entry in projection.listing(folder).unwrap().unwrap().iter() {
            let path = format!("{above}{}", text(&entry.name));
            if entry.is_directory() {
                pending.push((format!("{path}/"), entry.node));
                paths.push(format!("{path}/"));
            } else {
                paths.push(path);
            }
        }
    }
    paths
}

/// The lines of the report.
fn told(projection: &ManifestProjection) -> Vec<String> {
    projection.report().to_string().lines().map(str::to_owned).collect()
}

/// The entry at a path with backslashes.
fn at(projection: &ManifestProjection, path: &str) -> Option<Found> {
    projection.find(&units(path)).unwrap()
}

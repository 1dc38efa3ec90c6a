//! `plain-get STORE MANIFEST`: fetches a manifest's objects with our S3 client, without a mount, and
//! prints one JSON line. What a mount cannot beat while it uses the same client.
//!
//! Objects in parts of 8 MiB, many requests at a time, hashed in order on one core, nothing kept.
#![expect(clippy::print_stdout, reason = "the measurement is this program's result")]

use std::error::Error;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use clap::Parser;
use futures_util::stream::{self, StreamExt, TryStreamExt};
use rusty_attachments_model::{Content, ContentHash, ContentHasher, EntryKind, Manifest};
use rusty_attachments_storage::{ByteRange, S3Options, S3Store, StorageClient, StorageError, cas};

type AnyError = Box<dyn Error + Send + Sync>;

const PART_BYTES: u64 = 8 * 1024 * 1024;

#[derive(Debug, Parser)]
struct Arguments {
    /// `s3://bucket/rootPrefix`
    store: String,
    manifest: PathBuf,
    #[arg(long)]
    endpoint_url: String,
    /// Only entries whose path starts with this
    #[arg(long, default_value = "")]
    only: String,
    /// The first such entry alone
    #[arg(long)]
    first: bool,
    /// Requests at a time
    #[arg(long, default_value_t = 16)]
    requests: usize,
}

/// A part of an object.
struct Part {
    hash: ContentHash,
    range: ByteRange,
    is_last: bool,
}

#[tokio::main]
async fn main() -> Result<(), AnyError> {
    let arguments = Arguments::parse();
    let manifest = Manifest::decode_bytes(&std::fs::read(&arguments.manifest)?)?;
    let (files, parts) = parts(&manifest, &arguments);
    let (bucket, prefix) = arguments
        .store
        .strip_prefix("s3://")
        .and_then(|rest| rest.split_once('/'))
        .ok_or("a store is s3://bucket/rootPrefix")?;
    let mut options = S3Options::new(bucket);
    prefix.clone_into(&mut options.root_prefix);
    options.endpoint = Some(arguments.endpoint_url);
    let store = Arc::new(S3Store::connect(options).await?);

    let started = Instant::now();
    let mut fetched = stream::iter(parts)
        .map(|part| {
            let store = Arc::clone(&store);
            async move { tokio::spawn(fetch(store, part)).await? }
        })
        .buffered(arguments.requests);
    let mut hasher = ContentHasher::new();
    let mut bytes = 0;
    while let Some(read) = fetched.next().await {
        let (part, pieces): (Part, Vec<Bytes>) = read?;
        for piece in pieces {
            bytes += piece.len() as u64;
            hasher.update(&piece);
        }
        if part.is_last
            && std::mem::replace(&mut hasher, ContentHasher::new()).finish() != part.hash
        {
            return Err(format!("object {} has other bytes", part.hash).into());
        }
    }
    let seconds = started.elapsed().as_secs_f64();
    println!("{}", serde_json::json!({ "seconds": seconds, "bytes": bytes, "reads": files }));
    Ok(())
}

/// The parts of the chosen files in order, and how many files there are.
fn parts(manifest: &Manifest, arguments: &Arguments) -> (usize, Vec<Part>) {
    let mut parts = Vec::new();
    let mut files = 0;
    for entry in manifest.entries() {
        let EntryKind::File(file) = entry.kind else { continue };
        let Content::Whole(hash) = file.content else { continue };
        if !entry.path.to_string().starts_with(&arguments.only) || (arguments.first && files > 0) {
            continue;
        }
        files += 1;
        for start in (0..file.size).step_by(PART_BYTES as usize) {
            let end = (start + PART_BYTES).min(file.size);
            parts.push(Part { hash, range: start..end, is_last: end == file.size });
        }
    }
    (files, parts)
}

type Fetched = Result<(Part, Vec<Bytes>), AnyError>;

async fn fetch(store: Arc<S3Store>, part: Part) -> Fetched {
    let key = cas::object_key(part.hash);
    let is_whole = part.is_last && part.range.start == 0;
    let object = store.get(&key, (!is_whole).then(|| part.range.clone())).await?;
    let pieces: Result<Vec<Bytes>, StorageError> = object.body.try_collect().await;
    Ok((part, pieces?))
}

//! `parse-only MANIFEST`: parses a v2023 manifest's JSON, builds nothing of it, and prints one JSON
//! line. What mounting a manifest takes beyond this is ours.
#![expect(clippy::print_stdout, reason = "the measurement is this program's result")]

use std::borrow::Cow;
use std::error::Error;
use std::path::PathBuf;
use std::time::Instant;

use clap::Parser;
use serde::Deserialize;

#[derive(Debug, Parser)]
struct Arguments {
    manifest: PathBuf,
}

#[derive(Debug, Deserialize)]
struct Document<'a> {
    #[serde(borrow)]
    paths: Vec<Line<'a>>,
}

#[derive(Debug, Deserialize)]
#[expect(dead_code, reason = "parsing every value is the point")]
struct Line<'a> {
    #[serde(borrow)]
    path: Cow<'a, str>,
    #[serde(borrow)]
    hash: Cow<'a, str>,
    size: i64,
    mtime: i64,
}

fn main() -> Result<(), Box<dyn Error>> {
    let started = Instant::now();
    let text = std::fs::read_to_string(Arguments::parse().manifest)?;
    let document: Document<'_> = serde_json::from_str(&text)?;
    let seconds = started.elapsed().as_secs_f64();
    let name = |line: &Line<'_>| line.path.rsplit('/').next().unwrap_or_default().len();
    let name_bytes: usize = document.paths.iter().map(name).sum();
    let entries = document.paths.len();
    println!(
        "{}",
        serde_json::json!({ "seconds": seconds, "entries": entries, "name_bytes": name_bytes })
    );
    Ok(())
}

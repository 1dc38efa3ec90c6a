//! `null-store FOLDER`: serves the folder's files as S3 objects on loopback and prints the address.
#![expect(clippy::print_stdout, reason = "the address is this program's result")]

use std::error::Error;
use std::io::Write;
use std::net::{Ipv4Addr, TcpListener};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::Parser;
use rusty_attachments_benches::{Index, Pace, serve};

#[derive(Debug, Parser)]
struct Arguments {
    /// The folder whose first level are the buckets
    folder: PathBuf,
    /// Milliseconds from a request to its answer
    #[arg(long, default_value_t = 0)]
    latency_ms: u64,
    /// Megabytes (10^6) a second on each connection; 0 is no limit
    #[arg(long, default_value_t = 0)]
    megabytes_per_second: u64,
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments = Arguments::parse();
    let index = Arc::new(Index::build(&arguments.folder)?);
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    println!("http://{}", listener.local_addr()?);
    std::io::stdout().flush()?;
    let pace = Pace {
        latency: Duration::from_millis(arguments.latency_ms),
        bytes_per_second: arguments.megabytes_per_second * 1_000_000,
    };
    Ok(serve(&listener, &index, pace)?)
}

//! Connections: one thread each, requests in order, bodies by `sendfile`.

use std::fs::File;
use std::io::{self, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::ops::Range;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use rustix::fs::sendfile;

use crate::bucket_listing;
use crate::http::{Request, http_date};
use crate::index::{Index, Indexed};

/// Bytes that one `sendfile` takes at most, which is also how fine a rate is kept.
const PIECE_BYTES: u64 = 256 * 1024;

/// How slow the server pretends to be.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// Time from a request to the first byte of its answer.
    pub latency: Duration,
    /// Bytes of a body per second and connection; zero is as fast as it goes.
    pub bytes_per_second: u64,
}

/// Serves connections until the process ends.
///
/// # Errors
/// Those of accepting connections.
pub fn serve(listener: &TcpListener, index: &Arc<Index>, pace: Pace) -> io::Result<()> {
    for connection in listener.incoming() {
        let connection = connection?;
        let index = Arc::clone(index);
        // A client that leaves mid-answer ends its own thread only.
        thread::Builder::new().stack_size(256 * 1024).spawn(move || {
            let _ = serve_connection(&connection, &index, pace);
        })?;
    }
    Ok(())
}

fn serve_connection(connection: &TcpStream, index: &Index, pace: Pace) -> io::Result<()> {
    connection.set_nodelay(true)?;
    let mut requests = BufReader::new(connection);
    while let Some(request) = Request::read(&mut requests)? {
        if !pace.latency.is_zero() {
            thread::sleep(pace.latency);
        }
        answer(connection, index, &request, pace)?;
        if request.closes {
            break;
        }
    }
    Ok(())
}

fn answer(out: &TcpStream, index: &Index, request: &Request, pace: Pace) -> io::Result<()> {
    if !matches!(request.method.as_str(), "GET" | "HEAD") {
        return write_xml(out, request, "405 Method Not Allowed", &error_xml("MethodNotAllowed"));
    }
    let (bucket, key) = request.target.split_once('/').unwrap_or((&request.target, ""));
    if !key.is_empty() {
        return match index.0.get(&request.target) {
            Some(object) => write_object(out, request, object, pace),
            None => write_xml(out, request, "404 Not Found", &error_xml("NoSuchKey")),
        };
    }
    if request.parameter("location").is_some() {
        let xml = "<LocationConstraint xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"/>";
        return write_xml(out, request, "200 OK", xml);
    }
    write_xml(out, request, "200 OK", &bucket_listing::page(index, bucket, request))
}

fn error_xml(code: &str) -> String {
    format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>{code}</Code></Error>")
}

fn write_xml(mut out: &TcpStream, request: &Request, status: &str, xml: &str) -> io::Result<()> {
    let body = if request.method == "HEAD" { "" } else { xml };
    let length = xml.len();
    let answer = format!(
        "HTTP/1.1 {status}\r\nx-amz-bucket-region: us-east-1\r\nContent-Type: application/xml\r\n\
         Content-Length: {length}\r\n\r\n{body}"
    );
    out.write_all(answer.as_bytes())
}

fn write_object(
    mut out: &TcpStream,
    request: &Request,
    object: &Indexed,
    pace: Pace,
) -> io::Result<()> {
    let size = object.size;
    let whole = 0..size;
    let range = request.range.clone().map_or(whole, |range| range.start..range.end.min(size));
    if request.range.is_some() && range.start >= size {
        return write_xml(out, request, "416 Range Not Satisfiable", &error_xml("InvalidRange"));
    }
    let (status, content_range) = match request.range {
        None => ("200 OK", String::new()),
        Some(_) => (
            "206 Partial Content",
            format!("Content-Range: bytes {}-{}/{size}\r\n", range.start, range.end - 1),
        ),
    };
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Length: {}\r\n{content_range}ETag: {}\r\nLast-Modified: {}\r\n\
         Accept-Ranges: bytes\r\nContent-Type: binary/octet-stream\r\n\r\n",
        range.end - range.start,
        object.etag(),
        http_date(object.modified)
    );
    out.write_all(head.as_bytes())?;
    if request.method == "HEAD" {
        return Ok(());
    }
    send_file(out, &File::open(&object.path)?, range, pace.bytes_per_second)
}

fn send_file(out: &TcpStream, file: &File, range: Range<u64>, rate: u64) -> io::Result<()> {
    let started = Instant::now();
    let mut at = range.start;
    while at < range.end {
        let wanted = (range.end - at).min(PIECE_BYTES) as usize;
        let sent = sendfile(out, file, Some(&mut at), wanted)?;
        if sent == 0 {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the file became shorter"));
        }
        if rate > 0 {
            let due = Duration::from_secs_f64((at - range.start) as f64 / rate as f64);
            thread::sleep(due.saturating_sub(started.elapsed()));
        }
    }
    Ok(())
}

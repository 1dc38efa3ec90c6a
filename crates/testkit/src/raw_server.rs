//! A deliberately bad HTTP server: says what a test tells it to say, and breaks off where told.

use std::fmt;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

/// A request, as far as a bad server cares.
#[derive(Clone, Debug)]
pub struct RawRequest {
    /// How many requests came before this one.
    pub index: u64,
    /// `GET`, `PUT` and so on.
    pub method: String,
    /// The path and query, as sent.
    pub target: String,
    /// Names in lower case, and values.
    pub headers: Vec<(String, String)>,
}

impl RawRequest {
    /// The value of a header, by its lower-case name.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(header, _)| header == name).map(|(_, value)| value.as_str())
    }

    /// The first and last byte of the `Range` header.
    #[must_use]
    pub fn range(&self) -> Option<(usize, usize)> {
        let (first, last) = self.header("range")?.strip_prefix("bytes=")?.split_once('-')?;
        Some((first.parse().ok()?, last.parse().ok()?))
    }
}

/// What the server does with a request. After any reply it closes the connection.
#[derive(Clone, Debug)]
pub enum RawReply {
    /// A whole answer: status, extra headers, body.
    Answer(u16, Vec<(&'static str, String)>, Vec<u8>),
    /// Status, headers and a length, but only these bytes of the body; then it closes.
    Cut(u16, Vec<(&'static str, String)>, u64, Vec<u8>),
    /// As `Cut`, but then it is silent until the client goes away.
    Stall(u16, Vec<(&'static str, String)>, u64, Vec<u8>),
    /// Silence until the client goes away.
    Silence,
    /// Closes the connection without a word.
    Close,
}

impl RawReply {
    /// An S3 error document.
    #[must_use]
    pub fn s3_error(status: u16, code: &str, message: &str) -> Self {
        let body = format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
             <Error><Code>{code}</Code><Message>{message}</Message></Error>"
        );
        let headers = vec![("Content-Type", "application/xml".to_owned())];
        Self::Answer(status, headers, body.into_bytes())
    }

    /// The part of `object` that the request asks for, as S3 would send it.
    #[must_use]
    pub fn object(request: &RawRequest, object: &[u8]) -> Self {
        let (status, headers, body) = slice(request, object);
        Self::Answer(status, headers, body)
    }

    /// As [`RawReply::object`], but the connection breaks after `bytes` of the body.
    #[must_use]
    pub fn object_cut(request: &RawRequest, object: &[u8], bytes: usize) -> Self {
        let (status, headers, mut body) = slice(request, object);
        let length = body.len() as u64;
        body.truncate(bytes);
        Self::Cut(status, headers, length, body)
    }
}

type Slice = (u16, Vec<(&'static str, String)>, Vec<u8>);

fn slice(request: &RawRequest, object: &[u8]) -> Slice {
    match request.range() {
        None => (200, Vec::new(), object.to_vec()),
        Some((first, last)) => {
            let last = last.min(object.len() - 1);
            let range = format!("bytes {first}-{last}/{}", object.len());
            (206, vec![("Content-Range", range)], object[first..=last].to_vec())
        }
    }
}

/// Answers requests on an ephemeral loopback port until it is dropped.
pub struct RawServer {
    address: SocketAddr,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

struct Shared {
    handler: Box<dyn Fn(&RawRequest) -> RawReply + Send + Sync>,
    requests: AtomicU64,
    connections: AtomicU64,
    stopped: AtomicBool,
}

impl RawServer {
    /// Starts a server; `handler` decides about each request.
    #[must_use]
    pub fn start(handler: impl Fn(&RawRequest) -> RawReply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            handler: Box::new(handler),
            requests: AtomicU64::new(0),
            connections: AtomicU64::new(0),
            stopped: AtomicBool::new(false),
        });
        let accepting = Arc::clone(&shared);
        let thread = std::thread::spawn(move || {
            for socket in listener.incoming().flatten() {
                if accepting.stopped.load(Ordering::SeqCst) {
                    return;
                }
                let shared = Arc::clone(&accepting);
                shared.connections.fetch_add(1, Ordering::SeqCst);
                std::thread::spawn(move || {
                    // A client that goes away is as good as one that stays.
                    let _ = shared.answer(&socket);
                    shared.connections.fetch_sub(1, Ordering::SeqCst);
                });
            }
        });
        Self { address, shared, thread: Some(thread) }
    }

    /// The server's URL.
    #[must_use]
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// How many requests have come in.
    #[must_use]
    pub fn requests(&self) -> u64 {
        self.shared.requests.load(Ordering::SeqCst)
    }

    /// How many connections are open.
    #[must_use]
    pub fn connections(&self) -> u64 {
        self.shared.connections.load(Ordering::SeqCst)
    }

    /// The URL of a port of this machine where nobody listens.
    #[must_use]
    pub fn refusing_endpoint() -> String {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        format!("http://{}", listener.local_addr().unwrap())
    }
}

impl fmt::Debug for RawServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RawServer").field("address", &self.address).finish_non_exhaustive()
    }
}

impl Drop for RawServer {
    fn drop(&mut self) {
        self.shared.stopped.store(true, Ordering::SeqCst);
        // Wakes the accepting thread.
        let _ = TcpStream::connect(self.address);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Shared {
    fn answer(&self, mut socket: &TcpStream) -> io::Result<()> {
        socket.set_read_timeout(Some(Duration::from_secs(60)))?;
        let Some(request) = self.read_request(socket)? else { return Ok(()) };
        let head_only = request.method == "HEAD";
        match (self.handler)(&request) {
            RawReply::Answer(status, headers, body) => {
                write_head(socket, status, &headers, body.len() as u64)?;
                if !head_only {
                    socket.write_all(&body)?;
                }
            }
            RawReply::Cut(status, headers, length, body) => {
                write_head(socket, status, &headers, length)?;
                socket.write_all(&body)?;
            }
            RawReply::Stall(status, headers, length, body) => {
                write_head(socket, status, &headers, length)?;
                socket.write_all(&body)?;
                self.wait_for_close(socket)?;
            }
            RawReply::Silence => self.wait_for_close(socket)?,
            RawReply::Close => {}
        }
        Ok(())
    }

    fn read_request(&self, mut socket: &TcpStream) -> io::Result<Option<RawRequest>> {
        let mut reader = BufReader::new(socket);
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let mut words = line.split_whitespace().map(str::to_owned);
        let (Some(method), Some(target)) = (words.next(), words.next()) else { return Ok(None) };
        let mut headers = Vec::new();
        loop {
            let mut line = String::new();
            reader.read_line(&mut line)?;
            let Some((name, value)) = line.trim_end().split_once(':') else { break };
            headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
        }
        let index = self.requests.fetch_add(1, Ordering::SeqCst);
        let request = RawRequest { index, method, target, headers };
        if request.header("expect").is_some() {
            socket.write_all(b"HTTP/1.1 100 Continue\r\n\r\n")?;
        }
        let length = request.header("content-length").and_then(|length| length.parse().ok());
        io::copy(&mut reader.take(length.unwrap_or(0)), &mut io::sink())?;
        Ok(Some(request))
    }

    fn wait_for_close(&self, mut socket: &TcpStream) -> io::Result<()> {
        socket.set_read_timeout(Some(Duration::from_millis(20)))?;
        while !self.stopped.load(Ordering::SeqCst) {
            match socket.read(&mut [0; 64]) {
                Ok(0) => break,
                Err(error)
                    if !matches!(
                        error.kind(),
                        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut
                    ) =>
                {
                    break;
                }
                _ => {}
            }
        }
        Ok(())
    }
}

fn write_head(
    mut socket: &TcpStream,
    status: u16,
    headers: &[(&str, String)],
    length: u64,
) -> io::Result<()> {
    let mut head = format!("HTTP/1.1 {status} Said So\r\nConnection: close\r\n");
    for (name, value) in headers {
        head += &format!("{name}: {value}\r\n");
    }
    head += &format!("Content-Length: {length}\r\n\r\n");
    socket.write_all(head.as_bytes())
}

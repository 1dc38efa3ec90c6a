//! Which process is at the other end of a loopback connection.
//!
//! What it says of itself is not enough: under Wine a process knows itself by another number than
//! the kernel tells of those who use a mounted root (`projfs.md K12`, `R17`).

use std::fs;
use std::net::SocketAddr;
use std::thread;
use std::time::Duration;

use super::callers::image;

/// How often is looked while several have a socket, and how long apart.
const LOOKS: u32 = 50;
const BETWEEN_LOOKS: Duration = Duration::from_millis(10);

/// The one process that has the socket from `peer` to `own`, if it can be told. Wine's server has
/// all sockets of its programs too and does not count. Takes half a second at most.
pub(super) fn process(own: SocketAddr, peer: SocketAddr) -> Option<u32> {
    let table = fs::read_to_string("/proc/net/tcp").ok()?;
    let socket = format!("socket:[{}]", inode(&table, peer, own)?);
    let wine = |process: &u32| image(*process).to_string().contains("wineserver");
    for _ in 0..LOOKS {
        let mut owners = processes().filter(|process| has(*process, &socket) && !wine(process));
        let owner = owners.next()?;
        if owners.next().is_none() {
            return Some(owner);
        }
        // A child that the owner is just starting: it has all sockets until it runs its program.
        thread::sleep(BETWEEN_LOOKS);
    }
    None
}

/// The number of the socket at `local` that is connected to `remote`.
fn inode(table: &str, local: SocketAddr, remote: SocketAddr) -> Option<&str> {
    let (local, remote) = (encoded(local)?, encoded(remote)?);
    table.lines().find_map(|line| {
        let mut fields = line.split_ascii_whitespace().skip(1);
        let matches = fields.next()? == local && fields.next()? == remote;
        // State, queues, timer, retransmissions, user, timeout: then the inode.
        if matches { fields.nth(6) } else { None }
    })
}

/// An address as `/proc/net/tcp` writes it: the bytes as one number of this machine's order.
fn encoded(address: SocketAddr) -> Option<String> {
    let SocketAddr::V4(address) = address else { return None };
    let ip = u32::from_ne_bytes(address.ip().octets());
    Some(format!("{ip:08X}:{:04X}", address.port()))
}

fn processes() -> impl Iterator<Item = u32> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}

fn has(process: u32, socket: &str) -> bool {
    let files = fs::read_dir(format!("/proc/{process}/fd")).into_iter().flatten().flatten();
    files
        .filter_map(|file| fs::read_link(file.path()).ok())
        .any(|target| target.to_str() == Some(socket))
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream};

    use super::*;

    #[test]
    fn the_other_end_is_found_by_its_socket() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let stream = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (accepted, peer) = listener.accept().unwrap();
        let found = process(accepted.local_addr().unwrap(), peer);
        assert_eq!(found, Some(std::process::id()));
        drop(stream);
    }

    #[test]
    fn a_line_of_the_table_is_understood() {
        let table = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n\
            0: 0100007F:1267 0100007F:D431 01 00000000:00000000 00:00000000 00000000  1000        0 4711 1 0 20 4 30 10 -1\n";
        let at = |port: u16| SocketAddr::from(([127, 0, 0, 1], port));
        assert_eq!(inode(table, at(0x1267), at(0xD431)), Some("4711"));
        assert_eq!(inode(table, at(0x1267), at(1)), None);
    }
}

//! The moto server that other tests rely on: it starts, answers, and is gone when dropped.
#![cfg(unix)]

use std::net::TcpStream;

use rusty_attachments_testkit::python::{MotoServer, OfficialPython};

#[test]
fn a_moto_server_answers_until_it_is_dropped() {
    let server = MotoServer::start(&OfficialPython::install().unwrap()).unwrap();
    let address = server.endpoint().strip_prefix("http://").unwrap().to_owned();
    TcpStream::connect(&address).unwrap();
    drop(server);
    TcpStream::connect(&address).unwrap_err();
}

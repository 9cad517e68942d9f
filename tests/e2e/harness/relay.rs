//! A relay before a server that hears what clients ask for.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// A running relay. It goes on until its test ends.
pub(crate) struct Relay {
    /// `127.0.0.1:port`.
    pub(crate) address: String,
    heard: Arc<Mutex<Vec<u8>>>,
}

impl Relay {
    /// Before the server at that address.
    pub(crate) fn before(server: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let heard = Arc::new(Mutex::new(Vec::new()));
        let (server, into) = (server.to_owned(), Arc::clone(&heard));
        std::thread::spawn(move || {
            for client in listener.incoming() {
                let (client, server) = (client.unwrap(), TcpStream::connect(&server).unwrap());
                let back = (server.try_clone().unwrap(), client.try_clone().unwrap());
                let into = Arc::clone(&into);
                std::thread::spawn(move || pass(client, server, |bytes| into.lock().unwrap().extend(bytes)));
                std::thread::spawn(move || pass(back.0, back.1, |_| ()));
            }
        });
        Self { address, heard }
    }

    /// Methods and targets of the requests since it was last asked.
    pub(crate) fn requests(&self) -> Vec<(String, String)> {
        let bytes = std::mem::take(&mut *self.heard.lock().unwrap());
        let text = String::from_utf8(bytes).unwrap();
        let words = text.lines().map(|line| line.split(' ').collect::<Vec<_>>());
        words
            .filter_map(|words| match words[..] {
                [method, target, "HTTP/1.1"] => Some((method.to_owned(), target.to_owned())),
                _ => None,
            })
            .collect()
    }
}

fn pass(mut from: TcpStream, mut to: TcpStream, hear: impl Fn(&[u8])) {
    let mut bytes = [0; 16 * 1024];
    while let Ok(length @ 1..) = from.read(&mut bytes) {
        hear(&bytes[..length]);
        if to.write_all(&bytes[..length]).is_err() {
            break;
        }
    }
    let _gone = to.shutdown(Shutdown::Write);
}

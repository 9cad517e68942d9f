//! What is between a proxy and its control plane: it can be cut, lead elsewhere, or let nothing through.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard};

/// A line that goes on until its test ends, always at the same address.
pub(crate) struct Line {
    /// `127.0.0.1:port`.
    pub(crate) address: String,
    state: Arc<Mutex<State>>,
}

/// Where a line leads.
#[derive(Clone, Debug)]
pub(crate) enum End {
    /// To the server at this address.
    Server(String),
    /// To the same, of which the head of its first answer comes through and nothing more.
    HeadOf(String),
    /// It takes connections, and nobody says a word on them.
    Mute,
    /// Connections end at once.
    Nobody,
}

struct State {
    end: End,
    open: Vec<TcpStream>,
    taken: usize,
}

impl Line {
    pub(crate) fn to(end: End) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let state = Arc::new(Mutex::new(State { end, open: Vec::new(), taken: 0 }));
        let lines = Arc::clone(&state);
        std::thread::spawn(move || {
            for client in listener.incoming() {
                lines.lock().unwrap().take(client.unwrap());
            }
        });
        Self { address, state }
    }

    /// Leads elsewhere from now on. Connections that are open stay.
    pub(crate) fn leads_to(&self, end: End) {
        self.state().end = end;
    }

    /// Ends every connection.
    pub(crate) fn cut(&self) {
        for stream in self.state().open.drain(..) {
            let _gone_already = stream.shutdown(Shutdown::Both);
        }
    }

    /// How many connections there were.
    pub(crate) fn taken(&self) -> usize {
        self.state().taken
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }
}

impl State {
    fn take(&mut self, client: TcpStream) {
        self.taken += 1;
        let (address, head_only) = match &self.end {
            End::Nobody => return,
            End::Mute => return self.open.push(client),
            End::Server(address) => (address, false),
            End::HeadOf(address) => (address, true),
        };
        let Ok(server) = TcpStream::connect(address) else { return };
        let [client_again, server_again] = [&client, &server].map(|stream| stream.try_clone().unwrap());
        self.open.extend([&client, &server].map(|stream| stream.try_clone().unwrap()));
        std::thread::spawn(move || pass(client_again, server_again, false));
        std::thread::spawn(move || pass(server, client, head_only));
    }
}

fn pass(mut from: TcpStream, mut to: TcpStream, head_only: bool) {
    let (mut bytes, mut heard) = ([0; 16 * 1024], Vec::new());
    while let Ok(length @ 1..) = from.read(&mut bytes) {
        let mut chunk = &bytes[..length];
        if head_only {
            let passed = heard.len();
            heard.extend_from_slice(chunk);
            let head = heard.windows(4).position(|four| four == b"\r\n\r\n").map_or(heard.len(), |at| at + 4);
            chunk = heard.get(passed..head).unwrap_or_default();
        }
        if to.write_all(chunk).is_err() {
            break;
        }
    }
    let _gone = to.shutdown(Shutdown::Both);
}

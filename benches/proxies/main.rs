//! Simulated proxies: each has a link to a control plane of its own, from an address of its own, and drives the same
//! state machine as a real one. What it takes is verified as there, and neither compiled nor kept.
//!
//! Who starts it says on its input, as one JSON object, where to link to and with what; it says on its output, a JSON object
//! a line, when all are linked and when all have the newest policy in force. It ends with its input.

mod light;
mod proxy;
mod tally;

use std::cell::RefCell;
use std::io::{self, BufRead as _, Read as _};
use std::net::SocketAddr;
use std::rc::Rc;

use policy_sync::{PolicyPublicKey, TrustedKeys};
use rustix::process::{Resource, getrlimit, setrlimit};
use serde::Deserialize;
use tokio::sync::oneshot;
use tokio::task::LocalSet;

use proxy::Proxy;
use tally::Tally;

/// What is asked for.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Task {
    /// Of the control plane.
    address: SocketAddr,
    /// The public half of its policy key.
    policy_key: String,
    org: String,
    /// A relay token for each proxy.
    tokens: Vec<String>,
    /// How many of them only verify the header of what they are sent, so that one machine can play very many.
    light: usize,
}

fn main() {
    let mut line = String::new();
    io::stdin().lock().read_line(&mut line).expect("the task comes first");
    let task: Task = serde_json::from_str(&line).expect("a task");
    raise_limit_of_files(task.tokens.len());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    LocalSet::new().block_on(&runtime, play(task));
}

/// Plays all proxies until the input ends.
async fn play(task: Task) {
    let key = task.policy_key.parse::<PolicyPublicKey>().expect("a public policy key");
    let trusted = TrustedKeys::new(vec![key]);
    let tally = Rc::new(RefCell::new(Tally::new(task.tokens.len())));
    for (number, token) in task.tokens.iter().enumerate() {
        let link = proxy::Link { address: task.address, number, token: token.clone() };
        let is_light = number < task.light;
        let proxy = Proxy::new(link, (&task.org, trusted.clone()), is_light, Rc::clone(&tally));
        tokio::task::spawn_local(proxy.run());
    }
    let (ended, end) = oneshot::channel();
    std::thread::spawn(move || {
        let _input = io::stdin().lock().read_to_end(&mut Vec::new());
        ended.send(())
    });
    let _ended = end.await;
}

/// Every proxy takes an open file.
fn raise_limit_of_files(proxies: usize) {
    let wanted = Some(proxies as u64 + 64);
    let mut limit = getrlimit(Resource::Nofile);
    assert!(
        limit.maximum.is_none() || limit.maximum >= wanted,
        "{proxies} proxies take as many open files: raise `ulimit -Hn`"
    );
    if limit.current.is_some() && limit.current < wanted {
        limit.current = wanted;
        setrlimit(Resource::Nofile, limit).expect("the limit of open files can be raised");
    }
}

//! A proxy that follows a control plane, and calls through it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;

use super::program::Backend;
use super::{Gate, request, wait_for};

/// What a proxy needs to follow.
pub(crate) struct Following<'f> {
    /// `host:port` that its link goes to.
    pub(crate) control: &'f str,
    pub(crate) relay_token: &'f str,
    /// The public half.
    pub(crate) policy_key: &'f str,
    /// What it stands in front of, at `/mcp`.
    pub(crate) backend: &'f Backend,
    /// The key that calls are made with.
    pub(crate) key: &'f str,
}

/// A running proxy.
pub(crate) struct Follower {
    pub(crate) gate: Gate,
    pub(crate) caller: Caller,
}

/// Who calls through a proxy.
#[derive(Clone)]
pub(crate) struct Caller {
    address: String,
    pub(crate) key: String,
}

/// Calls that go on and on.
pub(crate) struct Calls {
    ends: Arc<AtomicBool>,
    calling: JoinHandle<usize>,
}

impl Following<'_> {
    /// A folder with all the files of a proxy of that name.
    pub(crate) fn folder(&self, name: &str) -> TempDir {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
        write("relay-token", self.relay_token);
        write("policy-keys", self.policy_key);
        let settings = json!({"proxy": {
            "name": name,
            "admin": "127.0.0.1:0",
            "workers": 1,
            "listeners": [{"name": "agents", "address": "127.0.0.1:0", "auth": "api-key"}],
            "backends": [{"name": "tools", "kind": "mcp", "path": "/mcp", "url": self.backend.url}],
            "control_plane": {
                "url": format!("ws://{}/v1/sync", self.control),
                "relay_token_file": "relay-token",
                "policy_key_file": "policy-keys",
                "org": "acme",
                "state_directory": "state",
            },
            "audit": {"directory": "audit"},
            "drain": {"announce_seconds": 0, "limit_seconds": 10},
        }});
        write("oakgate.yaml", &settings.to_string());
        folder
    }

    /// Starts a proxy that has nothing yet.
    pub(crate) fn start(&self, name: &str) -> Follower {
        Follower::of(Gate::start_in(self.folder(name), false), self.key)
    }

    /// The same, which then has all that it needs.
    pub(crate) fn follow(&self, name: &str) -> Follower {
        let follower = self.start(name);
        follower.wait_until_ready();
        follower
    }
}

impl Follower {
    pub(crate) fn of(gate: Gate, key: &str) -> Self {
        let caller = Caller { address: gate.address.clone(), key: key.to_owned() };
        Self { gate, caller }
    }

    pub(crate) fn wait_until_ready(&self) {
        wait_for("a proxy that is ready", || (self.gate.admin("/readyz").status == 200).then_some(()));
    }

    /// Kills it, and starts it again with what it left.
    pub(crate) fn killed_and_started(self) -> Self {
        let key = self.caller.key;
        Self::of(Gate::start_in(killed(self.gate), false), &key)
    }

    /// What it says of its policy and its link.
    pub(crate) fn report(&self) -> Value {
        self.gate.admin("/policy").json()
    }

    /// The revision of the policy in force.
    pub(crate) fn revision(&self) -> u64 {
        self.report()["revision"].as_u64().unwrap_or(0)
    }

    /// Waits until the link is `up` or `down`.
    pub(crate) fn wait_for_link(&self, link: &str) {
        wait_for("the link", || (self.report()["control_plane"]["link"] == link).then_some(()));
    }

    /// Waits until it has no link for a reason that begins like this.
    pub(crate) fn wait_until_down(&self, why: &str) {
        wait_for(why, || {
            let link = &self.report()["control_plane"];
            let says = link["why"].as_str().is_some_and(|says| says.starts_with(why));
            (link["link"] == "down" && says).then_some(())
        });
    }

    /// Memory that it takes, as the kernel counts it.
    pub(crate) fn resident_kib(&self) -> u64 {
        let file = format!("/proc/{}/status", self.gate.program.child.id());
        let status = std::fs::read_to_string(file).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.trim_end_matches("kB").trim().parse().unwrap()
    }
}

/// Kills a proxy; what it leaves.
fn killed(mut gate: Gate) -> TempDir {
    gate.program.child.kill().unwrap();
    gate.program.child.wait().unwrap();
    gate.folder
}

impl Caller {
    /// Calls a tool. What refuses the call is the name of the reason, the message of an error, or a status.
    pub(crate) fn call(&self, tool: &str) -> Result<(), String> {
        let call = json!({"jsonrpc": "2.0", "id": 7, "method": "tools/call", "params": {"name": tool, "arguments": {}}});
        let headers = [
            ("x-api-key", self.key.as_str()),
            ("content-type", "application/json"),
            ("accept", "application/json"),
        ];
        let answer = request(&self.address, "POST", "/mcp", &headers, call.to_string().as_bytes());
        if answer.status != 200 {
            return Err(answer.status.to_string());
        }
        let message = answer.message();
        if message["result"]["isError"] == false {
            return Ok(());
        }
        let reason = message["result"]["_meta"]["oakgate.dev/verdict"]["reason"].as_str();
        Err(reason.or(message["error"]["message"].as_str()).unwrap().to_owned())
    }

    /// Waits until a call of a tool is answered so.
    pub(crate) fn wait_for(&self, tool: &str, expected: Result<(), &str>) {
        let expected = expected.map_err(str::to_owned);
        wait_for(tool, || (self.call(tool) == expected).then_some(()));
    }

    /// Calls a tool in another thread.
    pub(crate) fn calling(&self, tool: &'static str) -> JoinHandle<Result<(), String>> {
        let caller = self.clone();
        std::thread::spawn(move || caller.call(tool))
    }

    /// Calls a tool again and again, and each call must go through.
    pub(crate) fn steadily(&self, tool: &'static str) -> Calls {
        let (caller, ends) = (self.clone(), Arc::new(AtomicBool::new(false)));
        let until = Arc::clone(&ends);
        let calling = std::thread::spawn(move || {
            let mut count = 0;
            while !until.load(Ordering::SeqCst) {
                assert_eq!(caller.call(tool), Ok(()), "call {count}");
                count += 1;
                // Enough to be there all the time, and to leave the machine to the others.
                std::thread::sleep(Duration::from_millis(5));
            }
            count
        });
        Calls { ends, calling }
    }
}

impl Calls {
    /// Ends them; how many there were.
    pub(crate) fn end(self) -> usize {
        self.ends.store(true, Ordering::SeqCst);
        self.calling.join().unwrap()
    }
}

//! A whole proxy in this process, and the folder of its files.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use config::{Environment, Settings};
use policy_sync::TextSha256;
use receipt::{KeyId, KeySet};
use serde_json::Value;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::control::{Control, TOKEN, key};
use crate::running::{Running, start};

pub(super) const KEY: &str = "oak_live_0123456789abcdefghijklmnopqrstuvwxyzABCDEFG";

/// Its keys file.
pub(super) const KEYS: &str = r#"[{"id": "agent-1", "kind": "agent", "sha256": "17aa55372d2669eacaccb5ee7390e650adf15c1e21fd806daf1194466754b41a"}]"#;

/// A policy of many lines that do not compress: a small change of it is worth a delta.
pub(super) fn policy(more: &str) -> String {
    let name = |number: u32| TextSha256::of(&number.to_string());
    let tools: Vec<_> = (0..100).map(|number| format!("{{name: tool-{}}}", name(number))).collect();
    format!("{{format: 1, org: acme, tools: [{}{more}]}}", tools.join(",\n"))
}

pub(super) fn receipt_keys() -> String {
    KeySet::generate_hs256(&"receipts-1".parse::<KeyId>().unwrap(), &[5; 32]).to_string()
}

/// The files of a proxy.
#[derive(Clone)]
pub(super) struct Folder {
    folder: Arc<TempDir>,
    url: String,
    more: &'static str,
}

/// A proxy that follows a control plane.
pub(super) struct Gate {
    running: Running,
    folder: Folder,
    admin: SocketAddr,
    agents: SocketAddr,
}

impl Folder {
    pub(super) fn of(control: &Control) -> Self {
        let folder = Arc::new(tempfile::tempdir().unwrap());
        std::fs::write(folder.path().join("token"), format!("{TOKEN}\n")).unwrap();
        std::fs::write(folder.path().join("policy-keys"), format!("{}\n", key().public())).unwrap();
        Self { folder, url: url("ws", control), more: "" }
    }

    pub(super) fn to(self, control: &Control) -> Self {
        Self { url: url("ws", control), ..self }
    }

    pub(super) fn over_tls(self) -> Self {
        Self { url: self.url.replace("ws://", "wss://"), ..self }
    }

    pub(super) fn with(self, more: &'static str) -> Self {
        Self { more, ..self }
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(super) fn settings(&self, link: &str, environment: Environment) -> config::Proxy {
        let text = format!(
            "proxy:
  name: gate-1
  admin: 127.0.0.1:0
  workers: 1
  listeners: [{{name: agents, address: '127.0.0.1:0', auth: api-key}}]
  backends: [{{name: notes, kind: mcp, path: /mcp, url: 'http://127.0.0.1:1/mcp'}}]
  control_plane:
    url: {}
    relay_token_file: token
    policy_key_file: policy-keys
    state_directory: state
    {link}
  audit: {{directory: audit}}
  drain: {{announce_seconds: 0, limit_seconds: 1}}
{}",
            self.url, self.more
        );
        Settings::read(&text, self.folder.path(), environment).unwrap().proxy.unwrap()
    }
}

fn url(scheme: &str, control: &Control) -> String {
    format!("{scheme}://{}/v1/sync", control.address)
}

impl Gate {
    /// `link`: another line of the settings of the link.
    pub(super) async fn start(folder: Folder, link: &str) -> Self {
        let running = start(folder.settings(link, Environment::none())).await.unwrap();
        let admin = running.admin();
        let agents = running.listeners().next().unwrap().1;
        Self { running, folder, admin, agents }
    }

    pub(super) const fn folder(&self) -> &Folder {
        &self.folder
    }

    pub(super) async fn stop(self) -> Folder {
        self.running.stop().await;
        self.folder
    }

    pub(super) async fn ready(&self) -> u16 {
        get(self.admin, "/readyz", "").await.0
    }

    pub(super) async fn policy(&self) -> Value {
        serde_json::from_str(&get(self.admin, "/policy", "").await.1).unwrap()
    }

    pub(super) async fn metrics(&self) -> String {
        get(self.admin, "/metrics", "").await.1
    }

    /// What a caller with this key is answered; its backend never is there.
    pub(super) async fn call(&self, key: &str) -> u16 {
        get(self.agents, "/mcp", &format!("X-API-Key: {key}\r\nAccept: text/event-stream\r\n")).await.0
    }

    pub(super) async fn up(&self) {
        eventually(async || self.policy().await["control_plane"]["link"] == "up").await;
    }

    /// Waits until there is no link for this reason.
    pub(super) async fn down_because(&self, reason: &str) {
        let mut last = String::new();
        eventually(async || {
            let link = self.policy().await["control_plane"].take();
            last = link["why"].as_str().unwrap_or_default().to_owned();
            link["link"] == "down" && last.starts_with(reason)
        })
        .await;
    }
}

pub(super) async fn eventually(mut is_so: impl AsyncFnMut() -> bool) {
    for _ in 0..3000 {
        if is_so().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("it never was so");
}

async fn get(address: SocketAddr, path: &str, headers: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{headers}\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
}

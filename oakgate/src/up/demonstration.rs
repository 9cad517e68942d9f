//! The demonstration's settings and files: made at the first start, kept from then on.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use config::{Environment, Settings};

use super::{Credentials, Ids, Plan};
use crate::cli::{Algorithm, KeyKind, UpOptions};
use crate::demo::{self, Demo};
use crate::exit::Failure;
use crate::keys::{entry, new_api_key, new_receipt_keys};
use crate::secret_file;

const POLICY: &str = include_str!("policy.yaml");

/// What a newcomer must be told.
pub(crate) struct Made {
    pub(crate) data: PathBuf,
    /// The first API key: made just now, and kept nowhere.
    pub(crate) new_key: Option<String>,
}

/// Starts the backends, makes what is missing in the data folder, and reads the settings made of it.
pub(super) async fn plan(options: &UpOptions) -> Result<Plan, Failure> {
    let data = options.data.as_path();
    let fail = |error: std::io::Error| Failure::Configuration(format!("{}: {error}", data.display()));
    std::fs::create_dir_all(data).map_err(fail)?;
    let new_key = first_files(data)?;
    let demo = demo::start().await?;
    let text = settings(options, &demo);
    let settings = Settings::read(&text, data, Environment::of_process()).map_err(|mistakes| {
        Failure::Fault(mistakes.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))
    })?;
    let missing = || Failure::Fault("the demonstration's settings lack a part".to_owned());
    Ok(Plan {
        proxy: settings.proxy.ok_or_else(missing)?,
        control_plane: settings.control_plane.ok_or_else(missing)?,
        credentials: Credentials {
            session_file: data.join("session"),
            management_key_file: data.join("management-key"),
            ids: Ids::Alone,
        },
        demonstration: Some(Made { data: data.to_owned(), new_key }),
    })
}

fn write(file: &Path, secret: &str) -> Result<(), Failure> {
    secret_file::write(file, secret)
        .map_err(|error| Failure::Configuration(format!("{}: can't be written: {error}", file.display())))
}

/// Policy, keys and receipt keys, each only if it is not there. Returns the first API key if it was made now.
fn first_files(data: &Path) -> Result<Option<String>, Failure> {
    let policy = data.join("policy.yaml");
    if !policy.exists() {
        std::fs::write(&policy, POLICY)
            .map_err(|error| Failure::Configuration(format!("{}: {error}", policy.display())))?;
    }
    let receipts = data.join("receipts.jwks");
    if !receipts.exists() {
        write(&receipts, &new_receipt_keys("receipts-1", Algorithm::Hs256)?)?;
    }
    let keys = data.join("keys.yaml");
    if keys.exists() {
        return Ok(None);
    }
    let key = new_api_key(KeyKind::Agent)?;
    write(&keys, &format!("{}\n", entry("agent-1", KeyKind::Agent, &key)))?;
    Ok(Some(key))
}

fn settings(options: &UpOptions, demo: &Demo) -> String {
    let address = |address: SocketAddr| address.to_string();
    format!(
        "proxy:
  name: demo
  admin: {admin}
  listeners:
    - {{name: agents, address: '{listen}', auth: api-key}}
  backends:
    - {{name: notes, kind: mcp, path: /mcp/notes, url: 'http://{notes}/mcp', resource: {{argument: /path}}}}
    - name: shop
      kind: rest
      path: /api/shop
      url: 'http://{shop}'
      routes:
        - {{match: 'GET /v1/orders/{{order}}', tool: orders.read, resource: '{{order}}'}}
        - {{match: 'DELETE /v1/orders/{{order}}', tool: orders.delete, resource: '{{order}}'}}
        - {{match: 'POST /v1/refunds/{{order}}', tool: orders.refund, resource: '{{order}}'}}
  keys_file: keys.yaml
  receipts: {{keys_file: receipts.jwks}}
  audit: {{directory: audit}}
  policy: {{file: policy.yaml}}
  drain: {{announce_seconds: 0, limit_seconds: 10}}
control_plane:
  address: {control_plane}
  store: sqlite://oakgate.db
",
        admin = address(options.admin),
        listen = address(options.listen),
        notes = address(demo.notes),
        shop = address(demo.shop),
        control_plane = address(options.control_plane),
    )
}

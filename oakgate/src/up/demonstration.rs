//! The demonstration: settings of its own, and at its first start a policy and an agent, both in the control plane.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use config::{Environment, Settings};
use serde_json::{Value, json};
use tokio::task::spawn_blocking;
use ureq::http::Method;

use super::Plan;
use super::credentials::Ids;
use crate::api::{Api, ApiError, Body, NONE_YET};
use crate::cli::{Algorithm, ServerOptions, UpOptions};
use crate::demo::{self, Demo};
use crate::exit::Failure;
use crate::keys::new_receipt_keys;
use crate::secret_file;

const POLICY: &str = include_str!("policy.yaml");

/// The agent whose key is shown.
const AGENT: &str = "agent-1";

/// The demonstration, before its control plane serves.
pub(super) struct Demonstration {
    data: PathBuf,
    management_key_file: PathBuf,
}

/// What a newcomer must be told.
pub(super) struct Made {
    pub(super) data: PathBuf,
    /// The agent's key: made just now, and kept nowhere.
    pub(super) new_key: Option<String>,
}

/// Starts the backends, makes what is missing in the data folder, and reads the settings made of it.
pub(super) async fn plan(options: &UpOptions) -> Result<Plan, Failure> {
    let data = options.data.as_path();
    let fail = |error: std::io::Error| Failure::Configuration(format!("{}: {error}", data.display()));
    std::fs::create_dir_all(data).map_err(fail)?;
    first_files(data)?;
    let demo = demo::start().await?;
    let text = settings(options, &demo);
    let settings = Settings::read_to_link(&text, data, Environment::of_process()).map_err(|mistakes| {
        Failure::Fault(mistakes.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))
    })?;
    let missing = || Failure::Fault("the demonstration's settings lack a part".to_owned());
    let parts = (settings.proxy.ok_or_else(missing)?, settings.control_plane.ok_or_else(missing)?);
    let plan = super::plan(parts, &|name| data.join(name), Ids::Alone)?;
    let management_key_file = plan.credentials.management_key_file.clone();
    Ok(Plan { demonstration: Some(Demonstration { data: data.to_owned(), management_key_file }), ..plan })
}

/// Policy and receipt keys, each only if it is not there.
fn first_files(data: &Path) -> Result<(), Failure> {
    let cannot =
        |file: &Path, error| Failure::Configuration(format!("{}: can't be written: {error}", file.display()));
    let policy = data.join("policy.yaml");
    if !policy.exists() {
        std::fs::write(&policy, POLICY).map_err(|error| cannot(&policy, error))?;
    }
    let receipts = data.join("receipts.jwks");
    if !receipts.exists() {
        let keys = new_receipt_keys("receipts-1", Algorithm::Hs256)?;
        secret_file::write(&receipts, &keys).map_err(|error| cannot(&receipts, error))?;
    }
    Ok(())
}

impl Demonstration {
    /// Puts the policy and the agent into the control plane at `address`, as commands would; what is there already stays.
    pub(super) async fn configure(self, address: SocketAddr) -> Result<Made, Failure> {
        let configured = spawn_blocking(move || {
            let server = ServerOptions { url: format!("http://{address}"), ca_file: None };
            let api = Api::with(&server, &self.management_key_file, "`oakgate orgs key` makes another")?;
            self.first_policy(&api)?;
            Ok(Made { new_key: first_agent(&api)?, data: self.data })
        });
        configured.await.map_err(|error| Failure::Fault(error.to_string()))?
    }

    fn first_policy(&self, api: &Api) -> Result<(), Failure> {
        match api.get("/v1/policy") {
            Err(error) if error.is("not_found") => {}
            Err(error) => return Err(error.into()),
            Ok(_there) => return Ok(()),
        }
        let file = self.data.join("policy.yaml");
        let text = std::fs::read_to_string(&file)
            .map_err(|error| Failure::Configuration(format!("{}: can't be read: {error}", file.display())))?;
        match api.write(&Method::PUT, "/v1/policy", Body::Yaml(&text), Some(NONE_YET)) {
            Err(ApiError::Refused(refusal)) => {
                Err(Failure::Configuration(format!("{}: {refusal}", file.display())))
            }
            Err(error) => Err(error.into()),
            Ok(_) => Ok(()),
        }
    }
}

/// The key of the agent, if it was made now.
fn first_agent(api: &Api) -> Result<Option<String>, Failure> {
    match api.show(&format!("/v1/agents/{AGENT}")) {
        Err(error) if error.is("not_found") => {}
        Err(error) => return Err(error.into()),
        Ok(_there) => return Ok(None),
    }
    let made = api.write(&Method::POST, "/v1/agents", Body::Json(&json!({"id": AGENT})), None)?.json()?;
    Ok(made.get("key").and_then(Value::as_str).map(str::to_owned))
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
  audit: {{directory: audit}}
  drain: {{announce_seconds: 0, limit_seconds: 10}}
control_plane:
  address: {control_plane}
  org: demo
  store: sqlite://oakgate.db
  receipts: {{keys_file: receipts.jwks}}
",
        admin = address(options.admin),
        listen = address(options.listen),
        notes = address(demo.notes),
        shop = address(demo.shop),
        control_plane = address(options.control_plane),
    )
}

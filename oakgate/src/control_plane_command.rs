//! `oakgate control-plane`: the control plane alone.

use std::path::Path;

use config::{Environment, Settings, StorePlace};
use control_plane::{ApprovalRules, ControlPlane, StoreUrl};
use tokio::net::TcpListener;

use crate::cli::ControlPlaneOptions;
use crate::exit::{Done, Failure};
use crate::proxy_command::runtime;
use crate::signals::{Asked, Signals};

pub(crate) fn run(options: &ControlPlaneOptions) -> Done {
    let settings = settings(&options.config)?;
    runtime()?.block_on(async {
        let mut signals = Signals::listen()?;
        let listener = listen(&settings).await?;
        let address = listener.local_addr().map_err(|error| Failure::Fault(error.to_string()))?;
        let control_plane = open(&settings).await?;
        tracing::info!(%address, store = %store(&settings)?, "control plane");
        let shutdown = async move { while signals.next().await != Asked::Stop {} };
        control_plane.serve(listener, None, shutdown).await.map_err(|error| Failure::Fault(error.to_string()))
    })
}

/// The control plane's part of a settings file.
pub(crate) fn settings(file: &Path) -> Result<config::ControlPlane, Failure> {
    let settings = Settings::load(file, Environment::of_process())
        .map_err(|mistakes| Failure::Configuration(mistakes.to_string()))?;
    settings
        .control_plane
        .ok_or_else(|| Failure::Configuration(format!("{}: control_plane: missing", file.display())))
}

/// Takes the address of the API.
pub(crate) async fn listen(settings: &config::ControlPlane) -> Result<TcpListener, Failure> {
    let address = settings.address;
    TcpListener::bind(address).await.map_err(|error| {
        Failure::Configuration(format!("the control plane can't listen on {address}: {error}"))
    })
}

/// Opens the store.
pub(crate) async fn open(settings: &config::ControlPlane) -> Result<ControlPlane, Failure> {
    let store = store(settings)?;
    let shown = store.to_string();
    let settings =
        control_plane::Settings { store, approvals: ApprovalRules::default(), hosts: settings.hosts.clone() };
    ControlPlane::open(settings)
        .await
        .map_err(|error| Failure::Configuration(format!("{shown}: can't be opened: {error}")))
}

/// Where the store is, with its password.
pub(crate) fn store(settings: &config::ControlPlane) -> Result<StoreUrl, Failure> {
    match &settings.store {
        StorePlace::File(file) => Ok(StoreUrl::file(file)),
        StorePlace::Postgres { url, password_file } => {
            let wrong = |error: String| Failure::Configuration(format!("control_plane.store: {error}"));
            let store = StoreUrl::parse(url).map_err(|error| wrong(error.to_string()))?;
            let Some(file) = password_file else { return Ok(store) };
            let password = std::fs::read_to_string(file).map_err(|error| {
                Failure::Configuration(format!("{}: can't be read: {error}", file.display()))
            })?;
            store
                .with_password(password.trim_end_matches(['\r', '\n']))
                .map_err(|error| wrong(error.to_string()))
        }
    }
}

//! `oakgate control-plane`: the control plane alone.

use std::path::Path;
use std::sync::Arc;

use config::{Environment, Settings, StorePlace};
use control_plane::{ApprovalRules, ControlPlane, History, RedisPlace, StoreUrl};
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio::time::sleep;
use watched_files::WATCH_INTERVAL;

use crate::api_tls::ApiTls;
use crate::cli::ControlPlaneOptions;
use crate::exit::{Done, Failure};
use crate::policy_key;
use crate::proxy_command::runtime;
use crate::receipt_keys::ReceiptKeys;
use crate::signals::{Asked, Signals};

pub(crate) fn run(options: &ControlPlaneOptions) -> Done {
    let settings = settings(&options.config)?;
    runtime()?.block_on(async {
        let mut signals = Signals::listen()?;
        let listener = listen(&settings).await?;
        let address = listener.local_addr().map_err(|error| Failure::Fault(error.to_string()))?;
        let receipts = settings.receipts.as_ref();
        let keys = receipts.map(|receipts| ReceiptKeys::load(&settings.name, receipts)).transpose()?;
        let tls = ApiTls::load(&settings)?;
        let control_plane = open(&settings, keys.as_ref(), tls.as_ref()).await?;
        tracing::info!(%address, tls = tls.is_some(), store = %store(&settings)?, "control plane");
        if control_plane.orgs().list().await.is_ok_and(|orgs| orgs.is_empty()) {
            let next = format!("oakgate orgs add NAME --config {}", options.config.display());
            tracing::warn!(next, "there is no organisation yet: add one, with its first management key");
        }
        let reread = watch(keys, tls);
        let shutdown = async move {
            while signals.next().await == Asked::Reread {
                reread.notify_one();
            }
        };
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
    for warning in settings.warnings() {
        tracing::warn!(%warning, "the settings are good, and probably not what is meant");
    }
    let address = settings.address;
    TcpListener::bind(address).await.map_err(|error| {
        Failure::Configuration(format!("the control plane can't listen on {address}: {error}"))
    })
}

/// Watches the files for as long as the program runs; what it returns demands that they are read again.
pub(crate) fn watch(mut keys: Option<ReceiptKeys>, mut tls: Option<ApiTls>) -> Arc<Notify> {
    let reread = Arc::new(Notify::new());
    let asked = Arc::clone(&reread);
    tokio::spawn(async move {
        loop {
            tokio::select! {
                () = sleep(WATCH_INTERVAL) => {}
                () = asked.notified() => {
                    keys.iter_mut().for_each(ReceiptKeys::demand);
                    tls.iter_mut().for_each(ApiTls::demand);
                }
            }
            keys.iter_mut().for_each(ReceiptKeys::look);
            tls.iter_mut().for_each(ApiTls::look);
        }
    });
    reread
}

/// Opens the store, and then the policy key, which may lie beside it.
pub(crate) async fn open(
    settings: &config::ControlPlane,
    receipts: Option<&ReceiptKeys>,
    tls: Option<&ApiTls>,
) -> Result<ControlPlane, Failure> {
    let store = store(settings)?;
    let shown = store.to_string();
    let opening = control_plane::Settings {
        store,
        approvals: ApprovalRules::default(),
        hosts: settings.hosts.clone(),
        receipts: receipts.map(ReceiptKeys::receipts),
        redis: settings.redis.as_ref().map(redis).transpose()?,
        history: History {
            revisions_max: settings.history.max_revisions,
            revision_bytes_max: settings.history.max_revision_bytes,
            activity_days: settings.history.activity_days,
        },
        tls: tls.map(ApiTls::tls),
        policy_key: None,
    };
    let mut opened = ControlPlane::open(opening)
        .await
        .map_err(|error| Failure::Configuration(format!("{shown}: can't be opened: {error}")))?;
    if let Some(key) = policy_key::load(&settings.policy_key)? {
        opened.sign_with(key);
    }
    Ok(opened)
}

fn redis(settings: &config::Redis) -> Result<RedisPlace, Failure> {
    RedisPlace::new(&settings.url, settings.password_file.clone())
        .map_err(|error| Failure::Configuration(format!("control_plane.redis.url: {error}")))
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

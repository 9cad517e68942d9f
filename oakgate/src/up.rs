//! `oakgate up`: proxy and control plane in one process, from one file, or with no file at all.

mod credentials;
mod demonstration;
mod screen;

use std::path::Path;

use config::{Environment, Settings, StorePlace};
use tokio::sync::oneshot;

use crate::api_tls::ApiTls;
use crate::cli::UpOptions;
use crate::control_plane_command::{listen, open, watch};
use crate::exit::{Done, Failure};
use crate::proxy_command::{announce, runtime, start_failure};
use crate::receipt_keys::ReceiptKeys;
use crate::signals::{Asked, Signals};
use credentials::{Credentials, Ids};

/// Messages that the link between the two parts holds.
const LINK_MESSAGES: usize = 4096;

/// What to run, and what to say once it runs.
struct Plan {
    proxy: config::Proxy,
    control_plane: config::ControlPlane,
    credentials: Credentials,
    demonstration: Option<demonstration::Made>,
}

pub(crate) fn run(options: &UpOptions) -> Done {
    runtime()?.block_on(async {
        let plan = match &options.config {
            Some(file) => from_file(file)?,
            None => demonstration::plan(options).await?,
        };
        serve(plan).await
    })
}

fn from_file(file: &Path) -> Result<Plan, Failure> {
    let settings = Settings::load(file, Environment::of_process())
        .map_err(|mistakes| Failure::Configuration(mistakes.to_string()))?;
    let missing =
        |part| Failure::Configuration(format!("{}: {part}: missing; `up` runs both parts", file.display()));
    let control_plane = settings.control_plane.ok_or_else(|| missing("control_plane"))?;
    let proxy = settings.proxy.ok_or_else(|| missing("proxy"))?;
    if proxy.control_plane.is_some() {
        let what = "proxy.control_plane: `up` runs both parts, and they need no link; leave it out, or run `oakgate proxy`";
        return Err(Failure::Configuration(format!("{}: {what}", file.display())));
    }
    Ok(Plan {
        proxy,
        credentials: credentials(file, &control_plane.store),
        control_plane,
        demonstration: None,
    })
}

/// Beside the store where that is a file, which no other host has; else beside the settings.
fn credentials(settings: &Path, store: &StorePlace) -> Credentials {
    let (beside, ids) = match store {
        StorePlace::File(file) => (file.as_path(), Ids::Alone),
        StorePlace::Postgres { .. } => (settings, Ids::OfHost),
    };
    Credentials {
        session_file: beside.with_extension("session"),
        management_key_file: beside.with_extension("management-key"),
        ids,
    }
}

async fn serve(plan: Plan) -> Done {
    let mut signals = Signals::listen()?;
    let listener = listen(&plan.control_plane).await?;
    let api = listener.local_addr().map_err(|error| Failure::Fault(error.to_string()))?;
    let keys = ReceiptKeys::load(&plan.control_plane.name, &receipts(&plan)?)?;
    let tls = ApiTls::load(&plan.control_plane)?;
    let control_plane = open(&plan.control_plane, Some(&keys), tls.as_ref()).await?;
    let reread = watch(Some(keys), tls);
    let (people, orgs) = (control_plane.people(), control_plane.orgs());
    let (proxy_end, control_end) = policy_sync::link(LINK_MESSAGES);
    let (stop_control, stopped) = oneshot::channel::<()>();
    let mut serving = tokio::spawn(control_plane.serve(listener, Some(control_end), async {
        // Also when the sender is gone: then nobody is left to serve.
        let _asked = stopped.await;
    }));
    let running = proxy::start(plan.proxy, Some(proxy_end)).await.map_err(|error| start_failure(&error))?;
    let credentials = plan.credentials;
    match running.org() {
        Some(org) => {
            credentials.first_key(&orgs, &org).await?;
            credentials.first_person(&people, &org).await?;
        }
        None => tracing::warn!(
            "no policy is in force, so it is not known whose people these are; nobody can approve"
        ),
    }
    announce(&running);
    tracing::info!(address = %api, session_file = %credentials.session_file.display(), "control plane");
    if let Some(made) = &plan.demonstration {
        screen::show(made, &running, api);
    }
    let failed = loop {
        tokio::select! {
            asked = signals.next() => match asked {
                Asked::Reread => {
                    running.reread();
                    reread.notify_one();
                }
                Asked::Stop => break false,
            },
            _ended = &mut serving => break true,
        }
    };
    running.stop().await;
    drop(stop_control);
    if failed {
        return Err(Failure::Fault("the control plane failed".to_owned()));
    }
    serving
        .await
        .map_err(|error| Failure::Fault(error.to_string()))?
        .map_err(|error| Failure::Fault(error.to_string()))
}

/// The control plane's receipts; where its settings say nothing of them, with the keys of the proxy's.
fn receipts(plan: &Plan) -> Result<config::ControlReceipts, Failure> {
    let proxys = &plan.proxy.receipts;
    let of_proxy = || {
        let keys_file = proxys.keys_file.clone()?;
        Some(config::ControlReceipts { keys_file, ttl_seconds: proxys.ttl_seconds })
    };
    let missing = || Failure::Configuration("proxy.receipts.keys_file: missing".to_owned());
    plan.control_plane.receipts.clone().or_else(of_proxy).ok_or_else(missing)
}

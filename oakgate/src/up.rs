//! `oakgate up`: proxy and control plane in one process, from one file, or with no file at all.

mod credentials;
mod demonstration;
mod own_link;
mod screen;

use std::path::{Path, PathBuf};
use std::time::Duration;

use config::{Environment, Settings, StorePlace};
use proxy::Running;
use tokio::sync::oneshot;
use tokio::time::timeout;

use crate::api_tls::ApiTls;
use crate::cli::UpOptions;
use crate::control_plane_command::{listen, open, watch};
use crate::exit::{Done, Failure};
use crate::proxy_command::{announce, runtime, start_failure};
use crate::receipt_keys::ReceiptKeys;
use crate::signals::{Asked, Signals};
use credentials::{Credentials, Ids};
use demonstration::Demonstration;
use own_link::OwnProxy;

/// How long the proxy may take to link to the control plane beside it, and then to have all that it needs from there, before
/// that is told.
const READY_WITHIN: Duration = Duration::from_secs(10);

/// What to run, and what to say once it runs.
struct Plan {
    proxy: config::Proxy,
    control_plane: config::ControlPlane,
    own_proxy: OwnProxy,
    credentials: Credentials,
    demonstration: Option<Demonstration>,
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
    let settings = Settings::load_to_link(file, Environment::of_process())
        .map_err(|mistakes| Failure::Configuration(mistakes.to_string()))?;
    let missing =
        |part| Failure::Configuration(format!("{}: {part}: missing; `up` runs both parts", file.display()));
    let control_plane = settings.control_plane.ok_or_else(|| missing("control_plane"))?;
    let proxy = settings.proxy.ok_or_else(|| missing("proxy"))?;
    if proxy.control_plane.is_some() {
        let what =
            "proxy.control_plane: `up` links the two parts itself; leave it out, or run `oakgate proxy`";
        return Err(Failure::Configuration(format!("{}: {what}", file.display())));
    }
    let (beside, ids) = match &control_plane.store {
        // Beside the store, which no other host has.
        StorePlace::File(store) => (store.clone(), Ids::Alone),
        StorePlace::Postgres { .. } => (file.to_owned(), Ids::OfHost),
    };
    plan((proxy, control_plane), &|extension| beside.with_extension(extension), ids)
}

/// What is kept of both parts, each in the place that `place` gives it.
fn plan(
    (proxy, control_plane): (config::Proxy, config::ControlPlane),
    place: &dyn Fn(&str) -> PathBuf,
    ids: Ids,
) -> Result<Plan, Failure> {
    Ok(Plan {
        own_proxy: OwnProxy::new(&proxy, &control_plane, place("state"), ids)?,
        credentials: Credentials {
            session_file: place("session"),
            management_key_file: place("management-key"),
            ids,
        },
        proxy,
        control_plane,
        demonstration: None,
    })
}

async fn serve(plan: Plan) -> Done {
    let receipts = receipts(&plan)?;
    let Plan { mut proxy, control_plane: settings, own_proxy, credentials, demonstration } = plan;
    let mut signals = Signals::listen()?;
    let listener = listen(&settings).await?;
    let api = listener.local_addr().map_err(|error| Failure::Fault(error.to_string()))?;
    let (link_listener, link_address) = own_link::listen().await?;
    let keys = ReceiptKeys::load(&settings.name, &receipts)?;
    let tls = ApiTls::load(&settings)?;
    let control_plane = open(&settings, Some(&keys), tls.as_ref()).await?;
    let reread = watch(Some(keys), tls);
    let (people, orgs) = (control_plane.people(), control_plane.orgs());
    credentials.first_key(&orgs, &own_proxy.org).await?;
    credentials.first_person(&people, &own_proxy.org).await?;
    proxy.control_plane = Some(own_proxy.link(&control_plane, &orgs, link_address).await?);
    let (stop_control, stopped) = oneshot::channel::<()>();
    let mut serving = tokio::spawn(control_plane.serve(listener, Some(link_listener), async {
        // Also when the sender is gone: then nobody is left to serve.
        let _asked = stopped.await;
    }));
    let made = match demonstration {
        Some(demonstration) => Some(demonstration.configure(api).await?),
        None => None,
    };
    let running = proxy::start(proxy).await.map_err(|error| start_failure(&error))?;
    tell_unless_linked(&running).await;
    announce(&running);
    tracing::info!(address = %api, session_file = %credentials.session_file.display(), "control plane");
    if let Some(made) = &made {
        tell_unless_ready(&running).await;
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

/// Before it is said that the proxy takes calls: approvals can be asked for once it is linked.
async fn tell_unless_linked(running: &Running) {
    if timeout(READY_WITHIN, running.linked()).await.is_err() {
        tracing::warn!(
            "the proxy is not linked to the control plane beside it; `/readyz` of its admin address says more"
        );
    }
}

/// Before what is to be typed is shown.
async fn tell_unless_ready(running: &Running) {
    if timeout(READY_WITHIN, running.ready()).await.is_err() {
        tracing::warn!("the proxy is not ready; `/readyz` of its admin address says what is missing");
    }
}

/// The control plane's receipts; where its settings say nothing of them, with the keys of the proxy's.
fn receipts(plan: &Plan) -> Result<config::ControlReceipts, Failure> {
    let proxys = &plan.proxy.receipts;
    let of_proxy = || {
        let keys_file = proxys.keys_file.clone()?;
        Some(config::ControlReceipts { keys_file, ttl_seconds: proxys.ttl_seconds })
    };
    let missing = || {
        let what =
            "missing; `oakgate keys receipts` makes them, or name the proxy's in proxy.receipts.keys_file";
        Failure::Configuration(format!("control_plane.receipts.keys_file: {what}"))
    };
    plan.control_plane.receipts.clone().or_else(of_proxy).ok_or_else(missing)
}

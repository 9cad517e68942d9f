//! `oakgate up`: proxy and control plane in one process, from one file, or with no file at all.

mod demonstration;
mod screen;

use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use config::{Environment, Settings, StorePlace};
use control_plane::{FIRST_KEY_ID, NewPerson, Orgs, OrgsError};
use policy::approval::{Approver, PersonId};
use tokio::sync::oneshot;

use crate::cli::UpOptions;
use crate::control_plane_command::{listen, open, watch};
use crate::exit::{Done, Failure};
use crate::proxy_command::{announce, runtime, start_failure};
use crate::receipt_keys::ReceiptKeys;
use crate::signals::{Asked, Signals};

/// Messages that the link between the two parts holds.
const LINK_MESSAGES: usize = 4096;
/// The first person's session lasts this long.
const SESSION_SECONDS: u64 = 30 * 24 * 60 * 60;
/// The first person's id.
const FIRST_PERSON: &str = "admin";

/// What to run, and what to say once it runs.
struct Plan {
    proxy: config::Proxy,
    control_plane: config::ControlPlane,
    /// Where the first person's session goes.
    session_file: PathBuf,
    /// Where the organisation's first management key goes.
    management_key_file: PathBuf,
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
        session_file: secret_file(file, &control_plane.store, "session"),
        management_key_file: secret_file(file, &control_plane.store, "management-key"),
        control_plane,
        demonstration: None,
    })
}

/// Beside the store where that is a file, else beside the settings.
fn secret_file(settings: &Path, store: &StorePlace, what: &str) -> PathBuf {
    match store {
        StorePlace::File(file) => file.with_extension(what),
        StorePlace::Postgres { .. } => settings.with_extension(what),
    }
}

async fn serve(plan: Plan) -> Done {
    let mut signals = Signals::listen()?;
    let listener = listen(&plan.control_plane).await?;
    let api = listener.local_addr().map_err(|error| Failure::Fault(error.to_string()))?;
    let keys = ReceiptKeys::load(&plan.control_plane.name, &receipts(&plan)?)?;
    let control_plane = open(&plan.control_plane, Some(&keys)).await?;
    let reread = watch(Some(keys));
    let (people, orgs) = (control_plane.people(), control_plane.orgs());
    let (proxy_end, control_end) = policy_sync::link(LINK_MESSAGES);
    let (stop_control, stopped) = oneshot::channel::<()>();
    let mut serving = tokio::spawn(control_plane.serve(listener, Some(control_end), async {
        // Also when the sender is gone: then nobody is left to serve.
        let _asked = stopped.await;
    }));
    let running = proxy::start(plan.proxy, Some(proxy_end)).await.map_err(|error| start_failure(&error))?;
    let session_file = plan.session_file;
    match running.org() {
        Some(org) => {
            first_key(&orgs, &org, &plan.management_key_file).await?;
            first_person(&people, &org, &session_file).await?;
        }
        None => tracing::warn!(
            "no policy is in force, so it is not known whose people these are; nobody can approve"
        ),
    }
    announce(&running);
    tracing::info!(address = %api, session_file = %session_file.display(), "control plane");
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

/// Somebody must be able to decide. The first person's session goes to a file that only this user can read.
async fn first_person(people: &control_plane::People, org: &str, session_file: &Path) -> Done {
    let fault = |error: control_plane::PeopleError| Failure::Fault(format!("the first person: {error}"));
    let id = PersonId::parse(FIRST_PERSON).map_err(|error| Failure::Fault(error.to_string()))?;
    let known = people.list(org).await.map_err(fault)?;
    if known.is_empty() {
        let approver = Approver { id, level1: true, level2: true };
        let person = NewPerson {
            org: org.to_owned(),
            approver,
            name: "the first person".to_owned(),
            session_seconds: SESSION_SECONDS,
        };
        let session = people.create(person).await.map_err(fault)?;
        return write_secret(session_file, session.expose());
    }
    if !session_file.exists() && known.iter().any(|person| person.approver.id == id) {
        let session = people.renew_session(org, &id, SESSION_SECONDS).await.map_err(fault)?;
        return write_secret(session_file, session.expose());
    }
    Ok(())
}

/// Somebody must be able to configure. The first management key goes to a file that only this user can read; another
/// takes its place if that file is gone.
async fn first_key(orgs: &Orgs, org: &str, file: &Path) -> Done {
    if file.exists() {
        return Ok(());
    }
    let key = match orgs.add(org, FIRST_KEY_ID).await {
        Err(OrgsError::Exists) => orgs.new_key(org, FIRST_KEY_ID).await,
        made => made,
    };
    match key {
        Ok(key) => write_secret(file, key.expose()),
        // Somebody has taken its place by another, and holds that.
        Err(OrgsError::KeyTaken) => Ok(()),
        Err(error) => Err(Failure::Fault(format!("the first management key: {error}"))),
    }
}

/// Writes a file that only this user can read; one that is there already is replaced.
fn write_secret(file: &Path, text: &str) -> Done {
    let fail = |error: std::io::Error| {
        Failure::Configuration(format!("{}: can't be written: {error}", file.display()))
    };
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(0o600);
    let mut secret = options.open(file).map_err(fail)?;
    secret.write_all(text.as_bytes()).and_then(|()| secret.sync_all()).map_err(fail)
}

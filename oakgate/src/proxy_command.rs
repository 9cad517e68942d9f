//! `oakgate proxy`: the data plane alone.

use std::path::Path;

use config::{Environment, Settings};

use crate::cli::ProxyOptions;
use crate::exit::{Done, Failure};
use crate::signals::{Asked, Signals};

pub(crate) fn run(options: &ProxyOptions) -> Done {
    let settings = settings(options)?;
    runtime()?.block_on(async {
        let mut signals = Signals::listen()?;
        let running = proxy::start(settings).await.map_err(|error| start_failure(&error))?;
        announce(&running);
        while signals.next().await == Asked::Reread {
            running.reread();
        }
        running.stop().await;
        Ok(())
    })
}

/// The settings of the file, with the link of the join line if there is one.
fn settings(options: &ProxyOptions) -> Result<config::Proxy, Failure> {
    let file = &options.config;
    let load = if options.join.is_given() { Settings::load_to_link } else { Settings::load };
    let settings = load(file, Environment::of_process())
        .map_err(|mistakes| Failure::Configuration(format!("{mistakes}{}", hint(file))))?;
    let missing = || Failure::Configuration(format!("{}: proxy: missing", file.display()));
    let mut proxy = settings.proxy.ok_or_else(missing)?;
    options.join.join(&mut proxy, file.parent().unwrap_or_else(|| Path::new("")))?;
    Ok(proxy)
}

/// What somebody needs who has no settings yet.
fn hint(file: &Path) -> &'static str {
    if file.exists() { "" } else { "\n`oakgate proxy --help` shows the least that must be in it" }
}

/// The runtime beside the workers: files, admin, approvals.
pub(crate) fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::Fault(format!("no runtime: {error}")))
}

/// Says where the proxy listens: with port 0 nobody could know otherwise.
pub(crate) fn announce(running: &proxy::Running) {
    for (listener, address) in running.listeners() {
        tracing::info!(listener = listener.name, %address, tls = listener.tls.is_some(), "listening");
    }
    tracing::info!(address = %running.admin(), "admin address");
}

pub(crate) fn start_failure(error: &proxy::StartError) -> Failure {
    match error {
        proxy::StartError::Files(_) | proxy::StartError::Bind { .. } | proxy::StartError::Audit(_) => {
            Failure::Configuration(error.to_string())
        }
        proxy::StartError::Worker(_) | proxy::StartError::Metrics(_) | proxy::StartError::NoEntropy => {
            Failure::Fault(error.to_string())
        }
    }
}

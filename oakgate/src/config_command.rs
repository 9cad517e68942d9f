//! `oakgate config`: is a settings file right, and what has become of its routes?

use std::path::Path;

use config::{BackendKind, Environment, Mistakes, Route, Settings};

use crate::cli::ConfigCommand;
use crate::exit::{Done, Failure};
use crate::terminal::say;

pub(crate) fn run(command: &ConfigCommand) -> Done {
    match command {
        ConfigCommand::Check { file } => {
            let settings = load(file)?;
            let parts =
                [("proxy", settings.proxy.is_some()), ("control_plane", settings.control_plane.is_some())];
            let parts: Vec<&str> = parts.iter().filter(|(_, there)| *there).map(|(name, _)| *name).collect();
            let (proxy, control_plane) = (settings.proxy.iter(), settings.control_plane.iter());
            let unreadable: Vec<_> = proxy
                .clone()
                .flat_map(config::Proxy::unreadable_files)
                .chain(control_plane.clone().flat_map(config::ControlPlane::unreadable_files))
                .collect();
            if !unreadable.is_empty() {
                let mistakes = Mistakes { file: file.display().to_string(), list: unreadable };
                return Err(Failure::Configuration(mistakes.to_string()));
            }
            let warnings = proxy.flat_map(config::Proxy::warnings);
            for warning in warnings.chain(control_plane.flat_map(config::ControlPlane::warnings)) {
                say(format!("{}: warning: {warning}", file.display()));
            }
            say(format!("{}: good ({})", file.display(), parts.join(", ")));
        }
        ConfigCommand::Routes { file } => {
            let backends = load(file)?.proxy.map(|proxy| proxy.backends).unwrap_or_default();
            let mut is_any = false;
            for backend in &backends {
                if let BackendKind::Rest { written, .. } = &backend.kind {
                    is_any = true;
                    say(format!("{}, at {}", backend.name, backend.path));
                    table(written).iter().for_each(say);
                }
            }
            if !is_any {
                say("no backend of kind `rest`");
            }
        }
        ConfigCommand::Schema => {
            let schema = serde_json::to_string_pretty(&config::schema());
            say(schema.map_err(|error| Failure::Fault(error.to_string()))?);
        }
    }
    Ok(())
}

fn load(file: &Path) -> Result<Settings, Failure> {
    Settings::load(file, Environment::of_process())
        .map_err(|mistakes| Failure::Configuration(mistakes.to_string()))
}

/// A line each, by path and method, the columns below each other.
fn table(routes: &[Route]) -> Vec<String> {
    let mut rows: Vec<[String; 5]> = routes.iter().map(row).collect();
    rows.sort_by(|[method, path, ..], [other_method, other_path, ..]| {
        (path, method).cmp(&(other_path, other_method))
    });
    rows.insert(0, ["METHOD", "PATH", "TOOL", "RESOURCE", "FROM"].map(str::to_owned));
    let [first, second, third, fourth] = [0, 1, 2, 3].map(|column| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or_default()
    });
    let line = |[method, path, tool, resource, from]: &[String; 5]| {
        format!("  {method:first$}  {path:second$}  {tool:third$}  {resource:fourth$}  {from}")
    };
    rows.iter().map(line).collect()
}

fn row(route: &Route) -> [String; 5] {
    let (method, path) = route.pattern.split_once(' ').unwrap_or_default();
    let resource = route.resource.as_deref().unwrap_or("-");
    let from = route.openapi_file.as_ref().map_or("settings".to_owned(), |file| file.display().to_string());
    [method.to_owned(), path.to_owned(), route.tool.clone(), resource.to_owned(), from]
}

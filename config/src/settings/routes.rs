//! The routes of a REST backend: its own, from the settings, and those of an OpenAPI file where it has none.

use std::fmt::Display;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use protocol::rest::Routes;
use protocol::rest::openapi::{self, FILE_BYTES_MAX, Operation};

use crate::Mistake;
use crate::source::RouteSource;

/// One route that is in force, as it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// Method and path, such as `POST /v1/refunds/{ledger}`.
    pub pattern: String,
    /// The tool that it stands for.
    pub tool: String,
    /// The resource, with path parameters in braces.
    pub resource: Option<String>,
    /// Where it is written: an OpenAPI file; `None` is the settings.
    pub openapi_file: Option<PathBuf>,
}

/// The routes, ready and as written. A route of the settings beats one of the file that has its method and shape.
pub(super) fn routes(
    own: &[RouteSource],
    openapi_file: Option<&Path>,
    at: &impl Fn(&str) -> String,
    mistakes: &mut Vec<Mistake>,
) -> Option<(Routes, Vec<Route>)> {
    let ready = Routes::compile(&own.iter().map(source).collect::<Vec<_>>());
    for error in ready.as_ref().err().into_iter().flatten() {
        mistakes.push(Mistake::at(at(&format!("routes[{}]", error.position)), error.to_string()));
    }
    let mut written: Vec<Route> = own.iter().map(|route| Route::of(&source(route), None)).collect();
    let Some(file) = openapi_file else { return Some((ready.ok()?, written)) };
    // A mistake in the settings hides none in the file.
    let (mut all, is_good) = ready.map_or_else(|_| (Routes::default(), false), |ready| (ready, true));
    match operations(file).and_then(|operations| added(&mut all, &operations, file)) {
        Ok(added) => written.extend(added),
        Err(wrong) => {
            mistakes.extend(wrong.into_iter().map(|what| Mistake::at(at("openapi_file"), what)));
            return None;
        }
    }
    is_good.then_some((all, written))
}

impl Route {
    fn of(source: &protocol::rest::RouteSource<'_>, openapi_file: Option<&Path>) -> Self {
        Self {
            pattern: source.pattern.to_owned(),
            tool: source.tool.to_owned(),
            resource: source.resource.map(str::to_owned),
            openapi_file: openapi_file.map(Path::to_owned),
        }
    }
}

/// Adds the operations of a file to the routes; gives those that were added.
fn added(routes: &mut Routes, operations: &[Operation], file: &Path) -> Result<Vec<Route>, Vec<String>> {
    let sources: Vec<_> = operations.iter().map(Operation::route).collect();
    let left_out = routes.fill(&sources).map_err(|errors| named(file, &errors))?;
    let added = (0..).zip(&sources).filter(|(position, _)| left_out.binary_search(position).is_err());
    Ok(added.map(|(_, source)| Route::of(source, Some(file))).collect())
}

fn source(route: &RouteSource) -> protocol::rest::RouteSource<'_> {
    protocol::rest::RouteSource {
        pattern: &route.pattern,
        tool: &route.tool,
        resource: route.resource.as_deref(),
    }
}

/// What is in the file, or everything that is wrong with it.
fn operations(file: &Path) -> Result<Vec<Operation>, Vec<String>> {
    let text = read(file).map_err(|what| named(file, &[what]))?;
    openapi::read(&text).map_err(|mistakes| named(file, &mistakes))
}

/// Mistakes, each with the file's name.
fn named(file: &Path, mistakes: &[impl Display]) -> Vec<String> {
    mistakes.iter().map(|mistake| format!("{}: {mistake}", file.display())).collect()
}

/// No more of the file than it may have, and one byte.
fn read(file: &Path) -> Result<String, String> {
    let mut bytes = Vec::new();
    let limit_bytes = u64::try_from(FILE_BYTES_MAX).unwrap_or(u64::MAX).saturating_add(1);
    File::open(file)
        .and_then(|file| file.take(limit_bytes).read_to_end(&mut bytes))
        .map_err(|error| format!("can't be read: {error}"))?;
    if bytes.len() > FILE_BYTES_MAX {
        return Err(format!("larger than {FILE_BYTES_MAX} bytes"));
    }
    String::from_utf8(bytes).map_err(|_| "not UTF-8".to_owned())
}

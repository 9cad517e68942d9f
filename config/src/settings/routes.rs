//! The routes of a REST backend: its own, from the settings, and those of an OpenAPI file where it has none.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use protocol::rest::openapi::{self, FILE_BYTES_MAX, Operation};
use protocol::rest::{RouteError, Routes};

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
    let sources: Vec<_> = own.iter().map(source).collect();
    let ready = Routes::compile(&sources);
    for RouteError { position, fault, route } in ready.as_ref().err().into_iter().flatten() {
        mistakes.push(Mistake::at(at(&format!("routes[{position}]")), format!("route `{route}`: {fault}")));
    }
    let operations = openapi_file.map_or(Ok(Vec::new()), operations);
    let mut wrong = |what: String| mistakes.push(Mistake::at(at("openapi_file"), what));
    let operations = operations.map_err(|list| list.into_iter().for_each(&mut wrong)).ok();
    let (mut ready, operations) = (ready.ok()?, operations?);
    let more: Vec<_> = operations.iter().map(Operation::route).collect();
    let left_out =
        ready.fill(&more).map_err(|errors| errors.iter().for_each(|error| wrong(error.to_string()))).ok()?;
    let own = own.iter().map(|route| Route {
        pattern: route.pattern.clone(),
        tool: route.tool.clone(),
        resource: route.resource.clone(),
        openapi_file: None,
    });
    let read = (0..).zip(operations).filter(|(position, _)| left_out.binary_search(position).is_err());
    let read = read.map(|(_, Operation { pattern, tool, resource })| Route {
        pattern,
        tool,
        resource,
        openapi_file: openapi_file.map(Path::to_owned),
    });
    Some((ready, own.chain(read).collect()))
}

fn source(route: &RouteSource) -> protocol::rest::RouteSource<'_> {
    protocol::rest::RouteSource {
        pattern: &route.pattern,
        tool: &route.tool,
        resource: route.resource.as_deref(),
    }
}

/// What is in the file, or everything that is wrong with it, each with the file's name.
fn operations(file: &Path) -> Result<Vec<Operation>, Vec<String>> {
    let named = |what: String| format!("{}: {what}", file.display());
    let text = read(file).map_err(|what| vec![named(what)])?;
    openapi::read(&text).map_err(|list| list.iter().map(|mistake| named(mistake.to_string())).collect())
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

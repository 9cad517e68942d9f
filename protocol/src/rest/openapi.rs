//! Routes from an OpenAPI file (3.0, 3.1, 3.2; JSON or YAML): each operation under `paths` is one route.
//!
//! A file is read whole or refused whole, with every mistake in it: an operation that can't be understood is never
//! left out in silence. The tool is `x-oakgate-tool`, else `operationId`, else the route itself (`GET /v1/orders`);
//! the resource is `x-oakgate-resource`, else none. `servers` is ignored wherever it stands: paths are below the
//! backend's own URL. `webhooks` and `callbacks` are calls the other way, and ignored too.

mod fault;
mod item;
mod reader;

#[cfg(test)]
mod tests;

use std::collections::HashMap;

pub use self::fault::{OpenApiError, OpenApiFault, Place};
use self::item::{Components, Found, PathItem};
use self::reader::{Broken, Reader};
use super::routes::{ROUTES_MAX, RouteFault, RouteSource, Routes};

/// The largest file, in bytes.
pub const FILE_BYTES_MAX: usize = 16 * 1024 * 1024;
/// The longest name of a tool, in bytes.
pub const TOOL_BYTES_MAX: usize = 1024;

/// What an operation of the file is as a route.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Operation {
    /// Method and path, such as `POST /v1/refunds/{ledger}`.
    pub pattern: String,
    /// The tool that it stands for.
    pub tool: String,
    /// The resource, with path parameters in braces.
    pub resource: Option<String>,
}

impl Operation {
    /// The operation as a route.
    #[must_use]
    pub fn route(&self) -> RouteSource<'_> {
        RouteSource { pattern: &self.pattern, tool: &self.tool, resource: self.resource.as_deref() }
    }
}

/// Reads the operations of a file, in their order. They compile to [`Routes`].
///
/// # Errors
/// Every mistake in the file, up to a hundred.
pub fn read(text: &str) -> Result<Vec<Operation>, Vec<OpenApiError>> {
    let mut reader = Reader::new(text);
    if text.len() > FILE_BYTES_MAX {
        reader.note(OpenApiFault::TooLarge);
        return Err(reader.into_mistakes());
    }
    let operations = match Document::read(&mut reader) {
        Ok(document) => document.operations(&mut reader),
        Err(Broken) => Vec::new(),
    };
    let mistakes = reader.into_mistakes();
    // Of a file of another version, nothing else is worth saying.
    match mistakes.iter().find(|mistake| mistake.fault == OpenApiFault::VersionTwo) {
        Some(version_two) => Err(vec![version_two.clone()]),
        None if mistakes.is_empty() => Ok(operations),
        None => Err(mistakes),
    }
}

/// What a file says, before its references are followed.
#[derive(Default)]
struct Document {
    has_version: bool,
    paths: Vec<(String, PathItem)>,
    /// Whether a path was left out for a mistake, which is noted.
    has_bad_path: bool,
    components: Components,
}

impl Document {
    fn read(reader: &mut Reader<'_>) -> Result<Self, Broken> {
        let mut document = Self::default();
        if let Some(mut root) = reader.mapping()? {
            while let Some(key) = reader.key(&mut root)? {
                match &*key {
                    "openapi" => {
                        document.has_version = true;
                        version(reader)?;
                    }
                    "swagger" => {
                        reader.note(OpenApiFault::VersionTwo);
                        reader.skip()?;
                    }
                    "paths" => document.paths(reader)?,
                    "components" => document.components = Components::read(reader)?,
                    key => item::skip_extension(key, reader)?,
                }
            }
        }
        reader.finish()?;
        Ok(document)
    }

    fn paths(&mut self, reader: &mut Reader<'_>) -> Result<(), Broken> {
        let Some(mut paths) = reader.mapping()? else { return Ok(()) };
        while let Some(path) = reader.key(&mut paths)? {
            if path.starts_with("x-") {
                item::skip_extension(&path, reader)?;
                continue;
            }
            if let Some(fault) = path_fault(&path) {
                reader.note(fault);
                self.has_bad_path = true;
                PathItem::read(reader)?;
                continue;
            }
            let item = PathItem::read(reader)?;
            self.paths.push((path.into_owned(), item));
        }
        Ok(())
    }

    /// The operations of every path. The mistakes that are found now stand where the operation does.
    fn operations(&self, reader: &mut Reader<'_>) -> Vec<Operation> {
        if !self.has_version {
            reader.note_at(Place::whole(), OpenApiFault::MissingVersion);
        }
        let located = self.paths.iter().flat_map(|(path, item)| {
            let item = self.components.resolve(item, reader);
            let founds =
                item.into_iter().flat_map(|item| item.operations.iter().map(move |found| (item, found)));
            founds.map(move |(item, found)| Located { path, item, found })
        });
        // One more than there may be, so that it is noticed.
        let located: Vec<Located<'_>> = located.take(ROUTES_MAX.saturating_add(1)).collect();
        refuse_same_ids(&located, reader);
        let operations: Vec<Operation> =
            located.iter().map(|Located { path, found, .. }| found.operation(path)).collect();
        if operations.is_empty() && !self.has_bad_path {
            reader.note_at(Place::whole(), OpenApiFault::NoOperations);
        }
        let routes: Vec<RouteSource<'_>> = operations.iter().map(Operation::route).collect();
        for error in Routes::compile(&routes).err().into_iter().flatten() {
            let place = located.get(error.position).map(Located::place).unwrap_or_else(Place::whole);
            let fault = match error.fault {
                RouteFault::TooMany => OpenApiFault::TooManyOperations,
                _ => OpenApiFault::Route(error),
            };
            reader.note_at(place, fault);
        }
        operations
    }
}

fn path_fault(path: &str) -> Option<OpenApiFault> {
    if !path.starts_with('/') {
        return Some(OpenApiFault::NotAPath);
    }
    path.contains(['?', '#']).then_some(OpenApiFault::PathWithQuery)
}

/// An operation, and where it was found.
struct Located<'d> {
    path: &'d str,
    item: &'d PathItem,
    found: &'d Found,
}

impl Located<'_> {
    fn place(&self) -> Place {
        self.item.place_of(self.found)
    }
}

/// Two operations of one id: their calls could not be told apart.
fn refuse_same_ids(located: &[Located<'_>], reader: &mut Reader<'_>) {
    let mut first: HashMap<&str, &Located<'_>> = HashMap::new();
    for operation in located {
        let Some(id) = &operation.found.id else { continue };
        if let Some(first) = first.get(&**id) {
            let first = first.place().pointer.into();
            reader.note_at(operation.place(), OpenApiFault::SameOperationId { id: id.clone(), first });
        } else {
            first.insert(id, operation);
        }
    }
}

/// `3.0`, `3.1` or `3.2`, with or without a third number.
fn version(reader: &mut Reader<'_>) -> Result<(), Broken> {
    let Some(version) = reader.text()? else { return Ok(()) };
    let mut numbers = version.split('.');
    let known = numbers.next() == Some("3") && matches!(numbers.next(), Some("0" | "1" | "2"));
    let patch = numbers.next();
    let plain =
        patch.is_none_or(|patch| !patch.is_empty() && patch.bytes().all(|byte| byte.is_ascii_digit()));
    if !known || !plain || numbers.next().is_some() {
        reader.note(OpenApiFault::UnknownVersion(version.as_ref().into()));
    }
    Ok(())
}

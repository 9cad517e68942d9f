//! Path items: the operations of one path, or a reference to them.

use std::collections::HashMap;

use super::reader::{Broken, Reader, escaped};
use super::{OpenApiFault, Operation, Place, TOOL_BYTES_MAX};

/// The only place that a reference may lead to.
const PATH_ITEMS: &str = "#/components/pathItems/";
const TOOL: &str = "x-oakgate-tool";
const RESOURCE: &str = "x-oakgate-resource";

/// The operations of one path, in the order of the file.
#[derive(Default)]
pub(super) struct PathItem {
    pub(super) operations: Vec<Found>,
    pointer: String,
    /// Where the item really is, and where that is said.
    reference: Option<(Box<str>, Place)>,
}

/// One operation.
pub(super) struct Found {
    method: String,
    pub(super) id: Option<Box<str>>,
    /// Where it stands in its path item, as a JSON Pointer without the slash before it.
    key: String,
    line: u32,
    tool: Option<Box<str>>,
    resource: Option<Box<str>>,
}

/// The path items that have names.
#[derive(Default)]
pub(super) struct Components {
    path_items: HashMap<String, PathItem>,
}

impl Components {
    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Self, Broken> {
        let mut components = Self::default();
        let Some(mut mapping) = reader.mapping()? else { return Ok(components) };
        while let Some(key) = reader.key(&mut mapping)? {
            if key != "pathItems" {
                skip_extension(&key, reader)?;
                continue;
            }
            let Some(mut items) = reader.mapping()? else { continue };
            while let Some(name) = reader.key(&mut items)? {
                let item = PathItem::read(reader)?;
                components.path_items.insert(name.into_owned(), item);
            }
        }
        Ok(components)
    }

    /// The item itself, or the one that it refers to: one step, within the file.
    pub(super) fn resolve<'i>(&'i self, item: &'i PathItem, reader: &mut Reader<'_>) -> Option<&'i PathItem> {
        let Some((reference, place)) = &item.reference else { return Some(item) };
        let named = reference.strip_prefix(PATH_ITEMS).and_then(|name| self.path_items.get(name));
        let fault = match named {
            _ if !item.operations.is_empty() => OpenApiFault::BesideReference,
            Some(named) if named.reference.is_none() => return Some(named),
            Some(_) => OpenApiFault::ReferenceTwice,
            None if reference.starts_with('#') => OpenApiFault::UnknownReference(reference.clone()),
            None => OpenApiFault::ForeignReference(reference.clone()),
        };
        reader.note_at(place.clone(), fault);
        None
    }
}

impl PathItem {
    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Self, Broken> {
        let mut item = Self { pointer: reader.place().pointer, ..Self::default() };
        let Some(mut mapping) = reader.mapping()? else { return Ok(item) };
        while let Some(key) = reader.key(&mut mapping)? {
            match &*key {
                "get" | "put" | "post" | "delete" | "options" | "head" | "patch" | "trace" | "query" => {
                    item.operations.extend(Found::read(
                        key.to_ascii_uppercase(),
                        key.clone().into_owned(),
                        reader,
                    )?);
                }
                "additionalOperations" => item.additional(reader)?,
                "$ref" => {
                    let place = reader.place();
                    item.reference = reader.text()?.map(|reference| (reference.as_ref().into(), place));
                }
                "summary" | "description" | "servers" | "parameters" => reader.skip()?,
                key if key.starts_with("x-") => skip_extension(key, reader)?,
                key => {
                    reader.note(OpenApiFault::UnknownKey(key.into()));
                    reader.skip()?;
                }
            }
        }
        Ok(item)
    }

    /// Operations of methods that have no key of their own, each under its method as it is sent.
    fn additional(&mut self, reader: &mut Reader<'_>) -> Result<(), Broken> {
        let Some(mut mapping) = reader.mapping()? else { return Ok(()) };
        while let Some(method) = reader.key(&mut mapping)? {
            let key = format!("additionalOperations/{}", escaped(&method));
            self.operations.extend(Found::read(method.into_owned(), key, reader)?);
        }
        Ok(())
    }

    pub(super) fn place_of(&self, found: &Found) -> Place {
        Place { pointer: format!("{}/{}", self.pointer, found.key), line: found.line }
    }
}

impl Found {
    fn read(method: String, key: String, reader: &mut Reader<'_>) -> Result<Option<Self>, Broken> {
        let line = reader.line();
        let Some(mut mapping) = reader.mapping()? else { return Ok(None) };
        let mut found = Self { method, key, line, id: None, tool: None, resource: None };
        while let Some(key) = reader.key(&mut mapping)? {
            match &*key {
                "operationId" => found.id = tool_name(reader)?,
                TOOL => found.tool = tool_name(reader)?,
                RESOURCE => found.resource = reader.text()?.map(|resource| resource.as_ref().into()),
                "$ref" => {
                    reader.note(OpenApiFault::OperationReference);
                    reader.skip()?;
                }
                key => skip_extension(key, reader)?,
            }
        }
        Ok(Some(found))
    }

    /// What it is as a route at that path.
    pub(super) fn operation(&self, path: &str) -> Operation {
        let pattern = format!("{} {path}", self.method);
        let tool = self.tool.as_ref().or(self.id.as_ref());
        Operation {
            tool: tool.map_or_else(|| pattern.clone(), |tool| tool.to_string()),
            resource: self.resource.as_ref().map(ToString::to_string),
            pattern,
        }
    }
}

/// Passes what belongs to others. What is meant for us, but not known, might restrict something.
pub(super) fn skip_extension(key: &str, reader: &mut Reader<'_>) -> Result<(), Broken> {
    if key.starts_with("x-oakgate-") {
        reader.note(OpenApiFault::UnknownExtension(key.into()));
    }
    reader.skip()
}

fn tool_name(reader: &mut Reader<'_>) -> Result<Option<Box<str>>, Broken> {
    let Some(name) = reader.text()? else { return Ok(None) };
    if !(1..=TOOL_BYTES_MAX).contains(&name.len()) || name.chars().any(char::is_control) {
        reader.note(OpenApiFault::ToolName);
    }
    Ok(Some(name.as_ref().into()))
}

//! The parameters of a request or a notification: the members that are decided on, and the text of the rest.

use std::borrow::Cow;

use super::{Id, name, refuse_case_variant};
use crate::json::{Kind, Reader, Value};
use crate::malformed::Malformed;
use crate::mcp::{self, Subject};

const META_VERSION: &str = "io.modelcontextprotocol/protocolVersion";
const META_CAPABILITIES: &str = "io.modelcontextprotocol/clientCapabilities";
const TASKS_EXTENSION: &str = "io.modelcontextprotocol/tasks";
const EMPTY_OBJECT: &str = "{}";

/// Every member of `params` that a published revision or extension names.
const KNOWN_KEYS: [&str; 26] = [
    "_meta",
    "argument",
    "arguments",
    "capabilities",
    "clientInfo",
    "context",
    "cursor",
    "inputResponses",
    "level",
    "message",
    "name",
    "notifications",
    "progress",
    "progressToken",
    "protocolVersion",
    "reason",
    "ref",
    "requestId",
    "requestState",
    "status",
    "statusMessage",
    "task",
    "taskId",
    "total",
    "ttlMs",
    "uri",
];

/// The parameters of one message. A member that lacks is `None`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Params<'a> {
    /// The JSON text of the whole object, as it came; `{}` if there is none.
    pub raw: &'a str,
    /// The JSON text of the object `arguments`, as it came; `{}` if there is none.
    pub arguments: &'a str,
    /// The tool or prompt, escapes resolved.
    pub name: Option<Cow<'a, str>>,
    /// The resource, escapes resolved.
    pub uri: Option<Cow<'a, str>>,
    /// The task, escapes resolved.
    pub task_id: Option<Cow<'a, str>>,
    /// The protocol version of this one request, from `_meta` (2026-07-28 and later).
    pub protocol_version: Option<Cow<'a, str>>,
    /// The protocol version that an `initialize` asks for (up to 2025-11-25).
    pub initialize_version: Option<Cow<'a, str>>,
    /// The JSON text of `_meta.progressToken`, if it is a string or a number of a sensible length.
    pub progress_token: Option<&'a str>,
    /// The request that a `notifications/cancelled` is about.
    pub request_id: Option<Id<'a>>,
    /// The JSON text of `inputResponses`: what the client answers to a tool that asked (2026-07-28).
    pub input_responses: Option<&'a str>,
    /// The JSON text of `requestState`: what a tool that asked wants to be reminded of (2026-07-28).
    pub request_state: Option<&'a str>,
    /// Whether this request declares the tasks extension among the client's capabilities.
    pub declares_tasks: bool,
    /// Whether a `subscriptions/listen` asks to hear of changes in the list of tools.
    pub listens_to_tools: bool,
}

/// Parameters of a method that is not known yet.
#[derive(Default)]
pub(super) struct Unchecked<'a> {
    params: Params<'a>,
    wrong: Wrong,
}

/// Members that are there with a value of the wrong kind. Which of them matter depends on the method.
#[derive(Default)]
struct Wrong {
    arguments: bool,
    name: bool,
    uri: bool,
    task_id: bool,
    initialize_version: bool,
}

impl Default for Params<'_> {
    fn default() -> Self {
        Self {
            raw: EMPTY_OBJECT,
            arguments: EMPTY_OBJECT,
            name: None,
            uri: None,
            task_id: None,
            protocol_version: None,
            initialize_version: None,
            progress_token: None,
            request_id: None,
            input_responses: None,
            request_state: None,
            declares_tasks: false,
            listens_to_tools: false,
        }
    }
}

impl Params<'_> {
    /// What the method acts on: the tool or prompt, the resource, or the task.
    #[must_use]
    pub fn subject(&self, method: &str) -> Option<&str> {
        match mcp::subject(method)? {
            Subject::Name => self.name.as_deref(),
            Subject::TaskId => self.task_id.as_deref(),
            Subject::Uri => self.uri.as_deref(),
        }
    }
}

impl<'a> Unchecked<'a> {
    /// Reads the value of the envelope's `params`. `null` counts as lacking.
    pub(super) fn read(reader: &mut Reader<'a>) -> Result<Self, Malformed> {
        let mut unchecked = Self::default();
        let kind = reader.kind()?;
        let start = reader.position();
        let Some(mut object) = reader.object_if()? else {
            return if kind == Kind::Null { Ok(unchecked) } else { Err(Malformed::ParamsNotAnObject) };
        };
        let mut escaped = false;
        while let Some(key) = reader.key(&mut object)? {
            escaped |= matches!(&key, Cow::Owned(key) if KNOWN_KEYS.contains(&key.as_str()));
            unchecked.member(&key, reader)?;
        }
        unchecked.params.raw = reader.since(start);
        if escaped { Err(Malformed::EscapedKey) } else { Ok(unchecked) }
    }

    fn member(&mut self, key: &str, reader: &mut Reader<'a>) -> Result<(), Malformed> {
        match key {
            "_meta" => self.meta(reader)?,
            "arguments" => {
                let arguments = reader.value()?;
                self.wrong.arguments = arguments.kind != Kind::Object;
                if !self.wrong.arguments {
                    self.params.arguments = arguments.raw;
                }
            }
            "name" => (self.params.name, self.wrong.name) = text(reader)?,
            "protocolVersion" => {
                (self.params.initialize_version, self.wrong.initialize_version) = text(reader)?
            }
            "notifications" => self.params.listens_to_tools = listens_to_tools(reader)?,
            "inputResponses" => self.params.input_responses = Some(reader.value()?.raw),
            "requestState" => self.params.request_state = Some(reader.value()?.raw),
            "requestId" => self.params.request_id = Id::read(reader.value()?),
            "taskId" => (self.params.task_id, self.wrong.task_id) = text(reader)?,
            "uri" => (self.params.uri, self.wrong.uri) = text(reader)?,
            key => {
                refuse_case_variant(key, &KNOWN_KEYS)?;
                reader.skip()?;
            }
        }
        Ok(())
    }

    fn meta(&mut self, reader: &mut Reader<'a>) -> Result<(), Malformed> {
        let kind = reader.kind()?;
        let Some(mut meta) = reader.object_if()? else {
            return if kind == Kind::Null { Ok(()) } else { Err(Malformed::MetaNotAnObject) };
        };
        while let Some(key) = reader.key(&mut meta)? {
            match &*key {
                META_VERSION => {
                    self.params.protocol_version = Some(reader.text()?.ok_or(Malformed::VersionNotText)?);
                }
                META_CAPABILITIES => self.params.declares_tasks = declares_tasks(reader)?,
                "progressToken" => self.params.progress_token = Id::read(reader.value()?).map(Id::raw),
                _ => reader.skip()?,
            }
        }
        Ok(())
    }

    /// Refuses parameters that do not fit the method. Methods that nobody decides on are the backend's to judge.
    pub(super) fn check(self, method: &str) -> Result<Params<'a>, Malformed> {
        if method == mcp::TOOLS_CALL && self.params.name.is_none() {
            return Err(Malformed::CallWithoutName);
        }
        if self.wrong.arguments && matches!(method, mcp::TOOLS_CALL | mcp::PROMPTS_GET) {
            return Err(Malformed::ArgumentsNotAnObject);
        }
        if self.wrong.initialize_version && method == mcp::INITIALIZE {
            return Err(Malformed::VersionNotText);
        }
        let wrong = match mcp::subject(method) {
            Some(Subject::Name) => self.wrong.name,
            Some(Subject::TaskId) => self.wrong.task_id,
            Some(Subject::Uri) => self.wrong.uri,
            None => false,
        };
        if wrong {
            return Err(Malformed::SubjectNotText);
        }
        Ok(self.params)
    }
}

/// The text, and whether something else stands in its place.
fn text<'a>(reader: &mut Reader<'a>) -> Result<(Option<Cow<'a, str>>, bool), Malformed> {
    let text = name(reader)?;
    let wrong = text.is_none();
    Ok((text, wrong))
}

/// Whether `extensions` has the tasks extension, with an object of settings.
fn declares_tasks(reader: &mut Reader<'_>) -> Result<bool, Malformed> {
    let mut declared = false;
    let Some(mut capabilities) = reader.object_if()? else { return Ok(false) };
    while let Some(key) = reader.key(&mut capabilities)? {
        if key != "extensions" {
            reader.skip()?;
            continue;
        }
        let Some(mut extensions) = reader.object_if()? else { continue };
        while let Some(extension) = reader.key(&mut extensions)? {
            let Value { kind, .. } = reader.value()?;
            declared |= extension == TASKS_EXTENSION && kind == Kind::Object;
        }
    }
    Ok(declared)
}

/// Whether the object asks for `toolsListChanged`.
fn listens_to_tools(reader: &mut Reader<'_>) -> Result<bool, Malformed> {
    let mut listens = false;
    let Some(mut notifications) = reader.object_if()? else { return Ok(false) };
    while let Some(key) = reader.key(&mut notifications)? {
        listens |= reader.value()?.raw == "true" && key == "toolsListChanged";
    }
    Ok(listens)
}

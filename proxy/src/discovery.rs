//! Tools that the policy in force does not list: the control plane hears of each, so that somebody can accept it.
//!
//! A tool is told of when a list shows it. One that is only called is told of while its backend has shown no list: the name is
//! the caller's word, and from then on the lists say what there is. Telling never waits: what the link has no room for is
//! told when it is seen again, and so is everything after an hour, as the control plane takes only so many in that time.

mod seen;

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::{PoisonError, RwLock};

use config::BackendKind;
use policy::{Call, Snapshot};
use policy_sync::{Discovered, ProxyMessage, SeenIn, SeenTool, TOOL_NAME_BYTES_MAX, ToControl};

use self::seen::seen;
use crate::clock;
use crate::definitions::{Definitions, Listed};
use crate::metrics::Metrics;

/// What was told is told again after this time.
const TOLD_FOR_MS: u64 = 60 * 60 * 1000;

/// Most tools in one message.
const TOOLS_PER_MESSAGE_MAX: usize = 16;

/// What the control plane was told of. Without a link to one, nothing is kept.
#[derive(Debug)]
pub(crate) struct Discovery(Option<Telling>);

#[derive(Debug)]
struct Telling {
    to_control: ToControl,
    proxy: String,
    /// MCP backends, by name.
    backends: HashMap<String, RwLock<Tools>>,
    tools_max: usize,
}

type Tools = HashMap<Box<str>, Told>;

/// What was told of one tool.
#[derive(Clone, Copy, Debug)]
struct Told {
    /// From then on it is told again.
    until_ms: u64,
    /// What its backend says of it was told too.
    listed: bool,
}

/// One list of tools on its way: those in it that are news.
#[derive(Debug)]
pub(crate) struct News<'a> {
    of: Option<(&'a Telling, &'a RwLock<Tools>)>,
    snapshot: &'a Snapshot,
    backend: &'a str,
    tools: Vec<SeenTool>,
}

impl Discovery {
    pub(crate) fn new(settings: &config::Proxy, to_control: Option<ToControl>) -> Self {
        let mcp = settings.backends.iter().filter(|one| matches!(one.kind, BackendKind::Mcp { .. }));
        Self(to_control.map(|to_control| Telling {
            to_control,
            proxy: settings.name.clone(),
            backends: mcp.map(|one| (one.name.clone(), RwLock::default())).collect(),
            tools_max: usize::try_from(settings.limits.max_discovered_tools).unwrap_or(usize::MAX),
        }))
    }

    /// A call, whatever becomes of it. Nothing happens if the policy lists its tool.
    pub(crate) fn called(
        &self,
        (snapshot, definitions): (&Snapshot, &Definitions),
        (backend, call): (&config::Backend, &Call<'_>),
        metrics: &Metrics,
    ) {
        let Some(telling) = &self.0 else { return };
        let BackendKind::Mcp { govern, .. } = &backend.kind else { return };
        if snapshot.tool(call.tool).is_some() || govern.contains(call.tool) {
            return;
        }
        let Some(tools) = telling.backends.get(&backend.name) else { return };
        let listed = definitions.listed(&backend.name, call.tool);
        if listed == Listed::NotThere || !is_news(tools, call.tool, listed != Listed::NoList) {
            return;
        }
        let (seen_in, definition) = match &listed {
            Listed::There(definition) => (SeenIn::List, definition.as_deref()),
            Listed::NoList | Listed::NotThere => (SeenIn::Call, None),
        };
        let tool = seen(call.tool, seen_in, definition);
        telling.tell(tools, (snapshot.org(), &backend.name), vec![tool], metrics);
    }

    /// A list that a backend shows.
    pub(crate) fn news<'a>(&'a self, snapshot: &'a Snapshot, backend: &'a str) -> News<'a> {
        let of = self.0.as_ref().and_then(|telling| Some((telling, telling.backends.get(backend)?)));
        News { of, snapshot, backend, tools: Vec::new() }
    }
}

impl News<'_> {
    /// Notes one tool of the list, with its definition (JSON text).
    pub(crate) fn note(&mut self, tool: &str, definition: &str) {
        let Some((telling, told)) = self.of else { return };
        let is_news = self.tools.len() < telling.tools_max
            && self.snapshot.tool(tool).is_none()
            && is_news(told, tool, true);
        if is_news {
            self.tools.push(seen(tool, SeenIn::List, Some(definition)));
        }
    }

    /// Tells the control plane.
    pub(crate) fn tell(mut self, metrics: &Metrics) {
        let Some((telling, told)) = self.of else { return };
        while !self.tools.is_empty() {
            let rest = self.tools.split_off(self.tools.len().min(TOOLS_PER_MESSAGE_MAX));
            let tools = std::mem::replace(&mut self.tools, rest);
            telling.tell(told, (self.snapshot.org(), self.backend), tools, metrics);
        }
    }
}

/// Whether there is anything to tell of a tool.
fn is_news(told: &RwLock<Tools>, tool: &str, listed: bool) -> bool {
    let told = told.read().unwrap_or_else(PoisonError::into_inner);
    let is_name = (1..=TOOL_NAME_BYTES_MAX).contains(&tool.len());
    is_name && told.get(tool).is_none_or(|told| told.is_over(listed, clock::uptime_ms()))
}

impl Told {
    /// Whether the tool is worth telling of again; `listed`: with what its backend says.
    const fn is_over(self, listed: bool, now_ms: u64) -> bool {
        now_ms >= self.until_ms || listed && !self.listed
    }
}

impl Telling {
    /// Tells of tools of one backend, those that another list or call has not told of meanwhile.
    fn tell(
        &self,
        told: &RwLock<Tools>,
        (org, backend): (&str, &str),
        mut tools: Vec<SeenTool>,
        metrics: &Metrics,
    ) {
        let now_ms = clock::uptime_ms();
        let mut told = told.write().unwrap_or_else(PoisonError::into_inner);
        tools.retain(|tool| {
            let listed = tool.seen == SeenIn::List;
            match told.get(tool.name.as_str()).copied() {
                Some(told) if !told.is_over(listed, now_ms) => return false,
                None if !make_room(&mut told, self.tools_max, listed, now_ms) => {
                    metrics.limits_reached.with_label_values(&["max_discovered_tools"]).inc();
                    return false;
                }
                Some(_) | None => {}
            }
            told.insert(
                tool.name.as_str().into(),
                Told { until_ms: now_ms.saturating_add(TOLD_FOR_MS), listed },
            );
            true
        });
        if tools.is_empty() {
            return;
        }
        let names: Vec<_> = tools.iter().map(|tool| tool.name.clone()).collect();
        let (proxy, org, backend_name) = (self.proxy.clone(), org.to_owned(), backend.to_owned());
        let message = Discovered { proxy, org, backend: backend_name, tools };
        let sent = self.to_control.send_idle(ProxyMessage::Discovered(Box::new(message)));
        if sent.is_err() {
            for name in &names {
                told.remove(name.as_str());
            }
        }
        let result = if sent.is_ok() { "told" } else { "no-room" };
        let count = u64::try_from(names.len()).unwrap_or(u64::MAX);
        metrics.definitions.discovered.with_label_values(&[backend, result]).inc_by(count);
    }
}

/// Whether there is room for one more. What a backend lists may take the place of what only a caller has named.
fn make_room(told: &mut Tools, tools_max: usize, listed: bool, now_ms: u64) -> bool {
    if told.len() >= tools_max {
        told.retain(|_, told| now_ms < told.until_ms);
    }
    if told.len() >= tools_max && listed {
        let called = told.iter().find(|(_, told)| !told.listed).map(|(name, _)| name.clone());
        called.and_then(|name| told.remove(&name));
    }
    told.len() < tools_max
}

//! What is told, when it is told again, and what there is no room for.

use std::path::Path;

use config::{Environment, Limits, Settings};
use policy::{Caller, CallerKind, Definition, Document, Unread};
use policy_sync::{ControlEnd, Hints, link};

use super::*;

const SETTINGS: &str = "
proxy:
  name: gate-1
  admin: 127.0.0.1:0
  listeners: [{name: agents, address: '127.0.0.1:0', auth: api-key}]
  backends:
    - {name: notes, kind: mcp, path: /mcp, url: 'http://127.0.0.1:1/mcp', govern: [resources/read]}
    - {name: pay, kind: rest, path: /pay, url: 'http://127.0.0.1:1', routes: [{match: 'POST /refunds', tool: refund}]}
  keys_file: keys.yaml
  receipts: {keys_file: receipts.jwks}
  audit: {directory: audit}
  policy: {file: policy.yaml}
";
const TOOL: &str = r#"{"name":"new","description":"Does it.","annotations":{"readOnlyHint":true,"title":"T"},
    "inputSchema":{"type":"object"},"outputSchema":{}}"#;

/// A discovery whose messages are read at the other end.
struct Fixture {
    settings: config::Proxy,
    discovery: Discovery,
    definitions: Definitions,
    snapshot: Snapshot,
    metrics: Metrics,
    _from_control: policy_sync::FromControl,
    control: ControlEnd,
}

impl Fixture {
    fn new(tools_max: u32) -> Self {
        let settings = Settings::read(SETTINGS, Path::new("."), Environment::of_process()).unwrap();
        let mut settings = settings.proxy.unwrap();
        settings.limits = Limits { max_discovered_tools: tools_max, ..Limits::default() };
        let (proxy, control) = link(4);
        let (to_control, from_control) = proxy.split();
        let document = Document::parse("{format: 1, org: acme, tools: [{name: known}]}").unwrap();
        Self {
            discovery: Discovery::new(&settings, Some(to_control)),
            definitions: Definitions::new(&settings.limits),
            snapshot: Snapshot::compile(document, 1),
            metrics: Metrics::new().unwrap(),
            _from_control: from_control,
            control,
            settings,
        }
    }

    fn call(&self, backend: usize, tool: &str) {
        let backend = &self.settings.backends[backend];
        let caller =
            Caller { id: "agent".to_owned(), kind: CallerKind::Agent, claims: serde_json::Map::new() };
        let call = Call {
            backend: &backend.name,
            tool,
            tenant: None,
            resource: None,
            method: None,
            arguments: "{}",
            unread: Unread::Nothing,
            caller: &caller,
            reasoning: None,
            definition: Definition::Accepted,
        };
        self.discovery.called((&self.snapshot, &self.definitions), (backend, &call), &self.metrics);
    }

    fn list(&self, tools: &[&str]) {
        let mut sighting = self.definitions.sighting(&self.snapshot, "notes");
        let mut news = self.discovery.news(&self.snapshot, "notes");
        for tool in tools {
            let definition = TOOL.replace("new", tool);
            sighting.note(tool, &definition);
            news.note(tool, &definition);
        }
        sighting.keep(&self.metrics);
        news.tell(&self.metrics);
    }

    /// The names that were told since the last look.
    async fn told(&mut self) -> Vec<(String, SeenIn)> {
        let mut told = Vec::new();
        let soon = std::time::Duration::from_millis(1);
        while let Ok(message) = tokio::time::timeout(soon, self.control.receive()).await {
            let Some(ProxyMessage::Discovered(seen)) = message else { panic!("{message:?}") };
            assert_eq!(
                (seen.proxy.as_str(), seen.org.as_str(), seen.backend.as_str()),
                ("gate-1", "acme", "notes")
            );
            assert!(seen.tools.len() <= TOOLS_PER_MESSAGE_MAX);
            told.extend(seen.tools.into_iter().map(|tool| (tool.name, tool.seen)));
        }
        told
    }

    /// As if it had been told an hour ago.
    fn an_hour_passes(&self) {
        let telling = self.discovery.0.as_ref().unwrap();
        for told in telling.backends["notes"].write().unwrap().values_mut() {
            told.until_ms = 0;
        }
    }
}

fn names(tools: &[(&str, SeenIn)]) -> Vec<(String, SeenIn)> {
    tools.iter().map(|(name, seen)| ((*name).to_owned(), *seen)).collect()
}

#[tokio::test]
async fn each_tool_that_the_policy_does_not_list_is_told_of_once() {
    let mut fixture = Fixture::new(10);
    for tool in ["known", "new", "new", "", "resources/read", &"x".repeat(TOOL_NAME_BYTES_MAX + 1)] {
        fixture.call(0, tool);
    }
    fixture.call(1, "refund");
    assert_eq!(fixture.told().await, names(&[("new", SeenIn::Call)]));
    // What its backend says of it is news; that it is listed again is none.
    fixture.list(&["known", "new", "other"]);
    fixture.list(&["new", "other"]);
    assert_eq!(fixture.told().await, names(&[("new", SeenIn::List), ("other", SeenIn::List)]));
    for tool in ["new", "invented"] {
        fixture.call(0, tool);
    }
    assert_eq!(fixture.told().await, [], "what the backend does not list is the caller's invention");
    let told = fixture.metrics.definitions.discovered.with_label_values(&["notes", "told"]);
    assert_eq!(told.get(), 3);
}

#[tokio::test]
async fn what_is_told_is_told_again_after_an_hour() {
    let mut fixture = Fixture::new(10);
    fixture.list(&["new"]);
    assert_eq!(fixture.told().await.len(), 1);
    fixture.an_hour_passes();
    fixture.call(0, "new");
    fixture.call(0, "new");
    assert_eq!(fixture.told().await, names(&[("new", SeenIn::List)]));
}

#[tokio::test]
async fn what_the_link_has_no_room_for_is_told_later() {
    let mut fixture = Fixture::new(10);
    // Of the four places two stay free for calls that wait for a person.
    for tool in ["a", "b", "c", "d"] {
        fixture.call(0, tool);
    }
    assert_eq!(fixture.told().await, names(&[("a", SeenIn::Call), ("b", SeenIn::Call)]));
    fixture.call(0, "c");
    assert_eq!(fixture.told().await, names(&[("c", SeenIn::Call)]));
    let no_room = fixture.metrics.definitions.discovered.with_label_values(&["notes", "no-room"]);
    assert_eq!(no_room.get(), 2);
}

#[tokio::test]
async fn only_so_many_are_remembered_and_lists_come_first() {
    let mut fixture = Fixture::new(2);
    for tool in ["a", "b"] {
        fixture.call(0, tool);
        assert_eq!(fixture.told().await.len(), 1);
    }
    fixture.call(0, "c");
    assert_eq!(fixture.told().await, []);
    fixture.list(&["x", "y", "z"]);
    assert_eq!(fixture.told().await, names(&[("x", SeenIn::List), ("y", SeenIn::List)]));
    fixture.list(&["z"]);
    assert_eq!(fixture.told().await, []);
    let reached = fixture.metrics.limits_reached.with_label_values(&["max_discovered_tools"]);
    assert_eq!(reached.get(), 2);
    fixture.an_hour_passes();
    fixture.list(&["z"]);
    assert_eq!(fixture.told().await, names(&[("z", SeenIn::List)]));
}

#[test]
fn what_a_backend_says_is_cut_to_size() {
    let tool = seen("new", SeenIn::List, Some(TOOL));
    assert_eq!(tool.description.as_deref(), Some("Does it."));
    assert_eq!(tool.annotations, Some(Hints { read_only: Some(true), ..Hints::default() }));
    assert_eq!(tool.input_schema.as_deref(), Some(r#"{"type":"object"}"#));
    let digest = policy::ToolDefinition::read(TOOL).unwrap().digest().to_string();
    assert_eq!(tool.definition_sha256, Some(digest));

    let long = "ü".repeat(10_000);
    let long = format!(r#"{{"description":"{long}","inputSchema":{{"title":"{long}"}}}}"#);
    let cut = seen("new", SeenIn::List, Some(&long));
    assert_eq!((cut.description.map(|text| text.len()), cut.input_schema), (Some(4096), None));
    for odd in [
        "",
        "[]",
        r#"{"description":1,"annotations":[],"inputSchema":null}"#,
        r#"{"annotations":{"readOnlyHint":"yes"}}"#,
        r#"{"description":"a","description":"b"}"#,
    ] {
        let tool = seen("new", SeenIn::List, Some(odd));
        assert_eq!((tool.description, tool.annotations, tool.input_schema), (None, None, None), "{odd}");
    }
}

#[test]
fn without_a_link_nothing_is_kept() {
    let Fixture { settings, snapshot, metrics, .. } = Fixture::new(10);
    let discovery = Discovery::new(&settings, None);
    let mut news = discovery.news(&snapshot, "notes");
    news.note("new", TOOL);
    assert_eq!(news.tools, []);
    news.tell(&metrics);
}

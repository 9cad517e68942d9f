//! Every reason as people look it up: the table of the documents and of `oakgate refusals`.

use protocol::http1::FramingRefused;
use protocol::malformed::Malformed;
use protocol::mcp::HeaderMismatch;
use protocol::pointer::NotText;
use protocol::rest::{PathRefused, RestRefused};
use strum::{EnumMessage, IntoEnumIterator};

use super::{Mcp, Reason, Retry, Wire};
use crate::caller::TokenRefused;

/// One reason for which a request is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefusalRow {
    /// Its name: in answers, audit records and `oakgate_refusals_total{reason}`.
    pub name: &'static str,
    /// HTTP status of a REST call, and of an MCP request where `mcp` says so.
    pub status: u16,
    /// What an MCP client gets.
    pub mcp: String,
    /// Whether and when to try again.
    pub retry: String,
    /// What it means.
    pub meaning: String,
}

/// Every reason, by name.
#[must_use]
pub fn refusals() -> Vec<RefusalRow> {
    let mut rows: Vec<RefusalRow> = Reason::iter().flat_map(rows).collect();
    rows.sort_by_key(|row| row.name);
    rows.dedup_by_key(|row| row.name);
    rows
}

fn rows(reason: Reason) -> Vec<RefusalRow> {
    let wire = reason.wire();
    match reason {
        Reason::Framing => named::<FramingRefused>(|why| wire.of_framing(why)),
        Reason::HeaderMismatch => named::<HeaderMismatch>(|why| Wire { name: why.name(), ..wire }),
        Reason::Malformed => {
            named::<Malformed>(|why| Wire { name: why.name(), mcp: Mcp::Error(why.code()), ..wire })
        }
        Reason::NotText => named::<NotText>(|why| Wire { name: why.name(), ..wire }),
        Reason::Rest => {
            let mut rows = named::<RestRefused>(|why| Wire { name: why.name(), ..wire });
            rows.extend(named::<PathRefused>(|why| Wire { name: why.name(), ..wire }));
            rows
        }
        Reason::RateLimited | Reason::RateLimitedCaller | Reason::RateLimitedTool => {
            let row = RefusalRow::new(wire, reason.get_documentation());
            vec![RefusalRow { retry: "when it says".to_owned(), ..row }]
        }
        Reason::Token => named::<TokenRefused>(|why| Wire { name: why.name(), ..wire }),
        reason => vec![RefusalRow::new(wire, reason.get_documentation())],
    }
}

fn named<T: EnumMessage + IntoEnumIterator + Copy>(wire: impl Fn(T) -> Wire) -> Vec<RefusalRow> {
    T::iter().map(|why| RefusalRow::new(wire(why), why.get_documentation())).collect()
}

impl RefusalRow {
    fn new(wire: Wire, meaning: Option<&'static str>) -> Self {
        let mcp = match wire.mcp {
            Mcp::Result => "tool result".to_owned(),
            Mcp::Error(code) => format!("error {code}"),
            Mcp::Http => "HTTP status".to_owned(),
        };
        let retry = match wire.retry {
            Retry::Never => "no".to_owned(),
            Retry::Later { seconds } => format!("in {seconds} s"),
            Retry::SameCall { .. } => "repeat the same call".to_owned(),
            Retry::Unknown => "find out first".to_owned(),
        };
        Self { name: wire.name, status: wire.status, mcp, retry, meaning: plain(meaning.unwrap_or_default()) }
    }
}

/// A doc comment as one line, its links as plain code.
fn plain(documentation: &str) -> String {
    let words: Vec<&str> = documentation.split_whitespace().collect();
    words.join(" ").replace("[`", "`").replace("`]", "`")
}

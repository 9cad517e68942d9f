//! How it stands with the bundle, for people and their alerts.

use std::sync::{Mutex, MutexGuard, PoisonError};

use policy::UnixMillis;
use policy_sync::Document;
use serde_json::Value;

use super::super::disk::Kept;
use super::super::held::{Held, report};

/// How it stands with the bundle.
#[derive(Debug)]
pub(crate) struct Status {
    url: String,
    now: Mutex<Now>,
}

#[derive(Debug)]
struct Now {
    held: Option<Held>,
    /// Why the server could not be asked the last time.
    why_not: Option<String>,
    /// Why what it has is not taken.
    refused: Option<String>,
}

impl Status {
    pub(super) fn new(settings: &config::Bundle) -> Self {
        let now = Now { held: None, why_not: Some("not asked yet".to_owned()), refused: None };
        Self { url: without_query(&settings.url), now: Mutex::new(now) }
    }

    /// Where it is, without the query: that may be a secret.
    pub(super) fn url(&self) -> &str {
        &self.url
    }

    pub(super) fn begun_with(&self, kept: &Kept) {
        self.now().held = Some(Held::last_known_good(kept));
    }

    pub(super) fn in_force(&self, document: &Document) {
        self.now().held = Some(Held::new(document, "bundle"));
    }

    pub(super) fn kept(&self, is_kept: bool) {
        if let Some(held) = &mut self.now().held {
            held.is_kept = is_kept;
        }
    }

    pub(super) fn refused(&self, why: &str) {
        self.now().refused = Some(why.to_owned());
    }

    /// What the server has is in force.
    pub(super) fn good(&self) {
        self.now().refused = None;
    }

    pub(super) fn confirmed(&self, at: UnixMillis) {
        let mut now = self.now();
        now.refused = None;
        if let Some(held) = &mut now.held {
            (held.confirmed_at, held.source) = (at, "bundle");
        }
    }

    pub(super) fn reached(&self) {
        self.now().why_not = None;
    }

    pub(super) fn unreached(&self, why: &str) {
        self.now().why_not = Some(why.to_owned());
    }

    /// Where the policy in force is from.
    pub(crate) fn policy_source(&self) -> &'static str {
        self.now().held.as_ref().map_or("bundle", |held| held.source)
    }

    /// All of it, as JSON.
    pub(crate) fn report(&self, at: UnixMillis) -> Value {
        let now = self.now();
        let mut report = report(now.held.as_ref(), now.refused.as_ref(), at);
        if let Value::Object(members) = &mut report {
            members.insert("url".to_owned(), self.url.as_str().into());
            members.insert("reached".to_owned(), now.why_not.is_none().into());
            members.insert("why".to_owned(), now.why_not.clone().into());
        }
        report
    }

    fn now(&self) -> MutexGuard<'_, Now> {
        self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn without_query(url: &config::FetchUrl) -> String {
    let uri = url.uri();
    let (scheme, authority) = (uri.scheme_str().unwrap_or_default(), uri.authority());
    format!("{scheme}://{}{}", authority.map_or("", |authority| authority.as_str()), uri.path())
}

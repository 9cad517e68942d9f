//! Which endpoint a session lives on, and what a call's endpoint is chosen by.
//!
//! A session that this proxy saw begin goes where it began. Everything else of the revisions that have sessions goes by
//! its caller, which is the same for every proxy, and before and after a restart: that is where a session that this proxy
//! does not know most probably began. Calls that stand alone go in turn.

use std::sync::Arc;
use std::time::Duration;

use config::{BackendKind, Limits};
use http::{HeaderMap, Method};
use moka::notification::RemovalCause;
use moka::sync::Cache;
use protocol::mcp::Era;

use super::Answer;
use super::endpoint::Endpoint;
use super::endpoints::{Affinity, Endpoints};
use crate::batch::SessionKey;
use crate::exchange::Exchange;
use crate::forward::Inbound;
use crate::metrics::Metrics;
use crate::recognise::ReplyTo;

/// The endpoints of sessions, of all backends; shared by every worker.
#[derive(Debug)]
pub(crate) struct Sessions(Cache<SessionKey, Arc<Endpoint>>);

impl Sessions {
    pub(crate) fn new(limits: &Limits, metrics: &Metrics) -> Self {
        let idle = Duration::from_secs(limits.session_idle_seconds.into());
        let full = metrics.limits_reached.with_label_values(&["max_sessions"]);
        let count = move |_: Arc<SessionKey>, _: Arc<Endpoint>, cause| {
            if cause == RemovalCause::Size {
                full.inc();
            }
        };
        let cache = Cache::builder().max_capacity(limits.max_sessions.into()).time_to_idle(idle);
        Self(cache.eviction_listener(count).build())
    }

    /// What the endpoint of a request is chosen by.
    pub(crate) fn affinity<'a>(
        &self,
        exchange: &'a Exchange,
        inbound: &Inbound<'a>,
        endpoints: &Endpoints,
    ) -> Affinity<'a> {
        if let Some(session) = inbound.session {
            // Its stream comes from there.
            return Affinity::Only(Arc::clone(&session.endpoint));
        }
        if !endpoints.are_several() || !matches!(inbound.backend.kind, BackendKind::Mcp { .. }) {
            return Affinity::Any;
        }
        let Some(identity) = &exchange.identity else { return Affinity::Any };
        let caller = identity.caller.id.as_str();
        match key(exchange, inbound, &inbound.head.headers) {
            Some(key) => match self.0.get(&key) {
                Some(endpoint) => Affinity::Session(endpoint, caller),
                None => Affinity::Caller(caller),
            },
            None if is_alone(&exchange.reply_to) => Affinity::Any,
            None => Affinity::Caller(caller),
        }
    }

    /// Remembers which endpoint has taken a request of a session, or begun one.
    pub(crate) fn note(
        &self,
        exchange: &Exchange,
        inbound: &Inbound<'_>,
        endpoints: &Endpoints,
        (affinity, answer): (&Affinity<'_>, &Answer),
    ) {
        let is_mcp = matches!(inbound.backend.kind, BackendKind::Mcp { .. });
        let status = answer.response.status();
        if !is_mcp || inbound.session.is_some() || !endpoints.may_be_several() || !status.is_success() {
            return;
        }
        let here = answer.lease.endpoint();
        let is_known = matches!(affinity, Affinity::Session(home, _) if Arc::ptr_eq(home, here));
        let ends = inbound.head.method == Method::DELETE;
        if is_known && !ends {
            return;
        }
        match key(exchange, inbound, &inbound.head.headers) {
            Some(key) if ends => self.0.invalidate(&key),
            // Where there was no choice, nothing has to be remembered with each request.
            Some(key) if endpoints.are_several() => self.0.insert(key, Arc::clone(here)),
            Some(_) => {}
            None => {
                let begun = key(exchange, inbound, answer.response.headers());
                begun.into_iter().for_each(|key| self.0.insert(key, Arc::clone(here)));
            }
        }
    }
}

/// Whether a request needs nothing of what was before it: revision 2026-07-28 has no sessions.
const fn is_alone(reply_to: &ReplyTo) -> bool {
    matches!(reply_to, ReplyTo::Mcp { era: Era::Modern, .. })
}

fn key(exchange: &Exchange, inbound: &Inbound<'_>, headers: &HeaderMap) -> Option<SessionKey> {
    SessionKey::of(inbound.place, exchange.identity.as_ref()?, headers)
}

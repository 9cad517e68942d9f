//! Step 2 of a call: whether it is let in at all, before a byte of its body is read. Its form, the host that it names, the
//! page that it comes from, and who is calling.

use std::sync::Arc;

use http::Response;
use http::request::Parts;
use protocol::http1::FramingRefused;

use crate::body::Body;
use crate::caller::Identity;
use crate::clock;
use crate::exchange::Exchange;
use crate::refusal::Refusal;

/// The answer to what anybody may ask: whether a page may call (CORS), and where to sign in (RFC 9728).
///
/// # Errors
/// The request is not formed as it must be, or names a host or a page that this listener does not know.
pub(crate) fn for_anybody(exchange: &Exchange, head: &Parts) -> Result<Option<Response<Body>>, Refusal> {
    if let Some(refused) = head.extensions.get::<FramingRefused>() {
        return Err(Refusal::Framing(*refused));
    }
    let listening = &exchange.listening;
    listening.hosts.check(head, exchange.peer.is_secure)?;
    if let Some(cors) = &listening.cors
        && listening.hosts.foreign_origin(&head.headers).is_some()
        && let Some(answer) = cors.preflight(head)?
    {
        exchange.worker.shared.metrics.connections.preflights.inc();
        return Ok(Some(answer));
    }
    let own = listening.protected.as_ref();
    own.and_then(|own| own.document(head, &exchange.peer)).transpose()
}

/// Who is calling a backend. A caller that is refused learns how to be let in.
pub(crate) async fn identified(
    exchange: &mut Exchange,
    head: &Parts,
    place: usize,
) -> Result<Arc<Identity>, Refusal> {
    let in_force = exchange.worker.shared.in_force.load_full();
    exchange.peer.check(&in_force.tls, clock::now())?;
    let listening = &exchange.listening;
    let audience = listening.protected.as_ref().map(|protected| protected.audience(place));
    let auth = &listening.settings.auth;
    let identified =
        in_force.identities.identify(auth, audience, &head.headers, &exchange.peer, clock::now()).await;
    let identity = identified.inspect_err(|refusal| exchange.challenge(place, head, refusal))?;
    exchange.identity = Some(Arc::clone(&identity));
    Ok(identity)
}

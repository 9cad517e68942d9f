//! Where proxies open their links.

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::header::SEC_WEBSOCKET_PROTOCOL;
use axum::http::{HeaderMap, HeaderValue};
use axum::response::Response;
use policy_sync::PROTOCOL;
use tokio_tungstenite::tungstenite::handshake::server::create_response_with_body;

use super::{Api, Problem};
use crate::sync::Unwelcome;

/// Opens the link of a proxy: a WebSocket (RFC 6455). A proxy has one; a newer one takes its place (close code 4009).
pub(super) async fn open(State(api): State<Api>, request: Request) -> Result<Response, Problem> {
    let server = api.sync.ok_or(Problem::LinksOff)?;
    let (has_protocol, token) = offered(request.headers());
    let welcome = server.welcome(token).await.map_err(|unwelcome| match unwelcome {
        Unwelcome::Token => {
            api.metrics.unauthenticated();
            Problem::RelayToken
        }
        Unwelcome::TooMany => {
            api.metrics.limit_reached("links");
            Problem::TooManyLinks
        }
        Unwelcome::Store(error) => error.into(),
    })?;
    let mut response =
        create_response_with_body(&request, Body::empty).map_err(|_| Problem::LinkUnexpected)?;
    if !has_protocol {
        return Err(Problem::LinkUnexpected);
    }
    response.headers_mut().insert(SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(PROTOCOL));
    tokio::spawn(server.run(hyper::upgrade::on(request), welcome));
    Ok(response)
}

/// Whether the protocol is offered, and the one other thing that is, which must be the token.
fn offered(headers: &HeaderMap) -> (bool, Option<&str>) {
    let fields = headers.get_all(SEC_WEBSOCKET_PROTOCOL).iter().filter_map(|field| field.to_str().ok());
    let (protocols, others): (Vec<_>, Vec<_>) =
        fields.flat_map(|field| field.split(',')).map(str::trim).partition(|offered| *offered == PROTOCOL);
    match others.as_slice() {
        [token] => (!protocols.is_empty(), Some(token)),
        _ => (!protocols.is_empty(), None),
    }
}

//! The public keys with which anybody can verify receipts.

use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;

use super::Api;

/// The Ed25519 public keys of receipts, as a JWK set (RFC 7517). HMAC keys are never in it.
#[utoipa::path(get, path = "/.well-known/jwks.json", tag = "receipts",
    responses((status = 200, description = "The set; empty where receipts are signed by HMAC, or not at all.", body = Object, content_type = "application/jwk-set+json")))]
pub(super) async fn jwks(State(api): State<Api>) -> impl IntoResponse {
    let set =
        api.receipts.map_or_else(|| r#"{"keys":[]}"#.to_owned(), |receipts| receipts.keys().public_jwks());
    ([(CONTENT_TYPE, "application/jwk-set+json")], set)
}

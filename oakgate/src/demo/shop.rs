//! A REST service: orders can be read, paid back and deleted.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use axum::extract::{DefaultBodyLimit, Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::{Value, json};

const BODY_MAX_BYTES: usize = 64 * 1024;

type Orders = Arc<Mutex<BTreeMap<String, i64>>>;

/// The service: amounts of orders by their id, in cents.
pub(super) fn router() -> Router {
    let orders = BTreeMap::from([("1001".to_owned(), 4_990), ("1002".to_owned(), 129_900)]);
    Router::new()
        .route("/v1/orders/{id}", get(order).delete(delete))
        .route("/v1/refunds/{id}", post(refund))
        .layer(DefaultBodyLimit::max(BODY_MAX_BYTES))
        .with_state(Arc::new(Mutex::new(orders)))
}

async fn order(State(orders): State<Orders>, Path(id): Path<String>) -> Response {
    match orders.lock().unwrap_or_else(PoisonError::into_inner).get(&id) {
        Some(cents) => Json(json!({"order": id, "paid_cents": cents})).into_response(),
        None => missing(&id),
    }
}

/// Pays back what is asked for, at most what was paid. Shows that the call came with a receipt.
async fn refund(
    State(orders): State<Orders>,
    Path(id): Path<String>,
    headers: HeaderMap,
    Json(body): Json<Value>,
) -> Response {
    let Some(cents) = body.get("cents").and_then(Value::as_i64).filter(|cents| *cents > 0) else {
        return (StatusCode::UNPROCESSABLE_ENTITY, Json(json!({"error": "`cents` must be above 0"})))
            .into_response();
    };
    let mut orders = orders.lock().unwrap_or_else(PoisonError::into_inner);
    match orders.get_mut(&id) {
        Some(paid) if *paid >= cents => {
            *paid -= cents;
            let receipt = headers.get("oakgate-receipt").and_then(|receipt| receipt.to_str().ok());
            Json(json!({"order": id, "refunded_cents": cents, "receipt": receipt})).into_response()
        }
        Some(_) => (StatusCode::CONFLICT, Json(json!({"error": "more than was paid"}))).into_response(),
        None => missing(&id),
    }
}

async fn delete(State(orders): State<Orders>, Path(id): Path<String>) -> Response {
    match orders.lock().unwrap_or_else(PoisonError::into_inner).remove(&id) {
        Some(_) => StatusCode::NO_CONTENT.into_response(),
        None => missing(&id),
    }
}

fn missing(id: &str) -> Response {
    (StatusCode::NOT_FOUND, Json(json!({"error": format!("there is no order `{id}`")}))).into_response()
}

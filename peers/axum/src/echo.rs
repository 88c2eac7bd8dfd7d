//! Answers that ask nobody.

use axum::Json;
use serde_json::{Value, json};

use crate::checks;
use crate::errors::ApiError;
use crate::extract::{Payload, Segment};

const LONGEST_TEXT: usize = 256;

pub async fn ping() -> Json<Value> {
    Json(json!({ "ping": "pong" }))
}

pub async fn hello() -> Json<Value> {
    Json(json!({ "message": "hello", "server": "axum" }))
}

pub async fn body(Payload(body): Payload) -> Result<Json<Value>, ApiError> {
    let value: Value = serde_json::from_slice(&body).map_err(ApiError::invalid)?;
    Ok(Json(json!({ "echo": value, "bytes": body.len() })))
}

pub async fn segment(Segment(text): Segment<String>) -> Result<Json<Value>, ApiError> {
    checks::text("text", &text, LONGEST_TEXT)?;
    Ok(Json(json!({ "echo": text })))
}

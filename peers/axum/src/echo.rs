//! Responses that need no database and no upstream.

use axum::Json;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::value::RawValue;
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

/// The text as sent, because one of Rust's number types would lose digits.
#[derive(Serialize)]
struct Echoed<'body> {
    echo: &'body RawValue,
    bytes: usize,
}

pub async fn body(Payload(body): Payload) -> Result<Response, ApiError> {
    let echo = serde_json::from_slice(&body).map_err(ApiError::invalid)?;
    let bytes = body.len();
    Ok(Json(Echoed { echo, bytes }).into_response())
}

pub async fn segment(Segment(text): Segment<String>) -> Result<Json<Value>, ApiError> {
    checks::text("text", &text, LONGEST_TEXT)?;
    Ok(Json(json!({ "echo": text })))
}

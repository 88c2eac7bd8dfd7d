//! Errors before the server listens, and errors of a request.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::json;

const WRONG_USE: u8 = 2;
const CANNOT_RUN_HERE: u8 = 3;

/// Ends the process: one line for stderr, and the exit code.
#[derive(Debug)]
pub struct Problem {
    pub message: String,
    pub exit_code: u8,
}

impl Problem {
    pub fn wrong_use(message: impl ToString) -> Self {
        Self::new(message, WRONG_USE)
    }

    pub fn cannot_run_here(message: impl ToString) -> Self {
        Self::new(message, CANNOT_RUN_HERE)
    }

    fn new(message: impl ToString, exit_code: u8) -> Self {
        let message = message.to_string().replace(['\n', '\r'], " ");
        Self { message, exit_code }
    }
}

/// Ends a request: its status, and the `detail` that says why.
#[derive(Debug)]
pub struct ApiError {
    pub status: StatusCode,
    pub detail: String,
}

impl ApiError {
    pub fn new(status: StatusCode, detail: impl ToString) -> Self {
        let detail = detail.to_string();
        Self { status, detail }
    }

    pub fn invalid(detail: impl ToString) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, detail)
    }

    pub fn unavailable(detail: impl ToString) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, detail)
    }

    pub fn not_found() -> Self {
        Self::new(StatusCode::NOT_FOUND, "Not Found")
    }

    pub fn method_not_allowed() -> Self {
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "Method Not Allowed")
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        (self.status, Json(json!({ "detail": self.detail }))).into_response()
    }
}

/// A database error is neither the caller's fault nor the server's: 503.
impl From<sqlx::Error> for ApiError {
    fn from(error: sqlx::Error) -> Self {
        match error {
            // Without the text that sqlx adds.
            sqlx::Error::Database(error) => Self::unavailable(error.message()),
            error => Self::unavailable(error),
        }
    }
}

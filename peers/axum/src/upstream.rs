//! Calls to the upstream with one client that all requests share.

use std::time::Duration;

use axum::body::Bytes;
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::IntoResponse;
use reqwest::{Client, Url, redirect};

use crate::errors::{ApiError, Problem};
use crate::routes::Shared;

const TIMEOUT: Duration = Duration::from_secs(60);
const REQUEST_ID: &str = "x-request-id";

pub struct Upstream {
    client: Client,
    url: Url,
}

impl Upstream {
    pub fn new(url: Url) -> Result<Self, Problem> {
        let client = Client::builder()
            .timeout(TIMEOUT)
            .redirect(redirect::Policy::none())
            .no_proxy()
            .build()
            .map_err(Problem::cannot_run_here)?;
        Ok(Self { client, url })
    }

    async fn ask(&self, request_id: Option<&HeaderValue>) -> Result<Bytes, ApiError> {
        let mut request = self.client.get(self.url.clone());
        if let Some(id) = request_id {
            request = request.header(REQUEST_ID, id);
        }
        let answer = request.send().await?;
        match answer.status() {
            StatusCode::OK => Ok(answer.bytes().await?),
            status => Err(bad_gateway(format!(
                "upstream answered {}",
                status.as_u16()
            ))),
        }
    }
}

impl From<reqwest::Error> for ApiError {
    fn from(error: reqwest::Error) -> Self {
        if error.is_timeout() {
            Self::new(StatusCode::GATEWAY_TIMEOUT, "upstream too late")
        } else {
            bad_gateway(format!("upstream failed: {error}"))
        }
    }
}

fn bad_gateway(detail: String) -> ApiError {
    ApiError::new(StatusCode::BAD_GATEWAY, detail)
}

pub async fn ask(
    State(app): State<Shared>,
    headers: HeaderMap,
) -> Result<impl IntoResponse, ApiError> {
    let body = app.upstream()?.ask(headers.get(REQUEST_ID)).await?;
    Ok(([(CONTENT_TYPE, "text/plain; charset=utf-8")], body))
}

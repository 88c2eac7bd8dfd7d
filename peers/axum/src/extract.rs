//! Axum's extractors, with the contract's error responses.

use std::fmt::Display;
use std::str::FromStr;

use axum::body::Bytes;
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use axum::http::StatusCode;
use axum::http::request::Parts;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::errors::ApiError;

const BODY_LIMIT: usize = 65_536;

/// The one parameter in a path.
pub struct Segment<T>(pub T);

impl<T, S> FromRequestParts<S> for Segment<T>
where
    T: FromStr<Err: Display>,
    S: Send + Sync,
{
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let Path(text) = Path::<String>::from_request_parts(parts, state)
            .await
            .map_err(|rejection| ApiError::invalid(rejection.body_text()))?;
        // `%2F` is a slash like any other: a segment with one is a longer path.
        if text.contains('/') {
            return Err(ApiError::not_found());
        }
        text.parse().map(Self).map_err(ApiError::invalid)
    }
}

pub struct Parameters<T>(pub T);

impl<T, S> FromRequestParts<S> for Parameters<T>
where
    T: DeserializeOwned,
    S: Send + Sync,
{
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        Query::try_from_uri(&parts.uri)
            .map(|Query(parameters)| Self(parameters))
            .map_err(|rejection| ApiError::invalid(rejection.body_text()))
    }
}

/// A body of at most 64 KiB.
pub struct Payload(pub Bytes);

impl<S: Send + Sync> FromRequest<S> for Payload {
    type Rejection = ApiError;

    async fn from_request(request: Request, _: &S) -> Result<Self, ApiError> {
        let mut body = request.into_body();
        match Limited::new(&mut body, BODY_LIMIT).collect().await {
            Ok(whole) => Ok(Self(whole.to_bytes())),
            Err(error) if error.is::<LengthLimitError>() => {
                // A caller that is still sending would see a closed connection, not the response.
                while let Some(Ok(_)) = body.frame().await {}
                Err(ApiError::new(
                    StatusCode::PAYLOAD_TOO_LARGE,
                    format!("the body must have at most {BODY_LIMIT} bytes"),
                ))
            }
            Err(error) => Err(ApiError::new(StatusCode::BAD_REQUEST, error)),
        }
    }
}

/// A JSON object, whatever content type it is sent with.
pub struct Object<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Object<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        let Payload(body) = Payload::from_request(request, state).await?;
        // serde would also accept an array for a struct, and would refuse a duplicate key.
        serde_json::from_slice::<Map<String, Value>>(&body)
            .and_then(T::deserialize)
            .map(Self)
            .map_err(ApiError::invalid)
    }
}

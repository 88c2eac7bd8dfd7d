//! Connections, from a pool or one per request.

use std::time::Duration;

use deadpool::managed::{self, Manager, Metrics, PoolError, RecycleError, RecycleResult};
use sqlx::Connection;

use crate::errors::ApiError;

/// A connection idle for longer is pinged before use: its database may have restarted.
const TRUSTED_FOR: Duration = Duration::from_secs(1);

pub type Pool<C> = managed::Pool<Opener<C>>;

pub enum Database<C: Connection + 'static> {
    Pool(Pool<C>),
    PerRequest(C::Options),
}

impl<C: Connection + 'static> Database<C> {
    pub async fn ask<T>(
        &self,
        question: impl AsyncFnOnce(&mut C) -> sqlx::Result<T>,
    ) -> Result<T, ApiError> {
        match self {
            Self::Pool(pool) => pooled(pool, question).await,
            Self::PerRequest(options) => per_request(options, question).await,
        }
    }
}

/// Returns a connection to the pool only after its response, never half used.
async fn pooled<C: Connection + 'static, T>(
    pool: &Pool<C>,
    question: impl AsyncFnOnce(&mut C) -> sqlx::Result<T>,
) -> Result<T, ApiError> {
    let mut seat = pool.get().await.map_err(|error| match error {
        PoolError::Backend(error) => error.into(),
        error => ApiError::unavailable(error),
    })?;
    let mut connection = seat.take().expect("recycle() lets no empty seat pass");
    let answer = question(&mut connection).await?;
    *seat = Some(connection);
    Ok(answer)
}

async fn per_request<C: Connection + 'static, T>(
    options: &C::Options,
    question: impl AsyncFnOnce(&mut C) -> sqlx::Result<T>,
) -> Result<T, ApiError> {
    let mut connection = C::connect_with(options).await?;
    let answer = question(&mut connection).await;
    // An error on close does not change the response.
    let _ = connection.close().await;
    Ok(answer?)
}

/// A pool that waits for a connection without a timeout, and opens connections on first use.
pub fn pool<C: Connection + 'static>(options: C::Options, size: usize) -> Pool<C> {
    let builder = Pool::builder(Opener(options)).max_size(size);
    builder
        .build()
        .expect("only a pool with timeouts needs a runtime")
}

/// Reports a database's refusal at once; sqlx's own pool would retry for a while.
pub struct Opener<C: Connection + 'static>(C::Options);

impl<C: Connection + 'static> Manager for Opener<C> {
    /// Empty while a request has the connection.
    type Type = Option<C>;
    type Error = sqlx::Error;

    async fn create(&self) -> sqlx::Result<Option<C>> {
        C::connect_with(&self.0).await.map(Some)
    }

    async fn recycle(&self, seat: &mut Option<C>, past: &Metrics) -> RecycleResult<sqlx::Error> {
        match seat {
            Some(connection) if past.last_used() > TRUSTED_FOR => Ok(connection.ping().await?),
            Some(_) => Ok(()),
            None => Err(RecycleError::message("its request failed or was given up")),
        }
    }
}

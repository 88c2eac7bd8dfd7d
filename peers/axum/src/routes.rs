//! The routes and the state that their handlers share.

use std::sync::Arc;

use axum::Router;
use axum::handler::Handler;
use axum::routing::{self, MethodRouter};
use sqlx::{PgConnection, SqliteConnection};

use crate::database::{self, Database};
use crate::errors::{ApiError, Problem};
use crate::settings::{Life, Settings};
use crate::upstream::Upstream;
use crate::{echo, items, stress, tasks, upstream, users};

/// The state that the handlers share. A part is absent if its setting is.
pub struct App {
    users: Option<Database<PgConnection>>,
    tasks: Option<Database<PgConnection>>,
    items: Option<Database<SqliteConnection>>,
    upstream: Option<Upstream>,
}

pub type Shared = Arc<App>;

impl App {
    pub fn new(settings: Settings) -> Result<Shared, Problem> {
        let size = settings.pool_size;
        let postgres = settings.postgres.map(|options| {
            let pool = database::pool(options.clone(), size);
            let tasks = match settings.life {
                Life::Pool => Database::Pool(pool.clone()),
                Life::PerRequest => Database::PerRequest(options),
            };
            (Database::Pool(pool), tasks)
        });
        let (users, tasks) = postgres.unzip();
        Ok(Arc::new(Self {
            users,
            tasks,
            items: settings
                .sqlite
                .map(|options| Database::Pool(database::pool(options, size))),
            upstream: settings.upstream.map(Upstream::new).transpose()?,
        }))
    }

    pub fn users(&self) -> Result<&Database<PgConnection>, ApiError> {
        given(&self.users, "APP_DATABASE_URL")
    }

    pub fn tasks(&self) -> Result<&Database<PgConnection>, ApiError> {
        given(&self.tasks, "APP_DATABASE_URL")
    }

    pub fn items(&self) -> Result<&Database<SqliteConnection>, ApiError> {
        given(&self.items, "APP_SQLITE")
    }

    pub fn upstream(&self) -> Result<&Upstream, ApiError> {
        given(&self.upstream, "APP_UPSTREAM_URL")
    }
}

fn given<'a, T>(part: &'a Option<T>, key: &str) -> Result<&'a T, ApiError> {
    part.as_ref()
        .ok_or_else(|| ApiError::unavailable(format!("{key} is not set")))
}

pub fn router(app: Shared) -> Router {
    Router::new()
        .route("/", get(echo::hello))
        .route("/ping", get(echo::ping))
        .route("/echo", routing::post(echo::body))
        .route("/echo/{text}", get(echo::segment))
        .route("/health", get(items::health))
        .route("/db/items", get(items::list).post(items::create))
        .route("/users", get(users::list))
        .route("/tasks", get(tasks::list).post(tasks::create))
        .route("/async/http", get(upstream::ask))
        .route("/stress/cpu/{n}", get(stress::cpu))
        .route("/stress/memory/{mb}", get(stress::memory))
        .fallback(async || ApiError::not_found())
        .method_not_allowed_fallback(async || ApiError::method_not_allowed())
        .with_state(app)
}

/// Axum's own `get` also accepts HEAD, which is not in the contract.
fn get<H: Handler<T, Shared>, T: 'static>(handler: H) -> MethodRouter<Shared> {
    routing::get(handler).head(async || ApiError::method_not_allowed())
}

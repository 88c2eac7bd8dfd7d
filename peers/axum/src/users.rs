//! Users from PostgreSQL.

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use sqlx::postgres::PgRow;
use sqlx::{FromRow, Row};

use crate::checks;
use crate::errors::ApiError;
use crate::extract::Parameters;
use crate::routes::Shared;

const MOST: i64 = 100;
const SELECT: &str =
    "SELECT user_id, name, email, karma, active FROM users ORDER BY user_id LIMIT $1";

#[derive(Serialize)]
pub struct User {
    user_id: i64,
    name: String,
    email: String,
    karma: i32,
    active: bool,
}

impl FromRow<'_, PgRow> for User {
    fn from_row(row: &PgRow) -> sqlx::Result<Self> {
        Ok(Self {
            user_id: row.try_get(0)?,
            name: row.try_get(1)?,
            email: row.try_get(2)?,
            karma: row.try_get(3)?,
            active: row.try_get(4)?,
        })
    }
}

#[derive(Deserialize)]
pub struct Asked {
    limit: Option<i64>,
}

pub async fn list(
    State(app): State<Shared>,
    Parameters(asked): Parameters<Asked>,
) -> Result<Json<Vec<User>>, ApiError> {
    let limit = checks::within("limit", asked.limit.unwrap_or(MOST), 1..=MOST)?;
    let question = async |connection: &mut _| {
        sqlx::query_as(SELECT)
            .bind(limit)
            .fetch_all(connection)
            .await
    };
    app.users()?.ask(question).await.map(Json)
}

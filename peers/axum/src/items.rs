//! Items from SQLite, and its health check.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sqlx::sqlite::SqliteRow;
use sqlx::{FromRow, Row};

use crate::checks;
use crate::errors::ApiError;
use crate::extract::{Object, Parameters};
use crate::routes::{App, Shared};

const LONGEST_NAME: usize = 100;
const HIGHEST_PRICE: i64 = 1_000_000_000;
const SELECT: &str = "SELECT item_id, name, price_cents FROM items ORDER BY item_id LIMIT ?";
const INSERT: &str =
    "INSERT INTO items (name, price_cents) VALUES (?, ?) RETURNING item_id, name, price_cents";

#[derive(Serialize)]
pub struct Item {
    item_id: i64,
    name: String,
    price_cents: i64,
}

impl FromRow<'_, SqliteRow> for Item {
    fn from_row(row: &SqliteRow) -> sqlx::Result<Self> {
        Ok(Self {
            item_id: row.try_get(0)?,
            name: row.try_get(1)?,
            price_cents: row.try_get(2)?,
        })
    }
}

#[derive(Deserialize)]
pub struct Asked {
    limit: Option<i64>,
}

#[derive(Deserialize)]
pub struct NewItem {
    name: String,
    price_cents: i64,
}

#[derive(Serialize)]
pub struct Items {
    items: Vec<Item>,
}

pub async fn health(State(app): State<Shared>) -> Response {
    match select_one(&app).await {
        Ok(()) => Json(json!({ "status": "ok", "database": "ok" })).into_response(),
        Err(error) => (error.status, Json(unreachable(&error.detail))).into_response(),
    }
}

async fn select_one(app: &App) -> Result<(), ApiError> {
    let question = async |connection: &mut _| sqlx::query("SELECT 1").fetch_one(connection).await;
    app.items()?.ask(question).await.map(|_| ())
}

fn unreachable(detail: &str) -> Value {
    json!({ "detail": detail, "database": "unreachable" })
}

pub async fn list(
    State(app): State<Shared>,
    Parameters(asked): Parameters<Asked>,
) -> Result<Json<Items>, ApiError> {
    let limit = checks::within("limit", asked.limit.unwrap_or(25), 1..=100)?;
    let question = async |connection: &mut _| {
        sqlx::query_as(SELECT)
            .bind(limit)
            .fetch_all(connection)
            .await
    };
    let items = app.items()?.ask(question).await?;
    Ok(Json(Items { items }))
}

pub async fn create(
    State(app): State<Shared>,
    Object(new): Object<NewItem>,
) -> Result<(StatusCode, Json<Item>), ApiError> {
    checks::stored_text("name", &new.name, LONGEST_NAME)?;
    checks::within("price_cents", new.price_cents, 0..=HIGHEST_PRICE)?;
    let question = async |connection: &mut _| {
        sqlx::query_as(INSERT)
            .bind(new.name.as_str())
            .bind(new.price_cents)
            .fetch_one(connection)
            .await
    };
    let item = app.items()?.ask(question).await?;
    Ok((StatusCode::CREATED, Json(item)))
}

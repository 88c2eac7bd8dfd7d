//! Tasks from PostgreSQL, in pages.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use sqlx::postgres::PgRow;
use sqlx::{FromRow, Row};

use crate::errors::ApiError;
use crate::extract::{Object, Parameters};
use crate::routes::Shared;
use crate::{checks, cursor};

const LONGEST_TITLE: usize = 200;
const SELECT: &str =
    "SELECT task_id, title, done FROM tasks WHERE task_id > $1 ORDER BY task_id LIMIT $2";
const INSERT: &str =
    "INSERT INTO tasks (title, done) VALUES ($1, $2) RETURNING task_id, title, done";

#[derive(Serialize)]
pub struct Task {
    task_id: i64,
    title: String,
    done: bool,
}

impl FromRow<'_, PgRow> for Task {
    fn from_row(row: &PgRow) -> sqlx::Result<Self> {
        Ok(Self {
            task_id: row.try_get(0)?,
            title: row.try_get(1)?,
            done: row.try_get(2)?,
        })
    }
}

#[derive(Deserialize)]
pub struct Asked {
    limit: Option<i64>,
    after: Option<String>,
}

#[derive(Deserialize)]
pub struct NewTask {
    title: String,
    #[serde(default)]
    done: bool,
}

#[derive(Serialize)]
pub struct Page {
    items: Vec<Task>,
    next: Option<String>,
}

impl Page {
    /// From up to one task more than fits; that one shows that another page follows.
    fn new(mut items: Vec<Task>, limit: usize) -> Self {
        let more = items.len() > limit;
        items.truncate(limit);
        let last = items.last().filter(|_| more);
        Self {
            next: last.map(|task| cursor::encode(task.task_id)),
            items,
        }
    }
}

pub async fn list(
    State(app): State<Shared>,
    Parameters(asked): Parameters<Asked>,
) -> Result<Json<Page>, ApiError> {
    let limit = checks::within("limit", asked.limit.unwrap_or(25), 1..=100)?;
    let after = asked.after.as_deref().map_or(Ok(0), cursor::decode)?;
    let question = async |connection: &mut _| {
        sqlx::query_as(SELECT)
            .bind(after)
            .bind(limit + 1)
            .fetch_all(connection)
            .await
    };
    let items = app.tasks()?.ask(question).await?;
    Ok(Json(Page::new(items, limit as usize)))
}

pub async fn create(
    State(app): State<Shared>,
    Object(new): Object<NewTask>,
) -> Result<(StatusCode, Json<Task>), ApiError> {
    checks::stored_text("title", &new.title, LONGEST_TITLE)?;
    let question = async |connection: &mut _| {
        sqlx::query_as(INSERT)
            .bind(&new.title)
            .bind(new.done)
            .fetch_one(connection)
            .await
    };
    let task = app.tasks()?.ask(question).await?;
    Ok((StatusCode::CREATED, Json(task)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(tasks: i64) -> Page {
        let task = |task_id| Task {
            task_id,
            title: "title".to_owned(),
            done: false,
        };
        Page::new((1..=tasks).map(task).collect(), 2)
    }

    #[test]
    fn next_is_the_last_shown_if_one_follows() {
        let page = page(3);
        assert_eq!(page.items.len(), 2);
        assert_eq!(page.next, Some(cursor::encode(2)));
    }

    #[test]
    fn the_last_page_has_no_next() {
        for tasks in 0..=2 {
            assert!(page(tasks).next.is_none());
        }
    }
}

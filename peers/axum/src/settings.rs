//! Settings from the environment. A feature without its setting is off.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use reqwest::Url;
use sqlx::postgres::PgConnectOptions;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous};

use crate::errors::Problem;

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Life {
    Pool,
    PerRequest,
}

#[derive(Debug)]
pub struct Settings {
    pub postgres: Option<PgConnectOptions>,
    pub sqlite: Option<SqliteConnectOptions>,
    pub pool_size: usize,
    pub life: Life,
    pub upstream: Option<Url>,
}

impl Settings {
    pub fn from_environment(look_up: impl Fn(&str) -> Option<OsString>) -> Result<Self, Problem> {
        let environment = Environment(look_up);
        let delay_ms = environment.number("APP_DELAY_MS", 1000, 0, 60_000)?;
        Ok(Self {
            postgres: environment.parsed("APP_DATABASE_URL", postgres_options)?,
            sqlite: environment.path("APP_SQLITE")?.map(sqlite_options),
            pool_size: environment.number("APP_DATABASE_POOL", 5, 1, 1000)?,
            life: environment
                .parsed("APP_DATABASE_LIFE", life)?
                .unwrap_or(Life::Pool),
            upstream: environment.parsed("APP_UPSTREAM_URL", |text| upstream(text, delay_ms))?,
        })
    }
}

struct Environment<L>(L);

impl<L: Fn(&str) -> Option<OsString>> Environment<L> {
    fn text(&self, key: &str) -> Result<Option<String>, Problem> {
        let text = (self.0)(key).map(OsString::into_string).transpose();
        text.map_err(|_| Problem::wrong_use(format!("{key}: give UTF-8")))
    }

    fn parsed<T>(
        &self,
        key: &str,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Result<Option<T>, Problem> {
        let Some(text) = self.text(key)? else {
            return Ok(None);
        };
        match parse(&text) {
            Ok(value) => Ok(Some(value)),
            // Without the value, because an address may contain a password.
            Err(reason) => Err(Problem::wrong_use(format!("{key}: {reason}"))),
        }
    }

    fn number(
        &self,
        key: &str,
        absent: usize,
        lowest: usize,
        highest: usize,
    ) -> Result<usize, Problem> {
        let parse = |text: &str| match text.parse() {
            Ok(value) if (lowest..=highest).contains(&value) => Ok(value),
            _ => Err(format!("give a whole number from {lowest} to {highest}")),
        };
        Ok(self.parsed(key, parse)?.unwrap_or(absent))
    }

    fn path(&self, key: &str) -> Result<Option<PathBuf>, Problem> {
        match (self.0)(key) {
            Some(path) if path.is_empty() => Err(Problem::wrong_use(format!("{key}: give a path"))),
            path => Ok(path.map(PathBuf::from)),
        }
    }
}

fn life(text: &str) -> Result<Life, String> {
    match text {
        "pool" => Ok(Life::Pool),
        "per-request" => Ok(Life::PerRequest),
        _ => Err("give pool or per-request".to_owned()),
    }
}

fn postgres_options(text: &str) -> Result<PgConnectOptions, String> {
    // sqlx accepts any scheme.
    if !text.starts_with("postgresql://") && !text.starts_with("postgres://") {
        return Err("give postgresql://user@host:port/name".to_owned());
    }
    text.parse().map_err(|error: sqlx::Error| error.to_string())
}

fn sqlite_options(path: PathBuf) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Normal)
        .busy_timeout(Duration::from_millis(5000))
}

/// The address with its path and query, built once.
fn upstream(text: &str, delay_ms: usize) -> Result<Url, String> {
    let url = format!("{}/?waitms={delay_ms}", text.trim_end_matches('/'));
    match Url::parse(&url) {
        Ok(url) if url.scheme() == "http" => Ok(url),
        _ => Err("give http://host:port".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(pairs: &[(&str, &str)]) -> Result<Settings, Problem> {
        Settings::from_environment(|key| {
            let pair = pairs.iter().find(|(name, _)| *name == key);
            pair.map(|(_, value)| OsString::from(value))
        })
    }

    #[test]
    fn nothing_given_is_everything_off() {
        let settings = settings(&[]).unwrap();
        assert!(settings.postgres.is_none());
        assert!(settings.sqlite.is_none());
        assert!(settings.upstream.is_none());
        assert_eq!((settings.pool_size, settings.life), (5, Life::Pool));
    }

    #[test]
    fn the_upstream_is_asked_for_the_delay() {
        for url in ["http://127.0.0.1:8090", "http://127.0.0.1:8090/"] {
            let pairs = [("APP_UPSTREAM_URL", url), ("APP_DELAY_MS", "60000")];
            let asked = settings(&pairs).unwrap().upstream.unwrap();
            assert_eq!(asked.as_str(), "http://127.0.0.1:8090/?waitms=60000");
        }
    }

    #[test]
    fn what_cannot_be_used_is_named_with_its_key() {
        let pairs = [
            ("APP_DATABASE_URL", "mysql://localhost/a"),
            ("APP_DATABASE_URL", "postgresql://localhost:port/a"),
            ("APP_DATABASE_POOL", "0"),
            ("APP_DATABASE_POOL", "1001"),
            ("APP_DATABASE_LIFE", "forever"),
            ("APP_SQLITE", ""),
            ("APP_UPSTREAM_URL", "https://127.0.0.1"),
            ("APP_DELAY_MS", "60001"),
            ("APP_DELAY_MS", "-1"),
            ("APP_DELAY_MS", ""),
        ];
        for pair in pairs {
            let problem = settings(&[pair]).unwrap_err();
            assert_eq!(problem.exit_code, 2, "{pair:?}");
            assert!(problem.message.starts_with(pair.0), "{pair:?}");
        }
    }
}

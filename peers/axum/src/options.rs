//! The command line.

use std::ffi::OsString;
use std::fmt::Display;
use std::ops::RangeInclusive;
use std::str::FromStr;

use lexopt::{Arg, Parser, ValueExt};

use crate::errors::Problem;

pub const USAGE: &str = "\
usage: axum-peer [--host HOST] [--port PORT] [--workers N]

  --host HOST    127.0.0.1 if absent
  --port PORT    0, the default: the system picks one
  --workers N    threads that run the code, 1 to 1024; 1 if absent

Settings come from the environment: see peers/README.md.";

#[derive(Debug, PartialEq)]
pub struct Options {
    pub host: String,
    pub port: u16,
    pub workers: usize,
}

#[derive(Debug, PartialEq)]
pub enum Command {
    Serve(Options),
    Help,
}

impl From<lexopt::Error> for Problem {
    fn from(error: lexopt::Error) -> Self {
        Self::wrong_use(error)
    }
}

pub fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Command, Problem> {
    let mut options = Options {
        host: "127.0.0.1".to_owned(),
        port: 0,
        workers: 1,
    };
    let mut parser = Parser::from_args(arguments);
    while let Some(argument) = parser.next()? {
        match argument {
            Arg::Long("host") => options.host = parser.value()?.string()?,
            Arg::Long("port") => options.port = number(&mut parser, "--port", 0..=u16::MAX)?,
            Arg::Long("workers") => options.workers = number(&mut parser, "--workers", 1..=1024)?,
            Arg::Long("help") | Arg::Short('h') => return Ok(Command::Help),
            _ => return Err(argument.unexpected().into()),
        }
    }
    Ok(Command::Serve(options))
}

fn number<T>(parser: &mut Parser, name: &str, range: RangeInclusive<T>) -> Result<T, Problem>
where
    T: FromStr + PartialOrd + Display,
{
    let text = parser.value()?.string()?;
    match text.parse() {
        Ok(value) if range.contains(&value) => Ok(value),
        _ => Err(Problem::wrong_use(format!(
            "{name} {text:?}: give a whole number from {} to {}",
            range.start(),
            range.end()
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Result<Command, Problem> {
        parse(line.split_whitespace().map(OsString::from))
    }

    #[test]
    fn everything_has_a_default() {
        let expected = Options {
            host: "127.0.0.1".to_owned(),
            port: 0,
            workers: 1,
        };
        assert_eq!(parsed("").unwrap(), Command::Serve(expected));
    }

    #[test]
    fn values_follow_a_space_or_an_equals_sign() {
        let expected = Options {
            host: "::1".to_owned(),
            port: 80,
            workers: 2,
        };
        let command = parsed("--host ::1 --port=80 --workers 2").unwrap();
        assert_eq!(command, Command::Serve(expected));
    }

    #[test]
    fn what_is_wrong_ends_with_code_2_and_one_line() {
        let lines = [
            "--port",
            "--port 65536",
            "--port -1",
            "--workers 0",
            "--workers 1.0",
            "--workers=",
            "--colour red",
            "-x",
            "stray",
        ];
        for line in lines {
            let problem = parsed(line).unwrap_err();
            assert_eq!(problem.exit_code, 2, "{line}");
            assert!(!problem.message.contains('\n'), "{line}");
        }
    }
}

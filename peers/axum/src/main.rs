//! The HTTP contract of `peers/README.md`, in Axum.

mod checks;
mod cursor;
mod database;
mod echo;
mod errors;
mod extract;
mod items;
mod options;
mod routes;
mod server;
mod settings;
mod stress;
mod tasks;
mod upstream;
mod users;

use std::env;
use std::process::ExitCode;

use errors::Problem;
use options::{Command, USAGE};
use routes::App;
use settings::Settings;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            eprintln!("axum-peer: {}", problem.message);
            ExitCode::from(problem.exit_code)
        }
    }
}

fn run() -> Result<(), Problem> {
    match options::parse(env::args_os().skip(1))? {
        Command::Help => println!("{USAGE}"),
        Command::Serve(options) => {
            let settings = Settings::from_environment(|key| env::var_os(key))?;
            server::run(&options, routes::router(App::new(settings)?))?;
        }
    }
    Ok(())
}

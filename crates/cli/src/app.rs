//! From the command line to an exit code: the one place that decides it.

use std::process::ExitCode;

use clap::Parser;

use crate::args::{Cli, Command};
use crate::commands;
use crate::config::Config;
use crate::demo;
use crate::error::{CliError, Exit};
use crate::output::Output;

/// What every command gets besides its own arguments.
#[derive(Debug)]
pub(crate) struct Context {
    /// Settings below the flags: environment, configuration file, defaults.
    pub(crate) config: Config,
    /// Where results and messages go.
    pub(crate) output: Output,
}

/// Runs the command that the process was started with.
pub(crate) fn run() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version come this way too, with exit code 0. A closed pipe is their
            // reader's choice.
            let _ = error.print();
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2));
        }
    };
    let output = Output::new(cli.global.json, cli.global.quiet);
    let exit = match dispatch(cli, &output) {
        Ok(exit) => exit,
        Err(error) if error.is_broken_pipe() => Exit::Success,
        Err(error) => {
            output.error(&error);
            error.exit()
        }
    };
    ExitCode::from(exit.code())
}

fn dispatch(cli: Cli, output: &Output) -> Result<Exit, CliError> {
    let context = Context { config: Config::load(cli.global.config)?, output: output.clone() };
    match cli.command {
        Command::Mount(args) => commands::mount::run(&context, &args),
        Command::Unmount(args) => commands::unmount::run(&context, &args),
        Command::Status(args) => commands::status::run(&context, &args),
        Command::ProbeMount(args) => commands::status::probe(&context, &args),
        Command::Changes(args) => commands::changes::run(&context, &args),
        Command::Export(args) => commands::export::run(&context, &args),
        Command::Snapshot(args) => commands::snapshot::run(&context, &args),
        Command::Manifest(command) => commands::manifest::run(&context, command),
        Command::Cache(command) => commands::cache::run(&context, &command),
        Command::Doctor(args) => commands::doctor::run(&context, &args),
        Command::Demo(args) => demo::run(&context, &args),
        Command::Config(command) => commands::config::run(&context, &command),
        Command::Completions(args) => commands::completions::run(&context, &args),
    }
}

//! `completions`: a script that teaches a shell our commands and flags.

use clap::CommandFactory;

use crate::app::Context;
use crate::args::{Cli, CompletionsArgs};
use crate::error::{CliError, Exit};

/// Prints the script.
pub(crate) fn run(context: &Context, args: &CompletionsArgs) -> Result<Exit, CliError> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "rusty-attachments", &mut script);
    context.output.bytes(&script)?;
    Ok(Exit::Success)
}

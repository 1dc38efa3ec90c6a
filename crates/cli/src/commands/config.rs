//! `config show`, which `status --config` is too: every setting, its value and its origin.

use serde::Serialize;

use crate::app::Context;
use crate::args::ConfigCommand;
use crate::config::{Origin, SETTINGS};
use crate::error::{CliError, Exit};

#[derive(Debug, Serialize)]
struct SettingRecord<'a> {
    key: &'a str,
    value: Option<&'a str>,
    origin: String,
    variable: String,
}

/// Runs the command.
pub(crate) fn run(context: &Context, command: &ConfigCommand) -> Result<Exit, CliError> {
    match command {
        ConfigCommand::Show => show(context),
    }
}

/// Prints all settings.
pub(crate) fn show(context: &Context) -> Result<Exit, CliError> {
    let output = &context.output;
    if let (Some(path), false) = (context.config.path(), output.is_json()) {
        output.line(format_args!("# {}", path.display()))?;
    }
    for setting in SETTINGS {
        let (value, origin) = context.config.text(setting);
        // What stands in parentheses describes a default that has no fixed value.
        let known = origin != Origin::Default || !value.starts_with('(');
        output.result(
            format_args!("{:<14}{value:<44}{origin}", setting.key),
            "setting/1",
            &SettingRecord {
                key: setting.key,
                value: known.then_some(value.as_str()),
                origin: origin.to_string(),
                variable: setting.variable(),
            },
        )?;
    }
    Ok(Exit::Success)
}

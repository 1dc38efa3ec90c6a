//! `unmount`: ends a mount of ours, whichever process serves it.

use serde::Serialize;

use crate::app::Context;
use crate::args::UnmountArgs;
use crate::error::{CliError, Exit};
use crate::front_end;

#[derive(Debug, Serialize)]
struct UnmountRecord {
    mount_point: String,
    lazy: bool,
}

/// Runs the command.
pub(crate) fn run(context: &Context, args: &UnmountArgs) -> Result<Exit, CliError> {
    front_end::unmount(&args.mount_point, args.lazy)?;
    let record = UnmountRecord {
        mount_point: args.mount_point.to_string_lossy().into_owned(),
        lazy: args.lazy,
    };
    let text = format!("unmounted {}", record.mount_point);
    context.output.result(text, "unmount/1", &record)?;
    Ok(Exit::Success)
}

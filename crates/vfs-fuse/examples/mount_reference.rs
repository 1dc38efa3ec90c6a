//! Mounts a volume that costs nothing behind the front end: what remains is the front end's cost.
//!
//! `mount_reference MOUNT_POINT [FOLDERS [FILES_PER_FOLDER [BYTES_PER_FILE]]]`, with `NO_PASSTHROUGH`
//! in the environment to mount as a user without privileges would. Ends when its input does.
#![allow(clippy::print_stderr, clippy::allow_attributes, reason = "an example for a terminal")]

#[cfg(target_os = "linux")]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    use std::sync::Arc;

    use rusty_attachments_testkit::volume::Tree;
    use rusty_attachments_vfs::{AsyncExecutor, ExecutorConfig};
    use rusty_attachments_vfs_fuse::{MountOptions, mount};

    tracing_subscriber::fmt().with_writer(std::io::stderr).init();
    let mut arguments = std::env::args().skip(1);
    let point = arguments.next().ok_or("give a mount point")?;
    let mut number = |default| arguments.next().map_or(Ok(default), |text| text.parse::<u64>());
    let (folders, files, bytes) = (number(100)?, number(200)?, number(4096)?);
    let mut tree = Tree::new().pattern("large", 2 << 30);
    for folder in 0..folders {
        for file in 0..files {
            tree = tree.pattern(format!("{folder:04}/{file:06}.exr").as_str(), bytes);
        }
    }
    let executor = Arc::new(AsyncExecutor::new(ExecutorConfig::default())?);
    let passthrough = std::env::var_os("NO_PASSTHROUGH").is_none();
    let options = MountOptions { label: "reference".into(), passthrough, ..Default::default() };
    let mounted = mount(tree.build(), executor, point.as_ref(), &options)?;
    eprintln!("mounted at {}; end the input to unmount", mounted.mount_point().display());
    std::io::copy(&mut std::io::stdin(), &mut std::io::sink())?;
    mounted.unmount()?;
    eprintln!("{:?}", mounted.stats());
    Ok(())
}

#[cfg(not(target_os = "linux"))]
fn main() {}

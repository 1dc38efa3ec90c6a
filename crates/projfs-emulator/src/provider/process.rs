//! Who this process is.

use std::env;
use std::sync::OnceLock;

use crate::contract::Wide;
use crate::link::Process;

/// This process, with its program as an NT device path (K15).
pub(super) fn current() -> Process {
    static IMAGE: OnceLock<Wide> = OnceLock::new();
    let image = IMAGE.get_or_init(|| {
        let program = env::current_exe().unwrap_or_default();
        device_path(&program.to_string_lossy())
    });
    Process { id: std::process::id(), image: image.clone() }
}

/// A full path of either system below a made-up device; empty stays empty.
fn device_path(path: &str) -> Wide {
    let path = path.replace('/', "\\");
    // A drive's letter is not part of a device path.
    let drive = path.find(':').filter(|place| *place == 1);
    let below = drive.and_then(|place| path.get(place + 1..)).unwrap_or(&path);
    if below.is_empty() {
        return Wide::default();
    }
    Wide::from(format!("\\Device\\HarddiskVolume1{below}").as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_of_either_system_have_device_paths() {
        let expected = Wide::from("\\Device\\HarddiskVolume1\\bin\\provider");
        assert_eq!(device_path("/bin/provider"), expected);
        assert_eq!(device_path("C:\\bin\\provider"), expected);
        assert_eq!(device_path(""), Wide::default());
    }
}

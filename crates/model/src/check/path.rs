//! Which paths are safe: nothing that leaves the root, that no file system could hold, or that two
//! systems would read differently.
//!
//! `\`, `:` and names such as `CON` are ordinary on Linux and pass; what Windows cannot show is
//! the Windows front end's decision.

use crate::error::PathRule;
use crate::limits::Limits;
use crate::manifest::PathStyle;
use crate::path::PathRef;

/// Checks a path, or a link target, of a manifest in `style`.
pub(crate) fn check(path: PathRef<'_>, style: PathStyle, limits: &Limits) -> Result<(), PathRule> {
    let bytes = path.as_wtf8();
    if bytes.is_empty() {
        return Err(PathRule::Empty);
    }
    let limit = limits.path_bytes.min(Limits::TABLE_PATH_BYTES);
    if bytes.len() as u64 > limit {
        return Err(PathRule::TooLong { bytes: bytes.len() as u64, limit });
    }
    if bytes.contains(&0) {
        return Err(PathRule::Nul);
    }
    let rest = match (style, bytes) {
        (PathStyle::Relative, [b'/', ..]) => return Err(PathRule::Absolute),
        (PathStyle::Relative, _) if is_drive(bytes) => return Err(PathRule::Drive),
        (PathStyle::Relative, _) => bytes,
        (PathStyle::Absolute, [b'/', rest @ ..]) => rest,
        (PathStyle::Absolute, _) if is_drive(bytes) => bytes,
        (PathStyle::Absolute, _) => return Err(PathRule::Relative),
    };
    check_components(rest, limits)
}

/// Whether the first component is a drive letter and a colon, as in `C:` or `C:/x`.
const fn is_drive(bytes: &[u8]) -> bool {
    matches!(bytes, [letter, b':'] | [letter, b':', b'/', ..] if letter.is_ascii_alphabetic())
}

fn check_components(path: &[u8], limits: &Limits) -> Result<(), PathRule> {
    let mut depth = 0;
    for component in path.split(|&byte| byte == b'/') {
        match component {
            b"" => return Err(PathRule::EmptyComponent),
            b"." => return Err(PathRule::Dot),
            b".." => return Err(PathRule::DotDot),
            _ => {}
        }
        // A component never has more UTF-16 units than bytes.
        if component.len() as u64 > limits.component_units
            && PathRef::from_wtf8(component).utf16().count() as u64 > limits.component_units
        {
            return Err(PathRule::ComponentTooLong { limit: limits.component_units });
        }
        depth += 1;
        if depth > limits.path_depth {
            return Err(PathRule::TooDeep { limit: limits.path_depth });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn relative(path: &str) -> Result<(), PathRule> {
        check(PathRef::from(path), PathStyle::Relative, &Limits::default())
    }

    #[test]
    fn unsafe_paths_are_named() {
        let table = [
            ("", PathRule::Empty),
            ("/", PathRule::Absolute),
            ("/etc/passwd", PathRule::Absolute),
            ("C:", PathRule::Drive),
            ("c:/x", PathRule::Drive),
            ("a//b", PathRule::EmptyComponent),
            ("a/", PathRule::EmptyComponent),
            (".", PathRule::Dot),
            ("./a", PathRule::Dot),
            ("a/./b", PathRule::Dot),
            ("..", PathRule::DotDot),
            ("a/../b", PathRule::DotDot),
            ("a\0b", PathRule::Nul),
        ];
        for (path, rule) in table {
            assert_eq!(relative(path), Err(rule), "{path:?}");
        }
    }

    #[test]
    fn what_linux_allows_passes() {
        for path in [
            "..foo",
            "...",
            ".a",
            "a\\..\\b",
            "C:x",
            "colon:stream",
            "CON",
            "$0/a",
            "a b. ",
            "\u{1F600}",
        ] {
            assert_eq!(relative(path), Ok(()), "{path:?}");
        }
    }

    #[test]
    fn absolute_manifests_need_absolute_paths() {
        let absolute = |path| check(PathRef::from(path), PathStyle::Absolute, &Limits::default());
        for path in ["/home", "/home/u/a", "C:", "C:/Users"] {
            assert_eq!(absolute(path), Ok(()), "{path}");
        }
        assert_eq!(absolute("home"), Err(PathRule::Relative));
        assert_eq!(absolute("/"), Err(PathRule::EmptyComponent));
        assert_eq!(absolute("//srv/share"), Err(PathRule::EmptyComponent));
        assert_eq!(absolute("/a/../b"), Err(PathRule::DotDot));
    }

    #[test]
    fn limits_hold_exactly() {
        let path = |bytes: usize| {
            let mut text = "abc/".repeat(bytes / 4);
            text.push_str(&"d".repeat(bytes - text.len()));
            text
        };
        let limits = Limits { path_depth: u64::MAX, ..Limits::default() };
        let check = |text: &str| check(PathRef::from(text), PathStyle::Relative, &limits);
        assert_eq!(check(&path(32_767)), Ok(()));
        assert_eq!(
            check(&format!("{}x", path(32_767))),
            Err(PathRule::TooLong { bytes: 32_768, limit: 32_767 })
        );

        assert_eq!(relative(&"a/".repeat(2_047)), Err(PathRule::EmptyComponent));
        assert_eq!(relative(&("a/".repeat(2_047) + "a")), Ok(()));
        assert_eq!(relative(&("a/".repeat(2_048) + "a")), Err(PathRule::TooDeep { limit: 2_048 }));

        let too_long = Err(PathRule::ComponentTooLong { limit: 255 });
        for (unit, units) in [("a", 1), ("\u{FF21}", 1), ("\u{1F600}", 2)] {
            assert_eq!(relative(&format!("d/{}", unit.repeat(255 / units))), Ok(()));
            assert_eq!(relative(&format!("d/{}", unit.repeat(255 / units + 1))), too_long);
        }
    }

    #[test]
    fn every_linux_name_fits() {
        let name = crate::PathBuf::from_unix(&[0xFF; 255]);
        assert_eq!(super::check(name.as_ref(), PathStyle::Relative, &Limits::default()), Ok(()));
    }
}

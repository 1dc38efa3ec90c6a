//! What a link says: manifests name targets from the manifest's root, `readlink` names them from
//! the link's folder.

use rusty_attachments_model::PathRef;

/// Appends the way from the folder of `link` to `target`, both relative to the root, to `text`.
///
/// Counting folders is enough: the model refuses links as folders of other entries, so no `..`
/// can land anywhere else.
pub(super) fn write_relative(link: PathRef<'_>, target: PathRef<'_>, text: &mut Vec<u8>) {
    let start = text.len();
    let mut folders = link.components();
    folders.next_back();
    let mut folders = folders.peekable();
    let mut rest = target.components().filter(|name| !name.as_wtf8().is_empty()).peekable();
    while let (Some(folder), Some(name)) = (folders.peek(), rest.peek()) {
        if folder != name {
            break;
        }
        folders.next();
        rest.next();
    }
    for name in folders.map(|_| PathRef::from("..")).chain(rest) {
        if text.len() > start {
            text.push(b'/');
        }
        text.extend_from_slice(name.as_wtf8());
    }
    if text.len() == start {
        text.push(b'.');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_are_told_from_the_links_folder() {
        for (link, target, expected) in [
            ("l", "x", "x"),
            ("l", "t/x", "t/x"),
            ("a/l", "t/x", "../t/x"),
            ("a/l", "a/x", "x"),
            ("a/b/c/l", "a/x/y", "../../x/y"),
            ("a/l", "ab", "../ab"),
            ("a/b/l", "a", ".."),
            ("a/l", "a", "."),
            ("a/b/l", "", "../.."),
            ("l", "", "."),
        ] {
            let mut text = b"before".to_vec();
            write_relative(link.into(), target.into(), &mut text);
            assert_eq!(&text[6..], expected.as_bytes(), "{link} -> {target}");
        }
    }
}

//! LIST: a page of an index as XML, in both versions of the request.

use std::fmt::Write;
use std::ops::Bound;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::http::{Request, iso_date};
use crate::index::{Index, Indexed};

/// The most keys in a page, as S3 has it.
const PAGE_KEYS: usize = 1000;

/// What `encoding-type=url` leaves as it is.
const PLAIN: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'/').remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// One page of the bucket's keys, as the request's parameters ask.
pub(crate) fn page(index: &Index, bucket: &str, request: &Request) -> String {
    let version_2 = request.parameter("list-type") == Some("2");
    let delimiter = request.parameter("delimiter").filter(|text| !text.is_empty());
    let prefix = request.parameter("prefix").unwrap_or_default();
    let after = ["continuation-token", "start-after", "marker"];
    let after = after.iter().find_map(|name| request.parameter(name)).unwrap_or_default();
    let max_keys = request.parameter("max-keys").and_then(|text| text.parse().ok());
    let max_keys = max_keys.unwrap_or(PAGE_KEYS).min(PAGE_KEYS);
    let encoded = request.parameter("encoding-type") == Some("url");
    let name = |text: &str| {
        if encoded { utf8_percent_encode(text, PLAIN).to_string() } else { escaped(text) }
    };

    let mut lines = String::new();
    let mut count = 0;
    let mut last = None;
    let mut truncated = false;
    let mut from = first_key_after(bucket, prefix, after, delimiter);
    while let Some((key, object)) = next_key(index, bucket, prefix, &from) {
        if count == max_keys {
            truncated = true;
            break;
        }
        count += 1;
        if let Some(group) = group_of(key, prefix, delimiter) {
            let _ =
                write!(lines, "<CommonPrefixes><Prefix>{}</Prefix></CommonPrefixes>", name(group));
            from = Bound::Excluded(past(bucket, group));
            last = Some(group);
        } else {
            write_object(&mut lines, &name(key), object);
            from = Bound::Excluded(format!("{bucket}/{key}"));
            last = Some(key);
        }
    }
    let next = last.filter(|_| truncated).map(name).map(|key| {
        if version_2 {
            format!("<NextContinuationToken>{key}</NextContinuationToken>")
        } else {
            format!("<NextMarker>{key}</NextMarker>")
        }
    });
    let next = next.unwrap_or_default();
    let count = if version_2 { format!("<KeyCount>{count}</KeyCount>") } else { String::new() };
    let (bucket, prefix) = (escaped(bucket), name(prefix));
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<ListBucketResult xmlns=\"\
         http://s3.amazonaws.com/doc/2006-03-01/\"><Name>{bucket}</Name><Prefix>{prefix}</Prefix>\
         <MaxKeys>{max_keys}</MaxKeys>{count}<IsTruncated>{truncated}</IsTruncated>{next}{lines}\
         </ListBucketResult>"
    )
}

/// Where a page starts: past a key, or past all keys of a group that was listed as one line.
fn first_key_after(
    bucket: &str,
    prefix: &str,
    after: &str,
    delimiter: Option<&str>,
) -> Bound<String> {
    match group_of(after, prefix, delimiter) {
        _ if after <= prefix => Bound::Included(format!("{bucket}/{prefix}")),
        Some(group) if group == after => Bound::Excluded(past(bucket, group)),
        _ => Bound::Excluded(format!("{bucket}/{after}")),
    }
}

/// A string behind every key that starts with `group`.
fn past(bucket: &str, group: &str) -> String {
    format!("{bucket}/{group}\u{10ffff}")
}

fn next_key<'a>(
    index: &'a Index,
    bucket: &str,
    prefix: &str,
    from: &Bound<String>,
) -> Option<(&'a str, &'a Indexed)> {
    let (key, object) = index.0.range::<String, _>((from.as_ref(), Bound::Unbounded)).next()?;
    let key = key.strip_prefix(bucket)?.strip_prefix('/')?;
    key.starts_with(prefix).then_some((key, object))
}

/// The part of a key up to the delimiter behind the prefix.
fn group_of<'a>(key: &'a str, prefix: &str, delimiter: Option<&str>) -> Option<&'a str> {
    let delimiter = delimiter?;
    let at = key.strip_prefix(prefix)?.find(delimiter)?;
    key.get(..prefix.len() + at + delimiter.len())
}

fn write_object(lines: &mut String, key: &str, object: &Indexed) {
    let (modified, etag) = (iso_date(object.modified), object.etag());
    let _ = write!(
        lines,
        "<Contents><Key>{key}</Key><LastModified>{modified}</LastModified><ETag>{}</ETag>\
         <Size>{}</Size><StorageClass>STANDARD</StorageClass></Contents>",
        etag.replace('"', "&quot;"),
        object.size
    );
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn index(keys: &[&str]) -> Index {
        let object =
            |key: &&str| ((*key).to_owned(), Indexed { path: (*key).into(), size: 1, modified: 0 });
        Index(keys.iter().map(object).collect())
    }

    fn list(index: &Index, query: &[(&str, &str)]) -> (Vec<String>, Option<String>) {
        let request = Request {
            method: "GET".to_owned(),
            target: "b".to_owned(),
            query: query.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect(),
            range: None,
            closes: false,
        };
        let xml = page(index, "b", &request);
        let between = |text: &str, open: &str, close: &str| {
            Some(text.split_once(open)?.1.split_once(close)?.0.to_owned())
        };
        let lines = xml.split("<Contents>").flat_map(|part| part.split("<CommonPrefixes>")).skip(1);
        let lines = lines.filter_map(|line| {
            between(line, "<Key>", "</Key>").or_else(|| between(line, "<Prefix>", "</Prefix>"))
        });
        let next = between(&xml, "<NextContinuationToken>", "</NextContinuationToken>");
        (lines.collect(), next.or_else(|| between(&xml, "<NextMarker>", "</NextMarker>")))
    }

    #[test]
    fn pages_with_and_without_groups_list_everything_once() {
        let index = index(&["a/x", "b/1", "b/d/2", "b/d/3", "b/d0", "b/e/4", "b/z", "c/x"]);
        for (delimiter, expected) in [
            ("", vec!["1", "d/2", "d/3", "d0", "e/4", "z"]),
            ("/", vec!["1", "d/", "d0", "e/", "z"]),
        ] {
            for version in ["1", "2"] {
                let token = if version == "2" { "continuation-token" } else { "marker" };
                let mut found = Vec::new();
                let mut after = String::new();
                for _ in 0..20 {
                    let (lines, next) = list(
                        &index,
                        &[
                            ("list-type", version),
                            ("delimiter", delimiter),
                            ("max-keys", "2"),
                            (token, &after),
                        ],
                    );
                    found.extend(lines);
                    let Some(next) = next else { break };
                    after = next;
                }
                assert_eq!(found, expected, "version {version}, delimiter '{delimiter}'");
            }
        }
        let (lines, next) = list(&index, &[("prefix", "d/"), ("delimiter", "/")]);
        assert_eq!((lines, next), (vec!["d/2".to_owned(), "d/3".to_owned()], None));
    }
}

//! What every store does, in one suite that every store passes.
//!
//! All keys lie below a prefix of the caller's choosing, so that one store can be tested several
//! times. Panics, naming the case, where a store differs.

use std::collections::BTreeMap;
use std::io::Write;
use std::ops::Range;

use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::future::join_all;
use rusty_attachments_storage::{ObjectInfo, Payload, StorageClient, StorageError};

/// Larger than any single piece or part that a store is likely to use.
const BIG_BYTES: usize = 20 << 20;

/// Runs the whole suite with keys below `prefix` (no slash at its end).
///
/// # Panics
/// Where the store does something else than [`StorageClient`] demands.
pub async fn store_conformance(store: &dyn StorageClient, prefix: &str) {
    let suite = Suite { store, prefix };
    suite.missing_objects_are_not_found().await;
    suite.bytes_come_back().await;
    suite.ranges_are_exact().await;
    suite.files_are_stored().await;
    suite.metadata_is_no_part_of_the_bytes().await;
    suite.odd_keys_are_kept_apart().await;
    suite.bad_keys_are_refused().await;
    suite.listing_is_complete_and_sorted().await;
    suite.overwriting_is_atomic().await;
    suite.bodies_can_be_dropped().await;
}

struct Suite<'a> {
    store: &'a dyn StorageClient,
    prefix: &'a str,
}

impl Suite<'_> {
    fn key(&self, name: &str) -> String {
        format!("{}/{name}", self.prefix)
    }

    async fn put(&self, key: &str, bytes: &[u8]) {
        let payload = Payload::Bytes(Bytes::copy_from_slice(bytes));
        self.store.put(key, payload).await.unwrap_or_else(|error| panic!("put {key:?}: {error}"));
    }

    async fn get(&self, key: &str, range: Option<Range<u64>>) -> (u64, Bytes) {
        let object = self.store.get(key, range.clone()).await;
        let object = object.unwrap_or_else(|error| panic!("get {key:?} {range:?}: {error}"));
        let size = object.size;
        let bytes = object.bytes(key, u64::MAX).await;
        (size, bytes.unwrap_or_else(|error| panic!("body of {key:?} {range:?}: {error}")))
    }

    async fn missing_objects_are_not_found(&self) {
        let key = self.key("missing/object");
        let got = self.store.get(&key, None).await.map(|_| ());
        assert_not_found(&got, &key);
        assert_not_found(&self.store.get(&key, Some(5..9)).await.map(|_| ()), &key);
        assert_not_found(&self.store.head(&key).await.map(|_| ()), &key);
    }

    async fn bytes_come_back(&self) {
        for len in [0, 1, 1000, 1 << 20, (1 << 20) + 1, BIG_BYTES] {
            let key = self.key(&format!("sizes/{len}"));
            let bytes = pattern(len, 7);
            self.put(&key, &bytes).await;
            let info = self.store.head(&key).await.unwrap();
            assert_eq!(info, ObjectInfo { key: key.clone(), size: len as u64 });
            let (size, got) = self.get(&key, None).await;
            assert_eq!(size, len as u64, "size of {key}");
            assert!(got == bytes, "content of {key}");
        }
    }

    async fn ranges_are_exact(&self) {
        let key = self.key("sizes/1048577");
        let bytes = pattern((1 << 20) + 1, 7);
        let len = bytes.len() as u64;
        for range in [
            0..1,
            0..len,
            0..len + 5,
            0..u64::MAX,
            1..2,
            len - 1..len,
            len - 1..len + 9,
            len / 2 - 3..len / 2 + 300_000,
            len..len + 1,
            len + 7..len + 9,
            5..5,
            len..len,
        ] {
            let end = range.end.min(len);
            let start = range.start.min(end);
            let (size, got) = self.get(&key, Some(range.clone())).await;
            assert_eq!(size, len, "an object's size does not depend on the range {range:?}");
            assert!(got == bytes[start as usize..end as usize], "content of {range:?}");
        }
        for range in [0..1, 0..0, 5..9] {
            let (size, got) = self.get(&self.key("sizes/0"), Some(range.clone())).await;
            assert_eq!((size, got.len()), (0, 0), "{range:?} of nothing");
        }
        let big = self.key(&format!("sizes/{BIG_BYTES}"));
        let (start, end) = ((5 << 20) - 1, (17 << 20) + 1);
        let (_, got) = self.get(&big, Some(start as u64..end as u64)).await;
        assert!(got == pattern(BIG_BYTES, 7)[start..end], "a range across many pieces");
    }

    async fn files_are_stored(&self) {
        for len in [0, 100, BIG_BYTES + 17] {
            let bytes = pattern(len, 11);
            let mut file = tempfile::NamedTempFile::new().unwrap();
            file.write_all(&bytes).unwrap();
            let key = self.key(&format!("files/{len}"));
            let payload = Payload::File(file.path().to_owned());
            self.store.put(&key, payload).await.unwrap();
            assert!(self.get(&key, None).await.1 == bytes, "a file of {len} bytes");
        }
        let key = self.key("files/none");
        let payload = Payload::File("/nonexistent/file".into());
        let error = self.store.put(&key, payload).await.unwrap_err();
        assert!(matches!(error, StorageError::Io { .. }), "a missing file: {error:?}");
        assert_not_found(&self.store.head(&key).await.map(|_| ()), &key);
    }

    /// A store takes metadata, or refuses it and stores nothing.
    async fn metadata_is_no_part_of_the_bytes(&self) {
        let metadata = [("asset-root".to_owned(), "/mnt/a job".to_owned())];
        for len in [3, BIG_BYTES] {
            let key = self.key(&format!("metadata/{len}"));
            let bytes = pattern(len, 13);
            let payload = Payload::Bytes(bytes.clone().into());
            match self.store.put_with_metadata(&key, payload, &metadata).await {
                Ok(()) => assert!(self.get(&key, None).await.1 == bytes, "content of {key}"),
                Err(StorageError::Unsupported { .. }) => {
                    assert_not_found(&self.store.head(&key).await.map(|_| ()), &key);
                }
                Err(error) => panic!("put {key:?} with metadata: {error}"),
            }
        }
        let (key, payload) = (self.key("metadata/none"), Payload::Bytes(Bytes::from_static(b"x")));
        self.store.put_with_metadata(&key, payload, &[]).await.unwrap();
        assert_eq!(self.get(&key, None).await.1, "x");
    }

    async fn odd_keys_are_kept_apart(&self) {
        let names = [
            "caf\u{e9}",
            "cafe\u{301}",
            "\u{1F600}",
            "a b",
            "a+b",
            "a%20b",
            "a&b=c",
            "#hash?",
            "'q'",
            "..a",
            "a..",
            "...",
            "~",
            "\u{5d0}",
            "100%",
            "a;b,c",
            "Case",
            "case",
        ];
        for (index, name) in names.iter().enumerate() {
            self.put(&self.key(&format!("odd/{name}/object")), &[index as u8]).await;
        }
        for (index, name) in names.iter().enumerate() {
            let (_, got) = self.get(&self.key(&format!("odd/{name}/object")), None).await;
            assert_eq!(got[..], [index as u8], "the object below {name:?}");
        }
    }

    async fn bad_keys_are_refused(&self) {
        for bad in ["", "/absolute", "a/../../b", "..", "a//b", "a/", "nul\0", "./a"] {
            let key = bad.to_owned();
            let refused = |result: Result<(), StorageError>, operation: &str| {
                let refused = matches!(result, Err(StorageError::InvalidKey { .. }));
                assert!(refused, "{operation} {key:?} gave {result:?}");
            };
            refused(self.store.get(&key, None).await.map(|_| ()), "get");
            refused(self.store.head(&key).await.map(|_| ()), "head");
            refused(self.store.put(&key, Payload::Bytes(Bytes::new())).await, "put");
        }
    }

    async fn listing_is_complete_and_sorted(&self) {
        let names =
            ["list/a", "list/a-b", "list/a.b", "list/aa/c", "list/aa/d/e", "list/b", "lisu"];
        let mut expected = BTreeMap::new();
        for name in names {
            self.put(&self.key(name), name.as_bytes()).await;
            expected.insert(self.key(name), name.len() as u64);
        }
        for part in ["list/", "list/a", "list/aa", "list/aa/", "list/aa/d/e", "lis", "nowhere/"] {
            let prefix = self.key(part);
            let listed = match self.store.list(&prefix).await {
                Err(StorageError::Unsupported { .. }) => return,
                listed => listed.unwrap_or_else(|error| panic!("list {prefix:?}: {error}")),
            };
            let listed: Vec<_> = listed.into_iter().map(|info| (info.key, info.size)).collect();
            let below = expected.iter().filter(|(key, _)| key.starts_with(&prefix));
            let expected: Vec<_> = below.map(|(key, size)| (key.clone(), *size)).collect();
            assert_eq!(listed, expected, "objects below {prefix:?}");
        }
    }

    /// Readers see one of the written objects, whole, while writers race for the same key.
    async fn overwriting_is_atomic(&self) {
        const LEN: usize = 300_000;
        let key = self.key("contested");
        self.put(&key, &[0; LEN]).await;
        let write = |value: u8| {
            let key = &key;
            async move {
                for _ in 0..4 {
                    self.put(key, &vec![value; LEN - usize::from(value)]).await;
                }
            }
        };
        let read = async {
            for _ in 0..16 {
                let (size, got) = self.get(&key, None).await;
                let value = got.first().copied().unwrap_or_default();
                assert!(got.iter().all(|&byte| byte == value), "two writers in one body");
                assert_eq!(got.len(), LEN - usize::from(value), "a torn object");
                assert_eq!(size, got.len() as u64);
            }
        };
        tokio::join!(join_all((1..=4).map(write)), read);
    }

    async fn bodies_can_be_dropped(&self) {
        let key = self.key(&format!("sizes/{BIG_BYTES}"));
        for _ in 0..20 {
            let mut object = self.store.get(&key, None).await.unwrap();
            let first = object.body.next().await.unwrap().unwrap();
            assert!(!first.is_empty(), "bodies begin with bytes");
        }
        assert_eq!(self.get(&key, Some(0..3)).await.1.len(), 3);
    }
}

fn assert_not_found(result: &Result<(), StorageError>, key: &str) {
    match result {
        Err(StorageError::NotFound { key: named }) => {
            assert_eq!(named, key, "the key in the error")
        }
        other => panic!("{key:?} should not be found, but gave {other:?}"),
    }
}

/// Bytes that differ from place to place.
fn pattern(len: usize, seed: u32) -> Vec<u8> {
    (0..len as u32)
        .map(|i| (i.wrapping_mul(2_654_435_761).wrapping_add(seed) >> 13) as u8)
        .collect()
}

//! Content identities as the 128 bytes that ProjFS keeps in a placeholder (projfs.md H9).
//!
//! Fixed: a mark, the version, the size, the size of chunks (0 for content that is one object) and
//! the hash, all little endian; then the hash of what was so far, and zeros.

use std::num::NonZeroU64;

use rusty_attachments_model::ContentHash;
use rusty_attachments_vfs::ContentIdentity;

/// PRJ_PLACEHOLDER_ID_LENGTH (projfs.md C5).
pub(crate) const CONTENT_ID_BYTES: usize = 128;

const MARK: [u8; 4] = *b"RACI";
const VERSION: u32 = 1;
const HASH_BYTES: usize = 16;

/// Self-describing: a mark, a version, the identity, a check.
pub(crate) fn encode_content_id(identity: ContentIdentity) -> [u8; CONTENT_ID_BYTES] {
    let chunk_size = identity.chunk_size.map_or(0, NonZeroU64::get);
    let mut fields = Vec::with_capacity(CONTENT_ID_BYTES);
    fields.extend_from_slice(&MARK);
    fields.extend_from_slice(&VERSION.to_le_bytes());
    fields.extend_from_slice(&identity.size.to_le_bytes());
    fields.extend_from_slice(&chunk_size.to_le_bytes());
    fields.extend_from_slice(identity.hash.as_bytes());
    let check = ContentHash::of(&fields);
    fields.extend_from_slice(check.as_bytes());
    let mut id = [0; CONTENT_ID_BYTES];
    id.iter_mut().zip(fields).for_each(|(to, byte)| *to = byte);
    id
}

/// What was encoded; `None` for anything else, such as zeros.
pub(crate) fn decode_content_id(bytes: &[u8; CONTENT_ID_BYTES]) -> Option<ContentIdentity> {
    let (_, rest) = bytes.split_first_chunk::<8>()?;
    let (size, rest) = rest.split_first_chunk()?;
    let (chunk_size, rest) = rest.split_first_chunk()?;
    let (hash, _) = rest.split_first_chunk::<HASH_BYTES>()?;
    let identity = ContentIdentity {
        size: u64::from_le_bytes(*size),
        chunk_size: NonZeroU64::new(u64::from_le_bytes(*chunk_size)),
        hash: ContentHash::from_bytes(*hash),
    };
    (encode_content_id(identity) == *bytes).then_some(identity)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn identities() -> impl Strategy<Value = ContentIdentity> {
        let parts = (any::<u64>(), any::<u64>(), any::<[u8; 16]>());
        parts.prop_map(|(size, chunk_size, hash)| ContentIdentity {
            size,
            chunk_size: NonZeroU64::new(chunk_size),
            hash: ContentHash::from_bytes(hash),
        })
    }

    proptest! {
        #[test]
        fn what_was_encoded_is_decoded(identity in identities()) {
            prop_assert_eq!(decode_content_id(&encode_content_id(identity)), Some(identity));
        }

        #[test]
        fn one_wrong_byte_is_noticed(
            identity in identities(),
            at in 0..CONTENT_ID_BYTES,
            change in 1..=u8::MAX,
        ) {
            let mut id = encode_content_id(identity);
            id[at] ^= change;
            prop_assert_eq!(decode_content_id(&id), None);
        }

        #[test]
        fn noise_is_nothing(noise in proptest::array::uniform32(any::<u8>())) {
            let mut id = [0; CONTENT_ID_BYTES];
            id[..32].copy_from_slice(&noise);
            prop_assert_eq!(decode_content_id(&id), None);
        }
    }

    #[test]
    fn zeros_are_nothing() {
        assert_eq!(decode_content_id(&[0; CONTENT_ID_BYTES]), None);
    }

    #[test]
    fn the_form_is_the_one_that_is_on_disks() {
        let hash = ContentHash::from_bytes(*b"0123456789abcdef");
        let id = encode_content_id(ContentIdentity { size: 0x0102, chunk_size: None, hash });
        let head = b"RACI\x01\0\0\0\x02\x01\0\0\0\0\0\0\0\0\0\0\0\0\0\x000123456789abcdef";
        assert_eq!(id[..head.len()], head[..]);
        assert_eq!(id[head.len()..][..16], *ContentHash::of(head).as_bytes());
        assert_eq!(id[head.len() + 16..], [0; 128 - 56]);
    }
}

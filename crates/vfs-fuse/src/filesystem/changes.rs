//! Requests that would change something. This mount is read-only: the kernel refuses most of them
//! by itself, and whatever still arrives is refused here.

use fuser::Errno;

/// What changes are refused with.
pub(super) const REFUSED: Errno = Errno::EROFS;

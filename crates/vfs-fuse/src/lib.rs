//! vfs-fuse

//! The end of a process that has RocksDB in it.

/// Ends the process at once, without destructors of any kind. A normal exit runs RocksDB's static
/// destructors while threads that still hold a database may use what they destroy, which ends in an
/// abort; what must be durable is synced long before.
pub fn end(code: i32) -> ! {
    // SAFETY: `_exit` takes any number, touches no memory of ours and does not return.
    unsafe { libc::_exit(code) }
}

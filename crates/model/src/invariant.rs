//! Named invariants, checked in production builds too.

/// Stops the current task with the invariant's name if the condition does not hold. The names are
/// those of `docs/replication.md`; `runtime::Tasks` turns the panic of a partition, store or quorum
/// task into the end of the process, because a broken invariant means that nothing this process
/// says can be trusted any more.
#[macro_export]
macro_rules! invariant {
    ($name:literal, $condition:expr $(,)?) => {
        assert!($condition, concat!("invariant broken: ", $name))
    };
    ($name:literal, $condition:expr, $($arg:tt)+) => {
        assert!(
            $condition,
            concat!("invariant broken: ", $name, ": {}"),
            format_args!($($arg)+)
        )
    };
}

//! Failing system calls: the store stops, once, and tries nothing again.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use holdfast_model::Offset;
use holdfast_store::{Error, FaultPoint, Faults, Op};
use parking_lot::Mutex;

use crate::rig::{Rig, append, partition};

/// Fails at one point, from one passage on.
#[derive(Debug)]
struct FailAt {
    point: FaultPoint,
    passages: AtomicUsize,
    from: usize,
}

impl Faults for FailAt {
    fn at(&self, point: FaultPoint) -> io::Result<()> {
        let failed =
            point == self.point && self.passages.fetch_add(1, Ordering::SeqCst) >= self.from;
        if failed {
            Err(io::Error::other("injected"))
        } else {
            Ok(())
        }
    }
}

/// Appends until the store fails; says what it failed with and how many appends were acknowledged.
fn run_into(point: FaultPoint, dir: &std::path::Path) -> (Vec<String>, i64) {
    let errors = Arc::new(Mutex::new(Vec::new()));
    let heard = Arc::clone(&errors);
    let mut rig = Rig::open_with(dir, |options| holdfast_store::Options {
        faults: Arc::new(FailAt {
            point,
            passages: AtomicUsize::new(0),
            from: 5,
        }),
        fatal: Arc::new(move |error| heard.lock().push(error.to_string())),
        mark_interval: Duration::from_millis(1),
        ..options
    })
    .unwrap();
    rig.create(0);
    let mut acknowledged = 0;
    for base in 0..10_000 {
        let (_, op) = append(0, base, 1, 100);
        let Ok(token) = rig.submit(op) else { break };
        if !rig.try_wait(token) {
            break;
        }
        acknowledged = base + 1;
    }
    let barrier = rig.submit(Op::Barrier {
        partition: partition(0),
    });
    assert!(matches!(barrier, Err(Error::Stopped)));
    drop(rig);
    (Arc::try_unwrap(errors).unwrap().into_inner(), acknowledged)
}

#[test]
fn any_failing_call_stops_the_store_and_keeps_what_was_acknowledged() {
    let points = [
        FaultPoint::BeforeGroup,
        FaultPoint::AfterGroup,
        FaultPoint::BeforeMark,
        FaultPoint::BeforeSpaceCheck,
    ];
    for point in points {
        let dir = tempfile::tempdir().unwrap();
        let (errors, acknowledged) = run_into(point, dir.path());
        assert_eq!(errors.len(), 1, "{point:?}: {errors:?}");
        assert!(errors[0].contains("injected"), "{errors:?}");
        let rig = Rig::open(dir.path()).unwrap();
        let end = rig.recovered[0].log_end;
        assert!(
            end >= Offset(acknowledged),
            "{point:?}: {end} after {acknowledged}"
        );
    }
}

//! What is as it should be is left alone.

use super::Run;

impl Run {
    /// Once all is as it should be and has been seen, looks write nothing.
    pub(super) async fn is_quiet(&mut self) {
        for _ in 0..200 {
            self.pass(100).await;
        }
        // One that lost the lease may still have a request on its way.
        for _ in 0..600 {
            if self.instances.iter().all(|i| i.running.is_none()) {
                break;
            }
            self.pass(100).await;
        }
        if self.is_over() || self.world.is_stuck() {
            return;
        }
        let mut before = 0;
        for round in 0..4 {
            // The first look may see what no watch shows, as how far brokers are.
            if round == 1 {
                before = self.world.oracle.writes;
            }
            let now = self.world.now;
            for instance in &mut self.instances {
                instance.look_now(now);
            }
            for _ in 0..30 {
                self.pass(50).await;
            }
        }
        let writes = self.world.oracle.writes - before;
        if writes > 0 {
            let last = self.world.oracle.last_write.clone();
            let detail = format!("{writes} writes although nothing changed, the last: {last}");
            self.world.oracle.broken("QuietWhenConverged", detail);
        }
    }
}

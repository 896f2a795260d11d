//! Links between brokers that are cut; clients reach everybody.

use holdfast_tests::cluster::BROKERS;

use super::{Fault, Round, load};

impl Round {
    /// Links between brokers are cut for a while; clients reach everybody.
    pub(super) async fn cut(&mut self, n: usize, fault: Fault) {
        let n = if fault == Fault::CutOffLeader {
            // Whoever leads the first partition; often it is the controller too.
            let topic = self.load.cluster.describe(load::TOPIC).await.unwrap();
            usize::try_from(topic.partitions[&0].leader).unwrap_or(n)
        } else {
            n
        };
        let others: Vec<usize> = (0..BROKERS).filter(|other| *other != n).collect();
        let out = self.chance.percent(50);
        let cluster = &mut self.load.cluster;
        for other in &others {
            match fault {
                Fault::OneWay if out => cluster.cut_link(n, *other).unwrap(),
                Fault::OneWay => cluster.cut_link(*other, n).unwrap(),
                _ => {
                    cluster.cut_link(n, *other).unwrap();
                    cluster.cut_link(*other, n).unwrap();
                }
            }
            if fault == Fault::CutPair {
                break;
            }
        }
        // Those that are left go on, and every client finds them, while nothing is mended.
        let waited = self.load.progress().await;
        println!("  taken by all again after {waited} ms");
        self.under_cut.push(waited);
        tokio::time::sleep(self.chance.millis(1_000..6_000)).await;
        if fault == Fault::LastStanding {
            // The two that were left committed without it; one of them loses its power, and the one that was
            // cut off is back at the same time.
            let victim = others[self.chance.one_of(others.len())];
            self.load.cluster.cut_power_of(victim).unwrap();
            self.load.cluster.mend_links().unwrap();
            tokio::time::sleep(self.chance.millis(0..1_500)).await;
            self.load.cluster.start_broker(victim).unwrap();
        } else {
            self.load.cluster.mend_links().unwrap();
        }
    }
}

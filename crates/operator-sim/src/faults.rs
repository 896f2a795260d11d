//! What happens to machines and to brokers' processes.

use crate::world::World;

impl World {
    /// Maybe something breaks, or comes back.
    pub fn break_things(&mut self) {
        if self.rng.chance(self.profile.machines) {
            self.faults += 1;
            self.break_machine();
        }
        if self.rng.chance(self.profile.brokers) && !self.processes.is_empty() {
            self.faults += 1;
            let chosen = self.rng.index(self.processes.len());
            if let Some(uid) = self.processes.keys().nth(chosen).cloned() {
                self.trace(|| format!("the process of pod {uid} dies"));
                self.kill_process(&uid);
            }
        }
        let stuck = self.settings.stuck && self.stuck_claim.is_none();
        if stuck && self.cluster.is_some() {
            let claims = self.store.all("persistentvolumeclaims");
            let chosen = self.rng.index(claims.len());
            self.stuck_claim = claims.get(chosen).map(|(name, _)| name.clone());
        }
    }

    fn break_machine(&mut self) {
        let names: Vec<String> = self.nodes.keys().cloned().collect();
        let chosen = self.rng.index(names.len());
        let Some(name) = names.get(chosen).cloned() else {
            return;
        };
        let Some(node) = self.nodes.get(&name).cloned() else {
            return;
        };
        let what = match self.rng.below(10) {
            // Whoever said that a machine is off takes that back before it starts.
            0..=3 | 8.. if node.out_of_service => {
                self.change(&name, |node| node.out_of_service = false);
                "is in service again"
            }
            0..=3 if !node.up => {
                self.change(&name, |node| node.up = true);
                "has power again"
            }
            0..=1 => {
                self.power_off(&name);
                "loses its power"
            }
            2..=4 => {
                self.change(&name, |node| node.cut = !node.cut);
                "is cut off from the API server, or comes back"
            }
            5 => {
                // All nodes are missing for a while, though nothing happened to them.
                let all_there = self.nodes.values().all(|node| !node.vanished);
                for node in self.nodes.values_mut() {
                    node.vanished = all_there;
                }
                "and all others vanish from the API server, or return"
            }
            6 if !node.up => {
                self.change(&name, |node| node.out_of_service = true);
                "is said to be out of service"
            }
            7 if !node.vanished => {
                // Whoever made the machine has taken it away.
                self.power_off(&name);
                self.change(&name, |node| node.vanished = true);
                "is gone"
            }
            _ => {
                self.change(&name, |node| {
                    node.cut = false;
                    node.vanished = false;
                    node.up = !node.out_of_service;
                });
                "is whole, if it is in service"
            }
        };
        self.trace(|| format!("node {name} {what}"));
    }

    fn change(&mut self, name: &str, change: impl FnOnce(&mut crate::machines::Node)) {
        if let Some(node) = self.nodes.get_mut(name) {
            change(node);
        }
    }
}

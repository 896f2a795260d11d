//! The API server: what becomes of a request. Every one that would change something is shown to the
//! oracle first.

use serde_json::{Value, json};

use crate::oracle::Deed;
use crate::store::{Kind, MANAGER, kind_of};
use crate::wire::Call;
use crate::world::World;

/// Code and body.
type Answer = (u16, Value);

fn fault(code: u16, reason: &str, message: impl Into<String>) -> Answer {
    let status = json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
        "message": message.into(), "reason": reason, "code": code,
    });
    (code, status)
}

fn not_found(name: &str) -> Answer {
    fault(404, "NotFound", format!("{name} not found"))
}

fn conflict(name: &str) -> Answer {
    fault(409, "Conflict", format!("{name} has been modified"))
}

/// A refusal that has nothing to do with what was asked.
pub fn busy(code: u16) -> Answer {
    let reason = match code {
        429 => "TooManyRequests",
        409 => "Conflict",
        _ => "InternalError",
    };
    fault(code, reason, "not now")
}

/// Where a path leads.
struct Target<'a> {
    kind: &'static Kind,
    name: Option<&'a str>,
    is_status: bool,
}

fn target(path: &str) -> Option<Target<'_>> {
    let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    let space = parts.iter().position(|part| *part == "namespaces");
    // What is in no namespace is named right after its version.
    let rest = parts.get(space.map_or(2, |space| space + 2)..)?;
    Some(Target {
        kind: kind_of(rest.first()?)?,
        name: rest.get(1).copied(),
        is_status: rest.get(2) == Some(&"status"),
    })
}

impl World {
    /// Answers a request of an operator's process.
    pub fn serve(&mut self, from: u32, call: &Call) -> Answer {
        if call.path.ends_with("/events") || call.path.contains("/events/") {
            return (201, call.body.clone());
        }
        let Some(target) = target(&call.path) else {
            return not_found(&call.path);
        };
        let plural = target.kind.plural;
        if call.method != "GET" {
            self.oracle.wrote(from, &call.method, &call.path);
        }
        match (call.method.as_str(), target.name) {
            ("GET", None) => self.list(target.kind),
            ("GET", Some(name)) => match self.store.get(plural, name) {
                Some(value) => (200, whole(target.kind, value)),
                None => not_found(name),
            },
            ("POST", None) => self.create(target.kind, &call.body),
            ("PUT", Some(name)) => self.replace(target.kind, name, &call.body),
            ("PATCH", Some(name)) if call.content.contains("apply-patch") => {
                self.applies(&target, name, &call.body)
            }
            ("PATCH", Some(name)) => self.merges(target.kind, name, &call.body),
            ("DELETE", Some(name)) => self.deletes(from, target.kind, name, &call.body),
            _ => fault(405, "MethodNotAllowed", call.method.clone()),
        }
    }

    fn list(&self, kind: &Kind) -> Answer {
        let items: Vec<Value> = self
            .store
            .all(kind.plural)
            .iter()
            .map(|(_, value)| whole(kind, value))
            .collect();
        let list = json!({
            "kind": format!("{}List", kind.kind), "apiVersion": kind.version,
            "metadata": { "resourceVersion": "1" }, "items": items,
        });
        (200, list)
    }

    fn create(&mut self, kind: &'static Kind, body: &Value) -> Answer {
        let name = body["metadata"]["name"].as_str().unwrap_or_default();
        if self.store.get(kind.plural, name).is_some() {
            return fault(409, "AlreadyExists", format!("{name} already exists"));
        }
        self.deed(&Deed::Writes {
            kind,
            name,
            before: None,
            after: body,
        });
        let value = self.store.put(kind.plural, name, body.clone());
        (201, whole(kind, &value))
    }

    /// Whether the object is the one, in the version, that a request names.
    fn is_meant(&self, kind: &Kind, name: &str, body: &Value) -> Result<(), Answer> {
        let there = self.store.get(kind.plural, name);
        for field in ["uid", "resourceVersion"] {
            let Some(meant) = body["metadata"][field].as_str() else {
                continue;
            };
            match there {
                None if field == "uid" => return Err(conflict(name)),
                Some(there) if there["metadata"][field] != meant => return Err(conflict(name)),
                // What is not there is made, whatever version was meant.
                None | Some(_) => {}
            }
        }
        Ok(())
    }

    fn replace(&mut self, kind: &'static Kind, name: &str, body: &Value) -> Answer {
        let Some(before) = self.store.get(kind.plural, name).cloned() else {
            return not_found(name);
        };
        if let Err(answer) = self.is_meant(kind, name, body) {
            return answer;
        }
        self.deed(&Deed::Writes {
            kind,
            name,
            before: Some(&before),
            after: body,
        });
        let value = self.store.put(kind.plural, name, body.clone());
        (200, whole(kind, &value))
    }

    fn applies(&mut self, target: &Target<'_>, name: &str, body: &Value) -> Answer {
        let kind = target.kind;
        if let Err(answer) = self.is_meant(kind, name, body) {
            return answer;
        }
        let before = self.store.get(kind.plural, name).cloned();
        if target.is_status {
            if before.is_none() {
                return not_found(name);
            }
            let status = body["status"].clone();
            self.store
                .edit(kind.plural, name, |value| value["status"] = status);
            let value = self.store.get(kind.plural, name).cloned();
            return (200, whole(kind, &value.unwrap_or_default()));
        }
        if let Some(before) = &before
            && kind.plural == "statefulsets"
            && let Some(field) = fixed_field(before, body)
        {
            let message = format!("{name}: {field} cannot be changed");
            return fault(422, "Invalid", message);
        }
        self.deed(&Deed::Writes {
            kind,
            name,
            before: before.as_deref(),
            after: body,
        });
        let value = self.store.apply(kind.plural, name, MANAGER, body.clone());
        (200, whole(kind, &value))
    }

    fn merges(&mut self, kind: &'static Kind, name: &str, body: &Value) -> Answer {
        let Some(before) = self.store.get(kind.plural, name).cloned() else {
            return not_found(name);
        };
        if let Err(answer) = self.is_meant(kind, name, body) {
            return answer;
        }
        if kind.plural == "persistentvolumeclaims" && self.stuck_claim.as_deref() == Some(name) {
            return fault(403, "Forbidden", format!("{name}: exceeded quota"));
        }
        let mut after = Value::clone(&before);
        let mut wanted = body.clone();
        if let Some(metadata) = wanted["metadata"].as_object_mut() {
            metadata.remove("uid");
            metadata.remove("resourceVersion");
        }
        crate::store::merge(&mut after, &wanted);
        self.deed(&Deed::Writes {
            kind,
            name,
            before: Some(&before),
            after: &after,
        });
        let value = self.store.put(kind.plural, name, after);
        (200, whole(kind, &value))
    }

    fn deletes(&mut self, from: u32, kind: &'static Kind, name: &str, body: &Value) -> Answer {
        let uid = body["preconditions"]["uid"].as_str();
        let Some(there) = self.store.get(kind.plural, name).cloned() else {
            return not_found(name);
        };
        if uid.is_some_and(|uid| there["metadata"]["uid"] != uid) {
            return conflict(name);
        }
        let version = body["preconditions"]["resourceVersion"].as_str();
        if version.is_some_and(|version| there["metadata"]["resourceVersion"] != version) {
            return conflict(name);
        }
        let orphans = body["propagationPolicy"] == "Orphan";
        let at_once = body["gracePeriodSeconds"] == 0;
        self.deed(&Deed::Deletes {
            from,
            kind,
            there: &there,
            names_uid: uid.is_some(),
            orphans,
            at_once,
        });
        match kind.plural {
            "pods" if at_once => {
                self.store.remove("pods", name);
            }
            "pods" => self.end_pod(name),
            "statefulsets" => {
                if orphans {
                    self.orphan_pods(&there);
                }
                self.store.remove("statefulsets", name);
            }
            plural => {
                self.store.remove(plural, name);
            }
        }
        let done = json!({ "kind": "Status", "apiVersion": "v1", "status": "Success" });
        (200, done)
    }
}

/// An object as it is sent.
fn whole(kind: &Kind, value: &Value) -> Value {
    let mut value = value.clone();
    value["kind"] = kind.kind.into();
    value["apiVersion"] = kind.version.into();
    value
}

fn fixed_field(before: &Value, wanted: &Value) -> Option<&'static str> {
    let fixed = [
        "podManagementPolicy",
        "selector",
        "serviceName",
        "volumeClaimTemplates",
    ];
    fixed
        .into_iter()
        .find(|field| before["spec"][*field] != wanted["spec"][*field])
}

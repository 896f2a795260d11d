//! Rules of a topic that its bounds do not say.

use super::Found;
use super::cluster::fits;
use crate::{MessageTopic, rules};

pub(super) fn check(topic: &MessageTopic, found: &mut Found) {
    let spec = &topic.spec;
    if let Some(name) = spec.topic_name.as_deref() {
        let free = name != "." && name != ".." && !name.starts_with("__");
        found.add_unless(free, "spec.topicName", rules::TOPIC_NAME_FREE.says);
    } else {
        let short = topic.topic_name().len() <= rules::LONGEST_TOPIC_NAME;
        found.add_unless(short, "metadata.name", rules::TOPIC_NAME_LENGTH.says);
    }
    let key = "min.insync.replicas";
    let holds = fits(spec.settings.get(key), spec.replicas);
    let field = format_args!("spec.settings[{key}]");
    found.add_unless(holds, field, rules::TOPIC_MIN_INSYNC.says);
}

//! How the leader of a group divides partitions.

use std::collections::BTreeMap;

use holdfast_model::consumer_protocol::Share;

/// Kafka's range assignor: of each topic every member gets a run of partitions, the first ones one
/// more if they do not divide.
pub(super) fn divide(
    wishes: &[(String, Vec<String>)],
    partitions: &BTreeMap<String, i32>,
) -> BTreeMap<String, Share> {
    let mut shares: BTreeMap<String, Share> = wishes
        .iter()
        .map(|(member, _)| (member.clone(), Share::new()))
        .collect();
    for (topic, count) in partitions {
        let mut members: Vec<&String> = wishes
            .iter()
            .filter(|(_, topics)| topics.contains(topic))
            .map(|(member, _)| member)
            .collect();
        members.sort_unstable();
        let among = members.len() as i32;
        let mut next = 0;
        for (index, member) in members.into_iter().enumerate() {
            let length = count / among + i32::from((index as i32) < count % among);
            if length > 0
                && let Some(share) = shares.get_mut(member)
            {
                share.insert(topic.clone(), (next..next + length).collect());
            }
            next += length;
        }
    }
    shares
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_partition_has_one_reader_among_those_who_want_the_topic() {
        let wish = |member: &str, topics: &[&str]| {
            let topics = topics.iter().map(|topic| (*topic).to_owned()).collect();
            (member.to_owned(), topics)
        };
        let wishes = [wish("m2", &["t"]), wish("m1", &["t", "u"]), wish("m3", &[])];
        let partitions = BTreeMap::from([("t".to_owned(), 3), ("u".to_owned(), 1)]);
        let shares = divide(&wishes, &partitions);
        let of = |member: &str, topic: &str| shares[member].get(topic).cloned();
        assert_eq!(of("m1", "t"), Some(vec![0, 1]));
        assert_eq!(of("m2", "t"), Some(vec![2]));
        assert_eq!(of("m1", "u"), Some(vec![0]));
        assert_eq!(shares["m3"], Share::new());
    }
}

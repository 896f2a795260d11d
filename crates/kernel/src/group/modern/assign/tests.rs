use uuid::Uuid;

use super::*;

fn topic(number: u128) -> TopicId {
    TopicId(Uuid::from_u128(number))
}

struct Member {
    id: MemberId,
    instance: Option<Arc<str>>,
    topics: Arc<BTreeSet<TopicId>>,
    before: Partitions,
}

fn member(id: &str, topics: &[u128]) -> Member {
    Member {
        id: Arc::from(id),
        instance: None,
        topics: Arc::new(topics.iter().map(|number| topic(*number)).collect()),
        before: Partitions::new(),
    }
}

/// Assigns, and lets the members have it.
fn assign(assignor: Assignor, members: &mut [Member], counts: &[(u128, i32)]) -> Vec<usize> {
    let counts = counts
        .iter()
        .map(|(number, count)| (topic(*number), *count))
        .collect();
    let subscribers: Vec<Subscriber<'_>> = members
        .iter()
        .map(|member| Subscriber {
            id: &member.id,
            instance: member.instance.as_ref(),
            topics: Arc::clone(&member.topics),
            before: &member.before,
        })
        .collect();
    let targets = assignor.assign(&subscribers, &counts);
    for (member, target) in members.iter_mut().zip(targets) {
        member.before = target;
    }
    members.iter().map(|member| size(&member.before)).collect()
}

fn size(partitions: &Partitions) -> usize {
    partitions.values().map(BTreeSet::len).sum()
}

fn shared(before: &Partitions, after: &Partitions) -> usize {
    before
        .iter()
        .filter_map(|(topic, partitions)| Some((partitions, after.get(topic)?)))
        .map(|(one, other)| one.intersection(other).count())
        .sum()
}

#[test]
fn a_uniform_group_is_even_and_keeps_what_it_can() {
    let mut members = vec![member("a", &[1, 2])];
    let counts = [(1, 7), (2, 5)];
    assert_eq!(assign(Assignor::Uniform, &mut members, &counts), [12]);
    members.push(member("b", &[1, 2]));
    members.push(member("c", &[1, 2]));
    let before = members[0].before.clone();
    assert_eq!(assign(Assignor::Uniform, &mut members, &counts), [4, 4, 4]);
    assert_eq!(shared(&before, &members[0].before), 4);
    let kept = members[2].before.clone();
    members.remove(0);
    assert_eq!(assign(Assignor::Uniform, &mut members, &counts), [6, 6]);
    assert_eq!(shared(&kept, &members[1].before), 4);
    // More partitions: nothing that was assigned moves.
    let before: Vec<Partitions> = members.iter().map(|m| m.before.clone()).collect();
    assert_eq!(
        assign(Assignor::Uniform, &mut members, &[(1, 9), (2, 5)]),
        [7, 7]
    );
    for (one, other) in before.iter().zip(&members) {
        assert_eq!(shared(one, &other.before), 6);
    }
}

#[test]
fn a_uniform_group_is_as_even_as_its_subscriptions_allow() {
    let mut members = vec![
        member("a", &[1]),
        member("b", &[1, 2]),
        member("c", &[2, 3]),
    ];
    let counts = [(1, 6), (2, 6), (3, 0)];
    assert_eq!(assign(Assignor::Uniform, &mut members, &counts), [4, 4, 4]);
    // Somebody who alone reads a large topic has more, and the others share the rest.
    let mut members = vec![member("a", &[1]), member("b", &[1, 2]), member("c", &[1])];
    assert_eq!(
        assign(Assignor::Uniform, &mut members, &[(1, 6), (2, 9)]),
        [3, 9, 3]
    );
}

#[test]
fn topics_that_are_gone_and_partitions_out_of_range_are_nobodys() {
    let mut members = vec![member("a", &[1, 2]), member("b", &[1])];
    assign(Assignor::Uniform, &mut members, &[(1, 4), (2, 4)]);
    assert_eq!(assign(Assignor::Uniform, &mut members, &[(1, 2)]), [1, 1]);
}

#[test]
fn ranges_of_like_topics_are_alike() {
    let mut members = vec![
        member("c", &[1, 2]),
        member("a", &[1, 2]),
        member("b", &[1, 2]),
    ];
    assign(Assignor::Range, &mut members, &[(1, 7), (2, 7)]);
    let ranges = |member: &Member| -> Vec<Vec<i32>> {
        let all = member.before.values();
        all.map(|range| range.iter().copied().collect()).collect()
    };
    assert_eq!(ranges(&members[1]), [vec![0, 1, 2], vec![0, 1, 2]]);
    assert_eq!(ranges(&members[2]), [vec![3, 4], vec![3, 4]]);
    assert_eq!(ranges(&members[0]), [vec![5, 6], vec![5, 6]]);
}

#[test]
fn a_static_member_keeps_its_range_under_another_id() {
    let mut members = vec![member("z", &[1]), member("m", &[1])];
    members[0].instance = Some(Arc::from("first"));
    assign(Assignor::Range, &mut members, &[(1, 4)]);
    let before = members[0].before.clone();
    members[0].id = Arc::from("b");
    assign(Assignor::Range, &mut members, &[(1, 4)]);
    assert_eq!(before, members[0].before);
}

#[test]
fn a_thousand_members_are_even() {
    let mut members: Vec<Member> = (0..1_000)
        .map(|number| member(&format!("m{number:04}"), &[1, 2, 3]))
        .collect();
    let counts = [(1, 4_000), (2, 3_000), (3, 3_500)];
    let sizes = assign(Assignor::Uniform, &mut members, &counts);
    let (least, most) = (sizes.iter().min(), sizes.iter().max());
    assert_eq!((least, most), (Some(&10), Some(&11)));
}

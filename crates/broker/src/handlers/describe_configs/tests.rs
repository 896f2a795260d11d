use std::collections::BTreeMap;

use holdfast_model::BrokerId;
use holdfast_runtime::config::Config;
use holdfast_wire::{Api, StrBytes, response};

use super::super::testing::{image, put_topic_with};
use super::setting::Source;
use super::*;

fn map(entries: &[(&str, &str)]) -> BTreeMap<String, String> {
    entries
        .iter()
        .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
        .collect()
}

fn resource(
    kind: i8,
    name: &'static str,
    keys: Option<&[&'static str]>,
) -> DescribeConfigsResource {
    let keys = keys.map(|keys| {
        keys.iter()
            .copied()
            .map(StrBytes::from_static_str)
            .collect()
    });
    DescribeConfigsResource::default()
        .with_resource_type(kind)
        .with_resource_name(StrBytes::from_static_str(name))
        .with_configuration_keys(keys)
}

fn find<'s, 'a>(settings: &'s [Setting<'a>], name: &str) -> &'s Setting<'a> {
    settings
        .iter()
        .find(|setting| setting.name == name)
        .unwrap()
}

#[test]
fn each_layer_wins_over_the_ones_below_it() {
    let own = map(&[("retention.ms", "1")]);
    let cluster = map(&[("log.retention.ms", "2"), ("log.retention.bytes", "3")]);
    let file = map(&[("log.retention.ms", "4"), ("message.max.bytes", "5")]);
    let layers = Layers {
        cluster: &cluster,
        file: &file,
    };
    let settings: Vec<_> = topic::settings(&own, &layers).collect();
    let shown = |name: &str| {
        let setting = find(&settings, name);
        (setting.value().unwrap().to_owned(), setting.source())
    };
    assert_eq!(shown("retention.ms"), ("1".to_owned(), Source::Topic));
    assert_eq!(shown("retention.bytes"), ("3".to_owned(), Source::Cluster));
    assert_eq!(shown("max.message.bytes"), ("5".to_owned(), Source::File));
    assert_eq!(
        shown("segment.bytes"),
        ("1073741824".to_owned(), Source::Default)
    );
    let synonyms = &find(&settings, "retention.ms").synonyms;
    let sources: Vec<i8> = synonyms
        .iter()
        .map(|synonym| synonym.source.number())
        .collect();
    assert_eq!(sources, [1, 3, 4, 5]);
    assert_eq!(synonyms[0].name, "retention.ms");
    assert_eq!(synonyms[1].name, "log.retention.ms");
}

#[test]
fn a_broker_shows_each_setting_once_with_its_own_number() {
    let config = Config {
        zone: Some("a".to_owned()),
        ..Config::default()
    };
    let cluster = map(&[("log.retention.ms", "2")]);
    let file = crate::topic_defaults::of(&config.topic_defaults);
    let layers = Layers {
        cluster: &cluster,
        file: &file,
    };
    let settings = broker::settings(BrokerId(7), &config, &layers);
    assert!(settings.windows(2).all(|pair| pair[0].name < pair[1].name));
    let id = find(&settings, "node.id");
    assert_eq!((id.value(), id.read_only), (Some("7"), true));
    let zone = find(&settings, "broker.rack");
    assert_eq!((zone.value(), zone.source()), (Some("a"), Source::File));
    let retention = find(&settings, "log.retention.ms");
    assert_eq!(
        (retention.value(), retention.source()),
        (Some("2"), Source::Cluster)
    );
    assert!(!retention.read_only);
    let minimum = find(&settings, "min.insync.replicas");
    assert_eq!(
        (minimum.value(), minimum.source()),
        (Some("2"), Source::Default)
    );

    let changed = broker::changed(&layers);
    let changed: Vec<_> = changed
        .iter()
        .map(|s| (s.name, s.value(), s.synonyms.len()))
        .collect();
    assert_eq!(changed, [("log.retention.ms", Some("2"), 1)]);
}

#[test]
fn keys_filter_and_an_empty_list_of_keys_does_not() {
    let own = map(&[]);
    let layers = Layers {
        cluster: &own,
        file: &own,
    };
    let all = || topic::settings(&own, &layers).collect::<Vec<_>>();
    let mut left = MOST_SETTINGS;
    let filtered = within(
        all(),
        &resource(TOPIC, "t", Some(&["retention.ms", "nonsense"])),
        &mut left,
    );
    assert_eq!(filtered.unwrap().len(), 1);
    for keys in [None, Some([].as_slice())] {
        let kept = within(all(), &resource(TOPIC, "t", keys), &mut left).unwrap();
        assert_eq!(kept.len(), all().len());
    }
    let mut left = all().len() - 1;
    let refused = within(all(), &resource(TOPIC, "t", None), &mut left).unwrap_err();
    assert_eq!(refused.code, ErrorCode::PolicyViolation);
}

#[test]
fn unknown_and_impossible_topics_are_told_apart() {
    let mut image = image();
    put_topic_with(&mut image, 1, "known", 1, &[("retention.ms", "9")]);
    let none = map(&[]);
    let layers = Layers {
        cluster: &none,
        file: &none,
    };
    let code = |name: &str| {
        topic_settings(&image, name, &layers)
            .map_err(|f| f.code)
            .map(|_| ())
    };
    assert_eq!(code("known"), Ok(()));
    assert_eq!(code("other"), Err(ErrorCode::UnknownTopicOrPartition));
    assert_eq!(code("not/a/name"), Err(ErrorCode::InvalidTopicException));
}

#[test]
fn answers_fit_every_version_and_show_what_was_asked_for() {
    let own = map(&[("retention.ms", "9")]);
    let layers = Layers {
        cluster: &own,
        file: &own,
    };
    for version in Api::DescribeConfigs.served() {
        for all in [false, true] {
            let settings = topic::settings(&own, &layers).collect();
            let detail = Detail {
                synonyms: all,
                documentation: all,
            };
            let result = answer(resource(TOPIC, "t", None), Ok(settings), detail);
            for row in &result.configs {
                assert_eq!(!row.synonyms.is_empty(), all);
                assert_eq!(row.documentation.is_some(), all);
                assert!((1..=9).contains(&row.config_type));
            }
            let failure = Failure::new(ErrorCode::InvalidRequest, "no");
            let failed = answer(resource(99, "t", None), Err(failure), detail);
            let message = DescribeConfigsResponse::default().with_results(vec![result, failed]);
            response::encode_message(1, Api::DescribeConfigs, version, &message).unwrap();
        }
    }
}

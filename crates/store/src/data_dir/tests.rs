use super::*;
use crate::mutate;

fn identity() -> Identity {
    Identity {
        cluster: ClusterId(Uuid::from_u128(7)),
        broker: BrokerId(2),
        incarnation: Incarnation(0xfeed),
        start: StartNumber(0),
        formation: Formation::Named {
            voters: vec![BrokerId(0), BrokerId(1), BrokerId(2)],
        },
        recovery: RecoveryGeneration(0),
        aside: None,
    }
}

#[test]
fn every_open_counts_a_start() {
    let dir = tempfile::tempdir().unwrap();
    DataDir::format(dir.path(), &identity()).unwrap();
    for start in 1..4 {
        let open = DataDir::open(dir.path(), Some(identity().cluster), BrokerId(2)).unwrap();
        assert_eq!(
            *open.identity(),
            Identity {
                start: StartNumber(start),
                ..identity()
            }
        );
    }
}

#[test]
fn a_disk_is_formatted_once_and_used_once() {
    let dir = tempfile::tempdir().unwrap();
    let nothing = DataDir::open(dir.path(), None, BrokerId(2));
    assert!(matches!(nothing, Err(Error::NotFormatted { .. })));
    DataDir::format(dir.path(), &identity()).unwrap();
    let again = DataDir::format(dir.path(), &identity());
    assert!(matches!(again, Err(Error::AlreadyFormatted { .. })));
    let _open = DataDir::open(dir.path(), None, BrokerId(2)).unwrap();
    let second = DataDir::open(dir.path(), None, BrokerId(2));
    assert!(matches!(second, Err(Error::InUse { .. })));
}

#[test]
fn a_foreign_disk_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    DataDir::format(dir.path(), &identity()).unwrap();
    let other = ClusterId(Uuid::from_u128(8));
    let cluster = DataDir::open(dir.path(), Some(other), BrokerId(2));
    assert!(matches!(
        cluster,
        Err(Error::ForeignDisk {
            what: "cluster",
            ..
        })
    ));
    let broker = DataDir::open(dir.path(), None, BrokerId(3));
    assert!(matches!(
        broker,
        Err(Error::ForeignDisk { what: "broker", .. })
    ));
    assert_eq!(DataDir::read(dir.path()).unwrap().start, StartNumber(0));
}

#[test]
fn formation_moves_forward_only() {
    let dir = tempfile::tempdir().unwrap();
    DataDir::format(dir.path(), &identity()).unwrap();
    let mut open = DataDir::open(dir.path(), None, BrokerId(2)).unwrap();
    let bound = |attempt| Formation::Bound {
        voters: vec![],
        attempt: Uuid::from_u128(attempt),
    };
    open.set_formation(bound(1)).unwrap();
    open.set_formation(bound(1)).unwrap();
    assert!(matches!(
        open.set_formation(bound(2)),
        Err(Error::Invariant { .. })
    ));
    open.set_formation(Formation::Member).unwrap();
    assert!(matches!(
        open.set_formation(bound(1)),
        Err(Error::Invariant { .. })
    ));
    drop(open);
    assert_eq!(
        DataDir::read(dir.path()).unwrap().formation,
        Formation::Member
    );
}

#[test]
fn a_flipped_bit_or_a_newer_version_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    DataDir::format(dir.path(), &identity()).unwrap();
    let path = dir.path().join("identity");
    let sound = std::fs::read(&path).unwrap();
    for at in 0..sound.len() {
        let mut bytes = sound.clone();
        bytes[at] ^= 1;
        std::fs::write(&path, &bytes).unwrap();
        assert!(DataDir::read(dir.path()).is_err(), "byte {at}");
    }
    let body = r#"{"format":4}"#;
    let crc = crc32c::crc32c(body.as_bytes());
    std::fs::write(&path, format!("{body}\n{crc:08x}\n")).unwrap();
    let newer = DataDir::read(dir.path());
    assert!(matches!(
        newer,
        Err(Error::UnsupportedFormat { found: 4, .. })
    ));
}

#[test]
fn a_recovery_is_stamped_without_a_start_and_never_taken_back() {
    let dir = tempfile::tempdir().unwrap();
    DataDir::format(dir.path(), &identity()).unwrap();
    let mut open = DataDir::inspect(dir.path()).unwrap();
    assert!(matches!(
        DataDir::open(dir.path(), None, BrokerId(2)),
        Err(Error::InUse { .. })
    ));
    open.set_recovery(RecoveryGeneration(2)).unwrap();
    assert!(matches!(
        open.set_recovery(RecoveryGeneration(1)),
        Err(Error::Invariant { .. })
    ));
    drop(open);
    let found = DataDir::read(dir.path()).unwrap();
    assert_eq!(found.start, StartNumber(0));
    assert_eq!(found.recovery, RecoveryGeneration(2));
    let text = std::fs::read_to_string(dir.path().join("identity")).unwrap();
    assert!(text.starts_with(r#"{"format":2,"#), "{text}");
}

#[test]
fn hostile_identity_files_are_read_or_refused_and_never_panic() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("identity");
    let voters = vec![BrokerId(0), BrokerId(1)];
    let stages = [
        Formation::Waiting,
        Formation::Named {
            voters: voters.clone(),
        },
        Formation::Bound {
            voters,
            attempt: Uuid::from_u128(9),
        },
        Formation::Member,
    ];
    let files: Vec<Vec<u8>> = (0..)
        .zip(stages)
        .map(|(generation, formation)| {
            let written = Identity {
                formation,
                recovery: RecoveryGeneration(generation),
                ..identity()
            };
            identity_file::write(dir.path(), &written).unwrap();
            std::fs::read(&path).unwrap()
        })
        .collect();
    let meet = |file: &[u8]| {
        std::fs::write(&path, file).unwrap();
        match DataDir::read(dir.path()) {
            Ok(found) => {
                let text = serde_json::to_string(&found).unwrap();
                assert_eq!(serde_json::from_str::<Identity>(&text).unwrap(), found);
            }
            Err(Error::Damaged { .. } | Error::UnsupportedFormat { .. }) => {}
            Err(error) => panic!("{error}"),
        }
    };
    mutate::each(&files, 1_000, meet);
    // Mutations rarely survive a checksum: here it is right whatever the first line says.
    let bodies: Vec<Vec<u8>> = files
        .iter()
        .map(|file| file.split(|byte| *byte == b'\n').next().unwrap().to_vec())
        .collect();
    mutate::each(&bodies, 3_000, |body| {
        let checksum = format!("\n{:08x}\n", crc32c::crc32c(body));
        meet(&[body, checksum.as_bytes()].concat());
    });
}

/// A formatted directory with something of each kind in it.
fn in_use() -> (tempfile::TempDir, Identity) {
    let dir = tempfile::tempdir().unwrap();
    DataDir::format(dir.path(), &identity()).unwrap();
    let found = DataDir::open(dir.path(), None, BrokerId(2)).unwrap();
    for folder in ["log-0", "meta"] {
        std::fs::create_dir(dir.path().join(folder)).unwrap();
        std::fs::write(dir.path().join(folder).join("file"), folder).unwrap();
    }
    for file in ["log-0.mark", "meta.mark", "formation.toml", "headroom"] {
        std::fs::write(dir.path().join(file), file).unwrap();
    }
    DataDir::note_damage(dir.path(), "a bad block").unwrap();
    (dir, found.identity().clone())
}

fn names_in(path: &Path) -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(path)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

const MOVED: [&str; 6] = [
    "damage",
    "formation.toml",
    "log-0",
    "log-0.mark",
    "meta",
    "meta.mark",
];

#[test]
fn a_new_life_has_another_incarnation_and_none_of_the_old_files() {
    let (dir, old) = in_use();
    assert_eq!(DataDir::noted_damage(dir.path()).unwrap(), "a bad block");
    let mut open = DataDir::open(dir.path(), None, BrokerId(2)).unwrap();
    let aside = open.renew(Incarnation(0xbeef)).unwrap();
    assert_eq!(names_in(&aside), MOVED);
    assert_eq!(std::fs::read(aside.join("meta/file")).unwrap(), b"meta");
    let now = open.identity();
    assert_eq!(now.incarnation, Incarnation(0xbeef));
    assert_eq!(
        (now.start, &now.formation),
        (StartNumber(1), &Formation::Waiting)
    );
    assert_eq!((now.cluster, now.broker), (old.cluster, old.broker));
    drop(open);
    assert_eq!(DataDir::noted_damage(dir.path()), None);
    assert_eq!(DataDir::renewed_from(dir.path()), Some(old.incarnation));
    // What the new life writes stays where it is, whatever the next starts are.
    std::fs::create_dir(dir.path().join("log-0")).unwrap();
    let open = DataDir::open(dir.path(), None, BrokerId(2)).unwrap();
    assert_eq!(open.identity().start, StartNumber(2));
    assert!(dir.path().join("log-0").exists());
    DataDir::forget_renewal(dir.path()).unwrap();
    assert_eq!(DataDir::renewed_from(dir.path()), None);
}

#[test]
fn a_crash_in_the_middle_of_a_new_life_is_finished_before_anybody_uses_the_directory() {
    for moved in 0..=MOVED.len() {
        let (dir, old) = in_use();
        let new = Identity {
            incarnation: Incarnation(0xbeef),
            start: StartNumber(1),
            formation: Formation::Waiting,
            aside: Some(old.incarnation),
            ..old.clone()
        };
        identity_file::write(dir.path(), &new).unwrap();
        let aside = dir.path().join(format!("aside-{}", old.incarnation));
        std::fs::create_dir(&aside).unwrap();
        for name in &MOVED[..moved] {
            std::fs::rename(dir.path().join(name), aside.join(name)).unwrap();
        }
        let open = DataDir::open(dir.path(), None, BrokerId(2)).unwrap();
        assert_eq!(names_in(&aside), MOVED, "{moved} were moved");
        assert_eq!(open.identity().incarnation, Incarnation(0xbeef));
        assert_eq!(open.identity().aside, None);
        assert_eq!(DataDir::renewed_from(dir.path()), Some(old.incarnation));
    }
}

#[test]
fn an_older_program_does_not_take_the_old_files_for_those_of_the_new_life() {
    let (dir, old) = in_use();
    let new = Identity {
        aside: Some(old.incarnation),
        incarnation: Incarnation(0xbeef),
        ..old
    };
    identity_file::write(dir.path(), &new).unwrap();
    let text = std::fs::read_to_string(dir.path().join("identity")).unwrap();
    assert!(text.starts_with(r#"{"format":3,"#), "{text}");
}

#[test]
fn a_disk_begins_a_new_life_twice_and_not_a_third_time() {
    let (dir, _) = in_use();
    let mut open = DataDir::open(dir.path(), None, BrokerId(2)).unwrap();
    for incarnation in [1, 2] {
        assert_eq!(open.hindrance_to_renewal().unwrap(), None);
        open.renew(Incarnation(incarnation)).unwrap();
    }
    let hindrance = open.hindrance_to_renewal().unwrap().unwrap();
    assert!(hindrance.contains("replace the disk"), "{hindrance}");
    // Nor is a life begun under the number of the present one.
    assert!(open.renew(Incarnation(2)).is_err());
}

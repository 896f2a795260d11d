use std::io::Write;

use proptest::prelude::*;

use super::*;

fn text(bytes: usize) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes);
    let mut state = 1u64;
    while out.len() < bytes {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        out.extend_from_slice(format!("{{\"id\":{},\"state\":\"ok\"}}", state >> 40).as_bytes());
    }
    out.truncate(bytes);
    out
}

/// Compressed zeros that expand to `bytes`, built without holding them.
fn bomb(codec: Codec, bytes: u64) -> Vec<u8> {
    compress_stream(codec, &mut io::repeat(0).take(bytes), usize::MAX).unwrap()
}

fn count_output(codec: Codec, data: &[u8], cap: u64) -> Result<u64, Error> {
    let mut reader = reader(codec, data, cap)?;
    let mut buffer = vec![0; 64 * 1024];
    let mut total = 0;
    loop {
        match reader.read(&mut buffer) {
            Ok(0) => return Ok(total),
            Ok(count) => total += count as u64,
            Err(error) => return Err(reader.error(&error)),
        }
    }
}

#[test]
fn every_codec_gives_back_what_it_took() {
    for codec in Codec::ALL {
        for bytes in [0, 1, 100, 32 * 1024, 70_000, 5_000_000] {
            let data = text(bytes);
            let packed = compress(codec, &data).unwrap();
            let back = decompress(codec, &packed, bytes as u64).unwrap();
            assert!(back == data, "{codec} {bytes}");
        }
    }
}

#[test]
fn the_cap_is_exact() {
    for codec in Codec::ALL {
        let packed = compress(codec, &text(10_000)).unwrap();
        assert_eq!(
            count_output(codec, &packed, 10_000).unwrap(),
            10_000,
            "{codec}"
        );
        let error = decompress(codec, &packed, 9_999).unwrap_err();
        assert!(
            matches!(error, Error::TooLarge { cap: 9_999 }),
            "{codec}: {error}"
        );
        assert!(decompress(codec, &packed, 0).is_err());
    }
}

#[test]
fn bombs_end_at_the_cap() {
    for codec in [Codec::Gzip, Codec::Snappy, Codec::Lz4, Codec::Zstd] {
        let packed = bomb(codec, 192 << 20);
        let cap = output_cap(1 << 20);
        let error = count_output(codec, &packed, cap).unwrap_err();
        assert!(matches!(error, Error::TooLarge { .. }), "{codec}: {error}");
    }
}

#[test]
fn raw_snappy_is_read_and_its_claims_are_checked() {
    let data = text(100_000);
    let raw = snap::raw::Encoder::new().compress_vec(&data).unwrap();
    assert_eq!(decompress(Codec::Snappy, &raw, 100_000).unwrap(), data);
    assert!(matches!(
        decompress(Codec::Snappy, &raw, 99_999).unwrap_err(),
        Error::TooLarge { cap: 99_999 }
    ));
    // A varint that claims 2 GiB - 1, and nothing behind it.
    let claim = [0xff, 0xff, 0xff, 0xff, 0x07, 0, 0];
    assert!(matches!(
        decompress(Codec::Snappy, &claim, u64::MAX).unwrap_err(),
        Error::Invalid {
            codec: Codec::Snappy,
            ..
        }
    ));
}

#[test]
fn snappy_expands_no_more_than_the_check_allows() {
    let zeros = vec![0u8; 1 << 20];
    let raw = snap::raw::Encoder::new().compress_vec(&zeros).unwrap();
    assert_eq!(decompress(Codec::Snappy, &raw, 1 << 20).unwrap(), zeros);
}

#[test]
fn concatenated_snappy_streams_are_one() {
    let mut twice = compress(Codec::Snappy, b"first ").unwrap();
    twice.extend(compress(Codec::Snappy, b"second").unwrap());
    assert_eq!(
        decompress(Codec::Snappy, &twice, 100).unwrap(),
        b"first second"
    );
}

#[test]
fn frames_that_the_java_client_cannot_read_are_refused() {
    use lz4_flex::frame::{BlockMode, FrameEncoder, FrameInfo};
    let info = FrameInfo::new().block_mode(BlockMode::Linked);
    let mut encoder = FrameEncoder::with_frame_info(info, Vec::new());
    encoder.write_all(&text(200_000)).unwrap();
    let linked = encoder.finish().unwrap();
    assert!(decompress(Codec::Lz4, &linked, u64::MAX).is_err());
    let good = compress(Codec::Lz4, b"hello").unwrap();
    assert!(
        decompress(Codec::Lz4, &good[..good.len() - 4], 100).is_err(),
        "no end mark"
    );
    let mut longer = good;
    longer.push(0);
    assert!(
        decompress(Codec::Lz4, &longer, 100).is_err(),
        "a byte too many"
    );
}

#[test]
fn lz4_frames_with_every_extra_are_read() {
    use lz4_flex::frame::{BlockMode, BlockSize, FrameEncoder, FrameInfo};
    let data = text(300_000);
    for size in [
        BlockSize::Max64KB,
        BlockSize::Max256KB,
        BlockSize::Max1MB,
        BlockSize::Max4MB,
    ] {
        let info = FrameInfo::new()
            .block_size(size)
            .block_mode(BlockMode::Independent)
            .block_checksums(true)
            .content_checksum(true)
            .content_size(Some(data.len() as u64));
        let mut encoder = FrameEncoder::with_frame_info(info, Vec::new());
        encoder.write_all(&data).unwrap();
        let frame = encoder.finish().unwrap();
        assert_eq!(decompress(Codec::Lz4, &frame, 300_000).unwrap(), data);
    }
}

#[test]
fn zstd_of_every_level_is_read_and_large_windows_get_a_lower_cap() {
    let data = text(1_000_000);
    for level in [1, 3, 9, 19, 22] {
        let mut input = data.as_slice();
        let mut packed = Vec::new();
        zstd::stream::copy_encode(&mut input, &mut packed, level).unwrap();
        assert_eq!(
            decompress(Codec::Zstd, &packed, 1_000_000).unwrap(),
            data,
            "{level}"
        );
    }
    let mut packed = Vec::new();
    zstd::stream::copy_encode(&mut io::repeat(0).take(64 << 20), &mut packed, 22).unwrap();
    assert!(matches!(
        count_output(Codec::Zstd, &packed, u64::MAX),
        Err(Error::TooLarge { cap: 50_331_648 })
    ));
    let mut longer = compress(Codec::Zstd, b"hello").unwrap();
    longer.push(0);
    assert!(
        decompress(Codec::Zstd, &longer, 100).is_err(),
        "a byte too many"
    );
}

#[test]
fn attributes_name_the_codec() {
    for codec in Codec::ALL {
        assert_eq!(Codec::from_attributes(codec.id() | 0x78).unwrap(), codec);
    }
    for id in 5..8 {
        assert!(matches!(Codec::from_attributes(id), Err(Error::Unknown { id: got }) if got == id));
    }
    assert!(!Codec::Zstd.allowed_in_produce(6));
    assert!(Codec::Zstd.allowed_in_produce(7));
}

#[test]
fn the_cap_grows_with_the_input() {
    assert_eq!(output_cap(0), 32 << 20);
    assert_eq!(output_cap(1 << 20), 128 << 20);
    assert_eq!(output_cap(usize::MAX), 1 << 30);
}

proptest! {
    #[test]
    fn random_data_survives(data in proptest::collection::vec(any::<u8>(), 0..5000)) {
        for codec in Codec::ALL {
            let packed = compress(codec, &data).unwrap();
            prop_assert_eq!(&decompress(codec, &packed, 5000).unwrap(), &data);
        }
    }

    #[test]
    fn damage_never_panics(
        data in proptest::collection::vec(any::<u8>(), 1..2000),
        flips in proptest::collection::vec((any::<prop::sample::Index>(), 1u8..), 1..8),
    ) {
        for codec in Codec::ALL {
            let mut packed = compress(codec, &data).unwrap();
            for (index, bits) in &flips {
                let at = index.index(packed.len());
                packed[at] ^= bits;
            }
            if let Ok(out) = decompress(codec, &packed, 100_000) {
                prop_assert!(out.len() <= 100_000);
            }
            let _ = decompress(codec, &data, 100_000);
        }
    }
}

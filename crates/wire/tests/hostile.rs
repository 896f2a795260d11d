//! What a hostile client may cost: each part runs in a child process with little address space, so
//! that memory reserved for a mere claim ends it; bombs are measured in time and resident memory.

#![expect(clippy::unwrap_used, reason = "a test may fail anywhere")]

use std::io::Read;
use std::process::Command;

use bytes::{BufMut, Bytes, BytesMut};
use holdfast_model::{Clock, SystemClock};
use holdfast_wire::batch::{self, BatchHeader};
use holdfast_wire::build::{BatchBuilder, Record};
use holdfast_wire::{Api, Codec, codec, records, request};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

/// Runs one ignored test of this binary with so many KiB of address space.
fn in_child(test: &str, address_space_kib: u64) {
    let binary = std::env::current_exe().unwrap();
    let output = Command::new("sh")
        .args([
            "-c",
            "ulimit -c 0; ulimit -v \"$1\" && shift && exec \"$@\"",
            "sh",
        ])
        .arg(address_space_kib.to_string())
        .arg(binary)
        .args([
            "--exact",
            test,
            "--ignored",
            "--nocapture",
            "--test-threads=1",
        ])
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "{}\n{text}\n{errors}",
        output.status
    );
    assert!(text.contains("1 passed"), "the child ran nothing:\n{text}");
}

#[test]
fn requests_that_claim_too_much_cost_no_memory() {
    in_child("child_requests", 512 * 1024);
}

#[test]
fn bombs_are_refused_in_a_second_and_64_mib() {
    in_child("child_bombs", 1024 * 1024);
}

#[test]
#[ignore = "runs in the child process of requests_that_claim_too_much_cost_no_memory"]
fn child_requests() {
    // The limit works: without it this test would prove nothing.
    let mut probe = Vec::<u8>::new();
    assert!(
        probe.try_reserve_exact(1 << 30).is_err(),
        "the address space is not limited"
    );

    let create_topics = [0x7f, 0xff, 0xff, 0xff];
    let body = Bytes::copy_from_slice(&create_topics);
    assert!(request::decode(Api::CreateTopics, 2, body).is_err());

    let mut rng = StdRng::seed_from_u64(1);
    for api in Api::ALL.iter().copied() {
        for version in api.served() {
            for _ in 0..2_000 {
                let _ = request::decode(api, version, claims(&mut rng));
            }
        }
    }
}

/// Bytes full of large counts in both encodings, at any alignment.
fn claims(rng: &mut StdRng) -> Bytes {
    let mut out = BytesMut::new();
    for _ in 0..rng.random_range(1..8) {
        match rng.random_range(0..6) {
            0 => out.put_i32(i32::MAX),
            1 => out.put_slice(&[0xff, 0xff, 0xff, 0xff, 0x0f]),
            2 => out.put_i32(rng.random()),
            3 => out.put_slice(&[0xff, 0xff, 0x7f]),
            4 => out.put_bytes(rng.random_range(0..3), rng.random_range(0..20)),
            _ => out.put_i16(rng.random_range(0..4)),
        }
    }
    out.freeze()
}

#[test]
#[ignore = "runs in the child process of bombs_are_refused_in_a_second_and_64_mib"]
fn child_bombs() {
    let clock = SystemClock::new();
    for (what, bomb) in bombs() {
        let memory = resident_peak_after_reset();
        let start = clock.monotonic();
        let error = records::validate_produced(&bomb).expect_err("a bomb was taken");
        let took = clock.monotonic().since(start);
        let grown = resident_peak().saturating_sub(memory);
        let size = bomb.len();
        println!("{what}: {size} bytes, {took:?}, {grown} KiB: {error}");
        assert!(matches!(error, records::Error::Codec(_)), "{what}: {error}");
        assert!(
            took.as_millis() < 1000,
            "{what}: {took:?} for {size} bytes, {error}"
        );
        assert!(
            grown < 64 * 1024,
            "{what}: {grown} KiB more for {size} bytes, {error}"
        );
    }
}

/// Batches of a few MiB at most around one record of a GiB.
fn bombs() -> Vec<(&'static str, Bytes)> {
    const EXPANDED: u64 = 1 << 30;
    // A record of 2^30 - 1 bytes with a value of 2^30 - 16, its lengths as zigzag varints.
    let head: &[u8] = &[
        0xfe, 0xff, 0xff, 0xff, 7, 0, 0, 0, 1, 0xe0, 0xff, 0xff, 0xff, 7,
    ];
    let input = || head.chain(std::io::repeat(0).take(EXPANDED));
    let mut out = Vec::new();
    for codec in [Codec::Gzip, Codec::Lz4, Codec::Zstd] {
        let payload = codec::compress_stream(codec, &mut input(), usize::MAX).unwrap();
        out.push((codec.name(), batch_around(codec, &payload)));
    }
    let mut encoder = zstd::stream::write::Encoder::new(Vec::new(), 1).unwrap();
    encoder.window_log(27).unwrap();
    std::io::copy(&mut input(), &mut encoder).unwrap();
    let large_window = encoder.finish().unwrap();
    out.push((
        "zstd with a window of 128 MiB",
        batch_around(Codec::Zstd, &large_window),
    ));
    // Raw snappy cannot expand enough; its claim is what hurts.
    let mut claim = vec![0xff, 0xff, 0xff, 0xff, 3];
    claim.resize(1 << 20, 0xfe);
    out.push(("raw snappy", batch_around(Codec::Snappy, &claim)));
    // Framed snappy expands 21 times; here a block claims the rest.
    let start: Vec<u8> = head.iter().copied().chain(vec![0; 1 << 16]).collect();
    let mut framed = codec::compress(Codec::Snappy, &start).unwrap();
    framed.extend((claim.len() as u32).to_be_bytes());
    framed.extend(&claim);
    out.push(("framed snappy", batch_around(Codec::Snappy, &framed)));
    out
}

fn batch_around(codec: Codec, payload: &[u8]) -> Bytes {
    let mut builder = BatchBuilder::new(codec);
    builder.push(&Record::value(b"v")).unwrap();
    let head = builder.finish().unwrap();
    let mut out = BytesMut::from(&head[..batch::HEADER_BYTES]);
    out.put_slice(payload);
    let length = (out.len() - batch::LENGTH_OFFSET_BYTES) as i32;
    out[8..12].copy_from_slice(&length.to_be_bytes());
    let crc = batch::checksum(&out);
    out[17..21].copy_from_slice(&crc.to_be_bytes());
    let out = out.freeze();
    BatchHeader::parse_whole(&out).unwrap();
    batch::verify_crc(&out).unwrap();
    out
}

/// The peak of resident memory so far, in KiB.
fn resident_peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status
        .lines()
        .find(|line| line.starts_with("VmHWM:"))
        .unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// Sets the peak back to what is resident now, and returns that.
fn resident_peak_after_reset() -> u64 {
    std::fs::write("/proc/self/clear_refs", "5").unwrap();
    resident_peak()
}

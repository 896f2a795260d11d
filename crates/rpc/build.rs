//! Compiles the messages with `protox`, so that no `protoc` is needed.

use std::path::Path;

use tonic_prost_build::manual;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let files = [
        "raft.proto",
        "formation.proto",
        "controller.proto",
        "admin.proto",
        "repair.proto",
    ];
    println!("cargo::rerun-if-changed=proto");
    let descriptors = protox::compile(files.map(|file| Path::new("proto").join(file)), ["proto"])?;
    tonic_prost_build::configure()
        .bytes(".")
        .compile_fds(descriptors)?;

    // Replication carries frames of its own, so prost never copies a record.
    let stream = |name: &str, route: &str, comment: &str| {
        manual::Method::builder()
            .name(name)
            .route_name(route)
            .comment(comment)
            .input_type("::bytes::Bytes")
            .output_type("::bytes::Bytes")
            .codec_path("crate::raw_codec::RawCodec")
            .client_streaming()
            .server_streaming()
            .build()
    };
    let replication = manual::Service::builder()
        .name("Replication")
        .package("holdfast.rpc")
        .comment("Records on their way from leaders to followers, as raw frames.")
        .method(stream("replicate", "Replicate", "The tail of the log."))
        .method(stream(
            "catch_up",
            "CatchUp",
            "Older records, throttled, on a stream of their own.",
        ))
        .build();
    manual::Builder::new().compile(&[replication]);
    Ok(())
}

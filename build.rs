//! Compiles `proto/` with protox, so that no system `protoc` is needed.

use std::path::PathBuf;

use prost::Message;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo:rerun-if-changed=proto");
    let descriptors = protox::compile(["proto/gateway.proto"], ["proto"])?;
    let out = PathBuf::from(std::env::var("OUT_DIR")?);
    std::fs::write(out.join("gateway_descriptor.bin"), descriptors.encode_to_vec())?;
    tonic_prost_build::configure()
        .build_client(true)
        .build_server(true)
        .bytes(".gateway_protocol.Resource.content")
        .bytes(".gateway_protocol.ProcessRequestObject.definition")
        .compile_fds(descriptors)?;
    // Maps are sorted, so that equal configurations have equal bytes.
    tonic_prost_build::configure()
        .build_client(false)
        .build_server(false)
        .btree_map(".cluster_configuration")
        .compile_fds(protox::compile(["proto/cluster.proto"], ["proto"])?)?;
    Ok(())
}

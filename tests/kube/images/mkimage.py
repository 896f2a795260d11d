#!/usr/bin/env python3
"""Writes a container image of one static program, as an archive that `ctr images import` reads.

An image is a tar of a layer, a description and a list of both: no builder is needed for one file,
and the same program gives the same bytes.
"""

import hashlib
import io
import json
import os
import platform
import sys
import tarfile

ACCOUNTS = b"root:x:0:0:root:/:/nologin\nnonroot:x:65532:65532:nonroot:/:/nologin\n"
ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}


def entry(name, mode, kind=tarfile.REGTYPE, size=0):
    info = tarfile.TarInfo(name)
    info.mode, info.type, info.size = mode, kind, size
    return info


def layer(program):
    """The file system: the program, a place for temporary files, the accounts."""
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w") as tar:
        tar.addfile(entry("tmp", 0o1777, tarfile.DIRTYPE))
        tar.addfile(entry("etc", 0o755, tarfile.DIRTYPE))
        tar.addfile(entry("etc/passwd", 0o644, size=len(ACCOUNTS)), io.BytesIO(ACCOUNTS))
        size = os.path.getsize(program)
        with open(program, "rb") as file:
            tar.addfile(entry(os.path.basename(program), 0o755, size=size), file)
    return content.getvalue()


def description(content, program):
    digest = hashlib.sha256(content).hexdigest()
    return json.dumps(
        {
            "architecture": ARCHITECTURES[platform.machine()],
            "os": "linux",
            "config": {"Entrypoint": ["/" + os.path.basename(program)]},
            "rootfs": {"type": "layers", "diff_ids": ["sha256:" + digest]},
        }
    ).encode()


def main():
    if len(sys.argv) != 4:
        sys.exit("usage: mkimage.py OUT.tar NAME:TAG PROGRAM")
    out, name, program = sys.argv[1:]
    content = layer(program)
    config = description(content, program)
    config_name = hashlib.sha256(config).hexdigest() + ".json"
    manifest = [{"Config": config_name, "RepoTags": [name], "Layers": ["layer.tar"]}]
    with tarfile.open(out, "w") as tar:
        for file, data in (
            ("layer.tar", content),
            (config_name, config),
            ("manifest.json", json.dumps(manifest).encode()),
        ):
            tar.addfile(entry(file, 0o644, size=len(data)), io.BytesIO(data))


main()

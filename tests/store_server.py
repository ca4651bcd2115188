"""A real S3 server on loopback: moto's, in a process of its own."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

PLACE = {
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_EC2_METADATA_DISABLED": "true",
}


@dataclass(frozen=True)
class Bucket:
    """A bucket, seen past the program: by the AWS client itself."""

    name: str
    client: Any

    @property
    def url(self) -> str:
        return f"s3://{self.name}"

    def put(self, key: str, data: bytes) -> None:
        self.client.put_object(Bucket=self.name, Key=key, Body=data)

    def fill(self, folder: Path, below: str) -> None:
        """Every file of a folder, under names that begin with ``below``."""
        for path in folder.rglob("*"):
            if path.is_file():
                self.put(f"{below}/{path.relative_to(folder)}", path.read_bytes())

    def get(self, key: str) -> bytes:
        data: bytes = self.client.get_object(Bucket=self.name, Key=key)["Body"].read()
        return data

    def keys(self, below: str = "") -> list[str]:
        pages = self.client.get_paginator("list_objects_v2").paginate(
            Bucket=self.name, Prefix=below
        )
        return [item["Key"] for page in pages for item in page.get("Contents", ())]

    def outputs(self, below: str) -> list[str]:
        """Without the journal."""
        return [key for key in self.keys(below) if "/.mattecli-journal" not in key]

    def unfinished(self) -> list[Any]:
        """Uploads that were begun and not ended."""
        found: list[Any] = self.client.list_multipart_uploads(Bucket=self.name).get("Uploads", [])
        return found

    def refuse(self, action: str) -> None:
        """Have the bucket's policy forbid something to everybody."""
        statement = {
            "Effect": "Deny",
            "Principal": "*",
            "Action": f"s3:{action}",
            "Resource": f"arn:aws:s3:::{self.name}/*",
        }
        policy = {"Version": "2012-10-17", "Statement": [statement]}
        self.client.put_bucket_policy(Bucket=self.name, Policy=json.dumps(policy))


@contextmanager
def s3_server() -> Iterator[str]:
    """The address of a server that runs while the block does."""
    pytest.importorskip("moto", reason="the S3 server of the tests (moto) is not installed")
    pytest.importorskip("s3fs", reason="mattecli[cloud] is not installed")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-W", "ignore", "-m", "moto.server", "-p", str(port)]
    server = subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env={**os.environ, **PLACE}
    )
    try:
        _wait_for(port, server)
        yield f"http://127.0.0.1:{port}"
    finally:
        server.kill()
        server.wait()


def _wait_for(port: int, server: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + 60
    while time.monotonic() < end and server.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.1)
        else:
            return
    pytest.fail("the S3 server did not start")


@contextmanager
def new_bucket(address: str) -> Iterator[Bucket]:
    """A bucket of its own; what the program held open for it is closed at the end."""
    from botocore.session import Session
    from s3fs import S3FileSystem

    from mattecli.media.stores import service

    name = f"b{uuid4().hex[:12]}"
    client = Session().create_client(
        "s3",
        endpoint_url=address,
        region_name="us-east-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
    )
    client.create_bucket(Bucket=name)
    yield Bucket(name, client)
    client.close()
    for used in service._services.values():
        S3FileSystem.close_session(used._files.loop, used._files._s3)
    service._services.clear()

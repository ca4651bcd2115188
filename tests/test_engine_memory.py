"""What memory there is: sizes as users write them, control groups, limits of the shell."""

from __future__ import annotations

import resource
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from mattecli.engine import memory as memory_module
from mattecli.engine.memory import Memory, is_out_of_memory, parse_bytes
from mattecli.errors import UsageError


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("1GB", 10**9),
        ("800M", 800 * 10**6),
        ("1.5GiB", 3 * 2**29),
        ("2 gb", 2 * 10**9),
        ("400000000", 4 * 10**8),
        ("1T", 10**12),
        ("900000k", 9 * 10**8),
    ],
)
def test_sizes_as_users_write_them(text: str, size: int) -> None:
    assert parse_bytes(text) == size


@pytest.mark.parametrize("text", ["", "GB", "1XB", "-1GB", "1GB or so", "1e9", "nan"])
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="no size"):
        parse_bytes(text)


def test_less_than_the_program_takes_is_refused() -> None:
    with pytest.raises(UsageError, match="less than the program"):
        parse_bytes("100MB")


def test_a_limit_leaves_what_is_not_held_yet() -> None:
    """In a process of its own: what other tests held may be given back at any moment."""
    script = (
        "from mattecli.engine.memory import Memory, resident_bytes; held = resident_bytes();"
        "print(held, Memory(held + 10**8).room(), Memory(held // 2).room(), Memory().room())"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True)
    held, room, none, free = map(int, done.stdout.split())
    assert 10**7 < held < 10**11
    assert 5 * 10**7 < room <= 1.2 * 10**8
    assert none == 0
    assert free > 0


def group(folder: Path, limit: str, usage: int, cache: int, version: int) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    two = version == 2
    (folder / ("memory.max" if two else "memory.limit_in_bytes")).write_text(f"{limit}\n")
    (folder / ("memory.current" if two else "memory.usage_in_bytes")).write_text(f"{usage}\n")
    name = "inactive_file" if two else "total_inactive_file"
    (folder / "memory.stat").write_text(f"anon 5\n{name} {cache}\n")


def test_control_groups_of_both_versions_and_those_above(tmp_path: Path) -> None:
    root = tmp_path / "cgroup"
    group(root / "job" / "step", "max", 10, 0, version=2)
    group(root / "job", "1000", 700, 200, version=2)
    group(root / "memory" / "box", "900", 100, 50, version=1)
    group(root / "memory", str(2**63 - 4096), 100, 0, version=1)
    membership = tmp_path / "membership"
    membership.write_text("9:cpu,cpuacct:/x\n4:memory:/box\n0::/job/step\n")
    assert sorted(memory_module._group_rooms(membership, root)) == [500, 850]
    assert list(memory_module._group_rooms(tmp_path / "nowhere", root)) == []


def test_the_shells_limit_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _which: (1, 1))
    assert Memory().room() == 0


def test_running_out_is_told_from_other_failures() -> None:
    with pytest.raises(RuntimeError) as refused:
        torch.empty(2**60, dtype=torch.uint8)
    assert is_out_of_memory(refused.value)
    assert is_out_of_memory(MemoryError())
    assert is_out_of_memory(torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB"))
    assert not is_out_of_memory(RuntimeError("shapes do not match"))
    assert not is_out_of_memory(ValueError("out of memory"))

"""At which size a network sees a photo."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from mattecli.engine.sizes import network_size
from mattecli.models.registry import find_spec
from mattecli.models.spec import ModelSpec
from mattecli.records import Size

MODNET = find_spec("modnet")
FULL = ModelSpec(
    name="full",
    title="",
    paper="",
    module="",
    factory="",
    size_rule="full",
    multiple=32,
    minimum=40,
)
FIXED = ModelSpec(
    name="fixed",
    title="",
    paper="",
    module="",
    factory="",
    size_rule="fixed",
    size=320,
    multiple=16,
)
SIDES = st.integers(1, 20_000)


@given(SIDES, SIDES, st.one_of(st.none(), st.integers(32, 2048)))
def test_the_short_side_rule(width: int, height: int, size: int | None) -> None:
    photo = Size(width, height)
    seen = network_size(photo, MODNET, size)
    target = size or 512
    assert seen.scaled == seen.padded
    assert all(side % 32 == 0 and side >= 32 for side in seen.scaled)
    if max(photo) <= 4 * min(photo):
        assert abs(min(seen.scaled) - target) <= 16 or min(seen.scaled) == 32
        aspect = (seen.scaled.width / seen.scaled.height) / (width / height)
        assert abs(aspect - 1) <= 32 / min(seen.scaled)
    assert seen.scaled.pixels <= (target + 32) * (4 * target + 32) * 1.1


@given(SIDES, SIDES)
def test_the_full_rule_pads_and_never_scales(width: int, height: int) -> None:
    seen = network_size(Size(width, height), FULL)
    assert seen.scaled == (width, height)
    for side, padded in zip(seen.scaled, seen.padded, strict=True):
        assert padded % 32 == 0
        assert padded >= 64  # the smallest multiple of 32 that is at least 40
        assert padded - side < 64


@given(SIDES, SIDES)
def test_the_fixed_rule_is_a_square(width: int, height: int) -> None:
    assert network_size(Size(width, height), FIXED).padded == (320, 320)
    assert network_size(Size(width, height), FIXED, 250).padded == (256, 256)


def test_a_very_long_photo_is_bounded() -> None:
    assert network_size(Size(100, 20_000), MODNET).scaled == (32, 2048)

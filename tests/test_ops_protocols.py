"""Scores by protocol: the recorded values of published programs, regions, scales, means."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from metrics_fixture import ENTRIES, FIXTURE, STILLS, needs_fixture, recorded, within

from mattecli.errors import InputError, TrimapError, UsageError
from mattecli.ops.metrics import ImagePair, gradient_kernels
from mattecli.ops.protocols import PROTOCOLS, Measure, ProtocolName, protocol_for
from mattecli.ops.scoring import Sample, mean_scores, score


@needs_fixture
@pytest.mark.parametrize("protocol", ["dim", "rvm", "rvm-hr", "mmedit"])
@pytest.mark.parametrize("name", STILLS)
def test_recorded_still(name: str, protocol: ProtocolName) -> None:
    pred, truth, trimap = (FIXTURE.arrays[key] for key in STILLS[name]["inputs"])
    scores = score(Sample(alpha=ImagePair.of(pred, truth), trimap=trimap), protocol_for(protocol))
    expected = recorded(name, protocol)
    assert scores == {metric: within(value) for metric, value in expected.items()}


@needs_fixture
@pytest.mark.parametrize("protocol", ["rvm", "rvm-hr"])
def test_recorded_sequence(protocol: ProtocolName) -> None:
    pred, truth = (FIXTURE.arrays[key] for key in ENTRIES["sequence"]["inputs"])
    pairs = [ImagePair.of(*frame) for frame in zip(pred, truth, strict=True)]
    rows = [
        score(Sample(alpha=pair, before=before), protocol_for(protocol, frames=True))
        for pair, before in zip(pairs, [None, *pairs], strict=False)
    ]
    expected = recorded("sequence", protocol)["dtssd"]
    assert [row["dtssd"] for row in rows] == [within(value) for value in expected]
    mean = ENTRIES["sequence"]["values"]["rvm_clip_mean_counting_first_frame"]
    assert mean_scores(rows)["dtssd"] == within(mean)


@needs_fixture
def test_recorded_foreground() -> None:
    pred, truth, alpha = (FIXTURE.arrays[key] for key in ENTRIES["foreground"]["inputs"])
    sample = Sample(alpha=ImagePair.of(alpha, alpha), colors=ImagePair.of(pred, truth))
    scores = score(sample, protocol_for("rvm", colors=True))
    expected = recorded("foreground", "rvm")
    assert {metric: scores[metric] for metric in expected} == {
        metric: within(value) for metric, value in expected.items()
    }


@needs_fixture
def test_recorded_gradient_filter() -> None:
    kernels = gradient_kernels()
    ours = np.outer(kernels.smooth, kernels.derivative)
    np.testing.assert_allclose(ours, FIXTURE.arrays["grad_filter_x"], atol=1e-12)


def smooth_sample() -> Sample:
    generator = np.random.default_rng(2)
    truth = np.clip(np.add.outer(np.arange(30), np.arange(40)) * 5, 0, 255).astype(np.uint8)
    pred = np.clip(truth + generator.normal(0, 9, truth.shape), 0, 255).astype(np.uint8)
    trimap = np.select([truth < 80, truth > 200], [0, 255], 128).astype(np.uint8)
    return Sample(alpha=ImagePair.of(pred, truth), trimap=trimap)


def test_composition_1k_is_dim_in_the_scale_of_the_tables() -> None:
    printed = score(smooth_sample(), protocol_for("dim"))
    table = score(smooth_sample(), protocol_for("composition-1k"))
    factors = {"sad": 1, "mse": 1000, "grad": 1e-3, "conn": 1e-3}
    assert table == {
        metric: pytest.approx(value * factors[metric]) for metric, value in printed.items() if value
    }


def test_plain_over_the_unknown_pixels_is_composition_1k_and_mad() -> None:
    plain = score(smooth_sample(), protocol_for("plain", region="unknown"))
    table = score(smooth_sample(), protocol_for("composition-1k"))
    mad = plain.pop("mad")
    assert 0 < (plain.pop("iou") or 0) < 1
    assert plain == pytest.approx(table)
    unknown = int((smooth_sample().trimap == 128).sum())  # type: ignore[union-attr]  # it has one
    assert mad == pytest.approx((table["sad"] or 0) * 1e6 / unknown)


def test_every_definition_names_its_region_and_scale() -> None:
    def definition(name: ProtocolName, metric: str) -> str:
        return next(m.definition for m in PROTOCOLS[name].measures if m.metric == metric)

    assert definition("dim", "sad") == "0.001 x sum of |p - t| over pixels where the trimap is 128"
    assert definition("rvm", "mad") == "1000 x mean of |p - t| over the whole picture"
    assert definition("mmedit", "mse") == (
        "sum of (p - t)^2 over the whole picture / count of pixels where the trimap is 128"
    )
    assert definition("rvm", "grad") != definition("rvm-hr", "grad")
    assert definition("rvm", "dtssd").startswith("100 x root of mean")


def test_two_measures_that_differ_are_defined_differently() -> None:
    measures = {m for row in PROTOCOLS.values() for m in row.measures}
    texts = {(m.metric, m.definition) for m in measures}
    assert len(texts) == len(measures)


@pytest.mark.parametrize(
    ("name", "needs"),
    [("plain", False), ("dim", True), ("composition-1k", True), ("rvm", False), ("mmedit", True)],
)
def test_which_protocols_need_a_trimap(name: ProtocolName, needs: bool) -> None:
    assert protocol_for(name).needs_trimap is needs


def test_measures_follow_the_inputs() -> None:
    def metrics(measures: tuple[Measure, ...]) -> list[str]:
        return [measure.metric for measure in measures]

    assert metrics(protocol_for("rvm").measures) == ["mad", "mse", "grad", "conn"]
    assert "dtssd" in metrics(protocol_for("rvm", frames=True).measures)
    assert metrics(protocol_for("rvm-hr", colors=True).measures)[-1] == "fgr_mse"


@pytest.mark.parametrize(
    "wish",
    [{"region": "whole"}, {"frames": True}, {"colors": True}],
    ids=lambda wish: next(iter(wish)),
)
def test_a_protocol_refuses_what_it_does_not_define(wish: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match="dim"):
        protocol_for("dim", **wish)


def test_a_first_frame_has_no_dtssd_in_plain_and_zero_in_rvm() -> None:
    sample = smooth_sample()
    assert score(sample, protocol_for("plain", frames=True))["dtssd"] is None
    assert score(sample, protocol_for("rvm", frames=True))["dtssd"] == 0


def test_means_leave_out_what_has_no_value() -> None:
    rows: list[dict[str, float | None]] = [
        {"mse": 1.0, "dtssd": None},
        {"mse": 2.0, "dtssd": 4.0},
        {"mse": None, "dtssd": None},
    ]
    assert mean_scores(rows) == {"mse": 1.5, "dtssd": 4.0}
    assert mean_scores([{"dtssd": None}]) == {"dtssd": None}


def test_parts_of_another_size_are_refused() -> None:
    square, wide = np.zeros((8, 8), np.uint8), np.zeros((8, 9), np.uint8)
    pair = ImagePair.of(square, square)
    with pytest.raises(TrimapError, match="the trimap is 9x8"):
        Sample(alpha=pair, trimap=wide)
    with pytest.raises(InputError, match="the foregrounds are 9x8"):
        Sample(alpha=pair, colors=ImagePair.of(np.dstack([wide] * 3), np.dstack([wide] * 3)))


def test_a_sample_without_what_the_protocol_needs() -> None:
    sample = Sample(alpha=ImagePair.of(np.zeros((4, 4), np.uint8), np.zeros((4, 4), np.uint8)))
    for protocol in (protocol_for("dim"), protocol_for("mmedit"), protocol_for("rvm", colors=True)):
        with pytest.raises(UsageError):
            score(sample, protocol)


def test_iou_counts_what_both_hold_opaque() -> None:
    truth = np.zeros((10, 10), np.uint8)
    pred = truth.copy()
    truth[:, :6] = 255
    pred[:, 2:8] = 128  # just above one half
    assert score(Sample(alpha=ImagePair.of(pred, truth)), protocol_for("plain"))["iou"] == 0.5
    trimap = np.where(np.arange(10) < 3, 128, 0).astype(np.uint8)[None].repeat(10, 0)
    sample = Sample(alpha=ImagePair.of(pred, truth), trimap=trimap)
    inside = score(sample, protocol_for("plain", region="unknown"))["iou"]
    assert inside == pytest.approx(1 / 3)
    nothing = np.zeros_like(truth)
    assert score(Sample(alpha=ImagePair.of(nothing, nothing)), protocol_for("plain"))["iou"] == 1


def test_the_worst_iou_is_the_smallest() -> None:
    measure = protocol_for("plain").measure("iou")
    assert measure.badness(0.4) > measure.badness(0.9)
    assert measure.badness(1.0) < 0
    assert protocol_for("plain").measure("mad").badness(3.0) == 3.0

"""``mattecli matte`` as its users see it."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from tests.conftest import PICTURES, Cli, load, outputs_in, photo, save

SMALL = ("--model", "modnet", "--size", "64")


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    for number in range(4):
        save(folder / f"img{number}.png", photo(60 + 8 * number, 50, seed=number))
    return folder


def test_a_solver_cuts_out_the_pictures_of_the_repository(shell: Cli, tmp_path: Path) -> None:
    made = shell("trimap", PICTURES / "masks", "--dilate", "9", "--erode", "7", "-o", "trimaps")
    assert made.code == 0, made.err
    done = shell(
        "matte", PICTURES / "photos", "--model", "closed-form", "--trimap", "trimaps", "-v"
    )
    assert done.code == 0, done.err
    assert done.out == b""
    for stem in ("astronaut", "chelsea"):
        source = load(PICTURES / "photos" / f"{stem}.jpg")
        alpha = load(tmp_path / "mattes" / f"{stem}-alpha.png")
        cutout = load(tmp_path / "mattes" / f"{stem}-foreground.png")
        trimap = load(tmp_path / "trimaps" / f"{stem}-trimap.png")
        mask = load(PICTURES / "masks" / f"{stem}.png") > 127
        assert alpha.shape == source.shape[:2]
        assert alpha.dtype == np.uint8
        assert cutout.shape == (*source.shape[:2], 4)
        assert np.array_equal(cutout[..., 3], alpha)
        assert (alpha[trimap == 255] == 255).all()
        assert (alpha[trimap == 0] == 0).all()
        soft = alpha[trimap == 128]
        assert 0.05 < np.mean((soft > 10) & (soft < 245)) < 0.9
        assert np.mean((alpha > 127) == mask) > 0.97
        assert np.array_equal(cutout[alpha == 255][:, :3], source[alpha == 255])


def test_the_network_writes_alpha_and_foreground_of_the_photo_s_size(
    cli: Cli, photos: Path, modnet_weights: Path, tmp_path: Path
) -> None:
    done = cli("matte", photos, *SMALL, "--weights", modnet_weights)
    assert done.code == 0, done.err
    names = sorted(path.name for path in outputs_in(tmp_path / "mattes"))
    assert names == sorted(
        f"img{n}-{kind}.png" for n in range(4) for kind in ("alpha", "foreground")
    )
    for number in range(4):
        assert load(tmp_path / "mattes" / f"img{number}-alpha.png").shape == (50, 60 + 8 * number)


def test_every_kind_of_output(cli: Cli, photos: Path, modnet_weights: Path, tmp_path: Path) -> None:
    kinds = "alpha,foreground,composite,trimap,mask,preview"
    done = cli(
        "matte", photos / "img0.png", *SMALL, "--weights", modnet_weights, "-w", kinds,
        "--background-fill", "#102030",
    )  # fmt: skip
    assert done.code == 0, done.err
    images = {kind: load(tmp_path / "mattes" / f"img0-{kind}.png") for kind in kinds.split(",")}
    alpha = images["alpha"].astype(np.float64) / 255
    assert np.array_equal(images["mask"] > 0, images["alpha"] >= 128)
    assert set(np.unique(images["trimap"])) <= {0, 128, 255}
    colours = images["foreground"][..., :3].astype(np.float64)
    expected = colours * alpha[..., None] + (1 - alpha[..., None]) * np.array([16, 32, 48])
    assert np.abs(images["composite"] - expected).max() <= 1.5
    assert images["preview"].shape == (50, 60, 3)


def test_kinds_add_up_wherever_they_are_named(
    cli: Cli, photos: Path, modnet_weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    common = ("matte", photos / "img0.png", *SMALL, "--weights", modnet_weights)
    (tmp_path / "one.toml").write_text('write = "alpha, mask"\nreport = "run.jsonl"\n')
    (tmp_path / "list.toml").write_text('write = ["alpha", "mask"]\n')
    ways: dict[str, tuple[str, ...]] = {
        "repeated": ("-w", "alpha", "--write", "mask,alpha"),
        "text": ("--config", "one.toml"),
        "list": ("--config", "list.toml"),
    }
    for way, arguments in ways.items():
        done = cli(*common, *arguments, "-o", way)
        assert done.code == 0, done.err
        assert [path.name for path in outputs_in(tmp_path / way)] == [
            "img0-alpha.png",
            "img0-mask.png",
        ]
    assert (tmp_path / "run.jsonl").exists()
    monkeypatch.setenv("MATTECLI_WRITE", "alpha, mask")
    assert cli(*common, "-o", "environment").code == 0
    assert len(outputs_in(tmp_path / "environment")) == 2


def test_the_last_value_overrules_those_of_a_script(cli: Cli, photos: Path) -> None:
    script = ("matte", photos / "img0.png", "--device", "abacus", "--size", "3", "-w", "alpha")
    assert cli(*script).code == 2
    done = cli(*script, "--device", "cpu", "--size", "64", "-o", "a.png")
    assert done.code == 0, done.err


def test_results_do_not_depend_on_batch_size_or_company(
    cli: Cli, photos: Path, modnet_weights: Path, tmp_path: Path
) -> None:
    same = [save(tmp_path / "same" / f"s{n}.png", photo(64, 64, seed=n)) for n in range(5)]
    common = ("matte", *SMALL, "--weights", modnet_weights, "-w", "alpha")
    assert cli(*common, *same, "-o", "one/").code == 0
    assert cli(*common, *same, "-o", "three/", "--batch-size", "3").code == 0
    assert cli(*common, same[3], "-o", "alone/", "--batch-size", "3").code == 0
    for number in range(5):
        one = load(tmp_path / "one" / f"s{number}-alpha.png").astype(int)
        three = load(tmp_path / "three" / f"s{number}-alpha.png").astype(int)
        assert np.abs(one - three).max() <= 1
    alone = (tmp_path / "alone" / "s3-alpha.png").read_bytes()
    assert alone == (tmp_path / "three" / "s3-alpha.png").read_bytes()


def test_two_devices_share_the_work(
    cli: Cli, photos: Path, modnet_weights: Path, tmp_path: Path
) -> None:
    common = ("matte", photos, *SMALL, "--weights", modnet_weights, "-w", "alpha")
    assert cli(*common, "-o", "one/").code == 0
    assert cli(*common, "-o", "two/", "--devices", "cpu,cpu:0").code == 0
    for path in outputs_in(tmp_path / "one"):
        assert path.read_bytes() == (tmp_path / "two" / path.name).read_bytes()


def test_reduced_decoding_changes_an_alpha_little(
    cli: Cli, modnet_weights: Path, tmp_path: Path
) -> None:
    path = tmp_path / "large.jpg"
    big = cv2.resize(photo(64, 48, 3), (1024, 768), interpolation=cv2.INTER_CUBIC)
    save(path, big)
    common = ("matte", path, *SMALL, "--weights", modnet_weights)
    assert cli(*common, "-w", "alpha", "-o", "reduced/").code == 0
    assert cli(*common, "-o", "full/").code == 0
    reduced = load(tmp_path / "reduced" / "large-alpha.png")
    full = load(tmp_path / "full" / "large-alpha.png")
    assert reduced.shape == full.shape == (768, 1024)
    assert np.abs(reduced.astype(int) - full.astype(int)).mean() < 2


def test_without_weights_a_model_says_how_to_get_them(cli: Cli, photos: Path) -> None:
    done = cli("matte", photos, "--model", "modnet:webcam")
    assert done.code == 3
    assert done.err.count("\n") == 1
    assert "--weights" in done.err
    assert "models pull" in done.err


def test_a_trimap_chooses_closed_form_and_says_so(cli: Cli, tmp_path: Path) -> None:
    save(tmp_path / "p.png", photo(40, 30))
    trimap = np.zeros((30, 40), np.uint8)
    trimap[8:22, 8:30] = 128
    trimap[12:18, 14:24] = 255
    save(tmp_path / "t.png", trimap)
    done = cli("matte", "p.png", "--trimap", "t.png", "-w", "alpha", "-o", "out.png")
    assert done.code == 0, done.err
    assert "model: closed-form" in done.err
    alpha = load(tmp_path / "out.png")
    assert (alpha[trimap == 255] == 255).all()
    assert (alpha[trimap == 0] == 0).all()


@pytest.mark.parametrize("solver", ["closed-form", "knn", "lkm", "rw", "lbdm"])
def test_every_solver_finds_a_known_alpha(cli: Cli, tmp_path: Path, solver: str) -> None:
    """A red disc with a soft edge on blue: the alpha is known."""
    rows, columns = np.mgrid[:48, :64]
    distance = np.hypot(rows - 24, columns - 30)
    truth = np.clip((16 - distance) / 6 + 0.5, 0, 1)
    red, blue = np.array([220.0, 40, 30]), np.array([20.0, 60, 200])
    mixed = truth[..., None] * red + (1 - truth[..., None]) * blue
    save(tmp_path / "p.png", np.rint(mixed).astype(np.uint8))
    trimap = np.full((48, 64), 128, np.uint8)
    trimap[distance < 10] = 255
    trimap[distance > 22] = 0
    save(tmp_path / "t.png", trimap)
    done = cli("matte", "p.png", "--trimap", "t.png", "--model", solver, "-w", "alpha")
    assert done.code == 0, done.err
    alpha = load(tmp_path / "mattes" / "p-alpha.png") / 255
    assert np.abs(alpha - truth)[trimap == 128].mean() < 0.06


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (("--model", "closed-form"), "trimap"),
        (("--model", "nonesuch"), "nonesuch"),
        (("--model", "modnet", "--trimap", "t.png"), "--trimap"),
        (("--write", "alpha,nonsense"), "nonsense"),
        (("--device", "cuda:7"), "cuda:7"),
        (("--device", "abacus"), "abacus"),
        (("--precision", "fp16"), "fp16"),
        (("--batch-size", "none"), "batch-size"),
        (("--size", "3"), "--size"),
        (("--nonesuch",), "nonesuch"),
        (("--workers", "-2"), "workers"),
        (("--write", ","), "nothing is named"),
        (("-w", "alpha", "-w", "nonsense"), "nonsense"),
        (("-om", "-o", "x.png"), "--output or -o is given more than once"),
        (("-om", "-o", "x.png"), "-om means -o m"),
    ],
)
def test_wrong_usage_is_one_line_and_exit_2(
    cli: Cli, photos: Path, modnet_weights: Path, arguments: tuple[str, ...], word: str
) -> None:
    weights = () if "--model" in arguments else ("--weights", modnet_weights)
    done = cli("matte", photos, *weights, *arguments)
    assert done.code == 2, done.err
    assert done.err.count("\n") == 1
    assert word in done.err


def test_a_trimap_that_does_not_fit_is_named_and_the_rest_goes_on(cli: Cli, tmp_path: Path) -> None:
    good = np.full((30, 40), 128, np.uint8)
    good[:5], good[-5:] = 0, 255
    all_known = np.where(good == 128, 0, good)
    no_foreground = np.where(good == 255, 0, good)
    for name, trimap in (
        ("fits", good),
        ("small", good[:20]),
        ("known", all_known),
        ("empty", no_foreground),
        ("lonely", None),
    ):
        save(tmp_path / "photos" / f"{name}.png", photo(40, 30))
        if trimap is not None:
            save(tmp_path / "trimaps" / f"{name}.png", np.ascontiguousarray(trimap))
    done = cli("matte", "photos", "--trimap", "trimaps", "--model", "closed-form", "--json")
    assert done.code == 1
    records = [json.loads(line) for line in done.out.splitlines()]
    by_name = {Path(r["input"]).stem: r for r in records[:-1]}
    assert by_name["fits"]["status"] == "done"
    for name, word in (("small", "40x20"), ("known", "unknown"), ("empty", "foreground")):
        assert by_name[name]["status"] == "failed"
        assert f"{name}.png" in by_name[name]["error"]
        assert word in by_name[name]["error"]
    assert "lonely" in by_name["lonely"]["error"]
    assert records[-1]["failed"] == 4


def test_sixteen_bit_photos_give_sixteen_bit_alpha(
    cli: Cli, modnet_weights: Path, tmp_path: Path
) -> None:
    image = photo(60, 50).astype(np.uint16) * 257 + 13
    save(tmp_path / "deep.png", image)
    save(tmp_path / "deep2.tiff", image)
    common = ("matte", "deep.png", "deep2.tiff", *SMALL, "--weights", modnet_weights)
    assert cli(*common).code == 0
    for stem in ("deep", "deep2"):
        alpha = load(tmp_path / "mattes" / f"{stem}-alpha.png")
        cutout = load(tmp_path / "mattes" / f"{stem}-foreground.png")
        assert alpha.dtype == cutout.dtype == np.uint16
        assert len(np.unique(alpha)) > 600
    assert cli(*common, "--bit-depth", "8", "-o", "eight/").code == 0
    assert load(tmp_path / "eight" / "deep-alpha.png").dtype == np.uint8


def test_a_photo_with_alpha_keeps_its_transparency_and_says_so(
    cli: Cli, modnet_weights: Path, tmp_path: Path
) -> None:
    own = np.full((50, 60, 1), 255, np.uint8)
    own[:, :20] = 0
    save(tmp_path / "p.png", np.concatenate([photo(60, 50), own], axis=2))
    done = cli("matte", "p.png", *SMALL, "--weights", modnet_weights, "--json")
    assert done.code == 0
    assert "transparency" in json.loads(done.out.splitlines()[0])["notes"][0]
    alpha = load(tmp_path / "mattes" / "p-alpha.png")
    assert (alpha[:, :20] == 0).all()
    assert alpha[:, 20:].any()


def test_premultiplied_and_rgb_foregrounds(cli: Cli, modnet_weights: Path, tmp_path: Path) -> None:
    save(tmp_path / "p.png", photo(60, 50))
    common = ("matte", "p.png", *SMALL, "--weights", modnet_weights, "-w", "foreground")
    assert cli(*common, "-o", "s.png").code == 0
    assert cli(*common, "-o", "m.png", "--premultiply").code == 0
    assert cli(*common, "-o", "c.png", "--rgb").code == 0
    straight, associated, colours = (load(tmp_path / f"{n}.png") for n in "smc")
    assert np.array_equal(colours, straight[..., :3])
    expected = straight[..., :3] * (straight[..., 3:] / 255.0)
    assert np.abs(associated[..., :3] - expected).max() <= 0.5 + 1e-9


@pytest.mark.parametrize("solver", ["closed-form", "lbdm"])
def test_a_solver_says_nothing_on_standard_output(shell: Cli, tmp_path: Path, solver: str) -> None:
    """A wide band with little known, for which PyMatting's preconditioner prints advice."""
    rng = np.random.default_rng(0)
    save(tmp_path / "p.png", rng.integers(0, 2, (90, 120, 3)).astype(np.uint8) * 255)
    trimap = np.full((90, 120), 128, np.uint8)
    trimap[:2], trimap[40:44, 50:54] = 0, 255
    save(tmp_path / "t.png", trimap)
    done = shell("matte", "p.png", "--model", solver, "--trimap", "t.png", "-w", "alpha", "-o", "-")
    assert done.code == 0, done.err
    assert done.out.startswith(b"\x89PNG")


def test_what_a_format_cannot_hold_is_said_before_the_work(
    cli: Cli, photos: Path, modnet_weights: Path
) -> None:
    common = ("matte", photos, *SMALL, "--weights", modnet_weights)
    for more in (("--format", "jpg"), ("--format", "webp", "--bit-depth", "16")):
        done = cli(*common, *more)
        assert done.code == 2, done.err
        assert "cannot hold" in done.err
    lossy = (*common, "--format", "webp", "--quality", "80")
    for more, reason in (
        (("-w", "alpha,trimap"), "--quality does not keep the three values of a trimap"),
        (("--shard", "9/10"), ""),
    ):
        done = cli(*lossy, *more)
        assert done.code == (2 if reason else 0), done.err
        assert reason in done.err


def test_a_trimap_with_stray_values_is_refused_with_the_remedy(cli: Cli, tmp_path: Path) -> None:
    save(tmp_path / "p.png", photo(40, 30))
    trimap = np.full((30, 40), 127, np.uint8)
    trimap[:5], trimap[-5:] = 0, 255
    save(tmp_path / "t.png", trimap)
    done = cli("matte", "p.png", "--trimap", "t.png")
    assert done.code == 1
    assert "--repair" in done.err
    assert "127" in done.err

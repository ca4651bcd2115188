"""``Matter``: pictures in, pictures out, as the command writes them, by a model loaded once."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import pytest
import torch
from PIL import Image, ImageCms
from safetensors.torch import save_file

from mattecli import Matter
from mattecli.errors import (
    ImageReadError,
    InputError,
    MattecliError,
    ModelUnavailableError,
    PlateError,
    TrimapError,
    UsageError,
)
from mattecli.models.bgm import BGM
from mattecli.settings import InputOptions, MatteOptions, ModelOptions, OutputOptions
from tests.conftest import PICTURES, Cli, load, photo, save

Pixels = npt.NDArray[Any]

WAYS: dict[str, tuple[tuple[str, ...], dict[str, str]]] = {
    "modnet": ((), {}),
    "closed-form": (("--trimap", "trimap.png"), {"trimap": "trimap.png"}),
    "closed-form, mask": (("--mask", "mask.png"), {"mask": "mask.png"}),
    "bgmv2": (("--background", "plate.png"), {"background": "plate.png"}),
}
FORMS: dict[str, Callable[[Path], object]] = {
    "path": lambda path: path,
    "bytes": Path.read_bytes,
    "array": load,
    "pillow": Image.open,
}


@pytest.fixture
def portrait(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A portrait in the current folder, with its trimap, mask and plate."""
    monkeypatch.chdir(tmp_path)
    image = cv2.resize(load(PICTURES / "photos" / "astronaut.jpg"), (173, 181))
    mask = cv2.resize(load(PICTURES / "masks" / "astronaut.png"), (173, 181))
    solid, kernel = (mask > 127).astype(np.uint8), np.ones((9, 9), np.uint8)
    trimap = np.full(mask.shape, 128, np.uint8)
    trimap[cv2.dilate(solid, kernel) == 0] = 0
    trimap[cv2.erode(solid, kernel) == 1] = 255
    plate = cv2.inpaint(image, cv2.dilate(solid, kernel), 5, cv2.INPAINT_TELEA)
    save(tmp_path / "trimap.png", trimap)
    save(tmp_path / "mask.png", mask)
    save(tmp_path / "plate.png", plate)
    return save(tmp_path / "a.png", image)


@pytest.mark.parametrize("way", WAYS)
def test_what_comes_back_is_what_the_command_writes(cli: Cli, portrait: Path, way: str) -> None:
    flags, beside = WAYS[way]
    model = way.partition(",")[0]
    common = ("matte", portrait, "--model", model, *flags)
    assert cli(*common, "-w", "foreground", "-o", "f.png").code == 0
    assert cli(*common, "-w", "alpha", "-o", "alpha.png").code == 0
    assert 0 < load(Path("alpha.png")).mean() < 255
    with Matter(model) as matter:
        for form in FORMS.values():
            given: dict[str, Any] = {role: form(Path(name)) for role, name in beside.items()}
            found = matter.cutout(form(portrait), **given)
            np.testing.assert_array_equal(np.asarray(found), load(Path("f.png")))
            found = matter.alpha(form(portrait), **given)
            np.testing.assert_array_equal(np.asarray(found), load(Path("alpha.png")))


def test_options_are_those_of_the_command(cli: Cli, portrait: Path) -> None:
    flags = ("--choke", "1.5", "--premultiply", "--bit-depth", "16", "--refine", "none")
    assert cli("matte", portrait, *flags, "--size", "96", "-o", "f.png").code == 0
    options = MatteOptions(model=ModelOptions(refine="none"))
    with Matter(options=options, choke=1.5, premultiply=True, bit_depth=16, size=96) as matter:
        np.testing.assert_array_equal(matter.cutout(portrait), load(Path("f.png")))


def test_the_model_is_loaded_once(portrait: Path, modnet_weights: Path, tmp_path: Path) -> None:
    weights = tmp_path / "own.safetensors"
    weights.write_bytes(modnet_weights.read_bytes())
    with Matter("modnet", weights=weights, size=64) as matter:
        weights.unlink()
        first = matter.cutout(load(portrait))
        np.testing.assert_array_equal(matter.cutout(load(portrait)), first)
        np.testing.assert_array_equal(matter.alpha(load(portrait)), first[..., 3])


@pytest.mark.parametrize("model", ["modnet", "closed-form"])
def test_threads_may_share_one(portrait: Path, model: str) -> None:
    trimap = load(Path("trimap.png")) if model == "closed-form" else None
    images = [np.roll(load(portrait), 3 * shift, axis=1) for shift in range(6)]
    with Matter(model, workers=3) as matter, ThreadPoolExecutor(4) as pool:
        alone = [matter.cutout(image, trimap=trimap) for image in images]
        together = pool.map(lambda image: matter.cutout(image, trimap=trimap), images)
        for found, expected in zip(together, alone, strict=True):
            np.testing.assert_array_equal(found, expected)


def test_a_thread_of_the_caller_keeps_its_settings(portrait: Path) -> None:
    before = torch.get_num_threads()
    with Matter("modnet", size=64, workers=2) as matter:
        matter.alpha(portrait)
        assert torch.get_num_threads() == before
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("matter")]


def test_a_closed_one_refuses(portrait: Path) -> None:
    with Matter("closed-form") as matter:
        pass
    with pytest.raises(UsageError, match="closed"):
        matter.cutout(portrait, trimap="trimap.png")
    matter.close()


def test_types_of_arrays(portrait: Path) -> None:
    image, trimap = load(portrait), load(Path("trimap.png"))
    image.setflags(write=False)
    with Matter("closed-form") as matter:
        levels = matter.cutout(image, trimap=trimap)
        deep = matter.cutout(image.astype(np.uint16) * 257, trimap=trimap)
        floats = matter.cutout(image / 255.0, trimap=trimap / 255.0)
        grey = matter.cutout(image[..., 0], trimap=trimap[..., None])
    assert [it.dtype for it in (levels, deep, floats, grey)] == [
        np.uint8, np.uint16, np.float32, np.uint8,
    ]  # fmt: skip
    assert {it.shape for it in (levels, deep, floats, grey)} == {(181, 173, 4)}
    sure = trimap == 255
    assert np.abs(deep[sure] / 257 - levels[sure]).max() <= 1
    assert np.abs(floats[sure] * 255 - levels[sure]).max() <= 1
    np.testing.assert_array_equal(levels[sure][:, :3], image[sure])
    assert (grey[..., 0] == grey[..., 1]).all()


def test_what_is_given_is_not_changed(portrait: Path) -> None:
    image = np.dstack([load(portrait), np.full((181, 173), 200, np.uint8)])
    trimap, before = load(Path("trimap.png")), image.copy()
    notes: list[str] = []
    with Matter("closed-form", foreground="none", rgb=True, remark=notes.append) as matter:
        colours = matter.cutout(image, trimap=trimap)
        colours[...] = 7
        alpha = matter.alpha(image, trimap=trimap)
    np.testing.assert_array_equal(image, before)
    np.testing.assert_array_equal(trimap, load(Path("trimap.png")))
    assert alpha.max() == 200  # its own transparency is kept
    assert any("own transparency" in note for note in notes)


def test_a_pillow_image_is_upright_and_its_profile_travels(portrait: Path) -> None:
    image = Image.open(portrait)
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    exif = Image.Exif()
    exif[274] = 6
    stored = BytesIO()
    image.transpose(Image.Transpose.ROTATE_90).save(stored, "PNG", exif=exif, icc_profile=profile)
    with Matter("closed-form") as matter:
        trimap = Image.open("trimap.png")
        cut = matter.cutout(Image.open(stored), trimap=trimap)
        from_bytes = matter.cutout(stored.getvalue(), trimap=trimap)
        alpha = matter.alpha(image.convert("P"), trimap=trimap.convert("RGB"))
    assert (cut.mode, cut.size, cut.info["icc_profile"]) == ("RGBA", (173, 181), profile)
    np.testing.assert_array_equal(np.asarray(cut), from_bytes)
    assert (alpha.mode, alpha.size) == ("L", (173, 181))


def test_a_trimap_may_be_made(cli: Cli, portrait: Path) -> None:
    common = ("matte", portrait, "--model", "closed-form", "--trimap", "auto", "--dilate", "6")
    assert cli(*common, "-o", "f.png").code == 0
    notes: list[str] = []
    with Matter("closed-form", dilate=6, remark=notes.append) as matter:
        np.testing.assert_array_equal(matter.cutout(portrait, trimap="auto"), load(Path("f.png")))
        given = matter.cutout(portrait, trimap="trimap.png")
        assert (given != load(Path("f.png"))).any()
    with Matter("closed-form", trimap="trimap.png") as matter:
        np.testing.assert_array_equal(matter.cutout(portrait), given)
    assert not notes


def test_a_mask_may_be_given_or_made(cli: Cli, portrait: Path) -> None:
    with torch.random.fork_rng():
        torch.manual_seed(3)
        network = BGM.fresh("")
    save_file(
        {k: v.clone().contiguous() for k, v in network.state_dict().items()}, "bgm.safetensors"
    )
    plate = (
        "--model",
        "bgm",
        "--size",
        "64",
        "--weights",
        "bgm.safetensors",
        "--background",
        "plate.png",
    )
    assert cli("matte", portrait, *plate, "-o", "made.png").code == 0
    assert cli("matte", portrait, *plate, "--segmentation", "mask.png", "-o", "given.png").code == 0
    own: dict[str, Any] = {"weights": "bgm.safetensors", "size": 64, "background": "plate.png"}
    with Matter("bgm", **own) as matter:
        given = matter.cutout(portrait, mask=load(Path("mask.png")) > 127)
        exact = matter.cutout(portrait, mask="mask.png")
        made = matter.cutout(portrait)
    assert given.shape == made.shape
    np.testing.assert_array_equal(exact, load(Path("given.png")))
    np.testing.assert_array_equal(made, load(Path("made.png")))


@pytest.mark.parametrize(
    ("image", "error", "words"),
    [
        (np.zeros((3, 30, 40), np.uint8), ImageReadError, "shape"),
        (np.zeros((0, 40, 3), np.uint8), ImageReadError, "shape"),
        (np.zeros((30, 40, 3), np.int64), ImageReadError, "int64"),
        (np.full((30, 40, 3), 200.0), ImageReadError, "200"),
        (np.full((30, 40, 3), np.nan, np.float32), ImageReadError, "nan"),
        (b"no image", ImageReadError, "not an image"),
        ("missing.jpg", ImageReadError, "missing.jpg"),
        (Image.new("F", (40, 30)), ImageReadError, "mode F"),
        (None, UsageError, "no picture"),
        (photo(40, 30), TrimapError, "trimap: "),
    ],
)  # fmt: skip
def test_what_is_no_picture_is_named(
    image: Any, error: type[MattecliError], words: str, portrait: Path
) -> None:
    with Matter("closed-form") as matter:
        with pytest.raises(error, match=words):
            matter.cutout(image, trimap=load(Path("trimap.png")))
        assert matter.alpha(portrait, trimap="trimap.png").any()  # it goes on


def test_what_is_missing_or_too_much_is_named(portrait: Path) -> None:
    image = load(portrait)
    with Matter("closed-form") as matter, pytest.raises(UsageError, match="needs a trimap"):
        matter.alpha(image)
    with Matter("modnet", size=64) as matter:
        with pytest.raises(UsageError, match="--trimap is not for"):
            matter.alpha(image, trimap="trimap.png")
        with pytest.raises(UsageError, match="--trimap is not for"):
            matter.alpha(image, trimap="auto")
    with Matter("bgmv2") as matter, pytest.raises(PlateError, match="background: "):
        matter.alpha(image, background=image[:90])
    empty = save(Path("grey.png"), np.full((70, 80, 3), 90, np.uint8))
    cropping = Matter("modnet", size=64, crop="subject", threshold=1)
    with cropping as matter, pytest.raises(InputError, match=r"grey\.png"):
        matter.alpha(empty)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"precison": "fp32"}, "precison"),
        ({"precision": "half"}, "fp32"),
        ({"output": "out"}, "output"),
        ({"timeout": 3.0}, "timeout"),
        ({"engine": "ray"}, "engine"),
        ({"write": "alpha"}, "write"),
        ({"background_fill": "red"}, "background_fill"),
        ({"batch_size": 4}, "batch_size"),
        ({"tile": 512}, "--tile"),
        ({"size": 8}, "--size"),
        ({"despill_strength": 2}, "--despill-strength"),
        ({"device": "cuda:9"}, "cuda:9"),
        ({"options": MatteOptions(source=InputOptions(inputs="a.png"))}, "inputs"),
        ({"options": MatteOptions(target=OutputOptions(existing="skip"))}, "existing"),
    ],
)
def test_options_that_make_no_sense_are_refused(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        Matter("modnet", **settings)


def test_a_model_that_is_not_there() -> None:
    with pytest.raises(UsageError, match="modnett"):
        Matter("modnett")
    with pytest.raises(ModelUnavailableError, match="pull"):
        Matter("dim")


def test_options_without_effect_are_told() -> None:
    notes: list[str] = []
    Matter("modnet", size=64, dilate=4, margin=3, remark=notes.append).close()
    assert len(notes) == 1
    assert "--dilate" in notes[0]
    assert "--margin" in notes[0]


def test_the_package_itself_loads_nothing() -> None:
    code = (
        "import sys, mattecli; print(mattecli.__version__);"
        "print(sorted(name for name in sys.modules if name.startswith(('mattecli', 'numpy'))))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.splitlines()[-1] == "['mattecli']"
    with pytest.raises(ImportError):
        exec("from mattecli import Matters")

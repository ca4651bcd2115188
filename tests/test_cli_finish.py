"""``mattecli matte``: refinement, cropping, edges and screens, as its users see them."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import pytest
import torch
from safetensors.torch import save_file

from mattecli.jobs.finishing import Finisher
from mattecli.jobs.task import Task
from mattecli.media.sources import Source
from mattecli.models.registry import find_spec, model_class
from mattecli.records import Picture, Size
from mattecli.settings import FinishOptions
from tests.conftest import PICTURES, Cli, Result, load, photo, save

WIDTH, HEIGHT = 120, 90
SUBJECT = np.zeros((HEIGHT, WIDTH), np.uint8)
cv2.ellipse(SUBJECT, (70, 50), (26, 20), 0, 0, 360, 255, -1)
SPECK = np.zeros_like(SUBJECT)
SPECK[8:11, 8:11] = 255


@pytest.fixture
def cut(cli: Cli, tmp_path: Path) -> Cli:
    """Cuts an ellipse and a speck out of a photo by closed-form, into files."""

    def run(*arguments: str | Path, behind: tuple[int, int, int] = (90, 40, 30)) -> Result:
        picture = photo(WIDTH, HEIGHT, seed=3) // 3 + 120
        shown = np.maximum(SUBJECT, SPECK)
        picture[shown == 0] = behind
        save(tmp_path / "p.png", picture.astype(np.uint8))
        trimap = np.where(shown > 0, 255, 0).astype(np.uint8)
        ring = cv2.dilate(SUBJECT, np.ones((5, 5))) != cv2.erode(SUBJECT, np.ones((5, 5)))
        trimap[ring] = 128
        save(tmp_path / "trimap.png", trimap)
        done = cli(
            "matte", "p.png", "-m", "closed-form", "--trimap", "trimap.png", "--json", *arguments
        )
        assert done.code == 0, done.err
        return done

    return run


def alpha_of(folder: Path) -> np.ndarray:
    return load(folder / "mattes" / "p-alpha.png")


def record_of(done: Result) -> dict[str, object]:
    record: dict[str, object] = json.loads(done.out.splitlines()[0])
    return record


def test_crop_cuts_all_outputs_to_the_subject_and_reports_its_box(cut: Cli, tmp_path: Path) -> None:
    kinds = ("-w", "alpha,foreground,composite,trimap,mask", "--min-area", "50")
    whole = cut(*kinds)
    assert record_of(whole)["crop"] is None
    before = {path.name: load(path) for path in (tmp_path / "mattes").glob("*.png")}
    done = cut(*kinds, "--crop", "subject", "--margin", "3px")
    box = record_of(done)["crop"]
    assert box == {"top": 27, "left": 41, "height": 47, "width": 59}
    part = np.s_[27:74, 41:100]
    for path in (tmp_path / "mattes").glob("*.png"):
        assert np.array_equal(load(path), before[path.name][part]), path.name


def test_a_subject_that_is_not_there_cannot_be_cropped_to(cut: Cli, cli: Cli) -> None:
    cut()
    done = cli(
        "matte", "p.png", "-m", "closed-form", "--trimap", "trimap.png",
        "--crop", "subject", "--min-area", "99999",
    )  # fmt: skip
    assert done.code == 1
    assert "p.png: no subject shows that it could be cropped to; leave --crop out" in done.err


def test_specks_are_dropped(cut: Cli, tmp_path: Path) -> None:
    cut()
    assert alpha_of(tmp_path)[9, 9] == 255
    cut("--min-area", "0.1%")  # 10.8 pixels
    alpha = alpha_of(tmp_path)
    assert alpha[9, 9] == 0
    assert alpha[50, 70] == 255


@pytest.fixture
def holed(tmp_path: Path) -> npt.NDArray[np.uint8]:
    """A photo and its trimap: a large and a small part, and a hole in the large one."""
    shown = np.maximum(SUBJECT, SPECK)
    cv2.circle(shown, (70, 50), 6, 0, -1)
    bright, dark = photo(WIDTH, HEIGHT, seed=3) // 8 + 200, photo(WIDTH, HEIGHT, seed=4) // 8
    picture = np.where(shown[..., None] > 0, bright, dark).astype(np.uint8)
    save(tmp_path / "h.png", picture)
    trimap = np.where(cv2.blur(shown, (5, 5)) % 255 > 0, 128, shown).astype(np.uint8)
    trimap[SPECK > 0] = 255
    save(tmp_path / "h-trimap.png", trimap)
    return picture


def test_only_the_largest_part_without_its_hole(
    cli: Cli, tmp_path: Path, holed: npt.NDArray[np.uint8]
) -> None:
    common = ("matte", "h.png", "-m", "closed-form", "--trimap", "h-trimap.png", "-o")
    assert cli(*common, "plain").code == 0
    assert cli(*common, "none", "--fill-holes", "60").code == 0
    assert cli(*common, "done", "--keep", "largest", "--fill-holes", "3%").code == 0  # 324
    names = ("plain", "none", "done")
    plain, none, done = (load(tmp_path / name / "h-alpha.png") for name in names)
    assert (plain[50, 70], plain[9, 9]) == (0, 255)
    assert np.array_equal(none, plain), "the hole is larger"
    assert done[9, 9] == 0
    assert (done[42:59, 62:79] > 250).all()
    filled = (done == 255) & (plain < 255)
    assert filled.sum() > 80
    colours = load(tmp_path / "done" / "h-foreground.png")[..., :3]
    assert np.array_equal(colours[filled], holed[filled]), "they are the photo's own"
    rest = ~filled & (np.indices(plain.shape).min(axis=0) > 12)
    assert np.abs(done[rest].astype(int) - plain[rest]).max() <= 1, "haze may have gone"


def test_a_model_s_own_colours_give_way_where_holes_are_filled() -> None:
    alpha = np.ones((60, 50), np.float32)
    alpha[20:25, 20:25] = 0
    picture = Picture(color=photo(50, 60), full=Size(50, 60))
    task = Task(source=Source(path=Path("p.png")), outputs={}, format="png")
    own = np.full((60, 50, 3), 0.5, np.float32)
    finisher = Finisher(FinishOptions(fill_holes="30"), needs_colours=True)
    found = finisher.cutout(task, picture, alpha, own=None, trimap=None, foreground=own)
    assert (found.alpha == 1).all()
    expected = np.full((60, 50, 3), 0.5, np.float32)
    expected[20:25, 20:25] = picture.color[20:25, 20:25] / 255
    assert found.foreground is not None
    np.testing.assert_allclose(found.foreground, expected, atol=1e-6)


def test_threshold_choke_feather_and_invert(cut: Cli, tmp_path: Path) -> None:
    cut("--bit-depth", "16")
    plain = alpha_of(tmp_path)
    cut("--threshold", "0.7", "--bit-depth", "16")
    assert np.array_equal(alpha_of(tmp_path), np.where(plain >= 0.7 * 65535, 65535, 0))
    cut("--choke", "4", "--bit-depth", "16")
    assert (alpha_of(tmp_path) <= plain).all()
    assert alpha_of(tmp_path)[50, 46] < 100 < plain[50, 46]
    cut("--feather", "2", "--bit-depth", "16")
    blurred = cv2.GaussianBlur(plain / 65535, (0, 0), 2)
    assert np.abs(alpha_of(tmp_path) / 65535 - blurred).max() < 0.01
    cut("--invert", "--bit-depth", "16")
    assert np.abs(alpha_of(tmp_path).astype(int) + plain - 65535).max() <= 1
    colours = load(tmp_path / "mattes" / "p-foreground.png")[..., :3] / 257
    assert np.abs(colours[30, 10] - (90, 40, 30)).max() < 1, "what shows is the background"


def test_colours_do_not_follow_a_moved_edge(cut: Cli, tmp_path: Path) -> None:
    """An edge moved outwards shows the subject's colour there, not the background's."""
    cut("--choke", "-3", "--foreground", "multilevel")
    cutout = load(tmp_path / "mattes" / "p-foreground.png").astype(int)
    outside = (cutout[..., 3] > 250) & (cv2.dilate(SUBJECT, np.ones((3, 3))) == 0)
    outside[:20, :20] = False
    assert outside.sum() > 50
    assert (np.abs(cutout[outside][:, :3] - (90, 40, 30)).max(axis=1) > 60).all()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--threshold", "2"), "--threshold 2.0 is no alpha"),
        (("--feather", "-1"), "--feather -1.0 is out of range"),
        (("--choke", "1e9"), "--choke 1000000000.0 is out of range"),
        (("--min-area", "-4"), "--min-area '-4' is neither pixels nor percent; give 20, or 5%"),
        (("--fill-holes", "many"), "--fill-holes 'many' is neither pixels nor percent"),
        (("--keep", "some"), "'some' is not one of 'all', 'largest'"),
        (("--margin", "wide"), "--margin 'wide' is neither pixels nor percent"),
        (("--despill-strength", "3"), "--despill-strength 3.0 is out of range"),
        (("--refine", "guided"), "--refine is not for --model closed-form"),
    ],
)
def test_what_makes_no_sense_is_refused_before_any_work(
    cut: Cli, cli: Cli, tmp_path: Path, arguments: tuple[str, ...], words: str
) -> None:
    save(tmp_path / "p.png", photo(20, 20))
    done = cli("matte", "p.png", "-m", "closed-form", "--trimap", "p.png", *arguments)
    assert done.code == 2
    assert words in done.err


def test_a_green_screen_is_noted_and_its_light_taken_off(cut: Cli, tmp_path: Path) -> None:
    green = (20, 200, 50)
    off = cut("--despill", "off", behind=green)
    kept = load(tmp_path / "mattes" / "p-foreground.png").astype(int)
    assert record_of(off)["notes"] == []
    done = cut(behind=green)
    clean = load(tmp_path / "mattes" / "p-foreground.png").astype(int)
    assert record_of(done)["notes"] == [
        "its background is a green screen, whose light is taken off"
    ]
    assert (clean <= kept).all()
    excess = np.maximum(kept[..., 1] - (kept[..., 0] + kept[..., 2]) // 2, 0)
    edge = (kept[..., 3] > 50) & (kept[..., 3] < 250) & (excess > 10)
    assert (clean[edge][:, 1] < kept[edge][:, 1]).all()
    assert np.array_equal(clean[..., [0, 2, 3]], kept[..., [0, 2, 3]])
    assert record_of(cut())["notes"] == [], "no screen, no despill"


def test_settings_come_from_the_environment_and_from_toml(
    cut: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mine.toml").write_text(
        '[matte]\nthreshold = 0.5\ncrop = "subject"\nmin-area = 20\n'
    )
    monkeypatch.setenv("MATTECLI_MARGIN", "0")
    monkeypatch.setenv("MATTECLI_CHOKE", "2")
    done = cut("--config", "mine.toml", "--choke", "0")
    assert set(np.unique(alpha_of(tmp_path))) == {0, 255}
    assert record_of(done)["crop"] is not None
    finish = json.loads(done.out.splitlines()[-1])["settings"]["finish"]
    assert finish["margin"] == "0"
    assert (finish["threshold"], finish["choke"], finish["min_area"]) == (0.5, 0, "20")


class TestRefine:
    """A network that sees a small photo."""

    SMALL = ("-m", "modnet", "--size", "32", "--json", "-w", "alpha,foreground")

    @pytest.fixture
    def large(self, tmp_path: Path) -> Path:
        return save(tmp_path / "p.png", photo(150, 130, seed=5))

    def test_a_large_photo_is_refined_unless_told_otherwise(self, cli: Cli, tmp_path: Path) -> None:
        large = save(tmp_path / "p.png", load(PICTURES / "photos" / "astronaut.jpg"))
        sees = (*self.SMALL[:3], "128", *self.SMALL[4:])
        found = {}
        for choice in ("none", "guided", "auto"):
            done = cli("matte", large, *sees, "--refine", choice)
            assert done.code == 0, done.err
            found[choice] = alpha_of(tmp_path)
            said = json.loads(done.out.splitlines()[-1])["settings"]["refine"]
            assert said == ("none" if choice == "none" else "guided")
        assert found["none"].shape == (512, 512)
        assert np.array_equal(found["guided"], found["auto"])
        assert not np.array_equal(found["guided"], found["none"])

    def test_it_is_said(self, cli: Cli, large: Path, modnet_weights: Path) -> None:
        done = cli("matte", large, *self.SMALL[:4], "--weights", modnet_weights, "-v")
        assert "refine guided" in done.err

    def test_a_photo_of_the_networks_size_is_left_alone(
        self, cli: Cli, tmp_path: Path, modnet_weights: Path
    ) -> None:
        save(tmp_path / "p.png", photo(96, 64, seed=5))
        for choice in ("none", "guided"):
            done = cli(
                "matte", "p.png", *self.SMALL[:3], "64", *self.SMALL[4:],
                "--weights", modnet_weights,
                "--refine", choice, "-o", choice,
            )  # fmt: skip
            assert done.code == 0, done.err
        for name in ("p-alpha.png", "p-foreground.png"):
            assert np.array_equal(load(tmp_path / "none" / name), load(tmp_path / "guided" / name))

    def test_closed_form_changes_the_band_alone(self, cli: Cli, tmp_path: Path) -> None:
        large = save(tmp_path / "p.png", load(PICTURES / "photos" / "astronaut.jpg"))
        sees = (*self.SMALL[:3], "128", *self.SMALL[4:])
        found = {}
        for choice in ("guided", "closed-form"):
            done = cli("matte", large, *sees, "--refine", choice)
            assert done.code == 0, done.err
            found[choice] = alpha_of(tmp_path)
        assert not np.array_equal(found["guided"], found["closed-form"])

    def test_dim_solves_the_band(
        self, cli: Cli, tmp_path: Path, large: Path, modnet_weights: Path
    ) -> None:
        arguments = ("matte", large, *self.SMALL, "--weights", modnet_weights, "--refine", "dim")
        missing = cli(*arguments)
        assert missing.code == 3
        assert "dim, which is to refine, has no weights here" in missing.err
        with torch.random.fork_rng():
            torch.manual_seed(2)
            network = model_class(find_spec("dim")).fresh()
        state = {k: v.clone().contiguous() for k, v in network.state_dict().items()}
        save_file(state, tmp_path / "dim.safetensors")
        imported = cli("models", "import", "dim.safetensors", "--as", "dim")
        assert imported.code == 0, imported.err
        done = cli(*arguments)
        assert done.code == 0, done.err
        refined = alpha_of(tmp_path)
        assert cli(*arguments[:-1], "none").code == 0
        assert not np.array_equal(refined, alpha_of(tmp_path))
        seconds = json.loads(done.out.splitlines()[0])["seconds"]
        assert {"network", "band", "refine", "finish"} <= set(seconds)
        kept = (*arguments, "--existing", "skip")
        assert cli(*arguments).code == 0
        assert b'"status": "skipped"' in cli(*kept).out
        state["refine_pred.bias"] += 1  # other weights of what refines: what it refined is stale
        save_file(state, tmp_path / "dim.safetensors")
        assert cli("models", "import", "dim.safetensors", "--as", "dim").code == 0
        assert b'"status": "done"' in cli(*kept).out

    def test_it_is_not_for_a_script_or_a_plate(
        self, cli: Cli, large: Path, modnet_weights: Path
    ) -> None:
        done = cli(
            "matte", large, "-m", "modnet", "--weights", modnet_weights, "--reference",
            "--refine", "guided",
        )  # fmt: skip
        assert done.code == 2
        assert "--refine is not for --reference" in done.err

    def test_hidden_colours_of_a_transparent_photo_guide_nothing(
        self, cli: Cli, tmp_path: Path, modnet_weights: Path
    ) -> None:
        """Two files that look alike, and differ where they are transparent, give one alpha."""
        colours = photo(150, 130, seed=5)
        own = np.full((130, 150), 255, np.uint8)
        own[:, 100:] = 0
        for name, hidden in (("a", 0), ("b", 255)):
            changed = colours.copy()
            changed[:, 100:] = hidden
            save(tmp_path / f"{name}.png", np.dstack([changed, own]))
        done = cli("matte", "a.png", "b.png", *self.SMALL, "--weights", modnet_weights)
        assert done.code == 0, done.err
        first, second = (load(tmp_path / "mattes" / f"{n}-alpha.png") for n in "ab")
        assert np.array_equal(first, second)
        assert (first[:, 100:] == 0).all()


def test_a_sixteen_bit_gradient_has_no_bands(
    cli: Cli, tmp_path: Path, modnet_weights: Path
) -> None:
    """From file to file: colours and alpha of a slow 16-bit ramp keep steps far below 8 bits."""
    ramp = np.linspace(12_000, 16_000, 1200).astype(np.uint16)
    picture = np.broadcast_to(ramp[None, :, None], (96, 1200, 3)).copy()
    save(tmp_path / "p.png", picture)
    done = cli("matte", "p.png", "-m", "modnet", "--size", "32", "--weights", modnet_weights)
    assert done.code == 0, done.err
    alpha = alpha_of(tmp_path)
    cutout = load(tmp_path / "mattes" / "p-foreground.png")
    assert alpha.dtype == cutout.dtype == np.uint16
    assert len(np.unique(alpha % 257)) > 100, "alpha came through 8 bits"
    assert np.abs(np.diff(alpha.astype(int), axis=1)).max() < 3000
    opaque_rows = cutout[..., 0][alpha > 60_000]
    assert opaque_rows.size == 0 or len(np.unique(opaque_rows % 257)) > 50
    save(tmp_path / "trimap.png", np.repeat(np.uint8([255, 128, 0]), 400)[None].repeat(96, 0))
    done = cli("matte", "p.png", "-m", "closed-form", "--trimap", "trimap.png")
    assert done.code == 0, done.err
    cutout = load(tmp_path / "mattes" / "p-foreground.png").astype(int)
    known = cutout[:, :400]
    assert np.array_equal(known[..., :3], picture[:, :400])
    band = cutout[:, 400:800]
    steps = np.abs(np.diff(band[band[..., 3].min(axis=1) > 30_000], axis=1))
    assert steps.size == 0 or steps[..., :3].max() < 257


def solved(cli: Cli, tmp_path: Path, *told: str) -> None:
    """``p.png`` by ``t.png``."""
    done = cli("matte", "p.png", "--trimap", "t.png", "--model", "rw", "--despill", "off", *told)
    assert done.code == 0, done.err


def test_a_preview_shows_what_is_cropped_to(cli: Cli, tmp_path: Path) -> None:
    """In a corner of a photo much larger than a preview."""
    trimap = np.zeros((1500, 1800), np.uint8)
    trimap[1200:1400, 1500:1700] = 255
    trimap[1200:1400, 1495:1500] = 128
    image = np.full((1500, 1800, 3), (30, 30, 200), np.uint8)
    image[trimap == 255] = (250, 240, 20)
    save(tmp_path / "p.png", image)
    save(tmp_path / "t.png", trimap)
    solved(cli, tmp_path, "-w", "alpha,preview", "--crop", "subject", "-o", "out/")
    shown = load(tmp_path / "out" / "p-preview.png")
    assert shown.shape[:2] == load(tmp_path / "out" / "p-alpha.png").shape
    assert np.array_equal(shown[100, 100], (250, 240, 20))


class TestAPhotoThatIsTransparentItself:
    @pytest.fixture
    def parts(self, tmp_path: Path) -> Path:
        """A red subject before green; the right half is half transparent, the top is not there."""
        trimap = np.zeros((80, 120), np.uint8)
        trimap[20:60, 30:90] = 255
        trimap[40, 30:34] = 128
        image = np.full((80, 120, 3), (20, 180, 20), np.uint8)
        image[trimap > 0] = (220, 30, 30)
        own = np.full((80, 120), 255, np.uint8)
        own[:, 60:] = 128
        own[:10] = 0
        save(tmp_path / "p.png", np.dstack([image, own]))
        save(tmp_path / "t.png", trimap)
        return tmp_path

    def test_its_colours_are_straight_already(self, cli: Cli, parts: Path) -> None:
        solved(cli, parts, "-w", "foreground", "-o", "f.png")
        cutout = load(parts / "f.png")
        assert (cutout[30:50, 65:85, 3] == 128).all()
        assert np.abs(cutout[30:50, 35:85, :3].astype(int) - (220, 30, 30)).max() <= 1

    def test_what_is_open_stays_open_when_inverted(self, cli: Cli, parts: Path) -> None:
        solved(cli, parts, "-w", "alpha", "--invert", "-o", "a.png")
        alpha = load(parts / "a.png")
        assert (alpha[:10] == 0).all()
        assert (alpha[12:18, :50] == 255).all()
        assert (alpha[12:18, 70:] == 128).all()
        assert (alpha[30:38, 40:80] == 0).all()

    def test_a_cut_out_that_is_cut_out_again_keeps_its_edge(self, cli: Cli, tmp_path: Path) -> None:
        rows, columns = np.mgrid[:120, :120]
        edge = np.clip((40 - np.hypot(rows - 60, columns - 60)) / 8 + 0.5, 0, 1)
        alpha = np.rint(edge * 255).astype(np.uint8)
        image = np.full((120, 120, 3), (200, 60, 40), np.uint8)
        save(tmp_path / "p.png", np.dstack([image, alpha]))
        trimap = np.where(alpha == 255, 255, np.where(alpha == 0, 0, 128)).astype(np.uint8)
        save(tmp_path / "t.png", trimap)
        done = cli("matte", "p.png", "--trimap", "t.png", "-w", "foreground", "-o", "f.png")
        assert done.code == 0, done.err
        again = load(tmp_path / "f.png").astype(int)
        assert np.abs(again[..., 3] - alpha)[trimap == 128].mean() < 4  # the solver's own error
        assert np.abs(again[..., :3] - (200, 60, 40))[alpha > 25].max() <= 3


class TestWhatIsAskedForIsDone:
    """Options that once were taken and left without effect."""

    @pytest.fixture(autouse=True)
    def scene(self, tmp_path: Path) -> None:
        trimap = np.zeros((40, 60), np.uint8)
        trimap[10:30, 20:40] = 255
        trimap[10:30, 18:20] = 128
        save(tmp_path / "p.png", photo(60, 40))
        save(tmp_path / "t.png", trimap)

    def test_invert_inverts_the_trimap(self, cli: Cli, tmp_path: Path) -> None:
        solved(cli, tmp_path, "-w", "trimap", "-o", "i.png", "--invert")
        given, shown = load(tmp_path / "t.png"), load(tmp_path / "i.png")
        np.testing.assert_array_equal(shown == 128, given == 128)
        np.testing.assert_array_equal(shown == 255, given == 0)

    def test_rgb_can_be_premultiplied(self, cli: Cli, tmp_path: Path) -> None:
        solved(cli, tmp_path, "-w", "foreground", "-o", "rgba.png", "--premultiply")
        solved(cli, tmp_path, "-w", "foreground", "-o", "rgb.png", "--premultiply", "--rgb")
        rgb = load(tmp_path / "rgb.png")
        np.testing.assert_array_equal(rgb, load(tmp_path / "rgba.png")[..., :3])
        assert (rgb[0] == 0).all()

    def test_a_background_makes_a_composite(self, cli: Cli, tmp_path: Path) -> None:
        solved(cli, tmp_path, "--background-fill", "red", "-o", "c.png")
        assert np.array_equal(load(tmp_path / "c.png")[0, 0], (255, 0, 0))
        solved(cli, tmp_path, "--background-fill", "red", "-o", "all/")
        assert (tmp_path / "all" / "p-composite.png").exists()
        assert (tmp_path / "all" / "p-foreground.png").exists()

    def test_the_names_ending_is_the_format(self, cli: Cli, tmp_path: Path) -> None:
        told = ("-w", "composite", "-o", "out/", "--name", "{stem}.jpg")
        solved(cli, tmp_path, *told)
        assert (tmp_path / "out" / "p.jpg").read_bytes().startswith(b"\xff\xd8")
        done = cli("matte", "p.png", "--trimap", "t.png", *told, "--format", "png")
        assert done.code == 2
        assert "contradicts --name" in done.err


def test_a_trimap_model_that_needs_more_than_a_photo_is_refused(cli: Cli, tmp_path: Path) -> None:
    save(tmp_path / "p.png", photo(60, 40))
    for model in ("closed-form", "bgmv2", "dim"):
        done = cli("trimap", "p.png", "--model", model)
        assert done.code == 2
        assert "needs more than a photo; choose modnet" in done.err


@pytest.mark.parametrize("shard", ["\u00b2/3", "1/\u00b3", "3/3", "-1/3", "1"])
def test_a_shard_that_makes_no_sense_is_one_line(cli: Cli, tmp_path: Path, shard: str) -> None:
    save(tmp_path / "p.png", photo(60, 40))
    done = cli("trimap", "p.png", "--shard", shard)
    assert done.code == 2
    assert "is no part; give i/n" in done.err

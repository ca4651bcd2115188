"""``mattecli composite`` as its users see it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.conftest import Cli, load, outputs_in, photo, save

ALPHA = np.zeros((40, 60), np.uint8)
ALPHA[10:30, 15:45] = 255
ALPHA[10:30, 12:15] = 100


@pytest.fixture
def cutout(tmp_path: Path) -> Path:
    return save(tmp_path / "c.png", np.dstack([photo(60, 40), ALPHA]))


def over(colour: tuple[int, int, int]) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    share = ALPHA[..., None] / 255
    return share * photo(60, 40) + (1 - share) * np.array(colour, np.float64)


@pytest.mark.parametrize(
    ("text", "colour"),
    [("white", (255, 255, 255)), ("#00b140", (0, 177, 64)), ("10,20,30", (10, 20, 30))],
)
def test_over_a_colour(
    cli: Cli, tmp_path: Path, cutout: Path, text: str, colour: tuple[int, int, int]
) -> None:
    done = cli("composite", cutout, "-b", text, "-o", "out.png")
    assert done.code == 0, done.err
    assert np.abs(load(tmp_path / "out.png") - over(colour)).max() <= 0.5 + 1e-6


def test_over_a_picture_of_another_size(cli: Cli, tmp_path: Path, cutout: Path) -> None:
    plain = np.full((100, 77, 3), (200, 100, 50), np.uint8)
    save(tmp_path / "bg.png", plain)
    for fit in ("cover", "stretch", "tile", "contain"):
        assert cli("composite", cutout, "-b", "bg.png", "--fit", fit, "-o", "o.png").code == 0
        shown = load(tmp_path / "o.png")
        assert shown.shape == (40, 60, 3)
        assert np.array_equal(shown[0, 30], (200, 100, 50))
        assert np.array_equal(shown[20, 30], photo(60, 40)[20, 30])


def test_linear_light_differs_only_in_soft_parts(cli: Cli, tmp_path: Path, cutout: Path) -> None:
    assert cli("composite", cutout, "-b", "black", "-o", "plain.png").code == 0
    assert cli("composite", cutout, "-b", "black", "--linear", "-o", "linear.png").code == 0
    plain, linear = load(tmp_path / "plain.png"), load(tmp_path / "linear.png")
    hard = (ALPHA == 0) | (ALPHA == 255)
    assert np.abs(plain.astype(int) - linear.astype(int))[hard].max() <= 1
    assert (linear[~hard].astype(int) >= plain[~hard]).all()
    assert linear[~hard].astype(int).sum() > plain[~hard].astype(int).sum()


def test_a_photo_with_its_alpha_is_decontaminated_unless_told(cli: Cli, tmp_path: Path) -> None:
    red, green = np.array([200.0, 30, 30]), np.array([20.0, 220, 20])
    columns = np.mgrid[:60, :90][1]
    alpha = np.clip((55 - columns) / 12 + 0.5, 0, 1)
    mixed = alpha[..., None] * red + (1 - alpha[..., None]) * green
    save(tmp_path / "p.png", np.rint(mixed).astype(np.uint8))
    save(tmp_path / "alphas" / "p-alpha.png", np.rint(alpha * 255).astype(np.uint8))
    common = ("composite", "p.png", "--alpha", "alphas", "-b", "white")
    assert cli(*common, "-o", "clean.png").code == 0
    assert cli(*common, "--no-decontaminate", "-o", "raw.png").code == 0
    wanted = alpha[..., None] * red + (1 - alpha[..., None]) * 255
    soft = (alpha > 0.05) & (alpha < 0.95)
    clean = np.abs(load(tmp_path / "clean.png") - wanted)[soft].mean()
    raw = np.abs(load(tmp_path / "raw.png") - wanted)[soft].mean()
    assert clean < 4
    assert raw > 5 * clean


def test_offset_and_scale_move_the_subject(cli: Cli, tmp_path: Path, cutout: Path) -> None:
    assert cli("composite", cutout, "-b", "black", "--offset", "7,-4", "-o", "m.png").code == 0
    still = np.where(ALPHA[..., None] == 255, photo(60, 40), 0)
    moved = load(tmp_path / "m.png")
    assert np.array_equal(moved[6:26, 22:52], still[10:30, 15:45])
    assert (moved[28:] == 0).all()
    assert cli("composite", cutout, "-b", "black", "--scale", "0.5", "-o", "s.png").code == 0
    small = load(tmp_path / "s.png").any(axis=2)
    assert 0.15 < small.sum() / still.any(axis=2).sum() < 0.4


def test_transparent_keeps_the_alpha(cli: Cli, tmp_path: Path, cutout: Path) -> None:
    done = cli("composite", cutout, "-b", "transparent", "--offset", "5,0", "-o", "t.png")
    assert done.code == 0
    moved = load(tmp_path / "t.png")
    assert np.array_equal(moved[..., 3][:, 5:], ALPHA[:, :-5])


def test_blur_needs_a_photo_and_leaves_no_ghost(cli: Cli, tmp_path: Path) -> None:
    image = np.full((60, 80, 3), (30, 90, 160), np.uint8)
    alpha = np.zeros((60, 80), np.uint8)
    alpha[20:40, 30:50] = 255
    image[alpha == 255] = (250, 250, 20)
    save(tmp_path / "p.png", image)
    save(tmp_path / "a.png", alpha)
    done = cli("composite", "p.png", "--alpha", "a.png", "-b", "blur", "-o", "b.png")
    assert done.code == 0, done.err
    shown = load(tmp_path / "b.png").astype(int)
    assert np.abs(shown[alpha == 0] - (30, 90, 160)).max() <= 3
    assert np.array_equal(shown[30, 40], (250, 250, 20))


def test_a_folder_of_backgrounds_in_turn_and_each(cli: Cli, tmp_path: Path) -> None:
    for number in range(3):
        save(tmp_path / "cut" / f"c{number}.png", np.dstack([photo(60, 40, number), ALPHA]))
    for number, level in enumerate((10, 200)):
        save(tmp_path / "bg" / f"b{number}.png", np.full((40, 60, 3), level, np.uint8))
    assert cli("composite", "cut", "-b", "bg", "-o", "turn/").code == 0
    corners = [load(tmp_path / "turn" / f"c{n}-composite.png")[0, 0, 0] for n in range(3)]
    assert corners == [10, 200, 10]
    assert cli("composite", "cut", "-b", "bg", "--each-background", "-o", "each/").code == 0
    assert sorted(p.name for p in outputs_in(Path("each"))) == [
        f"c{n}-{b}-composite.png" for n in range(3) for b in ("b0", "b1")
    ]


def test_a_photo_without_alpha_is_named(cli: Cli, tmp_path: Path, cutout: Path) -> None:
    save(tmp_path / "plain.png", photo(60, 40))
    save(tmp_path / "small.png", ALPHA[:20])
    done = cli("composite", "plain.png", cutout, "-o", "out/")
    assert done.code == 1
    assert "plain.png" in done.err
    assert "--alpha" in done.err
    assert (tmp_path / "out" / "c-composite.png").exists()
    mismatch = cli("composite", "plain.png", "--alpha", "small.png", "-o", "out/")
    assert mismatch.code == 1
    assert "60x20" in mismatch.err


@pytest.mark.parametrize(
    "arguments",
    [("-b", "nocolour"), ("--offset", "x"), ("--scale", "0"), ("--each-background",)],
)
def test_senseless_options_are_refused(cli: Cli, cutout: Path, arguments: tuple[str, ...]) -> None:
    done = cli("composite", cutout, *arguments)
    assert done.code == 2, done.err
    assert done.err.count("\n") == 1


def test_of_an_earlier_run_s_folder_the_foregrounds_are_taken(cli: Cli, tmp_path: Path) -> None:
    save(tmp_path / "mattes" / "p-foreground.png", np.dstack([photo(60, 40), ALPHA]))
    save(tmp_path / "mattes" / "p-alpha.png", ALPHA)
    assert cli("composite", "mattes", "-o", "out/").code == 0
    assert [p.name for p in outputs_in(Path("out"))] == ["p-foreground-composite.png"]


class TestEveryPair:
    """Names are distinct over all cut-outs and backgrounds."""

    @pytest.fixture
    def pairs(self, tmp_path: Path) -> tuple[str, ...]:
        for name in ("x", "x-a"):
            save(tmp_path / "fg" / f"{name}.png", np.dstack([photo(60, 40), ALPHA]))
        for name, level in (("a-b", 10), ("b", 200), ("c{", 90)):
            save(tmp_path / "bg" / f"{name}.png", np.full((40, 60, 3), level, np.uint8))
        return ("composite", "fg", "-b", "bg", "--each-background", "-o", "out")

    @pytest.mark.parametrize("name", ["{stem}-{kind}{ext}", "{name}{ext}", "{index}{ext}"])
    def test_no_result_takes_the_place_of_another(
        self, cli: Cli, tmp_path: Path, pairs: tuple[str, ...], name: str
    ) -> None:
        done = cli(*pairs, "--name", name)
        assert done.code == 0, done.err
        shown = [int(load(path)[0, 0, 0]) for path in outputs_in(tmp_path / "out")]
        assert sorted(shown) == [10, 10, 90, 90, 200, 200]

    def test_backgrounds_whose_names_are_each_others_stems(
        self, cli: Cli, tmp_path: Path, pairs: tuple[str, ...]
    ) -> None:
        for name in ("x.png.jpg", "x.png", "x.jpg"):
            save(tmp_path / "three" / name, photo(60, 40))
        told = ("composite", "fg/x.png", "-b", "three", "--each-background", "-o", "o")
        assert cli(*told).code == 0
        assert len(outputs_in(tmp_path / "o")) == 3

    def test_names_that_cannot_be_told_apart_are_refused(
        self, cli: Cli, tmp_path: Path, pairs: tuple[str, ...]
    ) -> None:
        for told in (("--name", "{stem:.1}{ext}"), ("-o", "one.png"), ("-o", "-")):
            done = cli(*pairs, *told)
            assert (done.code, done.out) == (2, b"")
        assert not (tmp_path / "out").exists()
        assert not (tmp_path / "one.png").exists()

    def test_shards_make_what_one_run_makes(
        self, cli: Cli, tmp_path: Path, pairs: tuple[str, ...]
    ) -> None:
        for way in (pairs, (*pairs[:4], "-o", "out")):  # every pair, and in turn
            whole, parts = (*way[:-1], "whole"), (*way[:-1], "parts")
            assert cli(*whole).code == 0
            for shard in ("0/2", "1/2"):
                assert cli(*parts, "--shard", shard).code == 0
            first, second = ({p.name: p.read_bytes() for p in outputs_in(Path(f))}
                             for f in ("whole", "parts"))  # fmt: skip
            assert first == second


def test_skip_sees_another_background_under_the_same_name(
    cli: Cli, tmp_path: Path, cutout: Path
) -> None:
    again = ("composite", cutout, "-b", "beach.png", "-o", "out/", "--existing", "skip")
    for level in (10, 200):
        save(tmp_path / "beach.png", np.full((40, 60, 3), level, np.uint8))
        assert cli(*again).code == 0
        assert load(tmp_path / "out" / "c-composite.png")[0, 0, 0] == level


def test_a_background_is_no_larger_than_allowed(cli: Cli, tmp_path: Path, cutout: Path) -> None:
    save(tmp_path / "beach.png", photo(90, 60))
    done = cli("composite", cutout, "-b", "beach.png", "-o", "a.png", "--max-pixels", "4000")
    assert done.code != 0
    assert "beach.png" in done.err
    assert not (tmp_path / "a.png").exists()


@pytest.mark.parametrize("moved", [("--offset", "25,0"), ("--scale", "0.5")])
def test_a_blurred_background_has_no_ghost_where_the_subject_was(
    cli: Cli, tmp_path: Path, moved: tuple[str, str]
) -> None:
    image = np.full((60, 90, 3), (60, 200, 60), np.uint8)
    alpha = np.zeros((60, 90), np.uint8)
    alpha[20:40, 10:30] = 255
    image[alpha == 255] = (255, 0, 0)
    save(tmp_path / "p.png", image)
    save(tmp_path / "a.png", alpha)
    done = cli("composite", "p.png", "--alpha", "a.png", "-b", "blur", *moved, "-o", "b.png")
    assert done.code == 0, done.err
    shown = load(tmp_path / "b.png").astype(int)
    assert np.abs(shown[30, 11] - (60, 200, 60)).max() <= 3


def test_cut_outs_beside_their_photos_are_what_is_meant(cli: Cli, tmp_path: Path) -> None:
    save(tmp_path / "in" / "p.jpg", photo(60, 40))
    save(tmp_path / "in" / "p-foreground.png", np.dstack([photo(60, 40), ALPHA]))
    save(tmp_path / "in" / "p-alpha.png", ALPHA)
    assert cli("composite", "in", "-b", "red", "-o", "out").code == 0
    assert [path.name for path in outputs_in(tmp_path / "out")] == ["p-foreground-composite.png"]


@pytest.mark.parametrize(
    ("kind", "suffix", "depth"),
    [("f4", "png", "u2"), ("f4", "tiff", "f4"), ("u2", "png", "u2"), ("u2", "jpg", "u1"),
     ("f4", "webp", "u1")],
)  # fmt: skip
def test_deep_cut_outs_get_as_many_bits_as_the_format_holds(
    cli: Cli, tmp_path: Path, kind: str, suffix: str, depth: str
) -> None:
    pixels = np.dstack([photo(60, 40), ALPHA])
    white = 1.0 if kind == "f4" else 65535
    save(tmp_path / "deep.tiff", (pixels / 255 * white).astype(kind))
    done = cli("composite", "deep.tiff", "-b", "white", "-o", f"o.{suffix}")
    assert done.code == 0, done.err
    shown = load(tmp_path / f"o.{suffix}")
    assert shown.dtype == np.dtype(depth)
    share = shown / (1.0 if depth == "f4" else np.iinfo(shown.dtype).max)
    loss = np.abs(share * 255 - over((255, 255, 255)))
    assert (loss.mean() if suffix == "jpg" else loss.max()) < 1.5


def test_a_transparent_jpeg_is_refused_before_the_work(
    cli: Cli, tmp_path: Path, cutout: Path
) -> None:
    done = cli("composite", cutout, "-b", "transparent", "-o", "out/", "--format", "jpg")
    assert done.code == 2
    assert "jpeg cannot hold a cut-out's alpha" in done.err
    assert not (tmp_path / "out").exists()


def test_quality_is_for_formats_with_loss(cli: Cli, tmp_path: Path, cutout: Path) -> None:
    sizes: dict[str, list[int]] = {"jpg": [], "webp": []}
    for name, found in sizes.items():
        for words in ((), ("--quality", "90"), ("--quality", "20")):
            done = cli("composite", cutout, "--format", name, "-o", "out/", *words)
            assert done.code == 0, done.err
            found.append((tmp_path / "out" / f"c-composite.{name}").stat().st_size)
        assert found == sorted(set(found), reverse=True), name
    assert b"VP8 " in (tmp_path / "out" / "c-composite.webp").read_bytes()[:64]
    for words, reason in (
        ((), "png is written without loss and has no --quality; use --format webp or jpg"),
        (("--format", "tif"), "tiff is written without loss"),
        (("--format", "jpg", "--quality", "0"), "a quality of 0 makes no sense; give 1 to 100"),
    ):
        given = words if "--quality" in words else ("--quality", "80", *words)
        done = cli("composite", cutout, "-o", "no/", *given)
        assert done.code == 2
        assert reason in done.err
        assert not (tmp_path / "no").exists()

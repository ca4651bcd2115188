"""``mattecli trimap`` as its users see it; its numbers are tested with the operation itself."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from tests.conftest import PICTURES, Cli, load, outputs_in, photo, save

Mask = npt.NDArray[np.uint8]


def thin_parts() -> Mask:
    """Single-pixel lines, a hole, diagonal steps, and parts that touch the border."""
    mask = np.zeros((60, 90), np.uint8)
    mask[20:40, 20:50] = 255
    mask[28:31, 30:33] = 0
    mask[30, 50:80] = 255
    mask[5:20, 35] = 255
    mask[50:, 60:] = 255
    for step in range(12):
        mask[40 + step, 20 - step] = 255
    return mask


def brute_force(mask: Mask, dilate: int, erode: int) -> Mask:
    """Every pixel against every other, in whole numbers."""
    rows, columns = np.indices(mask.shape)
    points = np.stack([rows.ravel(), columns.ravel()], axis=1)
    inside = mask.ravel() > 127

    def nearest(of: npt.NDArray[np.bool_]) -> npt.NDArray[np.int64]:
        squares = ((points[:, None] - points[of][None]) ** 2).sum(axis=2)
        smallest: npt.NDArray[np.int64] = squares.min(axis=1)
        return smallest

    trimap = np.where(inside, 255, 0)
    trimap[~inside & (nearest(inside) <= dilate**2)] = 128
    trimap[inside & (nearest(~inside) <= erode**2)] = 128
    return trimap.reshape(mask.shape).astype(np.uint8)


@pytest.mark.parametrize(("dilate", "erode"), [(15, None), (5, 5), (5, 0), (0, 3), (10, 2), (1, 1)])
def test_the_band_is_that_of_a_brute_force_distance(
    shell: Cli, tmp_path: Path, dilate: int, erode: int | None
) -> None:
    data = save(tmp_path / "mask.png", thin_parts()).read_bytes()
    more = () if erode is None else ("--erode", str(erode))
    done = shell("trimap", "--dilate", str(dilate), *more, stdin=data)
    assert done.code == 0, done.err
    (tmp_path / "trimap.png").write_bytes(done.out)
    wanted = brute_force(thin_parts(), dilate, dilate if erode is None else erode)
    assert np.array_equal(load(tmp_path / "trimap.png"), wanted)


def test_a_cut_out_s_alpha_and_a_16_bit_matte_make_the_same_trimap(
    cli: Cli, tmp_path: Path
) -> None:
    mask = thin_parts()
    save(tmp_path / "mask.png", mask)
    save(tmp_path / "deep.png", mask.astype(np.uint16) * 257)
    save(tmp_path / "rgba.png", np.dstack([photo(90, 60), mask]))
    save(tmp_path / "rgb.png", np.dstack([mask] * 3))
    assert cli("trimap", "mask.png", "deep.png", "rgba.png", "rgb.png", "-o", "t/").code == 0
    first = load(tmp_path / "t" / "mask-trimap.png")
    for stem in ("deep", "rgba", "rgb"):
        assert np.array_equal(load(tmp_path / "t" / f"{stem}-trimap.png"), first)


def test_soft_alpha_is_unknown_whatever_the_band(cli: Cli, tmp_path: Path) -> None:
    alpha = np.zeros((40, 60), np.uint8)
    alpha[10:30, 10:50] = 255
    alpha[15:25, 30:45] = 120
    save(tmp_path / "a.png", alpha)
    assert cli("trimap", "a.png", "--dilate", "0", "-o", "t.png").code == 0
    assert np.array_equal(load(tmp_path / "t.png") == 128, alpha == 120)


@pytest.mark.parametrize("kernel", ["ellipse", "rect", "cross"])
def test_morphological_kernels(cli: Cli, tmp_path: Path, kernel: str) -> None:
    dot = np.zeros((31, 31), np.uint8)
    dot[15, 15] = 255
    save(tmp_path / "dot.png", dot)
    assert cli("trimap", "dot.png", "--kernel", kernel, "--dilate", "4", "-o", "t.png").code == 0
    grown = load(tmp_path / "t.png") == 128
    assert grown[15, 11:20].all()
    assert grown[11:20, 15].all()
    assert grown[11, 11] == (kernel == "rect")
    assert grown[13, 13] == (kernel != "cross")


def test_a_band_in_percent_follows_the_subject_s_size(cli: Cli, tmp_path: Path) -> None:
    for side in (20, 80):
        mask = np.zeros((200, 200), np.uint8)
        mask[60 : 60 + side, 60 : 60 + side] = 255
        save(tmp_path / f"m{side}.png", mask)
        assert cli("trimap", f"m{side}.png", "--band", "10%", "-o", f"t{side}.png").code == 0
    shares = [np.sum(load(tmp_path / f"t{side}.png") == 128) for side in (20, 80)]
    assert shares[1] > 8 * shares[0]


def test_repair_mends_stray_values(cli: Cli, tmp_path: Path) -> None:
    stray = np.tile(np.array([0, 3, 60, 70, 127, 129, 190, 200, 252, 255], np.uint8), (10, 1))
    save(tmp_path / "t.png", stray)
    assert cli("trimap", "t.png", "--repair", "-o", "fixed.png").code == 0
    assert load(tmp_path / "fixed.png")[0].tolist() == [0, 0, 0, *[128] * 4, 255, 255, 255]


def test_check_tells_usable_from_unusable(cli: Cli, tmp_path: Path) -> None:
    good = np.full((30, 40), 128, np.uint8)
    good[:5], good[-5:] = 0, 255
    stray = good.copy()
    stray[7, 7] = 99
    save(tmp_path / "good.png", good)
    save(tmp_path / "stray.png", stray)
    save(tmp_path / "known.png", np.where(good == 128, 0, good))
    save(tmp_path / "photo.png", photo(41, 30))
    assert cli("trimap", "good.png", "--check").code == 0
    for name, word in (("stray", "99"), ("known", "unknown")):
        done = cli("trimap", f"{name}.png", "--check")
        assert done.code == 1
        assert word in done.err
        assert f"{name}.png" in done.err
    wrong_size = cli("trimap", "good.png", "--check", "--image", "photo.png")
    assert wrong_size.code == 1
    assert "41x30" in wrong_size.err
    assert not (tmp_path / "trimaps").exists()


def test_preview_shows_the_photo(cli: Cli, tmp_path: Path) -> None:
    save(tmp_path / "m.png", thin_parts())
    save(tmp_path / "photos" / "m.png", photo(90, 60))
    done = cli("trimap", "m.png", "--preview", "--image", "photos", "--dilate", "3")
    assert done.code == 0, done.err
    shown = load(tmp_path / "trimaps" / "m-preview.png")
    trimap = load(tmp_path / "trimaps" / "m-trimap.png")
    assert shown.shape == (60, 90, 3)
    original = photo(90, 60)
    assert np.array_equal(shown[trimap == 255], original[trimap == 255])
    assert not np.array_equal(shown[trimap == 128], original[trimap == 128])


def test_a_model_makes_trimaps_from_photos(cli: Cli, tmp_path: Path, modnet_weights: Path) -> None:
    save(tmp_path / "p.png", photo(64, 48))
    model = ("--model", "modnet", "--weights", modnet_weights)
    assert "p.png -> trimaps/p-trimap.png" in cli("trimap", "p.png", *model, "--dry-run").err
    done = cli("trimap", "p.png", *model, "-o", "t.png")
    assert done.code == 0, done.err
    assert set(np.unique(load(tmp_path / "t.png"))) <= {0, 128, 255}


@pytest.mark.parametrize(
    "arguments",
    [("--check", "--repair"), ("--dilate", "-1"), ("--low", "0.9", "--high", "0.1"),
     ("--band", "0"), ("--band", "3px"), ("--image", "x.png"), ("--weights", "w.pt")],
)  # fmt: skip
def test_senseless_options_are_refused(
    cli: Cli, tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    save(tmp_path / "m.png", thin_parts())
    done = cli("trimap", "m.png", *arguments)
    assert done.code == 2, done.err
    assert done.err.count("\n") == 1


class TestFoldersOfPhotosWithTheirMasks:
    """Masks and mattes are meant, not the photos that they lie beside."""

    @pytest.fixture
    def folder(self, tmp_path: Path) -> Path:
        save(tmp_path / "in" / "p.png", photo(90, 60))
        save(tmp_path / "in" / "p-mask.png", thin_parts())
        save(tmp_path / "in" / "q.png", photo(90, 60))
        save(tmp_path / "in" / "q-alpha.png", thin_parts())
        save(tmp_path / "in" / "q-foreground.png", np.dstack([photo(90, 60), thin_parts()]))
        save(tmp_path / "in" / "alone.png", thin_parts())
        return tmp_path / "in"

    @pytest.mark.parametrize("given", ["in", "in/*.png"])
    def test_the_best_of_each_is_taken(
        self, cli: Cli, tmp_path: Path, folder: Path, given: str
    ) -> None:
        assert cli("trimap", given, "-o", "out", "--dilate", "2").code == 0
        made = outputs_in(tmp_path / "out")
        expected = ["alone-trimap.png", "p-mask-trimap.png", "q-alpha-trimap.png"]
        assert [path.name for path in made] == expected
        for path in made:
            np.testing.assert_array_equal(load(path), load(made[0]))

    def test_a_pattern_that_asks_for_masks_gets_them(
        self, cli: Cli, tmp_path: Path, folder: Path
    ) -> None:
        assert cli("trimap", "in/*-mask.png", "-o", "out").code == 0
        assert [path.name for path in outputs_in(tmp_path / "out")] == ["p-mask-trimap.png"]

    def test_trimaps_are_what_is_checked(self, cli: Cli, folder: Path) -> None:
        assert cli("trimap", folder, "-o", folder, "--dilate", "2").code == 0
        done = cli("trimap", folder, "--check", "--json")
        assert done.code == 0, done.err
        assert done.out.count(b'"status": "done"') == 3
        assert b"-trimap.png" in done.out

    def test_they_are_found_for_the_photos(self, cli: Cli, tmp_path: Path, folder: Path) -> None:
        assert cli("trimap", folder, "-o", "trimaps").code == 0
        wish = ("matte", folder, "--trimap", "trimaps", "--model", "rw", "--dry-run", "--json")
        done = cli(*wish)
        assert done.code == 0, done.err
        (tmp_path / "trimaps" / "q-alpha-trimap.png").unlink()
        done = cli(*wish)
        assert done.code == 1
        assert "there is no trimap for it" in done.err
        assert done.out.count(b'"status": "planned"') == 2


def test_a_photo_is_no_mask(cli: Cli, tmp_path: Path) -> None:
    save(tmp_path / "photo.jpg", load(PICTURES / "photos" / "astronaut.jpg"))
    grey = load(PICTURES / "masks" / "astronaut.png")
    save(tmp_path / "mask.jpg", np.repeat(grey[..., None], 3, axis=2))  # grey, as a codec has it
    for more in ((), ("--repair",)):
        told = cli("trimap", "photo.jpg", "mask.jpg", *more)
        assert told.code == 1
        assert "photo.jpg: is in colour, and no mask; --model modnet makes trimaps of" in told.err
        assert [path.name for path in outputs_in(tmp_path / "trimaps")] == ["mask-trimap.png"]
    checked = cli("trimap", "--check", "photo.jpg")
    assert checked.code == 1
    assert "photo.jpg: is in colour: its brightness counts" in checked.err


def test_a_matte_is_sent_to_trimap_and_a_spoilt_trimap_to_repair(cli: Cli, tmp_path: Path) -> None:
    alpha = cv2.GaussianBlur(thin_parts(), (0, 0), 4)
    trimap = np.full((60, 90), 128, np.uint8)
    trimap[:, :20], trimap[:, 60:] = 0, 255
    save(tmp_path / "matte.png", alpha)
    save(tmp_path / "mask.jpg", thin_parts())
    save(tmp_path / "trimap.jpg", trimap)
    save(tmp_path / "small.png", cv2.resize(trimap, (45, 30), interpolation=cv2.INTER_CUBIC))
    for name in ("matte.png", "mask.jpg"):
        done = cli("trimap", "--check", name)
        assert done.code == 1
        assert "it looks like a matte, of which 'mattecli trimap FILE' makes a trimap" in done.err
    for name in ("trimap.jpg", "small.png"):
        done = cli("trimap", "--check", name)
        assert done.code == 1
        assert "mend it with 'mattecli trimap --repair'" in done.err


def test_a_colour_picture_among_predictions_is_told(cli: Cli, tmp_path: Path) -> None:
    grey = load(PICTURES / "masks" / "astronaut.png")
    height, width = grey.shape
    save(tmp_path / "truth" / "a.png", grey)
    save(tmp_path / "pred" / "a.png", photo(width, height))
    told = cli("evaluate", "pred", "truth")
    assert told.code == 0, told.err
    assert told.err.count("is in colour") == 1

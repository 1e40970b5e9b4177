"""What people look at: strips, GIFs, contact sheets, and the examples that make them."""

from __future__ import annotations

import io
import subprocess
import sys
from pathlib import Path

import imageio.v3 as iio
import numpy as np
import pytest
from PIL import Image

from puzzlegen import ShardDataset
from puzzlegen.errors import InvalidInput, OutputError
from puzzlegen.view.clips import export_clip, gif, strip
from puzzlegen.view.sheet import contact_sheet

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the first example makes."""
    out = tmp_path_factory.mktemp("example")
    script = str(EXAMPLES / "01_make_a_dataset.py")
    told = subprocess.run([sys.executable, script, str(out)], check=True, capture_output=True, text=True).stdout
    assert told.startswith("12 clips of flowfree, maze, sokoban\n")
    return out


def test_the_first_example_leaves_a_dataset_and_a_gif(made: Path) -> None:
    assert len(ShardDataset(made / "data")) == 12
    (picture,) = made.glob("sokoban-easy-0-*.gif")
    assert iio.imread(picture).shape[1:] == (256, 256, 3)


def test_a_gif_has_the_clip_s_length_and_shows_its_frames(made: Path) -> None:
    row = ShardDataset(made / "data")[0]
    data = gif(row.video, width=128)
    with Image.open(io.BytesIO(data)) as image:
        shown = sum(image.seek(index) or image.info["duration"] for index in range(image.n_frames))
    assert abs(shown - 1000 * 49 / 16) < 200  # GIFs count hundredths of a second, and equal frames are merged
    first = iio.imread(data, extension=".gif")[0]
    frame = np.asarray(Image.fromarray(row.frames()[0]).resize((128, 128), Image.Resampling.LANCZOS))
    assert np.abs(first.astype(int) - frame).mean() < 6


def test_a_strip_begins_and_ends_with_the_clip(made: Path) -> None:
    row = ShardDataset(made / "data")[0]
    frames = row.frames()
    picture = strip(row.video, num_frames=4)
    assert picture.shape == (256, 4 * 256, 3)
    assert np.array_equal(picture[:, :256], frames[0])
    assert np.array_equal(picture[:, -256:], frames[-1])


def test_a_contact_sheet_has_a_strip_for_each_kind(made: Path, tmp_path: Path) -> None:
    dataset = ShardDataset(made / "data")
    kinds = len(set(zip(*(dataset.column(name) for name in ("task", "level", "look_name")), strict=True)))
    contact_sheet(dataset, tmp_path / "sheet.png")
    height, width, _ = iio.imread(tmp_path / "sheet.png").shape
    assert width > 5 * 160
    assert height == 8 + kinds * (160 + 34 + 8)


def test_other_endings_and_unwritable_places_are_refused(made: Path, tmp_path: Path) -> None:
    video = ShardDataset(made / "data")[0].video
    with pytest.raises(InvalidInput, match=r"must end in \.mp4, \.gif, \.png"):
        export_clip(video, tmp_path / "clip.avi")
    with pytest.raises(InvalidInput, match=r"must end in \.png"):
        contact_sheet(ShardDataset(made / "data"), tmp_path / "sheet.jpg")
    with pytest.raises(OutputError, match="Cannot write"):
        export_clip(video, tmp_path / "no such folder" / "clip.mp4")
    assert not list(tmp_path.iterdir())

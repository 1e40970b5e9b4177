"""Files of tensors: what the safetensors library reads is what was written, and equal content has equal bytes."""

from __future__ import annotations

from pathlib import Path

import pytest

torch = pytest.importorskip("torch", reason="training needs puzzlegen[train]")

from safetensors.torch import load_file, save_file  # noqa: E402

from puzzlegen.errors import CorruptData  # noqa: E402
from puzzlegen.train.randomness import normal  # noqa: E402
from puzzlegen.train.tensorfile import map_tensors, write_tensors  # noqa: E402

TENSORS = {
    "b": normal([("b",)], (3, 2, 1)),
    "a": normal([("a",)], (5, 7)).bfloat16(),
    "turned": normal([("t",)], (4, 3)).transpose(1, 2),
    "none": torch.empty(0, 4),
}
FACTS = {"é\n": ["ü", 1, None], "a": {"b": "c"}}


def test_the_library_reads_what_is_written(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    write_tensors(path, TENSORS, FACTS)
    mapped, facts = map_tensors(path)
    for found in (load_file(path), mapped):
        assert found.keys() == TENSORS.keys()
        for name, tensor in TENSORS.items():
            assert found[name].dtype == tensor.dtype
            assert torch.equal(found[name], tensor)
    assert facts == FACTS
    (tmp_path / "plain").touch()
    assert path.stat().st_mode == (tmp_path / "plain").stat().st_mode, "others may read it too"


def test_equal_content_has_equal_bytes(tmp_path: Path) -> None:
    for number in range(4):
        write_tensors(tmp_path / str(number), TENSORS, {str(key): key for key in range(9)})
    assert len({path.read_bytes() for path in tmp_path.iterdir()}) == 1


def test_the_numbers_lie_as_the_library_lays_them(tmp_path: Path) -> None:
    one = {"a": TENSORS["b"]}
    write_tensors(tmp_path / "ours", one, {})
    save_file(one, tmp_path / "theirs", {"facts": "{}"})
    assert (tmp_path / "ours").read_bytes()[-24:] == (tmp_path / "theirs").read_bytes()[-24:]


@pytest.mark.parametrize("content", [b"", b"short", b"\xff" * 64, b"\2\0\0\0\0\0\0\0{}tail"])
def test_what_is_no_such_file_is_one_line(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "x.safetensors"
    path.write_bytes(content)
    with pytest.raises(CorruptData, match=r"x\.safetensors cannot be read .* Delete it and run: puzzlegen") as caught:
        map_tensors(path)
    assert "\n" not in str(caught.value)

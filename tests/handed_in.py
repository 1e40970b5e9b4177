"""Small datasets, and submissions of their own clips in every layout."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import av
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from puzzlegen.shards.manifest import read_manifest, sha256_of, write_manifest
from puzzlegen.shards.reader import ShardDataset
from puzzlegen.shards.row import Row
from puzzlegen.shards.writer import ShardWriter
from runs import called

LEVELS = ("maze:tiny", "maze:easy", "sokoban:tiny")


def make_dataset(folder: Path, num: int = 2, levels: Sequence[str] = LEVELS) -> Path:
    """`num` clips of each level, every second row moved to the split "test"."""
    done = called("generate", *levels, "--num", num, "--format", "128x128x33", "--out", folder / "made")
    assert done.returncode == 0, done.stderr
    rows = [dict(row) for row in ShardDataset(folder / "made")]
    shards = []
    (folder / "d" / "data").mkdir(parents=True)
    for number, split in enumerate(("test", "train")):
        path = folder / "d" / "data" / f"{split}.parquet"
        own = [{**row, "split": split} for row in rows[1 - number :: 2]]
        with ShardWriter(path) as writer:
            writer.write(own)
        shards.append({"path": f"data/{path.name}", "rows": len(own), "sha256": sha256_of(path), "split": split})
    write_manifest(folder / "d", {**read_manifest(folder / "made"), "shards": shards})
    return folder / "d"


def rows_of(dataset: Path, **equals: Any) -> list[Row]:
    return list(ShardDataset(dataset, **equals))


def put(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


def native(rows: Sequence[Row], root: Path) -> Path:
    for row in rows:
        put(root / row["task"] / row["id"] / "0.mp4", row.video)
    return root


def _flat(rows: Sequence[Row], root: Path) -> Path:
    for row in rows:
        put(root / f"{row['id']}__s0.mp4", row.video)
    return root


def _vbvr(rows: Sequence[Row], root: Path) -> Path:
    numbers: dict[tuple[str, str], int] = {}
    for row in rows:
        key = row["split"], row["task"]
        numbers[key] = numbers.get(key, -1) + 1
        put(root / row["split"] / row["task"] / f"{numbers[key]:05d}.mp4", row.video)
    return root


def _vrbench(rows: Sequence[Row], root: Path) -> Path:
    numbers: dict[str, int] = {}
    for row in rows:
        numbers[row["level"]] = numbers.get(row["level"], -1) + 1
        put(root / f"{row['level']}_{numbers[row['level']]}.mp4", row.video)
        put(root / "states" / f"{row['level']}_{numbers[row['level']]}.json", b"{}")
    return root


def _proar(rows: Sequence[Row], root: Path) -> Path:
    for number, row in enumerate(rows):
        stem = f"video_{row['task']}_rank00_idx{number:06d}"
        put(root / f"{stem}.mp4", row.video)
        stated = {"sample_id": number if number % 2 else row["id"], "task_name": row["task"]}
        put(root / f"{stem}.json", json.dumps(stated).encode())
    return root


def _videorlvr(rows: Sequence[Row], root: Path) -> Path:
    records = []
    for number, row in enumerate(rows):
        name = f"{row['task']}/videos/{row['id'] if number % 2 else number}.mp4"
        put(root / name, row.video)
        records.append({"video": name, "prompt": 'a "quoted", prompt', "input_image": ""})
    write_csv(root / "metadata.csv", records)
    return root


def _vbvr_rl(rows: Sequence[Row], root: Path) -> Path:
    for number, row in enumerate(rows):
        put(root / f"{number:06d}" / "step_02.mp4", b"an early preview")
        put(root / f"{number:06d}" / "step_10.mp4", row.video)
        put(root / f"{number:06d}" / "first_frame.png", b"")
    return root


def _parquet(rows: Sequence[Row], root: Path) -> Path:
    data = [{"id": row["id"], "k": 0, "bytes": row.video} for row in rows]
    root.mkdir(parents=True)
    pq.write_table(pa.Table.from_pylist(data[::-1]), root / "all.parquet", row_group_size=2)
    return root / "all.parquet"


def _parquet_of_structs(rows: Sequence[Row], root: Path) -> Path:
    root.mkdir(parents=True)
    for number, row in enumerate(rows):
        data = [{"id": row["id"], "bytes": {"bytes": row.video, "path": "x.mp4"}}]
        pq.write_table(pa.Table.from_pylist(data), root / f"{number}.parquet")
    return root


def _table(rows: Sequence[Row], root: Path) -> Path:
    for number, row in enumerate(rows):
        put(root / f"out {number}.mp4", row.video)
    records = [{"id": row["id"], "k": 3, "path": f"out {number}.mp4"} for number, row in enumerate(rows)]
    write_csv(root / "table.csv", records)
    return root / "table.csv"


def write_csv(path: Path, records: Sequence[dict[str, Any]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(records[0]))
        writer.writeheader()
        writer.writerows(records)


LAYOUTS: dict[str, tuple[str, Callable[[Sequence[Row], Path], Path]]] = {
    "native": ("native", native),
    "native in videos": ("native", lambda rows, root: native(rows, root / "videos").parent),
    "flat": ("flat", _flat),
    "vbvr": ("vbvr", _vbvr),
    "vrbench": ("vrbench", _vrbench),
    "proar": ("proar", _proar),
    "videorlvr": ("videorlvr", _videorlvr),
    "vbvr-rl": ("vbvr-rl", _vbvr_rl),
    "parquet": ("parquet", _parquet),
    "parquet of structs": ("parquet", _parquet_of_structs),
    "table": ("table", _table),
}
"""Name -> (layout, writer that returns what to score)."""


def encoded(frames: NDArray[np.uint8], path: Path, codec: str, pixels: str, rate: int = 16) -> None:
    """Write RGB frames [T, H, W, 3] as a file of another kind than ours."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream(codec, rate=rate)
        stream.width, stream.height, stream.pix_fmt = frames.shape[2], frames.shape[1], pixels
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode())


def picture(frame: NDArray[np.uint8], path: Path) -> None:
    """Write one RGB frame [H, W, 3] as a .png or .jpg."""
    from PIL import Image

    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(frame).save(path, quality=95)

"""What tells strangers what a dataset is: a card for Hugging Face (README.md) and Croissant metadata (croissant.json).

Both say only what the manifest says, so they are the same for the same request. Whoever owns the dataset may edit them.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

import pyarrow as pa

from puzzlegen.shards.schema import SCHEMA, Column

CARD = "README.md"
CROISSANT = "croissant.json"

LICENSE = "cc0-1.0"
"""Puzzles and pictures come out of a program; nobody's rights are in them."""

_SIZES = {1_000: "n<1K", 10_000: "1K<n<10K", 100_000: "10K<n<100K", 1_000_000: "100K<n<1M", 10_000_000: "1M<n<10M"}
_CROISSANT_TYPES = {"string": "sc:Text", "int32": "sc:Integer", "int64": "sc:Integer", "bool": "sc:Boolean"}


def card(manifest: Mapping[str, Any]) -> str:
    """The card: YAML that the hub reads, then a page for people."""
    return "\n".join([*_front_matter(manifest), "", *_page(manifest), ""])


def croissant(manifest: Mapping[str, Any]) -> str:
    """Metadata by https://docs.mlcommons.org/croissant (1.0), as JSON-LD."""
    record = {"@type": "cr:RecordSet", "@id": "clips", "name": "clips", "description": "One row a clip."}
    described = {
        "@context": _CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": "http://mlcommons.org/croissant/1.0",
        "name": _name(manifest),
        "description": _summary(manifest),
        "license": f"https://spdx.org/licenses/{LICENSE.upper()}",
        "version": manifest["request"]["versions"]["puzzlegen"],
        "distribution": [_SHARDS],
        "recordSet": [record | {"field": [*map(_field, SCHEMA)]}],
    }
    return json.dumps(described, indent=2) + "\n"


def _front_matter(manifest: Mapping[str, Any]) -> Iterable[str]:
    yield "---"
    yield f"license: {LICENSE}"
    yield f"pretty_name: {json.dumps(_name(manifest))}"
    yield "task_categories:"
    yield from ("- image-to-video", "- visual-question-answering")
    yield "tags:"
    yield from (f"- {tag}" for tag in ("puzzlegen", "video", "reasoning", "synthetic", *_tasks(manifest)))
    yield f"size_categories:\n- {next((name for size, name in _SIZES.items() if manifest['rows'] < size), 'n>10M')}"
    yield "configs:\n- config_name: default\n  data_files:"
    for split in manifest["splits"]:
        yield f"  - split: {split}\n    path: data/{split}-*.parquet"
    yield "---"


def _page(manifest: Mapping[str, Any]) -> Iterable[str]:
    yield f"# {_name(manifest)}\n"
    yield f"{_summary(manifest)} Every clip was decoded again and judged by the rules before it was kept.\n"
    yield _READING
    yield "## What it holds\n"
    yield from _table(
        ("level", "clips", "shortest", "mean", "longest solution"), map(_level, manifest["levels"].items())
    )
    splits = ((name, each["rows"], each["structures"]) for name, each in manifest["splits"].items())
    yield from _table(("split", "clips", "different boards"), splits)
    shared = manifest["structures_in_two_splits"]
    yield f"Boards that are in two splits, mirrored and rotated ones included: {shared}.\n"
    yield "## Columns\n"
    yield from _table(("column", "type", "what it is"), ((f"`{c.name}`", _kind(c), c.about) for c in SCHEMA))
    yield "## Making it again\n"
    version = manifest["request"]["versions"]["puzzlegen"]
    yield f"With puzzlegen {version}, to the same bytes with the same versions of its libraries (`request.json`):\n"
    yield "```bash"
    yield from commands(manifest["request"])
    yield "```\n"
    yield f"License: {LICENSE.upper()}."


def commands(request: Mapping[str, Any]) -> Iterable[str]:
    """The `puzzlegen generate` of each part of a request with the same seed, clip, split and looks."""
    parts: dict[str, list[str]] = {}
    for stream in request["streams"]:
        clip = stream["clip"]
        words = [
            f"--format {clip['width']}x{clip['height']}x{clip['num_frames']}@{clip['fps']} --seed {stream['seed']}"
        ]
        words += [f"--split {stream['split']}"] if stream.get("split") else []
        words += [f"--look {look}" for look in stream.get("looks", ())]
        parts.setdefault(" ".join(words), []).append(f"{stream['recipe']}:{stream['level']}")
    for options, targets in parts.items():
        rows = f"--num {request['num']} --shard-rows {request['shard_rows']}"
        yield f"puzzlegen generate {' '.join(targets)} {rows} \\\n    {options} --out DIR"


def _tasks(manifest: Mapping[str, Any]) -> list[str]:
    return sorted({level.split(":")[0] for level in manifest["levels"]})


def _name(manifest: Mapping[str, Any]) -> str:
    return f"puzzlegen: {', '.join(_tasks(manifest))}"


def _summary(manifest: Mapping[str, Any]) -> str:
    return (
        f"{manifest['rows']} clips of puzzles being solved ({', '.join(manifest['levels'])}), with states and actions."
    )


def _level(item: tuple[str, Mapping[str, Any]]) -> tuple[Any, ...]:
    name, found = item
    actions = found["num_actions"]
    return name, found["rows"], actions["min"], actions["mean"], actions["max"]


def _kind(column: Column) -> str:
    if column.feature:
        return column.feature["_type"].lower()
    return f"list of {column.kind.value_type}" if pa.types.is_list(column.kind) else str(column.kind)


def _table(head: Iterable[str], rows: Iterable[Iterable[Any]]) -> Iterable[str]:
    names = [*head]
    yield f"| {' | '.join(names)} |\n|{'---|' * len(names)}"
    for row in rows:
        yield f"| {' | '.join(map(str, row))} |"
    yield ""


def _field(column: Column) -> dict[str, Any]:
    source: dict[str, Any] = {"fileSet": {"@id": "shards"}, "extract": {"column": column.name}}
    kind, repeated = column.kind, pa.types.is_list(column.kind)
    if column.feature:
        source["transform"] = {"jsonPath": "bytes"}
        data_type = f"sc:{column.feature['_type']}Object"
    else:
        data_type = _CROISSANT_TYPES[str(kind.value_type if repeated else kind)]
    field = {"@type": "cr:Field", "@id": f"clips/{column.name}", "name": column.name, "description": column.about}
    return field | {"dataType": data_type, "source": source} | ({"repeated": True} if repeated else {})


_READING = """\
```python
import puzzlegen  # pip install puzzlegen

dataset = puzzlegen.load("DIR", split="train")
dataset[0].frames()  # [T, H, W, 3]; .states(), ["actions"] and all columns below
```

```python
from datasets import load_dataset

load_dataset("parquet", data_files={"train": "DIR/data/train-*.parquet"})  # or load_dataset("OWNER/NAME") from the hub
```
"""

_SHARDS = {
    "@type": "cr:FileSet",
    "@id": "shards",
    "name": "shards",
    "description": "One file a shard, named by its split.",
    "encodingFormat": "application/x-parquet",
    "includes": "data/*.parquet",
}

_CONTEXT = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "sc": "https://schema.org/",
    "cr": "http://mlcommons.org/croissant/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "dct": "http://purl.org/dc/terms/",
    "citeAs": "cr:citeAs",
    "column": "cr:column",
    "conformsTo": "dct:conformsTo",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "equivalentProperty": "cr:equivalentProperty",
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "extract": "cr:extract",
    "field": "cr:field",
    "fileObject": "cr:fileObject",
    "fileProperty": "cr:fileProperty",
    "fileSet": "cr:fileSet",
    "format": "cr:format",
    "includes": "cr:includes",
    "isLiveDataset": "cr:isLiveDataset",
    "jsonPath": "cr:jsonPath",
    "key": "cr:key",
    "md5": "cr:md5",
    "parentField": "cr:parentField",
    "path": "cr:path",
    "recordSet": "cr:recordSet",
    "references": "cr:references",
    "regex": "cr:regex",
    "repeated": "cr:repeated",
    "replace": "cr:replace",
    "samplingRate": "cr:samplingRate",
    "separator": "cr:separator",
    "source": "cr:source",
    "subField": "cr:subField",
    "transform": "cr:transform",
}

"""What somebody hands in: a manifest that says what made it, and one video or answer for each (instance, k).

Whatever could be taken in two ways is refused, with a few of the names: instances that the dataset does not have,
two for one (instance, k), files beside the layout, or nothing at all.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

from puzzlegen.errors import InvalidInput, UnknownName
from puzzlegen.eval.catalogue import Catalogue
from puzzlegen.eval.layouts import LAYOUTS, MANIFEST, Video, read_object, some
from puzzlegen.shards import manifest as manifests

SCHEMA_VERSION = 1
FIELDS: dict[str, tuple[type, ...]] = {
    "schema_version": (int,),
    "model": (str,),
    "checkpoint": (str,),
    "dataset_id": (str,),
    "dataset_sha256": (str,),  # of the dataset's manifest.json
    "split": (str,),
    "sampler": (str,),
    "steps": (int,),  # network evaluations a sample
    "cfg": (int, float),
    "seeds": (list,),
    "fps": (int, float),
    "prompts": (str,),  # which prompts were used: "dataset", or where they are kept
    "resize": (str,),  # how pictures were fitted to the model
    "notes": (str,),
}
"""Fields of a submission's manifest.json and their types; all but schema_version may be left out."""
_HINT = "See --layout in puzzlegen score --help."
_WITH_VIDEOS_FOLDER = ("native", "flat")


class Sample(Protocol):
    """One thing that was handed in."""

    @property
    def name(self) -> str:
        """What the submission calls it."""

    @property
    def id(self) -> str | None:
        """The instance; None if the dataset has none of this name."""

    @property
    def k(self) -> int:
        """Which sample of the instance, from 0."""


S = TypeVar("S", bound=Sample)


@dataclass(frozen=True, slots=True)
class Submission(Generic[S]):
    """What a model made, sorted by instance and k."""

    manifest: dict[str, Any] | None
    samples: dict[str, list[S]]
    """Of every instance that has any, by id in the dataset's order, by k."""
    ks: list[int]
    """Every k that occurs."""
    passed_over: int
    """How many are of instances that were not chosen."""


def collect(root: Path, layout: str, catalogue: Catalogue, split: str | None = None) -> Submission[Video]:
    """Find the videos of a submission.

    Args:
        root: folder or file of the submission.
        layout: a name of `LAYOUTS`.
        catalogue: the instances to be scored.
        split: that was asked for, to hold against the manifest.

    Raises:
        InvalidInput: no such folder; a bad manifest; no videos; unknown, repeated or misplaced ones.
    """
    if layout not in LAYOUTS:
        raise UnknownName("layout", layout, LAYOUTS)
    if not root.exists():
        raise InvalidInput(f"{root}: there is no such folder or file.")
    if layout not in ("parquet", "table", "videorlvr") and not root.is_dir():
        raise InvalidInput(f"{root}: is a file. The layout {layout!r} is a folder ({LAYOUTS[layout].pattern}).")
    manifest = _manifest(root / MANIFEST, catalogue.folder, split) if root.is_dir() else None
    inner = root / "videos"
    place = inner if layout in _WITH_VIDEOS_FOLDER and inner.is_dir() else root
    found, stray = list[Video](), list[Path]()
    for video in LAYOUTS[layout].read(place, catalogue):
        if isinstance(video, Path):
            stray.append(video.relative_to(place))
        else:
            found.append(video)
    if stray:
        raise InvalidInput(f"{place}: not laid out as {LAYOUTS[layout].pattern}: {some(stray)}. {_HINT}")
    if not found:
        raise InvalidInput(f"{place}: no videos in the layout {layout!r} ({LAYOUTS[layout].pattern}). {_HINT}")
    return sort(found, catalogue, root, "video", manifest)


def sort(
    found: Sequence[S], catalogue: Catalogue, root: Path, noun: str, manifest: dict[str, Any] | None = None
) -> Submission[S]:
    """Put what was found in order; a `noun` is what it is called in errors. Raises InvalidInput."""
    unknown = [sample.name for sample in found if sample.id is None]
    if unknown:
        raise InvalidInput(f"{root}: {len(unknown)} of {len(found)} {noun}s are of no instance of {catalogue.folder}: "
                           f"{some(unknown)}.")  # fmt: skip
    twice = [f"{name} k={k}" for (name, k), count in Counter((one.id, one.k) for one in found).items() if count > 1]
    if twice:
        raise InvalidInput(f"{root}: more than one {noun} for {some(twice)}.")
    chosen = [sample for sample in found if sample.id and catalogue.is_chosen(sample.id)]
    if not chosen:
        raise InvalidInput(f"{root}: all {len(found)} {noun}s are of another split or task than was asked for.")
    by_id: dict[str, list[S]] = {entry.id: [] for entry in catalogue.chosen}
    for sample in sorted(chosen, key=lambda sample: sample.k):
        by_id[sample.id or ""].append(sample)
    return Submission(
        manifest=manifest,
        samples={name: own for name, own in by_id.items() if own},
        ks=sorted({sample.k for sample in chosen}),
        passed_over=len(found) - len(chosen),
    )


def _manifest(path: Path, dataset: Path, split: str | None) -> dict[str, Any] | None:
    """The checked manifest, or None if there is none."""
    if not path.is_file():
        return None
    stated = read_object(path)
    for name, value in stated.items():
        if name not in FIELDS:
            raise UnknownName("manifest field", name, FIELDS, str(path))
        if not isinstance(value, FIELDS[name]) or isinstance(value, bool):
            wanted = " or ".join(kind.__name__ for kind in FIELDS[name])
            raise InvalidInput(f"{path}: {name} must be {wanted}, got {value!r}.")
    if stated.get("schema_version") != SCHEMA_VERSION:
        raise InvalidInput(f"{path}: schema_version must be {SCHEMA_VERSION}, got {stated.get('schema_version')!r}.")
    ours = manifests.sha256_of(dataset / manifests.MANIFEST)
    if stated.get("dataset_sha256", ours) != ours:
        raise InvalidInput(f"{path}: made for another dataset (dataset_sha256 is not that of {dataset}/manifest.json).")
    if "split" in stated and stated["split"] != split:
        raise InvalidInput(f"{path}: made for split {stated['split']!r}. Score it with --split {stated['split']}.")
    return stated

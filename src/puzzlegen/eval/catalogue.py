"""The instances that a submission is scored against: which ids there are, which are chosen, and in which order."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from puzzlegen.errors import InvalidInput, UnknownName
from puzzlegen.shards.reader import ShardDataset


class Entry(NamedTuple):
    """What is known of an instance without reading its puzzle."""

    place: int
    """Its row in the whole dataset."""
    id: str
    task: str
    level: str
    split: str
    look_name: str
    num_actions: int
    """Of the stored solution."""


FACTS = Entry._fields[1:]
"""Columns of the dataset that are known of an instance."""


class Catalogue:
    """All instances of a dataset, and those of them that are to be scored."""

    def __init__(self, folder: Path, split: str | None = None, tasks: Sequence[str] = ()) -> None:
        """Read what is known of every instance.

        Args:
            folder: of the dataset.
            split: score only this split; all if None.
            tasks: score only these; all if empty.

        Raises:
            UnknownName: the dataset has no such split or task.
            InvalidInput: nothing is left.
            OutputError, CorruptData: as `ShardDataset`.
        """
        self.folder = folder
        dataset = ShardDataset(folder)
        columns = [dataset.column(name) for name in FACTS]
        entries = [Entry(place, *facts) for place, facts in enumerate(zip(*columns, strict=True))]
        for kind, value, known in [("split", split, "split"), *(("task", task, "task") for task in tasks)]:
            names = sorted({getattr(entry, known) for entry in entries})
            if value is not None and value not in names:
                raise UnknownName(kind, value, names, str(folder))
        self._entries = {entry.id: entry for entry in entries}
        self.chosen = [
            entry for entry in entries if split in (None, entry.split) and (not tasks or entry.task in tasks)
        ]
        if not self.chosen:
            raise InvalidInput(f"{folder} has no instance of this split and task.")
        self.tasks = sorted({entry.task for entry in self.chosen})
        self._chosen_ids = {entry.id for entry in self.chosen}

    def __contains__(self, name: str) -> bool:
        return name in self._entries

    def __getitem__(self, name: str) -> Entry:
        return self._entries[name]

    def is_chosen(self, name: str) -> bool:
        """Whether this instance of the dataset is to be scored."""
        return name in self._chosen_ids

    def named(self, name: str) -> str | None:
        """The name if the dataset has an instance of this id."""
        return name if name in self else None

    def at(self, number: int, **where: str) -> str | None:
        """The id at a position, from 0, among the chosen rows with these facts, such as level="hard"."""
        ids = self._ids(tuple(sorted(where.items())))
        return ids[number] if number < len(ids) else None

    @functools.cache  # noqa: B019 - a catalogue lives as long as its run
    def _ids(self, where: tuple[tuple[str, str], ...]) -> list[str]:
        return [entry.id for entry in self.chosen if all(getattr(entry, name) == value for name, value in where)]

"""One clip of a dataset: its columns, and what can be made of them."""

from __future__ import annotations

import base64
import html
import json
from collections.abc import Iterable, Iterator, Mapping
from itertools import repeat
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from puzzlegen import canonical, registry
from puzzlegen.errors import InvalidInput, UnknownName
from puzzlegen.render import video
from puzzlegen.render.formats import ClipFormat
from puzzlegen.render.looks import Look
from puzzlegen.render.motion import pace
from puzzlegen.render.raster import Painter, fit
from puzzlegen.render.video import Run
from puzzlegen.replay import replay
from puzzlegen.task import Task
from puzzlegen.types import Instance, Origin, Solution


class Row(Mapping[str, Any]):
    """One clip: columns by name, and what can be made of them."""

    def __init__(self, columns: Mapping[str, Any]) -> None:
        self._columns = columns

    def __getitem__(self, name: str) -> Any:
        if name not in self._columns:
            raise UnknownName("column", name, self._columns)
        return self._columns[name]

    def __contains__(self, name: object) -> bool:
        return name in self._columns

    def get(self, name: str, default: Any = None) -> Any:
        """The column, or the default if there is none of this name."""
        try:
            return self[name]
        except UnknownName:
            return default

    def __iter__(self) -> Iterator[str]:
        return iter(self._columns)

    def __len__(self) -> int:
        return len(self._columns)

    @property
    def video(self) -> bytes:
        """The mp4."""
        data: bytes = self["video"]["bytes"]
        return data

    @property
    def clip(self) -> ClipFormat:
        """Size, length and rate."""
        return ClipFormat(**{name: self[name] for name in ("width", "height", "num_frames", "fps")})

    @property
    def look(self) -> Look:
        """Colors and shapes of the clip."""
        return canonical.decode(Look, json.loads(self["look"]), f"{self['id']} look")

    @property
    def task(self) -> Task[Any, Any]:
        """The rules. Raises UnknownName if the recipe's package is not installed."""
        return registry.load(self["task"]).task

    @property
    def start(self) -> Any:
        """The start state."""
        return canonical.decode(self.task.State, json.loads(self["puzzle"]), f"{self['id']} puzzle")

    def instance(self) -> Instance[Any]:
        """The puzzle with its key, its solution and its identity, as it was drawn."""
        key = {name: self[name] for name in ("level", "seed", "index", "attempt")}
        return Instance(
            origin=Origin(recipe=self["task"], **key),
            start=self.start,
            solution=Solution(
                actions=tuple(self["actions"]),
                optimal=self["optimal"],
                unique=self["unique"],
                measures=json.loads(self["measures"]),
            ),
            digest=self["digest"],
            structure=self["structure_digest"],
            split=self["split"],
        )

    def runs(self) -> Iterator[Run]:
        """The pictures drawn again from puzzle, actions and look, before the codec, each with how long it stays.

        One canvas [H * 3/2, W] of YUV 4:2:0, drawn on again and again: copy what is to be kept.
        """
        task, start, clip = self.task, self.start, self.clip
        painter = Painter(task.backdrop(start), fit(task.shape(start), clip), clip, self.look)
        return painter.runs(task, replay(task, start, self["actions"]), pace(len(self["actions"]), clip))

    def canvases(self) -> Iterator[NDArray[np.uint8]]:
        """The same, frame by frame."""
        for canvas, count in self.runs():
            yield from repeat(canvas, count)

    def states(self) -> tuple[Any, ...]:
        """The start state and the one after each action."""
        return replay(self.task, self.start, self["actions"]).states

    def frames(
        self, source: Literal["video", "render"] = "video", *, at: Iterable[int] | None = None
    ) -> NDArray[np.uint8]:
        """Frames as RGB [T, H, W, 3].

        Args:
            source: "video" decodes the mp4; "render" draws the clip again, exactly as it was before encoding.
            at: numbers of the frames, which come in ascending order; all if not given. Early ones are cheap.

        Raises:
            UnknownName: no such source.
            InvalidInput: there is no such frame.
        """
        wanted = None if at is None else sorted(set(at))
        if wanted is not None and (not wanted or wanted[0] < 0 or wanted[-1] >= self["num_frames"]):
            raise InvalidInput(f"{self['id']} has frames 0 to {self['num_frames'] - 1}, not {wanted}.")
        if source == "video":
            return video.decode_rgb(self.video, wanted)
        if source != "render":
            raise UnknownName("source of frames", source, ("video", "render"))
        if wanted is None:
            return video.runs_to_rgb(self.runs(), self["num_frames"])
        return video.runs_to_rgb(self.runs(), wanted[-1] + 1)[wanted]

    def __repr__(self) -> str:
        return f"Row({self.get('id')!r}, {len(self)} columns)"

    def _repr_html_(self) -> str | None:
        """What a notebook shows of a row: the clip, and what it is of; nothing else if a column of these is missing."""
        if not {"video", "width", "id", "prompt", "num_actions", "action_line"} <= set(self):
            return None
        source = f"data:video/mp4;base64,{base64.b64encode(self.video).decode()}"
        facts = (self["id"], self["prompt"], f"{self['num_actions']} actions: {self['action_line']}")
        told = "".join(f"<div>{html.escape(fact)}</div>" for fact in facts)
        return f'<video controls loop autoplay muted width="{min(self["width"], 480)}" src="{source}"></video>{told}'

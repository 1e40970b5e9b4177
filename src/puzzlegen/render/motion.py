"""Pacing: which frame each action ends at, and how far a gliding mark is between two cells."""

from __future__ import annotations

from dataclasses import dataclass

from puzzlegen.errors import Rejected
from puzzlegen.render.formats import ClipFormat

HOLD_END = 4
"""Frames that show the solved state at least: one latent frame of a video model with 4x temporal compression."""
_HOLD_START = 4
_SLOWEST = 8
"""Frames per action at most, so that short solutions do not crawl."""


@dataclass(frozen=True, slots=True)
class Timeline:
    """A clip's plan: hold the start, then the same number of frames for each action, then hold the end."""

    hold_start: int
    frames_per_action: int
    num_actions: int
    num_frames: int

    @property
    def action_frames(self) -> list[int]:
        """The frame in which each action has ended: the first that shows the next state at rest."""
        return [self.hold_start - 1 + self.frames_per_action * (done + 1) for done in range(self.num_actions)]

    @property
    def last_keyframe(self) -> int:
        """The first frame that shows the last state at rest."""
        return self.hold_start - 1 + self.frames_per_action * self.num_actions


def pace(num_actions: int, clip: ClipFormat) -> Timeline:
    """Spread the actions over a clip. Raises Rejected when they do not fit at one frame each."""
    each = frames_per_action(num_actions, clip)
    if not each:
        raise Rejected("solution too long for the clip")
    spare = clip.num_frames - each * num_actions
    return Timeline(min(_HOLD_START, spare - HOLD_END), each, num_actions, clip.num_frames)


def frames_per_action(num_actions: int, clip: ClipFormat) -> int:
    """How many frames each action of a clip takes; 0 if there are too many actions."""
    return min(_SLOWEST, (clip.num_frames - 1 - HOLD_END) // max(1, num_actions))


def even_offset(distance_px: int, part: int, whole: int) -> int:
    """How far something has moved after `part` of `whole` frames, rounded to even pixels."""
    return 2 * round(distance_px * part / whole / 2)

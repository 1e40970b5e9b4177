"""What the codes of violations mean, in a few words for people."""

from __future__ import annotations

MEANINGS = {
    "BAD_START": "the first frame does not show the puzzle's start",
    "BOX_COUNT": "a box appeared, vanished or changed",
    "BRANCH": "a line branches, loops or has a loose end",
    "CROSSING": "a line runs over another",
    "END_STATE": "the last frame does not show a solved puzzle",
    "GOAL_CHANGED": "a goal moved, vanished or was drawn anew",
    "ILLEGAL_ACTION": "an action in words that the rules forbid, or none at all",
    "ILLEGAL_PUSH": "something was pushed that cannot be pushed",
    "JUMP": "something moved without passing the cells between",
    "LAYOUT_CHANGED": "walls or floor are not those of the puzzle",
    "MISSING": "no video was handed in",
    "MULTI_AGENT": "there is more than one agent, or none",
    "NO_PROCESS": "the solution appears without its steps",
    "NO_PROGRESS": "nothing happens",
    "OUT_OF_VIEW": "a part of the board left the picture",
    "OVERPAINT": "more was painted than a line",
    "UNPARSED": "the frames cannot be read",
    "WALL_HIT": "something went through a wall",
}
"""Of a code that is not here, the code itself has to say it."""

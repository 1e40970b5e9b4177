"""Sokoban: push every box onto a goal, in the fewest moves. `Sokoban` is the task."""

from puzzlegen.tasks.sokoban.rules import Sokoban as Sokoban
from puzzlegen.tasks.sokoban.rules import SokobanParams as SokobanParams
from puzzlegen.tasks.sokoban.state import SokobanState as SokobanState

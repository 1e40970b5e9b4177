"""Maze: walk from the start to the goal along a shortest path. `Maze` is the task."""

from puzzlegen.tasks.maze.rules import Maze as Maze
from puzzlegen.tasks.maze.rules import MazeParams as MazeParams
from puzzlegen.tasks.maze.state import MazeState as MazeState

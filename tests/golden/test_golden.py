"""Golden puzzles: what a key gives today must be what it gave when its version was written down.

`puzzles.json` holds, for each "TASK vRULES.RECIPE", the puzzles and pixels of a few keys. A change of rules, solver,
recipe or drawing that alters them needs a higher `version` in the rules or in the recipe; then add the new values:

    python tests/golden/test_golden.py --write

Values of a version that is written down are never replaced; remove them by hand if they were never published.
"""

from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path

import pytest

from puzzlegen import registry
from puzzlegen.generate import sample
from puzzlegen.render.formats import FORMATS
from puzzlegen.shards.row import Row

FILE = Path(__file__).parent / "puzzles.json"
TASKS = ("maze", "flowfree", "sokoban")
LEVELS = ("tiny", "easy", "medium", "hard")
PUZZLES = 3
CLIP = "square256"

Values = dict[str, list[dict[str, str]]]


def key_of(task: str) -> str:
    recipe = registry.load(task)
    return f"{task} v{recipe.task.version}.{recipe.version}"


def values_of(task: str, level: str) -> list[dict[str, str]]:
    """Digest, actions, and sha256 of the pixels before the codec, of the first puzzles of seed 0."""
    recipe = registry.load(task)
    stream = sample.Stream(recipe=task, level=level, seed=0, clip=FORMATS[CLIP])
    found = []
    for index in range(PUZZLES):
        row = Row(sample.render(recipe, stream, sample.draft(recipe, stream, index)))
        pixels = hashlib.sha256()
        for canvas in row.canvases():
            pixels.update(canvas)
        found.append({"digest": row["digest"], "actions": row["action_line"], "pixels": pixels.hexdigest()})
    return found


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("task", TASKS)
def test_keys_give_what_they_gave(task: str, level: str) -> None:
    written: dict[str, Values] = json.loads(FILE.read_text())
    key = key_of(task)
    assert key in written, f"{key} is new: run python tests/golden/test_golden.py --write"
    for index, (now, then) in enumerate(zip(values_of(task, level), written[key][level], strict=True)):
        changed = [name for name in then if now[name] != then[name]]
        assert not changed, (
            f"{task}:{level} index {index} of {key} has other {', '.join(changed)} than before: raise the version of "
            "the rules or of the recipe, then run python tests/golden/test_golden.py --write"
        )


def write() -> None:
    """Add the values of versions that are not written down yet; refuse if those of a written one have changed."""
    written: dict[str, Values] = json.loads(FILE.read_text()) if FILE.exists() else {}
    for task in TASKS:
        key, values = key_of(task), {level: values_of(task, level) for level in LEVELS}
        if written.setdefault(key, values) != values:
            sys.exit(f"{key} gives other puzzles or pixels than written down. Raise the version first.")
    FILE.write_text(json.dumps(written, indent=1) + "\n")


if __name__ == "__main__":
    if sys.argv[1:] != ["--write"]:
        sys.exit(__doc__)
    write()

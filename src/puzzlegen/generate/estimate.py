"""`generate --dry-run`: what a request will cost, from a few sample clips that are thrown away."""

from __future__ import annotations

import time
from typing import Any

from puzzlegen import registry
from puzzlegen.generate import sample
from puzzlegen.generate.plan import Request

_SAMPLES = 3


def estimate(request: Request, workers: int) -> dict[str, Any]:
    """Clips, shards, bytes, CPU time a clip by level, and seconds with this many workers.

    Raises:
        InvalidInput: the request would be refused.
    """
    levels: list[dict[str, Any]] = []
    for stream in request.streams:
        recipe = registry.load(stream.recipe)
        sample.check_stream(recipe, stream)
        sample.render(recipe, stream, sample.draft(recipe, stream, 0))  # warm up
        started = time.process_time()
        rows = [sample.render(recipe, stream, sample.draft(recipe, stream, index)) for index in range(_SAMPLES)]
        spent = (time.process_time() - started) / _SAMPLES
        media = ("video", "first_frame", "final_frame")
        levels.append(
            {
                "level": f"{recipe.name}:{stream.level}",
                "clips": request.num,
                "cpu_ms_per_clip": 1000 * spent,
                "bytes_per_clip": sum(len(row[name]["bytes"]) for row in rows for name in media) / _SAMPLES,
            }
        )
    clips = request.num * len(request.streams)
    return {
        "levels": levels,
        "clips": clips,
        "shards": -(-clips // request.shard_rows),
        "bytes": request.num * sum(level["bytes_per_clip"] for level in levels),
        "seconds": request.num * sum(level["cpu_ms_per_clip"] for level in levels) / 1000 / workers,
        "samples_per_level": _SAMPLES,
    }

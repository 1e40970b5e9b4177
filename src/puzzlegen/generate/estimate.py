"""`generate --dry-run`: what a request will cost, from a few sample clips that are thrown away."""

from __future__ import annotations

import resource
import sys
import time
from typing import Any

from puzzlegen import registry
from puzzlegen.generate import sample
from puzzlegen.generate.plan import Request

_SAMPLES = 3


def estimate(request: Request, workers: int) -> dict[str, Any]:
    """Clips, units, shards, bytes, CPU time by level, and seconds and memory with this many workers.

    The memory of a worker is what this process needed for the samples: it does not grow with the number of clips.

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
        size = sum(len(row[name]["bytes"]) for row in rows for name in media) / _SAMPLES
        levels.append(
            {
                "level": f"{recipe.name}:{stream.level}",
                "clips": request.num,
                "cpu_ms_per_clip": 1000 * spent,
                "cpu_seconds": request.num * spent,
                "bytes_per_clip": size,
                "bytes": request.num * size,
            }
        )
    memory = _most_memory()
    return {
        "levels": levels,
        "clips": request.size,
        "units": request.num_units,
        "unit_clips": len(request.positions(0)),
        "shards": -(-request.size // request.shard_rows),
        "bytes": sum(level["bytes"] for level in levels),
        "seconds": sum(level["cpu_seconds"] for level in levels) / workers,
        "worker_memory_bytes": memory,
        "memory_bytes": memory * (workers + 1 if workers > 1 else 1),
        "samples_per_level": _SAMPLES,
    }


def _most_memory() -> int:
    """Bytes that this process has held at most."""
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * 1024

"""Rows of clips to tables of rates: overall, by task, level, optimal length, look and split; two models compared.

A row is one of scores.parquet (see `records.schema`): `pyarrow.parquet.read_table(path).to_pylist()` gives them.
Missing videos have rows too, so that every rate is over all clips. The result holds plain JSON values; None stands for
what no clip has.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from puzzlegen.errors import InvalidInput
from puzzlegen.eval.intervals import paired_bootstrap, wilson
from puzzlegen.eval.samples import Sample, best_at_k, maj_at_k, mean_pass_at_k

Row = Mapping[str, Any]

RATES = {"parse_rate": "parsed", "sr": "sr", "sr_goal": "sr_goal", "sr_final": "sr_final", "em": "em"}
RATES |= {"em_actions": "em_actions"}
"""Name in the summary -> column: shares of clips, each with a Wilson interval beside it."""
MEANS = {"precision": "precision", "recall": "recall", "f1": "f1", "progress": "progress"}
MEANS |= {"reward": "reward", "confidence": "confidence"}
"""Name in the summary -> column: means over all clips."""
VRBENCH = ("pr", "sr", "sd", "em")
COMPARED = ("sr", "sr_goal", "sr_final", "em", "em_actions", "f1", "progress", "reward")
"""Columns whose means two models are compared by."""
LENGTH_BINS = ((6, "<=6"), (12, "7-12"), (20, "13-20"))
LONGEST_BIN = ">20"


def length_bin(num_actions: int) -> str:
    """Which bin of optimal lengths: <=6, 7-12, 13-20, >20 actions."""
    return next((name for most, name in LENGTH_BINS if num_actions <= most), LONGEST_BIN)


BREAKDOWNS: dict[str, Callable[[Row], str]] = {
    "level": lambda row: str(row["level"]),
    "length": lambda row: length_bin(row["num_actions"]),
    "look": lambda row: str(row["look_name"]),
    "split": lambda row: str(row["split"]),
}


def summarize(rows: Sequence[Row]) -> dict[str, Any]:
    """`{"overall": table, "tasks": {task: table}}`; a table is `tabulate`'s with `by_level`, `by_length` and so on.

    Raises InvalidInput if two rows are of one sample of one puzzle.
    """
    twice = [key for key, count in Counter((row["id"], row["k"]) for row in rows).items() if count > 1]
    if twice:
        raise InvalidInput(f"Sample {twice[0][1]} of {twice[0][0]} is there twice; give every clip one row.")
    tasks = _grouped(rows, lambda row: str(row["task"]))
    return {
        "overall": _with_breakdowns(rows),
        "tasks": {name: _with_breakdowns(own) for name, own in tasks.items()},
    }


def tabulate(rows: Sequence[Row]) -> dict[str, Any]:
    """All numbers of one group of clips.

    `n` clips of `instances` puzzles; each of RATES with `<rate>_interval` [low, high]; MEANS, of which `f1` is the mean
    of the clips' F1; `f1_of_means`, the F1 of mean precision and mean recall; `sd` over the `sd_count` clips that
    solve; `violations`, clips by code; `vrbench` means; `pass_at`, `maj_at` and `best_at` (an oracle) by k ("1", "2",
    ...), up to the fewest samples that a puzzle of the group has.
    """
    rates: dict[str, Any] = {}
    for name, column in RATES.items():
        hits = sum(bool(row[column]) for row in rows)
        rates[name] = hits / len(rows) if rows else None
        rates[f"{name}_interval"] = list(wilson(hits, len(rows)))
    means = {name: _mean(row[column] for row in rows) for name, column in MEANS.items()}
    samples = _samples(rows)
    return {
        "n": len(rows),
        "instances": len(samples),
        **rates,
        **means,
        "f1_of_means": _harmonic(means["precision"], means["recall"]),
        "sd": _mean(row["sd"] for row in rows),
        "sd_count": sum(row["sd"] is not None for row in rows),
        "violations": dict(sorted(Counter(str(row["violation"]) for row in rows if row["violation"]).items())),
        "vrbench": _vrbench(rows),
        **_at_k(samples),
    }


def compare(rows_a: Sequence[Row], rows_b: Sequence[Row], rng_seed: int = 0) -> dict[str, Any]:
    """How much higher model a is than b on the puzzles that both have: `{column: {a, b, difference, low, high}}`.

    A puzzle's value is the mean over its samples; the interval is a paired bootstrap over puzzles. `instances` counts
    the shared puzzles, `only_a` and `only_b` the others. Raises InvalidInput if none is shared.
    """
    of_a, of_b = _grouped(rows_a, _instance), _grouped(rows_b, _instance)
    shared = sorted(of_a.keys() & of_b.keys())
    if not shared:
        raise InvalidInput("The two models have no puzzle in common; score both on the same instances.")
    result: dict[str, Any] = {
        "instances": len(shared),
        "only_a": len(of_a) - len(shared),
        "only_b": len(of_b) - len(shared),
    }
    for column in COMPARED:
        a, b = ([_average(own[key], column) for key in shared] for own in (of_a, of_b))
        difference, low, high = paired_bootstrap(a, b, rng_seed)
        result[column] = {"a": _mean(a), "b": _mean(b), "difference": difference, "low": low, "high": high}
    return result


def _with_breakdowns(rows: Sequence[Row]) -> dict[str, Any]:
    return tabulate(rows) | {
        f"by_{name}": {key: tabulate(own) for key, own in _grouped(rows, value_of).items()}
        for name, value_of in BREAKDOWNS.items()
    }


def _grouped(rows: Iterable[Row], key_of: Callable[[Row], str]) -> dict[str, list[Row]]:
    """Rows by key, keys in order: bins of length from short to long, all others by name."""
    groups: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        groups[key_of(row)].append(row)
    bins = [*(name for _, name in LENGTH_BINS), LONGEST_BIN]
    return dict(sorted(groups.items(), key=lambda group: (bins.index(group[0]) if group[0] in bins else 0, group[0])))


def _instance(row: Row) -> str:
    return str(row["id"])


def _samples(rows: Sequence[Row]) -> list[list[Sample]]:
    """The clips of each puzzle in the order of their numbers."""
    return [
        [
            Sample(trace=row["trace"], parsed=bool(row["parsed"]), solved=bool(row["sr"]))
            for row in sorted(own, key=lambda row: row["k"])
        ]
        for own in _grouped(rows, _instance).values()
    ]


def _at_k(puzzles: Sequence[Sequence[Sample]]) -> dict[str, dict[str, float]]:
    """pass@k, maj@k and best@k for every k that all puzzles have samples for."""
    ks = range(1, min(map(len, puzzles), default=0) + 1)
    counts = [(len(samples), sum(sample.solved for sample in samples)) for samples in puzzles]
    return {
        "pass_at": {str(k): mean_pass_at_k(counts, k) for k in ks},
        "maj_at": {str(k): sum(maj_at_k(samples, k) for samples in puzzles) / len(puzzles) for k in ks},
        "best_at": {str(k): sum(best_at_k(samples, k) for samples in puzzles) / len(puzzles) for k in ks},
    }


def _vrbench(rows: Sequence[Row]) -> dict[str, float | None]:
    """Means over the clips of tasks that have these metrics at all: a failed clip's zeros say nothing of that."""
    without = {row["task"] for row in rows if row["vrbench_pr"] is None}
    own = [row for row in rows if row["task"] not in without]
    return {name: _mean(row[f"vrbench_{name}"] for row in own) for name in VRBENCH}


def _mean(values: Iterable[float | None]) -> float | None:
    """Mean of the values that are there; None of none."""
    there = [float(value) for value in values if value is not None]
    return math.fsum(there) / len(there) if there else None


def _average(rows: Sequence[Row], column: str) -> float:
    return math.fsum(float(row[column]) for row in rows) / len(rows)


def _harmonic(precision: float | None, recall: float | None) -> float | None:
    if precision is None or recall is None:
        return None
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0

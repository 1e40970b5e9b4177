"""Tables of rates from rows written by hand."""

from __future__ import annotations

import json
from typing import Any

import pytest

from puzzlegen.errors import InvalidInput
from puzzlegen.eval.intervals import paired_bootstrap, wilson
from puzzlegen.eval.metrics import failed_metrics
from puzzlegen.eval.summary import compare, length_bin, summarize, tabulate

PUZZLE = {"k": 0, "task": "maze", "level": "easy", "num_actions": 5, "look_name": "plain", "split": "test"}
SOLVED = {
    **failed_metrics(""), "parsed": True, "sr": True, "sr_goal": True, "sr_final": True, "em": True, "violation": None,
    "precision": 1.0, "recall": 1.0, "f1": 1.0, "progress": 1.0, "sd": 0.0, "trace": "RR", "reward": 1.0,
    "confidence": 1.0, "vrbench_pr": 1.0, "vrbench_sr": True, "vrbench_sd": 0.0, "vrbench_em": True,
}  # fmt: skip
READ = {**failed_metrics("JUMP"), "reward": 0.0, "parsed": True, "confidence": 0.5, "trace": "R"}


def solved(name: str, **columns: Any) -> dict[str, Any]:
    return {**PUZZLE, "id": name, **SOLVED, **columns}


def wrong(name: str, **columns: Any) -> dict[str, Any]:
    return {**PUZZLE, "id": name, **READ, **columns}


def missing(name: str, **columns: Any) -> dict[str, Any]:
    return {**PUZZLE, "id": name, **failed_metrics("MISSING"), "reward": 0.0, **columns}


def test_missing_clips_are_in_every_denominator() -> None:
    table = tabulate([solved("a"), solved("b", sd=0.5), wrong("c", sr_goal=True), missing("d")])
    assert (table["n"], table["instances"]) == (4, 4)
    assert (table["parse_rate"], table["sr"], table["sr_goal"], table["em"]) == (0.75, 0.5, 0.75, 0.5)
    assert (table["f1"], table["progress"], table["reward"], table["confidence"]) == (0.5, 0.5, 0.5, 0.625)
    assert table["sr_interval"] == list(wilson(2, 4))
    assert table["parse_rate_interval"] == list(wilson(3, 4))
    assert (table["sd"], table["sd_count"]) == (0.25, 2)
    assert table["pass_at"] == table["maj_at"] == table["best_at"] == {"1": 0.5}  # touching the goal does not solve
    assert table["violations"] == {"JUMP": 1, "MISSING": 1}


def test_both_ways_to_average_f1() -> None:
    table = tabulate([wrong("a", precision=1.0, recall=0.5, f1=2 / 3), wrong("b")])
    assert table["f1"] == pytest.approx(1 / 3)
    assert table["f1_of_means"] == pytest.approx(2 * 0.5 * 0.25 / 0.75)
    assert tabulate([wrong("a")])["f1_of_means"] == 0.0


def test_samples_of_one_puzzle_are_joined_in_their_order() -> None:
    rows = [solved("a", k=1), wrong("a", k=0), wrong("b", k=2), wrong("b", k=0)]
    rows += [solved("b", k=1), missing("a", k=2)]
    table = tabulate(rows)
    assert (table["n"], table["instances"]) == (6, 2)
    assert table["pass_at"] == pytest.approx({"1": 1 / 3, "2": 2 / 3, "3": 1.0})
    assert table["best_at"] == {"1": 0.0, "2": 1.0, "3": 1.0}
    assert table["maj_at"] == {"1": 0.0, "2": 0.0, "3": 0.0}  # ties go to "R", which is before "RR"


def test_k_ends_with_the_fewest_samples() -> None:
    rows = [solved("a"), wrong("b"), wrong("b", k=1)]
    assert list(tabulate(rows)["pass_at"]) == list(tabulate(rows)["maj_at"]) == ["1"]
    assert list(tabulate(rows[1:])["pass_at"]) == ["1", "2"]


def test_tables_by_task_level_length_look_and_split() -> None:
    rows = [
        solved("a", num_actions=30, look_name="dark"),
        wrong("b", level="hard", num_actions=7, split="train"),
        solved("c", task="sokoban", num_actions=8),
    ]
    summary = summarize(rows)
    assert {name: table["n"] for name, table in summary["tasks"].items()} == {"maze": 2, "sokoban": 1}
    maze = summary["tasks"]["maze"]
    assert {name: table["sr"] for name, table in maze["by_level"].items()} == {"easy": 1.0, "hard": 0.0}
    assert [(name, table["n"]) for name, table in summary["overall"]["by_length"].items()] == [("7-12", 2), (">20", 1)]
    assert {name: table["sr"] for name, table in maze["by_look"].items()} == {"dark": 1.0, "plain": 0.0}
    assert {name: table["sr"] for name, table in maze["by_split"].items()} == {"test": 1.0, "train": 0.0}
    assert summary["overall"]["sr"] == pytest.approx(2 / 3)


def test_bins_of_length() -> None:
    edges = {1: "<=6", 6: "<=6", 7: "7-12", 12: "7-12", 13: "13-20", 20: "13-20", 21: ">20"}
    assert {length: length_bin(length) for length in edges} == edges
    rows = [wrong(str(length), num_actions=length) for length in reversed(edges)]
    assert list(summarize(rows)["overall"]["by_length"]) == ["<=6", "7-12", "13-20", ">20"]


def test_summaries_are_plain_json() -> None:
    for rows in ([], [missing("a")], [solved("a"), wrong("b", sr=False)]):
        summary = summarize(rows)
        assert json.loads(json.dumps(summary, allow_nan=False)) == summary
    empty = summarize([])["overall"]
    assert (empty["n"], empty["sr"], empty["f1"], empty["sd"], empty["pass_at"]) == (0, None, None, None, {})


def test_tasks_without_vrbench_columns_do_not_lower_the_others() -> None:
    bare = dict.fromkeys(("vrbench_pr", "vrbench_sr", "vrbench_sd", "vrbench_em"))
    rows = [solved("a"), wrong("b"), solved("c", task="flowfree", **bare), missing("d", task="flowfree")]
    assert tabulate(rows)["vrbench"] == {"pr": 0.5, "sr": 0.5, "sd": 0.0, "em": 0.5}
    assert tabulate(rows[3:])["vrbench"] == {"pr": 0.0, "sr": 0.0, "sd": None, "em": 0.0}  # who can tell
    assert tabulate(rows[2:])["vrbench"] == dict.fromkeys(("pr", "sr", "sd", "em"))


def test_a_clip_with_two_rows_is_refused() -> None:
    with pytest.raises(InvalidInput, match="Sample 0 of a"):
        summarize([solved("a"), wrong("a")])


def test_models_are_compared_on_the_puzzles_that_both_have() -> None:
    ours = [solved("a"), solved("b"), wrong("c"), solved("c", k=1), solved("x")]
    theirs = [wrong("b"), solved("c"), missing("a"), wrong("y"), wrong("z")]
    found = compare(ours, theirs, rng_seed=3)
    assert (found["instances"], found["only_a"], found["only_b"]) == (3, 1, 2)
    difference, low, high = paired_bootstrap([1, 1, 0.5], [0, 0, 1], 3)
    assert found["sr"] == {
        "a": pytest.approx(2.5 / 3), "b": pytest.approx(1 / 3), "difference": difference, "low": low, "high": high,
    }  # fmt: skip
    assert found == compare(ours, theirs, rng_seed=3)
    assert json.loads(json.dumps(found, allow_nan=False)) == found


def test_a_comparison_without_common_puzzles_is_refused() -> None:
    with pytest.raises(InvalidInput, match="no puzzle in common"):
        compare([solved("a")], [solved("b")])

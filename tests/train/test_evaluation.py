"""Held-out puzzles: a perfect model solves all, an idle one none; batches change nothing; videos can be handed in."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="training needs puzzlegen[train]")

import numpy as np  # noqa: E402
from PIL import Image  # noqa: E402
from torch import Tensor  # noqa: E402

from puzzlegen.errors import InvalidInput  # noqa: E402
from puzzlegen.eval.intervals import wilson  # noqa: E402
from puzzlegen.render import video  # noqa: E402
from puzzlegen.shards.reader import ShardDataset  # noqa: E402
from puzzlegen.shards.row import Row  # noqa: E402
from puzzlegen.train.adapters.toy import ToyPolicy  # noqa: E402
from puzzlegen.train.conditioning import Condition  # noqa: E402
from puzzlegen.train.configs import ToyModel  # noqa: E402
from puzzlegen.train.evaluation import (  # noqa: E402
    Evaluation,
    Verdict,
    evaluate,
    losses_on,
    sample_clips,
    write_submissions,
)
from puzzlegen.train.flow import losses_by_sigma  # noqa: E402
from runs import called, contents  # noqa: E402
from tiny_wan import tiny_toy  # noqa: E402

TOY = ToyModel(labels=("flowfree", "maze"), layers=1, heads=2, head_dim=12, ffn_dim=16, patch=8)


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four mazes and four boards of FlowFree."""
    folder = tmp_path_factory.mktemp("held-out") / "d"
    options = ("--num", 4, "--format", "32x32x21@8", "--seed", 5)
    done = called("generate", "maze:tiny", "flowfree:tiny", *options, "--out", folder)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture(scope="module")
def rows(dataset: Path) -> list[Row]:
    return list(ShardDataset(dataset))


def towards(rows: Sequence[Row], ending: Callable[[Tensor], Tensor]) -> ToyPolicy:
    """A model whose flow leads straight to what `ending` makes of the latents [C, T, H, W] of the stored clip."""
    policy = tiny_toy(TOY)
    stored = [policy.encode(torch.from_numpy(row.frames())[None])[0] for row in rows]

    def velocity(x_BCTHW: Tensor, sigma_B: Tensor, condition: Condition) -> Tensor:
        ends = []
        for first_C1HW in condition.first_BC1HW:
            (own,) = [z for z in stored if torch.equal(z[:, :1], first_C1HW)]
            ends.append(ending(own))
        return (x_BCTHW - torch.stack(ends)) / sigma_B.float()[:, None, None, None, None]

    policy.velocity = velocity  # type: ignore[method-assign]
    return policy


def perfect(rows: Sequence[Row]) -> ToyPolicy:
    return towards(rows, lambda z: z)


def idle(rows: Sequence[Row]) -> ToyPolicy:
    return towards(rows, lambda z: z[:, :1].expand_as(z))


def judged(policy: ToyPolicy, rows: Sequence[Row], **options: Any) -> Evaluation:
    return evaluate(policy, rows, **{"num_steps": 3, "seed": 0, "batch": 4, **options})


def test_a_perfect_model_solves_all_and_an_idle_one_nothing(rows: list[Row]) -> None:
    good, bad = judged(perfect(rows), rows), judged(idle(rows), rows)
    assert [verdict.id for verdict in good.verdicts] == [row["id"] for row in rows]
    assert all(verdict.solved and verdict.value == 1 and not verdict.codes for verdict in good.verdicts)
    assert not any(verdict.solved or verdict.value for verdict in bad.verdicts)
    assert {verdict.codes[0] for verdict in bad.verdicts} == {"NO_PROGRESS"}
    assert good.scalars()["success"] == good.scalars()["success/maze"] == good.scalars()["eval_reward/flowfree"] == 1
    assert bad.scalars()["success"] == bad.scalars()["eval_reward/maze"] == 0


def test_rates_are_by_task_with_their_intervals() -> None:
    def verdict(task: str, solved: bool, value: float) -> Verdict:
        return Verdict(id="x", task=task, level="tiny", solved=solved, value=value, codes=())

    found = Evaluation((verdict("b", True, 1.0), verdict("a", False, 0.25), verdict("b", False, 0.5)))
    expected = {"eval_reward": 1.75 / 3, "eval_reward/a": 0.25, "eval_reward/b": 0.75}
    for suffix, solved, total in (("", 1, 3), ("/a", 0, 1), ("/b", 1, 2)):
        low, high = wilson(solved, total)
        expected |= {f"success{suffix}": solved / total, f"success_low{suffix}": low, f"success_high{suffix}": high}
    assert found.scalars() == pytest.approx(expected)
    assert str(found) == "success 1/3 33% [6, 79]   a 0/1 0% [0, 79]   b 1/2 50% [9, 91]"


def test_neither_batches_nor_the_order_of_rows_change_a_clip(rows: list[Row]) -> None:
    policy = tiny_toy(TOY)

    def clips(chosen: Sequence[Row], **options: Any) -> dict[str, Any]:
        options = {"num_steps": 2, "seed": 0, "batch": 5, **options}
        return {row["id"]: frames.astype(int) for row, frames in sample_clips(policy, chosen, **options)}

    expected = clips(rows)
    first = policy.encode(torch.from_numpy(np.stack([row.frames() for row in rows])))[:, :, :1]
    for other in (clips(rows, batch=1), clips(rows[::-1]), clips(rows, first_BC1HW=first)):
        assert other.keys() == expected.keys()
        assert max(abs(other[name] - expected[name]).max() for name in expected) <= 1  # products are rounded otherwise
    for changed in (clips(rows, seed=1), clips(rows, sample=1)):
        assert all(abs(changed[name] - expected[name])[1:].max() > 1 for name in expected)
    for row in rows:
        assert (expected[row["id"]][0] == row.frames()[0]).all()


def test_each_puzzle_has_noise_of_its_own(rows: list[Row]) -> None:
    twins = [rows[0], Row({**rows[0], "id": "twin"})]
    one, other = (frames.astype(int) for _, frames in sample_clips(tiny_toy(TOY), twins, num_steps=2, seed=0, batch=2))
    assert (one[0] == other[0]).all() and abs(one - other).max() > 1


def test_rows_of_several_sizes_keep_their_own(rows: list[Row], tmp_path: Path) -> None:
    assert (
        called("generate", "maze:tiny", "--num", 2, "--format", "64x32x13@8", "--out", tmp_path / "d").returncode == 0
    )
    wide = list(ShardDataset(tmp_path / "d"))
    mixed = [rows[0], *wide, rows[1]]
    shapes = [frames.shape for _, frames in sample_clips(tiny_toy(TOY), mixed, num_steps=1, seed=0, batch=3)]
    assert shapes == [(21, 32, 32, 3), (13, 32, 64, 3), (13, 32, 64, 3), (21, 32, 32, 3)]


def test_what_is_no_number_is_judged_as_what_it_decodes_to(rows: list[Row]) -> None:
    for value in (float("nan"), float("inf")):
        found = judged(towards(rows, lambda z, value=value: z * value), rows[:2])  # type: ignore[misc]
        assert not any(verdict.solved for verdict in found.verdicts)


def test_clips_scores_and_a_sheet_are_written(rows: list[Row], tmp_path: Path) -> None:
    found = judged(idle(rows), rows, folder=tmp_path / "new", num_clips=2)
    by_task = {task: [row["id"] for row in rows if row["task"] == task] for task in ("flowfree", "maze")}
    clips = {f"{task}/{name}.mp4" for task, names in by_task.items() for name in names[:2]}
    assert contents(tmp_path / "new").keys() == {"scores.jsonl", "sheet.png", *clips}
    lines = [json.loads(line) for line in (tmp_path / "new" / "scores.jsonl").read_text().splitlines()]
    assert [Verdict(**{**line, "codes": tuple(line["codes"])}) for line in lines] == sorted(
        found.verdicts, key=lambda verdict: (verdict.task, verdict.id)
    )
    shown = video.decode_rgb((tmp_path / "new" / sorted(clips)[0]).read_bytes())
    row = next(row for row in rows if row["id"] in sorted(clips)[0])
    assert shown.shape == (21, 256, 256, 3)
    first = row.frames()[0].repeat(8, axis=0).repeat(8, axis=1)
    assert np.abs(shown.astype(int) - first).max() < 30  # the codec's, which blurs colors over two pixels
    with Image.open(tmp_path / "new" / "sheet.png") as sheet:
        assert sheet.height > 4 * 2 * 96


def test_held_out_losses_are_means_over_clips_whatever_the_batch(rows: list[Row]) -> None:
    policy = tiny_toy(TOY)
    z = policy.encode(torch.from_numpy(np.stack([row.frames() for row in rows])))
    texts, ids = [row["task"] for row in rows], [row["id"] for row in rows]
    condition = policy.condition_latents(texts, z[:, :, :1])
    each = losses_by_sigma(policy, z, condition, [("eval", 7, name) for name in ids], (0.5, 0.98))
    expected = {"loss/sigma_0.5": float(each[0].mean()), "loss/sigma_0.98": float(each[1].mean())}
    for batch in (3, 8):
        found = losses_on(policy, z, texts, ids, seed=7, batch=batch, sigmas=(0.5, 0.98))
        assert found == pytest.approx(expected, rel=1e-5)


def test_a_submission_of_a_perfect_model_scores_one(dataset: Path, rows: list[Row], tmp_path: Path) -> None:
    videos = tmp_path / "videos"
    options: dict[str, Any] = {"num_steps": 2, "seed": 0, "batch": 3, "stated": {"model": "perfect"}}
    write_submissions(perfect(rows), rows, videos, samples=2, **options)
    done = called("score", videos, "--instances", dataset, "--out", tmp_path / "scores", "--json")
    assert done.returncode == 0, done.stderr
    summary = json.loads((tmp_path / "scores" / "summary.json").read_text())
    assert summary["counts"]["clips"] == 2 * len(rows) and summary["submission"]["model"] == "perfect"
    assert summary["overall"]["sr"] == 1


def test_a_submission_goes_on_where_it_stopped_and_is_never_mixed(rows: list[Row], tmp_path: Path) -> None:
    told: list[int] = []
    options: dict[str, Any] = {"num_steps": 1, "seed": 0, "batch": 3, "stated": {"checkpoint": "1"}}
    options["progress"] = lambda stage, done, total: told.append(done)
    policy = tiny_toy(TOY)
    write_submissions(policy, rows[:3], tmp_path, **options)
    before = contents(tmp_path)
    (missing,) = tmp_path.glob(f"*/{rows[1]['id']}/0.mp4")
    missing.unlink()
    told.clear()
    write_submissions(policy, rows[:3], tmp_path, **options)
    assert contents(tmp_path) == before and told == [2, 1]
    for change in ({"seed": 1}, {"num_steps": 2}, {"stated": {"checkpoint": "2"}}):
        with pytest.raises(InvalidInput, match="holds videos that were made otherwise"):
            write_submissions(policy, rows[:3], tmp_path, **{**options, **change})

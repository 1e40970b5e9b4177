"""Answers in words: found in what a model says, judged by the rules, and paid as a clip of the same moves is."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

import puzzlegen
from handed_in import make_dataset, rows_of
from puzzlegen import registry
from puzzlegen.cli import commands
from puzzlegen.errors import InvalidInput, OutputError, RecipeError, UnknownName
from puzzlegen.eval.answers import score_answers
from puzzlegen.eval.catalogue import Catalogue
from puzzlegen.question import actions_in, answer_of, question_of
from puzzlegen.render import video
from puzzlegen.render.motion import pace
from puzzlegen.render.raster import Painter, fit
from puzzlegen.replay import replay
from puzzlegen.shards.row import Row
from puzzlegen.verify.answer import judge_actions

TASKS = ["maze", "flowfree", "sokoban"]


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_dataset(tmp_path_factory.mktemp("instances"), levels=("maze:tiny", "flowfree:tiny", "sokoban:tiny"))


@pytest.fixture(scope="module")
def rows(dataset: Path) -> list[Row]:
    return rows_of(dataset)


def words_for(row: Row) -> str:
    return answer_of(row.task, row["actions"])


def code_of(score: Any) -> str | None:
    return score.violations[0].code if score.violations else None


# --- what counts as the answer


@pytest.mark.parametrize(
    "words",
    [
        "RRDL",
        " R R D L ",
        "R, R, D, L",
        "Answer: RRDL",
        "answer: RRDL.",
        "Answer: UUUU\nNo, that runs into the wall.\nAnswer: RRDL\n",
        "<think>First right.\n\nAnswer: UU?</think>\n\n**Answer:** `RRDL`\n\nI hope that this helps!",
        "Let us see.\nAnswer:\n```\nRRDL\n```",
        "Let us see.\n<answer>RRDL</answer>",
        "**Answer**: **R R D L**",
    ],
)
def test_the_answer_is_found(words: str) -> None:
    assert actions_in(registry.load("maze").task, words) == ("R", "R", "D", "L")


@pytest.mark.parametrize("words", ["", " \n", "Answer:", "Answer: ``", "RRDL\nor UU", "First R.\nThen R, D and L."])
def test_an_answer_that_is_not_clear_is_none(words: str) -> None:
    assert actions_in(registry.load("maze").task, words) is None


@pytest.mark.parametrize("words", ["Answer: RRDL or UU", "Answer: RRDL UU?", "Answer: right right", "Answer: 🙂"])
def test_two_answers_or_other_words_are_not_cut_to_fit(rows: list[Row], words: str) -> None:
    row = next(row for row in rows if row["task"] == "maze")
    score = puzzlegen.score_text(words, row)
    assert not score.solved and code_of(score) == "ILLEGAL_ACTION"


@given(st.text())
def test_no_words_are_an_error(words: str) -> None:
    for name in TASKS:
        found = actions_in(registry.load(name).task, words)
        assert found is None or all(found)


# --- what it is worth


@pytest.mark.parametrize("task", TASKS)
def test_a_question_says_all_that_a_player_needs(rows: list[Row], task: str) -> None:
    for row in rows:
        question = question_of(row.task, row.start)
        board = question.split("```")[1].strip("\n")
        assert row.task.parse(board) == row.start  # the whole puzzle, to the last character
        characters = set("".join(row["states"])) - set("\n #") - set("ABCDEFGHIJKLMNOPQRSTUVWXYZ".lower())
        if row["task"] != "flowfree":
            assert all(f"{character}" in row.task.manual for character in characters)
        assert row["action_line"] not in question and '"Answer:"' in question


def test_a_task_without_a_manual_is_refused(rows: list[Row], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(type(rows[0].task), "manual", "")
    with pytest.raises(RecipeError, match=r"cannot be asked in words: it has no `manual`"):
        question_of(rows[0].task, rows[0].start)


def test_the_stored_solution_solves(rows: list[Row]) -> None:
    for row in rows:
        score = puzzlegen.score_text(f"Let me think.\n{words_for(row)}", row)
        assert (score.solved, score.value, score.violations) == (True, 1.0, ())
        assert list(score.actions) == row["actions"]


def test_what_is_wrong_is_named_and_costs(rows: list[Row]) -> None:
    for row in rows:
        task, actions = row.task, row["actions"]
        bad = next(action for action in ["U", "D", "L", "R", "zU"] if not _is_legal(task, row.start, action))
        cases: list[tuple[Any, str, int]] = [
            (None, "UNPARSED", 0),
            ([], "NO_PROGRESS", 0),
            ([bad, *actions], "ILLEGAL_ACTION", 1),
            (actions[:-1], "END_STATE" if actions[1:] else "NO_PROGRESS", len(actions) - 1),
        ]
        for tried, code, frame in cases:
            score = judge_actions(task, row.start, tried)
            assert (score.solved, score.violations[0][:2]) == (False, (code, frame))
            assert score.value <= 0.9 and (score.value == 0 or len(score.actions) > 0)


def test_what_is_solved_and_left_is_not_solved(rows: list[Row]) -> None:
    seen = 0
    for row in rows:
        task, solved = row.task, row.states()[-1]
        for action in list(task.actions(solved)):
            if not task.is_solved(task.step(solved, action)):
                score = judge_actions(task, row.start, [*row["actions"], action])
                assert (score.solved, code_of(score)) == (False, "END_STATE") and 0 < score.value <= 0.5
                seen += 1
    assert seen


def _is_legal(task: Any, state: Any, action: str) -> bool:
    return action in list(task.actions(state))


@settings(max_examples=25, deadline=None)
@given(data=st.data())
@pytest.mark.parametrize("task", TASKS)
def test_words_are_paid_as_a_clip_of_the_same_moves(rows: list[Row], task: str, data: st.DataObject) -> None:
    """The reader of clips is the oracle: it never sees the actions."""
    row = data.draw(st.sampled_from([row for row in rows if row["task"] == task]))
    rules, state = row.task, row.start
    actions: list[str] = row["actions"][: data.draw(st.integers(0, len(row["actions"])))]
    state = replay(rules, state, actions).states[-1]
    for _ in range(data.draw(st.integers(0, 2))):
        if choices := sorted(rules.actions(state)):
            actions = [*actions, data.draw(st.sampled_from(choices))]
            state = rules.step(state, actions[-1])
    words, clip = puzzlegen.score_text(answer_of(rules, actions), row), puzzlegen.score(_film(row, actions), row)
    assert (words.solved, words.value) == (clip.solved, pytest.approx(clip.value))
    assert len(words.actions) == len(clip.actions)
    assert code_of(words) == code_of(clip) or not actions
    last = replay(rules, row.start, clip.actions).states[-1]  # a line can be closed from either side
    assert rules.text(last) == rules.text(words.seen[-1].state)


def _film(row: Row, actions: list[str]) -> Any:
    """The clip that shows these actions, at the pace of the row's own."""
    painter = Painter(row.task.backdrop(row.start), fit(row.task.shape(row.start), row.clip), row.clip, row.look)
    frames = painter.frames(row.task, replay(row.task, row.start, actions), pace(max(1, len(actions)), row.clip))
    return list(itertools.islice(video.canvases_to_rgb(frames), row["num_frames"]))


def test_an_endless_answer_is_not_read(rows: list[Row]) -> None:
    row = next(row for row in rows if row["task"] == "maze")
    forth = row["actions"][0]
    back = {"L": "R", "R": "L", "U": "D", "D": "U"}[forth]
    score = puzzlegen.score_text((forth + back) * 10_000 + words_for(row), row)
    assert (score.solved, code_of(score), score.value) == (False, "UNPARSED", 0.0)
    walked = puzzlegen.score_text((forth + back) * 20 + row["action_line"], row)
    assert walked.solved  # a detour is no fault


def test_rewards_of_a_recipe_are_paid(rows: list[Row]) -> None:
    row = next(row for row in rows if row["task"] == "maze")
    assert puzzlegen.score_text(words_for(row), row, reward="paper").value == 1.0
    assert puzzlegen.score_text(words_for(row)[:-1], row, reward="sparse").value == 0.0
    with pytest.raises(UnknownName):
        puzzlegen.score_text("", row, reward="none")


# --- files


def written(path: Path, lines: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(line) + "\n" for line in lines) + "\n")
    return path


def test_a_file_of_answers_is_scored(dataset: Path, rows: list[Row], tmp_path: Path) -> None:
    lines = [{"id": row["id"], "k": k, "answer": words_for(row) if k else "?"} for row in rows for k in (0, 1)]
    path = written(tmp_path / "a.jsonl", lines[:-2])
    summary = score_answers(path, Catalogue(dataset), tmp_path / "out")
    assert summary["overall"]["n"] == 2 * len(rows) and summary["counts"]["missing"] == 2
    assert summary["overall"]["sr"] == (len(rows) - 1) / (2 * len(rows))
    assert summary["overall"]["pass_at"]["2"] == (len(rows) - 1) / len(rows)
    table = pq.read_table(tmp_path / "out/scores.parquet").to_pylist()
    assert [(line["id"], line["k"]) for line in table] == [(row["id"], k) for row in rows for k in (0, 1)]
    assert {line["violation"] for line in table} == {"ILLEGAL_ACTION", "MISSING", None}
    assert json.loads((tmp_path / "out/summary.json").read_text()) == summary
    with pytest.raises(OutputError, match="is no empty folder"):
        score_answers(path, Catalogue(dataset), tmp_path / "out")
    partial = score_answers(path, Catalogue(dataset), tmp_path / "part", allow_missing=True)
    assert partial["partial"].startswith("PARTIAL") and partial["overall"]["n"] == 2 * len(rows) - 2


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "has no answers"),
        ("RRDL", "line 1: is no JSON"),
        ('["a"]', 'line 1: must be an object with the texts "id" and "answer"'),
        ('{"id": "ID"}', 'line 1: must be an object with the texts "id" and "answer"'),
        ('\n{"id": "ID", "answer": "R", "k": -1}', "line 2: k must be a whole number from 0, got -1"),
        ('{"id": "ID", "answer": "R", "k": true}', "line 1: k must be a whole number from 0, got True"),
        ('{"id": "maze", "answer": "R"}', "1 of 1 answers are of no instance"),
        ('{"id": "ID", "answer": "R"}\n' * 2, "more than one answer for ID k=0"),
    ],
)
def test_a_file_that_is_not_clear_is_refused(
    dataset: Path, rows: list[Row], tmp_path: Path, text: str, complaint: str
) -> None:
    name = rows[0]["id"]
    (tmp_path / "a.jsonl").write_text(text.replace("ID", name))
    with pytest.raises(InvalidInput, match=complaint.replace("ID", name)):
        score_answers(tmp_path / "a.jsonl", Catalogue(dataset), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_the_command_prints_a_table(dataset: Path, rows: list[Row], tmp_path: Path) -> None:
    path = written(tmp_path / "a.jsonl", [{"id": row["id"], "answer": words_for(row)} for row in rows])
    words = ["score-text", str(path), "--instances", str(dataset), "--task", "maze", "--out", str(tmp_path / "out")]
    done = CliRunner().invoke(commands, words, catch_exceptions=False)
    assert done.exit_code == 0 and "100.0%" in done.output
    assert "answers of other splits or tasks, passed over" in done.output
    told = CliRunner().invoke(commands, [*words[:-1], str(tmp_path / "again"), "--json"], catch_exceptions=False)
    assert json.loads(told.output)["tasks"]["maze"]["sr"] == 1.0

"""The review page: whole without a network, safe with names from anywhere, and its pictures right."""

from __future__ import annotations

import io
from collections import Counter
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from stored_rows import stored

from puzzlegen.errors import OutputError
from puzzlegen.eval import report
from puzzlegen.eval.codes import MEANINGS
from puzzlegen.eval.metrics import failed_metrics
from puzzlegen.eval.pictures import PICTURE_PX, trace_picture
from puzzlegen.eval.report import in_order, write_review
from puzzlegen.eval.summary import summarize
from puzzlegen.render.raster import fit
from puzzlegen.render.stills import png
from puzzlegen.replay import replay
from puzzlegen.types import Violation
from puzzlegen.verify.judge import CODES
from samples import TASKS

VOID = {"meta", "img", "input", "rect", "circle"}
HOSTILE = "<script>alert('x')</script>\"><img src=x onerror=y> \udcff &amp;"
DOT = png(np.full((3, 5, 3), 200, dtype=np.uint8))


class Page(HTMLParser):
    """Tags in balance, their attributes, and the text of each article."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.articles: list[str] = []
        self.text = ""
        self.feed(path.read_text("utf-8"))
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        assert len(attrs) == len(dict(attrs))
        if tag not in VOID:
            self.open.append(tag)
        if tag == "article":
            self.articles.append("")

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data
        if "article" in self.open:
            self.articles[-1] += data

    def count(self, tag: str) -> int:
        return sum(name == tag for name, _ in self.tags)

    def of(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


def row(number: int, task: str = "maze", level: str = "easy", **columns: Any) -> dict[str, Any]:
    """One judged clip: failed, unless the columns say otherwise."""
    fixed = {"id": f"{task}-{level}-{number}", "k": 0, "task": task, "level": level, "split": "test"}
    fixed |= {"look_name": "paper", "num_actions": 9, "error": None, "reward": 0.0, "parsed": True}
    return failed_metrics("JUMP") | fixed | {"violations": [fault("JUMP", 7, (1, 2))]} | columns


def fault(code: str, frame: int, cell: tuple[int | None, int | None] = (None, None)) -> dict[str, Any]:
    return {"code": code, "frame": frame, "row": cell[0], "col": cell[1]}


def solved(number: int, **columns: Any) -> dict[str, Any]:
    won = {"sr": True, "sr_goal": True, "sr_final": True, "reward": 1.0, "violation": None, "violations": []}
    return row(number, **won | {"trace": "RRDD", "num_read": 4} | columns)


def written(folder: Path, rows: list[dict[str, Any]], picture: bytes | None = None, **options: Any) -> Page:
    write_review(folder / "review.html", summarize(rows), rows, lambda row: picture, **options)
    return Page(folder / "review.html")


def test_every_clip_has_a_card_that_filters_can_find(tmp_path: Path) -> None:
    rows = [row(1), row(2, "sokoban", "two words", sr_goal=True), solved(3), row(4, parsed=False, error="No such file")]
    rows[1]["violations"] = [fault("ILLEGAL_PUSH", 3, (0, 4)), fault("BOX_COUNT", 9)]
    page = written(tmp_path, rows)
    cards = {card["data-task"] + "/" + str(card["data-level"]): card for card in map(dict, page.of("article"))}
    assert len(page.articles) == 4
    assert cards["sokoban/two words"]["data-verdict"] == "failed disputed"
    assert cards["sokoban/two words"]["data-code"] == "ILLEGAL_PUSH BOX_COUNT"
    text = dict(zip([word.split()[0] for word in page.articles], page.articles, strict=True))
    assert "ILLEGAL_PUSH frame 3, cell (0, 4)" in page.articles[0]
    assert "touches goal" in page.articles[0]
    assert "4 legal moves (stored solution: 9) RRDD" in text["maze-easy-3"]
    assert "could not be read" in text["maze-easy-4"] and "No such file" in text["maze-easy-4"]
    assert "frame 7, cell (1, 2)" in text["maze-easy-1"] and "frame" not in text["maze-easy-4"]
    verdicts = Counter(word for card in page.of("article") for word in str(card["data-verdict"]).split())
    assert verdicts == {"failed": 2, "disputed": 1, "solved": 1, "unread": 1}
    choices = {str(choice["value"]) for choice in page.of("option")}
    assert {"", "maze", "sokoban", "two words", "easy", *verdicts, "JUMP", "ILLEGAL_PUSH", "BOX_COUNT"} == choices


def test_the_page_needs_nothing_from_elsewhere(tmp_path: Path) -> None:
    page = written(tmp_path, [row(1), solved(2)], DOT)
    text = (tmp_path / "review.html").read_text("utf-8")
    assert "://" not in text and "@import" not in text and "url(" not in text
    for _, attributes in page.tags:
        assert "href" not in attributes and "srcset" not in attributes
        assert not any(name.startswith("on") for name in attributes)
        assert str(attributes.get("src", "data:image/png;base64,")).startswith("data:image/png;base64,")
    assert [(image["width"], image["height"]) for image in page.of("img")] == [("5", "3")] * 2


def test_names_from_outside_stay_text(tmp_path: Path) -> None:
    plain = written(tmp_path, [row(1), row(2)], DOT)
    rows = [row(1, level=HOSTILE, error=HOSTILE, look_name=HOSTILE, violation=HOSTILE, trace=HOSTILE), row(2)]
    rows[0] |= {"id": HOSTILE, "task": HOSTILE, "violations": [fault(HOSTILE, 1)]}
    page = written(tmp_path, rows, DOT, title=HOSTILE)
    assert page.count("script") == plain.count("script") == 1
    assert page.count("img") == 2
    (card,) = [text for text in page.articles if "alert" in text]
    assert card.count(HOSTILE.replace("\udcff", "?")) >= 4
    assert {name for tag in plain.tags for name in tag[1]} == {name for tag in page.tags for name in tag[1]}


def test_numbers_of_the_summary_are_on_the_page(tmp_path: Path) -> None:
    rows = [solved(number) for number in range(3)] + [row(number, "sokoban") for number in range(5)]
    summary = summarize(rows)
    page = written(tmp_path, rows)
    low, high = summary["overall"]["sr_interval"]
    assert f"37.5%solved95%: {100 * low:.1f}% to {100 * high:.1f}%" in page.text
    assert "8 clips, 8 puzzles, maze, sokoban" in page.text
    assert "JUMP562.5%" in page.text
    heads = [text for text in ("task", "level", "actions of the stored solution", "look") if text in page.text]
    assert len(heads) == page.count("table") == 4
    for name, rate in (("maze", "100.0%"), ("sokoban", "0.0%"), ("all", "37.5%")):
        line = page.text[page.text.index(f"{name}{summary['tasks'].get(name, summary['overall'])['n']}100.0%") :]
        assert rate in line[:60]


def test_several_samples_show_pass_at_k(tmp_path: Path) -> None:
    rows = [solved(1), row(1, k=1), row(2), row(2, k=1)]
    page = written(tmp_path, rows)
    assert "pass@k25.0%50.0%" in page.text
    assert "maze-easy-1 #1" in page.text


def test_clips_that_are_judged_differently_come_first_and_tasks_take_turns() -> None:
    rows = [solved(1), row(3), row(2), row(9, "sokoban"), row(8, "sokoban", sr_final=True), solved(0, sr_goal=False)]
    names = [found["id"] for found in in_order(rows)]
    assert names == [
        "maze-easy-0", "sokoban-easy-8", "maze-easy-2", "sokoban-easy-9", "maze-easy-3", "maze-easy-1",
    ]  # fmt: skip


def test_pictures_and_clips_are_limited_and_the_page_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(report, "MOST_PICTURES", 3)
    monkeypatch.setattr(report, "MOST_LISTED", 7)
    rows = [solved(number) for number in range(6)] + [row(number, "sokoban") for number in range(4)]
    asked: list[str] = []

    def details(row: Any) -> bytes | None:
        asked.append(row["id"])
        return None if len(asked) == 1 else DOT

    write_review(tmp_path / "review.html", summarize(rows), rows, details)
    page = Page(tmp_path / "review.html")
    assert (page.count("img"), page.count("article"), len(asked)) == (3, 7, 4)
    assert "7 of 10 clips, 3 with a picture" in page.text
    assert all("sokoban" in text for text in page.articles[:4])


def test_numbers_of_no_clip_are_dashes(tmp_path: Path) -> None:
    page = written(tmp_path, [])
    assert "\N{EN DASH}solved" in page.text
    assert "No clip has a violation." in page.text


def test_a_page_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="Cannot write"):
        write_review(tmp_path / "absent" / "review.html", summarize([]), [], lambda row: None)


# --- pictures


def pixels(data: bytes) -> NDArray[np.int16]:
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB")).astype(np.int16)


def centers(task_row: Any, shape: tuple[int, ...], cells: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Pixels (y, x) of the middles of cells in a picture of the board with a quarter of a cell around it."""
    layout = fit(task_row.task.shape(task_row.start), task_row.clip)
    margin = round(layout.cell_px / 4)
    top, left = max(0, layout.top - margin), max(0, layout.left - margin)
    height = min(task_row.clip.height, layout.corner(layout.shape)[0] + margin) - top
    scale = shape[0] / height
    middle = layout.cell_px / 2
    found = []
    for cell in cells:
        y, x = layout.corner(cell)
        found.append((int((y + middle - top) * scale), int((x + middle - left) * scale)))
    return found


def test_a_trace_goes_through_the_cells_that_were_visited() -> None:
    gold = stored("maze", "medium", "wan480")
    agents = [state.agent for state in replay(gold.task, gold.start, gold["actions"]).states]
    start, traced = pixels(trace_picture(gold, [])), pixels(trace_picture(gold, gold["actions"]))
    assert start.shape == traced.shape and max(start.shape) == PICTURE_PX
    changed = np.abs(start - traced).sum(axis=2) > 60
    rows, cols = gold.task.shape(gold.start)
    others = [(row, col) for row in range(rows) for col in range(cols) if (row, col) not in agents]
    assert all(changed[at] for at in centers(gold, start.shape, agents[1:]))
    assert not any(changed[at] for at in centers(gold, start.shape, others))


def test_tokens_without_keys_are_drawn_as_they_ended() -> None:
    gold = stored("flowfree")
    half = gold["actions"][: len(gold["actions"]) // 2]
    none, some, whole = (pixels(trace_picture(gold, actions)) for actions in ([], half, gold["actions"]))
    grown = [(np.abs(picture - none).sum(axis=2) > 60).sum() for picture in (some, whole)]
    assert 0 < grown[0] < grown[1]
    last = gold.frames("render")[-1]
    layout = fit(gold.task.shape(gold.start), gold.clip)
    margin = round(layout.cell_px / 4)
    (top, left), (bottom, right) = layout.corner((0, 0)), layout.corner(layout.shape)
    last = last[max(0, top - margin) : bottom + margin, max(0, left - margin) : right + margin]
    crop = Image.fromarray(last)
    assert np.abs(np.asarray(crop.resize((whole.shape[1], whole.shape[0]))) - whole).mean() < 4


@pytest.mark.parametrize("task", TASKS)
def test_the_cell_of_a_violation_is_outlined(task: str) -> None:
    gold = stored(task)
    rows, cols = gold.task.shape(gold.start)
    for cell in ((0, 0), (rows - 1, cols - 1), (1, 2)):
        plain = pixels(trace_picture(gold, []))
        marked = pixels(trace_picture(gold, [], [Violation("JUMP", 3, cell)]))
        changed = np.abs(plain - marked).sum(axis=2) > 60
        side = plain.shape[0] / (rows + 0.5)
        ((y, x),) = centers(gold, plain.shape, [cell])
        assert changed.any() and not changed[y - 2 : y + 3, x - 2 : x + 3].any()
        middle = [float(places.mean()) for places in np.nonzero(changed)]
        assert abs(middle[0] - y) < side / 4 and abs(middle[1] - x) < side / 4


def test_meanings_are_there_for_every_code() -> None:
    assert set(MEANINGS) == CODES | {"MISSING", "ILLEGAL_ACTION"}

"""Pieces of the review page: a summary's numbers as tiles, tables and bars, and one card a clip.

Every text from outside goes through `html.escape`: names of clips are names of files that others made.
"""

from __future__ import annotations

import base64
import string
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from puzzlegen.eval.codes import MEANINGS
from puzzlegen.eval.pictures import violation_of
from puzzlegen.types import Violation

Row = Mapping[str, Any]
Table = Mapping[str, Any]

_TEMPLATE = Path(__file__).with_name("review.html")
_NONE = "\N{EN DASH}"
_BREAKDOWNS = {"by_level": "level", "by_length": "actions of the stored solution", "by_look": "look"}
_SHARES = {"sr_goal": "touches goal", "sr_final": "ends solved", "em": "exact match"}
_MEANS = {"precision": "precision", "recall": "recall", "f1": "F1", "progress": "progress"}
_FILTERS = {"task": "tasks", "level": "levels", "verdict": "verdicts", "code": "codes"}
_VERDICTS = {"solved": "solved", "failed": "not solved", "unread": "could not be read"}


def whole(
    title: str,
    summary: Table,
    cards: Sequence[str],
    listed: Sequence[Row],
    *,
    num_clips: int,
    num_pictures: int,
) -> str:
    """The page. `listed` are the rows of the cards, `num_clips` counts all rows."""
    overall = _table_of(summary.get("overall"))
    tasks: dict[str, Table] = {str(name): _table_of(table) for name, table in _table_of(summary.get("tasks")).items()}
    return string.Template(_TEMPLATE.read_text("utf-8")).substitute(
        title=escape(title),
        about=escape(_about(overall, tasks, num_clips)),
        tiles="".join(_tiles(overall)),
        tables="".join(_tables(overall, tasks)),
        violations=_histogram(_table_of(overall.get("violations")), overall.get("n") or num_clips),
        filters="".join(_filters(listed)),
        shown=escape(_shown(num_clips, len(cards), num_pictures)),
        count=len(cards),
        cards="\n".join(cards),
    )


def _table_of(value: Any) -> dict[str, Any]:
    return dict(value) if isinstance(value, Mapping) else {}


def _about(overall: Table, tasks: Table, num_clips: int) -> str:
    parts = [_count(overall.get("n", num_clips), "clip")]
    if overall.get("instances") is not None:
        parts.append(_count(overall["instances"], "puzzle"))
    return ", ".join([*parts, *map(str, tasks)])


def _shown(num_clips: int, num_listed: int, num_pictures: int) -> str:
    """How many clips the page has, and how many of them with a picture."""
    listed = f"All {_count(num_clips, 'clip')}" if num_listed == num_clips else f"{num_listed} of {num_clips} clips"
    order = "Those that other measures judge otherwise come first, then failures, then solved clips."
    return f"{listed}, {num_pictures} with a picture. {order}"


# --- numbers


def percent(share: float | None) -> str:
    """A share in [0, 1] as a percentage with one decimal; a dash for none."""
    return _NONE if share is None else f"{100 * share:.1f}%"


def decimal(value: float | None) -> str:
    """A number with three decimals; a dash for none."""
    return _NONE if value is None else f"{value:.3f}"


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _interval(table: Table, name: str) -> tuple[float, float] | None:
    found = table.get(f"{name}_interval")
    return (float(found[0]), float(found[1])) if found else None


def _tiles(overall: Table) -> Iterable[str]:
    """The overall numbers, each with a few words below."""
    interval = _interval(overall, "sr")
    between = f"95%: {percent(interval[0])} to {percent(interval[1])}" if interval else ""
    yield _tile("solved", percent(overall.get("sr")), between, "main")
    yield _tile("touches goal", percent(overall.get("sr_goal")), "at any time, by any steps")
    yield _tile("ends solved", percent(overall.get("sr_final")), "last frame alone")
    yield _tile("could be read", percent(overall.get("parse_rate")), "the others count as failures")
    means = overall.get("f1_of_means")
    yield _tile("F1", decimal(overall.get("f1")), f"of means: {decimal(means)}")
    yield _tile("progress", decimal(overall.get("progress")), "of the way, by legal moves")
    yield _tile("reward", decimal(overall.get("reward")), "mean over all clips")


def _tile(name: str, value: str, note: str, kind: str = "") -> str:
    return f'<div class="tile {kind}"><b>{escape(value)}</b><span>{escape(name)}</span><i>{escape(note)}</i></div>'


def _tables(overall: Table, tasks: dict[str, Table]) -> Iterable[str]:
    """By task, then by level, length and look within each task."""
    if tasks:
        yield _numbers("task", tasks | ({"all": overall} if len(tasks) > 1 else {}))
    for name, title in _BREAKDOWNS.items():
        groups = {
            f"{task}, {key}" if len(tasks) > 1 else str(key): _table_of(table)
            for task, whole_table in (tasks or {"": overall}).items()
            for key, table in _table_of(whole_table.get(name)).items()
        }
        if groups:
            yield _numbers(title, groups)
    if len(_table_of(overall.get("pass_at"))) > 1:
        yield _samples(overall)


def _numbers(title: str, groups: Mapping[str, Table]) -> str:
    """One line a group."""
    names = [title, "clips", "read", "solved, 95% interval", *_SHARES.values(), *_MEANS.values(), "detour", "reward"]
    return _grid(names, ([group, *_cells(table)] for group, table in groups.items()))


def _cells(table: Table) -> Iterable[str]:
    yield f"{table.get('n', 0):,}"
    yield percent(table.get("parse_rate"))
    yield _bar(table) + percent(table.get("sr"))
    yield from (percent(table.get(name)) for name in _SHARES)
    yield from (decimal(table.get(name)) for name in _MEANS)
    yield _NONE if table.get("sd") is None else f"{percent(table['sd'])} ({table.get('sd_count', 0)})"
    yield decimal(table.get("reward"))


def _samples(overall: Table) -> str:
    """pass@k and its kin."""
    kinds = {"pass@k": "pass_at", "maj@k": "maj_at", "best@k (oracle)": "best_at"}
    ks = list(_table_of(overall.get("pass_at")))
    lines = ([name, *(percent(_table_of(overall.get(key)).get(k)) for k in ks)] for name, key in kinds.items())
    return _grid(["samples k", *ks], lines)


def _grid(head: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    """A table; the first cell of a line is text from outside, the others are our own HTML."""
    top = "".join(f"<th>{escape(name)}</th>" for name in head)
    body = "".join(
        f'<tr><th scope="row">{escape(first)}</th>{"".join(f"<td>{cell}</td>" for cell in cells)}</tr>'
        for first, *cells in lines
    )
    return f'<div class="scroll"><table><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table></div>'


def _bar(table: Table) -> str:
    """A success rate as a mark on its interval."""
    rate, interval = table.get("sr"), _interval(table, "sr")
    if rate is None or interval is None:
        return ""
    low, high = (100 * end for end in interval)
    label = f"{percent(interval[0])} to {percent(interval[1])}"
    return (
        f'<svg class="bar" viewBox="-1 0 102 12" role="img" aria-label="{label}"><title>{label}</title>'
        f'<rect class="rail" y="5" width="100" height="2"/>'
        f'<rect class="span" x="{low:.1f}" y="3.5" width="{max(0.5, high - low):.1f}" height="5" rx="2.5"/>'
        f'<circle class="point" cx="{100 * rate:.1f}" cy="6" r="3.5"/></svg>'
    )


def _histogram(violations: Table, num_clips: int) -> str:
    """How many clips have which first violation, most frequent first."""
    if not violations:
        return "<p>No clip has a violation.</p>"
    most = max(violations.values())
    lines = []
    for code, count in sorted(violations.items(), key=lambda item: (-item[1], item[0])):
        bar = f'<rect class="fault" width="{100 * count / most:.2f}" height="10" rx="1"/>'
        lines.append(
            f'<div class="count"><code>{escape(str(code))}</code>'
            f'<svg viewBox="0 0 100 10" preserveAspectRatio="none" aria-hidden="true">{bar}</svg>'
            f"<b>{count:,}</b><span>{percent(count / max(1, num_clips))}</span>"
            f"<i>{escape(MEANINGS.get(code, ''))}</i></div>"
        )
    return "".join(lines)


# --- clips


def sample_of(row: Row) -> int | None:
    """The number of a clip among those of its puzzle."""
    number = row.get("sample", row.get("k"))
    return None if number is None else int(number)


def disagreements(row: Row) -> list[str]:
    """The laxer measures that judge this clip otherwise."""
    return [
        name for name in ("sr_goal", "sr_final") if row.get(name) is not None and bool(row[name]) != bool(row.get("sr"))
    ]


def verdict(row: Row) -> str:
    """One of the keys of the verdicts: solved, failed, unread."""
    if row.get("sr"):
        return "solved"
    return "failed" if row.get("parsed", True) else "unread"


def violations_of(row: Row) -> list[Violation]:
    """All that are known, the first fatal one first; of a row without places, the code alone at frame -1."""
    found = row.get("violations")
    if found:
        return [violation_of(violation) for violation in found]
    return [Violation(str(row["violation"]), -1)] if row.get("violation") else []


def _filters(rows: Iterable[Row]) -> Iterable[str]:
    """A choice for each thing that clips can be filtered by."""
    values: dict[str, set[str]] = {name: set() for name in _FILTERS}
    for row in rows:
        values["task"].add(str(row.get("task", "")))
        values["level"].add(str(row.get("level", "")))
        values["code"].update(violation.code for violation in violations_of(row))
    options = {name: [(value, value) for value in sorted(found)] for name, found in values.items()}
    options["verdict"] = [*((name, text) for name, text in _VERDICTS.items()), ("disputed", "measures differ")]
    for name, plural in _FILTERS.items():
        choices = "".join(f'<option value="{escape(value)}">{escape(text)}</option>' for value, text in options[name])
        yield f'<select data-by="{name}" aria-label="{name}"><option value="">all {plural}</option>{choices}</select>'


def card(row: Row, picture: bytes | None) -> str:
    """One clip."""
    found, disputed, number = violations_of(row), disagreements(row), sample_of(row)
    kinds = [verdict(row), *(["disputed"] if disputed else [])]
    name = escape(str(row.get("id", "")))
    attributes = {"task": row.get("task", ""), "level": row.get("level", ""), "verdict": " ".join(kinds)}
    attributes |= {"code": " ".join(violation.code for violation in found)}
    data = " ".join(f'data-{key}="{escape(str(value))}"' for key, value in attributes.items())
    badges = [f'<span class="badge {kinds[0]}">{_VERDICTS[kinds[0]]}</span>']
    negation = "not: " if row.get("sr") else ""
    badges += [f'<span class="badge disputed">{negation}{_SHARES[other]}</span>' for other in disputed]
    lines = [_fault(fault if kinds[0] != "unread" else Violation(fault.code, -1)) for fault in found]
    if row.get("error"):
        lines.append(f'<p class="fault">{escape(str(row["error"]))}</p>')
    facts = [str(row[key]) for key in ("task", "level", "look_name") if row.get(key)]
    facts.append(f"reward {decimal(row.get('value'))}")
    facts.append(f"confidence {decimal(row.get('confidence'))}")
    heading = name if number is None else f"{name} <small>#{number}</small>"
    return (
        f"<article {data}>{_image(picture, name)}<div><h3>{heading}</h3><p>{''.join(badges)}</p>{''.join(lines)}"
        f'<p class="facts">{escape(", ".join(facts))}</p>{_moves(row)}</div></article>'
    )


def _fault(violation: Violation) -> str:
    """A violation with its place."""
    code, frame, cell = violation
    place = "" if frame < 0 else f" frame {frame}" + ("" if cell is None else f", cell {cell}")
    meaning = f"<i>{escape(MEANINGS.get(code, ''))}</i>"
    return f'<p class="fault"><code>{escape(code)}</code>{place} {meaning}</p>'


def _moves(row: Row) -> str:
    """The legal moves that were read, and how many the stored solution has."""
    actions = row.get("actions")
    line = row.get("trace") or (" " if any(len(action) > 1 for action in actions or ()) else "").join(actions or ())
    number = row.get("num_read", len(actions or ()))
    of = f" (stored solution: {row['num_actions']})" if row.get("num_actions") is not None else ""
    return f'<p class="moves">{_count(number, "legal move")}{of} <code>{escape(str(line))}</code></p>'


def _image(picture: bytes | None, name: str) -> str:
    """A PNG inside the page, with its size so that nothing moves while it loads."""
    if picture is None:
        return ""
    width, height = (int.from_bytes(picture[start : start + 4], "big") for start in (16, 20))  # of the IHDR chunk
    data = base64.b64encode(picture).decode("ascii")
    size = f'width="{width}" height="{height}"'
    return f'<img {size} loading="lazy" alt="trace of {name}" src="data:image/png;base64,{data}">'

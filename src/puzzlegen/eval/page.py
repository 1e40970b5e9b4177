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
from puzzlegen.eval.records import violations_of
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
    overall, tasks = summary["overall"], summary["tasks"]
    return string.Template(_TEMPLATE.read_text("utf-8")).substitute(
        title=escape(title),
        about=escape(", ".join([_count(num_clips, "clip"), _count(overall["instances"], "puzzle"), *tasks])),
        tiles="".join(_tiles(overall)),
        tables="".join(_tables(overall, tasks)),
        violations=_histogram(overall["violations"], num_clips),
        filters="".join(_filters(listed)),
        shown=escape(_shown(num_clips, len(cards), num_pictures)),
        count=len(cards),
        cards="\n".join(cards),
    )


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


def _tiles(overall: Table) -> Iterable[str]:
    """The overall numbers, each with a few words below."""
    yield _tile("solved", percent(overall["sr"]), f"95%: {_between(overall)}", "main")
    yield _tile("touches goal", percent(overall["sr_goal"]), "at any time, by any steps")
    yield _tile("ends solved", percent(overall["sr_final"]), "last frame alone")
    yield _tile("could be read", percent(overall["parse_rate"]), "the others count as failures")
    yield _tile("F1", decimal(overall["f1"]), f"of means: {decimal(overall['f1_of_means'])}")
    yield _tile("progress", decimal(overall["progress"]), "of the way, by legal moves")
    yield _tile("reward", decimal(overall["reward"]), "mean over all clips")


def _between(table: Table) -> str:
    """The interval of the success rate."""
    low, high = table["sr_interval"]
    return f"{percent(low)} to {percent(high)}"


def _tile(name: str, value: str, note: str, kind: str = "") -> str:
    return f'<div class="tile {kind}"><b>{escape(value)}</b><span>{escape(name)}</span><i>{escape(note)}</i></div>'


def _tables(overall: Table, tasks: dict[str, Table]) -> Iterable[str]:
    """By task, then by level, length and look within each task."""
    if tasks:
        yield _numbers("task", tasks | ({"all": overall} if len(tasks) > 1 else {}))
    for name, title in _BREAKDOWNS.items():
        groups = {
            f"{task}, {key}" if len(tasks) > 1 else key: table
            for task, own in tasks.items()
            for key, table in own[name].items()
        }
        if groups:
            yield _numbers(title, groups)
    if len(overall["pass_at"]) > 1:
        yield _samples(overall)


def _numbers(title: str, groups: Mapping[str, Table]) -> str:
    """One line a group."""
    names = [title, "clips", "read", "solved, 95% interval", *_SHARES.values(), *_MEANS.values(), "detour", "reward"]
    return _grid(names, ([group, *_cells(table)] for group, table in groups.items()))


def _cells(table: Table) -> Iterable[str]:
    yield f"{table['n']:,}"
    yield percent(table["parse_rate"])
    yield _bar(table) + percent(table["sr"])
    yield from (percent(table[name]) for name in _SHARES)
    yield from (decimal(table[name]) for name in _MEANS)
    yield _NONE if table["sd"] is None else f"{percent(table['sd'])} ({table['sd_count']})"
    yield decimal(table["reward"])


def _samples(overall: Table) -> str:
    """pass@k and its kin."""
    kinds = {"pass@k": "pass_at", "maj@k": "maj_at", "best@k (oracle)": "best_at"}
    ks = list(overall["pass_at"])
    lines = ([name, *(percent(overall[key][k]) for k in ks)] for name, key in kinds.items())
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
    low, point, high = (100 * share for share in (table["sr_interval"][0], table["sr"], table["sr_interval"][1]))
    label = _between(table)
    return (
        f'<svg class="bar" viewBox="-1 0 102 12" role="img" aria-label="{label}"><title>{label}</title>'
        f'<rect class="rail" y="5" width="100" height="2"/>'
        f'<rect class="span" x="{low:.1f}" y="3.5" width="{max(0.5, high - low):.1f}" height="5" rx="2.5"/>'
        f'<circle class="point" cx="{point:.1f}" cy="6" r="3.5"/></svg>'
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


def disagreements(row: Row) -> list[str]:
    """The laxer measures that judge this clip otherwise."""
    return [name for name in ("sr_goal", "sr_final") if row[name] != row["sr"]]


def verdict(row: Row) -> str:
    """One of the keys of the verdicts: solved, failed, unread."""
    if row["sr"]:
        return "solved"
    return "failed" if row["parsed"] else "unread"


def _filters(rows: Iterable[Row]) -> Iterable[str]:
    """A choice for each thing that clips can be filtered by."""
    values: dict[str, set[str]] = {name: set() for name in _FILTERS}
    for row in rows:
        values["task"].add(row["task"])
        values["level"].add(row["level"])
        values["code"].update(violation.code for violation in violations_of(row))
    options = {name: [(value, value) for value in sorted(found)] for name, found in values.items()}
    options["verdict"] = [*((name, text) for name, text in _VERDICTS.items()), ("disputed", "measures differ")]
    for name, plural in _FILTERS.items():
        choices = "".join(f'<option value="{escape(value)}">{escape(text)}</option>' for value, text in options[name])
        yield f'<select data-by="{name}" aria-label="{name}"><option value="">all {plural}</option>{choices}</select>'


def card(row: Row, picture: bytes | None) -> str:
    """One clip."""
    found, disputed = violations_of(row), disagreements(row)
    kinds = [verdict(row), *(["disputed"] if disputed else [])]
    name = escape(row["id"])
    attributes = {"task": row["task"], "level": row["level"], "verdict": " ".join(kinds)}
    attributes |= {"code": " ".join(violation.code for violation in found)}
    data = " ".join(f'data-{key}="{escape(value)}"' for key, value in attributes.items())
    badges = [f'<span class="badge {kinds[0]}">{_VERDICTS[kinds[0]]}</span>']
    negation = "not: " if row["sr"] else ""
    badges += [f'<span class="badge disputed">{negation}{_SHARES[other]}</span>' for other in disputed]
    lines = [_fault(fault, placed=row["parsed"]) for fault in found]
    if row["error"]:
        lines.append(f'<p class="fault">{escape(row["error"])}</p>')
    facts = [row["task"], row["level"], row["look_name"], f"reward {decimal(row['reward'])}"]
    facts.append(f"confidence {decimal(row['confidence'])}")
    heading = f"<h3>{name} <small>#{row['k']}</small></h3>"
    return (
        f"<article {data}>{_image(picture, name)}<div>{heading}<p>{''.join(badges)}</p>{''.join(lines)}"
        f'<p class="facts">{escape(", ".join(facts))}</p>{_moves(row)}</div></article>'
    )


def _fault(violation: Violation, placed: bool) -> str:
    """A violation, with its place if it has one."""
    code, frame, cell = violation
    place = f" frame {frame}" + ("" if cell is None else f", cell {cell}") if placed else ""
    meaning = f"<i>{escape(MEANINGS.get(code, ''))}</i>"
    return f'<p class="fault"><code>{escape(code)}</code>{place} {meaning}</p>'


def _moves(row: Row) -> str:
    """The legal moves that were read, and how many the stored solution has."""
    of = f"{_count(row['num_read'], 'legal move')} (stored solution: {row['num_actions']})"
    return f'<p class="moves">{of} <code>{escape(row["trace"])}</code></p>'


def _image(picture: bytes | None, name: str) -> str:
    """A PNG inside the page, with its size so that nothing moves while it loads."""
    if picture is None:
        return ""
    width, height = (int.from_bytes(picture[start : start + 4], "big") for start in (16, 20))  # of the IHDR chunk
    data = base64.b64encode(picture).decode("ascii")
    size = f'width="{width}" height="{height}"'
    return f'<img {size} loading="lazy" alt="trace of {name}" src="data:image/png;base64,{data}">'

"""The gallery in a real browser, from a file and without a network: filter, play, step."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image

from puzzlegen.errors import InvalidInput
from puzzlegen.shards.reader import ShardDataset
from puzzlegen.view import gallery
from sft_runs import new_dataset

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
SIZES = {"desktop": (1200, 800), "phone": (390, 844)}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    targets = ("maze:tiny", "flowfree:tiny", "sokoban:tiny")
    return new_dataset(tmp_path_factory.mktemp("gallery") / "some <data>", targets=targets, clip="128x128x25@8", num=4)


@pytest.fixture(scope="module")
def page_file(folder: Path) -> Path:
    out = folder.parent / "gallery.html"
    gallery.write_gallery(ShardDataset(folder), out)
    return out


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    if not CHROMIUM:
        pytest.skip("no Chromium is installed")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as play:
        yield play.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])


@pytest.fixture(params=SIZES)
def page(request: pytest.FixtureRequest, browser: Browser, page_file: Path) -> Iterator[Page]:
    width, height = SIZES[request.param]
    context = browser.new_context(viewport={"width": width, "height": height}, offline=True)
    opened, complaints = context.new_page(), list[str]()
    opened.on("console", lambda message: complaints.append(message.text))
    opened.on("pageerror", lambda error: complaints.append(str(error)))
    opened.goto(page_file.as_uri())
    yield opened
    assert complaints == []
    context.close()


def shown(page: Page) -> list[str]:
    """Ids of the cards that can be seen."""
    images = page.locator("#clips button:visible img").all()
    return [str(image.get_attribute("alt")).removeprefix("first frame of ") for image in images]


def picture(page: Page) -> np.ndarray[Any, Any]:
    """What the video shows, 32x32 RGB."""
    pixels = page.evaluate(
        "() => { const c = document.createElement('canvas'); c.width = c.height = 32; const d = c.getContext('2d');"
        " d.imageSmoothingQuality = 'high'; d.drawImage(document.querySelector('video'), 0, 0, 32, 32);"
        " return Array.from(d.getImageData(0, 0, 32, 32).data); }"
    )
    return np.array(pixels, dtype=float).reshape(32, 32, 4)[..., :3]


def until(page: Page, condition: str, seconds: float = 20) -> None:
    """`wait_for_function`, which the page's own policy forbids."""
    end = time.monotonic() + seconds
    while not page.evaluate(condition):
        assert time.monotonic() < end, f"never: {condition}"
        page.wait_for_timeout(10)


def until_painted(page: Page, expected: np.ndarray[Any, Any], seconds: float = 20) -> None:
    """A seek has ended, or data is there, before the browser has painted the frame: it may draw black until then."""
    end = time.monotonic() + seconds
    while (off := np.abs(picture(page) - expected).mean()) >= 6:
        assert time.monotonic() < end, f"the picture is another: off by {off:.1f} on average"
        page.wait_for_timeout(10)


def open_clip(page: Page, name: str) -> None:
    page.locator(f"#clips button:has(img[alt='first frame of {name}'])").click()
    until(page, "document.querySelector('video').readyState >= 2")


def test_it_fits_the_screen(page: Page) -> None:
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    open_clip(page, shown(page)[0])
    assert page.evaluate("document.querySelector('dialog').scrollWidth <= window.innerWidth")


def test_filters_leave_what_fits(page: Page, folder: Path) -> None:
    rows = list(ShardDataset(folder))
    assert sorted(shown(page)) == sorted(row["id"] for row in rows)
    page.select_option("[data-by=task]", "sokoban")
    assert sorted(shown(page)) == sorted(row["id"] for row in rows if row["task"] == "sokoban")
    page.select_option("[data-by=task]", "")
    ranges = page.locator("[data-by=length] option").evaluate_all("all => all.map(one => one.value).filter(Boolean)")
    seen = list[str]()
    for choice in ranges:
        page.select_option("[data-by=length]", choice)
        low, high = map(int, choice.split("-"))
        own = [row["id"] for row in rows if low <= row["num_actions"] <= high]
        assert sorted(shown(page)) == sorted(own) and page.inner_text("form output") == f"{len(own)} shown"
        seen += own
    assert sorted(seen) == sorted(row["id"] for row in rows)
    page.select_option("[data-by=length]", "")
    page.fill("input[type=search]", "MAZE")
    assert sorted(shown(page)) == sorted(row["id"] for row in rows if row["task"] == "maze")


@pytest.mark.parametrize("task", ["maze", "flowfree", "sokoban"])
def test_board_action_and_picture_go_in_step(page: Page, folder: Path, task: str) -> None:
    row = ShardDataset(folder, task=task)[0]
    open_clip(page, row["id"])
    assert page.inner_text("#prompt") == row["prompt"]
    for step in range(row["num_actions"] + 1):
        if step:
            page.click("#after")
        frame = row["keyframes"][step]
        until(page, "!document.querySelector('video').seeking")
        assert page.input_value("#time") == str(frame)
        assert page.inner_text("#board") == row["states"][step]
        action = f" ({row['actions'][step - 1]})" if step else ""
        assert page.inner_text("#place") == f"action {step} of {row['num_actions']}{action}, frame {frame}"
        expected = Image.fromarray(row.frames(at=[frame])[0]).resize((32, 32), Image.Resampling.BOX)
        until_painted(page, np.asarray(expected, dtype=float))
    assert page.locator("#after").is_disabled()
    page.keyboard.press("ArrowLeft")
    assert page.inner_text("#board") == row["states"][-2]
    page.locator("#actions button").first.click()
    assert page.inner_text("#board") == row["states"][0] and page.locator("#before").is_disabled()


def test_a_clip_plays_to_its_end(page: Page, folder: Path) -> None:
    row = ShardDataset(folder, task="maze")[1]
    open_clip(page, row["id"])
    page.evaluate("document.querySelector('video').playbackRate = 8")
    page.click("#play")
    until(page, "document.querySelector('video').ended && document.querySelector('#play').textContent === 'play'")
    until(page, f"document.querySelector('#board').textContent === {json.dumps(row['states'][-1])}")
    page.click("#close")
    assert not page.locator("dialog").is_visible()


def test_text_from_rows_cannot_end_the_script() -> None:
    clip = dict.fromkeys(("id", "task", "level", "look", "split"), "</script><b>") | {"actions": ["R"]}
    made = gallery.page([clip], title="<b>", num_rows=1)
    assert "</script><b>" not in made and "<h1>&lt;b&gt;</h1>" in made
    data = made.split('id="data">')[1].split("</script>")[0]
    assert json.loads(data) == [clip]


def test_kinds_take_turns(folder: Path, tmp_path: Path) -> None:
    dataset = ShardDataset(folder)
    assert gallery.write_gallery(dataset, tmp_path / "g.html", num=3) == 3
    data = (tmp_path / "g.html").read_text().split('id="data">')[1].split("</script>")[0]
    assert len({(clip["task"], clip["look"]) for clip in json.loads(data)}) == 3
    with pytest.raises(InvalidInput, match=r"a gallery is a \.html"):
        gallery.write_gallery(dataset, tmp_path / "g.png")

"""Recipes: every mistake is one line that names file and table; splits are fair and stay as they are."""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from puzzlegen import registry
from puzzlegen.errors import InvalidInput, PuzzlegenError, UnknownName
from puzzlegen.recipe import Recipe
from puzzlegen.render.looks import Words
from puzzlegen.seeding import Rng

GOOD = """
rules = "puzzlegen.tasks.maze:Maze"
version = 1
clip = "square256"

[levels]
small = { size = 4, length = [3, 8] }
large = { size = 6, length = [5, 12] }

[prompts]
train = ["The {agent} walks to the {goal} in a {size} by {size} maze."]
test = ["{agent.color} {agent.shape}: go, past {floor.accent} walls!"]

[looks.paper]
page = ["ivory", "white"]
motion = ["glide", "step"]
[looks.paper.marks]
floor = { shape = ["room"], color = ["white"], accent = ["slate", "navy"] }
agent = { shape = ["disc", "diamond"], color = ["blue", "purple"] }
goal = { shape = ["target"], color = ["red"] }

[splits]
train = 0.7
val = 0.2
test = 0.1
"""


def load(tmp_path: Path, text: str) -> Recipe:
    path = tmp_path / "mine.toml"
    path.write_text(text)
    return registry.load(str(path))


def test_the_good_one_is_good(tmp_path: Path) -> None:
    recipe = load(tmp_path, GOOD)
    assert recipe.name == "mine"
    assert recipe.clip == "square256"
    assert list(recipe.levels) == ["small", "large"]
    assert recipe.level("small").size == 4
    assert recipe.splits == {"train": 0.7, "val": 0.2, "test": 0.1}


def test_what_may_be_left_out(tmp_path: Path) -> None:
    text = GOOD.replace('clip = "square256"\n', "").replace('motion = ["glide", "step"]\n', "").split("[splits]")[0]
    recipe = load(tmp_path, text)
    assert recipe.clip == "wan480"
    assert recipe.splits == {"train": 0.98, "test": 0.02}
    assert recipe.looks["paper"].motion == ("glide",)


SMALL, LARGE = "{ size = 4, length = [3, 8] }", "{ size = 6, length = [5, 12] }"
BAD = {
    "unknown key": ("version = 1", "version = 1\nauthor = 3", ["author"]),
    "misspelt key": ("version = 1", "verison = 1", ["verison", "Did you mean 'version'?"]),
    "missing key": ("version = 1", "", ["version"]),
    "missing rules": ('rules = "puzzlegen.tasks.maze:Maze"', "", ["rules"]),
    "wrong type": ("version = 1", 'version = "1"', ["version", "int", "'1'"]),
    "bool for int": ("version = 1", "version = true", ["version", "int"]),
    "no table": ("[levels]\nsmall", "levels = 3\n[other]\nsmall", ["levels"]),
    "unknown clip format": ("square256", "square265", ["square265", "Did you mean 'square256'?"]),
    "unknown level field": ("size = 4, length", "sise = 4, length", ["levels.small", "sise", "Did you mean 'size'?"]),
    "missing level field": ("{ size = 4, length = [3, 8] }", "{ size = 4 }", ["levels.small", "length"]),
    "level field of wrong type": ("size = 4", 'size = "big"', ["levels.small", "size", "'big'"]),
    "level pair too short": ("[3, 8]", "[3]", ["levels.small", "length", "2"]),
    "level no table": ("small = { size = 4, length = [3, 8] }", "small = 3", ["levels", "small", "table"]),
    "range refused": ("size = 4, length", "size = 99, length", ["levels.small", "size must be 2 to 40, got 99"]),
    "second range refused": ("[3, 8]", "[8, 3]", ["levels.small", "length"]),
    "nested name refused": ("size = 4, length", "size = 4, mix = {dsf = 1}, length", ["levels.small", "mean 'dfs'?"]),
    "no levels": (f"small = {SMALL}\nlarge = {LARGE}", "", ["[levels] is empty"]),
    "bad level name": ("small =", '"small one" =', ["names are letters, digits and '_'", "small one"]),
    "unknown color": ('"blue"', '"bleu"', ["looks paper", "agent", "color", "bleu", "Did you mean 'blue'?"]),
    "unknown accent": ('"slate"', '"slat"', ["looks paper", "floor", "slat", "Did you mean 'slate'?"]),
    "unknown shape": ('"disc"', '"disk"', ["looks paper", "agent", "shape", "disk", "Did you mean 'disc'?"]),
    "unknown page": ('"ivory"', '"ivori"', ["looks paper", "ivori", "Did you mean 'ivory'?"]),
    "unknown motion": ('"step"]', '"stop"]', ["looks paper", "motion", "stop", "Did you mean 'step'?"]),
    "unknown look field": ("page =", "pgae =", ["looks paper", "pgae", "Did you mean 'page'?"]),
    "no shape": ('shape = ["target"]', "shape = []", ["looks paper", "goal", "shape"]),
    "no color": ('color = ["red"]', "color = []", ["looks paper", "goal", "color"]),
    "no accent": ('accent = ["slate", "navy"]', "accent = []", ["looks paper", "floor", "accent"]),
    "no page": ('page = ["ivory", "white"]', "page = []", ["looks paper", "page"]),
    "no motion": ('motion = ["glide", "step"]', "motion = []", ["looks paper", "motion"]),
    "one for a list": ('color = ["red"]', 'color = "red"', ["looks paper", "goal", "color", "list"]),
    "color twice": ('motion = ["glide"', 'palette = ["red", "red"]\nmotion = ["glide"', ["looks paper", "palette"]),
    "prompt field unknown": ("{goal}", "{gaol}", ["prompts", "train", "gaol", "Did you mean 'goal'?"]),
    "prompt part unknown": ("{agent.color}", "{agent.colour}", ["prompts", "test", "agent.colour"]),
    "prompt part of a number": ("in a {size} by", "in a {size.color} by", ["prompts", "train", "size.color"]),
    "prompt format of a mark": ("{goal}", "{goal:3d}", ["prompts", "train", "goal"]),
    "prompt with an open brace": ("{goal}", "{goal", ["prompts", "train"]),
    "prompt with an empty field": ("{goal}", "{}", ["prompts", "train"]),
    "prompt with an index": ("{goal}", "{goal[0]}", ["prompts", "train", "goal[0]"]),
    "prompt with a conversion": ("{goal}", "{goal!x}", ["prompts", "train"]),
    "no train prompts": ("train = [\"The", "trian = [\"The", ["prompts"]),
    "prompts of no split": ("test = [\"{agent", "tset = [\"{agent", ["[prompts]", "tset", "Did you mean 'test'?"]),
    "no prompt": ('["The {agent} walks to the {goal} in a {size} by {size} maze."]', "[]", ["prompts"]),
    "splits below 1": ("train = 0.7", "train = 0.6", ["[splits]", "add up to 1"]),
    "splits above 1": ("train = 0.7", "train = 0.8", ["[splits]", "add up to 1"]),
    "empty split": ("train = 0.7\nval = 0.2", "train = 0.9\nval = 0.0", ["[splits]", "above 0"]),
    "nan split": ("train = 0.7", "train = nan", ["nan"]),
    "no splits": ("train = 0.7\nval = 0.2\ntest = 0.1\n", "", ["[splits]"]),
    "split of wrong type": ("train = 0.7", 'train = "most"', ["splits", "train"]),
    "bad split name": ("val = 0.2", '"v/al" = 0.2', ["names are letters", "v/al"]),
    "broken toml": ("[levels]", "[levels", ["cannot read"]),
    "key twice": ("version = 1", "version = 1\nversion = 2", ["cannot read"]),
    "no such module": ("puzzlegen.tasks.maze:", "puzzlegen.tasks.amaze:", ["rules", "puzzlegen.tasks.amaze"]),
    "no such class": (":Maze", ":Amaze", ["rules", "Amaze"]),
    "no class named": ("maze:Maze", "maze", ["rules"]),
    "no task": (":Maze", ":MazeParams", ["rules", "no puzzlegen.Task"]),
    "abstract task": ("puzzlegen.tasks.maze:Maze", "puzzlegen.task:Task", ["rules", "cannot be made"]),
    "no such file": ("puzzlegen.tasks.maze:", "absent.py:", ["rules", "absent.py"]),
    "relative module": ("puzzlegen.tasks.maze:", ".maze:", ["rules"]),
    "empty rules": ("puzzlegen.tasks.maze:Maze", "", ["rules"]),
}  # fmt: skip


@pytest.mark.parametrize("fault", BAD)
def test_each_mistake_is_one_line_naming_file_and_table(tmp_path: Path, fault: str) -> None:
    before, after, words = BAD[fault]
    assert GOOD.count(before) >= 1
    with pytest.raises(InvalidInput) as caught:
        load(tmp_path, GOOD.replace(before, after, 1))
    message = str(caught.value)
    assert "\n" not in message
    assert message.startswith("mine.toml"), message
    assert all(word in message for word in words), message
    assert caught.value.exit_code == 2


def test_a_missing_file_is_named() -> None:
    with pytest.raises(InvalidInput, match=r"absent/mine\.toml") as caught:
        registry.load("absent/mine.toml")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", [b"\xff\xfe", b"version = 1\x00"])
def test_a_file_that_is_no_text_is_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "mine.toml"
    path.write_bytes(content)
    with pytest.raises(InvalidInput, match=r"mine\.toml") as caught:
        registry.load(str(path))
    assert "\n" not in str(caught.value)


def test_unknown_levels_and_looks_get_a_suggestion(tmp_path: Path) -> None:
    recipe = load(tmp_path, GOOD)
    with pytest.raises(UnknownName, match="Did you mean 'small'"):
        recipe.level("smal")
    with pytest.raises(UnknownName, match="Did you mean 'paper'"):
        recipe.draw_look(Rng(1), ("papr",))


@given(st.text(max_size=200))
def test_no_text_raises_anything_but_one_line(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    path = tmp_path_factory.getbasetemp() / "any.toml"
    path.write_text(text, encoding="utf-8", newline="")
    registry._load.cache_clear()
    with pytest.raises(PuzzlegenError) as caught:
        registry.load(str(path))
    assert "\n" not in str(caught.value)


# --- draws


def test_draws_come_from_the_choices_and_all_come_up(tmp_path: Path) -> None:
    recipe = load(tmp_path, GOOD)
    looks = [recipe.draw_look(Rng("look", number)) for number in range(200)]
    assert {look.page for look in looks} == {"ivory", "white"}
    assert {look.motion for look in looks} == {"glide", "step"}
    assert {look.styles["agent"].shape for look in looks} == {"disc", "diamond"}
    assert {look.styles["floor"].accent for look in looks} == {"slate", "navy"}
    assert looks == [recipe.draw_look(Rng("look", number)) for number in range(200)]


def test_prompts_name_what_is_drawn(tmp_path: Path) -> None:
    recipe = load(tmp_path, GOOD)
    for number in range(20):
        look = recipe.draw_look(Rng(number))
        agent = look.styles["agent"]
        train = recipe.draw_prompt(Rng(number), "train", "large", look)
        assert train == f"The {agent.color} {agent.shape} walks to the red target in a 6 by 6 maze."
        test = recipe.draw_prompt(Rng(number), "test", "large", look)
        assert test == f"{agent.color} {agent.shape}: go, past {look.styles['floor'].accent} walls!"
        assert recipe.draw_prompt(Rng(number), "val", "large", look) == train, (
            "a split without prompts takes those of train"
        )


def test_words_are_text_with_parts() -> None:
    look = registry.load("maze").looks["paper"].draw("paper", Rng(0))
    words = Words(look.styles["goal"])
    assert str(words) == f"{words.color} {words.shape}"


# --- splits


def structures(count: int) -> list[str]:
    """Digests as canonical.digest makes them: 16 hex digits of sha256."""
    return [hashlib.sha256(str(number).encode()).hexdigest()[:16] for number in range(count)]


def test_splits_have_their_shares(tmp_path: Path) -> None:
    """Within five standard deviations of a binomial draw."""
    recipe, total = load(tmp_path, GOOD), 20_000
    counts = Counter(recipe.split_of(structure) for structure in structures(total))
    for name, share in recipe.splits.items():
        assert abs(counts[name] - share * total) <= 5 * math.sqrt(total * share * (1 - share))
    assert sum(counts.values()) == total


def test_every_digest_has_a_split(tmp_path: Path) -> None:
    recipe = load(tmp_path, GOOD)
    assert recipe.split_of("0" * 16) == "train"
    assert recipe.split_of("f" * 16) == "test"
    assert recipe.split_of(f"{int(0.7 * 16**12) - 1:012x}ffff") == "train"
    assert recipe.split_of(f"{int(0.7 * 16**12) + 1:012x}0000") == "val"
    assert recipe.split_of(f"{int(0.9 * 16**12) + 16:012x}0000") == "test"


def test_shares_that_miss_1_by_a_rounding_error_cover_all(tmp_path: Path) -> None:
    tenths = "\n".join(f"s{number} = 0.1" for number in range(10))
    recipe = load(tmp_path, GOOD.split("[splits]")[0].replace("test = [", "s1 = [") + f"[splits]\n{tenths}\n")
    assert recipe.split_of("f" * 16) == "s9"
    counts = Counter(recipe.split_of(structure) for structure in structures(5000))
    assert len(counts) == 10
    assert min(counts.values()) > 350


def test_splits_of_the_built_in_recipes_never_move() -> None:
    """Golden: a change would put test puzzles of published data into training."""
    for task in ("maze", "flowfree", "sokoban"):
        recipe = registry.load(task)
        assert recipe.splits == {"train": 0.98, "test": 0.02}
        in_test = [number for number, structure in enumerate(structures(400)) if recipe.split_of(structure) == "test"]
        assert in_test == [70, 159, 204, 339]
        assert recipe.split_of("fae147ae147a0000") == "train"
        assert recipe.split_of("fae147ae147c0000") == "test"


# --- rewards


def with_rewards(text: str) -> str:
    return f"{GOOD}\n{text}\n"


def test_a_product_and_a_weighted_sum_by_hand(tmp_path: Path) -> None:
    text = (
        '[rewards.both]\nproduct = ["conn", "wall"]\n[rewards.a-sum_2]\nweights = { conn = 0.25, wall = 0.5, none = 0 }'
    )
    rewards = load(tmp_path, with_rewards(text)).rewards
    assert list(rewards) == ["both", "a-sum_2"]
    assert rewards["both"].terms == ("conn", "wall")
    assert rewards["a-sum_2"].terms == ("conn", "wall", "none")
    components = {"conn": 0.5, "wall": 0.75, "none": 1.0, "more": 1.0}
    assert rewards["both"].value(components) == 0.375
    assert rewards["a-sum_2"].value(components) == 0.5
    assert rewards["both"].value(dict.fromkeys(components, 0.0)) == 0.0


def test_rewards_may_be_left_out(tmp_path: Path) -> None:
    assert load(tmp_path, GOOD).rewards == {}


def test_weights_that_miss_1_by_a_rounding_error_pay_1_at_most(tmp_path: Path) -> None:
    terms = [f"t{number}" for number in range(10)]
    weights = ", ".join(f"{term} = 0.10000000001" for term in terms)
    rule = load(tmp_path, with_rewards(f"[rewards.mean]\nweights = {{ {weights} }}")).rewards["mean"]
    assert rule.value(dict.fromkeys(terms, 1.0)) == 1.0


def test_a_missing_component_is_named_with_the_recipe(tmp_path: Path) -> None:
    rule = load(tmp_path, with_rewards("[rewards.paper]\nweights = { conn = 1 }")).rewards["paper"]
    with pytest.raises(UnknownName, match=r"mine\.toml: \[rewards\.paper\].*'conn'\. Did you mean 'con'") as caught:
        rule.value({"con": 1.0})
    assert "\n" not in str(caught.value)


BAD_REWARDS = {
    "both": ('[rewards.mine]\nproduct = ["a"]\nweights = { a = 1 }', ["[rewards.mine]", "both"]),
    "neither": ("[rewards.mine]", ["[rewards.mine]", "neither"]),
    "no factors": ("[rewards.mine]\nproduct = []", ["[rewards.mine]", "'product'"]),
    "a factor twice": ('[rewards.mine]\nproduct = ["a", "a"]', ["[rewards.mine]", "'product'", "twice"]),
    "no weights": ("[rewards.mine]\nweights = {}", ["[rewards.mine]", "'weights'", "above 0"]),
    "weights of 0": ("[rewards.mine]\nweights = { a = 0, b = 0 }", ["[rewards.mine]", "above 0"]),
    "a negative weight": ("[rewards.mine]\nweights = { a = 0.5, b = -0.1 }", ["[rewards.mine]", "negative"]),
    "weights above 1": ("[rewards.mine]\nweights = { a = 0.5, b = 0.51 }", ["[rewards.mine]", "at most 1"]),
    "a weight of nan": ("[rewards.mine]\nweights = { a = nan }", ["nan"]),
    "a weight of inf": ("[rewards.mine]\nweights = { a = inf }", ["inf"]),
    "a weight that is no number": ('[rewards.mine]\nweights = { a = "1" }', ["rewards mine", "weights a", "'1'"]),
    "a weight that is a bool": ("[rewards.mine]\nweights = { a = true }", ["rewards mine", "weights a"]),
    "a name for a list": ('[rewards.mine]\nproduct = "a"', ["rewards mine", "product", "list"]),
    "a field unknown": ("[rewards.mine]\nweigths = { a = 1 }", ["rewards mine", "Did you mean 'weights'?"]),
    "no table": ("[rewards]\nmine = 3", ["rewards mine", "table"]),
    "the judge's own dense": ("[rewards.dense]\nweights = { a = 1 }", ["[rewards.dense]", "taken"]),
    "the judge's own sparse": ("[rewards.sparse]\nweights = { a = 1 }", ["[rewards.sparse]", "taken"]),
    "a bad name": ('[rewards."my own"]\nweights = { a = 1 }', ["my own", "names of rewards"]),
}


@pytest.mark.parametrize("fault", BAD_REWARDS)
def test_each_mistake_in_a_reward_is_one_line(tmp_path: Path, fault: str) -> None:
    text, words = BAD_REWARDS[fault]
    with pytest.raises(InvalidInput) as caught:
        load(tmp_path, with_rewards(text))
    message = str(caught.value)
    assert "\n" not in message
    assert message.startswith("mine.toml"), message
    assert all(word in message for word in words), message


def test_rewards_do_not_change_the_digest_and_all_else_does(tmp_path: Path) -> None:
    """They decide no byte of a dataset, so that one which was begun before an edit of them can be finished."""
    digests = []
    for number, text in enumerate(
        (GOOD, with_rewards("[rewards.mine]\nweights = { a = 1 }"), GOOD.replace("8]", "9]"))
    ):
        (tmp_path / str(number)).mkdir()
        digests.append(load(tmp_path / str(number), text).digest)
    assert digests[0] == digests[1] != digests[2]


@pytest.mark.parametrize("task", ["maze", "flowfree", "sokoban"])
def test_published_rewards_are_there_and_pay_all_terms_with_1(task: str) -> None:
    rewards = registry.load(task).rewards
    assert set(rewards) == {"paper", "released-code"}
    for rule in rewards.values():
        assert rule.value(dict.fromkeys(rule.terms, 1.0)) == pytest.approx(1.0)
        assert rule.value(dict.fromkeys(rule.terms, 0.0)) == 0.0

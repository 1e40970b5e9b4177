"""Draws start states: a random room and goals, then every state that can be pulled from them, with its exact depth.

A state of the retrograde search is a box layout and the zone in which the player can walk; its depth is the fewest
pushes that solve it. Difficulty is therefore drawn, not hoped for.
"""

from __future__ import annotations

from puzzlegen.errors import Rejected
from puzzlegen.seeding import Rng
from puzzlegen.tasks.sokoban import bits

STATE_LIMIT = 60_000
"""States that one draw may search: about half a second; a room above it is too open for its boxes."""

Zone = tuple[int, int]  # box cells, cells where the player can be


def draw_room(size: int, walls: int, rng: Rng) -> int:
    """Floor of a square room: each inner cell a wall in `walls` of 100 cases, then the largest connected part.

    Of equally large parts the one with the first cell is kept.
    """
    floor = word = left = 0
    limit = (walls << 16) // 100
    for row in range(1, size - 1):
        for col in range(1, size - 1):
            if not left:
                word, left = rng.bits(), 4  # four draws of 16 bits
            if word & 0xFFFF >= limit:
                floor |= 1 << row * size + col
            word >>= 16
            left -= 1
    return max(bits.regions(floor, size), key=int.bit_count, default=0)


def draw_start(size: int, boxes: int, walls: int, pushes: tuple[int, int], rng: Rng) -> tuple[int, int, int, int]:
    """(floor, goals, boxes, player) as masks, a start without a box on a goal.

    Raises:
        Rejected: this draw has no start with so many pushes.
    """
    floor = draw_room(size, walls, rng)
    if floor.bit_count() < 2 * boxes + 1:
        raise Rejected("room too small")
    goals = bits.mask_of(rng.sample(bits.cells(floor), boxes))
    layers = retrograde(floor, goals, size, pushes[1])
    deepest = len(layers) - 1
    while deepest >= pushes[0] and all(layout & goals for layout, _ in layers[deepest]):
        deepest -= 1
    if deepest < pushes[0]:
        raise Rejected("too few pushes")
    depth = rng.between(pushes[0], deepest)
    starts = [zone for zone in layers[depth] if not zone[0] & goals]
    if not starts:
        raise Rejected("no start off the goals")
    layout, zone = rng.choice(starts)
    return floor, goals, layout, 1 << rng.choice(bits.cells(zone))


def retrograde(floor: int, goals: int, cols: int, depth: int, limit: int = STATE_LIMIT) -> list[list[Zone]]:
    """All states by their exact fewest pushes, 0 to `depth` at most, each layer in the order of the search.

    Zones of one state are taken as found, pulls by direction U D L R, then by the pulled box's cell ascending.

    Raises:
        Rejected: there are more than `limit` states.
    """
    steps = bits.shifts(cols)
    solved = bits.regions(floor ^ goals, cols)
    known = {goals: floor ^ goals}
    layer = [(goals, zone) for zone in solved]
    layers = [layer]
    count = len(layer)
    while layer and len(layers) <= depth:
        pulled: list[Zone] = []
        for boxes, zone in layer:
            free = floor & ~boxes
            for up, down in steps:  # of the push; the player walks the other way, from `place` on
                places = boxes << up >> down & zone & free << down >> up
                while places:
                    place = places & -places
                    places ^= place
                    moved, player = boxes ^ place ^ place << down >> up, place << up >> down
                    covered = known.get(moved, 0)
                    if not covered & player:
                        reached = bits.flood(player, floor & ~moved, cols)
                        known[moved] = covered | reached
                        pulled.append((moved, reached))
        count += len(pulled)
        if count > limit:
            raise Rejected("too many states")
        if not pulled:
            break
        layers.append(pulled)
        layer = pulled
    return layers

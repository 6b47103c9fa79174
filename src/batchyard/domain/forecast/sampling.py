"""Which mini-batches of an input are scored to learn about all of it: by size and by position, and never by chance.

An estimate must hold where the cost of a file follows its size, where a few files are much larger than the others, and
where the cost grows or falls along the input. So mini-batches are sorted by their bytes and cut into classes of equal
work; each class is cut into stretches along the input, and one mini-batch is chosen of each. It stands for its stretch.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

_MOST_CLASSES = 8
_CHOSEN_IN_A_CLASS = 4  # With fewer there is no telling how cost goes along the input.
_FEWEST_FOR_THE_HEAVIEST = 4
# Multiples of it, without their whole part, fill 0…1 evenly wherever one stops: no rhythm of the input fits theirs.
_GOLDEN = 0.6180339887498949


@dataclass(frozen=True, slots=True)
class Candidate:
    """A mini-batch that may be chosen. first: position of its first item; size_bytes: of its files."""

    first: int
    items: int
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Chosen:
    """A mini-batch to score, and how much of all candidates it stands for, itself included."""

    candidate: Candidate
    stands_for_items: int
    stands_for_bytes: int


def choose(candidates: Sequence[Candidate], *, most: int) -> list[Chosen]:
    """Choose at most `most` mini-batches, at least one, in an order in which every beginning is spread as all of them.

    candidates: in the order of the input. Returns: all of them when they are not more; [] for none. What the chosen
    ones stand for adds up to all candidates. The heaviest one is among them, for the sake of what it needs.
    """
    if len(candidates) <= max(1, most):
        groups = [[one] for one in candidates]
        return _spread([_of(group, group[0]) for group in groups])
    most, rest = max(1, most), list(candidates)
    chosen: list[Chosen] = []
    heaviest = max(rest, key=lambda one: one.size_bytes)
    if most >= _FEWEST_FOR_THE_HEAVIEST and heaviest.size_bytes > min(one.size_bytes for one in rest):
        rest.remove(heaviest)
        chosen.append(_of([heaviest], heaviest))
    classes = _classes(rest, count=max(1, min(_MOST_CLASSES, most // _CHOSEN_IN_A_CLASS)))
    for members, share in zip(classes, _shares(classes, most - len(chosen)), strict=True):
        chosen += _along(sorted(members, key=lambda one: one.first), share)
    return _spread(chosen)


def _classes(candidates: Sequence[Candidate], *, count: int) -> list[list[Candidate]]:
    """Cut them, sorted by their bytes, into at most `count` classes that mean about as much work each.

    Nobody knows yet whether work follows the items or their bytes, so each counts for half of it.
    """
    items = sum(one.items for one in candidates) or 1
    size_bytes = sum(one.size_bytes for one in candidates) or 1
    classes: list[list[Candidate]] = [[] for _ in range(count)]
    done = 0.0
    for one in sorted(candidates, key=lambda one: (one.size_bytes, one.first)):
        work = (one.items / items + one.size_bytes / size_bytes) / 2
        classes[min(count - 1, int((done + work / 2) * count))].append(one)
        done += work
    return [members for members in classes if members]


def _shares(classes: Sequence[Sequence[Candidate]], most: int) -> list[int]:
    """Say how many are chosen of each class: as many of each, but what small classes do not have goes to the others."""
    shares = [0] * len(classes)
    left = most
    for place, number in enumerate(sorted(range(len(classes)), key=lambda number: len(classes[number]))):
        shares[number] = min(len(classes[number]), max(1, left // (len(classes) - place)))
        left -= shares[number]
    return shares


def _along(members: Sequence[Candidate], count: int) -> list[Chosen]:
    """Cut members, in their order, into `count` stretches, and choose one in each."""
    chosen = []
    for number in range(count):
        stretch = members[number * len(members) // count : (number + 1) * len(members) // count]
        at = int((0.5 + number * _GOLDEN) % 1.0 * len(stretch))
        chosen.append(_of(stretch, stretch[at]))
    return chosen


def _of(stretch: Sequence[Candidate], one: Candidate) -> Chosen:
    return Chosen(one, sum(each.items for each in stretch), sum(each.size_bytes for each in stretch))


def _spread(chosen: list[Chosen]) -> list[Chosen]:
    """Give them in an order that jumps about in the input, so that a sample cut short is still one of all of it."""
    in_order = sorted(chosen, key=lambda one: one.candidate.first)
    places = sorted(range(len(in_order)), key=lambda place: place * _GOLDEN % 1.0)
    return [in_order[place] for place in places]

"""What was read and has not changed."""

from __future__ import annotations

from abaca.db.kept import MOST, SECONDS, Kept


def test_what_is_kept_is_found_for_a_while() -> None:
    """Then all of it is read anew, whatever its tags say."""
    moment = 1000.0
    kept: Kept[str] = Kept(lambda: moment)
    assert kept.of(["a"]) == [None]
    kept.keep({"a": "first", "b": "second"})
    moment += SECONDS
    assert kept.of(["b", "c", "a"]) == ["second", None, "first"]
    moment += 0.1
    assert kept.of(["a", "b"]) == [None, None]


def test_it_does_not_grow_for_ever() -> None:
    """With more than so many things all are forgotten."""
    kept: Kept[int] = Kept()
    kept.of([])
    kept.keep({str(number): number for number in range(MOST)})
    assert kept.of(["1"]) == [1]
    kept.keep({"one more": 0})
    assert kept.of(["1"]) == [None]

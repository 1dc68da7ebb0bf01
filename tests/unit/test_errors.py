from __future__ import annotations

import inspect

from contact_reasons import errors


def test_every_error_belongs_to_the_tree() -> None:
    for name in errors.__all__:
        found = getattr(errors, name)
        if inspect.isclass(found):
            assert issubclass(found, errors.ContactReasonsError), name


def test_long_values_are_cut_in_messages() -> None:
    assert len(errors.shorten("x" * 10_000_000)) == 60
    assert errors.shorten("short") == "'short'"


def test_nearest_names_what_is_known_where_nothing_is_near() -> None:
    assert errors.nearest("zzz", ["alpha", "beta"]) == "known: 'alpha', 'beta'"
    assert errors.nearest("zzz", [f"name{i}" for i in range(20)]).endswith("and 8 more")

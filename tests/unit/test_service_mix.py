"""Requests of every kind at once, with a reload among them: none lost, none doubled, each answered as the library answers it."""

from __future__ import annotations

from pathlib import Path

from tests.service_mix import Account, mixed


def test_of_two_thousand_mixed_requests_each_is_answered_once_and_right(tmp_path: Path) -> None:
    account = Account(tmp_path)
    account.run(mixed(2000, seed=7), n_clients=20, reloads=1)
    assert set(account.models) == set(account.pipes)
    assert len(account.first) > 300
    assert len(account.again) > 100

"""`RoutedColumns`: recommendations for many rows, held as one number a row; `PartlyRouted`: where some rows have none."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self

import numpy as np
import numpy.typing as npt

__all__ = ["PartlyRouted", "RoutedColumns", "names_apart"]


@dataclass(frozen=True, eq=False)
class RoutedColumns:
    """Recommendations for n rows, as columns.

    The names are made when they are asked for; `to_pandas`, `to_polars` and `to_arrow` never write them row by row.

    Parameters
    ----------
    rule_index : ndarray of int64, shape (n,)
        Position of the deciding rule in ``policy.rules``; their number for ``on_no_match``.
    outcomes : tuple of (str, int, str)
        Channel, priority and rule id by that position.

    Attributes
    ----------
    channel : ndarray of str, shape (n,)
    priority : ndarray of int64, shape (n,)
    rule_id : ndarray of str, shape (n,)

    Examples
    --------
    >>> RoutedColumns(np.array([1, 0]), (("chat", 5, "now"), ("message", 8, "later"))).channel.tolist()
    ['message', 'chat']
    """

    rule_index: npt.NDArray[np.int64]
    outcomes: tuple[tuple[str, int, str], ...]

    def __len__(self) -> int:
        """Number of rows."""
        return len(self.rule_index)

    @cached_property
    def channel(self) -> npt.NDArray[np.str_]:
        """The channel of each row."""
        return np.array([channel for channel, _, _ in self.outcomes])[self.rule_index]

    @cached_property
    def priority(self) -> npt.NDArray[np.int64]:
        """The priority of each row; 1 is first."""
        return np.array([priority for _, priority, _ in self.outcomes], dtype=np.int64)[self.rule_index]

    @cached_property
    def rule_id(self) -> npt.NDArray[np.str_]:
        """The deciding rule of each row; ``on_no_match`` where none did."""
        return np.array([rule_id for _, _, rule_id in self.outcomes])[self.rule_index]

    def to_pandas(self, index: Any = None) -> Any:
        """A data frame of pandas with the columns ``channel``, ``priority`` and ``rule_id``, the names as categoricals.

        Parameters
        ----------
        index : Index, optional
            Such as that of the frame that was routed.
        """
        import pandas as pd

        columns: dict[str, Any] = {"priority": self.priority}
        for name, (codes, names) in self._coded().items():
            columns[name] = pd.Categorical.from_codes(codes, names)
        return pd.DataFrame(columns, index=index, columns=["channel", "priority", "rule_id"])

    def to_polars(self) -> Any:
        """As `to_pandas`, a data frame of polars, the names as `Enum`."""
        import polars as pl

        coded = {
            name: pl.Series(names, dtype=pl.Enum(names)).gather(codes) for name, (codes, names) in self._coded().items()
        }
        return pl.DataFrame({"channel": coded["channel"], "priority": self.priority, "rule_id": coded["rule_id"]})

    def to_arrow(self) -> Any:
        """As `to_pandas`, a table of Arrow, the names as dictionaries."""
        import pyarrow as pa

        coded = {name: pa.DictionaryArray.from_arrays(codes, names) for name, (codes, names) in self._coded().items()}
        return pa.table({"channel": coded["channel"], "priority": self.priority, "rule_id": coded["rule_id"]})

    def _coded(self) -> dict[str, tuple[npt.NDArray[np.int32], Sequence[str]]]:
        """Codes and names of the two columns of names."""
        channels = list(dict.fromkeys(channel for channel, _, _ in self.outcomes))
        by_rule = np.array([channels.index(channel) for channel, _, _ in self.outcomes], dtype=np.int32)
        rules = [rule_id for _, _, rule_id in self.outcomes]
        return {"channel": (by_rule[self.rule_index], channels), "rule_id": (self.rule_index.astype(np.int32), rules)}


def names_apart(policies: Sequence[tuple[str, str, str]]) -> tuple[str, ...]:
    """What to call policies that are compared: id and version, and where these are the same of different ones the beginning of the hash.

    Parameters
    ----------
    policies : sequence of (str, str, str)
        Id, version and sha256 of each.

    Examples
    --------
    >>> names_apart([("shop", "1", "a0b1c2d3e4"), ("shop", "2", "b1")]), names_apart([("shop", "1", "a0b1c2d3e4"), ("shop", "1", "b1")])
    (('shop 1', 'shop 2'), ('shop 1 (a0b1c2d3)', 'shop 1 (b1)'))
    """
    plain = [f"{policy_id} {version}" for policy_id, version, _ in policies]
    kinds = [name for name, _ in {(name, sha256) for name, (_, _, sha256) in zip(plain, policies, strict=True)}]
    return tuple(
        f"{name} ({sha256[:8]})" if kinds.count(name) > 1 else name
        for name, (_, _, sha256) in zip(plain, policies, strict=True)
    )


@dataclass(frozen=True, eq=False)
class PartlyRouted:
    """Recommendations for those of n rows that have one, and why the others have none.

    Parameters
    ----------
    rule_index : ndarray of int64, shape (n,)
        As of `RoutedColumns`; -1 where there is no recommendation.
    outcomes : tuple of (str, int, str)
        As of `RoutedColumns`.
    cause : ndarray of int64, shape (n,)
        Position in ``causes``; -1 where there is a recommendation.
    causes : tuple of str
        Without values of the rows.
    """

    rule_index: npt.NDArray[np.int64]
    outcomes: tuple[tuple[str, int, str], ...]
    cause: npt.NDArray[np.int64]
    causes: tuple[str, ...]

    def __len__(self) -> int:
        """Number of rows."""
        return len(self.rule_index)

    @property
    def refused(self) -> npt.NDArray[np.bool_]:
        """Which rows have no recommendation."""
        return self.rule_index < 0

    @classmethod
    def of(
        cls,
        rule_index: npt.NDArray[np.int64],
        outcomes: tuple[tuple[str, int, str], ...],
        causes: Sequence[tuple[str, npt.NDArray[np.int64]]],
    ) -> Self:
        """With the first of its causes for each row that has several."""
        cause = np.full(len(rule_index), -1, dtype=np.int64)
        for position in range(len(causes) - 1, -1, -1):
            cause[causes[position][1]] = position
        return cls(np.where(cause < 0, rule_index, -1), outcomes, cause, tuple(text for text, _ in causes))

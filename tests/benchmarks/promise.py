"""Is a promised error rate kept? Random recalibrations of ours and of MAPIE's controllers, on the same splits."""

from __future__ import annotations

import importlib.util
import statistics
import warnings
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from contact_reasons.bundle import read_bundle
from contact_reasons.classifier import ReasonProbabilities
from contact_reasons.confidence import Thresholds, label_rows
from contact_reasons.confidence.promise import fit_promise
from contact_reasons.errors import CalibrationError
from tests.benchmarks.data import DataSet
from tests.benchmarks.peers import PEERS
from tests.benchmarks.processes import on_all_cores
from tests.benchmarks.run import Run

ERROR, ASSURANCE = 0.05, 0.95
REPEATS = 500
AUDITED_SHARE = 0.8
"""Of the other half: about as many as are labelled there."""

IntArray = npt.NDArray[np.int64]
METHODS = {
    "ours": "contact_reasons",
    "ours_audited": "contact_reasons, for a count of so many labels",
    "mapie": "MAPIE, defaults (Bonferroni–Holm)",
    "mapie_sequence": "MAPIE, fixed sequence",
}


class Said(NamedTuple):
    """What a trained model says of test texts, and whether it is right at the most probable secondary."""

    said: ReasonProbabilities
    classes: tuple[str, ...]
    truth: list[str]
    confidence: npt.NDArray[np.float64]
    right: npt.NDArray[np.bool_]

    def take(self, rows: IntArray) -> tuple[ReasonProbabilities, list[str | None]]:
        said = ReasonProbabilities(self.said.proba[rows], self.said.in_scope[rows])
        return said, [self.truth[row] for row in rows.tolist()]


class Outcome(NamedTuple):
    """Labels of the judged rows: how many at each level, and how many of them are wrong."""

    rows: int
    secondary: int
    primary: int
    wrong_secondary: int
    wrong_primary: int

    @property
    def labelled(self) -> int:
        return self.secondary + self.primary

    @property
    def wrong(self) -> int:
        return self.wrong_secondary + self.wrong_primary

    @property
    def kept(self) -> bool:
        pairs = ((self.secondary, self.wrong_secondary), (self.primary, self.wrong_primary))
        return all(wrong <= ERROR * labelled + 1e-9 for labelled, wrong in pairs)


Method = Callable[[Said, IntArray, IntArray, int], Outcome]
"""Of what a model says, the rows to calibrate on, those to judge, and a seed."""


def ours(audited: bool) -> Method:
    def run(said: Said, calibrate: IntArray, judge: IntArray, seed: int) -> Outcome:
        sample, truth = said.take(calibrate)
        try:
            thresholds = fit_promise(
                *(sample, said.classes, truth),
                error=ERROR,
                assurance=ASSURANCE,
                audited=int(AUDITED_SHARE * len(judge)) if audited else None,
                seed=seed,
            ).thresholds
        except CalibrationError:
            thresholds = Thresholds(None, None)
        judged, true = said.take(judge)
        labels = list(zip(label_rows(judged, said.classes, thresholds), true, strict=True))
        second = [label.secondary != reason for label, reason in labels if label.level == "secondary"]
        first = [label.primary != str(reason).partition(".")[0] for label, reason in labels if label.level == "primary"]
        return Outcome(len(judge), len(second), len(first), sum(second), sum(first))

    return run


def mapie(**settings: Any) -> Method:
    """The precision of "the most probable reason is right", with its probability as the score, at the same rate and assurance."""
    from mapie.risk_control import BinaryClassificationController

    def run(said: Said, calibrate: IntArray, judge: IntArray, _seed: int) -> Outcome:
        controller = BinaryClassificationController(
            lambda scores: np.column_stack([1 - scores[:, 0], scores[:, 0]]),
            risk="precision",
            target_level=1 - ERROR,
            confidence_level=ASSURANCE,
            **settings,
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            controller.calibrate(said.confidence[calibrate, None], said.right[calibrate].astype(int))
        least = controller.best_predict_param
        if least is None:
            return Outcome(len(judge), 0, 0, 0, 0)
        labelled = said.confidence[judge] >= least
        return Outcome(len(judge), int(labelled.sum()), 0, int((labelled & ~said.right[judge]).sum()), 0)

    return run


def methods() -> dict[str, Method]:
    found = {"ours": ours(False), "ours_audited": ours(True)}
    if importlib.util.find_spec("mapie") is not None:
        found |= {"mapie": mapie(), "mapie_sequence": mapie(fwer_method="fixed_sequence")}
    return found


def halves(draw: np.random.Generator, n: int) -> tuple[IntArray, IntArray]:
    """One half to calibrate on, the other to count on."""
    order = draw.permutation(n)
    return order[: n // 2], order[n // 2 :]


def draws(draw: np.random.Generator, n: int) -> tuple[IntArray, IntArray]:
    """Half as many rows, drawn with replacement: for such samples the rate among all rows is the true one."""
    return draw.integers(0, n, n // 2), np.arange(n)


WAYS = {"halves": halves, "draws": draws}


def promise(run: Run, repeats: int = REPEATS) -> dict[str, Any]:
    """How often each method keeps its promise, and how much it labels."""
    peer, sets = PEERS["ours"], run.sets()
    on_all_cores(lambda core, data: run.train_full(core, peer, data), sets)
    result: dict[str, Any] = {}
    for data in sets:
        said = say(run, data)
        result[data.name] = {"title": data.title, "rows": len(said.truth), "right": float(said.right.mean())}
        for way in WAYS:
            result[data.name][way] = repeat(said, way, repeats)
            for name, values in result[data.name][way].items():
                run.say(
                    f"{data.title}, {way}, {METHODS[name]}: kept {values['kept']:.1%}, labelled {values['labelled']:.1%}"
                )
    folders = {f"ours, {data.name}": run.model_folder(peer, data.name) for data in sets}
    return {"error": ERROR, "assurance": ASSURANCE, "repeats": repeats, "sets": result, "stamp": run.stamp(folders)}


def say(run: Run, data: DataSet) -> Said:
    model = read_bundle(run.model_folder(PEERS["ours"], data.name)).model
    said = model.predict(data.test.texts)
    joint = said.proba * said.in_scope[:, None]
    right = np.array(model.classes)[joint.argmax(axis=1)] == np.array(data.test.ids)
    return Said(said, model.classes, data.test.ids, joint.max(axis=1), right)


def repeat(said: Said, way: str, repeats: int) -> dict[str, dict[str, float]]:
    """Every method on the same splits, drawn with the seed 0."""
    draw = np.random.default_rng(0)
    splits = [WAYS[way](draw, len(said.truth)) for _ in range(repeats)]
    return {
        name: summary([method(said, *split, seed) for seed, split in enumerate(splits)])
        for name, method in methods().items()
    }


def summary(outcomes: list[Outcome]) -> dict[str, float]:
    """Shares over all repeats; a repeat without a promise labels nothing and keeps what it did not promise."""

    def mean(value: Callable[[Outcome], float], among: list[Outcome] = outcomes) -> float:
        return statistics.fmean(map(value, among)) if among else 0.0

    return {
        "kept": mean(lambda one: one.kept),
        "kept_of_first_100": sum(one.kept for one in outcomes[:100]),
        "without_promise": mean(lambda one: not one.labelled),
        "error": mean(lambda one: one.wrong / one.labelled, [one for one in outcomes if one.labelled]),
        "secondary": mean(lambda one: one.secondary / one.rows),
        "primary": mean(lambda one: one.primary / one.rows),
        "labelled": mean(lambda one: one.labelled / one.rows),
    }

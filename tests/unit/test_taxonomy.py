from __future__ import annotations

import contextlib
import copy
import pickle
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given

import contact_reasons as cr
from contact_reasons.errors import TaxonomyError
from contact_reasons.resources import pack_files
from contact_reasons.taxonomy import lint_taxonomy, strict_yaml
from contact_reasons.taxonomy.strict_yaml import parse_strict_yaml
from tests.strategies import any_text, taxonomies

SMALL: dict[str, Any] = {
    "taxonomy_id": "small",
    "version": "1",
    "stages": ["support"],
    "primaries": [
        {
            "id": "billing",
            "label": "Billing",
            "definition": "Money.",
            "secondaries": [
                {"id": "billing.refund", "label": "Refund", "definition": "Money back.", "stages": ["support"]},
                {"id": "billing.invoice", "label": "Invoice", "definition": "A paper."},
            ],
        },
        {
            "id": "orders",
            "label": "Orders",
            "definition": "Goods.",
            "secondaries": [{"id": "orders.cancel", "label": "Cancel"}],
        },
    ],
}


def changed(path: list[Any], value: Any) -> dict[str, Any]:
    data = copy.deepcopy(SMALL)
    place: Any = data
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    return data


def test_the_shipped_retail_taxonomy_is_eight_by_six_to_eight_and_free_of_findings() -> None:
    taxonomy = cr.Taxonomy.load("retail")
    assert len(taxonomy.primaries) == 8
    assert all(6 <= len(primary.secondaries) <= 8 for primary in taxonomy.primaries)
    assert len(taxonomy.secondaries) <= 60
    assert lint_taxonomy(taxonomy) == ()


def test_every_shipped_reason_has_definition_near_misses_and_stages() -> None:
    for reason in cr.Taxonomy.load("retail").secondaries:
        assert reason.definition, reason.id
        assert reason.not_this, reason.id
        assert reason.stages, reason.id


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (["primaries", 0, "secondaries", 0, "id"], "Billing.Refund", r"primaries\[0\]\.secondaries\[0\]\.id: 'Billing\.Refund' is not a valid reason id.*'billing\.refund'"),
        (["primaries", 0, "secondaries", 0, "id"], "orders.refund", r"'orders\.refund' is listed under the primary 'billing'"),
        (["primaries", 0, "secondaries", 0, "id"], "billing.invoice", r"'billing\.invoice' is already the id at primaries\[0\]\.secondaries\[0\]"),
        (["primaries", 0, "secondaries", 0, "id"], "billing." + "x" * 40, r"has 49 characters.*at most 40"),
        (["primaries", 0, "id"], "missing", r"word of the policy language"),
        (["primaries", 1, "id"], "billing", r"the primary 'billing' is listed twice"),
        (["primaries", 0, "secondaries", 0, "lable"], "x", r"the key 'lable' is not known here; did you mean 'label'\?"),
        (["primaries", 0, "secondaries", 0, "stages"], ["suport"], r"'suport' is not a stage.*did you mean 'support'\?"),
        (["primaries", 0, "secondaries", 0, "not_this"], [{"reason": "billing.invoce", "when": "x"}], r"no reason has the id 'billing\.invoce'; did you mean 'billing\.invoice'\?"),
        (["primaries", 0, "secondaries", 0, "formerly"], ["orders"], r"'orders' is in use at primaries\[1\], on the other level"),
        (["primaries", 0, "secondaries", 0, "formerly"], ["x.y", "x.y"], r"secondaries\[0\]\.formerly: 'x\.y' is listed twice"),
        (["primaries", 0, "secondaries"], [], r"primaries\[0\]\.secondaries: the list has 0 entries; give at least 1"),
        (["primaries"], "none", r"primaries: this must be a list, not 'none'"),
    ],
)  # fmt: skip
def test_a_mistake_is_named_with_its_place_and_what_would_be_right(path: list[Any], value: Any, message: str) -> None:
    with pytest.raises(TaxonomyError, match=message):
        cr.Taxonomy.from_dict(changed(path, value))


def test_a_missing_key_is_named() -> None:
    data = copy.deepcopy(SMALL)
    del data["version"]
    with pytest.raises(TaxonomyError, match="the key 'version' is missing; add it"):
        cr.Taxonomy.from_dict(data)


def test_errors_from_a_file_name_the_line(tmp_path: Path) -> None:
    file = tmp_path / "taxonomy.yaml"
    file.write_text(
        "taxonomy_id: t\nversion: 1\nprimaries:\n  - id: A\n    label: A\n    secondaries: [{id: A.b, label: B}]\n"
    )
    with pytest.raises(
        TaxonomyError, match=r"taxonomy\.yaml, line 4, primaries\[0\]\.id: 'A' is not a valid reason id"
    ):
        cr.Taxonomy.from_yaml(file)


def test_every_mistake_is_named_at_once_also_those_between_reasons_with_their_line(tmp_path: Path) -> None:
    file = tmp_path / "taxonomy.yaml"
    reasons = "  - id: a\n    label: A\n    secondaries:\n      - {id: a.b, label: B}\n"
    file.write_text(f"taxonomy_id: T\nprimaries:\n{reasons}    lable: X\n")
    with pytest.raises(TaxonomyError) as caught:
        cr.Taxonomy.from_yaml(file)
    assert str(caught.value).replace(str(file), "file").split("\n") == [
        "file, line 1, version: the key 'version' is missing; add it",
        "file, line 1, taxonomy_id: 'T' is not a valid reason id. Ids are lower snake case, such as 'billing'; write 't'. "
        "If the id was in use, list the old one under `formerly`",
        "file, line 7, primaries[0].lable: the key 'lable' is not known here; did you mean 'label'?",
    ]
    file.write_text(f"taxonomy_id: t\nversion: 1\nprimaries:\n{reasons}      - {{id: a.b, label: C}}\n")
    with pytest.raises(
        TaxonomyError, match=r"taxonomy\.yaml, line 8, primaries\[0\]\.secondaries\[1\]\.id: 'a\.b' is already"
    ):
        cr.Taxonomy.from_yaml(file)


def test_more_than_eight_mistakes_are_counted() -> None:
    data = changed(["primaries", 1, "secondaries"], [{"id": f"X{i}", "label": "x"} for i in range(11)])
    with pytest.raises(TaxonomyError, match=r"(?s)'X0'.*'X7'.*\n\(3 more\)\Z"):
        cr.Taxonomy.from_dict(data)


def test_reasons_made_in_code_are_checked_too() -> None:
    refund = cr.SecondaryReason(id="billing.refund", label=" Refund ", stages=["support"])  # type: ignore[arg-type]
    assert (refund.label, refund.stages, refund.primary, refund.code) == (
        "Refund",
        ("support",),
        "billing",
        "billing__refund",
    )
    billing = cr.PrimaryReason(id="billing", label="Billing", secondaries=(refund,))
    taxonomy = cr.Taxonomy(taxonomy_id="t", version="1", primaries=(billing,))
    assert taxonomy.primaries[0].secondaries[0] is refund
    assert pickle.loads(pickle.dumps(taxonomy)) == copy.deepcopy(taxonomy) == taxonomy
    assert hash(taxonomy) == hash(copy.deepcopy(taxonomy))
    with pytest.raises(TaxonomyError, match=r"\Aid: 'Refund' is not a valid reason id.*\nlabel: this is empty"):
        cr.SecondaryReason(id="Refund", label=" ")
    with pytest.raises(TaxonomyError, match=r"primaries\[1\]\.id: the primary 'billing' is listed twice"):
        cr.Taxonomy(taxonomy_id="t", version="1", primaries=(billing, billing))
    with pytest.raises(AttributeError, match="cannot assign"):
        refund.label = "x"  # type: ignore[misc]


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (["version"], 1, r"\Aversion: this must be a text, not 1\Z"),
        (["version"], "  ", r"\Aversion: this is empty; write at least 1 character\Z"),
        (["primaries", 0, "label"], "x" * 81, r"\Aprimaries\[0\]\.label: this has 81 characters; shorten it to at most 80\Z"),
        (["primaries", 0], "billing", r"\Aprimaries\[0\]: this must be a mapping \(key: value\), not 'billing'\Z"),
        (["stages"], ["support", None], r"\Astages\[1\]: this must be a text, not None\Z"),
        (["primaries", 0, "secondaries", 0, "not_this"], [{"reason": "billing.invoice"}], r"not_this\[0\]\.when: the key 'when' is missing; add it\Z"),
        ([5], "x", r"\A\[5\]: the key 5 is not known here; known: 'taxonomy_id'"),
    ],
)  # fmt: skip
def test_a_value_of_the_wrong_kind_is_named_with_what_would_be_right(path: list[Any], value: Any, message: str) -> None:
    with pytest.raises(TaxonomyError, match=message):
        cr.Taxonomy.from_dict(changed(path, value))


def test_in_yaml_no_stays_a_string_and_numbers_and_times_too() -> None:
    document = parse_strict_yaml("a: no\nb: 12:30:00\nc: 1.10\nd: ~\ne: [yes, en, null]\n", TaxonomyError)
    assert document.data == {"a": "no", "b": "12:30:00", "c": "1.10", "d": "~", "e": ["yes", "en", "null"]}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: 1\nb: 2\na: 3\n", r"line 3: the key 'a' stands here a second time \(first on line 1\)"),
        ("a: &x [1]\nb: *x\n", r"line 2: aliases"),
        ("a: !!python/object:os.system x\n", r"line 1: the tag .* is not allowed"),
        ("a: [1\n", r"not valid YAML"),
        ("", r"the document is empty"),
        ("a: 1\n---\nb: 2\n", r"line 2: not valid YAML here \(a second document begins\)"),
        ("a: 1\n!!int b: 2\n", r"line 2: the tag 'tag:yaml\.org,2002:int' is not allowed"),
        ("a: 1\nb:\n  - !mine [2]\n", r"line 3: the tag '!mine' is not allowed"),
        ("a: 1\n*x : 2\n", r"line 2: a key must be a plain word"),
        ("a: x\x00y\n", r"not valid YAML"),
        ("a: \ud800\n", r"not valid YAML"),
        ("[" * 60 + "]" * 60, r"nested deeper than 40"),
        ("? [1, 2]\n: 3\n", r"a key must be a plain word"),
    ],
)
@pytest.mark.parametrize("loader", ["CBaseLoader", "BaseLoader"])
def test_yaml_that_could_surprise_is_refused_with_its_line(
    text: str, message: str, loader: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not hasattr(yaml, loader):
        pytest.skip("PyYAML was built without libyaml")
    monkeypatch.setattr(strict_yaml, "_LOADER", getattr(yaml, loader))
    with pytest.raises(TaxonomyError, match=message):
        parse_strict_yaml(text, TaxonomyError)


def test_lines_and_values_are_those_of_a_parser_that_builds_the_whole_tree_first() -> None:
    text = pack_files("retail").taxonomy.read_text(encoding="utf-8")
    lines: dict[Any, int] = {}

    def plain(node: yaml.Node, path: tuple[Any, ...]) -> Any:
        lines[path] = node.start_mark.line + 1
        if isinstance(node, yaml.SequenceNode):
            return [plain(item, (*path, i)) for i, item in enumerate(node.value)]
        if isinstance(node, yaml.MappingNode):
            return {key.value: plain(value, (*path, key.value)) for key, value in node.value}
        return node.value

    data = plain(yaml.compose(text, Loader=yaml.BaseLoader), ())
    document = parse_strict_yaml(text, TaxonomyError)
    assert document.data == data
    assert document.lines == lines


@given(text=any_text)
def test_any_text_as_yaml_gives_data_or_a_taxonomy_error(text: str) -> None:
    with contextlib.suppress(TaxonomyError):
        parse_strict_yaml(text, TaxonomyError)


def test_a_file_that_is_not_text_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "taxonomy.yaml"
    file.write_bytes(b"a: \xff\xfe")
    with pytest.raises(TaxonomyError, match="not UTF-8"):
        cr.Taxonomy.from_yaml(file)
    with pytest.raises(TaxonomyError, match="cannot be read"):
        cr.Taxonomy.from_yaml(tmp_path / "absent.yaml")


@given(data=taxonomies())
def test_a_taxonomy_written_as_yaml_reads_as_an_equal_one(data: dict[str, Any]) -> None:
    taxonomy = cr.Taxonomy.from_dict(data)
    again = cr.Taxonomy._from_document(parse_strict_yaml(taxonomy.to_yaml(), TaxonomyError))
    assert again == taxonomy
    assert again.sha256 == taxonomy.sha256


def test_labels_of_ones_own_become_ids() -> None:
    pairs = [
        ("Cards & PIN", "Card lost!"),
        ("Cards & PIN", "Card lost?"),
        ("Überweisung", "支払い"),
        ("Cards & PIN", "Card lost!"),
    ]
    taxonomy = cr.Taxonomy.from_pairs(pairs)
    assert [reason.id for reason in taxonomy.secondaries] == [
        "cards_pin.card_lost",
        "cards_pin.card_lost_2",
        "uberweisung.r",
    ]
    assert taxonomy.id_of("Cards & PIN", "Card lost?") == "cards_pin.card_lost_2"
    with pytest.raises(TaxonomyError, match="no reason labelled"):
        taxonomy.id_of("Cards & PIN", "Other")


def test_ids_from_long_labels_fit_every_crm() -> None:
    taxonomy = cr.Taxonomy.from_pairs([("p" * 70 + str(i), "s" * 70 + str(j)) for i in range(3) for j in range(12)])
    assert len(taxonomy.secondaries) == 36
    assert all(len(reason.code) <= 40 for reason in taxonomy.secondaries)


@pytest.mark.parametrize("data", [None, 5, "x", [1]])
def test_something_that_is_no_mapping_is_no_taxonomy(data: Any) -> None:
    with pytest.raises(TaxonomyError, match="a taxonomy is a mapping"):
        cr.Taxonomy.from_dict(data)


def test_two_reasons_never_share_a_code() -> None:
    with pytest.raises(TaxonomyError, match="not a valid reason id"):
        cr.Taxonomy.from_dict(changed(["primaries", 0, "secondaries", 0, "id"], "billing.a__b"))


def test_a_label_too_long_to_tell_apart_is_refused() -> None:
    with pytest.raises(TaxonomyError, match="each a string of 1 to 80 characters"):
        cr.Taxonomy.from_pairs([("a", "x" * 81)])


def test_a_single_string_is_no_pair() -> None:
    with pytest.raises(TaxonomyError, match="is not a pair of labels"):
        cr.Taxonomy.from_pairs(["billing.refund"])  # type: ignore[list-item]


def test_lint_finds_each_kind_of_doubt() -> None:
    data = changed(["primaries", 0, "secondaries", 1, "label"], "refund!")
    codes = {(finding.code, finding.reason) for finding in lint_taxonomy(cr.Taxonomy.from_dict(data))}
    assert ("duplicate-label", "billing.invoice") in codes
    assert ("missing-definition", "orders.cancel") in codes
    assert ("primary-count", None) in codes
    assert ("secondary-count", "billing") in codes
    data = changed(["primaries", 0, "secondaries", 1, "label"], "Refunds")
    assert "near-duplicate-label" in {finding.code for finding in lint_taxonomy(cr.Taxonomy.from_dict(data))}


def test_lint_warns_above_sixty_reasons() -> None:
    pairs = [(f"topic {i}", f"matter {i} {j}") for i in range(8) for j in range(8)]
    codes = [finding.code for finding in lint_taxonomy(cr.Taxonomy.from_pairs(pairs))]
    assert "too-many-leaves" in codes
    assert "primary-count" not in codes


def test_looking_up_a_reason_names_the_nearest() -> None:
    taxonomy = cr.Taxonomy.from_dict(SMALL)
    assert taxonomy["billing.refund"].label == "Refund"
    assert "billing" in taxonomy
    assert "billing.x" not in taxonomy
    with pytest.raises(TaxonomyError, match=r"did you mean 'billing\.refund'\?"):
        taxonomy["billing.refnd"]

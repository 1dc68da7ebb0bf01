from __future__ import annotations

import pytest

import contact_reasons as cr
from contact_reasons.errors import TaxonomyError
from contact_reasons.taxonomy import Label, ids_of_labels, taxonomy_of_labels


@pytest.mark.parametrize(
    ("labels", "ids"),
    [
        (["delivery.late", None, "billing.refund"], ["delivery.late", None, "billing.refund"]),
        (["Late parcel", " Late parcel ", None], ["late_parcel.late_parcel"] * 2 + [None]),
        ([("Billing", "Refund!"), ("Billing", "Copy")], ["billing.refund", "billing.copy"]),
        (["Delivery.Late", "Billing.Refund"], ["delivery.late", "billing.refund"]),
        (["3", "17"], ["r_3.r_3", "r_17.r_17"]),
        (["a_very_long_primary_reason.x", "b.y"], ["a_very_long_primar.x", "b.y"]),
    ],
)
def test_labels_of_ones_own_become_ids_and_are_found_again(labels: list[Label], ids: list[str | None]) -> None:
    taxonomy = taxonomy_of_labels(labels)
    assert ids_of_labels(labels, taxonomy) == ids


def test_labels_are_found_in_a_given_taxonomy_by_id_pair_or_single_label() -> None:
    taxonomy = cr.Taxonomy.from_pairs([("Billing", "Refund"), ("Orders", "Other"), ("Billing", "Other")])
    found = ids_of_labels(["billing.refund", "Refund", ("Orders", "Other"), None], taxonomy)
    assert found == ["billing.refund", "billing.refund", "orders.other", None]
    with pytest.raises(TaxonomyError, match=r"row 7: 'Other' .* stands under several primaries: name the column"):
        ids_of_labels(["Other"], taxonomy, rows=[7])
    with pytest.raises(TaxonomyError, match=r"row 1: 'billing\.refnd' .* did you mean 'billing\.refund'"):
        ids_of_labels(["billing.refnd"], taxonomy)


def test_ids_and_labels_are_not_mixed() -> None:
    with pytest.raises(TaxonomyError, match=r"row 12: 'other' is not an id 'primary\.secondary' as 2 of the other"):
        taxonomy_of_labels(["a.b", "c.d", "other"], rows=[10, 11, 12])


def test_running_text_in_the_column_of_labels_is_refused_without_showing_it() -> None:
    with pytest.raises(TaxonomyError, match="looks like running text") as caught:
        taxonomy_of_labels([f"my secret is {n} and so on" for n in range(60)])
    assert "secret" not in str(caught.value)
    with pytest.raises(TaxonomyError, match=r"row 1: a text of 108 characters is no label") as caught:
        taxonomy_of_labels(["my secret " * 10 + "my words"])
    assert "secret" not in str(caught.value)

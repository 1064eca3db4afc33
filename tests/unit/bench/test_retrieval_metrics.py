import math

import pytest

from bench.retrieval_metrics import judged, ndcg, recall

GRADES = {"a": 3, "b": 2, "c": 1}


def test_the_best_order_is_worth_one() -> None:
    assert ndcg(["a", "b", "c", "other"], GRADES) == 1


def test_a_worse_order_is_worth_what_its_places_discount() -> None:
    best = 7 + 3 / math.log2(3) + 1 / 2
    assert ndcg(["b", "a", "c"], GRADES) == pytest.approx((3 + 7 / math.log2(3) + 1 / 2) / best)


def test_what_is_irrelevant_only_takes_a_place() -> None:
    best = 7 + 3 / math.log2(3) + 1 / 2
    assert ndcg(["other", "a"], GRADES) == pytest.approx(7 / math.log2(3) / best)


def test_beyond_the_depth_nothing_gains_and_nothing_is_missed() -> None:
    grades = {f"r{number}": 3 for number in range(30)}
    assert ndcg([f"r{number}" for number in range(10)], grades) == 1
    assert ndcg(["other"] * 10 + list(grades), grades) == 0


def test_whatever_comes_twice_gains_once() -> None:
    assert ndcg(["a", "a", "a"], {"a": 3, "b": 3}) < ndcg(["a", "b"], {"a": 3, "b": 3})


@pytest.mark.parametrize(("ranking", "worth"), [([], 1), (["a"], 0)])
def test_where_nothing_is_relevant_only_nothing_is_right(ranking: list[str], worth: float) -> None:
    assert ndcg(ranking, {}) == worth


def test_recall_counts_what_is_relevant_whatever_its_grade() -> None:
    assert recall(["c", "other", "a"], GRADES) == pytest.approx(2 / 3)
    assert recall([], GRADES) == 0
    assert recall(["other"], {}) == 1


def test_recall_can_reach_one_where_more_is_relevant_than_fits() -> None:
    grades = {f"r{number}": 2 for number in range(80)}
    assert recall(list(grades), grades) == 1
    assert recall(list(grades)[:25], grades) == 0.5
    assert recall(["other"] * 50 + list(grades), grades) == 0


def test_the_unjudged_count_neither_for_nor_against() -> None:
    assert judged(["x", "a", "y", "b"], ["x", "y"]) == ["a", "b"]

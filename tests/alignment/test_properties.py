from __future__ import annotations

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.alignment import properties
from tests.alignment.conftest import Place
from tests.alignment.properties import Problem, problems

GAMMAS = st.floats(1e-3, 1.0)


@settings(max_examples=60, deadline=None)
@given(problem=problems(), levels=st.integers(0, 6), dtype=st.sampled_from([torch.float32, torch.float64]))
def test_dtw_is_the_oracles(place: Place, problem: Problem, levels: int, dtype: torch.dtype) -> None:
    properties.check_dtw(place, problem, levels, dtype)


@settings(max_examples=30, deadline=None)
@given(problem=problems())
def test_a_path_keeps_to_its_limits_and_adds_up(place: Place, problem: Problem) -> None:
    properties.check_path(place, problem)


@settings(max_examples=60, deadline=None)
@given(problem=problems(), gamma=GAMMAS, scale=st.sampled_from([1e-3, 1.0, 50.0]))
def test_soft_dtw_is_the_oracles(place: Place, problem: Problem, gamma: float, scale: float) -> None:
    properties.check_soft_dtw(place, problem, gamma, scale)


@settings(max_examples=30, deadline=None)
@given(problem=problems(), gamma=GAMMAS)
def test_a_soft_alignment_holds_probabilities(place: Place, problem: Problem, gamma: float) -> None:
    properties.check_soft_alignment(place, problem, gamma)


@settings(max_examples=20, deadline=None)
@given(problem=problems(), gamma=GAMMAS)
def test_transposing_changes_nothing(place: Place, problem: Problem, gamma: float) -> None:
    properties.check_transposition(place, problem, gamma)


@settings(max_examples=20, deadline=None)
@given(problem=problems(), gamma=GAMMAS)
def test_a_batch_is_its_pairs_and_what_lies_outside_is_never_read(place: Place, problem: Problem, gamma: float) -> None:
    properties.check_one_by_one(place, problem, gamma)

"""Test that protocol cards are complete and mark the oracle."""

from __future__ import annotations

from typing import get_args

import pytest

from crackseg.metrics.protocols import NATIVE, RESIZE512, Protocol, ProtocolName, find_protocols

ALL = find_protocols("all")


def test_all_names_every_protocol() -> None:
    with_classes = find_protocols("all", classes=3)
    assert [protocol.name for protocol in with_classes] == list(get_args(ProtocolName))
    assert with_classes[:-1] == ALL
    for protocol in ALL:
        assert find_protocols(protocol.name) == (protocol,)


@pytest.mark.parametrize("protocol", ALL, ids=lambda protocol: str(protocol.name))
def test_a_card_states_every_rule(protocol: Protocol) -> None:
    card = protocol.card("0.4 (validation)")
    assert list(card) == ["resized", "tolerance", "threshold", "pooling", "empty masks", "source"]
    assert all(text.strip() for text in card.values())
    assert len({score.key for score in protocol.scores}) == len(protocol.scores)
    assert protocol.oracle == ("ORACLE" in card["threshold"]) == (card["threshold"] != "0.4 (validation)")


def test_only_the_512_px_protocol_is_an_oracle_and_averages_the_background_in() -> None:
    assert [protocol.name for protocol in ALL if protocol.oracle] == ["resize512"]
    assert [protocol.name for protocol in ALL if any(score.key == "miou" for score in protocol.scores)] == ["resize512"]
    assert "background" in RESIZE512.pooling


def test_the_native_protocol_reports_every_tolerance_from_0_to_5_px() -> None:
    assert {f"f1_{px}px" for px in range(6)} <= {score.key for score in NATIVE.scores}

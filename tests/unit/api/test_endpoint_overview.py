"""An endpoint shows what stands behind it."""

from __future__ import annotations

from .bench import WS, Bench


def test_an_endpoint_is_shown_with_its_deployments(bench: Bench) -> None:
    bench.ready()
    bench.deployment("green")

    shown = bench.client.get(f"{WS}/batchEndpoints/digits").json()["properties"]["deployments"]

    assert [(d["name"], d["isDefault"], d["provisioningState"]) for d in shown] == [
        ("blue", True, "Succeeded"),
        ("green", False, "Creating"),
    ]
    assert shown[0]["model"] == "azureml:net:1"
    assert shown[0]["compute"] == "azureml:cpu"


def test_a_put_answers_with_the_deployments_too(bench: Bench) -> None:
    bench.ready()

    answer = bench.endpoint(default="blue").json()["properties"]

    assert [d["name"] for d in answer["deployments"]] == ["blue"]


def test_a_list_of_endpoints_stays_short(bench: Bench) -> None:
    bench.ready()

    listed = bench.client.get(f"{WS}/batchEndpoints").json()["value"][0]["properties"]

    assert "deployments" not in listed
    assert "defaultHistory" not in listed

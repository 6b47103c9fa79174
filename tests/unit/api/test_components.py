"""Components and schedules at the ARM door: kept to the letter."""

from __future__ import annotations

from typing import Any

from .bench import WS, Bench

SPEC = {"type": "command", "command": "python x.py ${{inputs.a}}", "inputs": {"a": {"type": "uri_folder"}}, "n": None}
TRIGGER = {"triggerType": "Cron", "expression": "0 3 * * *", "timeZone": "UTC"}
ACTION = {"actionType": "CreateJob", "jobDefinition": {"jobType": "Pipeline", "jobs": {}}}


def put_component(bench: Bench, name: str, version: str, spec: dict[str, Any]) -> Any:
    return bench.put(f"/components/{name}/versions/{version}", {"componentSpec": spec}).json()


def test_a_component_is_given_back_to_the_letter_under_its_labels_too(bench: Bench) -> None:
    put_component(bench, "train", "3", SPEC)

    for version in ("3", "latest", "azureml_default"):
        found = bench.client.get(f"{WS}/components/train/versions/{version}").json()
        assert found["properties"]["componentSpec"] == SPEC
        assert found["id"].endswith("/components/train/versions/3")


def test_a_version_never_gets_another_definition(bench: Bench) -> None:
    put_component(bench, "train", "3", SPEC)

    changed = {"properties": {"componentSpec": {**SPEC, "command": "rm"}}}
    assert bench.client.put(f"{WS}/components/train/versions/3", json=changed).status_code == 409
    assert bench.client.put(f"{WS}/components/train/versions/4", json={"properties": {}}).status_code == 400


def test_anonymous_components_that_share_a_version_get_ids_of_their_own(bench: Bench) -> None:
    first = put_component(bench, "azureml_anonymous", "1", SPEC)["id"]
    second = put_component(bench, "azureml_anonymous", "1", {**SPEC, "command": "other"})["id"]

    assert first != second
    assert put_component(bench, "azureml_anonymous", "1", {**SPEC, "command": "other"})["id"] == second
    version = second.rsplit("/", 1)[-1]
    found = bench.client.get(f"{WS}/components/azureml_anonymous/versions/{version}").json()
    assert found["properties"]["componentSpec"]["command"] == "other"


def test_a_schedule_is_stored_listed_disabled_and_deleted(bench: Bench) -> None:
    bench.put("/schedules/nightly", {"trigger": TRIGGER, "action": ACTION})
    bench.put("/schedules/nightly", {"trigger": TRIGGER, "action": ACTION, "isEnabled": False})

    def listed_in(view: str) -> list[dict[str, Any]]:
        return list(bench.client.get(f"{WS}/schedules?listViewType={view}").json()["value"])

    (listed,) = listed_in("DisabledOnly")
    assert (listed_in("EnabledOnly"), listed_in("All")) == ([], [listed])

    assert (listed["properties"]["trigger"], listed["properties"]["action"]) == (TRIGGER, ACTION)
    assert listed["properties"]["isEnabled"] is False
    assert bench.client.delete(f"{WS}/schedules/nightly").status_code == 200
    assert bench.client.get(f"{WS}/schedules/nightly").status_code == 404
    assert bench.client.put(f"{WS}/schedules/x", json={"properties": {}}).status_code == 400

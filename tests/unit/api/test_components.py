"""Components and schedules at the ARM door: kept to the letter."""

from __future__ import annotations

from typing import Any

from .bench import WS, Bench

SPEC = {
    "type": "command",
    "command": "python x.py ${{inputs.a}}",
    "inputs": {"a": {"type": "uri_folder"}},
    "environment": "azureml:env:1",
    "n": None,
}
TRIGGER = {"triggerType": "Cron", "expression": "0 3 * * *", "timeZone": "UTC"}
ACTION = {"actionType": "CreateJob", "jobDefinition": {"jobType": "Pipeline", "jobs": {}}}


def put_component(bench: Bench, name: str, version: str, spec: dict[str, Any]) -> Any:
    bench.environment()
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


def refused(bench: Bench, name: str, spec: dict[str, Any]) -> set[str]:
    """PUT what is refused, and give the fields that are told; nothing is stored."""
    answer = bench.client.put(f"{WS}/components/{name}/versions/1", json={"properties": {"componentSpec": spec}})
    assert answer.status_code == 400, answer.text
    assert bench.client.get(f"{WS}/components/{name}/versions/1").status_code == 404
    return {detail["target"] for detail in answer.json()["error"]["details"]}


def test_what_a_component_names_has_to_be_registered(bench: Bench) -> None:
    nowhere = {**SPEC, "environment": "azureml:nowhere:1", "code": f"{WS}/codes/nothing/versions/1"}
    assert refused(bench, "train", nowhere) == {"environment", "code"}
    step = {"component": "azureml:nobody:1"}
    fixed = {"component": "azureml:train:3", "inputs": {"a": {"type": "uri_folder", "path": "azureml:iris:1"}}}
    put_component(bench, "train", "3", SPEC)
    assert refused(bench, "both", {"type": "pipeline", "jobs": {"one": step, "two": fixed}}) == {
        "jobs.one.component",
        "jobs.two.inputs.a.path",
    }


def test_a_graph_is_checked_when_it_is_registered_with_every_mistake_by_its_place(bench: Bench) -> None:
    put_component(bench, "train", "3", {**SPEC, "outputs": {"b": {"type": "uri_file"}}})
    step = {"component": f"{WS}/components/train/versions/3"}
    jobs = {
        "one": {**step, "inputs": {"a": "${{parent.jobs.two.outputs.b}}"}},
        "two": {**step, "inputs": {"a": "${{parent.jobs.one.outputs.b}}", "z": 1}},
        "three": step,
    }
    assert refused(bench, "both", {"type": "pipeline", "jobs": jobs}) == {
        "jobs.one.inputs.a",
        "jobs.two.inputs.a",
        "jobs.two.inputs.z",
        "jobs.three.inputs.a",
        "jobs",
    }
    whole = {
        "type": "pipeline",
        "inputs": SPEC["inputs"],
        "jobs": {"one": {**step, "inputs": {"a": "${{parent.inputs.a}}"}}},
    }
    put_component(bench, "both", "1", whole)
    inner = {"type": "pipeline", "component": "azureml:both:1", "inputs": {"a": "${{parent.inputs.a}}"}}
    put_component(bench, "outer", "1", {"type": "pipeline", "inputs": SPEC["inputs"], "jobs": {"in": inner}})


def test_a_step_that_names_a_registered_model_is_taken_and_one_that_is_not_there_is_told(bench: Bench) -> None:
    bench.model("net")
    given = {"net": {"type": "custom_model"}}
    put_component(bench, "tell", "1", {**SPEC, "inputs": given, "command": "ls ${{inputs.net}}", "outputs": {}})

    def whole(model: str) -> dict[str, Any]:
        inputs = {"net": {"type": "custom_model", "path": model}}
        return {"type": "pipeline", "jobs": {"one": {"component": "azureml:tell:1", "inputs": inputs}}}

    put_component(bench, "names", "1", whole("azureml:net:1"))
    assert refused(bench, "names-none", whole("azureml:nets:1")) == {"jobs.one.inputs.net.path"}


def test_a_version_is_archived_whatever_it_names(bench: Bench) -> None:
    put_component(bench, "train", "3", SPEC)
    path = f"{WS}/components/train/versions/3"
    found = bench.client.get(path).json()["properties"]
    assert bench.client.put(path, json={"properties": {**found, "isArchived": True}}).status_code == 200


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

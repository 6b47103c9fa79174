"""What random input does not reach: each operation's successes, its conflicts, and the refusals that all share."""

from __future__ import annotations

import json
from typing import Any

from batchyard.control import provisioning
from batchyard.datastores.job_home import LocalJobHomes
from batchyard.domain.forecast.calibration import Calibration, SampledRun
from batchyard.domain.job_states import JobStatus
from batchyard.domain.jobs import Counts, Owner
from batchyard.domain.resource_ids import DEFAULT_SCOPE
from batchyard.domain.scoring.ledger import MAGIC, Committed, Opened, Planned, encode
from batchyard.engine.plan import freeze
from batchyard.ports.job_leases import JobChange
from tests.unit.api.bench import BLOBS, WS, Bench

from .exploring import Raw, Seen

_HISTORY, _DATA, _FRONT = f"/history/v1.0{WS}", f"/data/v1.0{WS}", f"/mferp/managementfrontend{WS}"
_LIST = "/providers/Microsoft.MachineLearningServices/workspaces"
_STALE = [(b"if-match", b'"of-long-ago"')]
_SCHEDULE = {
    "action": {"actionType": "CreateJob", "jobDefinition": {"jobType": "Pipeline"}},
    "trigger": {"triggerType": "Cron", "expression": "0 3 * * *", "timeZone": "UTC"},
}


def every_way_through(bench: Bench, raw: Raw) -> None:
    """Make, show, change, list and delete one of each noun; the workspace keeps one for what comes later."""
    bench.ready()
    _assets(bench, raw)
    _nouns(bench, raw)
    _jobs(bench)
    _pipelines(bench)
    _blobs(bench, raw)
    _logins(bench)


def every_refusal(seen: Seen, raw: Raw) -> None:
    """Ask each operation from another host, without a token, of another workspace, with a NUL and with too much."""
    for method, template, operation in seen.operations():
        path = template.replace("{rest}", BLOBS.removeprefix("/blob/") + "/x")
        for name, value in (
            ("subscription", DEFAULT_SCOPE.subscription),
            ("resource_group", DEFAULT_SCOPE.resource_group),
            ("workspace", DEFAULT_SCOPE.workspace),
        ):
            path = path.replace("{" + name + "}", value)
        body = json.dumps({"properties": {}}).encode()
        plain = _filled(path)
        raw.send(method, plain, body, host="evil.example")
        raw.send(method, plain, body, with_token=False)
        if "{" in template:
            raw.send(method, _filled(path, "%00") if "{" in path else plain + "%00", body)
        if "{workspace}" in template or "/workspaces" in template or "{subscription}" in template:
            raw.send(method, plain.replace("/resourceGroups/", "/resourceGroups%2F").replace(_LIST, "%2F" + _LIST[1:]))
        if "{workspace}" in template:
            raw.send(method, plain.replace(WS, WS + "-other"), body)
            raw.send(method, plain.replace("/workspaces/", "/workspaces%2F"), body)
            raw.send(method, _with_unreadable_query(plain), body, [(b"x-batchyard-reason", b"x" * 3000)])
        if "413" in operation["responses"]:
            raw.send(method, plain, b" " * (5 << 20))
        if "412" in operation["responses"]:
            raw.send(method, plain, body, _STALE)


def _filled(path: str, value: str = "x1x") -> str:
    while "{" in path:
        path = path[: path.index("{")] + value + path[path.index("}") + 1 :]
    return path


def _with_unreadable_query(path: str) -> str:
    return f"{path}?$top=none&listViewType=none&status=none&revision=none&item="


def _assets(bench: Bench, raw: Raw) -> None:
    client = bench.client
    bench.data("images", "in")
    component = {"componentSpec": bench.step()}
    bench.put("/components/step/versions/1", component)
    uri = "azureml://datastores/workspaceblobstore/paths"
    bodies: dict[str, tuple[str, dict[str, Any], dict[str, Any]]] = {
        "models": ("net", {"modelType": "custom_model", "modelUri": f"{uri}/models/net/1/net.bin"}, {}),
        "environments": ("env", {"condaFile": "dependencies: []\n"}, {"condaFile": "dependencies: [pip]\n"}),
        "data": ("images", {"dataType": "uri_folder", "dataUri": f"{uri}/in"}, {"dataUri": f"{uri}/other"}),
        "components": ("step", component, {"componentSpec": bench.step(command="other")}),
    }
    bench.upload("other/a.txt", "other")
    bodies["models"][2]["modelUri"] = f"{uri}/other/a.txt"
    for kind, (name, body, changed) in bodies.items():
        one = f"{WS}/{kind}/{name}"
        client.put(f"{one}/versions/1", json={"properties": body})
        client.put(f"{one}/versions/1", json={"properties": {**body, "description": "of late"}})
        client.put(f"{one}/versions/1", json={"properties": {**body, **changed}})
        if kind != "components":
            client.post(f"{one}/versions", json={"properties": body})
        for path in (f"{WS}/{kind}", one, f"{one}/versions", f"{one}/versions/1", f"{one}/versions/latest"):
            client.get(path)
        client.put(one, json={"properties": {"isArchived": True}})
        client.put(one, json={"properties": {"isArchived": False}})
    code = f"{WS}/codes/src/versions"
    found = client.get(f"{code}/1").json()["properties"]
    client.put(f"{code}/1", json={"properties": {**found, "description": "of late"}})
    client.put(f"{code}/1", json={"properties": {**found, "codeUri": f"{uri}/other"}})
    client.get(code)


def _nouns(bench: Bench, raw: Raw) -> None:
    client = bench.client
    client.get(WS)
    group, _, _ = WS.partition("/providers")
    subscription, _, _ = group.partition("/resourceGroups")
    for path in ("/subscriptions", group, group + "-none", f"{group}{_LIST}", f"{subscription}{_LIST}"):
        client.get(path)
    for way in ("PUT", "PUT", "GET", "DELETE", "DELETE", "GET"):
        client.request(way, f"{WS}-too", json={"properties": {"description": str(bench.clock())}})
    client.delete(WS)
    for path in ("/health", "/discovery", "/openapi.json", "/schemas", "/schemas/model.json", "/schemas/none.json"):
        client.get(path)
    for path in ("/datastores", "/datastores/workspaceblobstore", "/datastores?isDefault=true"):
        client.get(WS + path)
    client.post(f"{WS}/datastores/workspaceblobstore/listSecrets", json={})
    bench.put("/schedules/nightly", _SCHEDULE)
    bench.put("/schedules/nightly", {**_SCHEDULE, "isEnabled": False})
    bench.compute("spare")
    bench.endpoint("spare-endpoint")
    bench.deployment("green")
    bench.put("/environments/fresh/versions/1", {"condaFile": "dependencies: [pip]\n"})
    asked = bench.deployment("purple", environmentId=f"{WS}/environments/fresh/versions/1")
    operation = asked.headers["azure-asyncoperation"]
    for path in (operation, f"{operation}/result"):
        client.get(path)
    bench.provision()
    client.get(f"{operation}/result")
    bench.put("/environments/broken/versions/1", {"condaFile": "dependencies: [broken]\n"})
    asked = bench.deployment("orange", environmentId=f"{WS}/environments/broken/versions/1")
    with bench.records.writing() as tx:
        begun = tx.operations.claim_next(Owner("boot", 1, 1), lease_s=60)
        assert begun is not None
        provisioning.fail(tx, begun, code="EnvironmentError", message="no such package", now=bench.clock())
    client.get(f"{asked.headers['azure-asyncoperation']}/result")
    bench.deployment("blue")
    deployments = f"{WS}/batchEndpoints/digits/deployments"
    for path in (
        *(f"{WS}/computes", f"{WS}/computes/cpu", f"{WS}/schedules", f"{WS}/schedules/nightly", f"{WS}/batchEndpoints"),
        *(f"{WS}/batchEndpoints/digits", deployments, f"{deployments}/blue", f"{deployments}/blue?revision=1"),
    ):
        client.get(path)
    bench.compute()
    for path in ("/computes/spare", "/batchEndpoints/digits/deployments/green"):
        raw.send("DELETE", WS + path, b"", _STALE)
    for path in (
        "/schedules/nightly",
        "/computes/cpu",
        "/batchEndpoints/digits",
        "/batchEndpoints/digits/deployments/blue",
    ):
        raw.send(
            "PUT", WS + path, json.dumps({"properties": client.get(WS + path).json()["properties"]}).encode(), _STALE
        )
        raw.send("DELETE", WS + path, b"", _STALE)
        raw.send("DELETE", WS + path + "-none")
    for path in ("/batchEndpoints/digits", "/batchEndpoints/digits/deployments/blue"):
        edit = json.dumps({"properties": {"description": "of late"}}).encode()
        raw.send("PATCH", WS + path, edit)
        raw.send("PATCH", WS + path, edit, _STALE)
    bench.put("/schedules/weekly", _SCHEDULE)
    for path in (
        *("/computes/spare", "/computes/cpu", "/batchEndpoints/spare-endpoint", "/schedules/weekly"),
        *("/batchEndpoints/digits/deployments/green", "/batchEndpoints/digits/deployments/blue"),
    ):
        client.delete(WS + path)


def _calibrations(bench: Bench) -> None:
    """Ask for a calibration and show it: while it waits, with what it told, and after it told nothing."""
    for path, asked in (("preflights", bench.invocation()), ("preflights", bench.invocation(miniBatchSize=0))):
        bench.client.post(f"{WS}/batchEndpoints/digits/{path}", json=asked)
    bench.client.post(f"{WS}/batchEndpoints/digits/preflights", json=bench.invocation(sample={"items": 0}))
    validate = f"{WS}/batchEndpoints/digits/deployments"
    for name, draft in (("blue", {}), ("none", {}), ("new", {"properties": {"compute": "cpu", "condaFile": "a: 1"}})):
        bench.client.post(f"{validate}/{name}/validate", json=draft)
    place, body = f"{WS}/batchEndpoints/digits/calibrations", bench.invocation(sample={"items": 3, "workers": 2})
    run = SampledRun("n0-s0-0", 0, 1, 1, 10, 0.5, 0.25, 1, 8, 1 << 20, True, 1, 1)
    for ends in ({"calibrated": Calibration(1, 1, 1, runs=(run,))}, {"error_code": "UserError", "error_message": "no"}):
        name = bench.client.post(place, json=body).json()["name"]
        bench.client.get(f"{place}/{name}")
        with bench.records.writing() as tx:
            begun = tx.operations.claim_next(Owner("boot", 1, 1), lease_s=60)
            assert begun is not None
            tx.operations.finish(begun.id, fence=begun.fence, now=bench.clock(), **ends)
        bench.client.get(f"{place}/{name}")
    bench.client.post(place, json=body, headers={"azureml-model-deployment": "orange"})
    bench.client.post(place, json=bench.invocation(sample={"items": 0, "workers": "many"}))


def _jobs(bench: Bench) -> None:
    client, jobs = bench.client, f"{WS}/jobs"
    names = [bench.invoke().json()["name"] for _ in range(3)]
    bench.invoke(name=names[0])
    client.get(jobs)
    client.get(f"{jobs}?status=Queued,Completed&endpoint=digits")
    done, canceled, paused = names
    client.post(f"{jobs}/{paused}/continue")
    client.post(f"{jobs}/{paused}/pause")
    client.post(f"{jobs}/{paused}/continue")
    _score(bench, done)
    client.post(f"{jobs}/{canceled}/cancel")
    for verb in ("cancel", "pause", "continue", "resume"):
        client.post(f"{jobs}/{done}/{verb}", json={})
    client.post(f"{jobs}/{canceled}/resume", json={"properties": {"errorThreshold": 5}})
    client.get(f"/invoke{WS}/batchEndpoints/digits/jobs/{done}")
    _calibrations(bench)
    runs = f"{_HISTORY}/runs/{done}"
    for path in (f"{jobs}/{done}", runs, f"{runs}/details", f"{runs}/children", f"{runs}/items?item=a.txt"):
        client.get(path)
    for name in (done, paused):
        client.get(f"{_HISTORY}/runs/{name}/verification")
        for query in ("", "?row=0", "?row=x", "?item=a.txt&row=0", "?file=predictions.csv"):
            client.get(f"{_HISTORY}/runs/{name}/lineage{query}")
    client.get(f"{runs}/serviceinstances/0")
    client.get(f"{runs}/partial")
    for what in ("rows", "failedItems"):
        client.get(f"{runs}/partial/none/{what}")
    for node in ("0", "n0", "none"):
        client.get(f"{runs}/serviceinstances/{node}")
    child = client.get(f"{runs}/children").json()["value"][0]["runId"]
    for name in (done, child):
        for run in ("runs", "experiments/digits/runs", "experimentids/digits/runs"):
            client.patch(f"{_HISTORY}/{run}/{name}", json={"displayName": "Digits"})
        client.put(f"{jobs}/{name}", json=client.get(f"{jobs}/{name}").json())
    shown = client.post(f"{_HISTORY}/rundata", json={"runId": done}).json()
    client.post(f"{_HISTORY}/rundata", json={"runId": "no-such-run"})
    ids = [output["assetId"] for output in shown["runMetadata"]["outputs"].values()]
    client.post(f"{_DATA}/dataversion/batchGetResolvedUris", json={"values": ids})
    for _ in range(2):
        client.post(f"{jobs}/{done}/retryFailed", json={})
    for place in ("", "/deployments/blue"):
        client.get(f"{_FRONT}/batchEndpoints/digits{place}/jobs")


def _pipelines(bench: Bench) -> None:
    """Deploy a pipeline of the step that is there, and invoke it rightly and wrongly."""
    client, name = bench.client, "pipeline"
    jobs = {"one": {"component": "azureml:step:1"}}
    pipeline = {"type": "pipeline", "inputs": {"rate": {"type": "number"}}, "jobs": jobs}
    bench.put(f"/components/{name}/versions/1", {"componentSpec": pipeline})
    configuration = {
        "deploymentConfigurationType": "PipelineComponent",
        "componentId": {"referenceType": "Id", "assetId": f"{WS}/components/{name}/versions/1"},
        "settings": {"default_compute": "cpu"},
    }
    bench.put(f"/batchEndpoints/digits/deployments/{name}", {"deploymentConfiguration": configuration})
    uri = client.get(f"{WS}/batchEndpoints/digits").json()["properties"]["scoringUri"]
    headers = {"azureml-model-deployment": name}
    for inputs in ({"rate": {"jobInputType": "Literal", "value": 0.5}}, {"rate": "x", "rte": 1}, {"rate": [1]}):
        client.post(uri, json={"properties": {"inputData": inputs, "name": "piped"}}, headers=headers)
    client.post(uri, json={"properties": {"inputData": {"rate": 1}, "name": "piped"}}, headers=headers)
    for path in (f"{WS}/jobs/piped", f"{_HISTORY}/runs/piped", f"{_HISTORY}/runs/piped/details"):
        client.get(path)
    client.post(f"{_HISTORY}/rundata", json={"runId": "piped"})
    client.post(f"{WS}/jobs/piped/cancel")
    made = {"jobType": "Pipeline", "componentId": f"{WS}/components/{name}/versions/1", "inputs": {"rate": 1}}
    for kind in ({"settings": {"default_compute": "cpu"}}, {}, {"jobType": "Sweep"}):
        client.put(f"{WS}/jobs/made", json={"properties": {**made, **kind}})


def _score(bench: Bench, name: str) -> None:
    """Take a queued job of one item to its end, as the engine would; the item failed."""
    home = LocalJobHomes(bench.home / "jobs").open(name)
    digest = freeze(iter([[b"a.txt"]]), home.path("listing/1"))
    records = (Opened(1), Planned(1, 1, digest, 0.0), Committed(0, 1, "1-n0-s0-0.part", 0, (0,), 0, 0, 1))
    home.create("ledger/1.log", MAGIC + b"".join(encode(record) for record in records))
    with bench.records.writing() as tx:
        job = tx.job_leases.claim_next(Owner("boot", 1, 1), lease_s=60, now=bench.clock())
        assert job is not None and job.name == name
        tx.job_leases.advance(name, fence=job.fence, change=JobChange(JobStatus.RUNNING))
    run = f"{_HISTORY}/runs/{name}"
    snapshot = bench.client.get(f"{run}/partial").json()["snapshot"]
    for what in ("rows", "failedItems"):
        bench.client.get(f"{run}/partial/{snapshot}/{what}")
    bench.client.get(f"{run}/items?item=a.txt")
    with bench.records.writing() as tx:
        tx.job_leases.advance(name, fence=job.fence, change=JobChange(JobStatus.FINALIZING))
        counts = Counts(items=1, failed=1)
        tx.job_leases.advance(name, fence=job.fence, change=JobChange(JobStatus.COMPLETED, counts=counts))


def _blobs(bench: Bench, raw: Raw) -> None:
    client, blob = bench.client, f"{BLOBS}/kept/a.txt"
    bench.upload("kept/a.txt", "12345")
    etag = client.get(blob).headers["etag"]
    client.put(f"{blob}?comp=metadata", headers={"x-ms-meta-name": "a"})
    client.put(blob, content=b"x", headers={"If-None-Match": "*"})
    for method in ("GET", "HEAD", "PUT", "DELETE"):
        client.request(method, blob, headers={"If-Match": '"none"'})
        client.request(method, blob + "-none?comp=metadata" if method == "PUT" else blob + "-none")
    for method in ("GET", "HEAD"):
        client.request(method, blob)
        client.request(method, blob, headers={"If-None-Match": etag})
        client.request(method, blob, headers={"If-Modified-Since": "never"})
    client.get(blob, headers={"Range": "bytes=1-2"})
    client.get(blob, headers={"Range": "bytes=99-"})
    client.get(f"{BLOBS}?restype=container&comp=list")
    pending = client.post(f"{WS}/codes/late/versions/1/startPendingUpload", json={}).json()
    reference = pending["blobReferenceForConsumption"]
    place, _, query = reference["credential"]["sasUri"].partition("?")
    file = f"{place}/code/score.py?{query}"
    bench.stranger.put(file, content=b"def run(mini_batch): return mini_batch")
    bench.put("/codes/late/versions/1", {"codeUri": f"{reference['blobUri']}/code"})
    for method in ("PUT", "GET", "HEAD"):
        bench.stranger.request(method, file)
    client.delete(f"{place}/code/score.py")
    bench.upload("kept/b.txt", "b")
    client.delete(f"{BLOBS}/kept/b.txt")


def _logins(bench: Bench) -> None:
    stranger = bench.stranger
    for path in ("/metadata/endpoints", "/adfs/.well-known/openid-configuration"):
        stranger.get(path)
    stranger.get("/local/v2.0/.well-known/openid-configuration")
    form = {"grant_type": "client_credentials", "scope": "https://management.azure.com/.default"}
    for secret in (bench.token, "wrong"):
        stranger.post("/local/oauth2/v2.0/token", data={**form, "client_secret": secret})
    stranger.post("/local/oauth2/v2.0/token", data={"grant_type": "password"})
    stranger.post("/local/oauth2/v2.0/token", data={**form, "client_secret": bench.token, "scope": "nowhere"})
    secret = (bench.home / "identity-header").read_text().strip()
    for audience in ("https://management.azure.com/", "nowhere"):
        stranger.get("/msi/token", params={"resource": audience}, headers={"X-IDENTITY-HEADER": secret})
    stranger.get("/msi/token", params={"resource": "https://management.azure.com/"}, headers={"X-Forwarded-For": "a"})
    stranger.get("/msi/token", params={"resource": "https://management.azure.com/"})

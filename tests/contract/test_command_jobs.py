"""Jobs that run a command once: what its process sees, what becomes of its outputs, how it ends."""

from __future__ import annotations

import json
import os
import shutil
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest

from batchyard.control import references
from batchyard.domain.assets import AssetKind, ModelType
from batchyard.domain.job_specs import InputKind, InputSource, StepData
from batchyard.domain.job_states import JobStatus
from batchyard.domain.jobs import ErrorClass, Job, RerunKind, taken_up_again
from batchyard.domain.pipelines.components import InputMode, PortType
from batchyard.domain.resource_ids import AssetId
from batchyard.engine.claim import claim_job, orphans, take_over
from batchyard.engine.steps.command_run import run_command
from batchyard.ports.records import Key, Kind
from tests.support.direct import DirectHome
from tests.support.processes import kill

FOLDER, FILE = PortType.URI_FOLDER, PortType.URI_FILE


def folder_of(path: Path, mode: InputMode = InputMode.RO_MOUNT) -> StepData:
    kind = InputKind.FOLDER if path.is_dir() else InputKind.FILE
    return StepData(InputSource(kind, path.as_uri()), FOLDER if path.is_dir() else FILE, mode)


def log_of(direct: DirectHome, job: str) -> str:
    return (direct.logs_of(job) / "user_logs" / "std_log.txt").read_text()


def run(direct: DirectHome, command: str, **given: object) -> Job:
    direct.submit_command("job", command, **given)
    return direct.run_next()


def error_of(job: Job) -> tuple[str, str]:
    assert job.error is not None
    return job.error.code, job.error.message


def test_outputs_of_a_command_stand_at_their_places_when_it_has_completed(direct: DirectHome, tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    (source / "a.txt").write_text("alpha")
    job = run(
        direct,
        "cp ${{inputs.data}}/a.txt ${{outputs.all}}/ && mkdir ${{outputs.all}}/deep && printf '%s' ${{inputs.rate}} > "
        "${{outputs.all}}/deep/rate && printf 0.9 > ${{outputs.score}}",
        inputs={"data": folder_of(source), "rate": 0.5},
        outputs={"all": FOLDER, "score": FILE},
    )
    assert (job.status, job.error, job.generation) == (JobStatus.COMPLETED, None, 1)
    assert (direct.published("job", "all") / "a.txt").read_text() == "alpha"
    assert (direct.published("job", "all") / "deep" / "rate").read_text() == "0.5"
    assert direct.published("job", "score").read_text() == "0.9"
    assert sorted(p.name for p in direct.published("job", "all").iterdir()) == ["a.txt", "deep"]
    in_order = sorted(job.phases, key=lambda phase: job.phases[phase])
    assert in_order == ["queued", "preparing", "running", "finalizing", "ended"]


def test_the_home_of_the_job_says_what_was_published_and_keeps_nothing_else(direct: DirectHome) -> None:
    job = run(direct, "printf x > ${{outputs.one}}/x", outputs={"one": FOLDER})
    home = direct.home / "jobs" / "job"
    said = json.loads((home / "outputs" / "1.json").read_text())
    assert said["outputs"]["one"]["files"] == 1
    assert job.ledger_sha256 is not None
    assert sorted(p.name for p in home.iterdir()) == ["outputs", "spec.json", "workers.jsonl"]


@pytest.mark.parametrize("value", ["it's", 'a "b"', "$(touch hacked)", "`touch hacked`", "two\nlines", "; exit 3", "*"])
def test_a_value_reaches_the_command_as_one_word_whatever_is_in_it(direct: DirectHome, value: str) -> None:
    job = run(
        direct,
        "python -c 'import json, sys; json.dump(sys.argv[1:], open(sys.argv[1], \"w\"))' ${{outputs.seen}} "
        "${{inputs.x}} \"${{inputs.x}}\" '${{inputs.x}}' --x=${{inputs.x}}",
        inputs={"x": value},
        outputs={"seen": FILE},
    )
    assert job.status is JobStatus.COMPLETED, job.error
    seen = json.loads(direct.published("job", "seen").read_text())
    assert seen[1:] == [value, value, value, f"--x={value}"]


def test_a_command_starts_in_a_writable_copy_of_its_code_with_a_made_up_environment(
    direct: DirectHome, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECRET_OF_THE_SERVER", "s3cret")
    job = run(
        direct,
        "echo changed >> run.py && env > ${{outputs.seen}} && pwd >> ${{outputs.seen}} && ls /proc/self/fd | wc -l && "
        "command -v python",
        code={"run.py": "x = 1\n"},
        outputs={"seen": FILE},
        environment_variables={"MINE": "two words"},
    )
    assert job.status is JobStatus.COMPLETED, job.error
    seen = direct.published("job", "seen").read_text()
    assert "MINE=two words" in seen
    assert "s3cret" not in seen
    assert "AZUREML_RUN_ID=job" in seen
    assert f"HOME={direct.home}/jobs/job/scratch-1/home" in seen
    assert seen.endswith("/code-1\n")


def test_what_a_command_prints_is_in_the_log_that_is_streamed(direct: DirectHome) -> None:
    run(direct, "echo to the one; echo to the other >&2")
    assert log_of(direct, "job") == "to the one\nto the other\n"


def test_a_log_is_kept_to_its_cap_with_its_beginning_and_its_end(direct: DirectHome) -> None:
    job = run(direct, "echo first; yes | head -c 3000000; echo last; exit 4")
    text = log_of(direct, "job")
    assert text.startswith("first\ny\n")
    assert text.endswith("y\nlast\n")
    assert "bytes are left out here" in text
    assert len(text) < (1 << 20) + (70 << 10)
    assert job.status is JobStatus.FAILED


def test_a_command_that_fails_fails_the_job_with_its_last_lines(direct: DirectHome) -> None:
    job = run(direct, "echo all is well; echo boom >&2; exit 3", outputs={"one": FOLDER})
    assert job.status is JobStatus.FAILED
    assert error_of(job) == ("CommandFailed", "The command exited with code 3. Its last lines:\nall is well\nboom")
    assert job.error is not None
    assert (job.error.error_class, job.error.log) == (ErrorClass.SCRIPT, "user_logs/std_log.txt")
    assert not direct.published("job", "one").exists()


def test_a_command_that_is_killed_says_by_what(direct: DirectHome) -> None:
    assert "killed by signal 9 (SIGKILL)" in error_of(run(direct, "kill -9 $$"))[1]


def test_a_pipe_ends_with_its_reader_as_in_any_shell(direct: DirectHome) -> None:
    assert run(direct, "yes | head -n 1").status is JobStatus.COMPLETED


def test_a_command_that_takes_longer_than_its_limit_is_killed_with_its_children(direct: DirectHome) -> None:
    job = run(direct, "echo begun; setsid sleep 600 & sleep 600", timeout_s=1.0)
    assert error_of(job) == ("StepTimedOut", "The command ran for 1 s, which is its time limit, and was killed.")


def test_a_cancelled_job_ends_its_command(direct: DirectHome, tmp_path: Path) -> None:
    direct.submit_command("job", f"touch {tmp_path}/begun; sleep 600", outputs={"one": FOLDER})

    def cancel() -> None:
        while not (tmp_path / "begun").exists():
            time.sleep(0.02)
        with direct.rooms.records.writing() as tx:
            tx.jobs.request_cancel("job", now=time.time())

    thread = threading.Thread(target=cancel)
    thread.start()
    job = direct.run_next()
    thread.join()
    assert (job.status, job.error) == (JobStatus.CANCELED, None)
    assert not direct.published("job", "one").exists()


def test_a_cancel_that_comes_with_the_end_of_the_owner_ends_what_its_command_left(
    direct: DirectHome, tmp_path: Path
) -> None:
    begun = tmp_path / "begun"
    direct.submit_command("job", f"setsid sh -c 'echo $$ > {begun}.new; mv {begun}.new {begun}; sleep 600' & sleep 600")
    owner = os.fork()
    if owner == 0:
        try:
            rooms = direct.as_new_process()
            job = claim_job(rooms)
            assert job is not None
            run_command(rooms, job)
        finally:
            os._exit(1)
    until = time.monotonic() + 60
    while not begun.exists():
        assert time.monotonic() < until
        time.sleep(0.02)
    left = int(begun.read_text())
    kill(owner)
    os.waitpid(owner, 0)
    with direct.rooms.records.writing() as tx:
        tx.jobs.request_cancel("job", now=time.time())
    (orphan,) = orphans(direct.rooms, is_alive=lambda _: False)
    taken = take_over(direct.rooms, orphan)
    assert taken is not None
    try:
        run_command(direct.rooms, taken)
        assert direct.job("job").status is JobStatus.CANCELED
        assert not Path(f"/proc/{left}/cwd").exists()
    finally:
        kill(left)


def test_an_empty_folder_is_an_output_and_a_missing_file_is_none(direct: DirectHome) -> None:
    job = run(direct, "true", outputs={"none": FOLDER, "score": FILE, "metrics": FILE})
    code, message = error_of(job)
    assert code == "OutputRefused"
    assert "outputs.score was not written" in message
    assert "outputs.metrics was not written" in message
    direct.submit_command("other", "true", outputs={"none": FOLDER})
    assert direct.run_next().status is JobStatus.COMPLETED
    assert list(direct.published("other", "none").iterdir()) == []


def test_what_is_no_file_of_the_output_is_refused_by_name_all_at_once(direct: DirectHome) -> None:
    job = run(
        direct,
        "cd ${{outputs.one}} && ln -s /etc/passwd out && mkfifo pipe && ln -s nowhere dangling && ln -s . loop && "
        "python -c 'import socket; socket.socket(socket.AF_UNIX).bind(\"sock\")'",
        outputs={"one": FOLDER},
    )
    _, message = error_of(job)
    assert "'out' is a link to '/etc/passwd', which leads out of it" in message
    assert "'pipe' is a pipe" in message
    assert "'dangling' is a link to 'nowhere', which is nothing" in message
    assert "'loop' is a link" in message
    assert "'sock' is a socket" in message
    assert not direct.published("job", "one").exists()


def test_an_output_that_is_a_link_itself_is_refused(direct: DirectHome) -> None:
    job = run(direct, "rmdir ${{outputs.one}} && ln -s /etc ${{outputs.one}}", outputs={"one": FOLDER})
    assert "outputs.one is a link" in error_of(job)[1]


def test_a_file_behind_a_link_that_the_command_put_above_its_output_is_not_taken(
    direct: DirectHome, tmp_path: Path
) -> None:
    secrets = tmp_path / "secrets"
    secrets.mkdir(mode=0o700)
    (secrets / "one").write_text("a token")
    (secrets / "one").chmod(0o600)
    command = 'above="$(dirname ${{outputs.one}})" && rmdir "$above" && '
    job = run(direct, f'{command} ln -s {secrets} "$above"', outputs={"one": FILE})
    assert error_of(job)[0] == "OutputRefused"
    assert (secrets / "one").stat().st_mode & 0o777 == 0o600
    assert not direct.published("job", "one").exists()


def test_an_output_whose_folder_is_a_file_now_was_not_written(direct: DirectHome) -> None:
    command = 'above="$(dirname ${{outputs.one}})" && rmdir "$above" && touch "$above"'
    assert error_of(run(direct, command, outputs={"one": FILE}))[0] == "OutputRefused"


@pytest.mark.parametrize(
    "harm",
    [
        "mkfifo $store",
        "touch $store",
        "ln -s / $store",
        "mkdir -m 0 $store",
        "mkdir -p $store/0/r/metrics; mkfifo $store/0/r/meta.yaml $store/0/r/metrics/x",
        (
            "r=$store/0/00000000000000000000000000000000; mkdir -p $r; "
            "echo start_time: $(yes 9 | head -n 400 | tr -d '\\n') > $r/meta.yaml"
        ),
    ],
)
def test_no_store_of_mlflow_keeps_a_job_from_its_end(direct: DirectHome, harm: str) -> None:
    job = run(direct, f'store="${{MLFLOW_TRACKING_URI#file://}}"; rm -rf "$store"; {harm}')
    assert (job.status, job.error) == (JobStatus.COMPLETED, None)


def test_links_within_an_output_are_published_as_files_and_hard_links_as_copies(
    direct: DirectHome, tmp_path: Path
) -> None:
    source = tmp_path / "source"
    source.mkdir()
    (source / "a").write_text("alpha")
    os.chmod(source / "a", 0o600)
    job = run(
        direct,
        "cd ${{outputs.one}} && ln ${{inputs.data}}/a hard && echo b > b && ln -s b soft",
        inputs={"data": folder_of(source)},
        outputs={"one": FOLDER},
    )
    assert job.status is JobStatus.COMPLETED, job.error
    place = direct.published("job", "one")
    assert (place / "hard").stat().st_nlink == 1
    assert (place / "soft").read_text() == "b\n"
    assert not (place / "soft").is_symlink()
    assert (source / "a").stat().st_mode & 0o777 == 0o600


def test_odd_names_are_published_as_they_are(direct: DirectHome) -> None:
    names = [b"with space", b"two\nlines", b"caf\xe9", b"-rf", "ü".encode()]
    script = (
        f"import os, sys\nfor n in {names!r}:\n    open(os.path.join(os.fsencode(sys.argv[1]), n), 'wb').write(n)\n"
    )
    job = run(direct, "python odd.py ${{outputs.one}}", code={"odd.py": script}, outputs={"one": FOLDER})
    assert job.status is JobStatus.COMPLETED, job.error
    place = os.fsencode(direct.published("job", "one"))
    assert sorted(os.listdir(place)) == sorted(names)
    assert all(Path(os.fsdecode(os.path.join(place, name))).read_bytes() == name for name in names)


def test_an_input_that_is_downloaded_is_a_copy_of_its_own(direct: DirectHome, tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    (source / "a").write_text("alpha")
    job = run(
        direct,
        "echo changed > ${{inputs.data}}/a && echo ${{inputs.data}}",
        inputs={"data": folder_of(source, InputMode.DOWNLOAD)},
    )
    assert job.status is JobStatus.COMPLETED, job.error
    assert (source / "a").read_text() == "alpha"
    assert "/inputs-1/data/source" in log_of(direct, "job")


def test_an_input_that_is_gone_fails_the_job_and_names_it(direct: DirectHome, tmp_path: Path) -> None:
    job = run(direct, "true", inputs={"data": StepData(InputSource(InputKind.FOLDER, "file:///not/there"), FOLDER)})
    code, message = error_of(job)
    assert code == "InputUnreadable"
    assert "inputs.data" in message


def test_an_output_whose_place_is_taken_fails_the_job_before_the_command_runs(direct: DirectHome) -> None:
    place = direct.published("job", "one")
    place.mkdir(parents=True)
    (place / "mine").write_text("mine")
    job = run(direct, "echo ran", outputs={"one": FOLDER})
    assert error_of(job)[0] == "OutputConflict"
    assert (place / "mine").read_text() == "mine"
    assert not (direct.logs_of("job") / "user_logs").exists()


def test_an_output_whose_place_is_taken_meanwhile_leaves_what_is_there(direct: DirectHome) -> None:
    place = direct.published("job", "one")
    command = f"mkdir -p {place} && echo mine > {place}/mine && echo ours > ${{{{outputs.one}}}}/ours"
    job = run(direct, command, outputs={"one": FOLDER})
    assert error_of(job)[0] == "OutputConflict"
    assert [p.name for p in place.iterdir()] == ["mine"]


def resume(direct: DirectHome, name: str) -> Job:
    with direct.rooms.records.writing() as tx:
        tx.jobs.take_up_again(taken_up_again(direct.job(name), RerunKind.RESUME, asked_by="tester", now=time.time()))
    return direct.run_next()


def test_a_resume_publishes_the_rest_of_what_was_sealed_and_runs_no_command_again(
    direct: DirectHome, tmp_path: Path
) -> None:
    ran, place = tmp_path / "ran", direct.published("job", "two")
    command = f"mkdir -p {place} && echo x > {place}/mine && echo ran >> {ran} && "
    command += "date +%N > ${{outputs.one}}/a && cp ${{outputs.one}}/a ${{outputs.two}}/b"
    first = run(direct, command, outputs={"one": FOLDER, "two": FOLDER})
    assert error_of(first)[0] == "OutputConflict"
    assert error_of(resume(direct, "job"))[0] == "OutputConflict"
    (place / "mine").unlink()
    job = resume(direct, "job")
    assert (job.status, job.error, job.generation) == (JobStatus.COMPLETED, None, 1)
    assert ran.read_text() == "ran\n"
    assert (place / "b").read_text() == (direct.published("job", "one") / "a").read_text()
    assert job.ledger_sha256 == first.ledger_sha256
    home = direct.home / "jobs" / "job"
    assert sorted(p.name for p in home.iterdir()) == ["outputs", "spec.json", "workers.jsonl"]


def test_a_resume_runs_the_command_again_where_what_was_sealed_is_gone(direct: DirectHome, tmp_path: Path) -> None:
    ran, place = tmp_path / "ran", direct.published("job", "two")
    command = f"[ -e {ran} ] || mkdir -p {place}/mine/deep && echo ran >> {ran} && "
    command += "echo 1 > ${{outputs.one}}/a && echo 2 > ${{outputs.two}}/b"
    assert error_of(run(direct, command, outputs={"one": FOLDER, "two": FOLDER}))[0] == "OutputConflict"
    shutil.rmtree(direct.published("job", "one"))
    shutil.rmtree(place)
    assert resume(direct, "job").error is None
    assert ran.read_text() == "ran\nran\n"
    assert (place / "b").read_text() == "2\n"


class RunsAnother:
    """Runs the next job of the queue when this one is about to publish."""

    def __init__(self, direct: DirectHome) -> None:
        self._direct = direct

    def reach(self, point: str) -> None:
        if point == "command.publishing":
            assert self._direct.run_next().error is None


def test_a_resume_registers_no_model_twice(direct: DirectHome) -> None:
    custom = PortType.CUSTOM_MODEL
    registers = {"one": AssetId("numbered", ""), "two": AssetId("taken", "1")}
    command = "date +%N > ${{outputs.one}}/w && date +%N > ${{outputs.two}}/w"
    direct.submit_command("job", command, outputs=dict.fromkeys(registers, custom), registers=registers)
    direct.submit_command(
        "other", "echo > ${{outputs.a}}/w", outputs={"a": custom}, registers={"a": AssetId("taken", "1")}
    )
    job = claim_job(direct.rooms)
    assert job is not None
    run_command(replace(direct.rooms, faults=RunsAnother(direct)), job)
    assert error_of(direct.job("job"))[0] == "OutputConflict"
    with direct.rooms.records.writing() as tx:
        tx.documents.delete(Key(Kind.MODEL, "taken", "1"))
    assert resume(direct, "job").error is None
    with direct.rooms.records.reading() as tx:
        numbered = references.versions_of(tx, AssetKind.MODEL, "numbered")
    assert [one.key.version for one in numbered] == ["1"]


def test_a_model_that_a_command_makes_is_registered_as_the_version_asked_for(direct: DirectHome) -> None:
    id = AssetId("net", "3")
    write = "cd ${{outputs.model}} && mkdir deep && echo flavors > MLmodel && echo w > deep/w"
    job = run(direct, write, outputs={"model": PortType.MLFLOW_MODEL}, registers={"model": id})
    assert (job.status, job.error) == (JobStatus.COMPLETED, None)
    with direct.rooms.records.reading() as tx:
        stored = tx.documents.get(Key(Kind.MODEL, "net", "3"))
        assert stored is not None
        entries = [entry for entry in tx.audit.list() if entry.target.endswith("models/net/versions/3")]
    model = stored.document
    assert (model.type, model.uri, model.sealed.files) == (ModelType.MLFLOW, str(job.command.outputs["model"].place), 2)
    assert dict(model.properties) == {"job": "job", "output": "model", "run": "1"}
    assert [entry.actor for entry in entries] == ["tester"]


def test_a_version_that_is_registered_already_fails_the_job_before_its_command_runs(direct: DirectHome) -> None:
    outputs, registers = {"model": PortType.CUSTOM_MODEL}, {"model": AssetId("net", "3")}
    assert run(direct, "echo 1 > ${{outputs.model}}/w", outputs=outputs, registers=registers).error is None
    direct.submit_command("second", "echo 2 > ${{outputs.model}}/w", outputs=outputs, registers=registers)
    code, message = error_of(direct.run_next())
    assert code == "OutputConflict"
    assert "Version '3' of model 'net' is registered already" in message
    assert not direct.published("second", "model").exists()


def test_an_mlflow_model_without_its_description_is_not_registered(direct: DirectHome) -> None:
    outputs, registers = {"model": PortType.MLFLOW_MODEL}, {"model": AssetId("net", "3")}
    job = run(direct, "echo w > ${{outputs.model}}/w", outputs=outputs, registers=registers)
    assert "outputs.model has no file 'MLmodel' at its top" in error_of(job)[1]

"""Files whose names XML or UTF-8 cannot hold are downloaded under the names they have."""

from __future__ import annotations

import hashlib
import json
import os

import httpx2

from .test_jobs import BLOBS, FOLDER, ROWS, job


def test_an_output_with_a_name_that_xml_cannot_hold_is_downloaded(terminal, tmp_path):
    odd = "part\x01 & <1>.csv"
    entry = {"name": odd, "size_bytes": len(ROWS), "sha256": hashlib.sha256(ROWS).hexdigest()}
    manifest = json.dumps({"job": "job-1", "outputs": [entry]}).encode()
    contents = {b"part%01%20%26%20%3C1%3E.csv": ROWS, b"_manifest.json": manifest}
    blob = "<Blob><Name{}>{}/{}</Name><Properties><Content-Length>{}</Content-Length></Properties></Blob>"
    page = "<EnumerationResults><Blobs>{}{}</Blobs><NextMarker/></EnumerationResults>".format(
        blob.format(' Encoded="true"', FOLDER, "part%01%20%26%20%3C1%3E.csv", len(ROWS)),
        blob.format("", FOLDER, "_manifest.json", len(manifest)),
    )

    def answer(request, path):
        if not path.startswith(BLOBS):
            return None
        if request.url.params.get("comp") == "list":
            return httpx2.Response(200, content=page, headers={"Content-Type": "application/xml"})
        return httpx2.Response(200, content=contents[request.url.raw_path.rsplit(b"/", 1)[-1]])

    terminal.azure.rules.append(answer)
    terminal.azure.put("jobs/job-1", job())

    assert terminal.run("job", "download", "-n", "job-1", "-p", str(tmp_path)) == 0, terminal.err

    score = tmp_path / "named-outputs" / "score"
    assert sorted(os.fsencode(p.name) for p in score.iterdir()) == [b"_manifest.json", os.fsencode(odd)]

"""What of the server's environment reaches a build: where packages come from, and nothing else."""

from __future__ import annotations

from pathlib import Path

from batchyard.environments.index_settings import child_environment, index_identity, index_variables, pip_config_files

MIRROR = "https://mirror.invalid/simple"


def test_secrets_of_the_server_do_not_reach_a_build(tmp_path: Path) -> None:
    environ = {
        "BATCHYARD_TOKEN": "t",
        "AWS_SECRET_ACCESS_KEY": "s",
        "PATH": "/evil",
        "HOME": "/root",
        "LD_PRELOAD": "x",
    }

    child = child_environment(
        index_variables(environ, pip_configs=[]), home=tmp_path / "home", cache=tmp_path / "cache"
    )

    assert not {"BATCHYARD_TOKEN", "AWS_SECRET_ACCESS_KEY", "LD_PRELOAD"} & set(child)
    assert child["PATH"] == "/usr/bin:/bin"
    assert child["HOME"] == str(tmp_path / "home")
    assert child["UV_PYTHON_DOWNLOADS"] == "never"


def test_index_proxy_and_certificate_settings_are_passed_on() -> None:
    environ = {
        "UV_DEFAULT_INDEX": MIRROR,
        "UV_INDEX": "corp=https://corp.invalid/simple",
        "UV_INDEX_CORP_PASSWORD": "p",
        "HTTPS_PROXY": "http://proxy.invalid",
        "SSL_CERT_FILE": "/ca.pem",
        "UV_OFFLINE": "1",
    }

    assert index_variables(environ, pip_configs=[]) == environ


def test_pips_words_are_used_where_uvs_are_missing(tmp_path: Path) -> None:
    pip = {
        "PIP_INDEX_URL": MIRROR,
        "PIP_EXTRA_INDEX_URL": "https://a.invalid https://b.invalid",
        "PIP_FIND_LINKS": f"{tmp_path} /not/there https://links.invalid",
        "PIP_CERT": "/ca.pem",
    }

    variables = index_variables({**pip, "SSL_CERT_FILE": "/stronger.pem"}, pip_configs=[])

    assert variables == {
        "UV_DEFAULT_INDEX": MIRROR,
        "UV_EXTRA_INDEX_URL": "https://a.invalid https://b.invalid",
        "UV_FIND_LINKS": f"{tmp_path},https://links.invalid",
        "SSL_CERT_FILE": "/stronger.pem",
    }


def test_the_index_of_pips_configuration_is_read_the_strongest_last(tmp_path: Path) -> None:
    weak, strong, broken = tmp_path / "weak", tmp_path / "strong", tmp_path / "broken"
    weak.write_text("[global]\nindex-url = https://weak.invalid/%20simple\n")
    strong.write_text(f"[global]\nindex-url = {MIRROR}\nextra-index-url = https://other.invalid\n")
    broken.write_text("index-url = x")

    variables = index_variables({}, pip_configs=[weak, strong, broken, tmp_path / "missing"])

    assert variables == {"UV_DEFAULT_INDEX": MIRROR}
    assert index_variables({"UV_INDEX_URL": "https://uv.invalid"}, pip_configs=[strong]) == {
        "UV_INDEX_URL": "https://uv.invalid"
    }


def test_pips_configuration_is_looked_for_where_pip_looks() -> None:
    assert pip_config_files({"HOME": "/home/anna", "PIP_CONFIG_FILE": "/own.conf"}) == [
        Path("/etc/pip.conf"),
        Path("/home/anna/.pip/pip.conf"),
        Path("/home/anna/.config/pip/pip.conf"),
        Path("/own.conf"),
    ]
    assert pip_config_files({"HOME": "/home/anna", "PIP_CONFIG_FILE": "/dev/null"}) == []


def test_another_index_is_another_identity_but_another_password_is_not() -> None:
    def identity(**environ: str) -> str:
        return index_identity(index_variables(environ, pip_configs=[]))

    assert identity(UV_DEFAULT_INDEX=MIRROR) != identity()
    assert identity(UV_OFFLINE="1", HTTP_PROXY="p") == identity()
    assert identity(UV_DEFAULT_INDEX="https://a:1@m.invalid") == identity(UV_DEFAULT_INDEX="https://b:2@m.invalid")

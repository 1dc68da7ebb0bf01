"""A new model takes the place of the old one between two requests, or not at all; and the command as people start it."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner

import contact_reasons as cr
from contact_reasons.cli import app
from contact_reasons.service.models import Models, ReloadRunning, Served, load_served
from contact_reasons.service.settings import ServiceSettings
from tests.service import KEY, Running
from tests.two_packs import replace_model, two_packs

TEXT = "where is my parcel"


@pytest.fixture(scope="module")
def packs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The retail pack, and the same with a model that answers differently."""
    return two_packs(tmp_path_factory.mktemp("reload"))


@pytest.fixture
def pack(packs: tuple[Path, Path], tmp_path: Path) -> Path:
    return Path(shutil.copytree(packs[0], tmp_path / "pack"))


@pytest.fixture
def running(pack: Path) -> Iterator[Running]:
    with Running(pack=pack) as found:
        yield found


def test_a_new_model_answers_after_a_reload_and_says_so(running: Running, pack: Path, packs: tuple[Path, Path]) -> None:
    before = running.ask("/label", {"text": TEXT}).json()
    assert running.post("/admin/reload").json() == {"model": before["model"], "changed": False}
    replace_model(pack, packs[1])
    assert running.ask("/label", {"text": TEXT}).json() == before
    told = running.post("/admin/reload").json()
    after = running.ask("/label", {"text": TEXT}).json()
    wanted = cr.load_pipeline(packs[1]).label(cr.Contact(text=TEXT))
    assert told == {"model": after["model"], "changed": True}
    assert after["model"]["id"] != before["model"]["id"]
    assert after["results"][0]["label"]["confidence"] == wanted.confidence
    health = running.client.get("/health").json()
    assert (health["model"], health["last_reload"]["taken"]) == (after["model"], True)


def test_another_policy_is_another_model(running: Running, pack: Path) -> None:
    before = running.client.get("/health").json()["model"]
    policy = pack / "policy.yaml"
    policy.write_text(policy.read_text().replace("priority: 8", "priority: 7"))
    after = running.post("/admin/reload").json()["model"]
    assert after["id"] != before["id"]
    assert (after["bundle"], after["policy_sha256"] != before["policy_sha256"]) == (before["bundle"], True)


def broken(pack: Path, how: str) -> None:
    arrays, policy = pack / "model" / "arrays.npz", pack / "policy.yaml"
    if how == "cut":
        arrays.write_bytes(arrays.read_bytes()[:-100])
    elif how == "changed":
        content = bytearray(arrays.read_bytes())
        content[len(content) // 2] ^= 1
        arrays.write_bytes(content)
    elif how == "gone":
        shutil.rmtree(pack / "model")
    elif how == "manifest":
        (pack / "model" / "manifest.json").write_text("{")
    elif how == "policy":
        policy.write_text("rules: [")
    else:
        shutil.rmtree(pack)


@pytest.mark.parametrize("how", ["cut", "changed", "gone", "manifest", "policy", "all gone"])
def test_a_broken_model_is_refused_and_the_old_one_goes_on(running: Running, pack: Path, how: str) -> None:
    before = running.ask("/route", {"text": TEXT}).json()
    broken(pack, how)
    answer = running.post("/admin/reload")
    assert (answer.status_code, answer.json()["type"].rpartition(":")[2]) == (409, "reload-refused")
    assert str(pack)[:40] in answer.json()["detail"]
    assert running.ask("/route", {"text": TEXT}).json() == before
    health = running.client.get("/health")
    assert health.status_code == 200
    assert health.json()["last_reload"]["taken"] is False
    assert health.json()["last_reload"]["why"].endswith("Error")


def test_of_two_reloads_at_once_one_is_refused() -> None:
    go = threading.Event()
    first = load_served(ServiceSettings(keys=(KEY,)))
    loads: list[Served] = []

    def load() -> Served:
        if loads:
            go.wait(20)
        loads.append(first)
        return first

    async def both() -> tuple[bool, bool]:
        models = Models(load)
        one = asyncio.create_task(models.reload())
        await asyncio.sleep(0)
        reloading = models.reloading
        with pytest.raises(ReloadRunning):
            await models.reload()
        go.set()
        return reloading, await one

    assert asyncio.run(both()) == (True, False)


def test_every_answer_during_reloads_is_of_the_model_that_it_names(
    running: Running, pack: Path, packs: tuple[Path, Path]
) -> None:
    """Requests of ten clients while the model changes to and fro."""
    texts = [TEXT, "refund my money", "late delivery", "an invoice please", "hello"]
    wanted: dict[str, list[Any]] = {}
    for folder in packs:
        pipe = cr.load_pipeline(folder)
        key = pipe.bundle.manifest.seal
        wanted[key] = [pipe.handle(cr.Contact(text=text)).label.confidence for text in texts]
    assert len(set(map(str, wanted.values()))) == 2

    async def ask() -> list[tuple[str, list[float]]]:
        headers = {"authorization": f"Bearer {KEY}"}
        found = []
        done = asyncio.Event()

        async def client() -> None:
            async with httpx.AsyncClient(base_url=running.url, headers=headers, timeout=60) as each:
                while not done.is_set():
                    answer = await each.post("/route", json={"contacts": [{"text": text} for text in texts]})
                    assert answer.status_code == 200
                    body = answer.json()
                    confidences = [result["label"]["confidence"] for result in body["results"]]
                    found.append((body["model"]["bundle"], confidences))

        async def reloads() -> None:
            async with httpx.AsyncClient(base_url=running.url, headers=headers, timeout=60) as each:
                for n in range(6):
                    await asyncio.to_thread(replace_model, pack, packs[1 - n % 2])
                    assert (await each.post("/admin/reload")).json()["changed"] is True
            done.set()

        await asyncio.gather(reloads(), *(client() for _ in range(10)))
        return found

    answers = asyncio.run(ask())
    assert {seal for seal, _ in answers} == set(wanted)
    assert all(confidences == wanted[seal] for seal, confidences in answers)


# ---------------------------------------------------------------------------------------- the command


@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="there is no SIGHUP on this system")
def test_the_command_serves_reloads_at_a_signal_and_ends_at_another(pack: Path, packs: tuple[Path, Path]) -> None:
    command = [sys.executable, "-m", "contact_reasons", "serve", "--pack", str(pack), "--port", "0"]
    environment = os.environ | {"CONTACT_REASONS_API_KEYS": KEY}
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment)
    lines: list[dict[str, Any]] = []

    def wait_for(event: str) -> dict[str, Any]:
        assert process.stderr is not None
        while True:
            lines.append(json.loads(process.stderr.readline()))
            if lines[-1]["event"] == event:
                return lines[-1]

    try:
        url = f"http://127.0.0.1:{wait_for('listening')['port']}"
        headers = {"authorization": f"Bearer {KEY}"}
        body = {"contacts": [{"text": TEXT}]}
        before = httpx.post(f"{url}/label", json=body, headers=headers).json()["model"]["id"]
        replace_model(pack, packs[1])
        process.send_signal(signal.SIGHUP)
        assert wait_for("reloaded")["changed"] is True
        assert httpx.post(f"{url}/label", json=body, headers=headers).json()["model"]["id"] != before
        broken(pack, "cut")
        process.send_signal(signal.SIGHUP)
        assert "BundleError" in wait_for("reload-refused")["error"]
        assert httpx.get(f"{url}/health").json()["status"] == "ready"
        process.send_signal(signal.SIGTERM)
        wait_for("stopped")
        assert process.wait(20) in (0, -signal.SIGTERM)
        assert TEXT not in json.dumps(lines)
    finally:
        process.kill()
        process.communicate()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "there is no API key"),
        (["--no-key", "--host", "0.0.0.0"], "is open to others"),
        (["--pack", "retial", "--no-key"], "did you mean 'retail'"),
        (["--no-key", "--systems", "none.yaml"], "the file cannot be read"),
    ],
)
def test_the_command_says_why_it_does_not_start(
    arguments: list[str], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CONTACT_REASONS_API_KEYS", raising=False)
    result = CliRunner().invoke(app, ["serve", *arguments], env={"COLUMNS": "200", "NO_COLOR": "1"})
    assert result.exit_code == 2, result.output
    assert said in result.output


def test_the_help_of_the_command_shows_an_example() -> None:
    text = CliRunner().invoke(app, ["serve", "--help"], env={"COLUMNS": "200", "NO_COLOR": "1"}).output
    assert "contact-reasons serve --pack retail --port 8080" in text


def test_the_command_says_what_to_install_where_it_cannot_serve() -> None:
    code = "import sys; sys.modules['msgspec'] = None; from contact_reasons.cli import app; app(['serve', '--no-key'])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    assert "pip install 'contact-reasons[service]'" in done.stderr

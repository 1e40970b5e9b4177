"""A dataset in an object store, against a real S3 server on this machine: the bytes of a local run."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from puzzlegen import ShardDataset
from puzzlegen.errors import OutputError
from puzzlegen.shards import remote
from puzzlegen.shards.store import Store, open_store
from runs import called, contents, kill_group, lines, puzzlegen, start, wait_for

moto = pytest.importorskip("moto.server", reason="needs moto[server]")
pytest.importorskip("s3fs", reason="needs s3fs")

COMMAND = ("generate", "maze:tiny", "flowfree:tiny", "--num", 70, "--format", "64x64x25", "--shard-rows", 60)


@pytest.fixture(scope="module")
def bucket() -> Iterator[str]:
    """s3://bucket of a server of our own."""
    server = moto.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    settings = {
        "AWS_ENDPOINT_URL": f"http://{host}:{port}", "AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_DEFAULT_REGION": "us-east-1",
    }  # fmt: skip
    with pytest.MonkeyPatch.context() as patch:
        for name, value in settings.items():
            patch.setenv(name, value)
        import s3fs

        s3fs.S3FileSystem().mkdir("bucket")
        yield "s3://bucket"
    server.stop()


@pytest.fixture(scope="module")
def local(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("local") / "d"
    assert puzzlegen(*COMMAND, "--out", folder).returncode == 0
    return folder


@pytest.fixture(scope="module")
def finished(bucket: str) -> str:
    done = puzzlegen(*COMMAND, "--workers", 2, "--out", f"{bucket}/finished")
    assert (done.returncode, done.stderr) == (0, "")
    return f"{bucket}/finished"


def objects(url: str) -> dict[str, bytes]:
    """Every object below a URL, by its name within."""
    store = open_store(url)
    assert isinstance(store, remote.RemoteStore)
    names = [path.partition(url.removeprefix("s3://") + "/")[2] for path in store._files.find(store._path(""))]
    return {name: store.read(name) for name in sorted(names)}


def test_the_same_bytes_as_on_this_machine(finished: str, local: Path) -> None:
    assert objects(finished) == contents(local)


def test_verified(finished: str) -> None:
    done = called("verify", finished)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("140 of 140 clips")


def test_shown(finished: str, local: Path, tmp_path: Path) -> None:
    assert called("show", finished).stdout == called("show", local).stdout
    done = called("show", finished, "maze-tiny-0-000003", "--out", tmp_path / "clip.mp4")
    assert (done.returncode, done.stderr) == (0, "")
    assert (tmp_path / "clip.mp4").read_bytes() == ShardDataset(local).find("maze-tiny-0-000003").video


def test_random_access(finished: str, local: Path) -> None:
    ours, theirs = (ShardDataset(place, task="maze") for place in (finished, local))
    assert len(ours) == len(theirs) == 70
    for index in (69, 0, 33, -1):
        assert dict(ours[index]) == dict(theirs[index])
    assert ours.column("digest") == theirs.column("digest")


def test_same_command_on_a_finished_dataset_changes_nothing(finished: str) -> None:
    before = objects(finished)
    done = called(*COMMAND, "--out", finished)
    assert (done.returncode, done.stderr) == (0, "")
    assert objects(finished) == before
    done = called(*COMMAND, "--seed", 9, "--out", finished)
    assert done.returncode == 4
    assert "another dataset" in done.stderr


_SHORT_LEASES = "from puzzlegen.shards import remote; remote.LEASE_S = 3; from puzzlegen.cli import main; main()"


def with_short_leases(*arguments: object) -> subprocess.CompletedProcess[str]:
    words = [sys.executable, "-c", _SHORT_LEASES, *map(str, arguments)]
    return subprocess.run(words, capture_output=True, text=True, timeout=200, check=False)


@pytest.mark.parametrize("moment", ["drafts", "parts"])
def test_killed_and_resumed(moment: str, bucket: str, local: Path) -> None:
    """The lease of the killed run refuses the next one until it has run out."""
    url = f"{bucket}/killed-{moment}"
    store = open_store(url)
    process = start(*COMMAND, "--workers", 2, "--out", url)
    assert wait_for(lambda: store.names(f".work/{moment}"), process)
    kill_group(process)
    done = with_short_leases(*COMMAND, "--out", url)
    if done.returncode:
        assert done.returncode == 4
        assert "Another run is writing s3://" in done.stderr
        assert "If it was killed, its lease runs out in" in done.stderr
        assert len(lines(done.stderr)) == 1
        time.sleep(4)
        forget_leases(store)
    done = with_short_leases(*COMMAND, "--workers", 2, "--out", url)
    assert (done.returncode, done.stderr) == (0, "")
    assert objects(url) == contents(local)


def forget_leases(store: Store) -> None:
    """For a run with leases of the usual length, which would have to wait for a minute."""
    for name in store.names(".work"):
        if name.startswith("lease-"):
            store.remove(f".work/{name}")


def test_a_second_run_is_refused_while_the_first_lives(bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also when the first has been at work for longer than a lease lasts."""
    monkeypatch.setattr(remote, "LEASE_S", 2)
    first, second = (open_store(f"{bucket}/held") for _ in range(2))
    with first.locked(".work"):
        time.sleep(4.5)
        with pytest.raises(OutputError, match="Another run is writing"), second.locked(".work"):
            pass
        with pytest.raises(OutputError, match="units 3:4"), second.locked(".work", range(3, 4)):
            pass
    with second.locked(".work", range(2)), first.locked(".work", range(2, 4)), pytest.raises(OutputError):
        first.locked(".work", range(1, 3)).__enter__()
    assert second.names(".work") == []


def test_units_and_merge(bucket: str, local: Path) -> None:
    url = f"{bucket}/units"
    for units in ("1:", ":1"):
        done = called(*COMMAND, "--units", units, "--out", url)
        assert (done.returncode, done.stderr) == (0, "")
    done = called("merge", url)
    assert (done.returncode, done.stderr) == (0, "")
    assert objects(url) == contents(local)


# --- stores that cannot be used: one line, exit 4


def refused(*arguments: object) -> str:
    done = called(*arguments)
    assert (done.returncode, done.stdout) == (4, ""), done.stderr
    (line,) = lines(done.stderr)
    return line


def test_no_such_bucket(bucket: str) -> None:
    assert "no such bucket" in refused(*COMMAND, "--out", "s3://absent/d").lower()
    assert "no complete puzzlegen dataset" in refused("verify", f"{bucket}/absent")


def test_no_credentials_and_no_server() -> None:
    """In a process of its own: drivers keep their connections."""
    bare = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    bare |= {"AWS_EC2_METADATA_DISABLED": "true", "AWS_ENDPOINT_URL": "http://127.0.0.1:9", "AWS_MAX_ATTEMPTS": "1"}
    for more, words in (({}, "credentials"), ({"AWS_ACCESS_KEY_ID": "k", "AWS_SECRET_ACCESS_KEY": "s"}, "connect")):
        done = puzzlegen(*COMMAND, "--out", "s3://bucket/d", env={**bare, **more, "HOME": "/nowhere"})
        assert done.returncode == 4, done.stderr
        (line,) = lines(done.stderr)
        assert "s3://bucket/d" in line
        assert words in line.lower(), line


def test_unknown_protocols_and_missing_drivers(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "nonsense://" in refused(*COMMAND, "--out", "nonsense://bucket/d")
    monkeypatch.setitem(sys.modules, "gcsfs", None)
    assert refused(*COMMAND, "--out", "gs://bucket/d").endswith("Install it with: pip install gcsfs.")


def test_manifest_is_that_of_the_objects(finished: str) -> None:
    store = open_store(finished)
    for shard in json.loads(store.read("manifest.json"))["shards"]:
        assert shard["bytes"] == store.size(shard["path"]) == len(store.read(shard["path"]))

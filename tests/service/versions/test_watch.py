"""Versions that come, go and are refused; loaded by a fake."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from model import artifact
from model.artifact import ArtifactError
from service.errors import NotReady
from service.predictor import DeviceUnavailable, Predictor
from service.settings import Settings
from service.versions.directory import artifact_directory, pinned, versions_under
from service.versions.readiness import PredictorSlot
from service.versions.watch import VersionWatch
from tests.service.conftest import INFO, FakePredictor


def publish(root: Path, number: str, manifest: str = "good") -> Path:
    directory = root / number
    directory.mkdir(exist_ok=True)
    (directory / "weights").write_text("w")
    (directory / artifact.MANIFEST).write_text(manifest)
    return directory


@dataclass
class Loader:
    """Refuses what its manifest says is bad, and remembers everything."""

    tried: list[str] = field(default_factory=list)
    loaded: dict[str, FakePredictor] = field(default_factory=dict)

    async def __call__(self, directory: Path) -> Predictor:
        name = directory.name
        self.tried.append(name)
        manifest = (directory / artifact.MANIFEST).read_text()
        if manifest == "no device":
            raise DeviceUnavailable("no GPU")
        if manifest != "good":
            raise (ArtifactError if manifest == "bad" else RuntimeError)(f"{name} is {manifest}")
        self.loaded[name] = FakePredictor(replace(INFO, version=name))
        return self.loaded[name]


@dataclass
class Watched:
    """A slot that is kept at the newest good version, and what was told."""

    root: Path
    load: Loader
    watch: VersionWatch
    slot: PredictorSlot
    outcomes: list[str]

    async def looks(self, times: int = 2) -> list[str]:
        """What was tried meanwhile; what has just come is tried at the second look."""
        self.load.tried.clear()
        for _ in range(times):
            await self.watch.look(self.slot)
        return self.load.tried

    async def start(self) -> None:
        self.slot.fill(self.watch.newest_good())
        await self.slot.settled.wait()


@pytest.fixture
async def watched(tmp_path: Path) -> AsyncIterator[Watched]:
    load, outcomes = Loader(), list[str]()
    slot = PredictorSlot(lambda _: None)
    watch = VersionWatch(tmp_path, load, 0.001, outcomes.append)
    yield Watched(tmp_path, load, watch, slot, outcomes)
    await slot.close()


def test_versions_are_numbered_directories_with_a_manifest(tmp_path: Path) -> None:
    for number in ("9", "10", "2"):
        publish(tmp_path, number)
    (tmp_path / "11").mkdir()
    publish(tmp_path, "draft")
    assert [version.directory.name for version in versions_under(tmp_path)] == ["10", "9", "2"]
    assert artifact_directory(tmp_path).name == "10"
    assert artifact_directory(tmp_path / "9") == tmp_path / "9"
    assert [v.directory for v in versions_under(tmp_path / "9")] == [tmp_path / "9"]
    assert versions_under(tmp_path / "nowhere") == []


def test_settings_are_pinned_to_the_highest_version(tmp_path: Path) -> None:
    for number in ("1", "2"):
        publish(tmp_path, number)
    settings = pinned(Settings(artifact=tmp_path, port=1234))
    publish(tmp_path, "3")
    assert settings == Settings(artifact=tmp_path / "2", port=1234)
    assert pinned(settings) == settings


def test_a_version_is_another_once_a_file_changes(tmp_path: Path) -> None:
    directory = publish(tmp_path, "1")
    (first,) = versions_under(tmp_path)
    assert versions_under(tmp_path) == [first]
    (directory / "weights").write_text("more")
    (second,) = versions_under(tmp_path)
    (directory / "vocabulary").touch()
    (third,) = versions_under(tmp_path)
    assert len({first, second, third}) == 3


async def test_a_new_version_takes_the_place_of_the_old_once_it_lies_still(
    watched: Watched,
) -> None:
    publish(watched.root, "1")
    await watched.start()
    assert watched.slot.version() == "1"
    publish(watched.root, "2")
    assert await watched.looks(1) == []
    (watched.root / "2" / "weights").write_text("still coming")
    assert await watched.looks(1) == []
    assert await watched.looks(1) == ["2"]
    assert watched.slot.version() == "2"
    assert watched.load.loaded["1"].closed
    assert not watched.load.loaded["2"].closed
    assert await watched.looks() == []
    assert watched.outcomes == ["served", "served"]


@pytest.mark.parametrize("manifest", ["bad", "odd"])
async def test_a_refused_version_is_tried_again_only_when_its_files_change(
    watched: Watched, manifest: str, caplog: pytest.LogCaptureFixture
) -> None:
    publish(watched.root, "1")
    await watched.start()
    directory = publish(watched.root, "2", manifest)
    assert await watched.looks(5) == ["2"]
    assert watched.slot.version() == "1"
    assert not watched.load.loaded["1"].closed
    assert f"version 2 is refused: 2 is {manifest}" in caplog.text
    assert watched.outcomes == ["served", "refused"]
    (directory / artifact.MANIFEST).write_text("good")
    assert await watched.looks() == ["2"]
    assert watched.slot.version() == "2"


async def test_behind_a_bad_version_an_older_new_one_is_found(watched: Watched) -> None:
    publish(watched.root, "1")
    await watched.start()
    publish(watched.root, "2")
    publish(watched.root, "3", "bad")
    assert await watched.looks() == ["3", "2"]
    assert watched.slot.version() == "2"
    assert await watched.looks() == []


async def test_a_version_that_was_moved_away_gives_way_to_the_one_before(watched: Watched) -> None:
    publish(watched.root, "1")
    publish(watched.root, "2")
    await watched.start()
    shutil.move(watched.root / "2", watched.root / "withdrawn")
    assert await watched.looks() == ["1"]
    assert watched.slot.version() == "1"
    shutil.rmtree(watched.root / "1")
    assert await watched.looks() == []
    assert watched.slot.version() == "1"  # better than none


async def test_a_start_skips_versions_that_are_bad(watched: Watched) -> None:
    publish(watched.root, "1")
    publish(watched.root, "2", "bad")
    await watched.start()
    assert watched.slot.version() == "1"
    assert await watched.looks() == []


async def test_where_no_version_is_good_one_that_comes_later_is_served(watched: Watched) -> None:
    publish(watched.root, "1", "odd")
    publish(watched.root, "2", "bad")
    await watched.start()
    with pytest.raises(NotReady, match="no model could be loaded: 2 is bad"):
        watched.slot.check()
    publish(watched.root, "3")
    await watched.looks()
    assert watched.slot.version() == "3"


async def test_a_missing_device_is_no_fault_of_a_version(watched: Watched) -> None:
    publish(watched.root, "1")
    publish(watched.root, "2", "no device")
    with pytest.raises(DeviceUnavailable):
        await watched.watch.newest_good()
    assert watched.load.tried == ["2"]


async def test_without_any_version_the_slot_says_so(watched: Watched) -> None:
    await watched.start()
    with pytest.raises(NotReady, match="no artifact: no numbered directory"):
        watched.slot.check()


async def test_the_old_one_answers_whoever_has_it_in_hand(watched: Watched) -> None:
    publish(watched.root, "1")
    await watched.start()
    old = watched.load.loaded["1"]
    with watched.slot.lease() as first, watched.slot.lease():
        publish(watched.root, "2")
        looking = asyncio.create_task(watched.looks())
        while watched.slot.version() != "2":
            await asyncio.sleep(0.001)
        assert first is old
        assert not old.closed
        with watched.slot.lease() as second:
            assert second.info.version == "2"
        health = watched.slot.health()
        assert health is not None
    assert await looking == ["2"]
    assert old.closed


async def test_a_stop_waits_for_no_lease(watched: Watched) -> None:
    publish(watched.root, "1")
    await watched.start()
    with watched.slot.lease():
        publish(watched.root, "2")
        looking = asyncio.create_task(watched.looks())
        while watched.slot.version() != "2":
            await asyncio.sleep(0.001)
        looking.cancel()
        await watched.slot.close()
    assert watched.load.loaded["1"].closed
    assert watched.load.loaded["2"].closed


async def test_the_watch_goes_on_after_a_fault_of_its_own(
    watched: Watched, caplog: pytest.LogCaptureFixture
) -> None:
    def cannot_count_refusals(outcome: str) -> None:
        if outcome == "refused":
            raise OSError("not counted")

    watch = VersionWatch(watched.root, watched.load, 0.001, cannot_count_refusals)
    publish(watched.root, "1")
    watched.slot.fill(watch.newest_good())
    running = asyncio.create_task(watch.run(watched.slot))
    await watched.slot.settled.wait()
    publish(watched.root, "2", "bad")
    while "looking for new versions failed" not in caplog.text:
        await asyncio.sleep(0.001)
    publish(watched.root, "3")
    while watched.slot.version() != "3":
        await asyncio.sleep(0.001)
    running.cancel()

from __future__ import annotations

import re
import sys
import tarfile
import zipfile
from collections import Counter
from email import message_from_bytes
from pathlib import Path

from tests.packaging.checkout import MEMBERS, ROOT, VERSION, project_of, run


def _files(wheel: Path) -> list[str]:
    with zipfile.ZipFile(wheel) as archive:
        return archive.namelist()


def _the_wheel(wheels: Path, name: str) -> Path:
    (found,) = wheels.glob(f"{name}-{VERSION}-*.whl")
    return found


def test_the_distribution_flowli_holds_no_code(wheels: Path) -> None:
    files = _files(_the_wheel(wheels, "flowli"))
    assert files
    assert [name for name in files if ".dist-info/" not in name] == []


def test_the_source_of_the_distribution_flowli_holds_only_its_description(tmp_path: Path) -> None:
    run(sys.executable, "-m", "build", "--sdist", "--no-isolation", "--outdir", tmp_path, ROOT)
    (sdist,) = tmp_path.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        names = {Path(name).name for name in archive.getnames()}
    assert names - {".gitignore"} == {"LICENSE", "PKG-INFO", "README.md", "pyproject.toml"}


def test_no_file_is_owned_by_two_wheels(wheels: Path) -> None:
    owners = Counter(name for wheel in wheels.glob("*.whl") for name in _files(wheel))
    assert len(owners) > 10
    assert [name for name, count in owners.items() if count > 1] == []


def test_each_distribution_ships_one_import_package_marked_as_typed(wheels: Path) -> None:
    for member in MEMBERS:
        (package,) = (folder.name for folder in (member / "src").iterdir() if folder.suffix != ".egg-info")
        files = _files(_the_wheel(wheels, project_of(member)["name"].replace("-", "_")))
        assert {name.split("/")[0] for name in files if ".dist-info/" not in name} == {package}
        assert f"{package}/py.typed" in files


def test_a_wheel_ships_every_file_of_its_package(wheels: Path) -> None:
    for member in MEMBERS:
        kept = {path.relative_to(member / "src").as_posix() for path in (member / "src").rglob("*") if path.is_file()}
        wanted = {name for name in kept if "__pycache__" not in name}
        assert wanted <= set(_files(_the_wheel(wheels, project_of(member)["name"].replace("-", "_"))))


def test_the_scripts_of_the_store_are_shipped(wheels: Path) -> None:
    scripts = [name for name in _files(_the_wheel(wheels, "flowli_core")) if name.endswith(".lua")]
    assert scripts
    assert all(name.startswith("flowli/resp/") for name in scripts)


def test_all_distributions_have_one_version() -> None:
    assert {project_of(folder)["version"] for folder in (ROOT, *MEMBERS)} == {VERSION}


def test_every_requirement_on_a_distribution_of_ours_is_pinned_to_that_version(wheels: Path) -> None:
    ours = {project_of(folder)["name"] for folder in (ROOT, *MEMBERS)}
    pins: list[str] = []
    for wheel in wheels.glob("*.whl"):
        with zipfile.ZipFile(wheel) as archive:
            (metadata,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
            required: list[str] = message_from_bytes(archive.read(metadata)).get_all("Requires-Dist") or []
        pins += [text for text in required if re.split(r"[^\w-]", text, maxsplit=1)[0] in ours]
    assert pins
    assert [text for text in pins if f"=={VERSION}" not in text] == []

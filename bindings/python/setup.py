"""
What pyproject.toml cannot say: the version stands in the C++ header, and the wheel holds the library.

    pip wheel --no-build-isolation --no-deps bindings/python

bundles libflashsale.so.0 and the sinks' modules from build/release/lib, or from the folder that FLASHSALE_BUNDLE names.
With FLASHSALE_BUNDLE empty it bundles none and is for every platform: the system has the library then.
"""

import os
import re
import shutil
from pathlib import Path

from setuptools import Distribution, setup
from setuptools.command.build_py import build_py
from wheel.bdist_wheel import bdist_wheel

ROOT = Path(__file__).resolve().parents[2]
FOLDER = os.environ.get("FLASHSALE_BUNDLE", str(ROOT / "build/release/lib"))


def version() -> str:
    text = (ROOT / "include/flashsale/version.hpp").read_text()
    parts = (re.search(rf"FLASHSALE_VERSION_{part} (\d+)", text) for part in ("MAJOR", "MINOR", "PATCH"))
    return ".".join(part[1] for part in parts if part)


def bundle() -> list[Path]:
    if not FOLDER:
        return []
    library = Path(FOLDER, "libflashsale.so.0")
    if not library.exists():
        raise SystemExit(f"{library} is missing: build the release preset, or set FLASHSALE_BUNDLE")
    return [library, *sorted(Path(FOLDER).glob("flashsale_sink_*.so"))]


class BuildWithLibrary(build_py):
    def run(self) -> None:
        super().run()
        target = Path(self.build_lib, "flashsale/_lib")
        shutil.rmtree(target, ignore_errors=True)
        for file in bundle():
            target.mkdir(exist_ok=True)
            shutil.copy(file, target / file.name)  # the file itself where the name is a link


class PlatformWheel(bdist_wheel):
    """Pure Python beside a C library: any Python 3, one platform."""

    def get_tag(self) -> tuple[str, str, str]:
        return ("py3", "none", super().get_tag()[2])


class PlatformDistribution(Distribution):
    def has_ext_modules(self) -> bool:
        return bool(FOLDER)


setup(
    version=version(),
    distclass=PlatformDistribution,
    cmdclass={"build_py": BuildWithLibrary, "bdist_wheel": PlatformWheel},
)

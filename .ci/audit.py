"""Fail if a version that is installed of what the package needs has a known vulnerability, by https://osv.dev.

Arguments: the package, and the extras of which the needs count too.  Where the database cannot be reached it is said
that nothing was checked, which is no failure: a machine without a network tells nothing of vulnerabilities.
"""

import argparse
import json
import urllib.request
from importlib import metadata

from packaging.requirements import Requirement

IGNORED: dict[str, str] = {}
"""Vulnerabilities that do not matter here, by their names, each with the reason."""
PATIENCE = 15  # seconds; arbitrary: the answer takes less than one


def installed(package: str, extras: list[str]) -> dict[str, str]:
    """The version of each package that is needed, by name, at any depth."""
    found: dict[str, str] = {}
    waiting = [(package, frozenset(extras))]
    seen = set(waiting)
    while waiting:
        name, wanted = waiting.pop()
        for line in metadata.requires(name) or ():
            need = Requirement(line)
            if need.marker and not any(need.marker.evaluate({"extra": extra}) for extra in ("", *wanted)):
                continue
            found[need.name.lower()] = metadata.version(need.name)
            one = need.name, frozenset(need.extras)
            if one not in seen:
                seen.add(one)
                waiting.append(one)
    return found


def main() -> int:
    """Ask, and say what was found."""
    parser = argparse.ArgumentParser()
    parser.add_argument("package")
    parser.add_argument("extras", nargs="*")
    parser.add_argument("--url", default="https://api.osv.dev/v1/querybatch")
    options = parser.parse_args()
    versions = sorted(installed(options.package, options.extras).items())
    queries = [{"package": {"name": name, "ecosystem": "PyPI"}, "version": version} for name, version in versions]
    body = json.dumps({"queries": queries}).encode()
    try:
        with urllib.request.urlopen(options.url, body, timeout=PATIENCE) as answer:  # noqa: S310 -- who runs it says which
            results = json.load(answer)["results"]
    except (OSError, ValueError, KeyError) as error:  # no network, or one that answers for the database
        print(f"NOT CHECKED, {options.url} cannot be asked: {error!r}")
        return 0
    known = [
        f"{name} {version}: {one['id']}"
        for (name, version), result in zip(versions, results, strict=True)
        for one in result.get("vulns", ())
        if one["id"] not in IGNORED
    ]
    print("\n".join(known) or f"none is known of {len(versions)} packages")
    return 1 if known else 0


if __name__ == "__main__":
    raise SystemExit(main())

# SPDX-License-Identifier: GPL-2.0-or-later
"""Where this machine gets Debian from, read from its own apt configuration (deb822 and one-line sources)."""
import pathlib
import re
import subprocess
import tempfile

APT = pathlib.Path("/etc/apt")


class NoMirror(RuntimeError):
    pass


def deb822_entries(text):
    """(uri, suite, components) of every enabled binary source of a *.sources file."""
    for stanza in re.split(r"\n[ \t]*\n", text):
        fields, last = {}, None
        for line in stanza.splitlines():
            if line.startswith("#") or not line.strip():
                continue
            if line[0] in " \t" and last:
                fields[last] += " " + line.strip()
            elif ":" in line:
                last, value = line.split(":", 1)
                last = last.strip().lower()
                fields[last] = value.strip()
        if fields.get("enabled", "yes").lower() in ("no", "false", "0") or "deb" not in fields.get("types", "").split():
            continue
        for uri in fields.get("uris", "").split():
            for suite in fields.get("suites", "").split():
                yield uri, suite, fields.get("components", "").split()


def one_line_entries(text):
    """The same of a *.list file: deb [options] uri suite component..."""
    for line in text.splitlines():
        match = re.match(r"\s*deb\s+(?:\[[^\]]*\]\s+)?(\S+)\s+(\S+)\s+([^#]+)", line)
        if match:
            yield match[1], match[2], match[3].split()


def entries(apt=APT):
    for path in [apt / "sources.list", *sorted((apt / "sources.list.d").glob("*"))]:
        if path.suffix == ".sources":
            yield from deb822_entries(path.read_text())
        elif path.suffix == ".list" and path.exists():
            yield from one_line_entries(path.read_text())


def resolved(uri):
    """Cloud images say mirror+file:/etc/apt/mirrors/x.list; the first line of that file is a mirror."""
    if not uri.startswith("mirror+file:"):
        return uri
    lines = pathlib.Path(uri.removeprefix("mirror+file:")).read_text().split("\n")
    return next(line.split()[0] for line in lines if line.strip() and not line.startswith("#"))


def debian(apt=APT):
    """URI of the Debian archive that this machine installs from."""
    codename = r"(bullseye|bookworm|trixie|forky|sid|stable|testing|unstable|oldstable)"
    for uri, suite, components in entries(apt):
        if re.fullmatch(codename, suite) and "main" in components:
            return resolved(uri).rstrip("/")
    raise NoMirror(f"no Debian archive with the component main among the apt sources in {apt}")


def require_answer(suite, apt=APT):
    """The archive has SUITE, and apt's own downloader, with its proxies, gets it."""
    uri = f"{debian(apt)}/dists/{suite}/InRelease"
    with tempfile.TemporaryDirectory() as scratch:
        done = subprocess.run(["/usr/lib/apt/apt-helper", "-o", "Acquire::Retries=3", "download-file", uri,
                               f"{scratch}/InRelease"], stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if done.returncode:
        raise NoMirror(f"{uri} cannot be downloaded:\n{done.stdout}{done.stderr}")


def download_options():
    """apt options about proxies, certificates and checks, to be used for the images too."""
    dump = subprocess.run(["apt-config", "dump"], check=True, capture_output=True, text=True).stdout
    wanted = re.compile(r"Acquire::(http|https|Retries|Check-Valid-Until|Check-Date)[: ]", re.IGNORECASE)
    return [line for line in dump.splitlines() if wanted.match(line) and '""' not in line]

"""Source packages of the distribution, fetched by apt and checked by their hash.

apt runs with a private configuration under build/ that takes the mirrors from the host's own (sources.list(5),
apt.conf(5)): nothing on the host changes.
"""
import hashlib
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from image.settings import CACHE, Refused


@dataclass(frozen=True)
class Source:
    """What apt calls the `package`, in which `suite`, the file that is wanted of it, and how to do `without` it."""
    name: str
    package: str
    suite: str
    tarball: str
    sha256: str
    without: str


def fetched(source: Source) -> Path:
    """Downloads the source package; the mirror that has it wins."""
    path = CACHE / "apt" / source.tarball
    if path.is_file():
        return path
    print(f"barewire: fetching {source.name}'s source", file=sys.stderr)
    (CACHE / "apt" / "lists" / "partial").mkdir(parents=True, exist_ok=True)
    said = ""
    for mirror in _mirrors():
        done = _apt(source, mirror, "update")
        if done.returncode == 0:
            done = _apt(source, mirror, "source", "--download-only", source.package)
        if path.is_file():
            return path
        said = (done.stderr.strip().splitlines() or [""])[-1]
    raise Refused(f"no archive in apt's configuration gave {source.package} of {source.suite}: add one, {source.without}"
                  + (said and f" ({said})"))


def check(source: Source, tarball: Path) -> None:
    found = hashlib.sha256(tarball.read_bytes()).hexdigest()
    if found != source.sha256:
        tarball.unlink()
        raise Refused(f"{source.tarball}: sha256 is {found}, expected {source.sha256}: deleted; run again, {source.without}")


def _mirrors() -> list[str]:
    """The host's package archives, as its own apt configuration names them: the distribution's own come first."""
    try:
        listed = subprocess.run(["apt-get", "indextargets", "--format", "$(REPO_URI) $(SIGNED_BY)",
                                 "Created-By: Packages", "Component: main"], capture_output=True, text=True)
    except FileNotFoundError:
        raise Refused("no apt-get here to fetch source packages with: use a Debian host")
    lines = sorted(set(listed.stdout.splitlines()), key=lambda line: "debian" not in line)
    return list(dict.fromkeys(line.split()[0] for line in lines if line.strip()))


def _apt(source: Source, mirror: str, *command: str) -> subprocess.CompletedProcess:
    folder = CACHE / "apt"
    keyring = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
    signed = f"[signed-by={keyring}] " if keyring.is_file() else ""
    (folder / "sources.list").write_text(f"deb-src {signed}{mirror} {source.suite} main\n")
    options = {"Dir::Etc::SourceList": folder / "sources.list", "Dir::Etc::SourceParts": "-", "Dir::State::Lists": folder / "lists",
               "Dir::Cache": folder, "Dir::Cache::Archives": folder, "APT::Sandbox::User": "", "Acquire::Languages": "none",
               "APT::Update::Post-Invoke-Success::": "", "APT::Update::Error-Mode": "any"}
    arguments = [part for key, value in options.items() for part in ("-o", f"{key}={value}")]
    return subprocess.run(["apt-get", "-q", *arguments, *command], cwd=folder, capture_output=True, text=True)

"""Coverage-guided fuzzing (atheris: libFuzzer for Python) of one target, the firmware instrumented as it is loaded.

    python -m tests.fuzz.cover TARGET [libFuzzer's arguments, for instance -max_total_time=60 -seed=1 FOLDER]

New inputs go to build/fuzz/TARGET, a crash to build/fuzz/crash-*; minimise.py takes what is new of them into the kept corpus,
tests/fuzz/corpus.
"""
import sys
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["image.config", "image.assets", "hostsim.pcap"]):
    import hostsim.pcap     # noqa: F401
    import image.assets     # noqa: F401
    import image.config     # noqa: F401
from hostsim import loader
from image.settings import ROOT
from tests.fuzz.targets import TARGETS

CORPUS = Path(__file__).parent / "corpus"


def instrument(compiled):
    """The loader's _compiled, whose code tells libFuzzer which way it takes."""
    known = {}

    def wrapper(*arguments):
        code = compiled(*arguments)
        if id(code) not in known:
            known[id(code)] = code, atheris.patch_code(code, trace_dataflow=True)
        return known[id(code)][1]
    return wrapper


def main(name, *arguments):
    loader._compiled = instrument(loader._compiled)
    found = ROOT / "build" / "fuzz" / name
    found.mkdir(parents=True, exist_ok=True)
    folders = [str(found), str(CORPUS / name)] if not any(Path(word).is_dir() for word in arguments) else []
    TARGETS[name](b"")      # everything is loaded before coverage counts
    atheris.Setup([sys.argv[0], *arguments, "-timeout=20", "-artifact_prefix=%s/" % found.parent, *folders], TARGETS[name])
    atheris.Fuzz()


if __name__ == "__main__":
    main(*sys.argv[1:])

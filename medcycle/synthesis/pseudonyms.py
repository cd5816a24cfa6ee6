"""What cases are called where their own names, which may be the patients', don't belong."""

from __future__ import annotations

import csv
import hashlib
import hmac
import io
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from medcycle.errors import UsageError
from medcycle.io.dicom.deidentify import Deidentify
from medcycle.io.dicom.hidden import names_of
from medcycle.io.discover import Source
from medcycle.io.files import atomic_path
from medcycle.words import cell

__all__ = ["names_file", "own_names", "pseudonymous", "told_as", "write_names"]

COLUMNS = ("case", "name", "source")


def pseudonymous(sources: Sequence[Source], how: Deidentify) -> list[Source]:
    """The sources under names made by the key, or if that is not kept of their numbers among all."""
    return [replace(one, name=_pseudonym(one.name, number, how)) for number, one in enumerate(sources, start=1)]


def _pseudonym(name: str, number: int, how: Deidentify) -> str:
    if not how.lasting:
        return f"case-{number}"
    return f"case-{hmac.new(how.key.encode(), f'case {name}'.encode(), hashlib.sha256).hexdigest()[:12]}"


def told_as(sources: Sequence[Source]) -> dict[str, str]:
    """What messages say instead of the names of files and folders: the pseudonyms."""
    called = {path: one.name for one in sources for path in (one.path, *one.files)}
    return names_of(called)


def names_file(output: Path) -> Path:
    """The file, beside the outputs, that tells which case is which; it is not meant to go with them."""
    return output.absolute().with_name(f"{output.absolute().name}-names.csv")


def own_names(output: Path) -> dict[str, str]:
    """The cases' own names by their pseudonyms, as the file beside the outputs tells; none where there is no file.

    Raises:
        UsageError: if the file is something else.
    """
    return {case: name for case, (name, _) in _listed(names_file(output)).items()}


def write_names(sources: Sequence[Source], owners: Sequence[Source], given: Path, output: Path) -> Path:
    """Write which case is made of which source, readable by the owner alone; cases of earlier calls stay listed.

    Args:
        sources: under their pseudonyms.
        owners: the same ones under their own names.
        given: what was searched; sources are told by their places in it.
        output: the folder of the outputs.

    Raises:
        UsageError: if it can't be written.
    """
    path = names_file(output)
    rows = _listed(path)
    for one, owner in zip(sources, owners, strict=True):
        rows[one.name] = (owner.name, cell(str(one.path.relative_to(given)) if one.path != given else given.name))
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerows([COLUMNS, *((case, *told) for case, told in sorted(rows.items()))])
    try:
        with atomic_path(path) as temporary:
            temporary.touch(mode=0o600)
            temporary.write_text(text.getvalue(), encoding="utf-8")
    except OSError as error:
        raise UsageError(
            f"{path}, the list of case names, can't be written ({error.strerror}); give an output in a folder "
            "of your own"
        ) from error
    return path


def _listed(path: Path) -> dict[str, tuple[str, str]]:
    """What an earlier call listed: names and sources by pseudonyms."""
    try:
        with path.open(encoding="utf-8", newline="") as stream:
            return {row["case"]: (row["name"], row["source"]) for row in csv.DictReader(stream)}
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, KeyError) as error:
        raise UsageError(f"{path}: not a list of case names; move it away, or give another output") from error

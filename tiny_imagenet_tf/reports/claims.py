"""Every claim of the papers and what became of it: ``docs/claims.md``, made of ``docs/claims.toml`` and the records."""

import tomllib
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tiny_imagenet_tf.errors import UserError
from tiny_imagenet_tf.published import LE_YANG, MILANI
from tiny_imagenet_tf.reports.table import NOTHING, Table
from tiny_imagenet_tf.runs.files import read_object, read_text
from tiny_imagenet_tf.runs.records import Record

VERDICTS = ("yes", "in part", "no", "not run")
KINDS = ("setting", "finding")
COLUMNS = ("Section", "Claim", "Kind", "Held", "Here", "Shown by")


def section(claims: Path, records: Sequence[Record], results: Path) -> str:
    """Returns the two tables of claims, each after its count of verdicts.

    Args:
        claims: the data file.
        records: what figures are read from, by name.
        results: the folder of the records, in whose folders analyses and further records are: ``analyses/order``.

    Raises:
        UserError: a claim names a record or a file that is not there, or says neither what shows it nor why not.
    """
    try:
        papers = tomllib.loads(read_text(claims))
    except tomllib.TOMLDecodeError as error:
        raise UserError(f"{claims} is not TOML: {error}") from error
    found, parts = _below(results) | {record.name: record for record in records}, []
    for key, title in (("milani", MILANI), ("le_yang", LE_YANG)):
        try:
            said = papers[key]["claims"]
            rows = [_row(claims, claim, found) for claim in said]
        except (KeyError, TypeError, AttributeError) as error:
            raise UserError(f"{claims}: under [{key}] the claims lack {error}") from error
        caption = ". ".join(f"{kind.capitalize()}s: {_counted(said, kind)}" for kind in KINDS)
        parts.append(Table(title, f"{caption}.", COLUMNS, tuple(rows)).markdown())
    return "\n\n".join(parts)


def _below(results: Path) -> dict[str, Any]:
    paths = sorted(path for path in results.glob("*/*.json") if not path.name.startswith("."))  # one being written, say
    return {f"{path.parent.name}/{path.stem}": read_object(path) for path in paths}


def _counted(claims: Sequence[dict[str, str]], kind: str) -> str:
    counts = Counter(claim["held"] for claim in claims if claim["kind"] == kind)
    return ", ".join(f"{counts[verdict]} {verdict}" for verdict in VERDICTS)


def _row(claims: Path, claim: dict[str, str], found: dict[str, Any]) -> tuple[str, ...]:
    place, by = f"{claims}, {claim.get('at')}: {claim.get('says')}", claim.get("by")
    for name, allowed in (("held", VERDICTS), ("kind", KINDS)):
        if claim[name] not in allowed:
            raise UserError(f"{place}: {name} is {claim[name]!r}, none of {', '.join(allowed)}")
    said = claim["at"], claim["says"], claim["kind"], claim["held"]
    if claim["held"] == "not run":
        if by or not claim.get("why"):
            raise UserError(f"{place}: not run, so say why, and nothing that shows it")
    elif not by or not (claims.parents[1] / by).exists():
        raise UserError(f"{place}: {by} is not there to show it")
    try:
        words = claim.get("figure", claim.get("why", NOTHING)).format(**found)
    except (KeyError, AttributeError, TypeError, ValueError, IndexError) as error:
        raise UserError(f"{place}: no stored record has what its figure asks for: {error}") from error
    if not by:
        return *said, words, NOTHING
    page = (claims.parents[1] / by).parent == claims.parent and by.endswith(".md")  # beside the page of claims
    return *said, words, f"[{Path(by).name}]({Path(by).name})" if page else f"`{by}`"

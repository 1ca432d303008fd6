"""What a batch leaves besides the outputs, made of its records: two tables and a page."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from vidcam._files import write_text
from vidcam.batch.records import Record, Store
from vidcam.errors import VidcamError
from vidcam.pipeline.predictions import TOP_CLASSES
from vidcam.report.gallery import ClipCard, write_gallery

PREDICTIONS = (
    *("file", "frame", "time", "target", "class", "logit", "probability"),
    *(f"{kind}{i}" for i in range(1, TOP_CLASSES + 1) for kind in ("top", "probability")),
)
SUMMARY = (
    *("file", "output", "state", "reason", "explained", "frames", "seconds", "width", "height", "damaged"),
    *("target", "confidence", "lowest", "switches", "border", "spread", "flicker", "steadiness"),
    *("heat_inside", "box_share", "centre_inside", "classes", "notes"),
)


def write_tables(store: Store, names: Iterable[str]) -> list[Record]:
    """Writes `predictions.csv`, `summary.csv` and `index.html` from all records of an output folder.

    Each is replaced whole. Inputs of earlier batches are in them as long as their outputs are there.

    Args:
        store: the records.
        names: of the inputs of this batch.

    Returns:
        The records that are shown.

    Raises:
        VidcamError: one cannot be written.
    """
    records = _shown(store, set(names))
    done = [r for r in records if r.state == "done"]
    _write(store.outdir / "predictions.csv", PREDICTIONS, _predictions(store, done))
    _write(store.outdir / "summary.csv", SUMMARY, map(_summary, records))
    write_gallery(store.outdir / "index.html", [_entry(r) for r in records], store.outdir.resolve().name or "vidcam")
    return records


def _shown(store: Store, names: set[str]) -> list[Record]:
    """Returns the records that are done or failed and still of interest."""
    return [
        r
        for r in store.all()
        if (r.state == "done" and (store.outdir / r.output).exists())
        or (r.state == "failed" and (r.name in names or Path(r.source).exists()))
    ]


def _predictions(store: Store, records: Sequence[Record]) -> Iterator[list[str]]:
    """Yields the lines of the files' own predictions, each with its file in front and as long as the longest."""
    for record in records:
        try:
            with store.file("predictions", record.name, ".csv").open(encoding="utf-8", newline="") as file:
                lines = csv.reader(file)
                next(lines, None)
                for line in lines:
                    yield [record.name, *line, *[""] * (len(PREDICTIONS) - 1 - len(line))]
        except OSError as error:
            raise VidcamError(f"{error.filename}: cannot be read: {error.strerror}; --force makes it again") from None


def _summary(record: Record) -> list[Any]:
    n = record.numbers if record.state == "done" else {}
    width, height = n.get("size", ("", ""))
    shown: dict[str, Any] = {
        "file": record.name,
        "output": record.output,
        "state": record.state,
        "reason": record.error,
        "width": width,
        "height": height,
        "damaged": record.damaged if n else "",
        "classes": "; ".join(f"{name} {count}" for name, count in n.get("classes", {}).items()),
        "notes": "; ".join(record.notes),
    }
    return [shown[c] if c in shown else _text(n.get(c)) for c in SUMMARY]


def _text(value: Any) -> Any:
    """Returns a value as a table has it: nothing where it is not known."""
    return "" if value is None else f"{value:.6g}" if isinstance(value, float) else value


def _entry(record: Record) -> ClipCard:
    if record.state == "failed":
        return ClipCard(record.name, failed=record.error)
    n = record.numbers
    kept = {name: n[name] for name in ClipCard.__slots__ if name in n}
    kept["size"] = tuple(n["size"])
    kept["times"] = tuple(n["times"])
    kept["curves"] = {name: tuple(curve) for name, curve in n["curves"].items()}
    return ClipCard(record.name, record.output, record.poster, page=record.page, **kept)


def _write(path: Path, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(columns)
    table.writerows(rows)
    write_text(path, text.getvalue())

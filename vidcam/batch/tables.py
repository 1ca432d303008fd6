"""What a batch leaves besides the outputs, made of its records: two tables and a page."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from vidcam._files import write_text
from vidcam.batch.numbers import LEADING
from vidcam.batch.records import Record, Store
from vidcam.errors import VidcamError
from vidcam.pipeline.predictions import TOP_CLASSES
from vidcam.report.gallery import ClipCard, write_gallery

PREDICTIONS = (
    *("file", "frame", "time", "target", "class", "logit", "probability"),
    *(f"{kind}{i}" for i in range(1, TOP_CLASSES + 1) for kind in ("top", "probability")),
    "model",
)
SUMMARY = (
    *("file", "output", "state", "reason", "explained", "frames", "seconds", "width", "height", "damaged"),
    *("target", "confidence", "lowest", "switches", "border", "spread", "flicker", "steadiness"),
    *("heat_inside", "box_share", "centre_inside", "classes", "notes"),
    *("model", "disagreement", "agreement", "correlation", "apart"),
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
    _write(store.outdir / "summary.csv", SUMMARY, (line for r in records for line in _summary(r)))
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
                several = next(lines, [""])[-1] == "model"
                for line in lines:
                    said, model = (line[:-1], line[-1]) if several else (line, "")
                    yield [record.name, *said, *[""] * (len(PREDICTIONS) - 2 - len(said)), model]
        except OSError as error:
            raise VidcamError(f"{error.filename}: cannot be read: {error.strerror}; --force makes it again") from None


def _summary(record: Record) -> Iterator[list[Any]]:
    """Yields a file's line, of several models one for each."""
    numbers = record.numbers if record.state == "done" else {}
    for own in numbers.get("models", [{}]):
        yield _line(record, {**numbers, **own})


def _line(record: Record, n: Mapping[str, Any]) -> list[Any]:
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
        "model": n.get("name", ""),
    }
    return [shown[c] if c in shown else _text(n.get(c)) for c in SUMMARY]


def _text(value: Any) -> Any:
    """Returns a value as a table has it: nothing where it is not known."""
    return "" if value is None else f"{value:.6g}" if isinstance(value, float) else value


def _entry(record: Record) -> ClipCard:
    if record.state == "failed":
        return ClipCard(record.name, failed=record.error)
    n = record.numbers
    models = tuple(_card(own["name"], own) for own in n.get("models", ()))
    card = replace(_card(record.name, n), output=record.output, poster=record.poster, page=record.page, models=models)
    if not models:
        return card
    few = max(1, LEADING // len(models))
    curves = {f"{m.source}: {name}": curve for m in models for name, curve in list(m.curves.items())[:few]}
    return replace(card, curves=curves)


def _card(name: str, numbers: Mapping[str, Any]) -> ClipCard:
    """Returns the numbers of a clip, or of a model on it, as the page takes them."""
    kept = {field: numbers[field] for field in ClipCard.__slots__ if field in numbers and field != "models"}
    kept["size"] = tuple(numbers.get("size", (0, 0)))
    kept["times"] = tuple(numbers["times"])
    kept["curves"] = {name: tuple(curve) for name, curve in numbers["curves"].items()}
    return ClipCard(name, **kept)


def _write(path: Path, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(columns)
    table.writerows(rows)
    write_text(path, text.getvalue())

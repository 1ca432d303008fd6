"""Progress of work that goes in named steps: training and evaluation."""

from __future__ import annotations

from typing import Any

import click


class Steps:
    """One progress bar at a time on standard error, and an epoch's figures; nothing when quiet.

    Args:
        quiet: show and print nothing.
    """

    def __init__(self, quiet: bool) -> None:
        self._quiet = quiet
        self._bar: Any = None
        self._done = 0

    def __enter__(self) -> Steps:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def step(self, name: str, done: int, total: int | None) -> None:
        """Shows that `done` of `total` of the named work is done; a smaller number than before begins a new bar."""
        if self._quiet:
            return
        if self._bar is None or self._bar.total != total or done < self._done:
            self.close()
            from tqdm import tqdm

            self._bar = tqdm(total=total, leave=False, mininterval=0.5, disable=None)
            self._done = 0
        self._bar.set_description_str(name, refresh=False)
        self._bar.update(done - self._done)
        self._done = done

    def row(self, row: dict[str, Any]) -> None:
        """Prints an epoch's figures."""
        self.say(
            f"{row['phase']} epoch {row['epoch']}: loss {row['loss']:.4f} accuracy {row['accuracy']:.4f}, "
            f"validation loss {row['val_loss']:.4f} accuracy {row['val_accuracy']:.4f}"
        )

    def say(self, text: str) -> None:
        """Prints a text in place of the bar."""
        self.close()
        if not self._quiet:
            click.echo(text)

    def close(self) -> None:
        """Removes the bar."""
        if self._bar is not None:
            self._bar.close()
        self._bar = None

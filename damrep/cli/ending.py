"""How a run ends: one line on stderr and an exit code, never a traceback.

0   done
1   a fault of damrep
2   a fault of what was given: input, options, a disk that is full
130 interrupted (128 + the signal's number, so 143 for SIGTERM)
141 whoever read the output has gone away
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from typing import Any

import click

from damrep.masking.printing import escaped

__all__ = ["guarded"]

FAULT, BAD_INPUT, PIPE_CLOSED = 1, 2, 141
# torch on a processor has no class of its own for this.
_REFUSED_BYTES = re.compile(r"can't allocate memory: you tried to allocate (\d+) bytes")
_GRACE = 1.0  # seconds in which further signals do not disturb the cleaning up


def guarded(run: Callable[[], None]) -> int:
    """Run something and return the exit code; what went wrong is one line on stderr.

    SIGINT, SIGTERM and SIGHUP are raised as KeyboardInterrupt, so that everything that was begun
    is cleaned up.

    Parameters
    ----------
    run : callable

    Returns
    -------
    int

    Examples
    --------
    >>> guarded(lambda: None)
    0
    """
    if isinstance(sys.stdout, io.TextIOWrapper):
        # Letters that its encoding lacks are written as escapes, as on stderr.
        sys.stdout.reconfigure(errors="backslashreplace")
    with _signals() as received:
        try:
            run()
            if sys.stdout is not None:  # closed by whoever started us
                sys.stdout.flush()
        except BaseException as error:
            try:
                return _explain(error, received)
            except BrokenPipeError:
                return _without_reader()
    return 0


def _explain(error: BaseException, received: list[int]) -> int:
    # A signal can surface as another error: an import broken off, say.
    if received or isinstance(error, (KeyboardInterrupt, click.Abort)):
        number = received[0] if received else int(signal.SIGINT)
        _say("terminated" if number == signal.SIGTERM else "interrupted")
        return 128 + number
    if isinstance(error, click.exceptions.Exit):
        return error.exit_code
    if isinstance(error, SystemExit):
        return error.code if isinstance(error.code, int) else FAULT
    if isinstance(error, BrokenPipeError):
        return _without_reader()
    if os.environ.get("DAMREP_DEBUG") and not isinstance(error, click.ClickException):
        traceback.print_exception(error)
    message = _fault_of_input(error)
    if message is not None:
        _say(f"error: {message}")
        return BAD_INPUT
    hint = "" if os.environ.get("DAMREP_DEBUG") else " (set DAMREP_DEBUG=1 for the traceback)"
    text = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    _say(f"internal error: {text}{hint}")
    return FAULT


def _fault_of_input(error: BaseException) -> str | None:
    """What to say if the cause is outside of damrep, else None."""
    if isinstance(error, click.UsageError):
        help_of = "" if error.ctx is None else f" (try: {error.ctx.command_path} --help)"
        return error.format_message().rstrip(".") + help_of
    if isinstance(error, click.ClickException):
        return error.format_message()
    if isinstance(error, OSError):
        where = "" if error.filename is None else f"{error.filename}: "
        return f"{where}{error.strerror or error}"
    if isinstance(error, MemoryError):
        return f"not enough memory{f': {error}' if str(error) else ''}"
    if isinstance(error, RuntimeError) and (asked := _REFUSED_BYTES.search(str(error))):
        return f"not enough memory: {int(asked[1]) / 1e9:,.0f} GB were asked for at once"
    # Looked up, not imported: nothing can have raised them before they were.
    for module, name in (
        ("damrep.masking.validation", "InputError"),
        ("damrep.training.loop", "DivergedError"),
        ("torch", "OutOfMemoryError"),
    ):
        kind: Any = getattr(sys.modules.get(module), name, None)
        if kind is not None and isinstance(error, kind):
            return str(error)
    return None


def _say(text: str) -> None:
    if sys.stderr is not None:  # closed; print would take stdout instead
        print("damrep:", escaped(" ".join(text.split())), file=sys.stderr, flush=True)


def _without_reader() -> int:
    # Otherwise the interpreter tries to flush once more on its way out, and says so.
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return PIPE_CLOSED


@contextlib.contextmanager
def _signals() -> Iterator[list[int]]:
    """Raise KeyboardInterrupt for the signals that end a program; their numbers are in the list."""
    received: list[int] = []
    last = -_GRACE

    def raise_once(number: int, frame: Any) -> None:
        nonlocal last
        received.append(number)
        if time.monotonic() - last >= _GRACE:
            last = time.monotonic()
            raise KeyboardInterrupt

    before: dict[int, Any] = {}
    if threading.current_thread() is threading.main_thread():
        for name in ("SIGINT", "SIGTERM", "SIGHUP"):
            number = getattr(signal, name, None)
            # One that is ignored was so by the wish of whoever started us: nohup, for one.
            if number is not None and signal.getsignal(number) is not signal.SIG_IGN:
                before[number] = signal.signal(number, raise_once)
    try:
        yield received
    finally:
        # After one of them the process is on its way out, and another would only make a noise.
        for number, handler in before.items():
            signal.signal(number, signal.SIG_IGN if received else handler)

"""Folders that are written whole or not at all, by one process at a time."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

from damrep.masking.notes import warn_of
from damrep.masking.validation import InputError

__all__ = ["atomic_folder", "claimed"]

try:
    import fcntl
except ImportError:  # Windows
    import msvcrt

    def _take(handle: int) -> None:
        os.lseek(handle, 1 << 20, os.SEEK_SET)  # what is locked there nobody can read
        msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined]
else:

    def _take(handle: int) -> None:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)


_MARK = b"damrep "  # what a file of ours begins with
_LONGEST_MARK = 200
_held = threading.local()


@contextlib.contextmanager
def claimed(path: str | os.PathLike[str]) -> Iterator[None]:
    """Keep a folder from being written by anybody else while the block runs.

    By a lock of the operating system on a file beside the folder, which is gone at the end. If the
    process is killed the file may stay, but not the lock. A folder this thread has claimed already
    can be claimed again.

    Parameters
    ----------
    path
        The folder, which need not exist; those above it are made.

    Raises
    ------
    InputError
        If another process or thread has claimed it, or nothing can be written beside it.

    Warns
    -----
    DamrepWarning
        If the file system has no locks; the folder is then not protected.

    Examples
    --------
    >>> import tempfile
    >>> out = Path(tempfile.mkdtemp()) / "out"
    >>> with claimed(out):
    ...     [file.name for file in out.parent.iterdir()]
    ['.out.lock']
    >>> list(out.parent.iterdir())
    []
    """
    target = Path(path).expanduser().resolve()
    mine: set[Path] = _held.__dict__.setdefault("folders", set())
    if target in mine:
        yield
        return
    with _made(target.parent), _locked(target.with_name(f".{target.name}.lock"), path):
        mine.add(target)
        try:
            yield
        finally:
            mine.discard(target)


@contextlib.contextmanager
def _made(folder: Path) -> Iterator[None]:
    """Make a folder; if it is empty at the end it was not needed."""
    new = [place for place in (folder, *folder.parents) if not place.exists()]
    try:
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(f"cannot write to {folder}: {error.strerror}") from None
        yield
    finally:
        for place in new:
            with contextlib.suppress(OSError):
                place.rmdir()


@contextlib.contextmanager
def _locked(file: Path, shown: str | os.PathLike[str]) -> Iterator[None]:
    """Hold the lock on a file, which is made for it and goes with it."""
    handle = _lock(file, shown)
    try:
        yield
    finally:
        # Before the lock is given up: whoever comes next then makes a file of its own.
        with contextlib.suppress(OSError):
            if _holder(handle) is not None:
                file.unlink()
        os.close(handle)


def _lock(file: Path, shown: str | os.PathLike[str]) -> int:
    """A handle of the file, which holds the lock."""
    while True:
        handle = _open(file)
        try:
            _take(handle)
            # Not one that had come to its end before it was locked.
            there = os.path.samestat(os.fstat(handle), os.lstat(file))
        except (BlockingIOError, PermissionError):
            holder = _holder(handle)
            os.close(handle)
            raise InputError(
                f"{shown} is being written by another process{f' ({holder})' if holder else ''}; "
                "wait for it, or give another folder"
            ) from None
        except FileNotFoundError:
            there = False
        except OSError as error:
            warn_of(
                f"{shown}: the file system has no locks ({error.strerror}), so a second fit into "
                "it at the same time will not be noticed"
            )
            there = True
        if there:
            _sign(handle)
            return handle
        os.close(handle)


def _open(file: Path) -> int:
    flags = os.O_NOFOLLOW | os.O_NONBLOCK if os.name != "nt" else os.O_TEMPORARY  # type: ignore[attr-defined]
    try:
        try:
            return os.open(file, os.O_RDWR | os.O_CREAT | flags, 0o666)
        except PermissionError:
            # Left by another user's process that was killed: reading is enough for a lock.
            return os.open(file, os.O_RDONLY | flags)
    except OSError as error:
        raise InputError(f"cannot write to {file.parent}: {file.name}: {error.strerror}") from None


def _sign(handle: int) -> None:
    """Write who holds the lock, unless it is a file of somebody's own."""
    with contextlib.suppress(OSError):
        if os.fstat(handle).st_size == 0 or _holder(handle) is not None:
            os.ftruncate(handle, 0)
            os.lseek(handle, 0, os.SEEK_SET)
            os.write(handle, _MARK + f"{os.getpid()} on {socket.gethostname()}\n".encode())


def _holder(handle: int) -> str | None:
    """Who holds the lock, or held it last."""
    try:
        os.lseek(handle, 0, os.SEEK_SET)
        said = os.read(handle, _LONGEST_MARK)
    except OSError:
        return None
    if not said.startswith(_MARK):
        return None
    return said.removeprefix(_MARK).decode("ascii", "replace").strip()


@contextlib.contextmanager
def atomic_folder(path: str | os.PathLike[str], is_ours: Callable[[Path], bool]) -> Iterator[Path]:
    """Write a folder under a temporary name beside `path`; rename it once all is written.

    If anything is raised inside the block, KeyboardInterrupt included, the temporary folder is
    removed and whatever stood at `path` is left as it was. Nobody else can write there meanwhile,
    see `claimed`.

    Parameters
    ----------
    path
        Where the folder shall be. It may exist if it is an empty folder or one that may be
        overwritten.
    is_ours
        Given the existing folder, says whether it may be overwritten.

    Yields
    ------
    Path
        The temporary folder to write into.

    Raises
    ------
    InputError
        If something else stands at `path`, it is being written by another process, or its parent
        cannot be written to.

    Examples
    --------
    >>> import tempfile
    >>> out = Path(tempfile.mkdtemp()) / "out"
    >>> with atomic_folder(out, is_ours=lambda folder: False) as folder:
    ...     _ = (folder / "a.txt").write_text("a")
    >>> sorted(file.name for file in out.iterdir())
    ['a.txt']
    """
    target = Path(path).expanduser().resolve()
    with claimed(path):
        _check_replaceable(target, is_ours, path)
        temporary = _beside(target, "tmp")
        try:
            temporary.mkdir()
        except OSError as error:
            raise InputError(f"cannot write to {target.parent}: {error.strerror}") from None
        try:
            yield temporary
            _check_replaceable(target, is_ours, path)  # it may have changed while we were writing
            _swap(temporary, target)
        except BaseException:
            shutil.rmtree(temporary, ignore_errors=True)
            raise


def _beside(target: Path, what: str) -> Path:
    return target.with_name(f".{target.name}.{what}-{secrets.token_hex(4)}")


def _check_replaceable(
    target: Path, is_ours: Callable[[Path], bool], shown: str | os.PathLike[str]
) -> None:
    if not target.exists():
        return
    if not target.is_dir():
        raise InputError(f"{shown} exists and is not a folder; give another place to write to")
    if any(target.iterdir()) and not is_ours(target):
        raise InputError(
            f"{shown} exists and was not written by damrep; it is left alone, give another folder"
        )


def _swap(temporary: Path, target: Path) -> None:
    """Put `temporary` in the place of `target`; what was there goes only once that worked."""
    if not target.exists():
        temporary.rename(target)
        return
    old = _beside(target, "old")
    target.rename(old)
    try:
        temporary.rename(target)
    except BaseException:
        old.rename(target)
        raise
    shutil.rmtree(old, ignore_errors=True)

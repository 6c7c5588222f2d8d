"""Store results in SQLite: one writer, one row per file, every row durable when it is written."""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from crackseg.errors import OutputError, display_text
from crackseg.inspection.records import FileStamp, Key, OutputFile, Row

APPLICATION_ID = 0x43524B53
"""Application identifier of our databases: "CRKS"."""
SCHEMA_VERSION = 1

MEASUREMENTS = (
    "components", "crack_fraction", "density_per_px", "density_per_mm", "length_total_px", "length_max_px",
    "width_max_px", "length_total_mm", "length_max_mm", "width_max_mm", "scale_mm_per_px",
)  # fmt: skip
"""Measurements of the whole image that have a column each."""

_BUSY_S = 3.0

_SCHEMA = f"""
CREATE TABLE results (
    path BLOB PRIMARY KEY NOT NULL,
    name TEXT NOT NULL,
    status TEXT NOT NULL CHECK (status IN ('ok', 'failed', 'skipped')),
    code TEXT NOT NULL,
    message TEXT NOT NULL,
    verdict TEXT CHECK (verdict IN ('OK', 'WARN', 'NG', 'CANNOT JUDGE')),
    reasons TEXT NOT NULL,
    height_px INTEGER,
    width_px INTEGER,
    {", ".join(f"{name} REAL" for name in MEASUREMENTS)},
    scale_source TEXT,
    cracks TEXT NOT NULL,
    quality TEXT NOT NULL,
    mask_path BLOB,
    mask_bytes INTEGER,
    overlay_path BLOB,
    overlay_bytes INTEGER,
    file_sha256 TEXT,
    model_sha256 TEXT NOT NULL,
    config_sha256 TEXT NOT NULL,
    size_bytes INTEGER,
    mtime_ns INTEGER,
    ctime_ns INTEGER,
    read_ns INTEGER,
    tries INTEGER NOT NULL,
    seconds REAL NOT NULL,
    CHECK (status != 'ok' OR verdict IS NOT NULL),
    CHECK (status != 'failed' OR verdict = 'CANNOT JUDGE'),
    CHECK (status != 'skipped' OR verdict IS NULL)
) WITHOUT ROWID;
CREATE TABLE thumbnails (
    path BLOB PRIMARY KEY NOT NULL REFERENCES results (path) ON DELETE CASCADE,
    image BLOB NOT NULL
);
CREATE TABLE settings (name TEXT PRIMARY KEY NOT NULL, value TEXT NOT NULL) WITHOUT ROWID;
PRAGMA application_id = {APPLICATION_ID};
PRAGMA user_version = {SCHEMA_VERSION};
"""  # fmt: skip


@dataclass(frozen=True, slots=True)
class KnownFile:
    """Part of a row that decides whether the row is still valid.

    Attributes:
        key: Hashes of everything that the row depends on.
        stamp: File as it was read; None if it was not a regular file.
        status: Status.
        code: Cause of a failure or a skip, in one word.
        verdict: Verdict; None if the file was skipped.
        outputs: Mask and overlay.
    """

    key: Key
    stamp: FileStamp | None
    status: str
    code: str
    verdict: str | None
    outputs: tuple[OutputFile, ...]


class Store:
    """Database of an inspection, open for writing.

    Args:
        path: Database file; created if missing.

    Raises:
        OutputError: If the file belongs to another program or a newer crackseg, is damaged or in use, or cannot be
            written.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        with self._guarded():
            self._database = sqlite3.connect(os.fsencode(path), timeout=_BUSY_S, isolation_level=None)
        try:
            with self._guarded():
                self._prepare()
        except BaseException:
            self._database.close()
            raise
        self._identity = _identity(path)

    def __enter__(self) -> Store:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with contextlib.suppress(sqlite3.Error):
            self._database.close()

    def _prepare(self) -> None:
        """Check the database, and create the tables in an empty one."""
        run = self._database.execute
        (application,), (version,) = run("PRAGMA application_id").fetchone(), run("PRAGMA user_version").fetchone()
        (tables,) = run("SELECT count(*) FROM sqlite_master").fetchone()
        if (application, tables) != (0, 0) and application != APPLICATION_ID:
            raise OutputError("not a results database of crackseg", where=self._path, hint="choose another folder")
        if version > SCHEMA_VERSION:
            raise OutputError(
                f"written by a newer crackseg (layout {version}, expected at most {SCHEMA_VERSION})",
                where=self._path,
                hint="upgrade crackseg, or choose another folder",
            )
        run("PRAGMA journal_mode = WAL")
        run("PRAGMA synchronous = FULL")
        run("PRAGMA foreign_keys = ON")
        if tables:
            (state,), (page,) = run("PRAGMA quick_check(1)").fetchone(), run("PRAGMA page_size").fetchone()
            # SQLite itself accepts half a page at the end.
            if state != "ok" or self._path.stat().st_size % page:
                raise _damaged(self._path)
            return
        with self._transaction():
            # executescript would commit first, and a kill between two tables would leave half a database.
            for statement in _SCHEMA.split(";"):
                run(statement)

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[None]:
        self._database.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            with contextlib.suppress(sqlite3.Error):
                self._database.execute("ROLLBACK")
            raise
        self._database.execute("COMMIT")

    @contextlib.contextmanager
    def _guarded(self) -> Iterator[None]:
        with _translate_errors(self._path):
            yield

    def put(self, rows: Sequence[Row]) -> None:
        """Write rows durably, in place of earlier rows of the same paths.

        Raises:
            OutputError: If they cannot be written; then none of them is.
        """
        if _identity(self._path) != self._identity:
            raise OutputError(
                "removed or replaced during the inspection", where=self._path, hint="run the same command again"
            )
        with self._guarded(), self._transaction():
            for row in rows:
                self._database.execute(_INSERT, _values(row))
                self._database.execute("DELETE FROM thumbnails WHERE path = ?", (row.path,))
                if row.result.thumbnail:
                    self._database.execute("INSERT INTO thumbnails VALUES (?, ?)", (row.path, row.result.thumbnail))

    def restamp(self, stamps: Mapping[bytes, FileStamp]) -> None:
        """Update the stamps of files with new times and unchanged content."""
        if not stamps:
            return
        with self._guarded(), self._transaction():
            self._database.executemany(
                "UPDATE results SET size_bytes = ?, mtime_ns = ?, ctime_ns = ?, read_ns = ? WHERE path = ?",
                [(it.size_bytes, it.mtime_ns, it.ctime_ns, it.read_ns, path) for path, it in stamps.items()],
            )

    def write_settings(self, settings: Mapping[str, str]) -> None:
        """Record texts about the run, by name."""
        with self._guarded(), self._transaction():
            self._database.executemany("INSERT OR REPLACE INTO settings VALUES (?, ?)", list(settings.items()))

    def settings(self) -> dict[str, str]:
        """Return the texts that `write_settings` has recorded, by name."""
        with self._guarded():
            return dict(self._database.execute("SELECT name, value FROM settings ORDER BY name").fetchall())

    def known_files(self) -> dict[bytes, KnownFile]:
        """Return the validity data of every row, by path."""
        columns = (
            "path, file_sha256, model_sha256, config_sha256, size_bytes, mtime_ns, ctime_ns, read_ns, status, code, "
            "verdict, mask_path, mask_bytes, overlay_path, overlay_bytes"
        )
        with self._guarded():
            rows = self._database.execute(f"SELECT {columns} FROM results").fetchall()
        return {bytes(row[0]): _known(row) for row in rows}

    def records(self) -> Iterator[dict[str, Any]]:
        """Yield every row as a dict of its columns, ordered by path."""
        with self._guarded():
            yield from _records(self._database)

    def thumbnails(self) -> Iterator[bytes | None]:
        """Yield the thumbnail of every row or None, ordered by path."""
        query = "SELECT image FROM results LEFT JOIN thumbnails USING (path) ORDER BY path"
        with self._guarded():
            for (image,) in self._database.execute(query):
                yield None if image is None else bytes(image)

    def all_in_millimetres(self) -> bool:
        """Return whether all judged images have a scale."""
        query = "SELECT count(*), count(scale_mm_per_px) FROM results WHERE status = 'ok'"
        with self._guarded():
            judged, scaled = self._database.execute(query).fetchone()
        return bool(judged and judged == scaled)

    def verdicts(self) -> list[tuple[bytes, str, str, str | None, str]]:
        """Return path, name, status, verdict and message of every row."""
        with self._guarded():
            return self._database.execute(
                "SELECT path, name, status, verdict, message FROM results ORDER BY path"
            ).fetchall()


def read_records(path: Path) -> list[dict[str, Any]]:
    """Read the rows of a results database by column, ordered by path.

    Raises:
        OutputError: If the database is missing, damaged or in use.
    """
    if not path.is_file():
        raise OutputError("cannot be read (no such file)", where=path, hint="run the inspection first")
    with _translate_errors(path):
        address = f"{path.absolute().as_uri()}?mode=ro"
        with contextlib.closing(sqlite3.connect(address, timeout=_BUSY_S, uri=True)) as database:
            return list(_records(database))


def _records(database: sqlite3.Connection) -> Iterator[dict[str, Any]]:
    cursor = database.execute("SELECT * FROM results ORDER BY path")
    names = [column[0] for column in cursor.description]
    for values in cursor:
        yield dict(zip(names, values, strict=True))


def _identity(path: Path) -> tuple[int, int] | None:
    """Return device and inode of a file; None without a file."""
    try:
        state = path.stat()
    except OSError:
        return None
    return state.st_dev, state.st_ino


def _values(row: Row) -> tuple[object, ...]:
    result, stamp = row.result, row.stamp
    outputs = [(None, None) if it is None else (it.path, it.size_bytes) for it in (result.mask, result.overlay)]
    times = (None,) * 4 if stamp is None else (stamp.size_bytes, stamp.mtime_ns, stamp.ctime_ns, stamp.read_ns)
    return (
        row.path, display_text(row.path), result.status, result.code, result.message, result.verdict,
        json.dumps(result.reasons), result.height_px, result.width_px, *map(result.measurements.get, MEASUREMENTS),
        None if result.scale_source is None else display_text(result.scale_source),
        json.dumps([dict(crack) for crack in result.cracks]), json.dumps(dict(result.quality)),
        *outputs[0], *outputs[1],
        row.key.file, row.key.model, row.key.config, *times, row.tries, result.seconds,
    )  # fmt: skip


_INSERT = f"INSERT OR REPLACE INTO results VALUES ({', '.join('?' * (25 + len(MEASUREMENTS)))})"


def _known(row: tuple[Any, ...]) -> KnownFile:
    stamp = None if row[4] is None else FileStamp(*row[4:8])
    outputs = tuple(
        OutputFile(bytes(path), size) for path, size in ((row[11], row[12]), (row[13], row[14])) if path is not None
    )
    return KnownFile(Key(row[1], row[2], row[3]), stamp, row[8], row[9], row[10], outputs)


@contextlib.contextmanager
def _translate_errors(path: Path) -> Iterator[None]:
    """Turn errors of SQLite into `OutputError`."""
    try:
        yield
    except sqlite3.Error as error:
        raise _store_error(path, error) from error


def _damaged(path: Path) -> OutputError:
    return OutputError(
        "damaged, or not a database", where=path, hint="move it away and run again, or choose another folder"
    )


def _store_error(path: Path, error: sqlite3.Error) -> OutputError:
    code = getattr(error, "sqlite_errorcode", None)
    primary = None if code is None else code & 0xFF
    if primary in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return OutputError("in use by another program", where=path, hint="wait until that ends, and run again")
    if primary in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
        return _damaged(path)
    if primary == sqlite3.SQLITE_FULL:
        return OutputError(
            "cannot be written (disk full)", where=path, hint="free some space and run the same command again"
        )
    reason = display_text(str(error))
    hint = "choose a folder you may write to" if primary in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN) else None
    return OutputError(f"cannot be written ({reason})", where=path, hint=hint)

"""Files are written whole or not at all."""

import os
import stat
from pathlib import Path

import pytest

from kcsim.errors import InputError
from kcsim.reading.files import check_writable, write_whole


def test_text_and_bytes(tmp_path):
    write_whole(tmp_path / "a", "µ\n")
    assert (tmp_path / "a").read_bytes() == "µ\n".encode()
    write_whole(str(tmp_path / "a"), b"\x00")
    assert (tmp_path / "a").read_bytes() == b"\x00"
    assert os.listdir(tmp_path) == ["a"]


def test_permissions_stay(tmp_path):
    file = tmp_path / "a"
    file.write_text("old")
    file.chmod(0o640)
    write_whole(file, "new")
    assert stat.S_IMODE(file.stat().st_mode) == 0o640


def test_a_new_file_has_the_usual_permissions(tmp_path):
    (tmp_path / "usual").write_text("")
    write_whole(tmp_path / "new", "")
    assert (tmp_path / "new").stat().st_mode == (tmp_path / "usual").stat().st_mode


def test_links_are_followed(tmp_path):
    (tmp_path / "real").write_text("old")
    (tmp_path / "link").symlink_to("real")
    write_whole(tmp_path / "link", "new")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real").read_text() == "new"


def test_devices_stay_devices():
    write_whole(os.devnull, "gone")
    assert stat.S_ISCHR(os.stat(os.devnull).st_mode)


def test_a_missing_folder(tmp_path):
    with pytest.raises(InputError, match=r"there is no folder '.*nowhere'"):
        write_whole(tmp_path / "nowhere" / "a", "text")


def test_a_folder_is_no_file(tmp_path):
    with pytest.raises(InputError, match="it is a folder; expected the name of a file"):
        write_whole(tmp_path, "text")


@pytest.mark.parametrize("exists", [True, False])
def test_no_permission(tmp_path, monkeypatch, exists):
    # Root may write anywhere, hence no real file modes.
    if exists:
        (tmp_path / "a").write_text("old")
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    with pytest.raises(InputError, match="no permission to write to"):
        check_writable(tmp_path / "a")


def test_a_failure_leaves_the_old_file(tmp_path, monkeypatch):
    (tmp_path / "a").write_text("old")

    def refuse(self, target):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", refuse)
    with pytest.raises(InputError, match="No space left on device"):
        write_whole(tmp_path / "a", "new")
    assert (tmp_path / "a").read_text() == "old"
    assert os.listdir(tmp_path) == ["a"]

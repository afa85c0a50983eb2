"""Pages of the documentation that are written from the code are up to date."""

import importlib
import sys
from pathlib import Path

import pytest

from kcsim.fields import FIELDS

DOCS = Path(__file__).parents[2] / "docs"


@pytest.fixture(scope="module")
def write_pages():
    sys.path.insert(0, str(DOCS))
    yield importlib.import_module("write_pages")
    sys.path.remove(str(DOCS))


@pytest.mark.parametrize("name", ["json.md", "nomenclature.md"])
def test_pages_are_as_the_code_says(write_pages, name):
    assert (DOCS / name).read_text(encoding="utf-8") == write_pages.page(name)


@pytest.mark.parametrize("home", sorted({field.home for field in FIELDS.values()}))
def test_the_module_of_a_field_exists(home):
    importlib.import_module(home)

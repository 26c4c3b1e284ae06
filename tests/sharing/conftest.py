"""What the tests of pages and scripts share."""

from tests.browser import browser

__all__ = ["browser"]
